package imtag

// #include <imtag.h>
import "C"

import (
	"sync"
	"unsafe"
)

// A feed is a buffer between two goroutines of a bulk run: the caller's pulls changes from the input, and the feed's own
// pushes them into the library, where it blocks while there is no capacity. So the caller's goroutine can report progress
// and yield outcomes meanwhile. No change waits for another to be pulled: those that are added during one push are the
// next push.
//
//	input -> add -> batch --(run)--> push -> library
//	                          |
//	                          +--> refused, once the run has ended -> takeRefused
type feed struct {
	bulk *C.im_bulk

	mu       sync.Mutex
	ready    sync.Cond // there are changes to push, or the input has ended
	batch    *batch
	ended    bool         // no more changes come
	refused  []completion // changes that the run did not take, as it had ended
	notTaken int          // how many, including those that takeRefused returned

	capacity chan struct{} // notified when a push begins, so that there is capacity
	pushed   chan struct{} // closed when all are pushed
}

// Enough that a push costs no more than its changes, and few enough that few changes are pulled ahead.
const changesOfAPush = 256

func newFeed(bulk *C.im_bulk) *feed {
	f := &feed{
		bulk:     bulk,
		batch:    new(batch),
		capacity: make(chan struct{}, 1),
		pushed:   make(chan struct{}),
	}
	f.ready.L = &f.mu
	go f.run()
	return f
}

// add adds a change, and says whether there is capacity for another.
func (f *feed) add(id uint64, change Change) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.batch.len() == 0 {
		f.batch.first = id
		f.ready.Signal()
	}
	f.batch.add(change)
	return f.batch.len() < changesOfAPush
}

// takesMore says whether there is capacity for a change.
func (f *feed) takesMore() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.batch.len() < changesOfAPush
}

// hasEnded says whether the run takes no more.
func (f *feed) hasEnded() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.notTaken > 0
}

// takeRefused returns the changes that were not taken since its last call.
func (f *feed) takeRefused() []completion {
	f.mu.Lock()
	defer f.mu.Unlock()
	refused := f.refused
	f.refused = nil
	return refused
}

// end says that no more changes come.
func (f *feed) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	f.ready.Signal()
}

func (f *feed) run() {
	defer close(f.pushed)
	spare := new(batch)
	for batch := f.next(spare); batch != nil; batch = f.next(spare) {
		f.push(*batch)
		spare = batch
	}
	C.im_bulk_end_of_input(f.bulk, nil)
}

// next waits for changes and leaves an empty batch in their place; nil when all are pushed.
func (f *feed) next(spare *batch) *batch {
	spare.empty()
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.batch.len() == 0 {
		if f.ended {
			return nil
		}
		f.ready.Wait()
	}
	batch := f.batch
	f.batch = spare
	notify(f.capacity)
	return batch
}

// push pushes changes. Once the run has ended, the library refuses each with an error of its own.
func (f *feed) push(left batch) {
	collect()
	for left.len() > 0 {
		taken, failed := left.push(f.bulk)
		if failed == nil {
			return
		}
		left = left.from(taken)
		f.mu.Lock()
		f.notTaken++
		f.refused = append(f.refused, completion{left.first, failed})
		f.mu.Unlock()
		left = left.from(1)
	}
}

// batch has changes in the flat form. Their ids are consecutive, from first on.
type batch struct {
	first      uint64
	operations []C.im_operation
	flat
}

func (b *batch) len() int { return len(b.operations) }

func (b *batch) add(change Change) {
	b.operations = append(b.operations, operations[change.operation].forC)
	b.flat.add(change.account, change.tags)
}

// empty keeps the memory for the next changes.
func (b *batch) empty() {
	b.operations, b.text, b.lengths, b.counts = b.operations[:0], b.text[:0], b.lengths[:0], b.counts[:0]
}

// from has the changes after the first n.
func (b batch) from(n int) batch {
	strings, bytes := n, C.size_t(0)
	for _, tags := range b.counts[:n] {
		strings += int(tags)
	}
	for _, length := range b.lengths[:strings] {
		bytes += length
	}
	return batch{b.first + uint64(n), b.operations[n:], flat{b.text[bytes:], b.lengths[strings:], b.counts[n:]}}
}

// push pushes the changes to a bulk run, and blocks while there is no capacity. It returns how many were taken, and why
// the next one was not.
func (b batch) push(bulk *C.im_bulk) (int, *Error) {
	text, textLen, lengths, lengthCount := b.strings()
	var taken C.size_t
	var failed *C.im_error
	status := C.im_bulk_push_flat(bulk, unsafe.SliceData(b.operations), C.uint64_t(b.first), text, textLen, lengths,
		lengthCount, unsafe.SliceData(b.counts), C.size_t(len(b.counts)), &taken, &failed)
	if status == C.IM_OK {
		return int(taken), nil
	}
	return int(taken), takeError(failed)
}

// notify wakes one goroutine that waits on the channel, or the next that will.
func notify(waits chan struct{}) {
	select {
	case waits <- struct{}{}:
	default:
	}
}
