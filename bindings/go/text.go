package imtag

// #include <imtag.h>
import "C"

import "unsafe"

// text copies a string of C.
func text(str C.im_str) string {
	return string(unsafe.Slice((*byte)(unsafe.Pointer(str.data)), int(str.len)))
}

func texts(first *C.im_str, count C.size_t) []string {
	var all []string
	for _, str := range unsafe.Slice(first, int(count)) {
		all = append(all, text(str))
	}
	return all
}

// view is a string of Go that C may read during a call.
func view(s string) C.im_str {
	str := C.im_str{data: (*C.char)(unsafe.Pointer(unsafe.StringData(s))), len: C.size_t(len(s))}
	collect()
	return str
}
