package imtag

// #include <imtag.h>
import "C"

import (
	"context"
	"runtime"
	"time"
)

// ErrBatcherClosed is the reason for what a closed batcher did not take: errors.Is finds it.
var ErrBatcherClosed error = errorText("imtag: the batcher is closed: make another with NewBatcher")

// BatcherOptions are those of a batcher. What is zero has the default.
type BatcherOptions struct {
	// Linger is how long a change waits for others to share its request; default: 10 ms, which 0 means too. Set 1 ns, which
	// counts as 1 ms, to hardly wait.
	Linger time.Duration
	// Capacity is how many changes are held before they are sent; default: 10,000, a second's worth of the full quota.
	// With as many the batcher is full.
	Capacity int
	// FailWhenFull has a change fail at once where the batcher is full, with StatusFull; else it waits for capacity.
	FailWhenFull bool
	// Timeout is for a change, with its waits and retries; default: 30 s. A deadline of the context takes its place.
	Timeout time.Duration
	// AttemptTimeout is for one attempt of a request; default: 10 s.
	AttemptTimeout time.Duration
	// LateWindow is for how long an attempt that was abandoned may still arrive, and so how long the account's
	// next change of another kind waits; default: 10 s. No page of the service says how late it can be.
	LateWindow time.Duration
}

// Batcher has changes of many goroutines, of one user each, share requests: for servers that tag a user per event, where a
// request for each would use up the app's quota with a hundredth of the users. Any number of goroutines may use it at once,
// and those that wait hold no thread. [Client.NewBatcher] makes one; a copy is the same batcher.
//
// A change is sent when 100 users are together, when its user has as many tags as a request takes of it (10), or when it
// has lingered. The changes of an account are made in the order in which they were given.
//
// Close it when all is done, and before the program ends, which waits for nobody: Unsettled, or the error of a Shutdown
// whose context is done before, says how many changes that leaves without an outcome. One that nobody holds any more is
// closed by and by: what it was given is sent all the same, and has its outcome.
type Batcher struct {
	*heldBatcher // nil where NewBatcher did not make it
}

// heldBatcher is what the copies of a Batcher share. Nothing that runs for the batcher holds it, so that it is let go of
// when the last of the copies is.
type heldBatcher struct {
	queue *queue
}

// NewBatcher makes a batcher. It may be used after the client is closed.
func (c *Client) NewBatcher(options BatcherOptions) (*Batcher, error) {
	if err := options.check(); err != nil {
		return nil, err
	}
	core := c.shared()
	client, err := core.enter()
	if err != nil {
		return nil, err
	}
	defer core.leave()
	var handle *C.im_batcher
	var failed *C.im_error
	if C.im_batcher_new(client, &handle, &failed) != C.IM_OK {
		return nil, takeError(failed)
	}
	held := &heldBatcher{newQueue(handle, options)}
	runtime.SetFinalizer(held, func(held *heldBatcher) {
		go held.queue.free() // as it may take long, and finalizers run one after the other
	})
	return &Batcher{held}, nil
}

// AddTag adds tags to a user, and waits until the request that it shares is answered. Nil says that they are there.
//
// When the context is done before, a change that is in no request yet is taken back, and is not applied. One that is may be
// sent, or sent again, all the same: it is possibly applied.
func (b *Batcher) AddTag(ctx context.Context, account string, tags ...string) error {
	return b.Do(ctx, Add(account, tags...))
}

// RemoveTag removes tags from a user, and waits as AddTag.
func (b *Batcher) RemoveTag(ctx context.Context, account string, tags ...string) error {
	return b.Do(ctx, Remove(account, tags...))
}

// ClearTags removes all tags of a user, and waits as AddTag.
func (b *Batcher) ClearTags(ctx context.Context, account string) error {
	return b.Do(ctx, Clear(account))
}

// Do makes any change, and waits as AddTag.
func (b *Batcher) Do(ctx context.Context, change Change) error {
	if ctx == nil {
		return errNoContext
	}
	defer runtime.KeepAlive(b) // else it may be closed meanwhile
	return b.shared().do(ctx, change)
}

// Submit takes a change in without waiting for its outcome, which comes by the channel: one value, nil where it is done.
// It waits for capacity only, where the batcher is full and FailWhenFull is not set, until the context is done or
// Timeout is over; a change that is not taken has its error in the channel at once. What becomes of the context
// afterwards changes nothing.
func (b *Batcher) Submit(ctx context.Context, change Change) <-chan error {
	outcome := make(chan error, 1)
	if ctx == nil {
		outcome <- errNoContext
		return outcome
	}
	defer runtime.KeepAlive(b) // else it may be closed meanwhile
	b.shared().submit(ctx, change, outcome)
	return outcome
}

// Flush sends what is there without waiting for company, and waits until every change that was taken before has its
// outcome, good or bad. When the context is done before, the error says how many have none yet; they stay under way.
func (b *Batcher) Flush(ctx context.Context) error {
	if ctx == nil {
		return errNoContext
	}
	return b.shared().flush(ctx)
}

// Close takes no more changes, sends what is there, and waits until all have their outcomes: nothing is lost. It may be
// called more than once, beside all else, and of a nil Batcher; it always returns nil. Shutdown bounds the wait.
func (b *Batcher) Close() error { return b.Shutdown(context.Background()) }

// Shutdown is Close until the context is done. Then the error says how many changes have no outcome yet: they stay under
// way, and it may be called again.
func (b *Batcher) Shutdown(ctx context.Context) error {
	if ctx == nil {
		return errNoContext
	}
	return b.shared().close(ctx)
}

// Unsettled counts the changes that have no outcome yet.
func (b *Batcher) Unsettled() int { return b.shared().unsettled() }

// shared is nil for a batcher that NewBatcher did not make.
func (b *Batcher) shared() *queue {
	if b == nil || b.heldBatcher == nil {
		return nil
	}
	return b.queue
}

func (o *BatcherOptions) check() error {
	return checkOptions(o.Capacity, []setTime{
		{"Timeout", o.Timeout},
		{"AttemptTimeout", o.AttemptTimeout},
		{"LateWindow", o.LateWindow},
		{"Linger", o.Linger},
	})
}

// set sets the options. A change that finds no capacity is refused by C and waits in Go, where that takes no thread.
func (o *BatcherOptions) set(batcher *C.im_batcher) {
	if o.FailWhenFull {
		C.im_batcher_set_when_full(batcher, C.IM_FAIL)
	} else {
		C.im_batcher_set_when_full(batcher, C.IM_SIGNAL)
	}
	if o.Linger != 0 {
		C.im_batcher_set_linger_ms(batcher, milliseconds(o.Linger))
	}
	if o.Capacity != 0 {
		C.im_batcher_set_capacity(batcher, C.size_t(o.Capacity))
	}
	if o.Timeout != 0 {
		C.im_batcher_set_timeout_ms(batcher, milliseconds(o.Timeout))
	}
	if o.AttemptTimeout != 0 {
		C.im_batcher_set_attempt_timeout_ms(batcher, milliseconds(o.AttemptTimeout))
	}
	if o.LateWindow != 0 {
		C.im_batcher_set_late_window_ms(batcher, milliseconds(o.LateWindow))
	}
}
