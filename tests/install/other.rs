//! Another library of Rust, as some project beside ours would have it: with a standard library of its own.

/// The sum; -1 where it is too large.
#[unsafe(no_mangle)]
pub extern "C" fn other_add(a: i32, b: i32) -> i32 {
    std::panic::set_hook(Box::new(|_| ()));
    std::panic::catch_unwind(|| a.checked_add(b).expect("too large")).unwrap_or(-1)
}
