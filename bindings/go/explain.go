package imtag

// #include <imtag.h>
import "C"

// Retry says whether a call that the service refused with a code may be made again.
type Retry int32

// The library has already retried as far as the deadline allowed.
const (
	RetryNever       Retry = C.IM_RETRY_NEVER        // it would fail again
	RetryBackoff     Retry = C.IM_RETRY_BACKOFF      // it may succeed at once or a little later
	RetryAfterWindow Retry = C.IM_RETRY_AFTER_WINDOW // the calls came too fast: once the second is over
	RetryOnceLater   Retry = C.IM_RETRY_ONCE_LATER   // one more try is worth it
	RetryNewUserSig  Retry = C.IM_RETRY_NEW_USERSIG  // one more try with a new UserSig is worth it
)

var retryNames = map[Retry]string{
	RetryNever:       "never",
	RetryBackoff:     "backoff",
	RetryAfterWindow: "after window",
	RetryOnceLater:   "once later",
	RetryNewUserSig:  "new UserSig",
}

// String is a word or two.
func (r Retry) String() string {
	return nameOf(r, retryNames, "retry")
}

// Explanation is what a code of the service means.
type Explanation struct {
	Known   bool // whether the catalogue has the code
	Meaning string
	Remedy  string
	Retry   Retry
	Effect  Effect
}

// Explain says what a code of the service means. For a code that the catalogue does not have, it says what holds for every
// unknown code.
func Explain(code int) Explanation {
	if int(int32(code)) != code {
		code = 0 // unknown, as is every code that C cannot hold
	}
	var meaning, remedy C.im_str
	var retry C.im_retry
	var effect C.im_effect
	known := C.im_explain(C.int32_t(code), &meaning, &remedy, &retry, &effect)
	return Explanation{bool(known), text(meaning), text(remedy), Retry(retry), Effect(effect)}
}
