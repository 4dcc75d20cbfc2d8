package imtag_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

// newBatcher makes a batcher that is closed at the end of the test.
func newBatcher(t testing.TB, client *imtag.Client, options imtag.BatcherOptions) *imtag.Batcher {
	t.Helper()
	batcher, err := client.NewBatcher(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { batcher.Close() })
	return batcher
}

// longLinger are options with which nothing is sent before a flush, a close or a full request.
var longLinger = imtag.BatcherOptions{Linger: time.Hour, Timeout: time.Hour}

func TestGoroutinesShareRequestsAndEachHasItsOwnOutcome(t *testing.T) {
	t.Parallel()
	e, client := fastEmulator(t)
	batcher := newBatcher(t, client, longLinger)
	var all sync.WaitGroup
	for i := range 201 { // and one of them is invalid: two full requests
		all.Add(1)
		go func() {
			defer all.Done()
			tag := "vip"
			if i == 7 {
				tag = strings.Repeat("x", 51)
			}
			err := batcher.AddTag(background, fmt.Sprintf("user-%d", i), tag)
			if i == 7 {
				invalid := failed(t, err, imtag.StatusInvalid)
				equal(t, "place", invalid.Violations[0].Place, "tags[0]")
				equal(t, "account", invalid.Failures[0].Account, "user-7")
			} else if err != nil {
				t.Error(err)
			}
		}()
	}
	all.Wait()
	equal(t, "arrivals", e.arrivals(t), 2)
	equal(t, "tags", e.tags(t, "user-199"), []string{"vip"})
}

func TestABatcherAddsRemovesAndClearsInTheOrderOfTheCalls(t *testing.T) {
	t.Parallel()
	e, client := fastEmulator(t)
	batcher := newBatcher(t, client, imtag.BatcherOptions{})
	equal(t, "add", batcher.AddTag(background, "anna", "a", "b"), nil)
	equal(t, "remove", batcher.RemoveTag(background, "anna", "a"), nil)
	equal(t, "then", e.tags(t, "anna"), []string{"b"})
	last := make([]<-chan error, 0, 30)
	for range 10 {
		for _, change := range []imtag.Change{imtag.Add("anna", "c"), imtag.Clear("anna"), imtag.Add("anna", "北京")} {
			last = append(last, batcher.Submit(background, change))
		}
	}
	for _, outcome := range last {
		equal(t, "error", <-outcome, nil)
	}
	equal(t, "at the end", e.tags(t, "anna"), []string{"北京"})
	equal(t, "clear", batcher.ClearTags(background, "anna"), nil)
	equal(t, "cleared", len(e.tags(t, "anna")), 0)
}

func TestAnAccountAtFaultIsNamedWithItsTagsAndTheOthersAreDone(t *testing.T) {
	t.Parallel()
	e, client := fastEmulator(t)
	batcher := newBatcher(t, client, longLinger)
	e.fault(t, "add", `{"kind": "leave_out", "accounts": ["bo"], "code": 70107}`)
	anna := batcher.Submit(background, imtag.Add("anna", "a"))
	bo := batcher.Submit(background, imtag.Add("bo", "a", "b"))
	equal(t, "unsettled", batcher.Unsettled(), 2)
	equal(t, "flushed", batcher.Flush(background), nil)
	select {
	case err := <-anna:
		equal(t, "anna", err, nil)
	default:
		t.Error("a flush ends before the outcomes are there")
	}
	failure := failureOf(t, <-bo, imtag.StatusService)
	equal(t, "named", [3]any{failure.Account, failure.Code, failure.Effect}, [3]any{"bo", 70107, imtag.NotApplied})
	equal(t, "undone", failure.Undone, []string{"a", "b"})
	equal(t, "unsettled", batcher.Unsettled(), 0)
}

func TestACloseLosesNothingAndThenRefuses(t *testing.T) {
	t.Parallel()
	e, client := fastEmulator(t)
	batcher := newBatcher(t, client, longLinger)
	var all []<-chan error
	for i := range 150 {
		all = append(all, batcher.Submit(background, imtag.Add(fmt.Sprintf("user-%d", i), "vip")))
	}
	closed := make(chan error)
	for range 3 {
		go func() { closed <- batcher.Close() }()
	}
	for range 3 {
		equal(t, "closed", <-closed, nil)
	}
	equal(t, "closed again", batcher.Close(), nil)
	equal(t, "flushed", batcher.Flush(background), nil)
	for _, outcome := range all {
		equal(t, "outcome", <-outcome, nil)
	}
	equal(t, "the last of them", e.tags(t, "user-149"), []string{"vip"})
	err := batcher.AddTag(background, "anna", "a")
	equal(t, "the reason", errors.Is(err, imtag.ErrBatcherClosed), true)
	equal(t, "account", failureOf(t, err, imtag.StatusClosed).Account, "anna")
	equal(t, "retryable", failed(t, err, imtag.StatusClosed).Retryable(), false)
}

