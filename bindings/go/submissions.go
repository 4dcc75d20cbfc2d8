package imtag

// #include <imtag.h>
import "C"

import (
	"context"
	"math"
	"sync"
	"time"
)

// submissions is a batcher of C with the goroutines that wait for outcomes or for capacity. They wait on channels, which
// takes no thread, as a wait in C would: one goroutine, deliver, polls for all of them. Nil is closed.
//
//	do, submit -> enqueue: wait for the turn, then for capacity -> trySubmit -> C
//	deliver: poll C -> outcome of each change to its waiter; after each poll there may be capacity
//	close: C takes no more and has all outcomes -> deliver returns when none is pending -> free
type submissions struct {
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

func newSubmissions(handle *C.im_batcher, options BatcherOptions) *submissions {
	if options.Timeout == 0 {
		options.Timeout = batcherTimeout
	}
	options.set(handle)
	s := &submissions{
		handle:       handle,
		failWhenFull: options.FailWhenFull,
		timeout:      options.Timeout,
		turn:         make(chan struct{}, 1),
		capacity:     make(chan struct{}, 1),
		pending:      make(map[uint64]*waiter),
		whenClosed:   make(chan struct{}),
	}
	s.delivered.L = &s.mu
	s.turn <- struct{}{}
	return s
}

// do makes a change, and waits for its outcome; if the context is done first, it withdraws the change.
func (s *submissions) do(ctx context.Context, change Change) error {
	outcome := make(chan error, 1)
	timeout := s.timeoutOfChange()
	if deadline, bounded := ctx.Deadline(); bounded {
		timeout = time.Until(deadline)
	}
	id, err := s.enqueue(ctx, change, outcome, timeout)
	if err != nil {
		return err
	}
	select {
	case err = <-outcome:
	case <-ctx.Done():
		s.withdraw(id, whyDone(ctx))
		err = <-outcome // at once; after a timeout up to 100 ms later, as the request ends at the same moment
	}
	if failed, ok := err.(*Error); ok {
		attachCause(ctx, failed)
	}
	return err
}

// submit submits a change, whose outcome goes to the channel.
func (s *submissions) submit(ctx context.Context, change Change, outcome chan<- error) {
	if _, err := s.enqueue(ctx, change, outcome, s.timeoutOfChange()); err != nil {
		outcome <- err
	}
}

func (s *submissions) timeoutOfChange() time.Duration {
	if s == nil {
		return 0
	}
	return s.timeout
}

// withdraw withdraws a change whose caller no longer waits. Its outcome is delivered as that of every change.
func (s *submissions) withdraw(id uint64, why Status) {
	if !s.acquire() {
		return // its outcome has been delivered
	}
	defer s.running.Done()
	collect()
	C.im_batcher_withdraw(s.handle, C.uint64_t(id), C.im_status(why), nil)
}

// deliver delivers outcomes, until the batcher is closed and none is pending.
func (s *submissions) deliver() {
	defer s.running.Done()
	for {
		var completions *C.im_completions
		var failed *C.im_error
		if C.im_batcher_poll(s.handle, C.UINT64_MAX, &completions, &failed) != C.IM_OK {
			s.abandon(takeError(failed))
			return
		}
		all := takeCompletions(completions)
		s.mu.Lock()
		for _, it := range all {
			s.pending[it.id].outcome <- it.err()
			delete(s.pending, it.id)
		}
		s.delivered.Broadcast()
		// a poll without outcomes may also mean that there is capacity
		over := len(all) == 0 && s.closed && len(s.pending) == 0
		s.mu.Unlock()
		if over {
			return
		}
		notify(s.capacity)
	}
}

// abandon fails all waiters after a defect of the library, as their outcomes will never arrive, and takes no more
// changes.
func (s *submissions) abandon(failed *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = failed
	s.stopTaking()
	for id, waiter := range s.pending {
		of := *failed
		waiter.outcome <- &of
		delete(s.pending, id)
	}
	s.delivered.Broadcast()
}

func (s *submissions) flush(ctx context.Context) error {
	if !s.acquire() {
		return nil
	}
	defer s.running.Done()
	s.mu.Lock()
	taken := s.taken
	s.mu.Unlock()
	return s.await(ctx, taken, func(call *C.im_call, failed **C.im_error) C.im_status {
		return C.im_batcher_flush(s.handle, call, failed)
	})
}

// await waits in C for the outcomes of the first changes that C took, and then for their delivery.
func (s *submissions) await(ctx context.Context, taken uint64, wait func(*C.im_call, **C.im_error) C.im_status) error {
	call := callOf(ctx, nil)
	defer call.free()
	var failed *C.im_error
	if wait(call.handle, &failed) != C.IM_OK {
		err := takeError(failed)
		attachCause(ctx, err)
		return err
	}
	return s.awaitDelivery(ctx, taken)
}

// awaitDelivery waits for the delivery of outcomes that have arrived. This is immediate, so the context matters only if
// nothing is delivered, after a defect.
func (s *submissions) awaitDelivery(ctx context.Context, taken uint64) error {
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.delivered.Broadcast()
	})
	defer stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.anyOfFirst(taken) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.delivered.Wait()
	}
	return nil
}

// anyOfFirst says whether one of the first changes that C took waits for its outcome.
func (s *submissions) anyOfFirst(taken uint64) bool {
	for _, waiter := range s.pending {
		if 0 < waiter.taken && waiter.taken <= taken {
			return true
		}
	}
	return false
}

func (s *submissions) close(ctx context.Context) error {
	if !s.acquire() {
		return nil
	}
	defer s.running.Done()
	s.mu.Lock()
	s.stopTaking()
	s.mu.Unlock()
	return s.await(ctx, math.MaxUint64, func(call *C.im_call, failed **C.im_error) C.im_status {
		return C.im_batcher_close(s.handle, call, failed)
	})
}

// free closes and frees the batcher when the last reference is gone. Until then a closed batcher keeps its handle, which
// has the limits of its client: the error of a change that it refuses depends on them.
func (s *submissions) free() {
	s.close(context.Background())
	s.mu.Lock()
	s.freed = true
	s.mu.Unlock()
	s.running.Wait()
	C.im_batcher_free(s.handle)
}

// stopTaking takes no more changes. With s.mu held.
func (s *submissions) stopTaking() {
	if !s.closed {
		s.closed = true
		close(s.whenClosed)
	}
}

func (s *submissions) unsettled() int {
	if !s.acquire() {
		return 0
	}
	defer s.running.Done()
	return int(C.im_batcher_unsettled(s.handle))
}

// acquire keeps the handle from being freed until running.Done.
func (s *submissions) acquire() bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.freed {
		return false
	}
	s.running.Add(1)
	return true
}
