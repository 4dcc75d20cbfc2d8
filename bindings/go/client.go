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
// of them may use it at once.
type Client struct {
	mu     sync.RWMutex // held for reading by each call, so that Close waits for them
	handle *C.im_client // nil once closed
}

var errNoContext = errors.New("imtag: the context is nil: pass context.Background()")

// NewClient makes a client; nothing is sent yet. The error is an *Error with StatusSettings for the first setting that
// cannot be used, or says that the library that was loaded is of another version than this package was built with.
// Close it when it is needed no more.
func NewClient(config Config) (*Client, error) {
	if err := checkVersion(); err != nil {
		return nil, err
	}
	if err := config.clash(); err != nil {
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

// Close frees the client, once the calls that run have ended; calls made from then on answer ErrClosed. It may be called
// more than once, and always returns nil.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	runtime.SetFinalizer(c, nil)
	collect()
	C.im_client_free(c.handle)
	c.handle = nil
	return nil
}

// AddTag adds tags: one request of at most 100 users, each once, with at most 10 tags each. A tag that a user has
// already changes nothing.
func (c *Client) AddTag(ctx context.Context, users []UserTags) (*Result, error) {
	return c.call(ctx, requestOfUsers(add, users))
}

// RemoveTag removes tags; limits as AddTag. A tag that a user does not have changes nothing.
func (c *Client) RemoveTag(ctx context.Context, users []UserTags) (*Result, error) {
	return c.call(ctx, requestOfUsers(remove, users))
}

// ReplaceTags makes these the only tags that each user has, at most 100 a user. Only the timpush paths can do so (see
// [Config.Generation]); on the others it is StatusInvalid.
func (c *Client) ReplaceTags(ctx context.Context, users []UserTags) (*Result, error) {
	return c.call(ctx, requestOfUsers(replace, users))
}

// GetTag reads the tags of at most 100 accounts, each once: Result.Users has what was read, Result.Unanswered the
// accounts that the answer leaves out without a word.
func (c *Client) GetTag(ctx context.Context, accounts []string) (*Result, error) {
	return c.call(ctx, requestOfAccounts(get, accounts))
}

// ClearTags removes all tags of at most 100 accounts, each once.
func (c *Client) ClearTags(ctx context.Context, accounts []string) (*Result, error) {
	return c.call(ctx, requestOfAccounts(clear, accounts))
}

func (c *Client) call(ctx context.Context, request *request) (*Result, error) {
	if ctx == nil {
		return nil, errNoContext
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.handle == nil {
		return nil, ErrClosed
	}
	call := callOf(ctx)
	defer call.free()
	var result *C.im_result
	var failed *C.im_error
	if request.send(c.handle, call.handle, &result, &failed) == C.IM_OK {
		return takeResult(result), nil
	}
	err := takeError(failed)
	call.explain(err)
	return takeResult(result), err
}
