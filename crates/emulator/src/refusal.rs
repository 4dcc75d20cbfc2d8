//! What the emulator answers when it does not do what was asked: a code and a text. Which mistake gets which code
//! is decided where the mistake is found; this is the common shape.

use imtag_core::Code;

/// A code of the service with a text that says what was wrong with this request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: i32,
    pub(crate) text: String,
}

impl Refusal {
    pub(crate) fn new(code: i32, text: impl Into<String>) -> Refusal {
        Refusal {
            code,
            text: text.into(),
        }
    }

    /// A code with the catalogue's text, as faults on demand have it.
    pub(crate) fn plain(code: i32) -> Refusal {
        let text = Code(code)
            .entry()
            .map_or("an error of the emulator's", |entry| entry.meaning);
        Refusal::new(code, text)
    }
}
