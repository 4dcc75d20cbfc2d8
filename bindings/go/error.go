package imtag

// #include <imtag.h>
import "C"

import (
	"context"
	"errors"
	"fmt"
)

// ErrClosed is the error of a call of a closed client; nothing was sent.
var ErrClosed error = errorText("imtag: the client is closed: make another with NewClient")

// ErrBatcherClosed is wrapped by the error of a change that a closed batcher did not take: errors.Is finds it.
var ErrBatcherClosed error = errorText("imtag: the batcher is closed: make another with NewBatcher")

var errNoContext error = errorText("imtag: the context is nil: pass context.Background()")

// errorText is an error that has only a text, also in JSON.
type errorText string

func (e errorText) Error() string { return string(e) }

// Status says how a call ended that was not done for every account.
type Status int32

// New ones may be added: treat one that you do not know as a failure.
const (
	StatusPartial       Status = C.IM_PARTIAL        // done, except for the accounts that Failures names
	StatusInvalid       Status = C.IM_INVALID        // the request breaks limits, see Violations; nothing was sent
	StatusMisuse        Status = C.IM_MISUSE         // a wrong use of the library; nothing was sent
	StatusSettings      Status = C.IM_SETTINGS       // no client can be made with the Config
	StatusCredentials   Status = C.IM_CREDENTIALS    // there is no UserSig; see Effect
	StatusService       Status = C.IM_SERVICE        // the service refused the whole request, with Code
	StatusHTTP          Status = C.IM_HTTP_STATUS    // an HTTP status other than 200: not the service's own answer
	StatusTimeout       Status = C.IM_TIMEOUT        // the time was up
	StatusCancelled     Status = C.IM_CANCELLED      // the context was cancelled
	StatusNetwork       Status = C.IM_NETWORK        // the network failed
	StatusTLS           Status = C.IM_TLS            // the server could not prove its identity, or TLS failed otherwise
	StatusNotUnderstood Status = C.IM_NOT_UNDERSTOOD // an answer that is not one of the service's
	StatusDefect        Status = C.IM_DEFECT         // a defect of the library: please report the message
	StatusFull          Status = C.IM_FULL           // the batcher is full, and set to fail then: the change was not taken
	StatusClosed        Status = C.IM_CLOSED         // the batcher is closed: the change was not taken
	StatusNoThread      Status = C.IM_NO_THREAD      // the system has no thread to send with
)

var statusNames = map[Status]string{
	StatusPartial:       "partial",
	StatusInvalid:       "invalid",
	StatusMisuse:        "misuse",
	StatusSettings:      "settings",
	StatusCredentials:   "credentials",
	StatusService:       "service",
	StatusHTTP:          "http_status",
	StatusTimeout:       "timeout",
	StatusCancelled:     "cancelled",
	StatusNetwork:       "network",
	StatusTLS:           "tls",
	StatusNotUnderstood: "not_understood",
	StatusDefect:        "defect",
	StatusFull:          "full",
	StatusClosed:        "closed",
	StatusNoThread:      "no_thread",
}

// String is the status as a word.
func (s Status) String() string {
	return nameOf(s, statusNames, "status")
}

// nameOf is the name of a number, or the number itself if this package does not know it.
func nameOf[Number ~int32](number Number, names map[Number]string, what string) string {
	if name, known := names[number]; known {
		return name
	}
	return fmt.Sprintf("%s %d", what, int32(number))
}

// Effect says what is known of the effect on an account.
type Effect int32

const (
	NotApplied      Effect = C.IM_NOT_APPLIED      // the service did not carry it out
	PossiblyApplied Effect = C.IM_POSSIBLY_APPLIED // it may have carried it out, or may do so later
	Applied         Effect = C.IM_APPLIED          // it carried it out
	NotRead         Effect = C.IM_NOT_READ         // for a get, which has no effect: its tags were not read
)

// String is the effect in words.
func (e Effect) String() string {
	switch e {
	case NotApplied:
		return "not applied"
	case Applied:
		return "applied"
	case NotRead:
		return "not read"
	default:
		return "possibly applied"
	}
}

