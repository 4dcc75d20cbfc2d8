package imtag

// #include <imtag.h>
import "C"

import "fmt"

// Retry says whether a call that the service refused with a code may be made again.
type Retry int32

// The library has already done what was possible within the deadline.
const (
	RetryNever       Retry = C.IM_RETRY_NEVER        // it would fail again
	RetryBackoff     Retry = C.IM_RETRY_BACKOFF      // it may succeed at once or a little later
	RetryAfterWindow Retry = C.IM_RETRY_AFTER_WINDOW // it came too fast: once the second is over
	RetryOnceLater   Retry = C.IM_RETRY_ONCE_LATER   // it is worth a single try more
	RetryNewUserSig  Retry = C.IM_RETRY_NEW_USERSIG  // it is worth a single try more, with a new UserSig
)

var retryNames = map[Retry]string{
	RetryNever:       "never",
	RetryBackoff:     "backoff",
	RetryAfterWindow: "after window",
	RetryOnceLater:   "once later",
	RetryNewUserSig:  "new UserSig",
}

// String is what may be done, in a word or two.
func (r Retry) String() string {
	if name, known := retryNames[r]; known {
		return name
	}
	return fmt.Sprintf("retry %d", int32(r))
}

// Explanation is what a code of the service means.
type Explanation struct {
	Known   bool // whether the service's documentation names the code
	Meaning string
	Remedy  string
	Retry   Retry
	Effect  Effect
}

// Explain looks a code of the service up. Of a code that no page names it says what holds for all such.
func Explain(code int) Explanation {
	if int(int32(code)) != code {
		code = 0 // which is no error's, and as unknown as one that C cannot hold
	}
	var meaning, remedy C.im_str
	var retry C.im_retry
	var effect C.im_effect
	known := C.im_explain(C.int32_t(code), &meaning, &remedy, &retry, &effect)
	return Explanation{bool(known), text(meaning), text(remedy), Retry(retry), Effect(effect)}
}
