package imtag

// #include <imtag.h>
import "C"

import (
	"context"
	"math"
	"sync"
	"time"
)

// A queue is a batcher of C with the goroutines that wait for outcomes or for capacity. They wait on channels, which
// takes no thread, as a wait in C would: one goroutine, deliver, polls for all of them. A nil queue is closed.
//
//	do, submit -> enqueue: wait for the turn, then for capacity -> trySubmit -> C
//	deliver: poll C -> outcome of each change to its waiter; after each poll there may be capacity
//	close: C takes no more and has all outcomes -> deliver returns when none is pending -> free
type queue struct {
	handle       *C.im_batcher
	failWhenFull bool
	timeout      time.Duration // for a change, with its wait for capacity

	turn     chan struct{} // one token, which a change takes, so that none overtakes another that waits for capacity
	capacity chan struct{} // notified when there may be capacity

	mu         sync.Mutex
	pending    map[uint64]*waiter
	next       uint64
	taken      uint64         // how many changes C has taken
	delivered  sync.Cond      // an outcome was delivered, or a context is done
	closed     bool           // it takes no more changes
	failed     *Error         // why outcomes are no longer delivered: a defect of the library
	freed      bool           // the handle must not be used any more
	running    sync.WaitGroup // the uses of the handle
	whenClosed chan struct{}  // closed when it takes no more changes
	started    bool           // deliver runs
}

// A waiter is where the outcome of a change is delivered.
type waiter struct {
	outcome chan<- error
	taken   uint64 // the change is the nth that C took, counted from 1; 0 until it is taken
}

// The library's default. It is passed on with each change, as the wait for capacity is in Go.
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
		pending:      make(map[uint64]*waiter),
		whenClosed:   make(chan struct{}),
	}
	q.delivered.L = &q.mu
	q.turn <- struct{}{}
	return q
}

// do makes a change, and waits for its outcome; if the context is done first, it withdraws the change.
func (q *queue) do(ctx context.Context, change Change) error {
	outcome := make(chan error, 1)
	timeout := q.timeoutOfChange()
	if deadline, bounded := ctx.Deadline(); bounded {
		timeout = time.Until(deadline)
	}
	id, err := q.enqueue(ctx, change, outcome, timeout)
	if err != nil {
		return err
	}
	select {
	case err = <-outcome:
	case <-ctx.Done():
		q.withdraw(id, whyDone(ctx))
		err = <-outcome // at once; after a timeout up to 100 ms later, as the request ends at the same moment
	}
	if failed, ok := err.(*Error); ok {
		attachCause(ctx, failed)
	}
	return err
}

// submit submits a change, whose outcome goes to the channel.
func (q *queue) submit(ctx context.Context, change Change, outcome chan<- error) {
	if _, err := q.enqueue(ctx, change, outcome, q.timeoutOfChange()); err != nil {
		outcome <- err
	}
}

func (q *queue) timeoutOfChange() time.Duration {
	if q == nil {
		return 0
	}
	return q.timeout
}

// whyDone is the status for a context that is done.
func whyDone(ctx context.Context) Status {
	if cancelled(ctx) {
		return StatusCancelled
	}
	return StatusTimeout
}

// withdraw withdraws a change whose caller no longer waits. Its outcome is delivered as that of every change.
func (q *queue) withdraw(id uint64, why Status) {
	if !q.acquire() {
		return // its outcome has been delivered
	}
	defer q.running.Done()
	collect()
	C.im_batcher_withdraw(q.handle, C.uint64_t(id), C.im_status(why), nil)
}

// deliver delivers outcomes, until the batcher is closed and none is pending.
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
			q.pending[it.id].outcome <- it.err()
			delete(q.pending, it.id)
		}
		q.delivered.Broadcast()
		// a poll without outcomes may also mean that there is capacity
		over := len(all) == 0 && q.closed && len(q.pending) == 0
		q.mu.Unlock()
		if over {
			return
		}
		notify(q.capacity)
	}
}

// abandon fails all waiters after a defect of the library, as their outcomes will never arrive, and takes no more
// changes.
func (q *queue) abandon(failed *Error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.failed = failed
	q.stopTaking()
	for id, waiter := range q.pending {
		of := *failed
		waiter.outcome <- &of
		delete(q.pending, id)
	}
	q.delivered.Broadcast()
}

func (q *queue) flush(ctx context.Context) error {
	if !q.acquire() {
		return nil
	}
	defer q.running.Done()
	q.mu.Lock()
	taken := q.taken
	q.mu.Unlock()
	return q.await(ctx, taken, func(call *C.im_call, failed **C.im_error) C.im_status {
		return C.im_batcher_flush(q.handle, call, failed)
	})
}

// await waits in C for the outcomes of the first changes that C took, and then for their delivery.
func (q *queue) await(ctx context.Context, taken uint64, wait func(*C.im_call, **C.im_error) C.im_status) error {
	call := callOf(ctx, nil)
	defer call.free()
	var failed *C.im_error
	if wait(call.handle, &failed) != C.IM_OK {
		err := takeError(failed)
		attachCause(ctx, err)
		return err
	}
	return q.awaitDelivery(ctx, taken)
}

// awaitDelivery waits for the delivery of outcomes that have arrived. This is immediate, so the context matters only if
// nothing is delivered, after a defect.
func (q *queue) awaitDelivery(ctx context.Context, taken uint64) error {
	stop := context.AfterFunc(ctx, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.delivered.Broadcast()
	})
	defer stop()
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.anyOfFirst(taken) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		q.delivered.Wait()
	}
	return nil
}

