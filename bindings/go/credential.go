package imtag

// #include <imtag.h>
import "C"

import (
	"errors"
	"fmt"
	"runtime/cgo"
	"time"
)

// Credential is a UserSig from a callback. It prints without the UserSig, with the exception that [Config] names.
type Credential struct {
	UserSig string `json:"-"`
	// ValidFor is how long it is valid from now. The callback is asked for a new one when half of that is over: with 24 h,
	// after 12 h. 0: unknown; it is used until the service says that it expired.
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

// CredentialCallback supplies a UserSig whenever a new one is needed, for example from a vault. It is called on a
// goroutine of its own, one at a time for a client, while a call waits for it. A call's deadline cannot interrupt it, so
// it should limit its own waits. The text of its error becomes part of the call's error, so it should hold no secret. It
// may not call the client, which would wait for the callback until the time is up, nor close it.
type CredentialCallback func() (Credential, error)

var (
	errEnded   = errors.New("the credential callback ended its goroutine")
	errExpired = errors.New("the credential callback returned a UserSig that is no longer valid: its ValidFor is negative")
)

// imtagSupply is called by the library on the thread of a call, with a handle that imtagRelease deletes.
//
//export imtagSupply
func imtagSupply(handle C.uintptr_t, credential *C.im_credential) {
	supplied, err := supply(cgo.Handle(handle).Value().(CredentialCallback))
	if err != nil {
		C.im_credential_refuse(credential, view(err.Error()))
		return
	}
	// the library reports a UserSig that cannot be used in the error of the call
	C.im_credential_set(credential, view(supplied.UserSig), milliseconds(supplied.ValidFor), nil)
}

// supply calls the callback on a goroutine of its own: neither a panic nor runtime.Goexit, which ends a failed test, may
// unwind the stack of C.
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
		err = errExpired // 0 would mean unknown
	}
	return supplied, err
}

// imtagRelease is called by the library when no client needs the callback any more.
//
//export imtagRelease
func imtagRelease(handle C.uintptr_t) {
	cgo.Handle(handle).Delete()
}
