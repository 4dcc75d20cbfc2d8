package imtag_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

func once(c *imtag.Config) { c.MaxAttempts = 1 }

func TestAPartialSuccessIsAResultAndAnErrorThatNamesEveryAccountThatFailed(t *testing.T) {
	t.Parallel()
	e := newEmulator(t)
	client := e.client(t)
	e.fault(t, "add", `{"kind": "leave_out", "accounts": ["bo", "cy"], "code": 70107, "text": "not imported"}`)
	result, err := client.AddTag(background, append(user("anna", "a"), append(user("bo", "a"), user("cy", "a")...)...))
	partial := failed(t, err, imtag.StatusPartial)
	equal(t, "accounts done", succeeds(t, result, nil).Accounts, 1)
	equal(t, "the first code", partial.Code, 70107)
	if len(partial.Failures) != 2 {
		t.Fatalf("got %v", partial.Failures)
	}
	for i, account := range []string{"bo", "cy"} {
		failure := partial.Failures[i]
		equal(t, "account", failure.Account, account)
		equal(t, "code and text", [2]any{failure.Code, failure.Text}, [2]any{70107, "not imported"})
		equal(t, "a remedy", failure.Remedy != "", true)
		equal(t, "effect", failure.Effect, imtag.NotApplied)
		equal(t, "retryable", failure.Retryable, false)
	}
	equal(t, "tags of who was left out", len(e.tags(t, "bo")), 0)
}

func TestAFailureSaysWhatIsKnownOfItsEffect(t *testing.T) {
	t.Parallel()
	for status, fault := range map[imtag.Status]string{
		imtag.StatusService: `{"kind": "code", "code": 91000}`,
		imtag.StatusNetwork: `{"kind": "cut_after"}`,
	} {
		e := newEmulator(t)
		client := e.client(t, once)
		e.fault(t, "add", fault)
		result, err := client.AddTag(background, user("u", "a"))
		failed := failed(t, err, status)
		equal(t, fault+": result", result, (*imtag.Result)(nil))
		equal(t, fault+": possibly applied", failed.PossiblyApplied(), true)
		equal(t, fault+": retryable", failed.Retryable(), true)
		equal(t, fault+": timeout", os.IsTimeout(err), false)
		equal(t, fault+": the context's", errors.Unwrap(failed), nil)
	}
}

func TestATimeoutOfTheClientDoesNotWrapTheContextsError(t *testing.T) {
	t.Parallel()
	e := newEmulator(t)
	client := e.client(t, func(c *imtag.Config) { c.Timeout = 50 * time.Millisecond })
	e.fault(t, "add", `{"kind": "delay", "delay_ms": 60000}`)
	// else it is tried again after half of it
	_, err := client.AddTag(background, user("u", "a"), imtag.AttemptTimeout(50*time.Millisecond))
	late := failed(t, err, imtag.StatusTimeout)
	equal(t, "timeout", late.Timeout() && os.IsTimeout(err), true)
	equal(t, "possibly applied", late.PossiblyApplied(), true)
	equal(t, "the context's", errors.Is(err, context.DeadlineExceeded), false)
}

func TestAStatusOrEffectOrRetryPrintsAsWords(t *testing.T) {
	equal(t, "status", imtag.StatusHTTP.String(), "http_status")
	equal(t, "a status of a newer library", imtag.Status(99).String(), "status 99")
	equal(t, "effect", imtag.PossiblyApplied.String(), "possibly applied")
	equal(t, "effect", imtag.NotApplied.String()+", "+imtag.Applied.String(), "not applied, applied")
	equal(t, "retry", imtag.RetryNewUserSig.String()+", "+imtag.Retry(9).String(), "new UserSig, retry 9")
}

func TestExplainKnowsTheCatalogueAndWhatHoldsForOtherCodes(t *testing.T) {
	known := imtag.Explain(60007)
	equal(t, "known", known.Known, true)
	equal(t, "retry", known.Retry, imtag.RetryAfterWindow)
	equal(t, "effect", known.Effect, imtag.NotApplied)
	equal(t, "texts", known.Meaning != "" && known.Remedy != "", true)
	for _, code := range []int{1, -1, 1 << 40, 60007 + 1<<32} {
		equal(t, "known", imtag.Explain(code).Known, false)
		equal(t, "a remedy", imtag.Explain(code).Remedy != "", true)
	}
}

func TestTheLibrarysVersionIsThatOfTheHeader(t *testing.T) {
	if version := imtag.Version(); !strings.HasPrefix(version, "0.1.") {
		t.Errorf("got %q", version)
	}
}
