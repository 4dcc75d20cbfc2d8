package imtag_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"runtime"
	"strings"
	"testing"
	"time"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

// fastEmulator starts an emulator whose quota is not reached, with a client.
func fastEmulator(t testing.TB, arguments ...string) (*emulator, *imtag.Client) {
	t.Helper()
	e := newEmulator(t, append(arguments, "--calls-per-second", "100000")...)
	return e, e.client(t, func(c *imtag.Config) { c.CallsPerSecond = 100000 })
}

// adds are changes that each tag another user.
func adds(users int) []imtag.Change {
	changes := make([]imtag.Change, users)
	for i := range changes {
		changes[i] = imtag.Add(fmt.Sprintf("user-%d", i), "vip")
	}
	return changes
}

// endless yields changes without end, and counts them.
func endless(pulled *int) func(yield func(imtag.Change) bool) {
	return func(yield func(imtag.Change) bool) {
		for more := true; more; *pulled++ {
			more = yield(imtag.Add(fmt.Sprintf("user-%d", *pulled), "vip"))
		}
	}
}

// outcomes runs it to its end, and returns the outcomes by the positions of the changes.
func outcomes(t testing.TB, run *imtag.BulkRun) map[int]imtag.Outcome {
	t.Helper()
	all := make(map[int]imtag.Outcome)
	run.Outcomes(func(outcome imtag.Outcome) bool {
		if _, twice := all[outcome.Index]; twice {
			t.Errorf("%d has two outcomes", outcome.Index)
		}
		all[outcome.Index] = outcome
		return true
	})
	return all
}

// failureOf returns the account of a change that failed with a status.
func failureOf(t testing.TB, err error, status imtag.Status) imtag.Failure {
	t.Helper()
	of := failed(t, err, status)
	if len(of.Failures) != 1 {
		t.Fatalf("got %v, want the change's account", of.Failures)
	}
	return of.Failures[0]
}

func TestARunAddsRemovesAndClearsAndEachChangeHasItsOutcome(t *testing.T) {
	t.Parallel()
	e, client := fastEmulator(t)
	changes := append(adds(1000), imtag.Add("anna", "a", "b", "c"), imtag.Remove("anna", "b"), imtag.Clear("user-7"))
	// nothing is sent before it is full, however slow the machine is
	run := client.NewBulkRun(background, imtag.Changes(changes...), imtag.BulkOptions{Linger: time.Hour})
	all := outcomes(t, run)
	equal(t, "outcomes", len(all), len(changes))
	for i, change := range changes {
		equal(t, "change", all[i].Change, change)
		equal(t, "error", all[i].Err, nil)
	}
	summary, err := run.Finish()
	equal(t, "error", err, nil)
	equal(t, "counts", [4]int{summary.Taken, summary.Done, summary.Failed, summary.NotTaken}, [4]int{1003, 1003, 0, 0})
	equal(t, "packed", summary.Requests <= 14, true)
	equal(t, "anna", e.tags(t, "anna"), []string{"a", "c"})
	equal(t, "user-7", len(e.tags(t, "user-7")), 0)
	equal(t, "user-8", e.tags(t, "user-8"), []string{"vip"})
}

func TestAChangeThatFailedNamesItsAccountAndTheTagsThatAreNotDone(t *testing.T) {
	t.Parallel()
	e, client := fastEmulator(t)
	e.fault(t, "add", `{"kind": "leave_out", "accounts": ["user-3"], "code": 70107, "text": "not imported"}`)
	run := client.NewBulkRun(background, imtag.Changes(adds(10)...), imtag.BulkOptions{})
	for i, outcome := range outcomes(t, run) {
		if i != 3 {
			equal(t, "error", outcome.Err, nil)
			continue
		}
		failure := failureOf(t, outcome.Err, imtag.StatusService)
		equal(t, "account and tags", [2]any{failure.Account, failure.Undone}, [2]any{"user-3", []string{"vip"}})
		equal(t, "code and text", [2]any{failure.Code, failure.Text}, [2]any{70107, "not imported"})
		equal(t, "effect", failure.Effect, imtag.NotApplied)
		equal(t, "remedy", failure.Remedy, imtag.Explain(70107).Remedy)
		equal(t, "retryable", failure.Retryable, false)
	}
	summary, err := run.Finish()
	failed(t, err, imtag.StatusPartial)
	equal(t, "counts", [2]int{summary.Done, summary.Failed}, [2]int{9, 1})
}

