package imtag

// #include <imtag.h>
import "C"

import (
	"context"
	"time"
)

// give takes a change in, once there is capacity. Its outcome comes by the channel unless there is an error. The
// timeout is the change's, with its wait for capacity; the context ends that wait only.
func (q *queue) give(ctx context.Context, change Change, outcome chan<- error, timeout time.Duration) (uint64, error) {
	if !q.enter() { // NewBatcher did not make it
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
			// an invalid change waits for nothing
			if failed := refusal(q.handle, StatusTimeout, change); failed.Status == StatusInvalid {
				return failed
			}
		}
		select {
		case <-what:
			return nil
		case <-ctx.Done():
			return notGiven(ctx, q.handle, change)
		case <-q.refused:
			return q.refusal(change)
		case <-timer.C:
			if ctx.Err() != nil {
				return notGiven(ctx, q.handle, change)
			}
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
	id, begun := q.begin(outcome)
	if !begun {
		return 0, q.refusal(change)
	}
	failed := submit(q.handle, id, change, timeout)
	if failed == nil {
		q.noteTaken(id)
		return id, nil
	}
	if !q.forget(id) { // abandon has told its waiter
		return id, nil
	}
	return id, failed
}

// begin makes a place for the outcome of a change. It is false once changes are refused: else one could come when nobody
// delivers any more.
func (q *queue) begin(outcome chan<- error) (uint64, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.refuses {
		return 0, false
	}
	id := q.next
	q.next++
	q.pending[id] = &waiter{outcome: outcome}
	if !q.begun {
		q.begun = true
		q.running.Add(1)
		go q.deliver()
	}
	return id, true
}

// noteTaken notes that C has taken a change, whose outcome may be delivered already.
func (q *queue) noteTaken(id uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.taken++
	if waiter, waits := q.pending[id]; waits {
		waiter.taken = q.taken
	}
}

// refusal is the error of a change that comes when none are taken any more.
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

// forget lets go of a change that was not taken. It says whether that was still waited for.
func (q *queue) forget(id uint64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	_, waits := q.pending[id]
	delete(q.pending, id)
	return waits
}
