//! Pointers across the boundary, checked before they are used. What can be seen to be wrong (NULL, an alignment that the
//! type cannot have, a length that no memory has) is a misuse; the rest is the caller's promise.
//!
//! The body of an exported function that reads or frees a handle is one of these macros. Within it the argument's name
//! stands for what the handle points to:
//!
//! ```text
//! read!(error, error.attempts)           what it reads; 0, false or an empty string for NULL
//! read!(error, IM_OK, error.status)      the same, with another answer for NULL
//! list!(result, count, &result.users)    a list, and its length in count
//! free!(bulk)                            frees it
//! ```

use std::ffi::c_void;
use std::fmt::Display;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is wrong with a call, in a sentence: found before anything is sent.
pub(crate) struct Misuse(String);

impl Misuse {
    pub(crate) fn new(what: impl Into<String>) -> Misuse {
        Misuse(what.into())
    }

    pub(crate) fn what(&self) -> &str {
        &self.0
    }
}

macro_rules! read {
    ($handle:ident, $value:expr) => {
        $crate::handle::read!($handle, Default::default(), $value)
    };
    ($handle:ident, $otherwise:expr, $value:expr) => {
        $crate::panic::guarded($otherwise, || {
            let read = || {
                // SAFETY: NULL, or made by this library and not freed meanwhile, as the function documents.
                let $handle = unsafe { $crate::handle::borrow($handle, stringify!($handle)) };
                let $handle = $handle.ok()?;
                Some($value)
            };
            read().unwrap_or($otherwise)
        })
    };
}

macro_rules! list {
    ($handle:ident, $count:ident, $list:expr) => {
        $crate::panic::guarded(std::ptr::null(), || {
            // SAFETY: NULL, or made by this library and not freed meanwhile, as the function documents.
            let all: &[_] = match unsafe { $crate::handle::borrow($handle, stringify!($handle)) } {
                Ok($handle) => $list,
                Err(_) => &[],
            };
            // SAFETY: NULL or writable, as the function documents.
            unsafe { $crate::handle::set($count, all.len()) };
            $crate::handle::first(all)
        })
    };
}

macro_rules! free {
    ($handle:ident) => {
        // SAFETY: NULL, or made by this library, freed only once, and in no use, as the function documents.
        $crate::panic::guarded((), || unsafe { $crate::handle::drop_handle($handle) })
    };
}

pub(crate) use {free, list, read};

/// No request, setting or text has more elements or bytes: a greater number was never set.
const MOST: usize = 1 << 30;

/// Borrows `count` elements from `first` on. For none, `first` may be NULL.
///
/// # Safety
/// `first` is readable for `count` elements for `'a`, and not written meanwhile.
#[inline]
pub(crate) unsafe fn slice<'a, T>(
    first: *const T,
    count: usize,
    place: &dyn Display,
) -> Result<&'a [T], Misuse> {
    let is_possible = count <= MOST && count.checked_mul(size_of::<T>()).is_some();
    if count > 0 && !(is_possible && !first.is_null() && first.is_aligned()) {
        return Err(misuse_of(first.is_null(), count, is_possible, place));
    }
    // SAFETY: just checked; that it is readable is the caller's promise.
    Ok(unsafe { checked_slice(first, count) })
}

/// What is wrong with a pointer to so many elements. Apart, as a request has a thousand strings with nothing wrong.
#[cold]
fn misuse_of(is_null: bool, count: usize, is_possible: bool, place: &dyn Display) -> Misuse {
    let fault = if !is_possible {
        format!("a length of {count}, more than any request has: was it set?")
    } else if is_null {
        format!("a NULL pointer with a length of {count}: give both or neither")
    } else {
        "a pointer that is not aligned for its type".to_owned()
    };
    Misuse::new(format!("{place}: {fault}"))
}

/// Borrows what [`slice`] found nothing wrong with, maybe before.
///
/// # Safety
/// As [`slice`], which checked the same pointer and count.
#[inline]
pub(crate) unsafe fn checked_slice<'a, T>(first: *const T, count: usize) -> &'a [T] {
    if count == 0 {
        return &[];
    }
    // SAFETY: not NULL, aligned, and of a size below `isize::MAX`, as `slice` checked; readable by the caller's promise.
    unsafe { std::slice::from_raw_parts(first, count) }
}

