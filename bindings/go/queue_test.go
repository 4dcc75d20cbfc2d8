package imtag

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestAWaitForCapacityEndsWhenTheTimeOfAChangeIsUp(t *testing.T) {
	q := &queue{timeout: time.Millisecond, turn: make(chan struct{})} // which never comes
	_, err := q.give(context.Background(), Add("anna", "a"), nil, time.Millisecond)
	var late *Error
	if !errors.As(err, &late) || late.Status != StatusTimeout || late.Effect != NotApplied || late.Unwrap() != nil {
		t.Errorf("got %#v", err)
	}
	if got := err.Error(); got != `add "anna": not sent: its time was up (not applied; allow more time, or try again)` {
		t.Errorf("message: %s", got)
	}
}

func TestAChangeThatIsRefusedKeepsNoFlushWaiting(t *testing.T) {
	q := &queue{pending: map[uint64]chan<- error{0: nil}}
	q.delivered.L = &q.mu
	waits, flushed := make(chan struct{}), make(chan struct{})
	go func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		close(waits) // and lets go of the lock no sooner than it waits
		q.awaitBefore(1)
		close(flushed)
	}()
	<-waits
	q.forget(0)
	select {
	case <-flushed:
	case <-time.After(20 * time.Second):
		t.Fatal("it waits for ever")
	}
}