func TestBulkHasAllFailuresWithTheirRowsInItsError(t *testing.T) {
	t.Parallel()
	e, client := fastEmulator(t)
	e.fault(t, "add", `{"kind": "leave_out", "accounts": ["user-3", "user-5"], "code": 70107}`)
	summary, err := client.Bulk(background, imtag.Changes(adds(10)...), imtag.BulkOptions{})
	partial := failed(t, err, imtag.StatusPartial)
	equal(t, "done", summary.Done, 8)
	equal(t, "failures", len(partial.Failures), 2)
	for i, row := range []int{3, 5} {
		equal(t, "index", partial.Failures[i].Index, row)
		equal(t, "account", partial.Failures[i].Account, fmt.Sprint("user-", row))
		equal(t, "undone", partial.Failures[i].Undone, []string{"vip"})
	}
	summary, err = client.Bulk(background, imtag.Changes(adds(10)...), imtag.BulkOptions{})
	equal(t, "all done", [2]any{summary.Done, err}, [2]any{10, nil})
}

func TestAChangeThatBreaksTheLimitsHasItsOutcomeAndHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	e, client := fastEmulator(t)
	run := client.NewBulkRun(background, imtag.Changes(
		imtag.Add("anna", "a"), imtag.Add("bo", strings.Repeat("x", 51), ""), imtag.Add("c\xff", "a"),
		imtag.Add("", "a"), imtag.Remove("anna"), imtag.Clear("bo"), imtag.Change{},
	), imtag.BulkOptions{})
	all := outcomes(t, run)
	equal(t, "good ones", [2]error{all[0].Err, all[5].Err}, [2]error{})
	for i, places := range map[int][]string{
		1: {"tags[0]", "tags[1]"}, 2: {"account"}, 3: {"account"}, 4: {"tags"},
	} {
		invalid := failed(t, all[i].Err, imtag.StatusInvalid)
		var named []string
		for _, violation := range invalid.Violations {
			named = append(named, violation.Place)
		}
		equal(t, all[i].Change.String(), named, places)
	}
	failed(t, all[6].Err, imtag.StatusInvalid) // the zero Change
	equal(t, "anna", e.tags(t, "anna"), []string{"a"})
}

func TestOutcomesArriveWhileTheInputGoesOnAndNoChangeWaitsForAnother(t *testing.T) {
	t.Parallel()
	e, client := fastEmulator(t)
	seen := 0
	run := client.NewBulkRun(background, func(yield func(imtag.Change) bool) {
		for i, change := range adds(3) {
			if !yield(change) {
				t.Error("yield returned false")
			}
			for deadline := time.Now().Add(20 * time.Second); e.arrivals(t) <= i; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("the change waits for the next")
				}
			}
		}
		equal(t, "seen before the input was over", seen > 0, true)
	}, imtag.BulkOptions{Linger: time.Millisecond})
	run.Outcomes(func(imtag.Outcome) bool { seen++; return true })
	equal(t, "seen", seen, 3)
}

func TestTheInputIsPulledAsThereIsCapacity(t *testing.T) {
	t.Parallel()
	e := newEmulator(t)
	client := e.client(t, func(c *imtag.Config) { c.CallsPerSecond = 2 })
	ctx, cancel := context.WithTimeout(background, 300*time.Millisecond)
	defer cancel()
	pulled := 0
	run := client.NewBulkRun(ctx, endless(&pulled), imtag.BulkOptions{Capacity: 100})
	run.Finish()
	if pulled > 100*e.arrivals(t)+1_000 {
		t.Errorf("%d were pulled, and %d requests sent", pulled, e.arrivals(t))
	}
}

