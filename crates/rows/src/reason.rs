//! Why an account failed, as the columns of a row have it: code, reason, remedy. The words are the library's; where the
//! service refused, the code has a column of its own, and the reason is the service's text.

use imtag_core::Refusal;
use imtag_transport::{Cause, Error};

/// Bytes of a text of the service that are kept: a report and a list hold it for each of many users.
const TEXT_BYTES: usize = 1024;

/// Why a request or a change failed. Of a partial success it is the first account's.
#[must_use]
pub fn code_and_reason(error: &Error) -> (Option<i32>, String) {
    match (error.cause(), error.refusal()) {
        // the code is not the user's, but ended the run
        (Cause::Ended(_), _) | (_, None) => (None, error.reason()),
        (_, Some(refusal)) => {
            let hint = error.hint().map(|hint| format!("; {hint}"));
            let reason = said(refusal) + &hint.unwrap_or_default();
            (Some(refusal.code.0), reason)
        }
    }
}

/// What the service said.
#[must_use]
pub fn said(refusal: &Refusal) -> String {
    bounded(refusal.reason())
}

/// The start of a text of the service, with a sign where there was more.
#[must_use]
pub fn bounded(text: &str) -> String {
    if text.len() <= TEXT_BYTES {
        return text.to_owned();
    }
    let end = (0..=TEXT_BYTES)
        .rev()
        .find(|end| text.is_char_boundary(*end));
    format!("{}…", &text[..end.unwrap_or(0)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use imtag_core::Code;

    fn kept(code: i32, text: &str) -> String {
        said(&Refusal {
            code: Code(code),
            text: text.to_owned(),
        })
    }

    #[test]
    fn a_refusal_without_a_text_has_the_catalogues_meaning() {
        assert_eq!(kept(70107, ""), "an account was never imported");
        assert_eq!(kept(70107, "no such account"), "no such account");
        assert_eq!(kept(1, ""), "no text");
    }

    #[test]
    fn a_long_text_is_cut_at_a_character_and_says_so() {
        let kept = |text: &str| kept(90048, text);
        assert_eq!(kept(&"x".repeat(1024)), "x".repeat(1024));
        assert_eq!(kept(&"x".repeat(1025)), "x".repeat(1024) + "…");
        assert_eq!(kept(&"京".repeat(500_000)), "京".repeat(341) + "…");
    }
}
