package imtag_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

// usersig makes a UserSig that the emulator accepts, by the command line.
func (e *emulator) usersig(t *testing.T) string {
	t.Helper()
	command := imtagCommand("usersig", "--sdkappid", "1400000000", "--identifier", e.Identifier,
		"--secret-key-file", e.SecretKeyFile)
	output, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(output))
}

func (e *emulator) clientWith(t *testing.T, callback imtag.CredentialCallback) *imtag.Client {
	t.Helper()
	return e.client(t, func(c *imtag.Config) { c.SecretKey, c.CredentialCallback = "", callback })
}

func TestAReadyUserSigIsUsed(t *testing.T) {
	t.Parallel()
	e := newEmulator(t)
	client := e.client(t, func(c *imtag.Config) { c.SecretKey, c.UserSig = "", e.usersig(t) })
	_, err := client.AddTag(background, user("u", "a"))
	equal(t, "error", err, nil)
}

func TestACallbackIsCalledOnceAndAgainWhenTheUserSigIsExpired(t *testing.T) {
	t.Parallel()
	e := newEmulator(t)
	usersig := e.usersig(t)
	var asked atomic.Int32
	client := e.clientWith(t, func() (imtag.Credential, error) {
		asked.Add(1)
		return imtag.Credential{UserSig: usersig, ValidFor: time.Hour}, nil
	})
	for range 3 {
		_, err := client.AddTag(background, user("u", "a"))
		equal(t, "error", err, nil)
	}
	equal(t, "asked", asked.Load(), int32(1))
	e.fault(t, "add", `{"kind": "code", "code": 70001}`)
	result, err := client.AddTag(background, user("u", "a"))
	equal(t, "attempts", succeeds(t, result, err).Attempts, 2)
	equal(t, "asked", asked.Load(), int32(2))
}

func TestACallbackThatFailsPanicsOrEndsItsGoroutineFailsTheCallAndTheClientGoesOn(t *testing.T) {
	t.Parallel()
	e := newEmulator(t)
	usersig := e.usersig(t)
	for what, bad := range map[string]imtag.CredentialCallback{
		"the vault is sealed": func() (imtag.Credential, error) {
			return imtag.Credential{UserSig: usersig}, errors.New("the vault is sealed")
		},
		"the credential callback panicked: no key": func() (imtag.Credential, error) { panic("no key") },
		"the credential callback panicked: runtime error: invalid memory address": func() (imtag.Credential, error) {
			var nothing *imtag.Credential
			return *nothing, nil
		},
		"the credential callback ended its goroutine": func() (imtag.Credential, error) {
			runtime.Goexit()
			return imtag.Credential{}, nil
		},
		"the credential callback returned a UserSig that is no longer valid": func() (imtag.Credential, error) {
			return imtag.Credential{UserSig: usersig, ValidFor: -1}, nil
		},
		"usersig": func() (imtag.Credential, error) { return imtag.Credential{}, nil },
		"UTF-8":   func() (imtag.Credential, error) { return imtag.Credential{UserSig: "\xff"}, nil },
	} {
		var works atomic.Bool
		client := e.clientWith(t, func() (imtag.Credential, error) {
			if works.Load() {
				return imtag.Credential{UserSig: usersig}, nil
			}
			return bad()
		})
		_, err := client.AddTag(background, user("u", "a"))
		refused := failed(t, err, imtag.StatusCredentials)
		if !strings.Contains(strings.ToLower(refused.Error()), strings.ToLower(what)) {
			t.Errorf("got %v, want %s", refused, what)
		}
		equal(t, "effect", refused.Effect, imtag.NotApplied)
		works.Store(true)
		_, err = client.AddTag(background, user("u", "a"))
		equal(t, "afterwards", err, nil)
	}
}

func TestManyClientsHaveCallbacksOfTheirOwn(t *testing.T) {
	t.Parallel()
	e := newEmulator(t)
	usersig := e.usersig(t)
	for range 20 {
		asked := 0
		client := e.clientWith(t, func() (imtag.Credential, error) {
			asked++
			return imtag.Credential{UserSig: usersig}, nil
		})
		_, err := client.AddTag(background, user("u", "a"))
		equal(t, "error", err, nil)
		client.Close()
		equal(t, "asked", asked, 1)
	}
}

// The callback waits for itself, as the library cannot see its goroutine; but no longer than its own call may take.
func TestACallbackThatCallsItsClientEndsWithThatCall(t *testing.T) {
	t.Parallel()
	e := newEmulator(t)
	var client *imtag.Client
	client = e.clientWith(t, func() (imtag.Credential, error) {
		ctx, cancel := context.WithTimeout(background, 50*time.Millisecond)
		defer cancel()
		_, err := client.GetTag(ctx, []string{"u"})
		return imtag.Credential{}, err
	})
	_, err := client.AddTag(background, user("u", "a"))
	if refused := failed(t, err, imtag.StatusCredentials); !strings.Contains(refused.Error(), "time is up") {
		t.Errorf("got %v", refused)
	}
	equal(t, "arrivals", e.arrivals(t), 0)
}

// Bulk runs and batchers send on threads of the library, which Go did not start.
func TestACallbackIsCalledOnThreadsThatGoDidNotStart(t *testing.T) {
	t.Parallel()
	e := newEmulator(t)
	usersig := e.usersig(t)
	var asked atomic.Int32
	answers := map[string]func() (imtag.Credential, error){
		"an error":   func() (imtag.Credential, error) { return imtag.Credential{}, errors.New("the vault is sealed") },
		"a panic":    func() (imtag.Credential, error) { panic("the vault is sealed") },
		"a good one": func() (imtag.Credential, error) { return imtag.Credential{UserSig: usersig}, nil },
	}
	for what, answer := range answers {
		client := e.client(t, func(c *imtag.Config) {
			c.SecretKey = ""
			c.CredentialCallback = func() (imtag.Credential, error) {
				asked.Add(1)
				return answer()
			}
		})
		batcher := newBatcher(t, client, imtag.BatcherOptions{})
		_, ofRun := client.Bulk(background, imtag.Changes(adds(10)...), imtag.BulkOptions{})
		ofBatcher := batcher.AddTag(background, "anna", "a")
		for _, err := range []error{ofRun, ofBatcher} {
			if what == "a good one" {
				equal(t, what, err, nil)
			} else {
				failed(t, err, imtag.StatusCredentials)
			}
		}
	}
	equal(t, "asked", asked.Load() >= 5, true)
}
