package imtag

// #include <imtag.h>
import "C"

import (
	"context"
	"sync"
	"time"
)

// A queue is a batcher of C's with the goroutines that wait for its outcomes, or for capacity. They wait for channels,
// which takes no thread, as waiting in C would: one goroutine polls for all of them. A nil queue is closed.
type queue struct {
	handle       *C.im_batcher
	failWhenFull bool
	timeout      time.Duration // of a change, with its wait for capacity

	turn     chan struct{} // holds one token, which a change takes: so none overtakes one that waits for capacity
	capacity chan struct{} // told when there may be capacity

	mu        sync.Mutex
	pending   map[uint64]chan<- error
	next      uint64
	delivered sync.Cond // pending has fewer
	refuses   bool
	gone      bool           // nobody may use the handle any more
	running   sync.WaitGroup // those that use it
	refused   chan struct{}  // closed when it refuses changes
	begun     bool           // it delivers
	free      sync.Once
}

// As the library has it, which is told so each time: the wait for capacity is in Go.
const batcherTimeout = 30 * time.Second

func newQueue(handle *C.im_batcher, options BatcherOptions) *queue {
	if options.Timeout == 0 {
		options.Timeout = batcherTimeout
	}
	options.set(handle)
	q := &queue{
		handle:       handle,
		failWhenFull: options.FailWhenFull,
		timeout:      options.Timeout,
		turn:         make(chan struct{}, 1),
		capacity:     make(chan struct{}, 1),
		pending:      make(map[uint64]chan<- error),
		refused:      make(chan struct{}),
	}
	q.delivered.L = &q.mu
	q.turn <- struct{}{}
	return q
}

// do makes a change, and waits for its outcome; when the context is done before, it takes the change back.
func (q *queue) do(ctx context.Context, change Change) error {
	outcome := make(chan error, 1)
	timeout := q.timeoutOfChange()
	if deadline, bounded := ctx.Deadline(); bounded {
		timeout = time.Until(deadline)
	}
	id, err := q.give(ctx, change, outcome, timeout)
	if err != nil {
		return err
	}
	select {
	case err = <-outcome:
	case <-ctx.Done():
		q.withdraw(id, whyDone(ctx))
		err = <-outcome // at once, or where the time was up a little later, as the request ends at that moment too
	}
	if failed, ok := err.(*Error); ok {
		explain(ctx, failed)
	}
	return err
}

// submit takes a change in, whose outcome comes by the channel.
func (q *queue) submit(ctx context.Context, change Change, outcome chan<- error) {
	if _, err := q.give(ctx, change, outcome, q.timeoutOfChange()); err != nil {
		outcome <- err
	}
}

func (q *queue) timeoutOfChange() time.Duration {
	if q == nil {
		return 0
	}
	return q.timeout
}

// whyDone is why a context is done, as C is told.
func whyDone(ctx context.Context) Status {
	if cancelled(ctx) {
		return StatusCancelled
	}
	return StatusTimeout
}

// give takes a change in, once there is capacity. Its outcome comes by the channel unless there is an error. The
// timeout is the change's, with its wait for capacity; the context ends that wait only.
func (q *queue) give(ctx context.Context, change Change, outcome chan<- error, timeout time.Duration) (uint64, error) {
	if !q.enter() {
		if ctx.Err() != nil {
			return 0, notGiven(ctx, nil, change)
		}
		return 0, refusal(nil, StatusClosed, change)
	}
	defer q.running.Done()
	if ctx.Err() != nil {
		return 0, notGiven(ctx, q.handle, change)
	}
	deadline := time.Now().Add(timeout)
	var timer *time.Timer
	wait := func(what <-chan struct{}) error {
		if timer == nil {
			timer = time.NewTimer(time.Until(deadline))
		}
		select {
		case <-what:
			return nil
		case <-ctx.Done():
			return notGiven(ctx, q.handle, change)
		case <-q.refused:
			return refusal(q.handle, StatusClosed, change)
		case <-timer.C:
			failed := refusal(q.handle, StatusTimeout, change)
			explain(ctx, failed)
			return failed
		}
	}
	defer func() {
		if timer != nil {
			timer.Stop()
		}
	}()
	select {
	case <-q.turn:
	default:
		if err := wait(q.turn); err != nil {
			return 0, err
		}
	}
	defer func() { q.turn <- struct{}{} }()
	for {
		id, failed := q.offer(change, outcome, time.Until(deadline))
		if failed == nil {
			return id, nil
		}
		if failed.Status != StatusFull || q.failWhenFull {
			explain(ctx, failed)
			return 0, failed
		}
		if err := wait(q.capacity); err != nil {
			return 0, err
		}
	}
}

