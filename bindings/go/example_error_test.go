package imtag_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

func ExampleError() {
	client := exampleClient()
	defer client.Close()
	_, err := client.AddTag(context.Background(), []imtag.UserTags{
		{Account: "anna", Tags: []string{"vip", strings.Repeat("x", 51)}},
		{Account: strings.Repeat("y", 33), Tags: []string{"vip"}},
	})
	var failed *imtag.Error
	if errors.As(err, &failed) {
		fmt.Println(failed.Status, "and", failed.Effect)
		for _, violation := range failed.Violations { // all of them, with their places
			fmt.Println(violation.Place+":", violation.Problem)
		}
	}
	// Output:
	// invalid and not applied
	// users[0].tags[1]: 51 bytes, at most 50
	// users[1].account: 33 bytes, at most 32
}

// A partial success returns both: an error that names the accounts that failed, and a result for the others.
func ExampleError_partial() {
	client := exampleClient()
	defer client.Close()
	leaveOut("bo", 70107) // as the service does with an account that was not imported
	ctx := context.Background()
	users := []imtag.UserTags{
		{Account: "anna", Tags: []string{"vip"}},
		{Account: "bo", Tags: []string{"vip"}},
		{Account: "cy", Tags: []string{"vip"}},
	}

	result, err := client.AddTag(ctx, users)
	var failed *imtag.Error
	switch {
	case err == nil:
		fmt.Println("done, for all", result.Accounts)
	case errors.As(err, &failed) && failed.Status == imtag.StatusPartial: // result and err are both there
		fmt.Println("done for", result.Accounts, "of", len(users))
		for _, failure := range failed.Failures {
			fmt.Println("failed:", failure.Account, failure.Code, failure.Effect)
		}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		fmt.Println("ctx ended the call:", err)
	default:
		fmt.Println(err) // what happened, what is known of the effect, and what to do
	}
	// Output:
	// done for 2 of 3
	// failed: bo 70107 not applied
}

// leaveOut makes the emulator leave an account out of the next call that adds tags.
func leaveOut(account string, code int) {
	fault := fmt.Sprintf(`{"route": "add", "faults": [{"kind": "leave_out", "accounts": [%q], "code": %d}]}`, account, code)
	if _, err := shell.admin("POST", "faults", fault); err != nil {
		log.Fatal(err)
	}
}
