package imtag_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

func TestAClosedClientReturnsErrClosedAndMayBeClosedAgain(t *testing.T) {
	t.Parallel()
	e := newEmulator(t)
	client := e.client(t)
	equal(t, "closed once", client.Close(), nil)
	equal(t, "closed twice", client.Close(), nil)
	for _, call := range []func() (*imtag.Result, error){
		func() (*imtag.Result, error) { return client.AddTag(background, user("u", "a")) },
		func() (*imtag.Result, error) { return client.RemoveTag(background, user("u", "a")) },
		func() (*imtag.Result, error) { return client.ReplaceTags(background, user("u", "a")) },
		func() (*imtag.Result, error) { return client.GetTag(background, []string{"u"}) },
		func() (*imtag.Result, error) { return client.ClearTags(background, []string{"u"}) },
	} {
		result, err := call()
		equal(t, "result", result, (*imtag.Result)(nil))
		equal(t, "error", err, imtag.ErrClosed)
	}
	equal(t, "arrivals", e.arrivals(t), 0)
}

func TestAClientThatNewClientDidNotMakeIsAClosedOne(t *testing.T) {
	t.Parallel()
	inside := &struct {
		name   string
		client imtag.Client
	}{name: "a finalizer may not be set on a field of a struct"}
	none, err := imtag.NewClient(imtag.Config{})
	failed(t, err, imtag.StatusSettings)
	for what, client := range map[string]*imtag.Client{"nil": none, "zero": new(imtag.Client), "inside": &inside.client} {
		equal(t, what+" closed once", client.Close(), nil)
		equal(t, what+" closed twice", client.Close(), nil)
		result, err := client.AddTag(background, user("u", "a"))
		equal(t, what+": result", result, (*imtag.Result)(nil))
		equal(t, what+": error", err, imtag.ErrClosed)
		_, err = client.GetTag(background, []string{"u"})
		equal(t, what+": error", err, imtag.ErrClosed)
	}
}

func TestACopyIsTheSameClientAndClosedWithIt(t *testing.T) {
	t.Parallel()
	config := newEmulator(t).config()
	copied := func() imtag.Client {
		client, err := imtag.NewClient(config)
		if err != nil {
			t.Fatal(err)
		}
		return *client
	}()
	for range 2 { // the first Client is garbage, but its finalizer must wait for the copy
		runtime.GC()
	}
	result, err := copied.AddTag(background, user("u", "a"))
	equal(t, "accounts", succeeds(t, result, err).Accounts, 1)
	another := copied
	equal(t, "closed", copied.Close(), nil)
	_, err = another.AddTag(background, user("u", "a"))
	equal(t, "error", err, imtag.ErrClosed)
	equal(t, "closed again", another.Close(), nil)
}

func TestCloseWaitsForTheCallsThatRunAndBlocksNoOthers(t *testing.T) {
	t.Parallel()
	e := newEmulator(t)
	client := e.client(t)
	e.fault(t, "add", foreverFault)
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	call, closed := make(chan error, 1), make(chan error, 2)
	go func() {
		_, err := client.AddTag(ctx, user("u", "a"))
		call <- err
	}()
	e.awaitArrival(t)
	for range 2 {
		go func() { closed <- client.Close() }()
	}
	for {
		// until Close has begun, such a call is made and ends at once, as it is invalid
		if _, err := client.AddTag(background, nil); err == imtag.ErrClosed {
			break
		} else {
			failed(t, err, imtag.StatusInvalid)
		}
	}
	select {
	case <-closed:
		t.Error("Close did not wait")
	case err := <-call:
		t.Errorf("the call ended: %v", err)
	default:
	}
	cancel()
	equal(t, "the call that ran", errors.Is(<-call, context.Canceled), true)
	equal(t, "closed", <-closed, nil)
	equal(t, "closed", <-closed, nil)
}

func TestManyGoroutinesUseOneClientWhileItIsClosed(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, "--calls-per-second", "100000")
	client := e.client(t, func(c *imtag.Config) { c.CallsPerSecond = 100000 })
	const goroutines, calls = 8, 25
	var all, half sync.WaitGroup
	half.Add(goroutines)
	for g := range goroutines {
		all.Add(1)
		go func() {
			defer all.Done()
			mine := fmt.Sprintf("user-%d", g)
			for i := range calls {
				tag := fmt.Sprintf("tag-%d", i)
				if _, err := client.AddTag(background, user(mine, tag)); err != nil {
					t.Errorf("%s: %v", mine, err)
				}
			}
			result, err := client.GetTag(background, []string{mine})
			if err != nil || len(result.Users) != 1 || len(result.Users[0].Tags) != calls {
				t.Errorf("%s: got %v, %v", mine, result, err)
			}
			half.Done()
			for err == nil {
				_, err = client.GetTag(background, []string{mine})
			}
			equal(t, "the last error", err, imtag.ErrClosed)
		}()
	}
	half.Wait()
	client.Close()
	all.Wait()
}

func TestAClientThatIsNotClosedIsFreedWithItsCallback(t *testing.T) {
	config := newEmulator(t).config()
	config.SecretKey = ""
	freed := make(chan struct{})
	func() {
		held := &struct{ text string }{"held by the callback"}
		runtime.SetFinalizer(held, func(*struct{ text string }) { close(freed) })
		config.CredentialCallback = func() (imtag.Credential, error) { return imtag.Credential{UserSig: held.text}, nil }
		if _, err := imtag.NewClient(config); err != nil {
			t.Fatal(err)
		}
		config.CredentialCallback = nil
	}()
	for deadline := time.Now().Add(20 * time.Second); ; {
		runtime.GC()
		select {
		case <-freed:
			return
		case <-time.After(time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatal("the callback is still held")
		}
	}
}

func TestAClientStaysWhileItsLastCallRuns(t *testing.T) {
	t.Parallel()
	e := newEmulator(t)
	config := e.config()
	e.fault(t, "add", `{"kind": "delay", "delay_ms": 100}`)
	ended := make(chan error)
	go func() {
		client, err := imtag.NewClient(config)
		if err == nil {
			_, err = client.AddTag(background, user("u", "a")) // the client is garbage after this
		}
		ended <- err
	}()
	for {
		select {
		case err := <-ended:
			equal(t, "error", err, nil)
			return
		default:
			runtime.GC()
		}
	}
}
