// Package imtag tags the users of Tencent Chat, from a backend. Each request is checked before it is sent, paced by the
// app's quota, and answered with what is known of every account.
//
//	client, err := imtag.NewClient(imtag.Config{
//		SDKAppID: 1400000000, Identifier: "administrator", SecretKey: key, Region: "singapore",
//	})
//	if err != nil { … }
//	defer client.Close()
//	result, err := client.AddTag(ctx, []imtag.UserTags{{Account: "xiaojun012", Tags: []string{"a", "b"}}})
//
// It is libimtag over cgo, found by pkg-config; with the build tag imtag_static the static library is linked in. This
// package marshals; the library does the limits, quota, retries and messages.
//
// # Errors
//
// A call that fails returns an [*Error], which says what happened, what is known of the effect, and what to do. A partial
// success is one too: it names each account that failed, and the call returns the [*Result] of the others as well. With
// any other error the result is nil.
//
//	var failed *imtag.Error
//	if errors.As(err, &failed) && failed.Status == imtag.StatusPartial {
//		fmt.Println("done for", result.Accounts, "of", len(users))
//		for _, failure := range failed.Failures {
//			fmt.Println("failed:", failure.Account, failure.Code, failure.Effect)
//		}
//	}
//
// A call of a closed client returns [ErrClosed]; the error of a change that a closed [Batcher] did not take wraps
// [ErrBatcherClosed].
//
// # Time
//
// The deadline of the context is the call's; without one it is [Config.Timeout]. Cancelling the context ends the call
// at once, also while it waits for the quota or for the network; only a [CredentialCallback] is not interrupted.
// [AttemptTimeout] limits each attempt of a call.
//
// # Many users
//
// [Client.Bulk] makes any number of changes, packed into as few requests as possible; [BulkRun] yields the outcome of
// each. With a [Batcher], many goroutines that tag one user each share requests.
//
// # What goes on
//
// [LogTo] passes what the library decides on to a logger of log/slog. [Client.Stats], [Batcher.Stats] and [BulkRun.Stats]
// have figures for a monitoring system.
package imtag
