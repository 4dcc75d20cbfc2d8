//go:build imtag_debug

package imtag

import "runtime"

// collect frees whatever is not held, so that what C is given and Go has let go of is gone when C looks at it. It waits
// for the finalizers that this calls for: they run one after the other, so those of the first round are over when that
// of the second has run.
func collect() {
	for range 2 {
		done := make(chan struct{})
		sentinel := &struct{ done chan struct{} }{done}
		runtime.SetFinalizer(sentinel, func(*struct{ done chan struct{} }) { close(done) })
		runtime.GC()
		<-done
	}
}
