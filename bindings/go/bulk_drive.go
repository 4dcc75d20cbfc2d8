package imtag

// #include <imtag.h>
import "C"

import (
	"context"
	"sync"
	"time"
)

// bulk is a bulk run while it runs, on the caller's goroutine, except for the pushes of its feed.
//
//	for each change of the input: take -> feed -> library
//	    every 10 ms, and while there is no capacity: poll -> yield outcomes
//	input ends -> feed ends -> poll until every pending change has its outcome -> end
type bulk struct {
	run    *BulkRun
	handle *C.im_bulk
	feed   *feed
	cancel func() // only the first call cancels, as a second im_bulk_cancel would end requests under way

	pending  map[uint64]Change // pulled, and its outcome is not yielded yet
	next     uint64
	polled   time.Time // when outcomes were last polled
	reported time.Time // when progress was last reported
	complete bool      // all outcomes are yielded
}

const (
	// How often outcomes are polled while changes are pulled; after each change if these come more slowly.
	pollInterval = 10 * time.Millisecond
	// How often progress is reported.
	progressInterval = 100 * time.Millisecond
)

func startBulk(client *C.im_client, run *BulkRun) (*bulk, error) {
	var handle *C.im_bulk
	var failed *C.im_error
	if C.im_bulk_new(client, &handle, &failed) != C.IM_OK {
		return nil, takeError(failed)
	}
	run.options.set(handle)
	b := &bulk{
		run:      run,
		handle:   handle,
		pending:  make(map[uint64]Change),
		polled:   time.Now(),
		reported: time.Now(),
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

// drive pulls the changes and yields their outcomes, until there are no more or the caller stops.
func (b *bulk) drive(yield func(Outcome) bool) {
	if b.run.ctx.Err() != nil {
		b.cancel() // now, as AfterFunc may run so late that something is sent
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
		if more { // else the input goes on although yield returned false
			if b.run.ctx.Err() != nil {
				b.cancel() // the input itself has cancelled it: this change must not be sent
			}
			wanted = b.take(change, yield)
			more = wanted && !b.feed.hasEnded() && b.run.ctx.Err() == nil
		}
		return more
	})
	if b.run.ctx.Err() != nil {
		b.cancel() // as above: the end of the input would send changes that must not be sent
	}
	b.feed.end()
	for over := false; wanted && !over; {
		select {
		case <-b.feed.pushed:
			over = true
		case <-time.After(pollInterval):
		}
		wanted = b.poll(0, yield)
	}
	for wanted && len(b.pending) > 0 {
		wanted = b.poll(progressInterval, yield)
	}
	b.complete = wanted
}

// take adds a change to the feed, waits until there is capacity for another, and says whether more outcomes are wanted.
func (b *bulk) take(change Change, yield func(Outcome) bool) bool {
	id := b.next
	b.next++
	b.pending[id] = change
	hasCapacity := b.feed.add(id, change)
	for !hasCapacity {
		select {
		case <-b.feed.capacity:
		case <-time.After(pollInterval):
		}
		if !b.poll(0, yield) {
			return false
		}
		hasCapacity = b.feed.takesMore()
	}
	return time.Since(b.polled) < pollInterval || b.poll(0, yield)
}

// poll yields the outcomes that have arrived; if there are none, it waits for the first, at most wait. It says whether
// more are wanted.
func (b *bulk) poll(wait time.Duration, yield func(Outcome) bool) bool {
	b.polled = time.Now()
	if b.polled.Sub(b.reported) >= progressInterval {
		b.reported = b.polled
		b.reportProgress()
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
		attachCause(b.run.ctx, of.failed)
		for i := range of.failed.Failures { // the account of the change
			of.failed.Failures[i].Index = int(of.id)
		}
	}
	return Outcome{int(of.id), change, of.err()}
}

func (b *bulk) reportProgress() {
	if b.run.options.Progress != nil {
		b.run.options.Progress(progressOf(b.handle))
	}
}

// end waits for requests under way, keeps the run's counts, and frees everything, however the run ended, also after
// a panic.
func (b *bulk) end() {
	if !b.complete {
		b.cancel()
	}
	b.feed.end()
	<-b.feed.pushed
	var failed *C.im_error
	if C.im_bulk_finish(b.handle, &failed) != C.IM_OK {
		err := takeError(failed)
		attachCause(b.run.ctx, err)
		b.run.err = err
	}
	b.run.summary = Summary{Progress: progressOf(b.handle), NotTaken: b.feed.notTaken}
	C.im_bulk_free(b.handle)
}
