package imtag_test

import (
	"context"
	"errors"
	"math/rand"
	"os"
	"runtime"
	"testing"
	"time"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

const foreverFault = `{"kind": "delay", "delay_ms": 60000}`

func TestACallWithACancelledContextSendsNothing(t *testing.T) {
	t.Parallel()
	e := newEmulator(t)
	client := e.client(t)
	ctx, cancel := context.WithCancel(background)
	cancel()
	for range 50 {
		_, err := client.AddTag(ctx, user("u", "a"))
		cancelled := failed(t, err, imtag.StatusCancelled)
		equal(t, "the context's", errors.Is(err, context.Canceled), true)
		equal(t, "effect", cancelled.Effect, imtag.NotApplied)
		equal(t, "timeout", cancelled.Timeout(), false)
	}
	equal(t, "arrivals", e.arrivals(t), 0)
}

func TestACallWithAContextWhoseDeadlineHasPassedSendsNothing(t *testing.T) {
	t.Parallel()
	e := newEmulator(t)
	client := e.client(t)
	ctx, cancel := context.WithDeadline(background, time.Now().Add(-time.Hour))
	defer cancel()
	for range 50 {
		_, err := client.AddTag(ctx, user("u", "a"))
		late := failed(t, err, imtag.StatusTimeout)
		equal(t, "the context's", errors.Is(err, context.DeadlineExceeded), true)
		equal(t, "effect", late.Effect, imtag.NotApplied)
	}
	equal(t, "arrivals", e.arrivals(t), 0)
}

func TestCancellingTheContextEndsTheCallWithWhatIsKnownOfItsEffect(t *testing.T) {
	t.Parallel()
	e := newEmulator(t)
	client := e.client(t)
	e.fault(t, "add", foreverFault)
	ctx, cancel := context.WithCancel(background)
	ended := make(chan error)
	go func() {
		_, err := client.AddTag(ctx, user("u", "a"))
		ended <- err
	}()
	e.awaitArrival(t)
	cancel()
	err := <-ended
	cancelled := failed(t, err, imtag.StatusCancelled)
	equal(t, "the context's", errors.Is(err, context.Canceled), true)
	equal(t, "possibly applied", cancelled.PossiblyApplied(), true)
}

func TestTheDeadlineOfTheContextIsThatOfTheCall(t *testing.T) {
	t.Parallel()
	e := newEmulator(t)
	client := e.client(t)
	e.fault(t, "add", foreverFault)
	ctx, cancel := context.WithTimeout(background, time.Second)
	defer cancel()
	// else it is tried again after half of it
	_, err := client.AddTag(ctx, user("u", "a"), imtag.AttemptTimeout(time.Second))
	late := failed(t, err, imtag.StatusTimeout)
	equal(t, "the context's", errors.Is(err, context.DeadlineExceeded), true)
	equal(t, "timeout", late.Timeout() && os.IsTimeout(err), true)
	equal(t, "possibly applied", late.PossiblyApplied(), true)
}

func TestAContextMayAllowMoreTimeThanTheClient(t *testing.T) {
	t.Parallel()
	e := newEmulator(t)
	client := e.client(t, func(c *imtag.Config) { c.Timeout = time.Millisecond })
	e.fault(t, "add", `{"kind": "delay", "delay_ms": 100}`)
	for _, deadline := range []time.Time{time.Now().Add(time.Minute), time.Now().AddDate(500, 0, 0)} {
		ctx, cancel := context.WithDeadline(background, deadline)
		_, err := client.AddTag(ctx, user("u", "a"))
		equal(t, "error", err, nil)
		cancel()
	}
}

func TestAnAttemptMayHaveLessTimeThanItsCall(t *testing.T) {
	t.Parallel()
	e := newEmulator(t)
	client := e.client(t)
	e.fault(t, "add", foreverFault)
	result, err := client.AddTag(background, user("u", "a"), imtag.AttemptTimeout(500*time.Millisecond))
	equal(t, "attempts", succeeds(t, result, err).Attempts, 2)

	e.fault(t, "add", foreverFault)
	single := e.client(t, once)
	ctx, cancel := context.WithTimeout(background, time.Minute)
	defer cancel()
	_, err = single.AddTag(ctx, user("u", "a"), imtag.AttemptTimeout(500*time.Millisecond))
	failed(t, err, imtag.StatusTimeout)
	equal(t, "the context's", errors.Is(err, context.DeadlineExceeded), false)
}

func TestAnErrorThatTheContextDidNotCauseDoesNotWrapItsError(t *testing.T) {
	t.Parallel()
	client := newEmulator(t).client(t)
	ctx, cancel := context.WithCancel(background)
	cancel()
	_, err := client.AddTag(ctx, nil)
	failed(t, err, imtag.StatusInvalid)
	equal(t, "the context's", errors.Is(err, context.Canceled), false)
}

func TestACancelAtAnyMomentEndsInOrderAndLeavesNothingBehind(t *testing.T) {
	e := newEmulator(t, "--calls-per-second", "100000")
	client := e.client(t, func(c *imtag.Config) { c.CallsPerSecond = 100000 })
	before := runtime.NumGoroutine()
	for range 300 {
		ctx, cancel := context.WithCancel(background)
		go func(after time.Duration) {
			time.Sleep(after)
			cancel()
		}(time.Duration(rand.Int63n(int64(2 * time.Millisecond))))
		if _, err := client.AddTag(ctx, user("u", "a")); err != nil {
			failed(t, err, imtag.StatusCancelled)
			equal(t, "the context's", errors.Is(err, context.Canceled), true)
		}
		cancel()
	}
	noMoreGoroutines(t, before)
}

func TestANilContextIsAnErrorAndNoCrash(t *testing.T) {
	t.Parallel()
	client := newEmulator(t).client(t)
	_, err := client.AddTag(nil, user("u", "a")) //nolint:staticcheck // what is tested
	equal(t, "error", err != nil && err.Error() == "imtag: the context is nil: pass context.Background()", true)
}

// ended is a context that is done, with any deadline.
type ended struct {
	context.Context
	deadline time.Time
	why      error
}

func (c ended) Deadline() (time.Time, bool) { return c.deadline, !c.deadline.IsZero() }
func (c ended) Err() error                  { return c.why }
func (c ended) Done() <-chan struct{} {
	done := make(chan struct{})
	close(done)
	return done
}

func TestTheErrOfAContextSaysWhyItIsDone(t *testing.T) {
	t.Parallel()
	e := newEmulator(t)
	client := e.client(t)
	batcher := newBatcher(t, client, longLinger)
	over := time.Now().Add(-time.Hour)
	for what, of := range map[string]struct {
		ctx    context.Context
		status imtag.Status
	}{
		"cancelled before its deadline passed": {ended{background, over, context.Canceled}, imtag.StatusCancelled},
		"its deadline passed":                  {ended{background, over, context.DeadlineExceeded}, imtag.StatusTimeout},
	} {
		_, called := client.AddTag(of.ctx, user("u", "a"))
		for _, err := range []error{called, batcher.AddTag(of.ctx, "u", "a"), <-batcher.Submit(of.ctx, imtag.Clear("u"))} {
			failed(t, err, of.status)
			equal(t, what, errors.Is(err, of.ctx.Err()), true)
		}
	}
	hidden := ended{background, time.Time{}, context.DeadlineExceeded}
	_, called := client.AddTag(hidden, user("u", "a"))
	failed(t, called, imtag.StatusCancelled)
	equal(t, "hidden", errors.Is(called, context.DeadlineExceeded), true)
	err := batcher.AddTag(hidden, "u", "a")
	failed(t, err, imtag.StatusTimeout)
	equal(t, "hidden", errors.Is(err, context.DeadlineExceeded), true)
	equal(t, "arrivals", e.arrivals(t), 0)
}
