package imtag

// #include <imtag.h>
import "C"

import (
	"runtime"
	"sync"
)

// core is what the copies of a Client share, so that one that is closed is closed for all of them. It is allocated by
// itself, as Go ends a process that sets a finalizer on what lies inside of something else. A nil core is closed.
type core struct {
	mu      sync.Mutex
	handle  *C.im_client // nil once freed
	closed  bool
	running sync.WaitGroup // the calls; none is added once closed
}

func newCore(handle *C.im_client) *core {
	c := &core{handle: handle}
	runtime.SetFinalizer(c, (*core).close) // a net for who forgets
	return c
}

// enter counts a call among those that close waits for. A lock held for reading would do, but let a call wait for a
// Close that waits for another call, whatever its context says.
func (c *core) enter() (*C.im_client, error) {
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

// leave ends what enter began. That it comes last also keeps the client from being finalised meanwhile.
func (c *core) leave() { c.running.Done() }

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
