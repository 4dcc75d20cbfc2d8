package imtag

// #include <imtag.h>
import "C"

import (
	"context"
	"time"
)

// call is what a context means to the C interface: its deadline, and the way to cancel.
type call struct {
	handle *C.im_call // nil where the context can end nothing
	ctx    context.Context
	stop   func() bool
	ended  chan struct{}
}

func callOf(ctx context.Context) *call {
	deadline, bounded := ctx.Deadline()
	if !bounded && ctx.Done() == nil {
		return &call{ctx: ctx}
	}
	c := &call{handle: C.im_call_new(), ctx: ctx, ended: make(chan struct{})}
	if bounded {
		C.im_call_set_timeout_ms(c.handle, milliseconds(max(0, time.Until(deadline))))
	}
	c.stop = context.AfterFunc(ctx, func() {
		defer close(c.ended)
		C.im_call_cancel(c.handle)
	})
	return c
}

// free ends what was begun for the call. A cancel that is under way is waited for: it still needs the handle.
func (c *call) free() {
	if c.handle == nil {
		return
	}
	if !c.stop() {
		<-c.ended
	}
	C.im_call_free(c.handle)
}

// explain notes in an error that it was the context that ended the call.
func (c *call) explain(failed *Error) {
	_, bounded := c.ctx.Deadline()
	switch {
	case failed.Status == StatusTimeout && bounded:
		failed.cause = context.DeadlineExceeded
	case failed.Status == StatusCancelled:
		failed.cause = c.ctx.Err()
	}
}

// milliseconds rounds up, so that a little time is not none.
func milliseconds(d time.Duration) C.uint64_t {
	return C.uint64_t((d + time.Millisecond - 1) / time.Millisecond)
}
