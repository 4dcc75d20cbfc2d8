package imtag

// #include <imtag.h>
import "C"

import "time"

// CallOption changes one call. The time of the whole call is its context's.
type CallOption struct {
	attemptTimeout time.Duration
}

// AttemptTimeout sets the time for one attempt, once it has its turn in the quota; when it is up, the call may try
// again. Without it an attempt may use half of the time that the call has left, and all of it once one was silent for
// so long.
func AttemptTimeout(timeout time.Duration) CallOption {
	return CallOption{attemptTimeout: timeout}
}

func (o CallOption) set(call *C.im_call) {
	C.im_call_set_attempt_timeout_ms(call, milliseconds(o.attemptTimeout))
}
