package imtag

// #include <imtag.h>
import "C"

import (
	"context"
	"sync"
	"time"
)

// driver is a bulk run while it runs, on the caller's goroutine, except for the pushes of its feed.
//
//	for each change of the input: take -> feed -> library
//	    every 10 ms, and while there is no capacity: poll -> yield outcomes
//	input ends -> feed ends -> poll until every pending change has its outcome -> end
type driver struct {
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

func startDriver(client *C.im_client, run *BulkRun) (*driver, error) {
	var handle *C.im_bulk
	var failed *C.im_error
	if C.im_bulk_new(client, &handle, &failed) != C.IM_OK {
		return nil, takeError(failed)
	}
	run.options.set(handle)
	d := &driver{
		run:      run,
		handle:   handle,
		pending:  make(map[uint64]Change),
		polled:   time.Now(),
		reported: time.Now(),
	}
	run.figures.begin(handle)
	d.feed = newFeed(handle)
	d.cancel = sync.OnceFunc(func() { C.im_bulk_cancel(handle) })
	return d, nil
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
func (d *driver) drive(yield func(Outcome) bool) {
	if d.run.ctx.Err() != nil {
		d.cancel() // now, as AfterFunc may run so late that something is sent
	}
	passed := make(chan struct{})
	stop := context.AfterFunc(d.run.ctx, func() {
		defer close(passed)
		d.cancel()
	})
	defer func() {
		if !stop() {
			<-passed // it still needs the handle
		}
	}()
	wanted, more := true, true
	d.run.changes(func(change Change) bool {
		if more { // else the input goes on although yield returned false
			if d.run.ctx.Err() != nil {
				d.cancel() // the input itself has cancelled it: this change must not be sent
			}
			wanted = d.take(change, yield)
			more = wanted && !d.feed.hasEnded() && d.run.ctx.Err() == nil
		}
		return more
	})
	if d.run.ctx.Err() != nil {
		d.cancel() // as above: the end of the input would send changes that must not be sent
	}
	d.feed.end()
	for over := false; wanted && !over; {
		select {
		case <-d.feed.pushed:
			over = true
		case <-time.After(pollInterval):
		}
		wanted = d.poll(0, yield)
	}
	for wanted && len(d.pending) > 0 {
		wanted = d.poll(progressInterval, yield)
	}
	d.complete = wanted
}

// take adds a change to the feed, waits until there is capacity for another, and says whether more outcomes are wanted.
func (d *driver) take(change Change, yield func(Outcome) bool) bool {
	id := d.next
	d.next++
	d.pending[id] = change
	hasCapacity := d.feed.add(id, change)
	for !hasCapacity {
		select {
		case <-d.feed.capacity:
		case <-time.After(pollInterval):
		}
		if !d.poll(0, yield) {
			return false
		}
		hasCapacity = d.feed.takesMore()
	}
	return time.Since(d.polled) < pollInterval || d.poll(0, yield)
}

// poll yields the outcomes that have arrived; if there are none, it waits for the first, at most wait. It says whether
// more are wanted.
func (d *driver) poll(wait time.Duration, yield func(Outcome) bool) bool {
	d.polled = time.Now()
	if d.polled.Sub(d.reported) >= progressInterval {
		d.reported = d.polled
		d.reportProgress()
	}
	var completions *C.im_completions
	refused := d.feed.takeRefused()
	if len(refused) > 0 {
		wait = 0
	}
	C.im_bulk_poll(d.handle, milliseconds(wait), &completions, nil)
	for _, it := range append(refused, takeCompletions(completions)...) {
		if !yield(d.outcome(it)) {
			return false
		}
	}
	return true
}

func (d *driver) outcome(of completion) Outcome {
	change := d.pending[of.id]
	delete(d.pending, of.id)
	if of.failed != nil {
		attachCause(d.run.ctx, of.failed)
		for i := range of.failed.Failures { // the account of the change
			of.failed.Failures[i].Index = int(of.id)
		}
	}
	return Outcome{int(of.id), change, of.err()}
}

func (d *driver) reportProgress() {
	if d.run.options.Progress != nil {
		d.run.options.Progress(progressOf(d.handle))
	}
}

// end waits for requests under way, keeps the run's counts, and frees everything, however the run ended, also after
// a panic.
func (d *driver) end() {
	if !d.complete {
		d.cancel()
	}
	d.feed.end()
	<-d.feed.pushed
	var failed *C.im_error
	if C.im_bulk_finish(d.handle, &failed) != C.IM_OK {
		err := takeError(failed)
		attachCause(d.run.ctx, err)
		d.run.err = err
	}
	d.run.summary = Summary{Progress: progressOf(d.handle), NotTaken: d.feed.notTaken}
	d.run.figures.end()
	C.im_bulk_free(d.handle)
}