func TestACloseDuringCallsGivesEachItsOutcome(t *testing.T) {
	t.Parallel()
	_, client := fastEmulator(t)
	for range 20 {
		batcher := newBatcher(t, client, imtag.BatcherOptions{Linger: time.Millisecond})
		var all sync.WaitGroup
		for i := range 50 {
			all.Add(1)
			go func() {
				defer all.Done()
				for {
					err := batcher.AddTag(background, fmt.Sprintf("user-%d", i), "vip")
					if err != nil {
						equal(t, "closed", errors.Is(err, imtag.ErrBatcherClosed), true)
						return
					}
					batcher.Unsettled()
				}
			}()
		}
		time.Sleep(2 * time.Millisecond)
		batcher.Close()
		all.Wait()
	}
}

func TestAShutdownWhoseContextIsDoneSaysHowManyAreLeftAndMayBeRepeated(t *testing.T) {
	t.Parallel()
	e, client := fastEmulator(t)
	batcher := newBatcher(t, client, longLinger)
	e.fault(t, "add", `{"kind": "delay", "delay_ms": 500}`)
	outcomes := []<-chan error{
		batcher.Submit(background, imtag.Add("anna", "a")), batcher.Submit(background, imtag.Add("bo", "a")),
	}
	ctx, cancel := context.WithTimeout(background, 50*time.Millisecond)
	defer cancel()
	for what, wait := range map[string]func(context.Context) error{"flush": batcher.Flush, "shutdown": batcher.Shutdown} {
		err := wait(ctx)
		late := failed(t, err, imtag.StatusTimeout)
		equal(t, what+": the context's", errors.Is(err, context.DeadlineExceeded), true)
		equal(t, what, strings.HasPrefix(late.Error(), "2 changes have no outcome yet"), true)
	}
	equal(t, "shut down", batcher.Shutdown(background), nil)
	for _, outcome := range outcomes {
		equal(t, "outcome", <-outcome, nil)
	}
}

// full makes a full batcher: its changes wait for their turn in the quota until the request under way is answered. It
// returns the outcomes of the changes that were taken, and the error of the next change.
func full(t *testing.T, options imtag.BatcherOptions) (_ *emulator, _ *imtag.Batcher, taken []<-chan error, refused error) {
	t.Helper()
	e := newEmulator(t)
	e.fault(t, "add", `{"kind": "delay", "delay_ms": 3000}`)
	options.Capacity, options.Linger = 1, time.Millisecond
	batcher := newBatcher(t, e.client(t, func(c *imtag.Config) { c.CallsPerSecond = 1 }), options)
	taken = append(taken, batcher.Submit(background, imtag.Add("user-0", "a")))
	e.awaitArrival(t)
	for {
		ctx, cancel := context.WithTimeout(background, 300*time.Millisecond)
		outcome := batcher.Submit(ctx, imtag.Add(fmt.Sprintf("user-%d", len(taken)), "a"))
		cancel()
		select {
		case refused = <-outcome:
			return e, batcher, taken, refused
		default:
			taken = append(taken, outcome)
		}
	}
}

// allDone awaits the outcomes.
func allDone(t *testing.T, outcomes []<-chan error) {
	t.Helper()
	for _, outcome := range outcomes {
		equal(t, "outcome", <-outcome, nil)
	}
}

func TestAFullBatcherThatFailsRefusesAtOnce(t *testing.T) {
	t.Parallel()
	e, batcher, taken, err := full(t, imtag.BatcherOptions{FailWhenFull: true})
	refused := fmt.Sprintf("user-%d", len(taken))
	failure := failureOf(t, err, imtag.StatusFull)
	equal(t, "not applied", [2]any{failure.Account, failure.Effect}, [2]any{refused, imtag.NotApplied})
	equal(t, "retryable", failed(t, err, imtag.StatusFull).Retryable(), true)
	batcher.Close()
	allDone(t, taken)
	equal(t, "who was refused", len(e.tags(t, refused)), 0)
}

func TestAFullBatcherThatWaitsTakesTheChangeWhenThereIsCapacity(t *testing.T) {
	t.Parallel()
	e, batcher, taken, err := full(t, imtag.BatcherOptions{})
	equal(t, "full", failureOf(t, err, imtag.StatusTimeout).Effect, imtag.NotApplied)
	waiting := make(chan error)
	for _, account := range []string{"anna", "bo"} {
		go func() { waiting <- batcher.AddTag(background, account, "a") }()
	}
	equal(t, "those that waited", [2]error{<-waiting, <-waiting}, [2]error{})
	allDone(t, taken)
	equal(t, "tags", e.tags(t, "bo"), []string{"a"})
}

