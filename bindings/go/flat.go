package imtag

// #include <imtag.h>
import "C"

import "unsafe"

// flat is the flat form of the C interface: all texts one after the other, the length of each, and how many tags each user
// has. It may hold any bytes; the library checks them.
type flat struct {
	text    []byte
	lengths []C.size_t
	counts  []C.size_t
}

// flatOf has the user of one change, whose number of tags is that of its texts. Memory is asked for once.
func flatOf(change Change) *flat {
	size := len(change.account)
	for _, tag := range change.tags {
		size += len(tag)
	}
	f := &flat{text: make([]byte, 0, size), lengths: make([]C.size_t, 0, len(change.tags)+1)}
	f.addTexts(change.account, change.tags)
	return f
}

// add adds a user.
func (f *flat) add(account string, tags []string) {
	f.addTexts(account, tags)
	f.counts = append(f.counts, C.size_t(len(tags)))
}

func (f *flat) addTexts(account string, tags []string) {
	f.addText(account)
	for _, tag := range tags {
		f.addText(tag)
	}
}

func (f *flat) addText(text string) {
	f.text = append(f.text, text...)
	f.lengths = append(f.lengths, C.size_t(len(text)))
}

// strings are the texts and their lengths, as C takes them.
func (f *flat) strings() (*C.char, C.size_t, *C.size_t, C.size_t) {
	text := (*C.char)(unsafe.Pointer(unsafe.SliceData(f.text)))
	return text, C.size_t(len(f.text)), unsafe.SliceData(f.lengths), C.size_t(len(f.lengths))
}
