//! Why an account failed, as a row of a report: code, reason, remedy. The effect and the account stand beside it, so
//! that the same reason of a thousand users is one reason.

use std::borrow::Cow;
use std::fmt;

use imtag_core::Limits;
use imtag_transport::{Cause, Code, Error, Refusal};
use serde::Serialize;

use super::Shown;

/// Bytes of a text of the service that are kept: a report and a list hold it for each of many users.
const TEXT_BYTES: usize = 1024;

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

    /// What the service said of an account.
    pub(crate) fn from_refusal(refusal: &Refusal) -> Reason {
        Reason {
            code: Some(refusal.code.0),
            reason: bounded(refusal.reason()),
            remedy: refusal.code.remedy().into(),
        }
    }

    /// Why a request or a change failed. Of a partial success it is the first account's.
    pub(crate) fn from_error(error: &Error) -> Reason {
        let refusal = match error.cause() {
            // the code is not the user's, but ended the run
            Cause::Ended(_) => None,
            _ => error.refusal(),
        };
        let Some(refusal) = refusal else {
            return Reason::ours(error.reason(), error.remedy());
        };
        let mut reason = Reason::from_refusal(refusal);
        if let Some(hint) = error.hint() {
            reason.reason = format!("{}; {hint}", reason.reason);
        }
        reason.remedy = error.remedy().into();
        reason
    }
}

/// The start of a text of the service, with a sign where there was more.
pub(crate) fn bounded(text: &str) -> String {
    if text.len() <= TEXT_BYTES {
        return text.to_owned();
    }
    let end = (0..=TEXT_BYTES)
        .rev()
        .find(|end| text.is_char_boundary(*end));
    format!("{}…", &text[..end.unwrap_or(0)])
}

/// `70107 "the service's text" (what to do)`: what the service said in the words of its refusal, as everywhere.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code.map(Code) {
            Some(code) => {
                let text = self.reason.clone();
                write!(f, "{}", Refusal { code, text }.code_and_text())?;
            }
            None => write!(f, "{}", Shown(&self.reason))?,
        }
        write!(f, " ({})", self.remedy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_without_a_text_has_the_catalogues_meaning() {
        let refusal = |code, text: &str| {
            Reason::from_refusal(&Refusal {
                code: Code(code),
                text: text.to_owned(),
            })
        };
        assert_eq!(refusal(70107, "").reason, "an account was never imported");
        assert_eq!(refusal(70107, "no such account").reason, "no such account");
        assert_eq!(refusal(1, "").reason, "no text");
    }
    #[test]
    fn a_long_text_is_cut_at_a_character_and_says_so() {
        let kept = |text: &str| {
            Reason::from_refusal(&Refusal {
                code: Code(90048),
                text: text.to_owned(),
            })
            .reason
        };
        assert_eq!(kept(&"x".repeat(1024)), "x".repeat(1024));
        assert_eq!(kept(&"x".repeat(1025)), "x".repeat(1024) + "…");
        assert_eq!(kept(&"京".repeat(500_000)), "京".repeat(341) + "…");
    }
}
