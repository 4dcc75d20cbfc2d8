//! What the transport and its checks say went wrong, as the object that C reads.

use imtag_core::{Invalid, Violation};
use imtag_transport::{
    Cause, ChangeCause, ChangeError, Error, Failure, SettingsError, Summary, Unfinished,
};

use super::{Broken, Failed, im_error};
use crate::status::{
    IM_CANCELLED, IM_INVALID, IM_PARTIAL, IM_POSSIBLY_APPLIED, IM_TIMEOUT, effect_of, status_of,
    status_of_change,
};
use crate::text::c_string;

impl From<SettingsError> for Box<im_error> {
    fn from(error: SettingsError) -> Self {
        im_error::settings(&error.to_string())
    }
}

impl From<&Error> for Box<im_error> {
    fn from(error: &Error) -> Self {
        Box::new(im_error {
            status: status_of(error.cause()),
            message: c_string(error.to_string()),
            remedy: c_string(error.remedy()),
            code: error.code().map_or(0, |code| code.0),
            text: text_of(error),
            effect: effect_of(error.effect()),
            retryable: error.retryable(),
            attempts: error.attempts(),
            sent: error.sent(),
            request_id: error.request_id().map(str::to_owned),
            violations: match error.cause() {
                Cause::Invalid(invalid) => broken(invalid),
                _ => Vec::new(),
            },
            failures: error.failures().iter().map(Failed::new).collect(),
            undone: Vec::new(),
        })
    }
}

/// The service's own words.
fn text_of(error: &Error) -> String {
    error
        .refusal()
        .map_or_else(String::new, |refusal| refusal.text.clone())
}

impl From<&ChangeError> for Box<im_error> {
    fn from(error: &ChangeError) -> Self {
        let request = match error.cause() {
            ChangeCause::Request(request) => Some(request),
            _ => None,
        };
        let (code, text) = match error.refusal() {
            Some(refusal) => (refusal.code.0, refusal.text.clone()),
            None => (0, String::new()),
        };
        let request_id = request.and_then(|request| request.request_id());
        let remedy = c_string(error.remedy());
        let failed = Failed {
            account: error.account().to_owned(),
            code,
            text: text.clone(),
            remedy: remedy.clone(),
            effect: effect_of(error.effect()),
            retryable: error.retryable(),
        };
        Box::new(im_error {
            status: status_of_change(error.cause()),
            message: c_string(error.to_string()),
            remedy,
            code,
            text,
            effect: failed.effect,
            retryable: failed.retryable,
            attempts: request.map_or(0, |request| request.attempts()),
            sent: request.map_or(0, |request| request.sent()),
            request_id: request_id.map(str::to_owned),
            violations: match error.cause() {
                ChangeCause::Invalid(invalid) => broken(invalid),
                _ => Vec::new(),
            },
            failures: vec![failed],
            undone: error.undone().to_vec(),
        })
    }
}

impl From<ChangeError> for Box<im_error> {
    fn from(error: ChangeError) -> Self {
        Box::from(&error)
    }
}

impl im_error {
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
            code: error.and_then(Error::code).map_or(0, |code| code.0),
            text: error.map_or_else(String::new, text_of),
            effect: effect_of(summary.effect),
            retryable: summary.retryable(),
            request_id: error.and_then(Error::request_id).map(str::to_owned),
            ..im_error::of_nothing_sent(status, summary.to_string(), summary.remedy())
        }))
    }

    /// Changes that a wait for their outcomes left under way.
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
            ..im_error::of_nothing_sent(status, unfinished.to_string(), remedy)
        })
    }
}

impl From<Invalid> for Box<im_error> {
    fn from(invalid: Invalid) -> Self {
        let remedy = invalid.violations()[0].problem.remedy();
        Box::new(im_error {
            violations: broken(&invalid),
            ..im_error::of_nothing_sent(IM_INVALID, invalid.to_string(), remedy)
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

impl Failed {
    fn new(failure: &Failure) -> Failed {
        Failed {
            account: failure.account.clone(),
            code: failure.refusal.code.0,
            text: failure.refusal.text.clone(),
            remedy: c_string(failure.refusal.code.remedy()),
            effect: effect_of(failure.effect),
            retryable: failure.retryable(),
        }
    }
}
