//go:build cgo

package imtag

import (
	"context"
	"fmt"
)

// Errors of changes that the library has no part in: it was never given the change, or still has it when its caller waits
// no longer. They read like the library's own.

const (
	timeUp   = "not sent: its time was up"
	moreTime = "allow more time, or try again"
)

// givenUp is the error of a change whose context is done.
func givenUp(ctx context.Context, change Change, effect Effect) *Error {
	status, what, remedy := StatusCancelled, "cancelled by its caller", "send it again if it is still wanted"
	switch {
	case late(ctx) && effect == NotApplied:
		status, what, remedy = StatusTimeout, timeUp, moreTime
	case late(ctx):
		status, what, remedy = StatusTimeout, "its time was up before it was answered", moreTime
	case effect == NotApplied:
		what = "not sent: " + what
	}
	err := errorOfChange(change, status, effect, what, remedy)
	explain(ctx, err)
	return err
}

// noRoom is the error of a change that waited for room as long as it may.
func noRoom(change Change) *Error {
	return errorOfChange(change, StatusTimeout, NotApplied, timeUp, moreTime)
}

// closed is the error of a change that came when the batcher was closed.
func closed(change Change) *Error {
	err := errorOfChange(change, StatusClosed, NotApplied, "not sent: it is closed", "use it before it is closed, or make another")
	err.cause = ErrBatcherClosed
	return err
}

func errorOfChange(change Change, status Status, effect Effect, what, remedy string) *Error {
	retryable := status != StatusClosed
	return &Error{
		Status: status,
		Effect: effect,
		Remedy: remedy,
		Failures: []Failure{{
			Account:   change.account,
			Undone:    change.tags,
			Remedy:    remedy,
			Effect:    effect,
			Retryable: retryable,
		}},
		message:   fmt.Sprintf("%v %q: %s (%v; %s)", change.operation, change.account, what, effect, remedy),
		retryable: retryable,
	}
}
