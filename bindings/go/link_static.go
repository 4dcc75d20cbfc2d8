//go:build imtag_static

package imtag

// #cgo pkg-config: imtag-static
import "C"
