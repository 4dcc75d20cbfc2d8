package imtag_test

import (
	"context"
	"errors"
	"reflect"
	"runtime"
	"testing"
	"time"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

var background = context.Background()

// user is a request of one user.
func user(account string, tags ...string) []imtag.UserTags {
	return []imtag.UserTags{{Account: account, Tags: tags}}
}

// failed returns the error of a call, which must have a status.
func failed(t testing.TB, err error, status imtag.Status) *imtag.Error {
	t.Helper()
	var failed *imtag.Error
	if !errors.As(err, &failed) {
		t.Fatalf("got %T %v, want an *imtag.Error with status %v", err, err, status)
	}
	if failed.Status != status {
		t.Fatalf("got status %v: %v, want %v", failed.Status, failed, status)
	}
	if failed.Error() == "" || failed.Remedy == "" {
		t.Errorf("an error says what happened and what to do: %#v", failed)
	}
	return failed
}

func equal(t testing.TB, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %#v, want %#v", what, got, want)
	}
}

// noMoreGoroutines waits until there are as few as before, as a goroutine may take a moment to end.
func noMoreGoroutines(t testing.TB, before int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

func succeeds(t testing.TB, result *imtag.Result, err error) *imtag.Result {
	t.Helper()
	if err != nil || result == nil {
		t.Fatalf("got %v, %v, want a result", result, err)
	}
	return result
}
