package imtag

// #include <imtag.h>
import "C"

import "unsafe"

// UserTags is a user and its tags.
type UserTags struct {
	Account string   // 1 to 32 bytes; on the timpush paths also a RegistrationID
	Tags    []string // 1 to 50 bytes each
}

// request is a request in the flat form of the C interface: all texts one after the other, the length of each, and how
// many tags each user has. It may hold any bytes; the library checks them.
type request struct {
	operation operation
	text      []byte
	lengths   []C.size_t
	counts    []C.size_t
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
	text, lengths, counts := make([]byte, 0, bytes), make([]C.size_t, 0, strings), make([]C.size_t, len(users))
	for i := range users {
		text, lengths = appended(text, lengths, users[i].Account)
		counts[i] = C.size_t(len(users[i].Tags))
		for _, tag := range users[i].Tags {
			text, lengths = appended(text, lengths, tag)
		}
	}
	return &request{operation, text, lengths, counts}
}

func requestOfAccounts(operation operation, accounts []string) *request {
	bytes := 0
	for _, account := range accounts {
		bytes += len(account)
	}
	text, lengths := make([]byte, 0, bytes), make([]C.size_t, 0, len(accounts))
	for _, account := range accounts {
		text, lengths = appended(text, lengths, account)
	}
	return &request{operation, text, lengths, nil}
}

func appended(text []byte, lengths []C.size_t, s string) ([]byte, []C.size_t) {
	return append(text, s...), append(lengths, C.size_t(len(s)))
}

// send makes the call, and blocks until it has ended.
func (r *request) send(client *C.im_client, call *C.im_call, result **C.im_result, failed **C.im_error) C.im_status {
	text, textLen := (*C.char)(unsafe.Pointer(unsafe.SliceData(r.text))), C.size_t(len(r.text))
	lengths, lengthCount := unsafe.SliceData(r.lengths), C.size_t(len(r.lengths))
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

// text copies a string of C.
func text(str C.im_str) string {
	return string(unsafe.Slice((*byte)(unsafe.Pointer(str.data)), int(str.len)))
}

// view is a string of Go that C may read during a call.
func view(s string) C.im_str {
	str := C.im_str{data: (*C.char)(unsafe.Pointer(unsafe.StringData(s))), len: C.size_t(len(s))}
	collect()
	return str
}
