package imtag

// #include <imtag.h>
import "C"

import (
	"fmt"
	"slices"
)

// Operation is what a [Change] does.
type Operation int32

const (
	OpAdd     Operation = iota // it adds tags to a user
	OpRemove                   // it removes tags from a user
	OpClear                    // it removes all tags of a user
	OpReplace                  // it replaces the tags of a user
)

var operations = [...]struct {
	name string
	forC C.im_operation
}{
	OpAdd:     {"add", C.IM_ADD},
	OpRemove:  {"remove", C.IM_REMOVE},
	OpClear:   {"clear", C.IM_CLEAR},
	OpReplace: {"replace", C.IM_REPLACE},
}

// String is the operation as a word.
func (o Operation) String() string {
	if o < 0 || int(o) >= len(operations) {
		return fmt.Sprintf("operation %d", int32(o))
	}
	return operations[o].name
}

// Change is a change of one user's tags, for a [BulkRun] or a [Batcher]. [Add], [Remove], [Clear] and [Replace]
// make one.
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

// Replace is a change that replaces the tags of a user: afterwards it has these and no others, 1 to 100. Only the timpush
// paths can do this. If it is possibly applied, the tags that the user had may be gone.
func Replace(account string, tags ...string) Change {
	return Change{OpReplace, account, slices.Clone(tags)}
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

// Tags are the tags that are added or removed, or replace all; none if all are removed. Do not change them.
func (c Change) Tags() []string { return c.tags }

// String is the change as messages name it, with its tags.
func (c Change) String() string {
	if c.operation == OpClear {
		return fmt.Sprintf("%v %q", c.operation, c.account)
	}
	return fmt.Sprintf("%v %q %q", c.operation, c.account, c.tags)
}
