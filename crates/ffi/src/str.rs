//! Strings across the boundary: a pointer and a length. An argument is borrowed for the call, and what an accessor returns
//! lives as long as its handle.

use std::ffi::{CStr, CString, c_char};
use std::fmt::Display;

use crate::handle::{Misuse, slice};

/// A string: `len` bytes from `data` on, UTF-8, without a NUL at the end. The empty string may have a NULL `data`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct im_str {
    /// The first byte.
    pub data: *const c_char,
    /// How many bytes.
    pub len: usize,
}

impl Default for im_str {
    fn default() -> im_str {
        im_str::EMPTY
    }
}

impl im_str {
    pub(crate) const EMPTY: im_str = im_str {
        data: std::ptr::null(),
        len: 0,
    };

    /// A view of a text that outlives it. The empty one has a NULL `data`.
    pub(crate) fn view(text: &str) -> im_str {
        if text.is_empty() {
            return im_str::EMPTY;
        }
        im_str {
            data: text.as_ptr().cast(),
            len: text.len(),
        }
    }

    /// The bytes.
    ///
    /// # Safety
    /// `data` is readable for `len` bytes for `'a`.
    #[inline]
    pub(crate) unsafe fn bytes<'a>(self, place: &dyn Display) -> Result<&'a [u8], Misuse> {
        // SAFETY: the caller's promise.
        unsafe { slice(self.data.cast::<u8>(), self.len, place) }
    }

    /// The text of a setting.
    ///
    /// # Safety
    /// As [`bytes`](im_str::bytes).
    pub(crate) unsafe fn setting<'a>(self, name: &str) -> Result<&'a str, Misuse> {
        // SAFETY: the caller's promise.
        let bytes = unsafe { self.bytes(&name) }?;
        std::str::from_utf8(bytes).map_err(|error| {
            let valid = error.valid_up_to();
            Misuse::new(format!(
                "{name}: not UTF-8 from byte {valid} on: convert it to UTF-8"
            ))
        })
    }
}

/// Makes a string from a text that ends with a NUL, as `getenv` returns; of NULL, the empty string. For a literal,
/// `IM_STR` costs nothing.
///
/// text  borrowed: the string points to it
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_str_from(text: *const c_char) -> im_str {
    if text.is_null() {
        return im_str::EMPTY;
    }
    // SAFETY: not NULL; that it ends with a NUL is the caller's promise.
    let len = unsafe { CStr::from_ptr(text) }.count_bytes();
    im_str { data: text, len }
}

/// A text for C, with a NUL at its end. A NUL within it becomes the two characters `\0`.
pub(crate) fn c_string(text: impl Into<String>) -> CString {
    CString::new(text.into()).unwrap_or_else(|error| {
        let text = String::from_utf8_lossy(&error.into_vec()).replace('\0', "\\0");
        CString::new(text).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_with_a_nul_shows_it_and_ends_where_it_should() {
        assert_eq!(c_string("a\0b").to_str(), Ok("a\\0b"));
        assert_eq!(c_string("北京").to_str(), Ok("北京"));
    }

    #[test]
    fn the_empty_text_is_no_pointer_into_nothing() {
        assert!(im_str::view("").data.is_null());
        assert_eq!(im_str::view("北京").len, 6);
    }
}
