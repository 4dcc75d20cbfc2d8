package imtag

// #include <imtag.h>
import "C"

import (
	"context"
	"errors"
	"runtime"
	"sync"
)

// Client is a client of the service: connections, quota, UserSig and retry budget that all goroutines share. Any number
// of them may use it at once. NewClient makes one.
type Client struct {
	mu      sync.Mutex
	handle  *C.im_client // nil once freed
	closed  bool
	running sync.WaitGroup // the calls; none is added once closed
}

var errNoContext = errors.New("imtag: the context is nil: pass context.Background()")

// NewClient makes a client; nothing is sent yet. The error is an *Error with StatusSettings for the first setting that
// cannot be used, or says that the library that was loaded is of another version than this package was built with.
// Close it when it is needed no more.
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
	client := &Client{handle: handle}
	runtime.SetFinalizer(client, (*Client).Close) // a net for who forgets
	return client, nil
}

// Close ends the client: calls that are made from now on answer ErrClosed, and those that run are waited for; cancel
// their contexts to be done sooner. It may be called more than once, and always returns nil.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.running.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	runtime.SetFinalizer(c, nil)
	C.im_client_free(c.handle)
	c.handle = nil
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

// ReplaceTags makes these the only tags that each user has, at most 100 a user. Only the timpush paths can do so (see
// [Config.Generation]); on the others it is StatusInvalid.
func (c *Client) ReplaceTags(ctx context.Context, users []UserTags, options ...CallOption) (*Result, error) {
	return c.call(ctx, requestOfUsers(replaceTags, users), options)
}

// GetTag reads the tags of at most 100 accounts, each once: Result.Users has what was read, Result.Unanswered the
// accounts that the answer leaves out without a word.
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
	handle, err := c.enter()
	if err != nil {
		return nil, err
	}
	defer c.running.Done() // which also keeps the client from being finalised meanwhile
	call := callOf(ctx, options)
	defer call.free()
	var result *C.im_result
	var failed *C.im_error
	if request.send(handle, call.handle, &result, &failed) == C.IM_OK {
		return takeResult(result), nil
	}
	what := takeError(failed)
	call.explain(what)
	return takeResult(result), what
}

// enter counts a call among those that Close waits for. A lock held for reading would do, but let a call wait for a
// Close that waits for another call, whatever its context says.
func (c *Client) enter() (*C.im_client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.handle == nil {
		return nil, ErrClosed
	}
	c.running.Add(1)
	return c.handle, nil
}
