package imtag

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// offline makes a batcher that lingers and so sends nothing before it is closed.
func offline(t *testing.T) (*Batcher, *submissions) {
	t.Helper()
	client, err := NewClient(Config{
		SDKAppID: 1400000000, Identifier: "administrator", UserSig: "x", Endpoint: "http://127.0.0.1:1", MaxAttempts: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	batcher, err := client.NewBatcher(BatcherOptions{Linger: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		batcher.Close()
		client.Close()
	})
	return batcher, batcher.submissions
}

func statusOf(err error) Status {
	var of *Error
	errors.As(err, &of)
	if of == nil {
		return 0
	}
	return of.Status
}

func TestAWaitForCapacityEndsWhenTheTimeOfAChangeIsUp(t *testing.T) {
	q := &submissions{timeout: time.Millisecond, turn: make(chan struct{})} // it never comes
	_, err := q.enqueue(context.Background(), Add("anna", "a"), nil, time.Millisecond)
	var late *Error
	if !errors.As(err, &late) || late.Status != StatusTimeout || late.Effect != NotApplied || late.Unwrap() != nil {
		t.Errorf("got %#v", err)
	}
	if got := err.Error(); got != `add "anna": not sent: its time was up (not applied; allow more time, or try again)` {
		t.Errorf("message: %s", got)
	}
}

func TestAnInvalidChangeDoesNotWaitForCapacity(t *testing.T) {
	batcher, q := offline(t)
	<-q.turn // as if another change were waiting
	defer func() { q.turn <- struct{}{} }()
	invalid := Add("anna", strings.Repeat("x", 51))
	if err := batcher.Do(context.Background(), invalid); statusOf(err) != StatusInvalid {
		t.Errorf("done: %v", err)
	}
	if err := <-batcher.Submit(context.Background(), invalid); statusOf(err) != StatusInvalid {
		t.Errorf("submitted: %v", err)
	}
}

func TestAFlushDoesNotWaitForAChangeThatCHasNotTaken(t *testing.T) {
	batcher, q := offline(t)
	outcome := make(chan error, 1)
	id, _ := q.register(outcome) // and another goroutine flushes before C has it
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := batcher.Flush(ctx); err != nil {
		t.Errorf("flushed: %v", err)
	}
	q.unregister(id)
}

func TestAFlushWaitsForTheDeliveryOfTakenChangesUntilItsContextIsDone(t *testing.T) {
	batcher, q := offline(t)
	q.started = true // so nothing is delivered
	outcome := make(chan error, 1)
	id, _ := q.register(outcome)
	q.markTaken(id)
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if err := q.awaitDelivery(ctx, 1); err != context.DeadlineExceeded {
		t.Errorf("with a deadline: %v", err)
	}
	if err := q.awaitDelivery(ctx, 0); err != nil {
		t.Errorf("of nothing: %v", err)
	}
	flushed := make(chan error)
	go func() { flushed <- batcher.Flush(context.Background()) }()
	select {
	case err := <-flushed:
		t.Errorf("flushed before the delivery: %v", err)
	case <-time.After(10 * time.Millisecond):
	}
	q.abandon(&Error{Status: StatusDefect})
	if err := <-flushed; err != nil {
		t.Errorf("flushed: %v", err)
	}
}

func TestAfterAPollThatFailedChangesAreRefusedWithItsError(t *testing.T) {
	batcher, q := offline(t)
	q.started = true
	outcome := make(chan error, 1)
	id, _ := q.register(outcome)
	q.abandon(&Error{Status: StatusDefect, message: "a defect"})
	if err := <-outcome; statusOf(err) != StatusDefect {
		t.Errorf("the waiter: %v", err)
	}
	if q.unregister(id) {
		t.Error("the waiter is still there")
	}
	if err := batcher.AddTag(context.Background(), "anna", "a"); statusOf(err) != StatusDefect || err.Error() != "a defect" {
		t.Errorf("done: %v", err)
	}
	if err := <-batcher.Submit(context.Background(), Clear("anna")); statusOf(err) != StatusDefect {
		t.Errorf("submitted: %v", err)
	}
	if err := batcher.AddTag(context.Background(), "", "a"); statusOf(err) != StatusInvalid {
		t.Errorf("an invalid one: %v", err)
	}
}
