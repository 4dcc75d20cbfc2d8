//! Which libimtag this is. The macros of the header (`IM_VERSION` and its parts) are made of the same number.

use std::ffi::{CStr, c_char};

use crate::panic::guarded;

const VERSION: &CStr =
    match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => panic!("the version holds a NUL"),
    };

/// The version of the library that was loaded, as `0.1.0`; `IM_VERSION` is that of the header. Below 1.0, what was
/// built with a minor version runs with the same minor version, from the same patch level on.
/// Returns a static text, never freed. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn im_version() -> *const c_char {
    guarded(c"".as_ptr(), || VERSION.as_ptr())
}
