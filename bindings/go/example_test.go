package imtag_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"testing"
	"time"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

// shell is the emulator that the examples talk to.
var shell *emulator

// TestMain sets the environment that the lines of `imtag emulator` would set in a shell, for the examples.
func TestMain(m *testing.M) {
	e, err := startEmulator()
	if err != nil {
		log.Fatal(err)
	}
	shell = e
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
	// Output: clear: no UserSig: the vault is sealed (not applied; fix what supplies the UserSig)
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
