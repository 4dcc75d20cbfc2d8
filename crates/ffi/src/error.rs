//! What went wrong, as an object that the caller frees: transport's error, with the texts that C reads made once, so that
//! reading it costs nothing. It holds all failures, also those of a partial success.

use std::ffi::{CString, c_char};
use std::fmt::Display;

use imtag_core::{Effect, Invalid, Violation};
use imtag_transport::{Cause, ChangeError, Error, Refusal, SettingsError, Summary, Unfinished};

use crate::handle::{Misuse, free, read};
use crate::status::{
    IM_CANCELLED, IM_DEFECT, IM_INVALID, IM_MISUSE, IM_NOT_APPLIED, IM_OK, IM_PARTIAL,
    IM_POSSIBLY_APPLIED, IM_SETTINGS, IM_TIMEOUT, effect_of, im_effect, im_status, status_of,
};
use crate::str::{c_string, im_str};

/// Why a function failed. Made by the function that failed; freed by `im_error_free`; read by any thread. Every
/// function that reads one takes NULL for no error, and then returns 0, false, "", and "no error" for the message.
pub struct im_error {
    status: im_status,
    message: CString,
    remedy: CString,
    effect: im_effect,
    retryable: bool,
    attempts: u32,
    sent: u32,
    /// Of a call or a change, or of the request that ended a run.
    error: Option<Error>,
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
    refusal: Option<Refusal>,
    remedy: CString,
    effect: im_effect,
    retryable: bool,
}

impl im_error {
    pub(crate) fn not_sent(status: im_status, message: impl Display, remedy: &str) -> im_error {
        im_error {
            status,
            message: c_string(message.to_string()),
            remedy: c_string(remedy),
            effect: IM_NOT_APPLIED,
            retryable: false,
            attempts: 0,
            sent: 0,
            error: None,
            violations: Vec::new(),
            failures: Vec::new(),
            undone: Vec::new(),
        }
    }

    /// Of a call or a change.
    fn failed(error: &Error, message: &dyn Display) -> im_error {
        im_error {
            effect: effect_of(error.effect()),
            retryable: error.retryable(),
            attempts: error.attempts(),
            sent: error.sent(),
            violations: match error.cause() {
                Cause::Invalid(invalid) => broken(invalid),
                _ => Vec::new(),
            },
            error: Some(error.clone()),
            ..im_error::not_sent(status_of(error.cause()), message, error.remedy())
        }
    }

    pub(crate) fn misuse(what: &str) -> Box<im_error> {
        let message = format!("wrong use of libimtag, nothing was sent: {what}");
        let remedy = "fix the call; include/imtag.h says what it takes";
        Box::new(im_error::not_sent(IM_MISUSE, message, remedy))
    }

    pub(crate) fn settings(why: &str) -> Box<im_error> {
        Box::new(im_error::not_sent(IM_SETTINGS, why, "fix the setting"))
    }

    /// A panic. It may have happened after sending.
    pub(crate) fn defect(what: &str, effect: Effect) -> Box<im_error> {
        let message = format!("a defect of libimtag ({effect}): {what}");
        Box::new(im_error {
            effect: effect_of(effect),
            ..im_error::not_sent(IM_DEFECT, message, "please report it, with this message")
        })
    }

    /// The same error of a get: its tags were not read, also where nothing was sent.
    pub(crate) fn not_read(mut self: Box<im_error>) -> Box<im_error> {
        self.effect = effect_of(Effect::NotRead);
        self
    }

    /// What is wrong with a run as a whole.
    pub(crate) fn of_run(summary: &Summary) -> Result<(), Box<im_error>> {
        if summary.all_done() {
            return Ok(());
        }
        let error = summary.error();
        let status = match (&summary.ended, error) {
            (_, Some(error)) => status_of(error.cause()),
            (Some(_), None) => IM_CANCELLED,
            (None, None) => IM_PARTIAL,
        };
        Err(Box::new(im_error {
            effect: effect_of(summary.effect),
            retryable: summary.retryable(),
            error: error.cloned(),
            ..im_error::not_sent(status, summary, summary.remedy())
        }))
    }

