package imtag

// #include <imtag.h>
import "C"

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// BulkOptions are those of a bulk run. What is zero has the library's default.
type BulkOptions struct {
	// Timeout is for each request with its waits and retries; default: 60 s. For half of it a service that is
	// away is waited for, so that a short outage costs no change.
	Timeout time.Duration
	// AttemptTimeout is for one attempt; default: 10 s.
	AttemptTimeout time.Duration
	// LateWindow is for how long an attempt that was abandoned may still arrive, and so how long the account's
	// next change of another kind waits; default: 10 s. No page of the service says how late it can be.
	LateWindow time.Duration
	// Linger is how long a change waits for others to share its request, while more may come; default: 1 s, which 0 means
	// too. Set 1 ns, which counts as 1 ms, to hardly wait.
	Linger time.Duration
	// Capacity is how many changes are held before they are sent; default: 4,096. The more, the fewer requests users of
	// many tags need.
	Capacity int
	// Progress is called on the goroutine that runs it, about every 100 ms while it does not wait for the input, and once
	// at the end. Cancel the context to end the run.
	Progress func(Progress)
}

// Outcome is what became of a change of a bulk run.
type Outcome struct {
	Index  int // the change's position in the input, counted from 0
	Change Change
	// Err is nil where the change is done. Else it is an *Error, whose one Failure has the account, the tags that are not
	// known to be done, and what is known of the effect.
	Err error
}

// BulkRun is a run of any number of changes, packed into as few requests as can be and sent at the full quota. It does
// nothing before its Outcomes are asked for, or Finish is called; then it runs on that goroutine, and is over when the
// function returns. For one goroutine.
type BulkRun struct {
	client  *Client
	ctx     context.Context
	changes func(yield func(Change) bool)
	options BulkOptions

	begun   bool
	summary Summary
	err     error
}

// Bulk makes any number of changes, packed into as few requests as can be and sent at the full quota, and waits for the
// end: for those whose outcomes are not looked at one by one. The error is that of [BulkRun.Finish], and its Failures are
// all changes that failed, each with its Index. All else as NewBulkRun.
func (c *Client) Bulk(ctx context.Context, changes func(yield func(Change) bool), options BulkOptions) (Summary, error) {
	run := c.NewBulkRun(ctx, changes, options)
	var failures []Failure
	run.Outcomes(func(outcome Outcome) bool {
		var failed *Error
		if errors.As(outcome.Err, &failed) {
			failures = append(failures, failed.Failures...)
		}
		return true
	})
	summary, err := run.Finish()
	var failed *Error
	if errors.As(err, &failed) {
		failed.Failures = failures
	}
	return summary, err
}

// NewBulkRun makes a run of changes: an iter.Seq[Change], or any other function that hands out changes until it is told to
// stop. Nothing is sent before its Outcomes are asked for, or Finish is called; [Client.Bulk] does all at once. Changes are
// pulled as there is capacity, on the goroutine that asks for the outcomes, and those of one account are made in the
// order in which they come. A change that breaks the limits has its outcome like every other.
//
// When the context is done, nothing more is pulled, sent or tried again; the attempts under way are seen through, for
// AttemptTimeout at most, and all that was pulled has its outcome. An input that waits should look at the context by itself.
//
//	run := client.NewBulkRun(ctx, slices.Values(changes), imtag.BulkOptions{})
//	for outcome := range run.Outcomes {
//		if outcome.Err != nil { … }
//	}
//	summary, err := run.Finish()
func (c *Client) NewBulkRun(ctx context.Context, changes func(yield func(Change) bool), options BulkOptions) *BulkRun {
	return &BulkRun{client: c, ctx: ctx, changes: changes, options: options}
}

// Outcomes runs it, and hands out the outcome of each change in the order in which they become known: from Go 1.23 on in
// for outcome := range run.Outcomes, before by a call with a function. It may be asked once.
//
// A loop that is left early, or a panic in it, in the input or in the progress function, cancels the run: nothing more is
// sent, and what is under way is seen through before the loop is left or the panic goes on.
func (r *BulkRun) Outcomes(yield func(Outcome) bool) {
	if r.begun {
		return
	}
	r.begun = true
	if r.err = r.check(); r.err != nil {
		return
	}
	core := r.client.shared()
	client, err := core.enter()
	if err != nil {
		r.err = err
		return
	}
	defer core.leave()
	bulk, err := beginBulk(client, r)
	if err != nil {
		r.err = err
		return
	}
	func() {
		defer bulk.end()
		bulk.drive(yield)
	}()
	if bulk.complete && r.options.Progress != nil {
		r.options.Progress(r.summary.Progress)
	}
}

// Finish says what the run came to, and runs it first if nobody has asked for its outcomes: for after the loop. The error is nil where all
// that was pulled is done; an *Error with StatusPartial where some changes failed; and otherwise why the run ended early:
// cancelled, the app was rejected, or the service became unavailable.
func (r *BulkRun) Finish() (Summary, error) {
	r.Outcomes(func(Outcome) bool { return true })
	return r.summary, r.err
}

func (r *BulkRun) check() error {
	if r.ctx == nil {
		return errNoContext
	}
	return checkOptions(r.options.Capacity, []setTime{
		{"Timeout", r.options.Timeout},
		{"AttemptTimeout", r.options.AttemptTimeout},
		{"LateWindow", r.options.LateWindow},
		{"Linger", r.options.Linger},
	})
}

// setTime is an option that is a time, with its name.
type setTime struct {
	name string
	time time.Duration
}

// checkOptions finds what C's types cannot hold.
func checkOptions(capacity int, times []setTime) error {
	for _, it := range times {
		if it.time < 0 {
			return unusable(fmt.Sprintf("the %s is %v", it.name, it.time), "set one above 0, or none for the default")
		}
	}
	if capacity < 0 {
		return unusable(fmt.Sprintf("the Capacity is %d", capacity), "set one above 0, or none for the default")
	}
	return nil
}