// Error says why a call was not done for every account, why a change is not done, or why no client could be made.
type Error struct {
	Status Status
	// Code is the service's code if it refused the request, else 0. Of a partial success: that of the first account.
	Code int
	// Text is the service's own text for the code, unchanged.
	Text string
	// Remedy says what the caller can do.
	Remedy string
	// Effect is what is known of the effect on the accounts that failed, over all attempts.
	Effect Effect
	// Attempts counts the attempts that were made, including those that reached no server.
	Attempts int
	// AttemptsSent counts those of which any byte left this machine: what the app's quota may have been charged.
	AttemptsSent int
	// RequestID is the service's id of the request, for its support; empty if it sent none.
	RequestID string
	// Violations are the limits that the request breaks: all of them, for StatusInvalid only.
	Violations []Violation
	// Failures are the accounts that failed in a partial success, or the one of a change of a bulk run or a batcher. Any
	// other error of a call concerns all accounts.
	Failures []Failure

	message   string
	retryable bool
	cause     error
}

// Violation is a limit that a request breaks.
type Violation struct {
	Place   string // with positions counted from 0: users[3].tags[2]
	Problem string // as in: 51 bytes, at most 50
	Remedy  string
}

// Failure is an account that failed in a partial success, or a change that failed.
type Failure struct {
	// Index is the position of a bulk run's change in the input, counted from 0; else it is 0.
	Index   int
	Account string
	// Undone are the tags of a change that are not known to be added or removed. The change's other tags are done. Example:
	// a change of 25 tags goes in 3 requests; the last fails: 5 tags. Empty for a change that clears, and for a call.
	Undone    []string
	Code      int
	Text      string // the service's own
	Remedy    string
	Effect    Effect
	Retryable bool // whether the same call may succeed later for this account
}

// Error says what went wrong, to what, what is known of the effect, and what to do.
func (e *Error) Error() string { return e.message }

// Unwrap is the context's error, if the context ended the call.
func (e *Error) Unwrap() error { return e.cause }

// Retryable says whether the same call may succeed later. Of a partial success: for any of the accounts that failed.
func (e *Error) Retryable() bool { return e.retryable }

// Timeout says whether the time was up, the call's or the context's.
func (e *Error) Timeout() bool {
	return e.Status == StatusTimeout || errors.Is(e.cause, context.DeadlineExceeded)
}

// PossiblyApplied says whether the call may have been carried out all the same: read the tags, or send it again, before
// relying on either.
func (e *Error) PossiblyApplied() bool { return e.Effect == PossiblyApplied }

// takeError copies an error of C and frees it.
func takeError(failed *C.im_error) *Error {
	defer C.im_error_free(failed)
	return errorOf(failed)
}

// errorOf copies an error of C.
func errorOf(failed *C.im_error) *Error {
	taken := &Error{
		Status:       Status(C.im_error_status(failed)),
		Code:         int(C.im_error_code(failed)),
		Text:         text(C.im_error_text(failed)),
		Remedy:       C.GoString(C.im_error_remedy(failed)),
		Effect:       Effect(C.im_error_effect(failed)),
		Attempts:     int(C.im_error_attempts(failed)),
		AttemptsSent: int(C.im_error_attempts_sent(failed)),
		RequestID:    text(C.im_error_request_id(failed)),
		message:      C.GoString(C.im_error_message(failed)),
		retryable:    bool(C.im_error_retryable(failed)),
	}
	for i := C.size_t(0); i < C.im_error_violation_count(failed); i++ {
		taken.Violations = append(taken.Violations, Violation{
			Place:   C.GoString(C.im_error_violation_place(failed, i)),
			Problem: C.GoString(C.im_error_violation_problem(failed, i)),
			Remedy:  C.GoString(C.im_error_violation_remedy(failed, i)),
		})
	}
	for i := C.size_t(0); i < C.im_error_failure_count(failed); i++ {
		taken.Failures = append(taken.Failures, Failure{
			Account:   text(C.im_error_failure_account(failed, i)),
			Code:      int(C.im_error_failure_code(failed, i)),
			Text:      text(C.im_error_failure_text(failed, i)),
			Remedy:    C.GoString(C.im_error_failure_remedy(failed, i)),
			Effect:    Effect(C.im_error_failure_effect(failed, i)),
			Retryable: bool(C.im_error_failure_retryable(failed, i)),
		})
	}
	for i := C.size_t(0); i < C.im_error_undone_count(failed); i++ { // the error of a change, which has one account
		taken.Failures[0].Undone = append(taken.Failures[0].Undone, text(C.im_error_undone(failed, i)))
	}
	return taken
}
