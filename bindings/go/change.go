package imtag

// #include <imtag.h>
import "C"

import (
	"fmt"
	"slices"
	"unsafe"
)

// Operation is what a [Change] does.
type Operation int32

const (
	OpAdd    Operation = iota // it adds tags to a user
	OpRemove                  // it removes tags from a user
	OpClear                   // it removes all tags of a user
)

var operations = [...]struct {
	name string
	forC C.im_operation
}{
	OpAdd:    {"add", C.IM_ADD},
	OpRemove: {"remove", C.IM_REMOVE},
	OpClear:  {"clear", C.IM_CLEAR},
}

// String is the operation as a word.
func (o Operation) String() string {
	if o < 0 || int(o) >= len(operations) {
		return fmt.Sprintf("operation %d", int32(o))
	}
	return operations[o].name
}

// Change is a change of one user's tags, for a [BulkRun] or a [Batcher]. [Add], [Remove] and [Clear] make one.
type Change struct {
	operation Operation
	account   string
	tags      []string
}

// Add is a change that adds tags to a user: 1 to 100, of 1 to 50 bytes each; a tag that is given twice counts once. The
// account has 1 to 32 bytes; on the timpush paths it may also be a RegistrationID.
func Add(account string, tags ...string) Change {
	return Change{OpAdd, account, slices.Clone(tags)}
}

// Remove is a change that removes any number of tags from a user.
func Remove(account string, tags ...string) Change {
	return Change{OpRemove, account, slices.Clone(tags)}
}

// Clear is a change that removes all tags of a user.
func Clear(account string) Change {
	return Change{OpClear, account, nil}
}

// Changes makes a sequence of changes, as a bulk run takes it. From Go 1.23, slices.Values makes one from a slice.
func Changes(changes ...Change) func(yield func(Change) bool) {
	return func(yield func(Change) bool) {
		for _, change := range changes {
			if !yield(change) {
				return
			}
		}
	}
}

// Operation is what the change does.
func (c Change) Operation() Operation { return c.operation }

// Account is the user.
func (c Change) Account() string { return c.account }

// Tags are the tags that are added or removed; none if all are removed. Do not change them.
func (c Change) Tags() []string { return c.tags }

// String is the change as messages name it, with its tags.
func (c Change) String() string {
	if c.operation == OpClear {
		return fmt.Sprintf("%v %q", c.operation, c.account)
	}
	return fmt.Sprintf("%v %q %q", c.operation, c.account, c.tags)
}

// flat has changes in the flat form of the C interface. Their ids are consecutive, from first on.
type flat struct {
	first      uint64
	operations []C.im_operation
	text       []byte
	lengths    []C.size_t
	counts     []C.size_t
}

func (f *flat) len() int { return len(f.operations) }

func (f *flat) add(change Change) {
	f.operations = append(f.operations, operations[change.operation].forC)
	f.counts = append(f.counts, C.size_t(len(change.tags)))
	f.text, f.lengths = appended(f.text, f.lengths, change.account)
	for _, tag := range change.tags {
		f.text, f.lengths = appended(f.text, f.lengths, tag)
	}
}

// empty keeps the memory for the next changes.
func (f *flat) empty() {
	f.operations, f.text, f.lengths, f.counts = f.operations[:0], f.text[:0], f.lengths[:0], f.counts[:0]
}

// from has the changes after the first n.
func (f flat) from(n int) flat {
	strings, bytes := n, C.size_t(0)
	for _, tags := range f.counts[:n] {
		strings += int(tags)
	}
	for _, length := range f.lengths[:strings] {
		bytes += length
	}
	return flat{f.first + uint64(n), f.operations[n:], f.text[bytes:], f.lengths[strings:], f.counts[n:]}
}

// push pushes the changes to a bulk run, and blocks while there is no capacity. It returns how many were taken, and why
// the next one was not.
func (f flat) push(bulk *C.im_bulk) (int, *Error) {
	var taken C.size_t
	var failed *C.im_error
	status := C.im_bulk_push_flat(bulk, unsafe.SliceData(f.operations), C.uint64_t(f.first),
		(*C.char)(unsafe.Pointer(unsafe.SliceData(f.text))), C.size_t(len(f.text)),
		unsafe.SliceData(f.lengths), C.size_t(len(f.lengths)),
		unsafe.SliceData(f.counts), C.size_t(len(f.counts)), &taken, &failed)
	if status == C.IM_OK {
		return int(taken), nil
	}
	return int(taken), takeError(failed)
}
