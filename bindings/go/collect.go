//go:build !imtag_debug

package imtag

// collect does nothing. With the build tag imtag_debug it collects garbage before every call into C.
func collect() {}
