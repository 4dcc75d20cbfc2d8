package imtag

// #include <imtag.h>
import "C"

import "unsafe"

// UserTags is a user and its tags.
type UserTags struct {
	Account string   // 1 to 32 bytes; on the timpush paths also a RegistrationID
	Tags    []string // 1 to 50 bytes each
}

// request is a request in the flat form.
type request struct {
	operation operation
	flat
}

type operation int

const (
	addTag operation = iota
	removeTag
	replaceTags
	getTag
	clearTags
)

func requestOfUsers(operation operation, users []UserTags) *request {
	bytes, strings := 0, len(users)
	for i := range users {
		bytes += len(users[i].Account)
		strings += len(users[i].Tags)
		for _, tag := range users[i].Tags {
			bytes += len(tag)
		}
	}
	f := flat{make([]byte, 0, bytes), make([]C.size_t, 0, strings), make([]C.size_t, 0, len(users))}
	for i := range users {
		f.add(users[i].Account, users[i].Tags)
	}
	return &request{operation, f}
}

func requestOfAccounts(operation operation, accounts []string) *request {
	bytes := 0
	for _, account := range accounts {
		bytes += len(account)
	}
	f := flat{text: make([]byte, 0, bytes), lengths: make([]C.size_t, 0, len(accounts))}
	for _, account := range accounts {
		f.addText(account)
	}
	return &request{operation, f}
}

// send makes the call, and blocks until it has ended.
func (r *request) send(client *C.im_client, call *C.im_call, result **C.im_result, failed **C.im_error) C.im_status {
	text, textLen, lengths, lengthCount := r.strings()
	counts, users := unsafe.SliceData(r.counts), C.size_t(len(r.counts))
	collect()
	switch r.operation {
	case addTag:
		return C.im_add_tag_flat(client, text, textLen, lengths, lengthCount, counts, users, call, result, failed)
	case removeTag:
		return C.im_remove_tag_flat(client, text, textLen, lengths, lengthCount, counts, users, call, result, failed)
	case replaceTags:
		return C.im_replace_tags_flat(client, text, textLen, lengths, lengthCount, counts, users, call, result, failed)
	case getTag:
		return C.im_get_tag_flat(client, text, textLen, lengths, lengthCount, call, result, failed)
	default:
		return C.im_clear_tags_flat(client, text, textLen, lengths, lengthCount, call, result, failed)
	}
}
