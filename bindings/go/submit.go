package imtag

// #include <imtag.h>
import "C"

import (
	"time"
	"unsafe"
)

// asFlat is a change in the flat form of the C interface.
type asFlat struct {
	operation C.im_operation
	text      []byte
	lengths   []C.size_t
}

func flatOf(change Change) asFlat {
	size := len(change.account)
	for _, tag := range change.tags {
		size += len(tag)
	}
	of := asFlat{
		operation: operations[change.operation].forC,
		text:      make([]byte, 0, size),
		lengths:   make([]C.size_t, 0, len(change.tags)+1),
	}
	of.text, of.lengths = appended(of.text, of.lengths, change.account)
	for _, tag := range change.tags {
		of.text, of.lengths = appended(of.text, of.lengths, tag)
	}
	return of
}

func (f *asFlat) pointers() (*C.char, C.size_t, *C.size_t, C.size_t) {
	text := (*C.char)(unsafe.Pointer(unsafe.SliceData(f.text)))
	return text, C.size_t(len(f.text)), unsafe.SliceData(f.lengths), C.size_t(len(f.lengths))
}

// submit gives a change to C, with its time.
func submit(batcher *C.im_batcher, id uint64, change Change, timeout time.Duration) *Error {
	flat := flatOf(change)
	text, size, lengths, count := flat.pointers()
	var failed *C.im_error
	collect()
	if C.im_batcher_submit_flat(batcher, flat.operation, C.uint64_t(id), text, size, lengths, count,
		milliseconds(timeout), &failed) == C.IM_OK {
		return nil
	}
	return changeError(failed)
}

// refusal is the error of a change that is not given to C, with the library's text. The batcher may be nil: then the
// documented limits apply.
func refusal(batcher *C.im_batcher, why Status, change Change) *Error {
	flat := flatOf(change)
	text, size, lengths, count := flat.pointers()
	var failed *C.im_error
	collect()
	C.im_batcher_refuse_flat(batcher, C.im_status(why), flat.operation, text, size, lengths, count, &failed)
	return changeError(failed)
}

func changeError(of *C.im_error) *Error {
	failed := takeError(of)
	if failed.Status == StatusClosed {
		failed.cause = ErrBatcherClosed
	}
	return failed
}
