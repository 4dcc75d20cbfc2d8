//! What went wrong, as an object that the caller frees. It is copied from the transport's error once, so that reading it
//! costs nothing, and it holds all failures, also those of a partial success.

mod from_transport;

use std::ffi::{CString, c_char};

use imtag_core::Effect;

use crate::handle::{free, read};
use crate::misuse::Misuse;
use crate::status::{
    IM_DEFECT, IM_MISUSE, IM_NOT_APPLIED, IM_OK, IM_SETTINGS, effect_of, im_effect, im_status,
};
use crate::text::{c_string, im_str};

/// Why a function failed. Made by the function that failed; freed by `im_error_free`; read by any thread. Every
/// function that reads one takes NULL for no error, and then answers 0, false, "", and "no error" for the message.
pub struct im_error {
    status: im_status,
    message: CString,
    remedy: CString,
    code: i32,
    text: String,
    effect: im_effect,
    retryable: bool,
    attempts: u32,
    sent: u32,
    request_id: Option<String>,
    violations: Vec<Broken>,
    failures: Vec<Failed>,
    undone: Vec<String>,
}

/// A limit that the request breaks.
struct Broken {
    place: CString,
    problem: CString,
    remedy: CString,
}

/// An account that the request was not done for.
struct Failed {
    account: String,
    code: i32,
    text: String,
    remedy: CString,
    effect: im_effect,
    retryable: bool,
}

impl im_error {
    fn of_nothing_sent(status: im_status, message: String, remedy: &str) -> im_error {
        im_error {
            status,
            message: c_string(message),
            remedy: c_string(remedy),
            code: 0,
            text: String::new(),
            effect: IM_NOT_APPLIED,
            retryable: false,
            attempts: 0,
            sent: 0,
            request_id: None,
            violations: Vec::new(),
            failures: Vec::new(),
            undone: Vec::new(),
        }
    }

    pub(crate) fn misuse(what: &str) -> Box<im_error> {
        let message = format!("wrong use of libimtag, nothing was sent: {what}");
        let remedy = "fix the call; include/imtag.h says what it takes";
        Box::new(im_error::of_nothing_sent(IM_MISUSE, message, remedy))
    }

    pub(crate) fn settings(why: &str) -> Box<im_error> {
        let remedy = "fix the setting";
        Box::new(im_error::of_nothing_sent(
            IM_SETTINGS,
            why.to_owned(),
            remedy,
        ))
    }

    /// A panic. It may have happened after sending.
    pub(crate) fn defect(what: &str, effect: Effect) -> im_error {
        let message = format!("a defect of libimtag ({effect}): {what}");
        im_error {
            effect: effect_of(effect),
            ..im_error::of_nothing_sent(IM_DEFECT, message, "please report it, with this message")
        }
    }

    /// The same error of a get: its tags were not read, also where nothing was sent.
    pub(crate) fn not_read(mut self: Box<im_error>) -> Box<im_error> {
        self.effect = effect_of(Effect::NotRead);
        self
    }

    pub(crate) fn status(&self) -> im_status {
        self.status
    }

    #[cfg(test)]
    pub(crate) fn message(&self) -> &str {
        self.message.to_str().unwrap()
    }
}

impl From<Misuse> for Box<im_error> {
    fn from(misuse: Misuse) -> Self {
        im_error::misuse(misuse.what())
    }
}

const NO_TEXT: *const c_char = c"".as_ptr();

/// The status that the function returned; `IM_OK` for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_status(error: *const im_error) -> im_status {
    read!(error, IM_OK, error.status)
}

/// What went wrong, to what, what is known of the effect, and what to do: a sentence for a log. Ends with a NUL;
/// never NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_message(error: *const im_error) -> *const c_char {
    read!(error, c"no error".as_ptr(), error.message.as_ptr())
}

/// What the caller can do. Ends with a NUL; never NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_remedy(error: *const im_error) -> *const c_char {
    read!(error, NO_TEXT, error.remedy.as_ptr())
}

/// The service's code where that is what went wrong, else 0. Of a partial success: the first account's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_code(error: *const im_error) -> i32 {
    read!(error, 0, error.code)
}

/// The service's own text beside the code, whole and as it came (`ErrorInfo`); may be empty.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_text(error: *const im_error) -> im_str {
    read!(error, im_str::EMPTY, im_str::view(&error.text))
}

