//go:build go1.23

package imtag_test

import (
	"context"
	"fmt"
	"log"
	"slices"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

func ExampleBulkRun_Outcomes() {
	client := exampleClient()
	defer client.Close()
	ctx, changes := context.Background(), []imtag.Change{imtag.Add("dora", "vip"), imtag.Clear("bo")}
	run := client.Bulk(ctx, slices.Values(changes), imtag.BulkOptions{})
	for outcome := range run.Outcomes {
		if outcome.Err != nil {
			log.Print(outcome.Err)
		}
	}
	summary, err := run.Finish()
	fmt.Println(summary.Done, "done,", summary.Failed, "failed,", err)
	// Output: 2 done, 0 failed, <nil>
}
