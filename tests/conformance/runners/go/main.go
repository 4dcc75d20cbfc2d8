// Command go is the conformance runner of Go: a case a line in, its outcome a line out. It compares nothing.
//
// A client is made by the settings of the case, the one call is made, the client is closed. In a Config zero means not
// set, so a case that sets a zero cannot be held.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

func main() {
	cases, outcomes := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var of testCase
		err := cases.Decode(&of)
		if err == io.EOF {
			return
		}
		if err == nil {
			err = outcomes.Encode(outcomeOf(of))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func outcomeOf(of testCase) outcome {
	client, err := imtag.NewClient(of.Settings.config())
	if err != nil {
		return failed(nil, err)
	}
	defer client.Close()
	result, err := made(client, of.Call)
	if err != nil {
		return failed(result, err)
	}
	return outcome{Status: "ok", Result: shown(result)}
}

// made makes the call.
func made(client *imtag.Client, call call) (*imtag.Result, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if call.CancelAfter != nil {
		if *call.CancelAfter == 0 {
			cancel()
		} else {
			defer time.AfterFunc(call.CancelAfter.duration(), cancel).Stop()
		}
	}
	if call.Timeout != nil {
		limited, stop := context.WithTimeout(ctx, call.Timeout.duration())
		defer stop()
		ctx = limited
	}
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

// callback supplies what the case says.
func (c *callback) supply() (imtag.Credential, error) {
	first := !c.asked
	c.asked = true
	if c.Refuse != nil && (!first || c.UserSig == "") {
		return imtag.Credential{}, errors.New(*c.Refuse)
	}
	return imtag.Credential{UserSig: c.UserSig, ValidFor: c.ValidFor.duration()}, nil
}
