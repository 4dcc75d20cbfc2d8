//! Why an account failed, in one sentence of its code, reason and remedy.

use imtag_transport::{Code, Refusal};

use super::Shown;

/// `70107 "the service's text" (what to do)`: what the service said in the words of its refusal, as everywhere.
pub(crate) fn in_words(code: Option<i32>, reason: &str, remedy: &str) -> String {
    match code.map(Code) {
        Some(code) => {
            let text = reason.to_owned();
            format!("{} ({remedy})", Refusal { code, text }.code_and_text())
        }
        None => format!("{} ({remedy})", Shown(reason)),
    }
}
