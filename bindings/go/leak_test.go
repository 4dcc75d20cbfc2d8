//go:build linux && !imtag_debug && !race && !asan

package imtag_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strconv"
	"testing"
	"time"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

// What each operation frees is so small that a leak shows only after many calls.
func TestMemoryDoesNotGrowWithCallsErrorsOptionsAndClients(t *testing.T) {
	e := newEmulator(t, "--calls-per-second", "100000")
	fast := func(c *imtag.Config) { c.CallsPerSecond = 100000 }
	client := e.client(t, fast, once)
	cancelled, cancel := context.WithCancel(background)
	cancel()
	wrong := make([]imtag.UserTags, 100)
	accounts := make([]string, 100)
	for i := range accounts {
		accounts[i] = fmt.Sprintf("user-%03d", i)
	}
	if _, err := client.AddTag(background, fullRequest()); err != nil {
		t.Fatal(err)
	}
	for _, operation := range []struct {
		what  string
		times int
		act   func() error
	}{
		{"cancelled calls, with options", 30_000, func() error {
			_, err := client.AddTag(cancelled, user("u", "a"), imtag.AttemptTimeout(time.Second))
			return err
		}},
		{"errors with 100 violations", 1_000, func() error {
			_, err := client.AddTag(background, wrong)
			return err
		}},
		{"results with 1,000 tags", 300, func() error {
			_, err := client.GetTag(background, accounts)
			if err == nil {
				err = errDone
			}
			return err
		}},
		{"clients with callbacks", 3_000, func() error {
			config := e.config()
			config.SecretKey = ""
			config.CredentialCallback = func() (imtag.Credential, error) { return imtag.Credential{}, nil }
			client, err := imtag.NewClient(config)
			if err != nil {
				return nil
			}
			client.Close()
			return errDone
		}},
		{"bulk runs with outcomes and errors", 300, func() error {
			_, err := client.Bulk(background, imtag.Changes(imtag.Add("u", "a"), imtag.Clear("v"), imtag.Add("w")), imtag.BulkOptions{})
			return err
		}},
		{"batchers that are full, closed and cancelled", 300, func() error {
			batcher, err := client.NewBatcher(imtag.BatcherOptions{Linger: time.Millisecond, FailWhenFull: true})
			if err != nil {
				return nil
			}
			batcher.Submit(background, imtag.Clear("u"))
			batcher.AddTag(cancelled, "u", "a")
			batcher.Flush(cancelled)
			batcher.Close()
			return batcher.AddTag(background, "u", "")
		}},
		{"figures", 2_000, func() error {
			if client.Stats().Text() == "" {
				return nil
			}
			return errDone
		}},
		{"logs with records", 1_000, func() error {
			logs, err := imtag.LogTo(slog.New(slog.NewJSONHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelDebug})))
			if err != nil {
				return nil
			}
			client.AddTag(cancelled, user("u", "a"))
			if logs.Close() != nil {
				return nil
			}
			return errDone
		}},
		{"settings that cannot be used", 20_000, func() error {
			_, err := imtag.NewClient(imtag.Config{Region: "atlantis", Endpoint: ""})
			return err
		}},
	} {
		run := func(times int) int {
			for range times {
				if operation.act() == nil {
					t.Fatalf("%s: it did not end as it should", operation.what)
				}
			}
			debug.FreeOSMemory()
			return resident(t)
		}
		before := run(operation.times / 10)
		if grown := run(operation.times) - before; grown > 4<<20 {
			t.Errorf("%s: %d times, and %d KiB more", operation.what, operation.times, grown>>10)
		} else {
			t.Logf("%s: %d times, %d KiB", operation.what, operation.times, grown>>10)
		}
	}
}

var errDone = fmt.Errorf("done")

// resident is the memory of this process, in bytes.
func resident(t *testing.T) int {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(string(bytes.Fields(statm)[1]))
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}
