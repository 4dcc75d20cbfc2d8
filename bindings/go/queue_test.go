package imtag

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestAWaitForRoomEndsWhenTheTimeOfAChangeIsUp(t *testing.T) {
	q := &queue{timeout: time.Millisecond, turn: make(chan struct{})} // which never comes
	err := q.give(context.Background(), Add("anna", "a"), nil)
	var late *Error
	if !errors.As(err, &late) || late.Status != StatusTimeout || late.Effect != NotApplied || late.Unwrap() != nil {
		t.Errorf("got %#v", err)
	}
	if got := err.Error(); got != `add "anna": not sent: its time was up (not applied; allow more time, or try again)` {
		t.Errorf("message: %s", got)
	}
}
