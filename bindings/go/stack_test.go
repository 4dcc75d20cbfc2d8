package imtag_test

import (
	"testing"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

// Go moves a goroutine's stack when it grows or, during garbage collection, shrinks, and ends the process if it finds an
// invalid pointer on it, which C may use for an empty list. At each depth the stack has to grow in another step of
// reading the result; with imtag_debug it shrinks in between.
func TestAStackMayMoveWhileAnEmptyListIsRead(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, "--calls-per-second", "100000")
	client := e.client(t, func(c *imtag.Config) { c.CallsPerSecond = 100000 })
	for depth := range 100 {
		done := make(chan error)
		go func() {
			done <- at(depth, func() error {
				_, err := client.GetTag(background, []string{"nobody", "nobody else"})
				return err
			})
		}()
		equal(t, "error", <-done, nil)
	}
	for range 10 {
		done := make(chan error)
		go func() {
			at(1000, func() error { return nil })
			_, err := client.GetTag(background, []string{"nobody", "nobody else"})
			done <- err
		}()
		equal(t, "error", <-done, nil)
	}
}

//go:noinline
func at(depth int, act func() error) error {
	var used [48]byte
	if depth == 0 {
		return act()
	}
	err := at(depth-1, act)
	used[depth%len(used)]++
	return err
}
