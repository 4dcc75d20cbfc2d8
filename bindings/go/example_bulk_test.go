package imtag_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

// Before Go 1.23 a loop cannot range over a function, so Outcomes is called with one.
func ExampleClient_NewBulkRun() {
	client := exampleClient()
	defer client.Close()
	changes := imtag.Changes(
		imtag.Add("dora", "vip", "beijing"), imtag.Remove("dora", "new"), imtag.Add("bo", strings.Repeat("x", 51)),
	)
	run := client.NewBulkRun(context.Background(), changes, imtag.BulkOptions{})
	run.Outcomes(func(outcome imtag.Outcome) bool {
		if outcome.Err != nil {
			fmt.Println(outcome.Change.Account(), "failed:", outcome.Err)
		}
		return true
	})
	summary, err := run.Finish()
	var failed *imtag.Error
	if errors.As(err, &failed) && failed.Status != imtag.StatusPartial {
		log.Fatal("the run ended early: ", err)
	}
	fmt.Println(summary.Done, "done,", summary.Failed, "failed")
	// Output:
	// bo failed: invalid request, nothing was sent: tags[0]: 51 bytes, at most 50 (shorten it)
	// 2 done, 1 failed
}

func ExampleClient_Bulk() {
	client := exampleClient()
	defer client.Close()
	ctx, changes := context.Background(), imtag.Changes(imtag.Add("dora", "vip"), imtag.Add("bo", "new", ""), imtag.Clear("cy"))
	summary, err := client.Bulk(ctx, changes, imtag.BulkOptions{})
	var failed *imtag.Error
	if errors.As(err, &failed) {
		for _, failure := range failed.Failures {
			fmt.Printf("%s failed: %q: %v; %s\n", failure.Account, failure.Undone, failure.Effect, failure.Remedy)
		}
	}
	fmt.Println(summary.Done, "done")
	// Output:
	// bo failed: ["new" ""]: not applied; leave it out, or fill it
	// 2 done
}

func ExampleBatcher() {
	client := exampleClient()
	defer client.Close()
	ctx := context.Background()

	batcher, err := client.NewBatcher(imtag.BatcherOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer batcher.Close() // takes no more, and waits for all outcomes

	err = batcher.AddTag(ctx, "dora", "vip")                    // waits for the request that it shares
	removed := batcher.Submit(ctx, imtag.Remove("dora", "new")) // does not wait: a channel
	fmt.Println("added:", err == nil, "removed:", <-removed == nil)
	// Output: added: true removed: true
}
