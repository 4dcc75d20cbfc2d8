package main

// A change and its options as a case writes them.

import (
	"fmt"
	"time"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

type change struct {
	Operation string `json:"operation"`
	Account   text   `json:"account"`
	Tags      []text `json:"tags"`
}

func (c change) toChange() imtag.Change {
	switch c.Operation {
	case "add":
		return imtag.Add(string(c.Account), texts(c.Tags)...)
	case "remove":
		return imtag.Remove(string(c.Account), texts(c.Tags)...)
	case "replace":
		return imtag.Replace(string(c.Account), texts(c.Tags)...)
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
