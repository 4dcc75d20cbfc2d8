package imtag

// #include <imtag.h>
import "C"

import (
	"fmt"
	"time"
)

// namedDuration is a duration option with its name.
type namedDuration struct {
	name string
	time time.Duration
}

// checkOptions finds negative options, which C's types cannot hold.
func checkOptions(capacity int, times []namedDuration) error {
	for _, it := range times {
		if it.time < 0 {
			return badSetting(fmt.Sprintf("the %s is %v", it.name, it.time), "set one above 0, or none for the default")
		}
	}
	if capacity < 0 {
		return badSetting(fmt.Sprintf("the Capacity is %d", capacity), "set one above 0, or none for the default")
	}
	return nil
}

func badSetting(what, remedy string) *Error {
	return &Error{Status: StatusSettings, Remedy: remedy, message: what + ": " + remedy}
}

// milliseconds rounds up, so that a time above 0 does not become 0; a time below 0 is 0.
func milliseconds(d time.Duration) C.uint64_t {
	if d <= 0 {
		return 0
	}
	return C.uint64_t((d-1)/time.Millisecond) + 1
}