// anyOfFirst says whether one of the first changes that C took waits for its outcome.
func (q *queue) anyOfFirst(taken uint64) bool {
	for _, waiter := range q.pending {
		if 0 < waiter.taken && waiter.taken <= taken {
			return true
		}
	}
	return false
}

func (q *queue) close(ctx context.Context) error {
	if !q.acquire() {
		return nil
	}
	defer q.running.Done()
	q.mu.Lock()
	q.stopTaking()
	q.mu.Unlock()
	return q.await(ctx, math.MaxUint64, func(call *C.im_call, failed **C.im_error) C.im_status {
		return C.im_batcher_close(q.handle, call, failed)
	})
}

// free closes and frees the batcher when the last reference is gone. Until then a closed batcher keeps its handle, which
// has the limits of its client: the error of a change that it refuses depends on them.
func (q *queue) free() {
	q.close(context.Background())
	q.mu.Lock()
	q.freed = true
	q.mu.Unlock()
	q.running.Wait()
	C.im_batcher_free(q.handle)
}

// stopTaking takes no more changes. With q.mu held.
func (q *queue) stopTaking() {
	if !q.closed {
		q.closed = true
		close(q.whenClosed)
	}
}

func (q *queue) unsettled() int {
	if !q.acquire() {
		return 0
	}
	defer q.running.Done()
	return int(C.im_batcher_unsettled(q.handle))
}

// acquire keeps the handle from being freed until running.Done.
func (q *queue) acquire() bool {
	if q == nil {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.freed {
		return false
	}
	q.running.Add(1)
	return true
}

// enqueue gives a change to C, once there is capacity. Its outcome goes to the channel, unless enqueue returns an error.
// The timeout is for the change, with its wait for capacity; the context ends only that wait.
func (q *queue) enqueue(ctx context.Context, change Change, outcome chan<- error, timeout time.Duration) (uint64, error) {
	if !q.acquire() { // NewBatcher did not make it
		if ctx.Err() != nil {
			return 0, notSubmitted(ctx, nil, change)
		}
		return 0, refusal(nil, StatusClosed, change)
	}
	defer q.running.Done()
	if ctx.Err() != nil {
		return 0, notSubmitted(ctx, q.handle, change)
	}
	deadline := time.Now().Add(timeout)
	var timer *time.Timer
	wait := func(what <-chan struct{}) error {
		if timer == nil {
			timer = time.NewTimer(time.Until(deadline))
			// an invalid change does not wait
			if failed := refusal(q.handle, StatusTimeout, change); failed.Status == StatusInvalid {
				return failed
			}
		}
		select {
		case <-what:
			return nil
		case <-ctx.Done():
			return notSubmitted(ctx, q.handle, change)
		case <-q.whenClosed:
			return q.refusal(change)
		case <-timer.C:
			if ctx.Err() != nil {
				return notSubmitted(ctx, q.handle, change)
			}
			failed := refusal(q.handle, StatusTimeout, change)
			attachCause(ctx, failed)
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
		id, failed := q.trySubmit(change, outcome, time.Until(deadline))
		if failed == nil {
			return id, nil
		}
		if failed.Status != StatusFull || q.failWhenFull {
			attachCause(ctx, failed)
			return 0, failed
		}
		if err := wait(q.capacity); err != nil {
			return 0, err
		}
	}
}

// notSubmitted is the error of a change whose context is done before C has it.
func notSubmitted(ctx context.Context, batcher *C.im_batcher, change Change) error {
	failed := refusal(batcher, whyDone(ctx), change)
	attachCause(ctx, failed)
	return failed
}

// trySubmit gives a change to C, which refuses it if there is no capacity.
func (q *queue) trySubmit(change Change, outcome chan<- error, timeout time.Duration) (uint64, *Error) {
	id, registered := q.register(outcome)
	if !registered {
		return 0, q.refusal(change)
	}
	failed := submit(q.handle, id, change, timeout)
	if failed == nil {
		q.markTaken(id)
		return id, nil
	}
	if !q.unregister(id) { // abandon has failed its waiter
		return id, nil
	}
	return id, failed
}

// register adds a waiter for the outcome of a change. It returns false once the queue is closed: later no goroutine would
// deliver the outcome.
func (q *queue) register(outcome chan<- error) (uint64, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return 0, false
	}
	id := q.next
	q.next++
	q.pending[id] = &waiter{outcome: outcome}
	if !q.started {
		q.started = true
		q.running.Add(1)
		go q.deliver()
	}
	return id, true
}

// markTaken records that C has taken a change, whose outcome may have been delivered already.
func (q *queue) markTaken(id uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.taken++
	if waiter, waits := q.pending[id]; waits {
		waiter.taken = q.taken
	}
}

// refusal is the error of a change that comes when the queue is closed.
func (q *queue) refusal(change Change) *Error {
	closed := refusal(q.handle, StatusClosed, change)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.failed != nil && closed.Status != StatusInvalid {
		failed := *q.failed
		return &failed
	}
	return closed
}

// unregister removes the waiter of a change that was not taken. It says whether it was still there.
func (q *queue) unregister(id uint64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	_, waits := q.pending[id]
	delete(q.pending, id)
	return waits
}