/// What is known of the effect on the accounts that failed, over all attempts; IM_NOT_READ for a get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_effect(error: *const im_error) -> im_effect {
    read!(error, IM_NOT_APPLIED, error.effect)
}

/// Whether the same call may succeed later. Of a partial success: for any of the accounts left out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_retryable(error: *const im_error) -> bool {
    read!(error, false, error.retryable)
}

/// How many attempts were made, including those that reached no server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_attempts(error: *const im_error) -> u32 {
    read!(error, 0, error.attempts)
}

/// Attempts of which any byte left this machine: what the app's quota may have been charged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_attempts_sent(error: *const im_error) -> u32 {
    read!(error, 0, error.sent)
}

/// The service's number for the request, for its support; empty where it gave none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_request_id(error: *const im_error) -> im_str {
    read!(
        error,
        im_str::EMPTY,
        im_str::view(error.request_id.as_deref().unwrap_or_default())
    )
}

/// How many limits the request breaks; more than 0 for `IM_INVALID` only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_violation_count(error: *const im_error) -> usize {
    read!(error, 0, error.violations.len())
}

/// Where a violation is, by positions counted from 0: `users[3].tags[2]`. Ends with a NUL; "" for an index out of
/// range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_violation_place(
    error: *const im_error,
    index: usize,
) -> *const c_char {
    read!(error, NO_TEXT, error.violations.get(index)?.place.as_ptr())
}

/// What a violation is, and the limit: `51 bytes, at most 50`. Ends with a NUL; "" for an index out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_violation_problem(
    error: *const im_error,
    index: usize,
) -> *const c_char {
    read!(
        error,
        NO_TEXT,
        error.violations.get(index)?.problem.as_ptr()
    )
}

/// What to do about a violation. Ends with a NUL; "" for an index out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_violation_remedy(
    error: *const im_error,
    index: usize,
) -> *const c_char {
    read!(error, NO_TEXT, error.violations.get(index)?.remedy.as_ptr())
}

/// How many accounts a partial success left out; and 1 in the error of a change of a bulk run or a batcher, whatever its
/// status. It is 0 in any other error of a call, which concerns all accounts of the request.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_failure_count(error: *const im_error) -> usize {
    read!(error, 0, error.failures.len())
}

/// An account that was left out, or the one of a change, as far as it is UTF-8; empty for an index out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_failure_account(error: *const im_error, index: usize) -> im_str {
    read!(
        error,
        im_str::EMPTY,
        im_str::view(&error.failures.get(index)?.account)
    )
}

/// The service's code for the account; 0 where that is not what went wrong, or for an index out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_failure_code(error: *const im_error, index: usize) -> i32 {
    read!(error, 0, error.failures.get(index)?.code)
}

/// The service's own text for the account, as it came; may be empty.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_failure_text(error: *const im_error, index: usize) -> im_str {
    read!(
        error,
        im_str::EMPTY,
        im_str::view(&error.failures.get(index)?.text)
    )
}

/// What to do about the account. Ends with a NUL; "" for an index out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_failure_remedy(
    error: *const im_error,
    index: usize,
) -> *const c_char {
    read!(error, NO_TEXT, error.failures.get(index)?.remedy.as_ptr())
}

/// What is known of the effect on the account.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_failure_effect(
    error: *const im_error,
    index: usize,
) -> im_effect {
    read!(error, IM_NOT_APPLIED, error.failures.get(index)?.effect)
}

/// Whether the same call may succeed later for the account.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_failure_retryable(error: *const im_error, index: usize) -> bool {
    read!(error, false, error.failures.get(index)?.retryable)
}

/// How many tags of a change of a bulk run or a batcher are not known to be added or removed; what the change had
/// besides is done. 0 for a change that clears, and for an error of a call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_undone_count(error: *const im_error) -> usize {
    read!(error, 0, error.undone.len())
}

/// A tag that is not known to be added or removed; empty for an index out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_undone(error: *const im_error, index: usize) -> im_str {
    read!(error, im_str::EMPTY, im_str::view(error.undone.get(index)?))
}

/// Frees an error; NULL is none, and one of completions goes with them. Not during a function that reads it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_free(error: *mut im_error) {
    free!(error);
}
