// Command go is the conformance runner of Go: a case a line in, its outcome a line out. It compares nothing.
//
// A client is made by the settings of the case; the one call is made, or the bulk run, or a batcher lives; the client is
// closed. In a Config and in options zero means not set: of a case that sets a zero only times are held, by the least
// above it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

func main() {
	for {
		var of testCase
		err := input.Decode(&of)
		if err == io.EOF {
			return
		}
		if err == nil {
			err = output.Encode(play(of))
		}
		if err != nil {
			giveUp(err)
		}
	}
}

// giveUp ends the runner where a case or the harness is not as it should be.
func giveUp(why error) {
	fmt.Fprintln(os.Stderr, "the runner of Go:", why)
	os.Exit(1)
}

func play(of testCase) outcome {
	if !of.Observe {
		return playWith(of, nil)
	}
	seen := observe()
	came := playWith(of, seen)
	seen.end()
	came.observed = seen
	return came
}

func playWith(of testCase, seen *observed) outcome {
	client, err := of.Settings.client()
	if err != nil {
		return outcomeOf(nil, err)
	}
	defer client.Close()
	defer func() { seen.take(client.Stats()) }()
	switch {
	case of.Bulk != nil:
		return of.Bulk.play(client, seen)
	case of.Batcher != nil:
		return of.Batcher.play(client, seen)
	}
	return outcomeOf(playCall(client, of.Call))
}

// playCall makes the call.
func playCall(client *imtag.Client, call call) (*imtag.Result, error) {
	ctx, cancel := limited(call.Timeout, call.CancelAfter)
	defer cancel()
	var options []imtag.CallOption
	if call.AttemptTimeout != nil {
		options = append(options, imtag.AttemptTimeout(call.AttemptTimeout.duration()))
	}
	switch call.Operation {
	case "add":
		return client.AddTag(ctx, call.users(), options...)
	case "remove":
		return client.RemoveTag(ctx, call.users(), options...)
	case "replace":
		return client.ReplaceTags(ctx, call.users(), options...)
	case "get":
		return client.GetTag(ctx, call.accounts(), options...)
	case "clear":
		return client.ClearTags(ctx, call.accounts(), options...)
	}
	return nil, fmt.Errorf("there is no operation %q", call.Operation)
}

// limited is a context with a timeout, if there is one, that is cancelled after a time, if there is one: 0, at once.
func limited(timeout, cancelAfter *milliseconds) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	if cancelAfter != nil {
		if *cancelAfter == 0 {
			cancel()
		} else {
			time.AfterFunc(cancelAfter.duration(), cancel)
		}
	}
	if timeout == nil {
		return ctx, cancel
	}
	limited, stop := context.WithTimeout(ctx, timeout.duration())
	return limited, func() {
		stop()
		cancel()
	}
}

// callback supplies what the case says.
func (c *callback) supply() (imtag.Credential, error) {
	first := !c.asked
	c.asked = true
	if c.Refuse != nil && (!first || c.UserSig == "") {
		return imtag.Credential{}, errors.New(*c.Refuse)
	}
	return imtag.Credential{UserSig: c.UserSig, ValidFor: c.ValidFor.duration()}, nil
}
