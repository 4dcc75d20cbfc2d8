package imtag_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

func TestAChangeThatIsInNoRequestIsWithdrawnWhenItsContextIsDone(t *testing.T) {
	t.Parallel()
	e, client := fastEmulator(t)
	batcher := newBatcher(t, client, longLinger)
	late, stop := context.WithTimeout(background, 100*time.Millisecond)
	defer stop()
	err := batcher.AddTag(late, "anna", "a")
	failure := failureOf(t, err, imtag.StatusTimeout)
	equal(t, "named", [3]any{failure.Account, failure.Undone, failure.Effect}, [3]any{"anna", []string{"a"}, imtag.NotApplied})
	equal(t, "the context's", errors.Is(err, context.DeadlineExceeded), true)
	equal(t, "message", err.Error(), `add "anna": not sent: its time was up (not applied; allow more time, or try again)`)

	ctx, cancel := context.WithCancel(background)
	ended := make(chan error)
	go func() { ended <- batcher.ClearTags(ctx, "bo") }()
	for batcher.Unsettled() == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	err = <-ended
	failure = failureOf(t, err, imtag.StatusCancelled)
	equal(t, "named", [3]any{failure.Account, len(failure.Undone), failure.Effect}, [3]any{"bo", 0, imtag.NotApplied})
	equal(t, "the context's", errors.Is(err, context.Canceled), true)
	equal(t, "message", err.Error(),
		`clear "bo": cancelled by its caller (not applied; send it again if it is still wanted)`)

	err = batcher.AddTag(ctx, "eve", "a")
	equal(t, "message", err.Error(),
		`add "eve": cancelled by its caller (not applied; send it again if it is still wanted)`)
	equal(t, "unsettled", batcher.Unsettled(), 0)
	batcher.Close()
	equal(t, "arrivals", e.arrivals(t), 0)
}

func TestARequestEndsWhenTheContextsDeadlineHasPassed(t *testing.T) {
	t.Parallel()
	e, client := fastEmulator(t)
	batcher := newBatcher(t, client, imtag.BatcherOptions{LateWindow: time.Nanosecond})
	e.fault(t, "add", foreverFault)
	ctx, cancel := context.WithTimeout(background, time.Second)
	defer cancel()
	err := batcher.AddTag(ctx, "anna", "a")
	equal(t, "effect", failureOf(t, err, imtag.StatusTimeout).Effect, imtag.PossiblyApplied)
	equal(t, "the context's", errors.Is(err, context.DeadlineExceeded), true)
	equal(t, "closed", batcher.Close(), nil) // the request, which would last a minute, has ended
}

func TestACallerThatNoLongerWaitsDoesNotAffectOthers(t *testing.T) {
	t.Parallel()
	e, client := fastEmulator(t)
	batcher := newBatcher(t, client, longLinger)
	ctx, cancel := context.WithCancel(background)
	var all sync.WaitGroup
	for i := range 500 {
		all.Add(1)
		go func() {
			defer all.Done()
			err := batcher.AddTag(ctx, fmt.Sprintf("user-%d", i%50), fmt.Sprintf("gone-%d", i%3))
			equal(t, "effect", failureOf(t, err, imtag.StatusCancelled).Effect, imtag.NotApplied)
		}()
	}
	var kept []<-chan error
	for i := range 50 {
		kept = append(kept, batcher.Submit(background, imtag.Add(fmt.Sprintf("user-%d", i), "kept")))
	}
	for batcher.Unsettled() < 550 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	all.Wait()
	equal(t, "unsettled", batcher.Unsettled(), 50)
	equal(t, "flushed", batcher.Flush(background), nil)
	allDone(t, kept)
	equal(t, "arrivals", e.arrivals(t), 1)
	equal(t, "tags", e.tags(t, "user-49"), []string{"kept"})
}

func TestAllThatWaitForCapacityGetIt(t *testing.T) {
	t.Parallel()
	e, client := fastEmulator(t)
	batcher := newBatcher(t, client, imtag.BatcherOptions{Capacity: 1, Linger: time.Millisecond})
	var all sync.WaitGroup
	for i := range 300 {
		all.Add(1)
		go func() {
			defer all.Done()
			equal(t, "outcome", batcher.AddTag(background, fmt.Sprintf("user-%d", i), "a"), nil)
		}()
	}
	all.Wait()
	equal(t, "tags", e.tags(t, "user-299"), []string{"a"})
}

func TestTheErrorOfAClosedBatcherIsThatOfTheLibrary(t *testing.T) {
	t.Parallel()
	_, client := fastEmulator(t)
	closed := newBatcher(t, client, imtag.BatcherOptions{})
	closed.Close()
	for what, batcher := range map[string]*imtag.Batcher{"closed": closed, "none": nil} {
		err := batcher.RemoveTag(background, "anna", "a")
		failure := failureOf(t, err, imtag.StatusClosed)
		equal(t, what, failure.Undone, []string{"a"})
		equal(t, what, err.Error(),
			`remove "anna": not sent: it is closed (not applied; use it before it is closed, or make another)`)
	}
}

func TestAClosedBatcherChecksChangesByTheLimitsOfItsClient(t *testing.T) {
	t.Parallel()
	e := newEmulator(t)
	registered := "379C2F0D-290D-47AE-94D1-919058C39C77"
	for what, of := range map[string]struct {
		config  func(*imtag.Config)
		valid   imtag.Change
		invalid imtag.Change
	}{
		"documented": {func(*imtag.Config) {}, imtag.Add("anna", "a"), imtag.Add(registered, "a")},
		"timpush": {
			func(c *imtag.Config) { c.Generation = "timpush" }, imtag.Add(registered, "a"), imtag.Add("", "a"),
		},
		"own": {
			func(c *imtag.Config) { c.Limits = map[string]int{"account_bytes": 8, "tag_bytes": 60} },
			imtag.Add("anna", strings.Repeat("x", 60)), imtag.Clear("anna-sofia"),
		},
	} {
		client := e.client(t, of.config)
		batcher := newBatcher(t, client, imtag.BatcherOptions{})
		equal(t, "closed", batcher.Close(), nil)
		client.Close()
		for _, err := range []error{batcher.Do(background, of.valid), <-batcher.Submit(background, of.valid)} {
			failed(t, err, imtag.StatusClosed)
			equal(t, what+": is ErrBatcherClosed", errors.Is(err, imtag.ErrBatcherClosed), true)
		}
		for _, err := range []error{batcher.Do(background, of.invalid), <-batcher.Submit(background, of.invalid)} {
			invalid := failed(t, err, imtag.StatusInvalid)
			equal(t, what+": place", invalid.Violations[0].Place, "account")
			equal(t, what+": is ErrBatcherClosed", errors.Is(err, imtag.ErrBatcherClosed), false)
		}
		equal(t, "flushed", batcher.Flush(background), nil)
		equal(t, "unsettled", batcher.Unsettled(), 0)
	}
	equal(t, "arrivals", e.arrivals(t), 0)
}
