//! Wrong use of the interface: what it answers by itself, before anything is sent.

/// What is wrong with a call, in a sentence.
pub(crate) struct Misuse(String);

impl Misuse {
    pub(crate) fn new(what: impl Into<String>) -> Misuse {
        Misuse(what.into())
    }

    pub(crate) fn what(&self) -> &str {
        &self.0
    }
}
