//go:build go1.23

package imtag_test

import (
	"context"
	"fmt"
	"slices"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

func ExampleBulkRun_Outcomes() {
	client := exampleClient()
	defer client.Close()
	ctx, changes := context.Background(), []imtag.Change{
		imtag.Add("dora", "vip", "beijing"), imtag.Remove("dora", "new"), imtag.Clear("bo"), imtag.Add("cy", ""),
	}

	run := client.NewBulkRun(ctx, slices.Values(changes), imtag.BulkOptions{})
	for outcome := range run.Outcomes {
		if outcome.Err != nil {
			fmt.Println(outcome.Change, "failed:", outcome.Err)
		}
	}
	summary, err := run.Finish()
	fmt.Println(summary.Done, "done,", summary.Failed, "failed;", err)
	// Output:
	// add "cy" [""] failed: invalid request, nothing was sent: tags[0]: empty, at least 1 byte (leave it out, or fill it)
	// 3 done, 1 failed; 4 changes: 3 done, 1 failed; 3 requests, 0 retries
}
