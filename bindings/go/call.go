package imtag

// #include <imtag.h>
import "C"

import (
	"context"
	"time"
)

// call is an im_call made from a context and the options of a call: time limits, and cancellation.
type call struct {
	handle *C.im_call // nil if nothing is set
	ctx    context.Context
	stop   func() bool   // nil if the context cannot end during the call
	ended  chan struct{} // closed when a cancellation has been passed on
}

func callOf(ctx context.Context, options []CallOption) *call {
	deadline, bounded := ctx.Deadline()
	c := &call{ctx: ctx}
	if !bounded && ctx.Done() == nil && len(options) == 0 {
		return c
	}
	c.handle = C.im_call_new()
	if bounded && !cancelled(ctx) {
		C.im_call_set_timeout_ms(c.handle, milliseconds(time.Until(deadline)))
	}
	for _, option := range options {
		option.set(c.handle)
	}
	switch {
	case ctx.Err() != nil: // now, as AfterFunc may run so late that something is sent
		c.end()
	case ctx.Done() != nil:
		c.ended = make(chan struct{})
		c.stop = context.AfterFunc(ctx, func() {
			defer close(c.ended)
			c.end()
		})
	}
	return c
}

// end passes on that the context is done. It does not for a deadline, which the library watches itself: a cancellation a
// moment earlier would hide that the time was up.
func (c *call) end() {
	if cancelled(c.ctx) || !deadlinePassed(c.ctx) { // a context may not tell its deadline
		collect()
		C.im_call_cancel(c.handle)
	}
}

// free frees the handle, after a cancellation that still uses it.
func (c *call) free() {
	if c.stop != nil && !c.stop() {
		<-c.ended
	}
	C.im_call_free(c.handle)
}

// CallOption is an option of one call. The time for the whole call is that of its context.
type CallOption struct {
	attemptTimeout time.Duration
}

// AttemptTimeout sets the time for one attempt, from its turn in the quota; when it is up, the call may try again. If it
// is not set, an attempt has half of the time that the call has left: of 10 s, the first has 5 s. After an attempt
// without an answer in that time, the next has all that is left.
func AttemptTimeout(timeout time.Duration) CallOption {
	return CallOption{attemptTimeout: timeout}
}

func (o CallOption) set(call *C.im_call) {
	C.im_call_set_attempt_timeout_ms(call, milliseconds(o.attemptTimeout))
}
