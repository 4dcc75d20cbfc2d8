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

// player does the steps of a batcher.
type player struct {
	batcher  *imtag.Batcher
	ends     []end
	watching sync.WaitGroup
}

// end is what a step waits for that ends well or not.
type end struct {
	step int
	err  <-chan error
}

// play does the steps, and says how each of them ended.
func (b batcher) play(client *imtag.Client, seen *observed) outcome {
	made, err := client.NewBatcher(imtag.BatcherOptions{
		Timeout:        b.Options.Timeout.duration(),
		AttemptTimeout: b.Options.AttemptTimeout.duration(),
		LateWindow:     least(b.Options.LateWindow),
		Linger:         least(b.Options.Linger),
		Capacity:       b.Options.Capacity,
		FailWhenFull:   b.Options.WhenFull == "fail",
	})
	if err != nil {
		return outcomeOf(nil, err)
	}
	player := player{batcher: made}
	for at, step := range b.Steps {
		player.takeStep(at, step)
	}
	made.Close() // also where a step's close ended by its time
	player.watching.Wait()
	seen.take(made.Stats())
	ended, failures := outcome{Status: "ok"}, map[int]changeFailure{}
	for _, it := range player.ends {
		if err := <-it.err; err != nil {
			failure := failureOf(err)
			failure.Step = &it.step
			failures[it.step] = failure
		} else {
			ended.Done++
		}
	}
	ended.Failures = inOrder(failures)
	return ended
}

func (p *player) takeStep(at int, step step) {
	switch {
	case step.Submit != nil:
		p.ends = append(p.ends, end{at, p.batcher.Submit(context.Background(), step.Submit.toChange())})
	case step.Call != nil:
		ended := make(chan error, 1)
		p.ends = append(p.ends, end{at, ended})
		ctx, cancel := p.context(step)
		go func() {
			defer cancel()
			ended <- p.batcher.Do(ctx, step.Call.toChange())
		}()
	case step.Flush:
		p.waited(at, step, p.batcher.Flush)
	case step.Close:
		p.waited(at, step, p.batcher.Shutdown)
	case step.Join:
		for i, it := range p.ends {
			came := make(chan error, 1)
			came <- <-it.err
			p.ends[i].err = came
		}
	case step.AwaitArrivals > 0:
		awaitArrivals(step.AwaitArrivals)
	case step.AwaitUnsettled != nil:
		for p.batcher.Unsettled() != *step.AwaitUnsettled {
			time.Sleep(look)
		}
	default:
		giveUp(fmt.Errorf("there is no such step as the one at %d", at))
	}
}

// waited notes how a wait ended.
func (p *player) waited(at int, step step, wait func(context.Context) error) {
	ctx, cancel := p.context(step)
	defer cancel()
	ended := make(chan error, 1)
	ended <- wait(ctx)
	p.ends = append(p.ends, end{at, ended})
}

// context is done as the step says.
func (p *player) context(step step) (context.Context, func()) {
	ctx, cancel := limited(step.Timeout, step.CancelAfter)
	if step.CancelAfterArrivals > 0 {
		p.watching.Add(1)
		go func() {
			defer p.watching.Done()
			awaitArrivals(step.CancelAfterArrivals)
			cancel()
		}()
		return ctx, func() {} // it has its own time
	}
	return ctx, cancel
}

// inOrder are failures by their positions.
func inOrder(failures map[int]changeFailure) []changeFailure {
	var positions []int
	for at := range failures {
		positions = append(positions, at)
	}
	sort.Ints(positions)
	var all []changeFailure
	for _, at := range positions {
		all = append(all, failures[at])
	}
	return all
}
