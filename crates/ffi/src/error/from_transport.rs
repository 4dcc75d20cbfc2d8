//! What the transport and its checks say went wrong, as the object that C reads.

use imtag_core::{Invalid, Violation};
use imtag_transport::{Cause, Error, Failure, SettingsError};

use super::{Broken, Failed, im_error};
use crate::status::{IM_INVALID, effect_of, status_of};
use crate::text::c_string;

impl From<SettingsError> for Box<im_error> {
    fn from(error: SettingsError) -> Self {
        im_error::settings(&error.to_string())
    }
}

impl From<&Error> for Box<im_error> {
    fn from(error: &Error) -> Self {
        let text = match error.cause() {
            Cause::Service { refusal, .. } => refusal.text.clone(),
            Cause::Partial(partial) => partial.failures[0].refusal.text.clone(),
            _ => String::new(),
        };
        Box::new(im_error {
            status: status_of(error.cause()),
            message: c_string(error.to_string()),
            remedy: c_string(error.remedy()),
            code: error.code().map_or(0, |code| code.0),
            text,
            effect: effect_of(error.effect()),
            retryable: error.retryable(),
            attempts: error.attempts(),
            sent: error.sent(),
            request_id: error.request_id().map(str::to_owned),
            violations: match error.cause() {
                Cause::Invalid(invalid) => broken(invalid),
                _ => Vec::new(),
            },
            failures: error.failures().iter().map(Failed::of).collect(),
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
    let of = |violation: &Violation| Broken {
        place: c_string(violation.place.to_string()),
        problem: c_string(violation.problem.to_string()),
        remedy: c_string(violation.problem.remedy()),
    };
    invalid.violations().iter().map(of).collect()
}

impl Failed {
    fn of(failure: &Failure) -> Failed {
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
