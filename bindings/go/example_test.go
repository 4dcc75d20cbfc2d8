package imtag_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"testing"
	"time"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

// TestMain gives the examples what they find in a shell into which the lines of `imtag emulator` were copied.
func TestMain(m *testing.M) {
	e, err := startEmulator()
	if err != nil {
		log.Fatal(err)
	}
	os.Setenv("IMTAG_ENDPOINT", e.Endpoint)
	os.Setenv("IMTAG_SECRET_KEY", e.key)
	code := m.Run()
	e.stop()
	os.Exit(code)
}

func Example() {
	client, err := imtag.NewClient(imtag.Config{
		SDKAppID:   1400000000,
		Identifier: "administrator",
		SecretKey:  os.Getenv("IMTAG_SECRET_KEY"),
		Endpoint:   os.Getenv("IMTAG_ENDPOINT"), // for the real service: Region: "singapore"
	})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	result, err := client.AddTag(ctx, []imtag.UserTags{
		{Account: "xiaojun012", Tags: []string{"a", "b"}},
		{Account: "xiaojun013", Tags: []string{"a", "b"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Accounts, "users tagged")
	// Output: 2 users tagged
}

func ExampleClient_GetTag() {
	client := exampleClient()
	defer client.Close()
	ctx := context.Background()
	if _, err := client.AddTag(ctx, []imtag.UserTags{{Account: "anna", Tags: []string{"vip", "new"}}}); err != nil {
		log.Fatal(err)
	}
	read, err := client.GetTag(ctx, []string{"anna"})
	if err != nil {
		log.Fatal(err)
	}
	for _, user := range read.Users {
		fmt.Println(user.Account, user.Tags)
	}
	// Output: anna [new vip]
}

func ExampleError() {
	client := exampleClient()
	defer client.Close()
	_, err := client.AddTag(context.Background(), []imtag.UserTags{
		{Account: "anna", Tags: []string{"vip", strings.Repeat("x", 51)}},
		{Account: strings.Repeat("y", 33), Tags: []string{"vip"}},
	})
	var failed *imtag.Error
	switch {
	case err == nil:
		fmt.Println("done, for every account")
	case errors.Is(err, context.DeadlineExceeded):
		fmt.Println("the time was up")
	case errors.As(err, &failed):
		fmt.Println(failed.Status, "and", failed.Effect)
		for _, violation := range failed.Violations { // all of them, with their places
			fmt.Println(violation.Place+":", violation.Problem)
		}
		for _, failure := range failed.Failures { // the accounts that a partial success left out
			fmt.Println(failure.Account, failure.Code, failure.Remedy)
		}
	}
	// Output:
	// invalid and not applied
	// users[0].tags[1]: 51 bytes, at most 50
	// users[1].account: 33 bytes, at most 32
}

func ExampleCredentialCallback() {
	client, err := imtag.NewClient(imtag.Config{
		SDKAppID:   1400000000,
		Identifier: "administrator",
		Endpoint:   os.Getenv("IMTAG_ENDPOINT"),
		CredentialCallback: func() (imtag.Credential, error) {
			// from a vault: return imtag.Credential{UserSig: usersig, ValidFor: time.Hour}, nil
			return imtag.Credential{}, errors.New("the vault is sealed")
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	_, err = client.ClearTags(context.Background(), []string{"anna"})
	fmt.Println(err)
	// Output: clear: no UserSig: the vault is sealed (not applied; mend what supplies the UserSig)
}

func ExampleExplain() {
	explained := imtag.Explain(60007)
	fmt.Println(explained.Meaning)
	fmt.Println("retry:", explained.Retry)
	// Output:
	// the frequency of this API is exceeded
	// retry: after window
}

func exampleClient() *imtag.Client {
	client, err := imtag.NewClient(imtag.Config{
		SDKAppID:   1400000000,
		Identifier: "administrator",
		SecretKey:  os.Getenv("IMTAG_SECRET_KEY"),
		Endpoint:   os.Getenv("IMTAG_ENDPOINT"),
	})
	if err != nil {
		log.Fatal(err)
	}
	return client
}
