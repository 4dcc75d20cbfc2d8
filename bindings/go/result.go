package imtag

// #include <imtag.h>
import "C"

import "unsafe"

// Result is what a call did.
type Result struct {
	// Accounts counts the accounts that the call succeeded for.
	Accounts int
	// Attempts counts the attempts that were made: the one that was answered, and those before it.
	Attempts int
	// AttemptsSent counts those of which any byte left this machine: what the app's quota may have been charged.
	AttemptsSent int
	// RequestID is the service's id of the request, for its support; empty if it sent none.
	RequestID string
	// Users is what GetTag read, in the service's order; empty for the other calls.
	Users []UserTags
	// Unanswered are the accounts that GetTag asked for and the answer does not name. The service's documentation does
	// not say whether such an account has no tags or could not be read. No other count has it.
	Unanswered []string
}

// takeResult copies a result of C and frees it.
func takeResult(result *C.im_result) *Result {
	if result == nil {
		return nil
	}
	defer C.im_result_free(result)
	var users, unanswered C.size_t
	firstUser := C.im_result_users(result, &users)
	firstUnanswered := C.im_result_unanswered(result, &unanswered)
	taken := &Result{
		Accounts:     int(C.im_result_accounts(result)),
		Attempts:     int(C.im_result_attempts(result)),
		AttemptsSent: int(C.im_result_attempts_sent(result)),
		RequestID:    text(C.im_result_request_id(result)),
		Unanswered:   texts(firstUnanswered, unanswered),
	}
	all := unsafe.Slice(firstUser, int(users))
	for i := range all {
		taken.Users = append(taken.Users, userTags(&all[i]))
	}
	return taken
}

// userTags copies a user of C. It does not read the pointer of an empty list of tags, which C may set to any address: Go
// ends the process if it finds an invalid pointer on a stack that it moves.
func userTags(user *C.im_user_tags) UserTags {
	collect()
	taken := UserTags{Account: text(user.account)}
	if user.tag_count > 0 {
		taken.Tags = texts(user.tags, user.tag_count)
	}
	return taken
}
