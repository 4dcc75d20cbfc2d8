// Package imtag tags the users of Tencent Chat, from a backend: each request checked before it is sent, paced by the
// app's quota, and answered with what is known of every account.
//
//	client, err := imtag.NewClient(imtag.Config{
//		SDKAppID: 1400000000, Identifier: "administrator", SecretKey: key, Region: "singapore",
//	})
//	if err != nil { … }
//	defer client.Close()
//	result, err := client.AddTag(ctx, []imtag.UserTags{{Account: "xiaojun012", Tags: []string{"a", "b"}}})
//
// It is libimtag over cgo, found by pkg-config; with the build tag imtag_static the static library is linked in. The
// library decides everything (limits, quota, retries, messages); this package marshals.
//
// # Errors
//
// Whatever goes wrong with a call is an [*Error], which says what happened, what is known of the effect, and what to
// do. A partial success is one too: it names each account that was left out, and comes beside the [*Result] of the
// others, which is nil with any other error.
//
//	var failed *imtag.Error
//	if errors.As(err, &failed) && failed.Status == imtag.StatusPartial {
//		fmt.Println("done for", result.Accounts, "of", len(users))
//		for _, failure := range failed.Failures {
//			fmt.Println("left out:", failure.Account, failure.Code, failure.Effect)
//		}
//	}
//
// A closed client answers [ErrClosed]; what a closed [Batcher] did not take has [ErrBatcherClosed] as its reason.
//
// # Time
//
// The deadline of the context is the call's; without one it is [Config.Timeout]. Cancelling the context ends the call
// at once, also while it waits for the quota or for the network; only a [CredentialCallback] is not interrupted.
// [AttemptTimeout] bounds each attempt of a call.
//
// # Many users
//
// [Client.Bulk] runs any number of changes, packed into as few requests as can be: changes in, outcomes out. By a
// [Batcher] many goroutines that tag one user each share requests.
package imtag
