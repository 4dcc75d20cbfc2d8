package imtag

// #include <imtag.h>
import "C"

import (
	"context"
	"runtime"
	"sync"
)

// Client is a client of the service: connections, quota, UserSig and retry budget, which all goroutines share. Any number
// of goroutines may use it at once. NewClient makes one; a copy is the same client. A nil or zero Client is a closed one.
type Client struct {
	*core // nil if NewClient did not make it
}

// NewClient makes a client; nothing is sent yet. The error is an *Error with StatusSettings that names all settings that
// are needed and not set, or the first that cannot be used; or it says that the library that was loaded does not fit the
// version that this package was built with. Close the client when it is no longer needed.
//
// Unless a proxy is set or the endpoint is on this machine, it reads HTTPS_PROXY, ALL_PROXY and NO_PROXY of the environment,
// also in lower case; with the platform's roots SSL_CERT_FILE and SSL_CERT_DIR. No goroutine may call os.Setenv meanwhile.
func NewClient(config Config) (*Client, error) {
	if err := checkVersion(); err != nil {
		return nil, err
	}
	if err := config.check(); err != nil {
		return nil, err
	}
	made := config.make()
	defer C.im_config_free(made)
	var handle *C.im_client
	var failed *C.im_error
	if C.im_client_new(made, &handle, &failed) != C.IM_OK {
		return nil, takeError(failed)
	}
	return &Client{newCore(handle)}, nil
}

// Close closes the client: later calls return ErrClosed, and it waits for those that run; cancel their contexts to end
// them sooner. It may be called more than once, and on a nil Client, as in a defer before the error of NewClient is
// checked. It always returns nil.
func (c *Client) Close() error {
	c.shared().close()
	return nil
}

// AddTag adds tags: one request of at most 100 users, each once, with at most 10 tags each. A tag that a user has
// already changes nothing.
func (c *Client) AddTag(ctx context.Context, users []UserTags, options ...CallOption) (*Result, error) {
	return c.call(ctx, requestOfUsers(addTag, users), options)
}

// RemoveTag removes tags; limits as AddTag. A tag that a user does not have changes nothing.
func (c *Client) RemoveTag(ctx context.Context, users []UserTags, options ...CallOption) (*Result, error) {
	return c.call(ctx, requestOfUsers(removeTag, users), options)
}

// ReplaceTags replaces tags: afterwards each user has these tags and no others, at most 100. Only the timpush paths can
// do this (see [Config.Generation]); on the other paths it is StatusInvalid.
func (c *Client) ReplaceTags(ctx context.Context, users []UserTags, options ...CallOption) (*Result, error) {
	return c.call(ctx, requestOfUsers(replaceTags, users), options)
}

// GetTag reads the tags of at most 100 accounts, each once: Result.Users has the tags, Result.Unanswered the accounts
// that the answer does not mention.
func (c *Client) GetTag(ctx context.Context, accounts []string, options ...CallOption) (*Result, error) {
	return c.call(ctx, requestOfAccounts(getTag, accounts), options)
}

// ClearTags removes all tags of at most 100 accounts, each once.
func (c *Client) ClearTags(ctx context.Context, accounts []string, options ...CallOption) (*Result, error) {
	return c.call(ctx, requestOfAccounts(clearTags, accounts), options)
}

func (c *Client) call(ctx context.Context, request *request, options []CallOption) (*Result, error) {
	if ctx == nil {
		return nil, errNoContext
	}
	core := c.shared()
	handle, err := core.acquire()
	if err != nil {
		return nil, err
	}
	defer core.release()
	call := callOf(ctx, options)
	defer call.free()
	var result *C.im_result
	var failed *C.im_error
	if request.send(handle, call.handle, &result, &failed) == C.IM_OK {
		return takeResult(result), nil
	}
	what := takeError(failed)
	attachCause(ctx, what)
	return takeResult(result), what
}

// shared is nil for a client that NewClient did not make.
func (c *Client) shared() *core {
	if c == nil {
		return nil
	}
	return c.core
}

// core is what all copies of a Client share, so that closing one closes all. It is allocated on its own, as a finalizer
// may not be set on a field of a struct. A nil core is closed.
type core struct {
	mu      sync.Mutex
	handle  *C.im_client // nil once freed
	closed  bool
	running sync.WaitGroup // the calls; none is added once closed
}

func newCore(handle *C.im_client) *core {
	c := &core{handle: handle}
	runtime.SetFinalizer(c, (*core).close) // for a client that is never closed
	return c
}

// acquire counts a call among those that close waits for. With a read lock instead, a call would wait for a Close that
// waits for another call, whatever its context says.
func (c *core) acquire() (*C.im_client, error) {
	if c == nil {
		return nil, ErrClosed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	c.running.Add(1)
	return c.handle, nil
}

// release ends what acquire began. As it comes last, it also keeps the client from being finalised during the call.
func (c *core) release() { c.running.Done() }

func (c *core) close() {
	if c == nil {
		return
	}
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.running.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	runtime.SetFinalizer(c, nil)
	C.im_client_free(c.handle)
	c.handle = nil
}
