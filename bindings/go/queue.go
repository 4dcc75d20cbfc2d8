package imtag

// #include <imtag.h>
import "C"

import (
	"context"
	"math"
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
	pending   map[uint64]*waiter
	next      uint64
	taken     uint64    // how many changes C has taken
	delivered sync.Cond // pending has fewer, or a context is done
	refuses   bool
	failed    *Error         // why no outcome is delivered any more, by a defect of the library
	gone      bool           // nobody may use the handle any more
	running   sync.WaitGroup // those that use it
	refused   chan struct{}  // closed when it refuses changes
	begun     bool           // it delivers
}

// A waiter is where the outcome of a change is delivered.
type waiter struct {
	outcome chan<- error
	taken   uint64 // the number of the change among those that C has taken, from 1; 0 until it has
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
		pending:      make(map[uint64]*waiter),
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

// withdraw takes a change back whose caller waits no longer. Its outcome comes as that of every change.
func (q *queue) withdraw(id uint64, why Status) {
	if !q.enter() {
		return // then it is there already
	}
	defer q.running.Done()
	collect()
	C.im_batcher_withdraw(q.handle, C.uint64_t(id), C.im_status(why), nil)
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
			q.pending[it.id].outcome <- it.err()
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

// abandon tells all that wait that their outcomes will never be known, as by a defect of the library, and takes no more
// changes, as theirs would not be either.
func (q *queue) abandon(failed *Error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.failed = failed
	q.refuse()
	for id, waiter := range q.pending {
		of := *failed
		waiter.outcome <- &of
		delete(q.pending, id)
	}
	q.delivered.Broadcast()
}

func (q *queue) flush(ctx context.Context) error {
	if !q.enter() {
		return nil
	}
	defer q.running.Done()
	q.mu.Lock()
	taken := q.taken
	q.mu.Unlock()
	return q.settle(ctx, taken, func(call *C.im_call, failed **C.im_error) C.im_status {
		return C.im_batcher_flush(q.handle, call, failed)
	})
}

// settle waits in C until the outcomes of the first changes that it took are known, and then for their delivery.
func (q *queue) settle(ctx context.Context, taken uint64, wait func(*C.im_call, **C.im_error) C.im_status) error {
	call := callOf(ctx, nil)
	defer call.free()
	var failed *C.im_error
	if wait(call.handle, &failed) != C.IM_OK {
		err := takeError(failed)
		explain(ctx, err)
		return err
	}
	return q.awaitDelivery(ctx, taken)
}

// awaitDelivery waits for the delivery of outcomes that are known, and so are delivered at once: its context matters only
// where nothing is delivered, as by a defect.
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
	if !q.enter() {
		return nil
	}
	defer q.running.Done()
	q.mu.Lock()
	q.refuse()
	q.mu.Unlock()
	return q.settle(ctx, math.MaxUint64, func(call *C.im_call, failed **C.im_error) C.im_status {
		return C.im_batcher_close(q.handle, call, failed)
	})
}

// free closes and frees it once nobody holds it any more. Until then a closed one keeps its handle, which knows the limits
// that its client has: what it refuses it judges by these.
func (q *queue) free() {
	q.close(context.Background())
	q.mu.Lock()
	q.gone = true
	q.mu.Unlock()
	q.running.Wait()
	C.im_batcher_free(q.handle)
}

// refuse has it take no more changes. With q.mu held.
func (q *queue) refuse() {
	if !q.refuses {
		q.refuses = true
		close(q.refused)
	}
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
