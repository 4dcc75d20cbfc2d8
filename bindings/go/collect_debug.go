//go:build imtag_debug

package imtag

import "runtime"

// collect frees whatever is not held, so that what C is given and Go has let go of is gone when C looks at it.
func collect() {
	runtime.GC()
	runtime.GC() // what a finalizer let go of in the first round
}
