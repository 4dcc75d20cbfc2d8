//go:build !imtag_static

package imtag

// #cgo pkg-config: imtag
import "C"
