package imtag

/*
#include <imtag.h>

extern void imtagSupply(void *context, im_credential *credential);
extern void imtagForget(void *context);

static im_status imtag_set_callback(im_config *config, uintptr_t handle) {
	return im_config_set_credential_callback(config, imtagSupply, (void *)handle, imtagForget);
}
*/
import "C"

import (
	"fmt"
	"runtime/cgo"
	"time"
)

// Config holds the settings of a client. What is zero has the library's default; SDKAppID, Identifier, one of the
// credentials, and Region or Endpoint have none. It prints without its secrets.
type Config struct {
	// SDKAppID is the app's number, as the console shows it.
	SDKAppID uint32
	// Identifier is the account of an app administrator, in whose name the service is called: 1 to 32 bytes.
	Identifier string

	// SecretKey is the app's key, of which the client makes UserSigs by itself. Set one of the three.
	SecretKey string `json:"-"`
	// UserSig is a ready one, which is used until it expires.
	UserSig string `json:"-"`
	// CredentialCallback supplies UserSigs.
	CredentialCallback CredentialCallback `json:"-"`

	// Region is the app's data centre: china, singapore, seoul, tokyo, frankfurt, silicon-valley, jakarta, mumbai or
	// saudi-arabia. Set one of the two.
	Region string
	// Endpoint is an address in its place: https://host[:port], or http:// with a loopback address.
	Endpoint string
	// Generation is that of the service's paths: all_member_push (the default) or timpush.
	Generation string
	// CallsPerSecond is how many calls of each operation the client may make in a second: 1 to 100000; default: 100.
	// The processes of an app share its quota: give each its part.
	CallsPerSecond uint32

	// Timeout is for a whole call with all its waits and retries, where its context has no deadline; default: 10 s.
	Timeout time.Duration
	// ConnectTimeout is for opening a connection, look-up, TCP and TLS; default: 5 s.
	ConnectTimeout time.Duration
	// MaxAttempts is how many attempts a call makes at most, the first with it; default: 4.
	MaxAttempts uint32
	// CAFile is a file of certificates (PEM) that the server's must lead to, in place of the public ones.
	CAFile string
	// Limits are the service's, where a plan grants others than the documented ones: users_per_request (100),
	// tags_per_user_and_request (10), tags_per_user (100), tag_bytes (50), account_bytes (32).
	Limits map[string]uint
}

// Format prints the settings without the secrets, whatever the verb.
func (c Config) Format(f fmt.State, _ rune) {
	credentials := "none"
	switch {
	case c.CredentialCallback != nil:
		credentials = "a callback"
	case c.UserSig != "":
		credentials = "a UserSig"
	case c.SecretKey != "":
		credentials = "a secret key"
	}
	place := c.Region
	if c.Endpoint != "" {
		place = c.Endpoint
	}
	fmt.Fprintf(f, "imtag.Config{%d, %q, credentials: %s, at: %q}", c.SDKAppID, c.Identifier, credentials, place)
}

// clash says which settings exclude each other; a struct has no order by which the later could hold.
func (c *Config) clash() error {
	credentials := count(c.SecretKey != "", c.UserSig != "", c.CredentialCallback != nil)
	switch {
	case credentials > 1:
		return settings("more than one of SecretKey, UserSig and CredentialCallback is set: set one")
	case c.Region != "" && c.Endpoint != "":
		return settings("both Region and Endpoint are set: set one")
	case c.Timeout < 0:
		return settings("the Timeout is negative: set the time that may pass, or leave it out for the default")
	case c.ConnectTimeout < 0:
		return settings("the ConnectTimeout is negative: set the time that may pass, or leave it out for the default")
	}
	return nil
}

func count(set ...bool) int {
	n := 0
	for _, is := range set {
		if is {
			n++
		}
	}
	return n
}

func settings(message string) *Error {
	return &Error{Status: StatusSettings, Remedy: "mend the setting", message: message}
}

// make sets everything in a config of C's. What cannot be used is remembered there, and said when a client is made.
func (c *Config) make() *C.im_config {
	config := C.im_config_new()
	collect()
	C.im_config_set_app(config, C.uint32_t(c.SDKAppID), view(c.Identifier))
	if c.SecretKey != "" {
		C.im_config_set_secret_key(config, view(c.SecretKey))
	}
	if c.UserSig != "" {
		C.im_config_set_usersig(config, view(c.UserSig))
	}
	if c.CredentialCallback != nil {
		C.imtag_set_callback(config, C.uintptr_t(cgo.NewHandle(c.CredentialCallback)))
	}
	if c.Region != "" {
		C.im_config_set_region(config, view(c.Region))
	}
	if c.Endpoint != "" {
		C.im_config_set_endpoint(config, view(c.Endpoint))
	}
	if c.Generation != "" {
		C.im_config_set_generation(config, view(c.Generation))
	}
	if c.CallsPerSecond != 0 {
		C.im_config_set_calls_per_second(config, C.uint32_t(c.CallsPerSecond))
	}
	if c.Timeout != 0 {
		C.im_config_set_timeout_ms(config, milliseconds(c.Timeout))
	}
	if c.ConnectTimeout != 0 {
		C.im_config_set_connect_timeout_ms(config, milliseconds(c.ConnectTimeout))
	}
	if c.MaxAttempts != 0 {
		C.im_config_set_max_attempts(config, C.uint32_t(c.MaxAttempts))
	}
	if c.CAFile != "" {
		C.im_config_set_ca_file(config, view(c.CAFile))
	}
	for name, value := range c.Limits {
		C.im_config_set_limit(config, view(name), C.size_t(value))
	}
	return config
}
