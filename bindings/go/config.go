package imtag

/*
#include <imtag.h>

extern void imtagSupply(uintptr_t handle, im_credential *credential);
extern void imtagRelease(uintptr_t handle);

// The context is the number of a cgo.Handle. Go handles it as a number only: its runtime rejects invalid pointers.
static void imtag_supply(void *context, im_credential *credential) { imtagSupply((uintptr_t)context, credential); }
static void imtag_release(void *context) { imtagRelease((uintptr_t)context); }

static void imtag_set_callback(im_config *config, uintptr_t handle) {
	im_config_set_credential_callback(config, imtag_supply, (void *)handle, imtag_release);
}
*/
import "C"

import (
	"fmt"
	"runtime/cgo"
	"sort"
	"time"
)

// Config holds the settings of a client. A zero value means the library's default; SDKAppID, Identifier, one of the
// credentials, and Region or Endpoint have none.
//
// A Config prints without its secrets, with one exception: fmt calls no method of an unexported field, so a struct that
// has a Config in one shows SecretKey, UserSig and Proxy when it is printed, with any verb, or logged by slog's text
// handler. Keep the Client there instead. A *Config prints as an address with %v, %+v, %#v and in slog, but not with %s
// and %q.
type Config struct {
	// SDKAppID is the app's number, as the console shows it.
	SDKAppID uint32
	// Identifier is the account of an app administrator that makes the calls: 1 to 32 bytes.
	Identifier string

	// SecretKey is the app's key, from which the client makes UserSigs. Set one of the three. It shows when a struct is
	// printed that has the Config in an unexported field.
	SecretKey string `json:"-"`
	// UserSig is a ready UserSig, which is used until it expires. It shows when SecretKey does.
	UserSig string `json:"-"`
	// CredentialCallback supplies UserSigs.
	CredentialCallback CredentialCallback `json:"-"`

	// Region is the app's data centre: china, singapore, seoul, tokyo, frankfurt, silicon-valley, jakarta, mumbai or
	// saudi-arabia. Set one of the two.
	Region string
	// Endpoint is an address in its place: https://host[:port], or http:// with a loopback address.
	Endpoint string
	// SpareEndpoint is the host that is called while the first cannot be reached: an address as Endpoint, or none.
	// Default: of a Region the one that the service names for it, of an Endpoint none. Calls go there for a minute if a
	// look-up, a connection or a TLS handshake with the first fails and one with the spare succeeds. Once any of a call was
	// written to a host, all its attempts go to that host. A change that a bulk run or a batcher sends again in another
	// request is in another call.
	SpareEndpoint string
	// Proxy is the proxy through which the service is called: http://, https:// or socks5://, then
	// [user:password@]host[:port], where what URLs reserve is percent-encoded in user and password; the ports are 80, 443
	// and 1080 if none is given; host:port is http. Or direct: no proxy. Default: the environment's when the client is
	// made, HTTPS_PROXY or else ALL_PROXY (also in lower case), unless NO_PROXY names the host. An endpoint on this
	// machine is never called through a proxy, not even through this one. No error shows user or password; the text shows
	// when SecretKey does.
	Proxy string `json:"-"`
	// Generation is that of the service's paths: all_member_push (the default) or timpush.
	Generation string
	// CallsPerSecond is how many calls of each operation this process may make in a second: 0.001 to 100000, with at
	// most three decimals; default: 100. From 1 up it is that many whole calls in any second (2.5: two); below 1 it is
	// one call in any 1 / CallsPerSecond seconds (0.5: one in 2 s). The processes of an app share its quota: give each
	// its part. Clients of one process with the same app, endpoint and CallsPerSecond share it, whether they live at
	// once or one after the other. Above 80 % of the app's quota the service sends an alarm to the app's webhook, if it
	// has one: with 80 for all processes together it stays quiet.
	CallsPerSecond float64
	// FreshStart says that no other process of the app called in the last second. If it is false, the client makes one
	// call at a time until this process has run for 1.1 s.
	FreshStart bool

	// Timeout is for a whole call with all its waits and retries, if its context has no deadline; default: 10 s.
	Timeout time.Duration
	// ConnectTimeout is for opening a connection (look-up, TCP, a proxy and TLS); default: 5 s. Where there is a spare
	// host, half of it is for the host that is tried first, with a proxy half of what is left once that is reached.
	ConnectTimeout time.Duration
	// MaxAttempts is how many attempts a call makes at most, including the first; default: 4. Attempts without an answer
	// are not counted: the call waits for the end of an outage for up to half of the time that it has left. With 1 nothing
	// is tried again, and the call waits for no outage.
	MaxAttempts uint32
	// Roots are the public root certificates to trust: built-in (the default), of the library's age; or platform, those of
	// this system, where a company's proxy that opens TLS has its CA.
	Roots string
	// CAFile is a file of CA certificates (PEM) to trust in place of the public ones. Set it or Roots.
	CAFile string
	// Limits are those of the service, if the app's plan has others than the documented ones: users_per_request (100),
	// tags_per_user_and_request (10), tags_per_user (100), tag_bytes (50), account_bytes (32).
	Limits map[string]int

	environment *environment // nil unless FromEnv made it
}

