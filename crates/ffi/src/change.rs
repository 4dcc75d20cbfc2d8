//! A change of a user's tags as C gives it: bytes, of which a change is made where they are good. One that breaks the
//! limits goes on all the same, as its fault is an outcome like any other.

use std::borrow::Cow;
use std::ffi::c_char;

use imtag_core::{Change, Invalid, Operation, Rules};

use crate::misuse::Misuse;
use crate::text::im_str;
use crate::users::{Flat, Strings};

/// What a change does: one of `IM_ADD` to `IM_CLEAR`.
pub type im_operation = i32;

/// Adds tags to a user.
pub const IM_ADD: im_operation = 1;
/// Removes tags from a user.
pub const IM_REMOVE: im_operation = 2;
/// Removes all tags of a user.
pub const IM_CLEAR: im_operation = 3;

/// The operation of a change with so many tags; none if a change that clears has any.
pub(crate) fn operation_of(operation: im_operation, tags: usize) -> Option<Operation> {
    match (operation, tags) {
        (IM_ADD, _) => Some(Operation::Add),
        (IM_REMOVE, _) => Some(Operation::Remove),
        (IM_CLEAR, 0) => Some(Operation::Clear),
        _ => None,
    }
}

/// The arguments of a change, borrowed for `'a`.
pub(crate) struct ChangeArgs<'a, Tags> {
    operation: Operation,
    account: &'a [u8],
    tags: Tags,
}

/// A change that breaks the limits, as far as its bytes can be read.
pub(crate) struct BadChange {
    pub(crate) change: Change,
    pub(crate) invalid: Invalid,
}

/// The arguments of a function: `args!(Add, account, tags, tag_count)`.
macro_rules! args {
    ($operation:ident, $account:expr, $tags:expr, $tag_count:expr) => {
        // SAFETY: readable until the function returns, as it documents.
        unsafe {
            $crate::change::borrow_args(
                imtag_core::Operation::$operation,
                $account,
                $tags,
                $tag_count,
            )
        }?
    };
}
pub(crate) use args;

/// Borrows the arguments of a change.
///
/// # Safety
/// The account, the tags and their bytes are readable for `'a`.
pub(crate) unsafe fn borrow_args<'a>(
    operation: Operation,
    account: im_str,
    tags: *const im_str,
    tag_count: usize,
) -> Result<ChangeArgs<'a, impl Iterator<Item = &'a [u8]> + Clone>, Misuse> {
    // SAFETY: the caller's promise.
    let account = unsafe { account.bytes(&|| "account".to_owned()) }?;
    // SAFETY: the same.
    let tags = unsafe { Strings::borrow(tags, tag_count, &|| "tags".to_owned()) }?;
    Ok(ChangeArgs::new(operation, account, tags.iter()))
}

/// The same in the flat form.
///
/// # Safety
/// The arguments are as `im_batcher_submit_flat` says, for `'a`.
pub(crate) unsafe fn borrow_flat_args<'a>(
    operation: im_operation,
    (text, text_len): (*const c_char, usize),
    (lengths, length_count): (*const usize, usize),
) -> Result<ChangeArgs<'a, impl Iterator<Item = &'a [u8]> + Clone>, Misuse> {
    // SAFETY: the caller's promise.
    let flat = unsafe { Flat::borrow(text, text_len, lengths, length_count) }?;
    let mut strings = flat.iter();
    let Some(account) = strings.next() else {
        return Err(Misuse::new("lengths: none, where an account has one"));
    };
    let tags = length_count - 1;
    let Some(operation) = operation_of(operation, tags) else {
        return Err(Misuse::new(format!(
            "operation: {operation} with {tags} tags is none: IM_ADD, IM_REMOVE, or IM_CLEAR without tags"
        )));
    };
    Ok(ChangeArgs::new(operation, account, strings))
}

impl<'a, Tags: Iterator<Item = &'a [u8]> + Clone> ChangeArgs<'a, Tags> {
    pub(crate) fn new(operation: Operation, account: &'a [u8], tags: Tags) -> Self {
        ChangeArgs {
            operation,
            account,
            tags,
        }
    }

    /// Makes the change, checked by `rules`.
    pub(crate) fn change(self, rules: &Rules) -> Result<Change, BadChange> {
        let (account, tags) = (self.account, self.tags);
        let checked = match self.operation {
            Operation::Add => Change::checked_add(rules, account, tags.clone()),
            Operation::Remove => Change::checked_remove(rules, account, tags.clone()),
            Operation::Clear | Operation::Get => Change::checked_clear(rules, account),
        };
        checked.map_err(|invalid| {
            let account = String::from_utf8_lossy(account);
            let tags = tags.map(String::from_utf8_lossy).map(Cow::into_owned);
            let change = match self.operation {
                Operation::Add => Change::add(account, tags),
                Operation::Remove => Change::remove(account, tags),
                Operation::Clear | Operation::Get => Change::clear(account),
            };
            BadChange { change, invalid }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_one_fault_among_others_and_are_shown_as_far_as_they_can_be() {
        let tags = [b"vip".as_slice(), b"\xff", b""];
        let made = ChangeArgs::new(Operation::Add, b"u\xff", tags.into_iter());
        let made = made.change(&Rules::default());
        let BadChange { change, invalid } = made.err().unwrap();
        let violations = invalid.violations().iter().map(ToString::to_string);
        assert!(violations.eq([
            "account: not UTF-8 from byte 1 on",
            "tags[1]: not UTF-8 from byte 0 on",
            "tags[2]: empty, at least 1 byte",
        ]));
        assert_eq!(change, Change::add("u\u{fffd}", ["vip", "\u{fffd}", ""]));
    }

    #[test]
    fn a_good_change_is_what_its_operation_says() {
        let made = |operation, tags: &'static [&'static [u8]]| {
            let args = ChangeArgs::new(operation, b"u", tags.iter().copied());
            args.change(&Rules::default()).ok()
        };
        assert_eq!(made(Operation::Add, &[b"a"]), Some(Change::add("u", ["a"])));
        assert_eq!(
            made(Operation::Remove, &[b"a"]),
            Some(Change::remove("u", ["a"]))
        );
        assert_eq!(made(Operation::Clear, &[]), Some(Change::clear("u")));
    }
}
