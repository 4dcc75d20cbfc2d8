package imtag

// #include <imtag.h>
import "C"

import "time"

// CallOption is an option of one call. The time for the whole call is that of its context.
type CallOption struct {
	attemptTimeout time.Duration
}

// AttemptTimeout sets the time for one attempt, from its turn in the quota; when it is up, the call may try again. If it
// is not set, an attempt has half of the time that the call has left: of 10 s, the first has 5 s. After an attempt
// without an answer in that time, the next has all that is left.
func AttemptTimeout(timeout time.Duration) CallOption {
	return CallOption{attemptTimeout: timeout}
}

func (o CallOption) set(call *C.im_call) {
	C.im_call_set_attempt_timeout_ms(call, milliseconds(o.attemptTimeout))
}
