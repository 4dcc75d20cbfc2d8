package imtag

// #include <imtag.h>
import "C"

import "sync"

// A feed is what lies between the goroutine that pulls changes out of the input of a bulk run, which is the caller's, and
// one that pushes them into the library, where it blocks while there is no capacity. So the caller's can show progress
// and hand out outcomes meanwhile, and no change waits for another to be pulled: what has come together while a push
// ran is the next one.
type feed struct {
	bulk *C.im_bulk

	mu       sync.Mutex
	some     sync.Cond // there are changes to be pushed, or the input is over
	filling  *flat
	over     bool
	refused  []completion // changes that the run did not take, as it had ended
	notTaken int          // how many, with those that were handed out

	capacity chan struct{} // told whenever what was filled is being pushed
	pushed   chan struct{} // closed when all is pushed
}

// Enough that a push costs no more than its changes, and few enough that little is pulled ahead.
const changesOfAPush = 256

func newFeed(bulk *C.im_bulk) *feed {
	f := &feed{
		bulk:     bulk,
		filling:  new(flat),
		capacity: make(chan struct{}, 1),
		pushed:   make(chan struct{}),
	}
	f.some.L = &f.mu
	go f.run()
	return f
}

// add takes a change in, and says whether more may come at once.
func (f *feed) add(id uint64, change Change) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.filling.len() == 0 {
		f.filling.first = id
		f.some.Signal()
	}
	f.filling.add(change)
	return f.filling.len() < changesOfAPush
}

// takesMore says whether there is capacity for a change.
func (f *feed) takesMore() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.filling.len() < changesOfAPush
}

// hasEnded says whether the run takes no more.
func (f *feed) hasEnded() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.notTaken > 0
}

// takeRefused hands out the changes that were not taken since it was asked last.
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
	f.over = true
	f.some.Signal()
}

func (f *feed) run() {
	defer close(f.pushed)
	spare := new(flat)
	for batch := f.next(spare); batch != nil; batch = f.next(spare) {
		f.push(*batch)
		spare = batch
	}
	C.im_bulk_end_of_input(f.bulk, nil)
}

// next waits for changes and leaves what is empty in their place; nil when all are pushed.
func (f *feed) next(spare *flat) *flat {
	spare.empty()
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.filling.len() == 0 {
		if f.over {
			return nil
		}
		f.some.Wait()
	}
	batch := f.filling
	f.filling = spare
	tell(f.capacity)
	return batch
}

// push pushes changes. Once the run has ended it refuses them one by one, each with an error of its own.
func (f *feed) push(left flat) {
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

// tell wakes one that waits for it, or the next that does.
func tell(waits chan struct{}) {
	select {
	case waits <- struct{}{}:
	default:
	}
}