func TestAfterACancelRequestsUnderWayCompleteAndNothingMoreIsSent(t *testing.T) {
	t.Parallel()
	for what, contexts := range map[string]func() (context.Context, context.CancelFunc){
		"cancel": func() (context.Context, context.CancelFunc) { return context.WithCancel(background) },
		"deadline": func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(background, 500*time.Millisecond)
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			e, client := fastEmulator(t)
			e.fault(t, "add", strings.TrimSuffix(strings.Repeat(`{"kind": "delay", "delay_ms": 1500},`, 50), ","))
			ctx, cancel := contexts()
			defer cancel()
			if what == "cancel" {
				go func() {
					defer cancel()
					e.awaitArrival(t)
				}()
			}
			pulled := 0
			run := client.NewBulkRun(ctx, endless(&pulled), imtag.BulkOptions{Capacity: 200})
			done := 0
			all := outcomes(t, run)
			for _, outcome := range all {
				if outcome.Err == nil {
					done++
					continue
				}
				failure := failureOf(t, outcome.Err, imtag.StatusCancelled)
				equal(t, "account", failure.Account, outcome.Change.Account())
				equal(t, "effect", failure.Effect, imtag.NotApplied)
				equal(t, "the context's", errors.Is(outcome.Err, ctx.Err()), true)
			}
			summary, err := run.Finish()
			failed(t, err, imtag.StatusCancelled)
			equal(t, "the context's", errors.Is(err, ctx.Err()), true)
			equal(t, "all that was pulled", len(all), pulled)
			equal(t, "counted", summary.Taken+summary.NotTaken, pulled)
			equal(t, "some are done, and some not", done > 0 && done < pulled, true)
			equal(t, "done is what arrived", done <= 100*e.arrivals(t), true)
		})
	}
}

// The machine can be slow between the count and the end, so once there may be one request more, but not each time.
func TestARunThatIsEndedWhileItWaitsForTheQuotaMakesNoMoreRequests(t *testing.T) {
	t.Parallel()
	e := newEmulator(t)
	client := e.client(t, func(c *imtag.Config) { c.CallsPerSecond = 40 })
	var more []int
	for range 20 {
		pulled, atEnd := 0, 0
		run := client.NewBulkRun(background, endless(&pulled), imtag.BulkOptions{
			Capacity: 100,
			Progress: func(progress imtag.Progress) {
				if atEnd = progress.Requests; atEnd > 2 {
					panic("enough")
				}
			},
		})
		func() {
			defer func() { equal(t, "panic", recover(), "enough") }()
			run.Outcomes(func(imtag.Outcome) bool { return true })
		}()
		summary, _ := run.Finish()
		equal(t, "counted", summary.Taken+summary.NotTaken, pulled+1) // with the one that it panicked at
		if summary.Requests == atEnd {
			return
		}
		more = append(more, summary.Requests-atEnd)
	}
	t.Errorf("more requests each time: %v", more)
}

func TestWithAContextThatIsDoneNothingIsSent(t *testing.T) {
	t.Parallel()
	e, client := fastEmulator(t)
	ctx, cancel := context.WithCancel(background)
	cancel()
	run := client.NewBulkRun(ctx, imtag.Changes(adds(10)...), imtag.BulkOptions{})
	for _, outcome := range outcomes(t, run) {
		failureOf(t, outcome.Err, imtag.StatusCancelled)
	}
	_, err := run.Finish()
	equal(t, "the context's", errors.Is(err, context.Canceled), true)
	equal(t, "arrivals", e.arrivals(t), 0)
}

func TestALoopThatEndsEarlyCancelsTheRun(t *testing.T) {
	t.Parallel()
	e, client := fastEmulator(t)
	pulled := 0
	run := client.NewBulkRun(background, endless(&pulled), imtag.BulkOptions{})
	seen := 0
	run.Outcomes(func(imtag.Outcome) bool { seen++; return false })
	equal(t, "seen", seen, 1)
	equal(t, "under way", e.stats(t).InFlight, 0)
	summary, err := run.Finish()
	failed(t, err, imtag.StatusCancelled)
	equal(t, "counted", summary.Taken+summary.NotTaken, pulled)
	equal(t, "settled", summary.Unsettled(), 0)
	run.Outcomes(func(imtag.Outcome) bool { t.Error("it ran twice"); return true })
}

func TestAPanicReachesTheCallerOnceRequestsUnderWayComplete(t *testing.T) {
	t.Parallel()
	for what, run := range map[string]func(*imtag.Client) *imtag.BulkRun{
		"input": func(client *imtag.Client) *imtag.BulkRun {
			return client.NewBulkRun(background, func(yield func(imtag.Change) bool) {
				yield(imtag.Add("anna", "a"))
				panic("input")
			}, imtag.BulkOptions{})
		},
		"progress": func(client *imtag.Client) *imtag.BulkRun {
			return client.NewBulkRun(background, imtag.Changes(adds(10)...), imtag.BulkOptions{
				Progress: func(imtag.Progress) { panic("progress") },
			})
		},
		"loop": func(client *imtag.Client) *imtag.BulkRun {
			return client.NewBulkRun(background, imtag.Changes(adds(10)...), imtag.BulkOptions{})
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			e, client := fastEmulator(t)
			run := run(client)
			func() {
				defer func() { equal(t, "panic", recover(), what) }()
				run.Outcomes(func(imtag.Outcome) bool {
					if what == "loop" {
						panic(what)
					}
					return true
				})
			}()
			equal(t, "under way", e.stats(t).InFlight, 0)
			summary, _ := run.Finish()
			equal(t, "settled", summary.Unsettled(), 0)
			client.Close() // it would wait for a run that has not ended
		})
	}
}

