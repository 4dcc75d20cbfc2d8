//go:build imtag_debug

package imtag

import "runtime"

// collect frees all garbage, so that memory that C is given and Go no longer holds is freed before C reads it. It waits
// for the finalizers: they run one after the other, so those of the first round have run when that of the second has.
func collect() {
	for range 2 {
		done := make(chan struct{})
		sentinel := &struct{ done chan struct{} }{done}
		runtime.SetFinalizer(sentinel, func(*struct{ done chan struct{} }) { close(done) })
		runtime.GC()
		<-done
	}
}
