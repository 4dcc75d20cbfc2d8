//go:build !cgo

package imtag

// The one line that a build without cgo says: all other files are left out of it.
const _ int = "imtag needs cgo: CGO_ENABLED=1, and CC for another platform"