func TestProgressIsReportedWhileRequestsAreUnderWayAndOnceAtTheEnd(t *testing.T) {
	t.Parallel()
	e, client := fastEmulator(t)
	e.fault(t, "add", `{"kind": "delay", "delay_ms": 1000}`)
	var shown []imtag.Progress
	run := client.NewBulkRun(background, imtag.Changes(adds(50)...), imtag.BulkOptions{
		Progress: func(progress imtag.Progress) { shown = append(shown, progress) },
	})
	summary, err := run.Finish()
	equal(t, "error", err, nil)
	if len(shown) < 2 {
		t.Fatalf("reported %d times", len(shown))
	}
	first, last := shown[0], shown[len(shown)-1]
	equal(t, "under way", [2]int{first.Taken, first.Unsettled()}, [2]int{50, 50})
	equal(t, "at the end", last, summary.Progress)
	equal(t, "elapsed", last.Elapsed >= time.Second, true)
}

func TestARunThatIsCancelledAtAnyMomentEndsInOrderAndLeavesNothingBehind(t *testing.T) {
	_, client := fastEmulator(t)
	before := runtime.NumGoroutine()
	for range 50 {
		ctx, cancel := context.WithCancel(background)
		time.AfterFunc(time.Duration(rand.Int63n(int64(4*time.Millisecond))), cancel)
		pulled := 0
		run := client.NewBulkRun(ctx, endless(&pulled), imtag.BulkOptions{Capacity: 200})
		equal(t, "all that was pulled", len(outcomes(t, run)), pulled)
		_, err := run.Finish()
		failed(t, err, imtag.StatusCancelled)
		cancel()
	}
	noMoreGoroutines(t, before)
}

func TestAWrongKeyEndsTheRunAfterOneRequest(t *testing.T) {
	t.Parallel()
	e := newEmulator(t)
	client := e.client(t, func(c *imtag.Config) { c.SecretKey = strings.Repeat("0", 64) })
	pulled := 0
	run := client.NewBulkRun(background, endless(&pulled), imtag.BulkOptions{})
	all := outcomes(t, run)
	equal(t, "all that was pulled", len(all), pulled)
	for _, outcome := range all {
		failure := failureOf(t, outcome.Err, imtag.StatusService)
		equal(t, "account and effect", [2]any{failure.Account, failure.Effect},
			[2]any{outcome.Change.Account(), imtag.NotApplied})
	}
	_, err := run.Finish()
	refused := failed(t, err, imtag.StatusService)
	equal(t, "code", refused.Code, 70009)
}

func TestARunThatCannotBeginSaysWhyAndPullsNothing(t *testing.T) {
	t.Parallel()
	_, client := fastEmulator(t)
	never := func(func(imtag.Change) bool) { t.Error("pulled") }
	for _, options := range []imtag.BulkOptions{
		{Timeout: -1}, {AttemptTimeout: -1}, {LateWindow: -1}, {Linger: -1}, {Capacity: -1},
	} {
		_, err := client.Bulk(background, never, options)
		failed(t, err, imtag.StatusSettings)
	}
	_, err := client.Bulk(nil, never, imtag.BulkOptions{}) //nolint:staticcheck // what is tested
	equal(t, "an error", err != nil, true)
	client.Close()
	_, err = client.Bulk(background, never, imtag.BulkOptions{})
	equal(t, "error", err, imtag.ErrClosed)
}

func TestTagsMayBeReusedOnceTheChangeIsMade(t *testing.T) {
	tags := []string{"a", "b"}
	change := imtag.Add("anna", tags...)
	tags[0] = "z"
	equal(t, "tags", change.Tags(), []string{"a", "b"})
	equal(t, "printed", change.String()+", "+imtag.Clear("bo").String(), `add "anna" ["a" "b"], clear "bo"`)
	equal(t, "operation", change.Operation().String()+", "+imtag.Operation(9).String(), "add, operation 9")
}
