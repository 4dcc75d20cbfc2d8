package main

// A bulk run of a case.

import (
	"context"
	"sync"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

type bulk struct {
	Options             options     `json:"options"`
	Input               []inputItem `json:"input"`
	CancelAfterArrivals int         `json:"cancel_after_arrivals"`
	CancelAtProgress    int         `json:"cancel_at_progress"`
}

// inputItem is a change, or what is done in its place.
type inputItem struct {
	change
	AwaitArrivals int  `json:"await_arrivals"`
	Cancel        bool `json:"cancel"`
}

type summary struct {
	Taken            int `json:"taken"`
	Done             int `json:"done"`
	Failed           int `json:"failed"`
	NotTaken         int `json:"not_taken"`
	Requests         int `json:"requests"`
	Attempts         int `json:"attempts"`
	AttemptsSent     int `json:"attempts_sent"`
	Splits           int `json:"splits"`
	TimpushWouldSave int `json:"timpush_would_save"`
}

// play makes the run, and says what it came to.
func (b bulk) play(client *imtag.Client, seen *observed) outcome {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	options := imtag.BulkOptions{
		Timeout:        b.Options.Timeout.duration(),
		AttemptTimeout: b.Options.AttemptTimeout.duration(),
		LateWindow:     least(b.Options.LateWindow),
		Linger:         least(b.Options.Linger),
		Capacity:       b.Options.Capacity,
	}
	asked := 0
	if b.CancelAtProgress > 0 {
		options.Progress = func(imtag.Progress) {
			if asked++; asked == b.CancelAtProgress {
				cancel()
			}
		}
	}
	var waiting sync.WaitGroup
	if b.CancelAfterArrivals > 0 {
		waiting.Add(1)
		go func() {
			defer waiting.Done()
			awaitArrivals(b.CancelAfterArrivals)
			cancel()
		}()
	}
	run := client.NewBulkRun(ctx, func(yield func(imtag.Change) bool) { b.supply(yield, cancel) }, options)
	settled, byIndex := 0, map[int]changeFailure{}
	run.Outcomes(func(of imtag.Outcome) bool {
		settled++
		if of.Err != nil {
			failure := failureOf(of.Err)
			failure.Index = &of.Index
			byIndex[of.Index] = failure
		}
		return true
	})
	came, err := run.Finish()
	seen.take(run.Stats())
	waiting.Wait()
	ended := outcomeOf(nil, err)
	if ended.Status == "partial" { // all was sent: the errors are those of the changes
		ended.Error = nil
	}
	ended.Settled = settled
	ended.Failures = inOrder(byIndex)
	ended.Summary = &summary{
		Taken:            came.Taken,
		Done:             came.Done,
		Failed:           came.Failed,
		NotTaken:         came.NotTaken,
		Requests:         came.Requests,
		Attempts:         came.Attempts,
		AttemptsSent:     came.AttemptsSent,
		Splits:           came.Splits,
		TimpushWouldSave: came.TimpushWouldSave,
	}
	return ended
}

// supply is the run's input.
func (b bulk) supply(yield func(imtag.Change) bool, cancel func()) {
	for _, item := range b.Input {
		switch {
		case item.AwaitArrivals > 0:
			awaitArrivals(item.AwaitArrivals)
		case item.Cancel:
			cancel()
		case !yield(item.toChange()):
			return
		}
	}
}
