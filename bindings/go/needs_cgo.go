//go:build !cgo

package imtag

// The one error of a build without cgo, which leaves out all other files.
const _ int = "imtag needs cgo: CGO_ENABLED=1, and CC for another platform"
