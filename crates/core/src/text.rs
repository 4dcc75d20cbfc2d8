//! What may be given as an account or a tag: text, or bytes that have yet to prove that they are. C callers have
//! bytes only, and whether they are UTF-8 is decided here, so that it is one violation like any other.

use crate::Problem;

/// Text or bytes, borrowed for `'a`.
pub trait Text<'a>: sealed::Sealed {
    #[doc(hidden)]
    fn text(self) -> Result<&'a str, Problem>;
}

impl<'a> Text<'a> for &'a str {
    fn text(self) -> Result<&'a str, Problem> {
        Ok(self)
    }
}

impl<'a> Text<'a> for &'a String {
    fn text(self) -> Result<&'a str, Problem> {
        Ok(self)
    }
}

impl<'a> Text<'a> for &'a [u8] {
    fn text(self) -> Result<&'a str, Problem> {
        std::str::from_utf8(self).map_err(|error| Problem::NotUtf8 {
            valid: error.valid_up_to(),
        })
    }
}

impl<'a, T> Text<'a> for &T
where
    T: Text<'a> + Copy,
{
    fn text(self) -> Result<&'a str, Problem> {
        (*self).text()
    }
}

/// Text of bytes that were decoded before, with how many of them were good if not all were.
#[derive(Clone, Copy)]
pub(crate) struct Decoded<'a> {
    text: &'a str,
    valid: Option<usize>,
}

impl<'a> Decoded<'a> {
    pub(crate) fn new(text: &'a str, valid: Option<usize>) -> Decoded<'a> {
        Decoded { text, valid }
    }
}

impl<'a> Text<'a> for Decoded<'a> {
    fn text(self) -> Result<&'a str, Problem> {
        match self.valid {
            None => Ok(self.text),
            Some(valid) => Err(Problem::NotUtf8 { valid }),
        }
    }
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for &str {}
    impl Sealed for &String {}
    impl Sealed for &[u8] {}
    impl Sealed for super::Decoded<'_> {}
    impl<T: Sealed + Copy> Sealed for &T {}
}
