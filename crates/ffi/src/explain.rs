//! What the library says without a client: its version, and what a code of the service means.

use std::ffi::{CStr, c_char};

use imtag_core::Code;

use crate::handle::set;
use crate::panic::guarded;
use crate::status::{effect_of, im_effect, im_retry, retry_of};
use crate::str::im_str;

/// The macros of the header (`IM_VERSION` and its parts) are made of the same number.
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

/// Says what a code of the service means. Each of the four pointers may be NULL; the strings are static, never freed. Any
/// thread.
///
/// meaning, remedy  what it means, and what the caller can do
/// retry, effect    whether a call that got it may be made again, and what is then known of its effect
/// Returns true for a code of the catalogue; false for any other, for which they are set to what holds for every unknown
/// code.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_explain(
    code: i32,
    meaning: *mut im_str,
    remedy: *mut im_str,
    retry: *mut im_retry,
    effect: *mut im_effect,
) -> bool {
    guarded(false, || {
        let code = Code(code);
        let entry = code.entry();
        let known = entry.map_or("a code that no page names", |entry| entry.meaning);
        // SAFETY: each place is NULL or writable: the caller's promise.
        unsafe {
            set(meaning, im_str::view(known));
            set(remedy, im_str::view(code.remedy()));
            set(retry, retry_of(code.retry()));
            set(effect, effect_of(code.effect()));
        }
        entry.is_some()
    })
}