    /// Changes that were still under way when a wait for their outcomes ended.
    pub(crate) fn unfinished(unfinished: Unfinished) -> Box<im_error> {
        let status = if unfinished.cancelled {
            IM_CANCELLED
        } else {
            IM_TIMEOUT
        };
        let remedy = unfinished.remedy();
        Box::new(im_error {
            effect: IM_POSSIBLY_APPLIED,
            retryable: true,
            ..im_error::not_sent(status, unfinished, remedy)
        })
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

impl From<SettingsError> for Box<im_error> {
    fn from(error: SettingsError) -> Self {
        im_error::settings(&error.to_string())
    }
}

impl From<Invalid> for Box<im_error> {
    fn from(invalid: Invalid) -> Self {
        let remedy = invalid.violations()[0].problem.remedy();
        Box::new(im_error {
            violations: broken(&invalid),
            ..im_error::not_sent(IM_INVALID, &invalid, remedy)
        })
    }
}

impl From<Error> for Box<im_error> {
    fn from(error: Error) -> Self {
        let failures = error.failures().iter().map(|(account, refusal)| Failed {
            account: account.clone(),
            remedy: c_string(refusal.code.remedy()),
            effect: effect_of(error.effect()),
            retryable: refusal.retryable(),
            refusal: Some(refusal.clone()),
        });
        Box::new(im_error {
            failures: failures.collect(),
            ..im_error::failed(&error, &error)
        })
    }
}

impl From<ChangeError> for Box<im_error> {
    fn from(error: ChangeError) -> Self {
        let message = error.to_string();
        let (error, account, undone) = error.into_parts();
        let failed = Failed {
            account,
            refusal: error.refusal().cloned(),
            remedy: c_string(error.remedy()),
            effect: effect_of(error.effect()),
            retryable: error.retryable(),
        };
        Box::new(im_error {
            failures: vec![failed],
            undone,
            ..im_error::failed(&error, &message)
        })
    }
}

fn broken(invalid: &Invalid) -> Vec<Broken> {
    let broken = |violation: &Violation| Broken {
        place: c_string(violation.place.to_string()),
        problem: c_string(violation.problem.to_string()),
        remedy: c_string(violation.problem.remedy()),
    };
    invalid.violations().iter().map(broken).collect()
}

const EMPTY: *const c_char = c"".as_ptr();

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
    read!(error, EMPTY, error.remedy.as_ptr())
}

/// The service's code if the service refused the request, else 0. Of a partial success: that of the first account.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_code(error: *const im_error) -> i32 {
    read!(error, error.error.as_ref()?.code()?.0)
}

/// The service's own text for the code (`ErrorInfo`), whole and unchanged; may be empty.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_text(error: *const im_error) -> im_str {
    read!(error, im_str::view(&error.error.as_ref()?.refusal()?.text))
}

/// What is known of the effect on the accounts that failed, over all attempts; IM_NOT_READ for a get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_effect(error: *const im_error) -> im_effect {
    read!(error, IM_NOT_APPLIED, error.effect)
}

/// Whether the same call may succeed later. Of a partial success: for any of the accounts that failed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_retryable(error: *const im_error) -> bool {
    read!(error, error.retryable)
}

/// How many attempts were made, including those that reached no server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_attempts(error: *const im_error) -> u32 {
    read!(error, error.attempts)
}

/// Attempts of which any byte left this machine: what the app's quota may have been charged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_attempts_sent(error: *const im_error) -> u32 {
    read!(error, error.sent)
}

/// The service's id of the request, for its support; empty if it sent none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_request_id(error: *const im_error) -> im_str {
    read!(error, im_str::view(error.error.as_ref()?.request_id()?))
}

/// How many limits the request breaks; above 0 for `IM_INVALID` only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_violation_count(error: *const im_error) -> usize {
    read!(error, error.violations.len())
}

/// Where a violation is, with positions counted from 0: `users[3].tags[2]`. Ends with a NUL; "" for an index out of
/// range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_violation_place(
    error: *const im_error,
    index: usize,
) -> *const c_char {
    read!(error, EMPTY, error.violations.get(index)?.place.as_ptr())
}

/// What a violation is, and the limit: `51 bytes, at most 50`. Ends with a NUL; "" for an index out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_violation_problem(
    error: *const im_error,
    index: usize,
) -> *const c_char {
    read!(error, EMPTY, error.violations.get(index)?.problem.as_ptr())
}

/// What to do about a violation. Ends with a NUL; "" for an index out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_violation_remedy(
    error: *const im_error,
    index: usize,
) -> *const c_char {
    read!(error, EMPTY, error.violations.get(index)?.remedy.as_ptr())
}

/// How many accounts failed in a partial success; 1 in the error of a change of a bulk run or a batcher, whatever its
/// status. It is 0 in any other error of a call, which concerns all accounts of the request.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_failure_count(error: *const im_error) -> usize {
    read!(error, error.failures.len())
}

/// An account that failed, or the one of a change, as far as it is UTF-8; empty for an index out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_failure_account(error: *const im_error, index: usize) -> im_str {
    read!(error, im_str::view(&error.failures.get(index)?.account))
}

/// The service's code for the account; 0 if the service refused nothing, or for an index out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_failure_code(error: *const im_error, index: usize) -> i32 {
    read!(error, error.failures.get(index)?.refusal.as_ref()?.code.0)
}

/// The service's own text for the account, unchanged; may be empty.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_failure_text(error: *const im_error, index: usize) -> im_str {
    read!(error, {
        let refusal = error.failures.get(index)?.refusal.as_ref()?;
        im_str::view(&refusal.text)
    })
}

/// What to do about the account. Ends with a NUL; "" for an index out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_failure_remedy(
    error: *const im_error,
    index: usize,
) -> *const c_char {
    read!(error, EMPTY, error.failures.get(index)?.remedy.as_ptr())
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
    read!(error, error.failures.get(index)?.retryable)
}

/// How many tags of a change of a bulk run or a batcher are not known to be added or removed. The change's other tags are
/// done. Example: a change of 25 tags goes in 3 requests; the last fails: 5. 0 for a change that clears, and for an error
/// of a call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_undone_count(error: *const im_error) -> usize {
    read!(error, error.undone.len())
}

/// A tag that is not known to be added or removed; empty for an index out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_undone(error: *const im_error, index: usize) -> im_str {
    read!(error, im_str::view(error.undone.get(index)?))
}

/// Frees an error; NULL does nothing. Not while a function reads it. Not the error of `im_completions_error`, which is
/// freed with the completions.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_error_free(error: *mut im_error) {
    free!(error);
}
