package imtag

// #include <imtag.h>
import "C"

import (
	"runtime"
	"unsafe"
)

// submit hands a change to C: a text, and strings that point into it, for which it has to stay where it is.
func submit(batcher *C.im_batcher, id uint64, change Change) *Error {
	size := len(change.account)
	for _, tag := range change.tags {
		size += len(tag)
	}
	text, strings := make([]byte, 0, size+1), make([]C.im_str, 0, len(change.tags)+1)
	var pinner runtime.Pinner
	defer pinner.Unpin()
	pinner.Pin(unsafe.SliceData(text))
	for i := -1; i < len(change.tags); i++ {
		s := change.account
		if i >= 0 {
			s = change.tags[i]
		}
		start := len(text)
		text = append(text, s...)
		strings = append(strings, C.im_str{
			data: (*C.char)(unsafe.Pointer(unsafe.SliceData(text[start : start+1]))),
			len:  C.size_t(len(s)),
		})
	}
	account, tags, count := strings[0], unsafe.SliceData(strings[1:]), C.size_t(len(change.tags))
	var failed *C.im_error
	var status C.im_status
	collect()
	switch change.operation {
	case OpAdd:
		status = C.im_batcher_submit_add_tag(batcher, C.uint64_t(id), account, tags, count, &failed)
	case OpRemove:
		status = C.im_batcher_submit_remove_tag(batcher, C.uint64_t(id), account, tags, count, &failed)
	default:
		status = C.im_batcher_submit_clear_tags(batcher, C.uint64_t(id), account, &failed)
	}
	if status == C.IM_OK {
		return nil
	}
	return takeError(failed)
}
