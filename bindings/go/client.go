package imtag

// #include <imtag.h>
import "C"

import (
	"context"
)

// Client is a client of the service: connections, quota, UserSig and retry budget that all goroutines share. Any number
// of them may use it at once. NewClient makes one; a copy is the same client. A nil or zero Client is as a closed one.
type Client struct {
	*core // nil where NewClient did not make it
}

var errNoContext error = errorText("imtag: the context is nil: pass context.Background()")

// NewClient makes a client; nothing is sent yet. The error is an *Error with StatusSettings that names all
// settings that are needed and not set, or the first that cannot be used; or it says that the library that was loaded is of another version than this package was built with.
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
	return &Client{newCore(handle)}, nil
}

// Close ends the client: calls that are made from now on answer ErrClosed, and those that run are waited for; cancel
// their contexts to be done sooner. It may be called more than once, and of a nil Client, as in a defer before the error
// of NewClient is looked at; it always returns nil.
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
	core := c.shared()
	handle, err := core.enter()
	if err != nil {
		return nil, err
	}
	defer core.leave()
	call := callOf(ctx, options)
	defer call.free()
	var result *C.im_result
	var failed *C.im_error
	if request.send(handle, call.handle, &result, &failed) == C.IM_OK {
		return takeResult(result), nil
	}
	what := takeError(failed)
	explain(ctx, what)
	return takeResult(result), what
}

// shared is nil for a client that NewClient did not make.
func (c *Client) shared() *core {
	if c == nil {
		return nil
	}
	return c.core
}
