//! The error catalogue, for a code without an error.

use imtag_core::Code;

use crate::handle::set;
use crate::panic::guarded;
use crate::status::{effect_of, im_effect, im_retry, retry_of};
use crate::text::im_str;

/// What a code of the service means. Each of the four places may be NULL; the strings are static, never freed. Any
/// thread.
///
/// meaning, remedy  what it means, and what the caller can do
/// retry, effect    whether a call that got it may be made again, and what is then known of its effect
/// Returns true for a code of the catalogue; false for any other, of which the places say what holds for all such.
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
