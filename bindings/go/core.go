package imtag

// #include <imtag.h>
import "C"

import (
	"runtime"
	"sync"
)

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