// String shows the settings without the secrets.
func (c Config) String() string {
	credentials := "none"
	switch {
	case c.CredentialCallback != nil:
		credentials = "a callback"
	case c.UserSig != "":
		credentials = "a UserSig"
	case c.SecretKey != "":
		credentials = "a secret key"
	}
	at := c.Region
	if c.Endpoint != "" {
		at = c.Endpoint
	}
	over := ""
	if c.environment != nil {
		over = ", over the environment"
	}
	return fmt.Sprintf("imtag.Config{%d, %q, credentials: %s, at: %q%s}", c.SDKAppID, c.Identifier, credentials, at, over)
}

// GoString is String.
func (c Config) GoString() string { return c.String() }

// Format prints String, whatever the verb.
func (c Config) Format(f fmt.State, _ rune) { fmt.Fprint(f, c.String()) }

// check finds what the C interface cannot see: settings that exclude each other, as the fields of a struct have no order
// in which the last one counts, and negative numbers, which C's types cannot hold.
func (c *Config) check() error {
	credentials := 0
	for _, set := range []bool{c.SecretKey != "", c.UserSig != "", c.CredentialCallback != nil} {
		if set {
			credentials++
		}
	}
	switch {
	case credentials > 1:
		return badSetting("SecretKey, UserSig and CredentialCallback exclude each other", "set one of them")
	case c.Region != "" && c.Endpoint != "":
		return badSetting("Region and Endpoint exclude each other", "set one of them")
	case c.Roots != "" && c.CAFile != "":
		return badSetting("Roots and CAFile exclude each other", "set one of them")
	case c.Timeout < 0:
		return badSetting(fmt.Sprintf("the Timeout is %v", c.Timeout), "set one above 0, or none for the default")
	case c.ConnectTimeout < 0:
		return badSetting(fmt.Sprintf("the ConnectTimeout is %v", c.ConnectTimeout), "set one above 0, or none for the default")
	}
	for _, name := range c.limits() {
		if value := c.Limits[name]; value < 0 {
			return badSetting(fmt.Sprintf("the limit %q is %d", name, value), "set one above 0")
		}
	}
	return nil
}

// limits are the names of the limits that are set, sorted, so that of two mistakes the same one is always reported.
func (c *Config) limits() []string {
	names := make([]string, 0, len(c.Limits))
	for name := range c.Limits {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// make sets everything in a config of C, which remembers a setting that cannot be used and reports it when a client is
// made.
func (c *Config) make() *C.im_config {
	config := c.environment.config()
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
	if c.SpareEndpoint != "" {
		C.im_config_set_spare_endpoint(config, view(c.SpareEndpoint))
	}
	if c.Proxy != "" {
		C.im_config_set_proxy(config, view(c.Proxy))
	}
	if c.Generation != "" {
		C.im_config_set_generation(config, view(c.Generation))
	}
	if c.CallsPerSecond != 0 {
		C.im_config_set_calls_per_second(config, C.double(c.CallsPerSecond))
	}
	if c.FreshStart {
		C.im_config_set_fresh_start(config, 1)
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
	if c.Roots != "" {
		C.im_config_set_roots(config, view(c.Roots))
	}
	if c.CAFile != "" {
		C.im_config_set_ca_file(config, view(c.CAFile))
	}
	for _, name := range c.limits() {
		C.im_config_set_limit(config, view(name), C.size_t(c.Limits[name]))
	}
	return config
}
