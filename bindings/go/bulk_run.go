package imtag

// #include <imtag.h>
import "C"

import (
	"context"
	"sync"
	"time"
)

// bulk is a bulk run while it runs, all of it on the caller's goroutine but for the pushes of its feed.
type bulk struct {
	run    *BulkRun
	handle *C.im_bulk
	feed   *feed
	cancel func() // nothing more is sent: the first time, and nothing the next, as C would end what is under way too

	pending  map[uint64]Change // pulled, and not handed out with its outcome
	next     uint64
	looked   time.Time // for outcomes
	shown    time.Time // how far it is
	complete bool      // all outcomes are handed out
}

const (
	// How often outcomes are looked for while changes are pulled: each time where these come slower.
	lookInterval = 10 * time.Millisecond
	// How often progress is shown.
	showInterval = 100 * time.Millisecond
)

func beginBulk(client *C.im_client, run *BulkRun) (*bulk, error) {
	var handle *C.im_bulk
	var failed *C.im_error
	if C.im_bulk_new(client, &handle, &failed) != C.IM_OK {
		return nil, takeError(failed)
	}
	run.options.set(handle)
	b := &bulk{
		run:     run,
		handle:  handle,
		pending: make(map[uint64]Change),
		looked:  time.Now(),
		shown:   time.Now(),
	}
	b.feed = newFeed(handle)
	b.cancel = sync.OnceFunc(func() { C.im_bulk_cancel(handle) })
	return b, nil
}

func (o *BulkOptions) set(bulk *C.im_bulk) {
	if o.Timeout != 0 {
		C.im_bulk_set_timeout_ms(bulk, milliseconds(o.Timeout))
	}
	if o.AttemptTimeout != 0 {
		C.im_bulk_set_attempt_timeout_ms(bulk, milliseconds(o.AttemptTimeout))
	}
	if o.LateWindow != 0 {
		C.im_bulk_set_late_window_ms(bulk, milliseconds(o.LateWindow))
	}
	if o.Linger != 0 {
		C.im_bulk_set_linger_ms(bulk, milliseconds(o.Linger))
	}
	if o.Capacity != 0 {
		C.im_bulk_set_capacity(bulk, C.size_t(o.Capacity))
	}
}

// drive pulls the changes and hands out their outcomes, until there are no more of either or the caller wants none.
func (b *bulk) drive(yield func(Outcome) bool) {
	if b.run.ctx.Err() != nil {
		b.cancel() // here and now, as AfterFunc may be so late that something is sent
	}
	passed := make(chan struct{})
	stop := context.AfterFunc(b.run.ctx, func() {
		defer close(passed)
		b.cancel()
	})
	defer func() {
		if !stop() {
			<-passed // it still needs the handle
		}
	}()
	wanted, more := true, true
	b.run.changes(func(change Change) bool {
		if more { // else the input goes on after it was told to stop
			if b.run.ctx.Err() != nil {
				b.cancel() // the input itself has ended it: this change is not to be sent
			}
			wanted = b.take(change, yield)
			more = wanted && !b.feed.hasEnded() && b.run.ctx.Err() == nil
		}
		return more
	})
	if b.run.ctx.Err() != nil {
		b.cancel() // as above: the end of the input would send what is not to be sent
	}
	b.feed.end()
	for over := false; wanted && !over; {
		select {
		case <-b.feed.pushed:
			over = true
		case <-time.After(lookInterval):
		}
		wanted = b.look(0, yield)
	}
	for wanted && len(b.pending) > 0 {
		wanted = b.look(showInterval, yield)
	}
	b.complete = wanted
}

// take takes a change in, once there is capacity for more, and says whether more outcomes are wanted.
func (b *bulk) take(change Change, yield func(Outcome) bool) bool {
	id := b.next
	b.next++
	b.pending[id] = change
	hasCapacity := b.feed.add(id, change)
	for !hasCapacity {
		select {
		case <-b.feed.capacity:
		case <-time.After(lookInterval):
		}
		if !b.look(0, yield) {
			return false
		}
		hasCapacity = b.feed.takesMore()
	}
	return time.Since(b.looked) < lookInterval || b.look(0, yield)
}

// look hands out the outcomes that have become known; where there are none it waits for one, at most so long. It says
// whether more are wanted.
func (b *bulk) look(wait time.Duration, yield func(Outcome) bool) bool {
	b.looked = time.Now()
	if b.looked.Sub(b.shown) >= showInterval {
		b.shown = b.looked
		b.show()
	}
	var completions *C.im_completions
	refused := b.feed.takeRefused()
	if len(refused) > 0 {
		wait = 0
	}
	C.im_bulk_poll(b.handle, milliseconds(wait), &completions, nil)
	for _, it := range append(refused, takeCompletions(completions)...) {
		if !yield(b.outcome(it)) {
			return false
		}
	}
	return true
}

func (b *bulk) outcome(of completion) Outcome {
	change := b.pending[of.id]
	delete(b.pending, of.id)
	if of.failed != nil {
		explain(b.run.ctx, of.failed)
		for i := range of.failed.Failures { // the one of the change
			of.failed.Failures[i].Index = int(of.id)
		}
	}
	return Outcome{int(of.id), change, of.err()}
}

func (b *bulk) show() {
	if b.run.options.Progress != nil {
		b.run.options.Progress(progressOf(b.handle))
	}
}

// end waits for what is under way, notes what the run came to, and frees everything: however it ended, also by a panic.
func (b *bulk) end() {
	if !b.complete {
		b.cancel()
	}
	b.feed.end()
	<-b.feed.pushed
	var failed *C.im_error
	if C.im_bulk_finish(b.handle, &failed) != C.IM_OK {
		err := takeError(failed)
		explain(b.run.ctx, err)
		b.run.err = err
	}
	b.run.summary = Summary{Progress: progressOf(b.handle), NotTaken: b.feed.notTaken}
	C.im_bulk_free(b.handle)
}
