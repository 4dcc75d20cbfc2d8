package imtag

// #include <imtag.h>
import "C"

import (
	"context"
	"errors"
	"time"
)

// call is what a context and the options of a call mean to the C interface: time limits, and the way to cancel.
type call struct {
	handle *C.im_call // nil where there is nothing to say
	ctx    context.Context
	stop   func() bool   // nil where the context cannot end while the call runs
	ended  chan struct{} // closed when a cancel has been passed on
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
	case ctx.Err() != nil: // here and now, as AfterFunc may be so late that something is sent
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

// end passes on that the context is done. A deadline the library sees for itself, and then says that the time was up;
// a cancel that came a moment earlier would hide that.
func (c *call) end() {
	if cancelled(c.ctx) || !late(c.ctx) { // a context may hide its deadline
		collect()
		C.im_call_cancel(c.handle)
	}
}

// cancelled says whether a context that is done is so without its deadline, which may pass a moment later.
func cancelled(ctx context.Context) bool {
	return ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded)
}

// late says whether the context's deadline has passed. Its Err may say so a little later.
func late(ctx context.Context) bool {
	deadline, bounded := ctx.Deadline()
	return bounded && !time.Now().Before(deadline)
}

// free ends what was begun for the call. A cancel that is under way is waited for: it still needs the handle.
func (c *call) free() {
	if c.stop != nil && !c.stop() {
		<-c.ended
	}
	C.im_call_free(c.handle)
}

// explain notes in an error that it was the context that ended the call.
func explain(ctx context.Context, failed *Error) {
	switch {
	case failed.Status == StatusCancelled:
		failed.cause = ctx.Err()
	case failed.Status == StatusTimeout && (late(ctx) || errors.Is(ctx.Err(), context.DeadlineExceeded)):
		failed.cause = context.DeadlineExceeded
	}
}

// milliseconds rounds up, so that a little time is not none; what is over is none.
func milliseconds(d time.Duration) C.uint64_t {
	if d <= 0 {
		return 0
	}
	return C.uint64_t((d-1)/time.Millisecond) + 1
}
