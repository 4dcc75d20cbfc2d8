package imtag_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

// BenchmarkBatcherAtQuota measures a batcher with many goroutines that each tag one user, over and over. It prints users,
// seconds, and how long a caller waits, as a line of JSON. `cargo xtask bench batcher` runs it, once, with the client's
// settings, SECONDS and CALLERS in the environment.
func BenchmarkBatcherAtQuota(b *testing.B) {
	callers, _ := strconv.Atoi(os.Getenv("CALLERS"))
	seconds, _ := strconv.ParseFloat(os.Getenv("SECONDS"), 64)
	if callers == 0 {
		b.Skip("without CALLERS in the environment: cargo xtask bench batcher")
	}
	app, _ := strconv.ParseUint(os.Getenv("IMTAG_SDKAPPID"), 10, 32)
	client, err := imtag.NewClient(imtag.Config{
		SDKAppID:   uint32(app),
		Identifier: os.Getenv("IMTAG_IDENTIFIER"),
		SecretKey:  os.Getenv("IMTAG_SECRET_KEY"),
		Endpoint:   os.Getenv("IMTAG_ENDPOINT"),
	})
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	batcher := newBatcher(b, client, imtag.BatcherOptions{})
	began := time.Now()
	until := began.Add(time.Duration(seconds * float64(time.Second)))
	took, failed := make([][]time.Duration, callers), make([]int, callers)
	var all sync.WaitGroup
	for number := range callers {
		all.Add(1)
		go func() {
			defer all.Done()
			account := fmt.Sprintf("user%08d", number)
			for start := time.Now(); start.Before(until); {
				if err := batcher.AddTag(background, account, "vip"); err != nil {
					failed[number]++
				}
				end := time.Now()
				took[number] = append(took[number], end.Sub(start))
				start = end
			}
		}()
	}
	all.Wait()
	lasted := time.Since(began)
	waits := slices.Concat(took...)
	slices.Sort(waits)
	failures := 0
	for _, count := range failed {
		failures += count
	}
	line, err := json.Marshal(map[string]any{
		"who": "Go, goroutines", "callers": callers, "users": len(waits), "failed": failures, "seconds": lasted.Seconds(),
		"p50_ms": milliseconds(waits[len(waits)/2]), "p99_ms": milliseconds(waits[len(waits)*99/100]),
	})
	if err != nil {
		b.Fatal(err)
	}
	fmt.Printf("\n%s\n", line) // the line before has the benchmark's name
}

func milliseconds(wait time.Duration) float64 { return float64(wait.Microseconds()) / 1000 }
