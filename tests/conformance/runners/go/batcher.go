package main

// The life of a batcher in a case: its steps on this goroutine, its calls on goroutines of their own.

import (
	"context"
	"fmt"
	"sort"
	"sync"
	"time"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

type batcher struct {
	Options options `json:"options"`
	Steps   []step  `json:"steps"`
}

// step is one of these.
type step struct {
	Submit         *change `json:"submit"`
	Call           *change `json:"call"`
	Flush          bool    `json:"flush"`
	Close          bool    `json:"close"`
	Join           bool    `json:"join"`
	AwaitArrivals  int     `json:"await_arrivals"`
	AwaitUnsettled *int    `json:"await_unsettled"`

	Timeout             *milliseconds `json:"timeout_ms"`
	CancelAfter         *milliseconds `json:"cancel_after_ms"`
	CancelAfterArrivals int           `json:"cancel_after_arrivals"`
}

// So often it is looked whether as many changes are unsettled as a step waits for.
const look = time.Millisecond

// life is how far a batcher's steps have come.
type life struct {
	batcher  *imtag.Batcher
	ends     []end
	watching sync.WaitGroup
}

// end is what a step waits for that ends well or not.
type end struct {
	step int
	err  <-chan error
}

// live does the steps, and says how each of them ended.
func (b batcher) live(client *imtag.Client) outcome {
	made, err := client.NewBatcher(imtag.BatcherOptions{
		Timeout:        b.Options.Timeout.duration(),
		AttemptTimeout: b.Options.AttemptTimeout.duration(),
		LateWindow:     least(b.Options.LateWindow),
		Linger:         least(b.Options.Linger),
		Capacity:       b.Options.Capacity,
		FailWhenFull:   b.Options.WhenFull == "fail",
	})
	if err != nil {
		return failed(nil, err)
	}
	life := life{batcher: made}
	for at, step := range b.Steps {
		life.step(at, step)
	}
	made.Close() // also where a step's close ended by its time
	life.watching.Wait()
	ended, failures := outcome{Status: "ok"}, map[int]undone{}
	for _, it := range life.ends {
		if err := <-it.err; err != nil {
			failure := undoneOf(err)
			failure.Step = &it.step
			failures[it.step] = failure
		} else {
			ended.Done++
		}
	}
	ended.Failures = inOrder(failures)
	return ended
}

func (l *life) step(at int, step step) {
	switch {
	case step.Submit != nil:
		l.ends = append(l.ends, end{at, l.batcher.Submit(context.Background(), step.Submit.made())})
	case step.Call != nil:
		ended := make(chan error, 1)
		l.ends = append(l.ends, end{at, ended})
		ctx, cancel := l.context(step)
		go func() {
			defer cancel()
			ended <- l.batcher.Do(ctx, step.Call.made())
		}()
	case step.Flush:
		l.waited(at, step, l.batcher.Flush)
	case step.Close:
		l.waited(at, step, l.batcher.Shutdown)
	case step.Join:
		for i, it := range l.ends {
			came := make(chan error, 1)
			came <- <-it.err
			l.ends[i].err = came
		}
	case step.AwaitArrivals > 0:
		awaitArrivals(step.AwaitArrivals)
	case step.AwaitUnsettled != nil:
		for l.batcher.Unsettled() != *step.AwaitUnsettled {
			time.Sleep(look)
		}
	default:
		giveUp(fmt.Errorf("there is no such step as the one at %d", at))
	}
}

// waited notes how a wait ended.
func (l *life) waited(at int, step step, wait func(context.Context) error) {
	ctx, cancel := l.context(step)
	defer cancel()
	ended := make(chan error, 1)
	ended <- wait(ctx)
	l.ends = append(l.ends, end{at, ended})
}

// context is done as the step says.
func (l *life) context(step step) (context.Context, func()) {
	ctx, cancel := limited(step.Timeout, step.CancelAfter)
	if step.CancelAfterArrivals > 0 {
		l.watching.Add(1)
		go func() {
			defer l.watching.Done()
			awaitArrivals(step.CancelAfterArrivals)
			cancel()
		}()
		return ctx, func() {} // it has its own time
	}
	return ctx, cancel
}

// inOrder are failures by their positions.
func inOrder(failures map[int]undone) []undone {
	var positions []int
	for at := range failures {
		positions = append(positions, at)
	}
	sort.Ints(positions)
	var all []undone
	for _, at := range positions {
		all = append(all, failures[at])
	}
	return all
}
