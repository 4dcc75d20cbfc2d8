package main

// A change as a case writes it, and one that is not done as the harness reads it.

import (
	"errors"
	"fmt"
	"time"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

type change struct {
	Operation string `json:"operation"`
	Account   text   `json:"account"`
	Tags      []text `json:"tags"`
}

func (c change) made() imtag.Change {
	switch c.Operation {
	case "add":
		return imtag.Add(string(c.Account), texts(c.Tags)...)
	case "remove":
		return imtag.Remove(string(c.Account), texts(c.Tags)...)
	case "clear":
		return imtag.Clear(string(c.Account))
	}
	giveUp(fmt.Errorf("there is no operation %q", c.Operation))
	return imtag.Change{}
}

// options are those of a bulk run, which a batcher has too.
type options struct {
	Timeout        milliseconds  `json:"timeout_ms"`
	AttemptTimeout milliseconds  `json:"attempt_timeout_ms"`
	LateWindow     *milliseconds `json:"late_window_ms"`
	Linger         *milliseconds `json:"linger_ms"`
	Capacity       int           `json:"capacity"`
	WhenFull       string        `json:"when_full"`
}

// least is what an option is set to: in Go zero is the default, and the least time above it counts as 1 ms.
func least(of *milliseconds) time.Duration {
	switch {
	case of == nil:
		return 0
	case *of == 0:
		return 1
	}
	return of.duration()
}

// undone is a change, a flush or a close that did not end well.
type undone struct {
	Index      *int        `json:"index,omitempty"`
	Step       *int        `json:"step,omitempty"`
	Status     string      `json:"status"`
	Account    string      `json:"account"`
	Undone     []string    `json:"undone"`
	Message    string      `json:"message"`
	Remedy     string      `json:"remedy"`
	Code       int         `json:"code"`
	Text       string      `json:"text"`
	Effect     string      `json:"effect"`
	Retryable  bool        `json:"retryable"`
	Violations []violation `json:"violations"`
}

func undoneOf(err error) undone {
	var of *imtag.Error
	if !errors.As(err, &of) {
		return undone{Status: "defect", Message: err.Error()}
	}
	described := undone{
		Status:     of.Status.String(),
		Message:    of.Error(),
		Remedy:     of.Remedy,
		Code:       of.Code,
		Text:       of.Text,
		Effect:     of.Effect.String(),
		Retryable:  of.Retryable(),
		Violations: violations(of),
	}
	for _, it := range of.Failures { // the one of a change
		described.Account, described.Undone = it.Account, it.Undone
	}
	return described
}
