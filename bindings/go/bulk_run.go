package imtag

// #include <imtag.h>
import "C"

import (
	"context"
	"errors"
	"time"
)

// BulkOptions are options of a bulk run. A zero value means the library's default.
type BulkOptions struct {
	// Timeout is for each request with its waits and retries; default: 60 s. For half of it a request waits for a service
	// that is unavailable, so a short outage fails no change. The waits for the quota, and for a connection where the
	// machine gives no more, are not counted.
	Timeout time.Duration
	// AttemptTimeout is for one attempt; default: 10 s.
	AttemptTimeout time.Duration
	// LateWindow is for how long after an attempt without an answer its request may still arrive. For so long the account's
	// next change of another kind waits, so that it is not undone. Default: 10 s; no page of the service says how late a
	// request can be. Example: an add of vip gets no answer; a remove of vip is sent 10 s later.
	LateWindow time.Duration
	// Linger is how long a change waits for others to share its request, while more may come; default: 1 s, also for 0. Set
	// 1 ns, which counts as 1 ms, to hardly wait.
	Linger time.Duration
	// Capacity is how many changes the run holds before they are sent; default: 4,096. While it is full no change is
	// pulled. The greater it is, the fewer requests are needed for users with many tags.
	Capacity int
	// Progress is called on the goroutine of the run, about every 100 ms while that does not wait for the input, and once at
	// the end. Cancel the context to end the run.
	Progress func(Progress)
}

// Outcome is the outcome of a change of a bulk run.
type Outcome struct {
	Index  int // the change's position in the input, counted from 0
	Change Change
	// Err is nil if the change is done. Else it is an *Error, whose one Failure has the account, the tags that are not known
	// to be done, and what is known of the effect.
	Err error
}

// BulkRun is a run of any number of changes, packed into as few requests as possible and sent at the full quota. It does
// nothing before Outcomes or Finish is called; then it runs on that goroutine, and has ended when the function returns.
// It is for one goroutine, except for Stats.
type BulkRun struct {
	client  *Client
	ctx     context.Context
	changes func(yield func(Change) bool)
	options BulkOptions

	started bool
	figures *runFigures
	summary Summary
	err     error
}

// Bulk makes any number of changes, packed into as few requests as possible and sent at the full quota, and waits for the
// end. The error is that of [BulkRun.Finish], and its Failures are all changes that failed, each with its Index. All else
// as NewBulkRun.
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

// NewBulkRun makes a run of changes: an iter.Seq[Change], or any other function that yields changes until yield returns
// false. Nothing is sent before Outcomes or Finish is called; [Client.Bulk] does all at once. The goroutine that reads
// the outcomes pulls changes as there is capacity; those of one account are made in the order in which they come. A
// change that breaks the limits has its outcome as any other.
//
// When the context is done, nothing more is pulled, sent or tried again. Attempts under way complete, within
// AttemptTimeout, and every change that was pulled has its outcome. An input that waits should check the context itself.
//
//	run := client.NewBulkRun(ctx, slices.Values(changes), imtag.BulkOptions{})
//	for outcome := range run.Outcomes {
//		if outcome.Err != nil { … }
//	}
//	summary, err := run.Finish()
func (c *Client) NewBulkRun(ctx context.Context, changes func(yield func(Change) bool), options BulkOptions) *BulkRun {
	return &BulkRun{client: c, ctx: ctx, changes: changes, options: options, figures: &runFigures{}}
}

// Outcomes runs it, and yields the outcome of each change in the order in which they arrive: from Go 1.23 in
// for outcome := range run.Outcomes, before that by a call with a function. It may be called once.
//
// A loop that ends early, or a panic in it, in the input or in the progress function, cancels the run: nothing more is
// sent, and requests under way complete before the loop ends or the panic goes on.
func (r *BulkRun) Outcomes(yield func(Outcome) bool) {
	if r.started {
		return
	}
	r.started = true
	if r.err = r.check(); r.err != nil {
		return
	}
	core := r.client.shared()
	client, err := core.acquire()
	if err != nil {
		r.err = err
		return
	}
	defer core.release()
	driver, err := startDriver(client, r)
	if err != nil {
		r.err = err
		return
	}
	func() {
		defer driver.end()
		driver.drive(yield)
	}()
	if driver.complete && r.options.Progress != nil {
		r.options.Progress(r.summary.Progress)
	}
}

// Finish returns the counts of the run; call it after the loop. If Outcomes was not called, it runs the run first. The
// error is nil if every change that was pulled is done, an *Error with StatusPartial if some failed, and else why the run
// ended early: it was cancelled, the app is rejected, or the service became unavailable.
func (r *BulkRun) Finish() (Summary, error) {
	r.Outcomes(func(Outcome) bool { return true })
	return r.summary, r.err
}

func (r *BulkRun) check() error {
	if r.ctx == nil {
		return errNoContext
	}
	return checkOptions(r.options.Capacity, []namedDuration{
		{"Timeout", r.options.Timeout},
		{"AttemptTimeout", r.options.AttemptTimeout},
		{"LateWindow", r.options.LateWindow},
		{"Linger", r.options.Linger},
	})
}

// Progress has the counts of a bulk run.
type Progress struct {
	Taken        int // changes that were taken
	Done         int // changes that are done
	Failed       int // changes that failed
	Requests     int // requests that were made; retries are not counted
	Attempts     int // attempts that were made: requests with their retries
	AttemptsSent int // attempts of which any byte left this machine: what the app's quota may have been charged
	// Splits counts requests that were split, as they failed without naming the user at fault; each makes two more.
	Splits int
	// TimpushWouldSave counts requests that only searched for users at fault. The timpush paths name these users, so they
	// would save the requests; on them it is 0.
	TimpushWouldSave int
	Elapsed          time.Duration // since the first change; in a Summary, how long the run took
}

// Unsettled counts the changes that were taken and have no outcome yet.
func (p Progress) Unsettled() int { return p.Taken - p.Done - p.Failed }

// Summary has the counts of a bulk run at its end.
type Summary struct {
	Progress
	// NotTaken counts changes that were pulled from the input but not taken, as the run had ended: up to 512 are pulled
	// ahead. They have outcomes as all changes that were pulled; changes that were not pulled are in no count.
	NotTaken int
}

// progressOf reads the counts, Taken last, so that Done and Failed are never more than it.
func progressOf(bulk *C.im_bulk) Progress {
	count := func(what C.im_count) int { return int(C.im_bulk_count(bulk, what)) }
	return Progress{
		Done:             count(C.IM_COUNT_DONE),
		Failed:           count(C.IM_COUNT_FAILED),
		Requests:         count(C.IM_COUNT_REQUESTS),
		Attempts:         count(C.IM_COUNT_ATTEMPTS),
		AttemptsSent:     count(C.IM_COUNT_ATTEMPTS_SENT),
		Splits:           count(C.IM_COUNT_SPLITS),
		TimpushWouldSave: count(C.IM_COUNT_TIMPUSH_WOULD_SAVE),
		Elapsed:          time.Duration(count(C.IM_COUNT_ELAPSED_MS)) * time.Millisecond,
		Taken:            count(C.IM_COUNT_TAKEN),
	}
}
