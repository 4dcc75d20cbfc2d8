package imtag

import (
	"context"
	"fmt"
)

// Errors of changes that the library has no part in: it was never given the change, or still has it when its caller waits
// no longer. They read like the library's own.

// givenUp is the error of a change whose context is done.
func givenUp(ctx context.Context, change Change, effect Effect) *Error {
	what := "cancelled by its caller"
	status, remedy := StatusCancelled, "send it again if it is still wanted"
	if late(ctx) {
		what = "its time was up before it was answered"
		status, remedy = StatusTimeout, "allow more time, or try again"
	}
	if effect == NotApplied {
		what = "not sent: " + what
	}
	err := errorOfChange(change, status, effect, what, remedy)
	explain(ctx, err)
	return err
}

// noRoom is the error of a change that waited for room as long as it may.
func noRoom(change Change) *Error {
	return errorOfChange(change, StatusTimeout, NotApplied, "not sent: its time was up", "allow more time, or try again")
}

// closed is the error of a change that came when the batcher was closed.
func closed(change Change) *Error {
	err := errorOfChange(change, StatusClosed, NotApplied, "not sent: it is closed", "use it before it is closed, or make another")
	err.retryable = false
	err.cause = ErrBatcherClosed
	return err
}

func errorOfChange(change Change, status Status, effect Effect, what, remedy string) *Error {
	return &Error{
		Status: status,
		Effect: effect,
		Remedy: remedy,
		Failures: []Failure{{
			Account:   change.account,
			Undone:    change.tags,
			Remedy:    remedy,
			Effect:    effect,
			Retryable: status != StatusClosed,
		}},
		message:   fmt.Sprintf("%v %q: %s (%v; %s)", change.operation, change.account, what, effect, remedy),
		retryable: true,
	}
}
