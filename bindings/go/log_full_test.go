//go:build !imtag_debug

package imtag_test

import (
	"context"
	"log/slog"
	"testing"
	"time"
)

// More calls than a collection of garbage before each has time for.
func TestAHandlerThatBlocksHoldsNoCallAndWhatIsDroppedIsTold(t *testing.T) {
	e := newEmulator(t)
	client := e.client(t)
	release := make(chan struct{})
	l := &listener{level: slog.LevelDebug, do: func(slog.Record) { <-release }}
	logs := logTo(t, l)
	const calls = 10_500
	fail(t, client, calls)
	result, err := client.AddTag(background, user("u", "a"))
	succeeds(t, result, err)
	ctx, cancel := context.WithTimeout(background, 10*time.Millisecond)
	defer cancel()
	equal(t, "while the handler blocks", logs.Shutdown(ctx), context.DeadlineExceeded)
	close(release)
	equal(t, "closed", logs.Close(), nil)
	told := l.named("log records were dropped")
	if len(told) != 1 {
		t.Fatalf("got %v", told)
	}
	equal(t, "level", told[0].Level, slog.LevelWarn)
	dropped := int(attributes(told[0])["dropped"].(int64))
	passed := len(l.named("call failed"))
	if passed < 10_000 || passed+dropped < calls || dropped > calls+10-passed {
		t.Errorf("%d passed on, %d dropped, of %d and those of a call", passed, dropped, calls)
	}
}
