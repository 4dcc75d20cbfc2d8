package imtag

// #include <imtag.h>
import "C"

import "unsafe"

// Result is what a call did.
type Result struct {
	// Accounts counts the accounts that it was done for.
	Accounts int
	// Attempts counts the attempts that were made: the one that was answered, and those before it.
	Attempts int
	// AttemptsSent counts those of which any byte left this machine: what the app's quota may have been charged.
	AttemptsSent int
	// RequestID is the service's number for the request, for its support; empty where it gave none.
	RequestID string
	// Users is what GetTag read, in the service's order; empty for the other calls.
	Users []UserTags
	// Unanswered are the accounts that GetTag asked for and the answer does not name. No page says whether such an
	// account has no tags or could not be read; it is in no other count.
	Unanswered []string
}

// takeResult copies a result of C's and frees it.
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

// userTags copies a user of C's from where it lies. Where there are no tags it does not look at the pointer to them: one
// to nothing, which C may use for an empty list, must not be on a stack that Go moves.
func userTags(user *C.im_user_tags) UserTags {
	collect()
	taken := UserTags{Account: text(user.account)}
	if user.tag_count > 0 {
		taken.Tags = texts(user.tags, user.tag_count)
	}
	return taken
}

func texts(first *C.im_str, count C.size_t) []string {
	var all []string
	for _, str := range unsafe.Slice(first, int(count)) {
		all = append(all, text(str))
	}
	return all
}