func TestAWaitForCapacityEndsByTheContextAndTheClose(t *testing.T) {
	t.Parallel()
	_, batcher, taken, err := full(t, imtag.BatcherOptions{})
	equal(t, "the context's", errors.Is(err, context.DeadlineExceeded), true)
	ctx, cancel := context.WithCancel(background)
	cancelled, closed := make(chan error), make(chan error)
	go func() { cancelled <- batcher.AddTag(ctx, "anna", "a") }()
	time.AfterFunc(20*time.Millisecond, cancel)
	err = <-cancelled
	equal(t, "effect", failureOf(t, err, imtag.StatusCancelled).Effect, imtag.NotApplied)
	equal(t, "the context's", errors.Is(err, context.Canceled), true)
	go func() { closed <- batcher.AddTag(background, "bo", "a") }()
	time.AfterFunc(20*time.Millisecond, func() { batcher.Close() })
	equal(t, "closed", errors.Is(<-closed, imtag.ErrBatcherClosed), true)
	allDone(t, taken)
}

func TestACallerWhoseContextIsDoneKnowsThatTheChangeMayBeApplied(t *testing.T) {
	t.Parallel()
	e, client := fastEmulator(t)
	batcher := newBatcher(t, client, imtag.BatcherOptions{Linger: time.Millisecond})
	e.fault(t, "add", `{"kind": "delay", "delay_ms": 500}`)
	ctx, cancel := context.WithCancel(background)
	ended := make(chan error)
	go func() { ended <- batcher.AddTag(ctx, "anna", "a") }()
	e.awaitArrival(t)
	cancel()
	err := <-ended
	failure := failureOf(t, err, imtag.StatusCancelled)
	equal(t, "effect", failure.Effect, imtag.PossiblyApplied)
	equal(t, "named", [2]any{failure.Account, failure.Undone}, [2]any{"anna", []string{"a"}})
	equal(t, "the context's", errors.Is(err, context.Canceled), true)
	equal(t, "message", err.Error(),
		`add "anna": cancelled by its caller (possibly applied; send it again if it is still wanted)`)

	late, stop := context.WithTimeout(background, time.Nanosecond)
	defer stop()
	err = batcher.AddTag(late, "bo", "a")
	equal(t, "effect", failureOf(t, err, imtag.StatusTimeout).Effect, imtag.NotApplied)
	equal(t, "the context's", errors.Is(err, context.DeadlineExceeded), true)
	equal(t, "message", err.Error(), `add "bo": not sent: its time was up (not applied; allow more time, or try again)`)
	batcher.Close()
	equal(t, "it stayed under way", e.tags(t, "anna"), []string{"a"})
	equal(t, "it was not taken", len(e.tags(t, "bo")), 0)
}

func TestABatcherThatIsGarbageSendsItsChanges(t *testing.T) {
	e, client := fastEmulator(t)
	outcome := func() <-chan error {
		batcher, err := client.NewBatcher(longLinger)
		if err != nil {
			t.Fatal(err)
		}
		return batcher.Submit(background, imtag.Add("anna", "a"))
	}()
	for deadline := time.Now().Add(20 * time.Second); ; {
		runtime.GC()
		select {
		case err := <-outcome:
			equal(t, "outcome", err, nil)
			equal(t, "tags", e.tags(t, "anna"), []string{"a"})
			return
		case <-time.After(time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatal("it waits for ever")
		}
	}
}

func TestABatcherOutlivesItsClientAndLeavesNoGoroutine(t *testing.T) {
	e := newEmulator(t)
	before := runtime.NumGoroutine()
	client := e.client(t)
	batcher := newBatcher(t, client, imtag.BatcherOptions{})
	client.Close()
	equal(t, "outcome", batcher.AddTag(background, "anna", "a"), nil)
	batcher.Close()
	noMoreGoroutines(t, before)
}

func TestABatcherThatCannotBeMadeOrIsNilIsAnErrorAndNoCrash(t *testing.T) {
	t.Parallel()
	_, client := fastEmulator(t)
	for _, options := range []imtag.BatcherOptions{
		{Timeout: -1}, {AttemptTimeout: -1}, {LateWindow: -1}, {Linger: -1}, {Capacity: -1},
	} {
		_, err := client.NewBatcher(options)
		failed(t, err, imtag.StatusSettings)
	}
	made := newBatcher(t, client, imtag.BatcherOptions{})
	equal(t, "no context", made.AddTag(nil, "anna", "a") != nil, true) //nolint:staticcheck // what is tested
	client.Close()
	none, err := client.NewBatcher(imtag.BatcherOptions{})
	equal(t, "error", err, imtag.ErrClosed)
	for what, batcher := range map[string]*imtag.Batcher{"nil": none, "zero": new(imtag.Batcher)} {
		equal(t, what, errors.Is(batcher.AddTag(background, "anna", "a"), imtag.ErrBatcherClosed), true)
		equal(t, what, [3]any{batcher.Flush(background), batcher.Close(), batcher.Unsettled()}, [3]any{nil, nil, 0})
	}
}
