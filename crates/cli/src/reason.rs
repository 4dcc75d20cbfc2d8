//! Why an account failed, as a row of a report: code, reason, remedy. The effect and the account stand beside it, so
//! that the same reason of a thousand users is one reason.

use std::borrow::Cow;
use std::fmt;

use imtag_core::Limits;
use imtag_transport::{Cause, ChangeCause, ChangeError, Error, Refusal};
use serde::Serialize;

use crate::shown::Shown;

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub(crate) struct Reason {
    /// The service's code, where it is the service that said so.
    pub(crate) code: Option<i32>,
    pub(crate) reason: String,
    pub(crate) remedy: Cow<'static, str>,
}

impl Reason {
    /// A reason of our own.
    pub(crate) fn ours(reason: String, remedy: impl Into<Cow<'static, str>>) -> Reason {
        Reason {
            code: None,
            reason,
            remedy: remedy.into(),
        }
    }

    /// Why nothing is sent of a user who has more tags in a file than any user may carry.
    pub(crate) fn too_many_tags(limits: &Limits) -> Reason {
        let most = limits.tags_per_user;
        Reason::ours(
            format!("more than {most} distinct tags in the file, at most {most} a user"),
            "keep those that matter; nothing of the user was sent",
        )
    }

    /// Why a change is not done.
    pub(crate) fn of_change(error: &ChangeError) -> Reason {
        match (error.refusal(), error.cause()) {
            (Some(refusal), _) => Reason::of_refusal(refusal),
            (None, ChangeCause::Request(error)) => Reason::of_error(error),
            (None, _) => Reason::ours(error.why(), error.remedy()),
        }
    }

    /// What the service said of an account.
    pub(crate) fn of_refusal(refusal: &Refusal) -> Reason {
        let meaning = refusal
            .code
            .entry()
            .map_or("no text", |entry| entry.meaning);
        let reason = match refusal.text.as_str() {
            "" => meaning,
            text => text,
        };
        Reason {
            code: Some(refusal.code.0),
            reason: reason.to_owned(),
            remedy: refusal.code.remedy().into(),
        }
    }

    /// Why a whole request failed. Of a partial success it is the first account's.
    pub(crate) fn of_error(error: &Error) -> Reason {
        let reason = match error.cause() {
            Cause::Service { refusal, .. } => return Reason::of_refusal(refusal),
            Cause::Partial(partial) => {
                return Reason::of_refusal(&partial.failures[0].refusal);
            }
            Cause::Credentials(why) => format!("no UserSig: {why}"),
            Cause::HttpStatus { status, .. } => format!("HTTP status {status} instead of 200"),
            Cause::Timeout { phase } => format!("time was up {}", phase.when()),
            Cause::Cancelled { phase } => format!("cancelled {}", phase.when()),
            Cause::Network { phase, source } => {
                format!("the network failed {}: {source}", phase.when())
            }
            Cause::Tls(why) => format!("TLS failed: {why}"),
            Cause::NotUnderstood(what) => what.to_string(),
            _ => error.to_string(),
        };
        Reason::ours(reason, error.remedy())
    }
}

/// `70107 the service's text (what to do)`.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(code) = self.code {
            write!(f, "{code} ")?;
        }
        write!(f, "{} ({})", Shown(&self.reason), self.remedy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imtag_transport::Code;

    #[test]
    fn a_refusal_without_a_text_has_the_catalogues_meaning() {
        let refusal = |code, text: &str| {
            Reason::of_refusal(&Refusal {
                code: Code(code),
                text: text.to_owned(),
            })
        };
        assert_eq!(refusal(70107, "").reason, "an account was never imported");
        assert_eq!(refusal(70107, "no such account").reason, "no such account");
        assert_eq!(refusal(1, "").reason, "no text");
    }
}
