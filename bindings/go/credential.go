package imtag

// #include <imtag.h>
import "C"

import (
	"errors"
	"fmt"
	"runtime/cgo"
	"time"
)

// Credential is a UserSig from a callback. It prints without it, but for the case that [Config] names.
type Credential struct {
	UserSig string `json:"-"`
	// ValidFor says how long it is valid from now: a new one is asked for when half of that is over. 0 where nobody
	// knows: it is then used until the service calls it expired.
	ValidFor time.Duration
}

// String shows how long the UserSig is valid, and not the UserSig.
func (c Credential) String() string {
	return fmt.Sprintf("imtag.Credential{valid for: %v}", c.ValidFor)
}

// GoString is String.
func (c Credential) GoString() string { return c.String() }

// Format prints String, whatever the verb.
func (c Credential) Format(f fmt.State, _ rune) { fmt.Fprint(f, c.String()) }

// CredentialCallback supplies a UserSig whenever a new one is needed, from a vault, say. It is called on a goroutine of
// its own, one at a time for a client, while a call waits for it. A call's deadline cannot interrupt it, so it should
// bound its own waits. The text of its error reaches whoever called the client, so it should hold no secret. It may
// neither call the client, which would wait for the callback until the time is up, nor close it.
type CredentialCallback func() (Credential, error)

var (
	errEnded   = errors.New("the credential callback ended its goroutine")
	errExpired = errors.New("the credential callback gave a UserSig that is not valid any more: its ValidFor is negative")
)

// imtagSupply is called by the library on the thread of a call, with a handle that imtagForget lets go of.
//
//export imtagSupply
func imtagSupply(handle C.uintptr_t, credential *C.im_credential) {
	supplied, err := supply(cgo.Handle(handle).Value().(CredentialCallback))
	if err != nil {
		C.im_credential_refuse(credential, view(err.Error()))
		return
	}
	// what is wrong with it the library says to whoever called the client
	C.im_credential_set(credential, view(supplied.UserSig), milliseconds(supplied.ValidFor), nil)
}

// supply asks the callback, on a goroutine of its own: neither a panic nor runtime.Goexit, with which a test fails, may
// unwind what C has on the stack.
func supply(callback CredentialCallback) (Credential, error) {
	var supplied Credential
	err := errEnded
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if panicked := recover(); panicked != nil {
				err = fmt.Errorf("the credential callback panicked: %v", panicked)
			}
		}()
		supplied, err = callback()
	}()
	<-done
	if err == nil && supplied.ValidFor < 0 {
		err = errExpired // 0 would mean that nobody knows
	}
	return supplied, err
}

// imtagForget is called by the library when no client needs the callback any more.
//
//export imtagForget
func imtagForget(handle C.uintptr_t) {
	cgo.Handle(handle).Delete()
}
