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

// String is the operation in a word.
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

// Add is a change that adds tags to a user: 1 to 100, of 1 to 50 bytes each; one that stands twice counts once. The
// account has 1 to 32 bytes; on the timpush paths it may also be a RegistrationID.
func Add(account string, tags ...string) Change {
	return Change{OpAdd, account, slices.Clone(tags)}
}

// Remove is a change that removes tags from a user: any number.
func Remove(account string, tags ...string) Change {
	return Change{OpRemove, account, slices.Clone(tags)}
}

// Clear is a change that removes all tags of a user.
func Clear(account string) Change {
	return Change{OpClear, account, nil}
}

// Changes are changes as a bulk run takes them. From Go 1.23 on, slices.Values makes the same of a slice.
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

// Tags are those that are added or removed; none where all are removed. They are not to be changed.
func (c Change) Tags() []string { return c.tags }

// String is the change as messages name it, with its tags.
func (c Change) String() string {
	if c.operation == OpClear {
		return fmt.Sprintf("%v %q", c.operation, c.account)
	}
	return fmt.Sprintf("%v %q %q", c.operation, c.account, c.tags)
}

// flat is changes in the flat form of the C interface, with numbers that follow one another.
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

// from is what is left after the first n changes.
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

// push has a bulk run take the changes, and blocks while there is no capacity. It says how many were taken, and why the
// next one was not.
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
