package imtag

// #include <imtag.h>
import "C"

import (
	"context"
	"errors"
	"fmt"
)

// ErrClosed is what a closed client answers; nothing was sent.
var ErrClosed error = errorText("imtag: the client is closed: make another with NewClient")

// Status says what became of a call that was not done for every account.
type Status int32

// New ones may be added: treat one that you do not know as a failure.
const (
	StatusPartial       Status = C.IM_PARTIAL        // done, but for the accounts that Failures names
	StatusInvalid       Status = C.IM_INVALID        // the request breaks limits, see Violations; nothing was sent
	StatusMisuse        Status = C.IM_MISUSE         // called as it may not be; nothing was sent
	StatusSettings      Status = C.IM_SETTINGS       // no client can be made of the Config
	StatusCredentials   Status = C.IM_CREDENTIALS    // no UserSig could be had; nothing was sent
	StatusService       Status = C.IM_SERVICE        // the service refused the whole request, with Code
	StatusHTTP          Status = C.IM_HTTP_STATUS    // an HTTP status other than 200: not the service's own answer
	StatusTimeout       Status = C.IM_TIMEOUT        // the time was up
	StatusCancelled     Status = C.IM_CANCELLED      // the context was cancelled
	StatusNetwork       Status = C.IM_NETWORK        // the network failed
	StatusTLS           Status = C.IM_TLS            // the server could not prove who it is, or TLS failed otherwise
	StatusNotUnderstood Status = C.IM_NOT_UNDERSTOOD // an answer that is not one of the service's
	StatusDefect        Status = C.IM_DEFECT         // a defect of the library: please report the message
	StatusFull          Status = C.IM_FULL           // the batcher is full, and set to fail then: the change was not taken
	StatusClosed        Status = C.IM_CLOSED         // the batcher is closed: the change was not taken
	StatusNoThread      Status = C.IM_NO_THREAD      // the system gave no thread to send with
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

// String is the status in a word.
func (s Status) String() string {
	if name, known := statusNames[s]; known {
		return name
	}
	return fmt.Sprintf("status %d", int32(s))
}

// Effect says what is known of the effect on an account.
type Effect int32

const (
	NotApplied      Effect = C.IM_NOT_APPLIED      // the service did not carry it out
	PossiblyApplied Effect = C.IM_POSSIBLY_APPLIED // it may have been carried out, or may be yet
	Applied         Effect = C.IM_APPLIED          // it was carried out
	NotRead         Effect = C.IM_NOT_READ         // of a get, which has no effect: its tags were not read
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
	// Code is the service's where that is what went wrong, else 0. Of a partial success: the first account's.
	Code int
	// Text is the service's own text beside the code, as it came.
	Text string
	// Remedy says what the caller can do.
	Remedy string
	// Effect is what is known of the effect on the accounts that failed, over all attempts.
	Effect Effect
	// Attempts counts the attempts that were made, those with it that reached nobody.
	Attempts int
	// AttemptsSent counts those of which any byte left this machine: what the app's quota may have been charged.
	AttemptsSent int
	// RequestID is the service's number for the request, for its support; empty where it gave none.
	RequestID string
	// Violations are the limits that the request breaks: all of them, for StatusInvalid only.
	Violations []Violation
	// Failures are the accounts that a partial success left out, and the one of a change of a bulk run or a batcher. Any
	// other error of a call concerns all accounts.
	Failures []Failure

	message   string
	retryable bool
	cause     error
}

// Violation is a limit that a request breaks.
type Violation struct {
	Place   string // by positions counted from 0, such as users[3].tags[2]
	Problem string // such as: 51 bytes, at most 50
	Remedy  string
}

// Failure is an account that a partial success left out, or a change of it that is not done.
type Failure struct {
	// Index is the position of a bulk run's change in the input, counted from 0; else it is 0.
	Index   int
	Account string
	// Undone are the tags of a change that are not known to be added or removed; what the change had besides is done.
	// Empty for a change that clears, and for a call.
	Undone    []string
	Code      int
	Text      string // the service's own
	Remedy    string
	Effect    Effect
	Retryable bool // whether the same call may succeed later for this account
}

// Error says what went wrong, to what, what is known of the effect, and what to do.
func (e *Error) Error() string { return e.message }

// Unwrap is the context's error where that is what ended the call.
func (e *Error) Unwrap() error { return e.cause }

// Retryable says whether the same call may succeed later as it is; of a partial success: for any account left out.
func (e *Error) Retryable() bool { return e.retryable }

// Timeout says whether the time was up, the call's or the context's.
func (e *Error) Timeout() bool {
	return e.Status == StatusTimeout || errors.Is(e.cause, context.DeadlineExceeded)
}

// PossiblyApplied says whether the call may have been carried out all the same: read the tags, or send it again, before
// relying on either.
func (e *Error) PossiblyApplied() bool { return e.Effect == PossiblyApplied }

// takeError copies an error of C's and frees it.
func takeError(failed *C.im_error) *Error {
	defer C.im_error_free(failed)
	return errorOf(failed)
}

// errorOf copies an error of C's.
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
	for i := C.size_t(0); i < C.im_error_undone_count(failed); i++ { // then it is of one account
		taken.Failures[0].Undone = append(taken.Failures[0].Undone, text(C.im_error_undone(failed, i)))
	}
	return taken
}
