//go:build unix

package imtag_test

import (
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

// BenchmarkBulkRun measures a change of a bulk run from the input to its outcome, against an emulator whose quota is not
// reached; IMTAG_BIN is a release build of it. The processor time is that of this process, with the library's threads.
func BenchmarkBulkRun(b *testing.B) {
	_, client := fastEmulator(b)
	changes := imtag.Changes(adds(b.N)...)
	reportRate(b, func() {
		if _, err := client.Bulk(background, changes, imtag.BulkOptions{}); err != nil {
			b.Error(err)
		}
	})
}

// BenchmarkBatcher measures a change of a batcher on which 2,000 goroutines wait, over and over.
func BenchmarkBatcher(b *testing.B) {
	const goroutines = 2000
	_, client := fastEmulator(b)
	batcher := newBatcher(b, client, imtag.BatcherOptions{})
	reportRate(b, func() {
		var all sync.WaitGroup
		for g := range goroutines {
			all.Add(1)
			go func() {
				defer all.Done()
				account := fmt.Sprintf("user-%d", g)
				for i := g; i < b.N; i += goroutines {
					if err := batcher.AddTag(background, account, "vip"); err != nil {
						b.Error(err)
					}
				}
			}()
		}
		all.Wait()
	})
}

func reportRate(b *testing.B, act func()) {
	b.ResetTimer()
	began, before := time.Now(), processorTime(b)
	act()
	took, used := time.Since(began), processorTime(b)-before
	b.ReportMetric(float64(b.N)/took.Seconds(), "changes/s")
	b.ReportMetric(float64(used.Nanoseconds())/float64(b.N), "cpu-ns/change")
}

func processorTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
