//go:build !imtag_debug

package imtag_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

func TestTwoThousandGoroutinesThatWaitHoldNoThreads(t *testing.T) {
	t.Parallel()
	e, client := fastEmulator(t)
	e.fault(t, "add", strings.TrimSuffix(strings.Repeat(`{"kind": "delay", "delay_ms": 300},`, 20), ","))
	batcher := newBatcher(t, client, imtag.BatcherOptions{})
	outcomes := make(chan error)
	for i := range 2000 {
		go func() { outcomes <- batcher.AddTag(background, fmt.Sprintf("user-%d", i), "vip") }()
	}
	e.awaitArrival(t)
	threads := ownThreads(t)
	for range 2000 {
		equal(t, "outcome", <-outcomes, nil)
	}
	if threads > 400 {
		t.Errorf("%d threads", threads)
	}
}

// ownThreads counts the threads of this process.
func ownThreads(t testing.TB) int {
	t.Helper()
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(threads)
}
