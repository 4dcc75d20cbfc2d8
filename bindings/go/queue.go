package imtag

// #include <imtag.h>
import "C"

import (
	"context"
	"sync"
	"time"
)

// A queue is a batcher of C's with the goroutines that wait for its outcomes. They wait for channels, which takes no
// thread, as waiting in C would: one goroutine polls for all of them. A nil queue is closed.
type queue struct {
	handle       *C.im_batcher
	failWhenFull bool
	timeout      time.Duration // for room

	turn chan struct{} // has one in it, which who gives a change takes out: so nobody overtakes who waits for room
	room chan struct{} // told when there may be room

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

const (
	// As the library has it, which is told so each time: the wait for room is in Go.
	batcherTimeout = 30 * time.Second
	// How often room is looked for besides when outcomes come: it is there already when a request is sent.
	roomInterval = 2 * time.Millisecond
)

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
		room:         make(chan struct{}, 1),
		pending:      make(map[uint64]chan<- error),
		refused:      make(chan struct{}),
	}
	q.delivered.L = &q.mu
	q.turn <- struct{}{}
	return q
}

// give takes a change in, once there is room. Its outcome comes by the channel unless there is an error.
func (q *queue) give(ctx context.Context, change Change, outcome chan<- error) error {
	if !q.enter() {
		return closed(change)
	}
	defer q.running.Done()
	if ctx.Err() != nil {
		return givenUp(ctx, change, NotApplied)
	}
	var timer *time.Timer
	wait := func(what <-chan struct{}) error {
		if timer == nil {
			timer = time.NewTimer(q.timeout)
		}
		select {
		case <-what:
			return nil
		case <-ctx.Done():
			return givenUp(ctx, change, NotApplied)
		case <-q.refused:
			return closed(change)
		case <-timer.C:
			return noRoom(change)
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
			return err
		}
	}
	defer func() { q.turn <- struct{}{} }()
	for {
		failed := q.offer(change, outcome)
		if failed == nil {
			return nil
		}
		if failed.Status != StatusFull || q.failWhenFull {
			return failed
		}
		again := time.AfterFunc(roomInterval, q.tellOfRoom)
		err := wait(q.room)
		again.Stop()
		if err != nil {
			return err
		}
	}
}

// offer offers a change to C, which does not wait.
func (q *queue) offer(change Change, outcome chan<- error) *Error {
	q.mu.Lock()
	id := q.next
	q.next++
	q.pending[id] = outcome
	if !q.begun {
		q.begun = true
		q.running.Add(1)
		go q.deliver()
	}
	q.mu.Unlock()
	failed := submit(q.handle, id, change)
	if failed != nil {
		q.forget(id)
		if failed.Status == StatusClosed {
			failed.cause = ErrBatcherClosed
		}
	}
	return failed
}

// forget lets go of a change that was not taken. A flush may wait for it.
func (q *queue) forget(id uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.pending, id)
	q.delivered.Broadcast()
}

func (q *queue) tellOfRoom() {
	select {
	case q.room <- struct{}{}:
	default:
	}
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
		if len(all) == 0 {
			return
		}
		q.mu.Lock()
		for _, it := range all {
			q.pending[it.id] <- it.err()
			delete(q.pending, it.id)
		}
		q.delivered.Broadcast()
		q.mu.Unlock()
		q.tellOfRoom()
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
