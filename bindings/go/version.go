package imtag

// #include <imtag.h>
import "C"

import (
	"fmt"
	"sync"
)

// Version is the version of the library that was loaded, such as 0.1.0.
func Version() string {
	return C.GoString(C.im_version())
}

// checkVersion fails if the library that was loaded does not fit the header that this package was built with.
var checkVersion = sync.OnceValue(func() error {
	return fits(C.IM_VERSION, Version())
})

// fits follows semantic versions. From 1.0 up every newer version fits, up to the next major version; below 1.0 each
// minor version may break programs, so only a newer patch level fits.
func fits(header, library string) error {
	var built, loaded [3]int
	_, badHeader := fmt.Sscanf(header, "%d.%d.%d", &built[0], &built[1], &built[2])
	_, badLibrary := fmt.Sscanf(library, "%d.%d.%d", &loaded[0], &loaded[1], &loaded[2])
	same := built[0] == loaded[0] && (built[0] > 0 || built[1] == loaded[1])
	newer := loaded[1] > built[1] || (loaded[1] == built[1] && loaded[2] >= built[2])
	if badHeader != nil || badLibrary != nil || !same || !newer {
		return errorText(fmt.Sprintf("imtag: built with libimtag %s, but %s was loaded: "+
			"build again with the installed version, or install the other", header, library))
	}
	return nil
}
