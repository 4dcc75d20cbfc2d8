package imtag

// #include <imtag.h>
import "C"

import (
	"fmt"
	"runtime/cgo"
	"time"
	"unsafe"
)

// Credential is a UserSig from a callback.
type Credential struct {
	UserSig string
	// ValidFor says how long it is valid from now: a new one is asked for when half of that is over. 0 where nobody
	// knows: it is then used until the service calls it expired.
	ValidFor time.Duration
}

// CredentialCallback supplies a UserSig whenever a new one is needed, from a vault, say. It runs on a goroutine that
// calls the client, one at a time; a call's deadline cannot interrupt it, so it should bound its own waits. The text
// of its error reaches whoever called the client, so it should hold no secret. It may not call the client itself.
type CredentialCallback func() (Credential, error)

// imtagSupply is called by the library on the thread of a call, with a handle that imtagForget lets go of.
//
//export imtagSupply
func imtagSupply(context unsafe.Pointer, credential *C.im_credential) {
	callback := cgo.Handle(uintptr(context)).Value().(CredentialCallback)
	supplied, err := supply(callback)
	if err != nil {
		C.im_credential_refuse(credential, view(err.Error()))
		return
	}
	// what is wrong with it the library says to whoever called the client
	C.im_credential_set(credential, view(supplied.UserSig), milliseconds(max(0, supplied.ValidFor)), nil)
}

// supply turns a panic into an error, as none may cross C.
func supply(callback CredentialCallback) (supplied Credential, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("the credential callback panicked: %v", panicked)
		}
	}()
	return callback()
}

// imtagForget is called by the library when no client needs the callback any more.
//
//export imtagForget
func imtagForget(context unsafe.Pointer) {
	cgo.Handle(uintptr(context)).Delete()
}
