package imtag

// #include <imtag.h>
import "C"

import "unsafe"

// completion is the outcome of a change.
type completion struct {
	id     uint64
	failed *Error // nil if it is done
}

// err is the error as an interface, nil if the change is done.
func (c completion) err() error {
	if c.failed == nil {
		return nil
	}
	return c.failed
}

// takeCompletions copies completions of C and frees them.
func takeCompletions(completions *C.im_completions) []completion {
	if completions == nil {
		return nil
	}
	defer C.im_completions_free(completions)
	var count, failures C.size_t
	ids := C.im_completions_ids(completions, &count)
	failed := C.im_completions_failed(completions, &failures)
	all := make([]completion, count)
	for i, id := range unsafe.Slice(ids, int(count)) {
		all[i].id = uint64(id)
	}
	for _, index := range unsafe.Slice(failed, int(failures)) {
		all[index].failed = errorOf(C.im_completions_error(completions, index))
	}
	return all
}
