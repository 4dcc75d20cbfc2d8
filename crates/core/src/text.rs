//! Accounts and tags: text of the caller that was checked and is borrowed, so that it is copied only into the JSON of its
//! request. `violation.rs` has the check.

use std::fmt;

/// What may be given as an account or a tag: text, or bytes that may not be UTF-8. C callers have bytes only, and bytes that
/// are no text are a violation like any other.
pub trait Text<'a> {
    /// The text.
    ///
    /// # Errors
    /// Where it is not UTF-8: how many bytes before the first wrong one are.
    fn text(self) -> Result<&'a str, usize>;
}

impl<'a> Text<'a> for &'a str {
    fn text(self) -> Result<&'a str, usize> {
        Ok(self)
    }
}

impl<'a> Text<'a> for &'a String {
    fn text(self) -> Result<&'a str, usize> {
        Ok(self)
    }
}

impl<'a> Text<'a> for &'a [u8] {
    fn text(self) -> Result<&'a str, usize> {
        std::str::from_utf8(self).map_err(|error| error.valid_up_to())
    }
}

/// Bytes that were read as text before.
impl<'a> Text<'a> for Result<&'a str, usize> {
    fn text(self) -> Result<&'a str, usize> {
        self
    }
}

impl<'a, T: Text<'a> + Copy> Text<'a> for &T {
    fn text(self) -> Result<&'a str, usize> {
        (*self).text()
    }
}

/// An account of the app: a UserID, or a RegistrationID on the `timpush` paths. It was checked when it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Account<'a>(pub(crate) &'a str);

/// A tag of a user. It was checked when it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag<'a>(pub(crate) &'a str);

impl<'a> Account<'a> {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.0
    }
}

impl<'a> Tag<'a> {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.0
    }
}

impl fmt::Display for Account<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Display for Tag<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
