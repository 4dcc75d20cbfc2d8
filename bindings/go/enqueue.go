package imtag

// #include <imtag.h>
import "C"

import (
	"context"
	"time"
)

// enqueue gives a change to C, once there is capacity. Its outcome goes to the channel, unless enqueue returns an error.
// The timeout is for the change, with its wait for capacity; the context ends only that wait.
func (s *submissions) enqueue(ctx context.Context, change Change, outcome chan<- error, timeout time.Duration) (uint64, error) {
	if !s.acquire() { // NewBatcher did not make it
		if ctx.Err() != nil {
			return 0, notSubmitted(ctx, nil, change)
		}
		return 0, refusal(nil, StatusClosed, change)
	}
	defer s.running.Done()
	if ctx.Err() != nil {
		return 0, notSubmitted(ctx, s.handle, change)
	}
	deadline := time.Now().Add(timeout)
	var timer *time.Timer
	wait := func(what <-chan struct{}) error {
		if timer == nil {
			timer = time.NewTimer(time.Until(deadline))
			// an invalid change does not wait
			if failed := refusal(s.handle, StatusTimeout, change); failed.Status == StatusInvalid {
				return failed
			}
		}
		select {
		case <-what:
			return nil
		case <-ctx.Done():
			return notSubmitted(ctx, s.handle, change)
		case <-s.whenClosed:
			return s.refusal(change)
		case <-timer.C:
			if ctx.Err() != nil {
				return notSubmitted(ctx, s.handle, change)
			}
			failed := refusal(s.handle, StatusTimeout, change)
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
	case <-s.turn:
	default:
		if err := wait(s.turn); err != nil {
			return 0, err
		}
	}
	defer func() { s.turn <- struct{}{} }()
	for {
		id, failed := s.trySubmit(change, outcome, time.Until(deadline))
		if failed == nil {
			return id, nil
		}
		if failed.Status != StatusFull || s.failWhenFull {
			attachCause(ctx, failed)
			return 0, failed
		}
		if err := wait(s.capacity); err != nil {
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
func (s *submissions) trySubmit(change Change, outcome chan<- error, timeout time.Duration) (uint64, *Error) {
	id, registered := s.register(outcome)
	if !registered {
		return 0, s.refusal(change)
	}
	failed := submit(s.handle, id, change, timeout)
	if failed == nil {
		s.markTaken(id)
		return id, nil
	}
	if !s.unregister(id) { // abandon has failed its waiter
		return id, nil
	}
	return id, failed
}

// register adds a waiter for the outcome of a change. It returns false once the batcher is closed: later no goroutine would
// deliver the outcome.
func (s *submissions) register(outcome chan<- error) (uint64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, false
	}
	id := s.next
	s.next++
	s.pending[id] = &waiter{outcome: outcome}
	if !s.started {
		s.started = true
		s.running.Add(1)
		go s.deliver()
	}
	return id, true
}

// markTaken records that C has taken a change, whose outcome may have been delivered already.
func (s *submissions) markTaken(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken++
	if waiter, waits := s.pending[id]; waits {
		waiter.taken = s.taken
	}
}

// unregister removes the waiter of a change that was not taken. It says whether it was still there.
func (s *submissions) unregister(id uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, waits := s.pending[id]
	delete(s.pending, id)
	return waits
}

// refusal is the error of a change that comes when the batcher is closed.
func (s *submissions) refusal(change Change) *Error {
	closed := refusal(s.handle, StatusClosed, change)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil && closed.Status != StatusInvalid {
		failed := *s.failed
		return &failed
	}
	return closed
}

// submit gives a change to C, with its time.
func submit(batcher *C.im_batcher, id uint64, change Change, timeout time.Duration) *Error {
	flat := flatOf(change)
	text, size, lengths, count := flat.strings()
	var failed *C.im_error
	collect()
	if C.im_batcher_submit_flat(batcher, operations[change.operation].forC, C.uint64_t(id), text, size, lengths, count,
		milliseconds(timeout), &failed) == C.IM_OK {
		return nil
	}
	return changeError(failed)
}

// refusal is the error of a change that is not given to C, with the library's text. The batcher may be nil: then the
// documented limits apply.
func refusal(batcher *C.im_batcher, why Status, change Change) *Error {
	flat := flatOf(change)
	text, size, lengths, count := flat.strings()
	var failed *C.im_error
	collect()
	C.im_batcher_refuse_flat(batcher, C.im_status(why), operations[change.operation].forC, text, size, lengths, count, &failed)
	return changeError(failed)
}

func changeError(of *C.im_error) *Error {
	failed := takeError(of)
	if failed.Status == StatusClosed {
		failed.cause = ErrBatcherClosed
	}
	return failed
}
