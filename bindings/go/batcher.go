package imtag

// #include <imtag.h>
import "C"

import (
	"context"
	"runtime"
	"time"
)

// BatcherOptions are options of a batcher. A zero value means the default.
type BatcherOptions struct {
	// Linger is how long a change waits for others to share its request; default: 10 ms, also for 0. Set 1 ns, which counts
	// as 1 ms, to hardly wait.
	Linger time.Duration
	// Capacity is how many changes the batcher holds before they are sent; default: 10,000, which the full quota sends in a
	// second. With that many the batcher is full.
	Capacity int
	// FailWhenFull makes a change fail at once, with StatusFull, if the batcher is full; else it waits for capacity.
	FailWhenFull bool
	// Timeout is for a change, with its waits and retries; default: 30 s. A deadline of the context takes its place.
	Timeout time.Duration
	// AttemptTimeout is for one attempt of a request; default: 10 s.
	AttemptTimeout time.Duration
	// LateWindow is as in [BulkOptions]; default: 10 s.
	LateWindow time.Duration
}

// Batcher lets changes of many goroutines, of one user each, share requests. It is for servers that tag one user per
// event: with a request for each change, the app's quota would allow a hundredth of the changes. Any number of goroutines
// may use it at once, and those that wait hold no thread. [Client.NewBatcher] makes one; a copy is the same batcher.
//
// A change is sent when there are 100 users, when its user has as many tags as one request takes of a user (10), or when
// its linger time is over. The changes of an account are made in the order in which they were given.
//
// Close it before the program ends, which does not wait for it: Unsettled, or the error of a Shutdown whose context is
// done first, says how many changes have no outcome. A batcher that is garbage is closed later: its changes are sent, and
// have their outcomes.
type Batcher struct {
	*sharedBatcher // nil if NewBatcher did not make it
}

// sharedBatcher is what the copies of a Batcher share. No goroutine of the batcher refers to it, so that it is garbage
// when the last copy is.
type sharedBatcher struct {
	submissions *submissions
}

// NewBatcher makes a batcher. It may be used after the client is closed.
func (c *Client) NewBatcher(options BatcherOptions) (*Batcher, error) {
	if err := options.check(); err != nil {
		return nil, err
	}
	core := c.shared()
	client, err := core.acquire()
	if err != nil {
		return nil, err
	}
	defer core.release()
	var handle *C.im_batcher
	var failed *C.im_error
	if C.im_batcher_new(client, &handle, &failed) != C.IM_OK {
		return nil, takeError(failed)
	}
	held := &sharedBatcher{newSubmissions(handle, options)}
	runtime.SetFinalizer(held, func(held *sharedBatcher) {
		go held.submissions.free() // it may take long, and finalizers run one after the other
	})
	return &Batcher{held}, nil
}

// AddTag adds tags to a user, and waits until the request that it shares is answered. Nil: the user has the tags.
//
// If the context is done first, a change that was not sent yet is withdrawn and not applied. One that was sent may
// arrive, or be sent again, all the same: it is possibly applied.
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

// ReplaceTags replaces the tags of a user, as [Replace], and waits as AddTag.
func (b *Batcher) ReplaceTags(ctx context.Context, account string, tags ...string) error {
	return b.Do(ctx, Replace(account, tags...))
}

// Do makes any change, and waits as AddTag.
func (b *Batcher) Do(ctx context.Context, change Change) error {
	if ctx == nil {
		return errNoContext
	}
	defer runtime.KeepAlive(b) // else it may be closed meanwhile
	return b.shared().do(ctx, change)
}

// Submit submits a change without waiting for its outcome. The channel gets one value: the error, nil if the change is
// done. Submit waits only for capacity, if the batcher is full and FailWhenFull is not set, until the context is done or
// Timeout is over; the channel of a change that is not taken has its error at once. After Submit returns, the context has
// no effect.
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

// Flush sends the changes that it holds without waiting for more, and waits until every change that was taken before has
// its outcome, good or bad. If the context is done first, the error says how many have none yet; they stay under way, and
// are sent without waiting all the same. Changes that are taken later wait for others as ever.
func (b *Batcher) Flush(ctx context.Context) error {
	if ctx == nil {
		return errNoContext
	}
	return b.shared().flush(ctx)
}

// Close takes no more changes, sends those that it holds, and waits until all have their outcomes: nothing is lost. It
// may be called more than once, at any time, and on a nil Batcher; it always returns nil. Shutdown limits the wait.
func (b *Batcher) Close() error { return b.Shutdown(context.Background()) }

// Shutdown is Close until the context is done. Then the error says how many changes have no outcome yet: they stay in
// flight, and it may be called again.
func (b *Batcher) Shutdown(ctx context.Context) error {
	if ctx == nil {
		return errNoContext
	}
	return b.shared().close(ctx)
}

// Unsettled counts the changes that have no outcome yet.
func (b *Batcher) Unsettled() int { return b.shared().unsettled() }

// shared is nil for a batcher that NewBatcher did not make.
func (b *Batcher) shared() *submissions {
	if b == nil || b.sharedBatcher == nil {
		return nil
	}
	return b.submissions
}

func (o *BatcherOptions) check() error {
	return checkOptions(o.Capacity, []namedDuration{
		{"Timeout", o.Timeout},
		{"AttemptTimeout", o.AttemptTimeout},
		{"LateWindow", o.LateWindow},
		{"Linger", o.Linger},
	})
}

// set sets the options. Without capacity C refuses a change, which then waits in Go, where a wait takes no thread.
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
