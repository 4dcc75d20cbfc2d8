//go:build cgo

package imtag

import (
	"context"
	"errors"
	"time"
)

// attachCause wraps the context's error in a call's error, if the context ended the call.
func attachCause(ctx context.Context, failed *Error) {
	switch {
	case failed.Status == StatusCancelled:
		failed.cause = ctx.Err()
	case failed.Status == StatusTimeout && (deadlinePassed(ctx) || errors.Is(ctx.Err(), context.DeadlineExceeded)):
		failed.cause = context.DeadlineExceeded
	}
}

// cancelled says whether a context is done other than by its deadline, which may pass a moment later.
func cancelled(ctx context.Context) bool {
	return ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded)
}

// deadlinePassed says whether the context's deadline has passed. Its Err may say so a little later.
func deadlinePassed(ctx context.Context) bool {
	deadline, bounded := ctx.Deadline()
	return bounded && !time.Now().Before(deadline)
}

// whyDone is the status for a context that is done.
func whyDone(ctx context.Context) Status {
	if cancelled(ctx) {
		return StatusCancelled
	}
	return StatusTimeout
}