// notGiven is the error of a change whose context is done before C has it.
func notGiven(ctx context.Context, batcher *C.im_batcher, change Change) error {
	failed := refusal(batcher, whyDone(ctx), change)
	explain(ctx, failed)
	return failed
}

// offer offers a change to C, which does not wait.
func (q *queue) offer(change Change, outcome chan<- error, timeout time.Duration) (uint64, *Error) {
	q.mu.Lock()
	if q.refuses { // else it could come when nobody delivers any more
		q.mu.Unlock()
		return 0, refusal(q.handle, StatusClosed, change)
	}
	id := q.next
	q.next++
	q.pending[id] = outcome
	if !q.begun {
		q.begun = true
		q.running.Add(1)
		go q.deliver()
	}
	q.mu.Unlock()
	failed := submit(q.handle, id, change, timeout)
	if failed != nil {
		q.forget(id)
	}
	return id, failed
}

// withdraw takes a change back whose caller waits no longer. Its outcome comes as that of every change.
func (q *queue) withdraw(id uint64, why Status) {
	if !q.enter() {
		return // then it is there already
	}
	defer q.running.Done()
	collect()
	C.im_batcher_withdraw(q.handle, C.uint64_t(id), C.im_status(why), nil)
}

// forget lets go of a change that was not taken. A flush may wait for it.
func (q *queue) forget(id uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.pending, id)
	q.delivered.Broadcast()
}

// deliver hands outcomes out, until the batcher is closed and all have been.
func (q *queue) deliver() {
	defer q.running.Done()
	for {
		var completions *C.im_completions
		var failed *C.im_error
		if C.im_batcher_poll(q.handle, C.UINT64_MAX, &completions, &failed) != C.IM_OK {
			q.abandon(takeError(failed))
			return
		}
		all := takeCompletions(completions)
		q.mu.Lock()
		for _, it := range all {
			q.pending[it.id] <- it.err()
			delete(q.pending, it.id)
		}
		q.delivered.Broadcast()
		// none come with the word that there is capacity, too
		over := len(all) == 0 && q.refuses && len(q.pending) == 0
		q.mu.Unlock()
		if over {
			return
		}
		tell(q.capacity)
	}
}

// abandon tells all that wait that their outcomes will never be known, as by a defect of the library.
func (q *queue) abandon(failed *Error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for id, outcome := range q.pending {
		outcome <- failed
		delete(q.pending, id)
	}
	q.delivered.Broadcast()
}

func (q *queue) flush(ctx context.Context) error {
	if !q.enter() {
		return nil // it has been closed, and nothing is left
	}
	defer q.running.Done()
	q.mu.Lock()
	next := q.next
	q.mu.Unlock()
	call := callOf(ctx, nil)
	defer call.free()
	var failed *C.im_error
	if C.im_batcher_flush(q.handle, call.handle, &failed) != C.IM_OK {
		err := takeError(failed)
		explain(ctx, err)
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.awaitBefore(next)
	return nil
}

// awaitBefore waits for the delivery of outcomes that are known, and so are delivered at once. With q.mu held.
func (q *queue) awaitBefore(next uint64) {
	for q.anyBefore(next) {
		q.delivered.Wait()
	}
}

func (q *queue) anyBefore(next uint64) bool {
	for id := range q.pending {
		if id < next {
			return true
		}
	}
	return false
}

func (q *queue) close(ctx context.Context) error {
	if q == nil {
		return nil
	}
	q.refuse()
	if err := q.closeInC(ctx); err != nil {
		return err
	}
	q.free.Do(func() {
		q.mu.Lock()
		q.gone = true
		q.mu.Unlock()
		q.running.Wait()
		C.im_batcher_free(q.handle)
	})
	return nil
}

// refuse has it take no more changes.
func (q *queue) refuse() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.refuses {
		q.refuses = true
		close(q.refused)
	}
}

func (q *queue) closeInC(ctx context.Context) error {
	if !q.enter() {
		return nil
	}
	defer q.running.Done()
	call := callOf(ctx, nil)
	defer call.free()
	var failed *C.im_error
	if C.im_batcher_close(q.handle, call.handle, &failed) == C.IM_OK {
		return nil
	}
	err := takeError(failed)
	explain(ctx, err)
	return err
}

func (q *queue) unsettled() int {
	if !q.enter() {
		return 0
	}
	defer q.running.Done()
	return int(C.im_batcher_unsettled(q.handle))
}

// enter keeps the handle until running is told that it is done.
func (q *queue) enter() bool {
	if q == nil {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.gone {
		return false
	}
	q.running.Add(1)
	return true
}