/// Borrows a handle.
///
/// # Safety
/// `handle` is NULL, or was made by its `_new` and is not freed during `'a`.
pub(crate) unsafe fn borrow<'a, T>(handle: *const T, name: &str) -> Result<&'a T, Misuse> {
    if handle.is_aligned() {
        // SAFETY: aligned; that it is NULL or alive is the caller's promise.
        let handle = unsafe { handle.as_ref() };
        return handle.ok_or_else(|| Misuse::new(format!("{name} is NULL")));
    }
    Err(Misuse::new(format!(
        "{name} is not a pointer that this library made"
    )))
}

/// Borrows a handle to change what it points to.
///
/// # Safety
/// As [`borrow`], and it is in no other use during `'a`.
pub(crate) unsafe fn borrow_mut<'a, T>(handle: *mut T, name: &str) -> Result<&'a mut T, Misuse> {
    // SAFETY: the caller's promise.
    unsafe { borrow(handle, name) }?;
    // SAFETY: `borrow` found it neither NULL nor misaligned; that it is in no other use is the caller's promise.
    Ok(unsafe { &mut *handle })
}

/// Makes a handle for C.
pub(crate) fn into_raw<T>(handle: T) -> *mut T {
    Box::into_raw(Box::new(handle))
}

/// Frees a handle; NULL does nothing.
///
/// # Safety
/// `handle` is NULL, or came from [`into_raw`] and is freed only once.
pub(crate) unsafe fn drop_handle<T>(handle: *mut T) {
    if !handle.is_null() {
        // SAFETY: it came from `Box::into_raw`, and is freed only once: the caller's promise.
        drop(unsafe { Box::from_raw(handle) });
    }
}

/// Where C wants a handle: nowhere, if it gave NULL.
pub(crate) struct Out<T>(*mut *mut T);

impl<T> Out<T> {
    /// Sets the place to NULL.
    ///
    /// # Safety
    /// `place` is NULL, or writable until this is dropped.
    pub(crate) unsafe fn cleared(place: *mut *mut T) -> Out<T> {
        let out = Out(place);
        out.set(ptr::null_mut());
        out
    }

    /// The place, which must be one.
    pub(crate) fn needed(self, name: &str) -> Result<Out<T>, Misuse> {
        if self.0.is_null() {
            return Err(Misuse::new(format!("{name} is NULL")));
        }
        Ok(self)
    }

    /// Stores a handle, which is the caller's from now on.
    pub(crate) fn give(&self, make: impl FnOnce() -> T) {
        if !self.0.is_null() {
            self.set(into_raw(make()));
        }
    }

    fn set(&self, handle: *mut T) {
        if !self.0.is_null() {
            // SAFETY: not NULL; that it is writable was promised when this was made. It need not be aligned.
            unsafe { self.0.write_unaligned(handle) };
        }
    }
}

/// The context of a callback: the caller's, which the library only hands back.
#[derive(Clone, Copy)]
pub(crate) struct Context(*mut c_void);

impl Context {
    pub(crate) fn new<T>(context: *mut T) -> Context {
        Context(context.cast())
    }

    pub(crate) fn get(self) -> *mut c_void {
        self.0
    }
}

// SAFETY: it is only given to its callback, whose documentation says on which threads that may be.
unsafe impl Send for Context {}
// SAFETY: the same.
unsafe impl Sync for Context {}

/// Stores a number or a view that C asked for.
///
/// # Safety
/// `place` is NULL, or writable.
pub(crate) unsafe fn set<T>(place: *mut T, value: T) {
    if !place.is_null() {
        // SAFETY: not NULL; that it is writable is the caller's promise. It need not be aligned.
        unsafe { place.write_unaligned(value) };
    }
}

/// The first of a list; NULL if it is empty, as some languages read through every pointer that they hold.
pub(crate) fn first<T>(all: &[T]) -> *const T {
    if all.is_empty() {
        ptr::null()
    } else {
        all.as_ptr()
    }
}

/// Locks, also after a panic under the lock: what it holds is set as a whole, so it is never half done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
