//! A change of a user's tags as it comes across the boundary: bytes, of which a text is made where they are one. One
//! that breaks the limits goes on its way all the same, as its fault is an outcome like any other.

use std::borrow::Cow;

use imtag_core::{Change, Invalid, Operation, Rules};

/// A change that breaks the limits, as far as its bytes can be read.
pub(crate) struct BadChange {
    pub(crate) change: Change,
    pub(crate) invalid: Invalid,
}

/// Makes a change of bytes, checked by `rules`.
pub(crate) fn change<'a>(
    rules: &Rules,
    operation: Operation,
    account: &'a [u8],
    tags: impl Iterator<Item = &'a [u8]> + Clone,
) -> Result<Change, BadChange> {
    let checked = match operation {
        Operation::Add => Change::checked_add(rules, account, tags.clone()),
        Operation::Remove => Change::checked_remove(rules, account, tags.clone()),
        Operation::Clear | Operation::Get => Change::checked_clear(rules, account),
    };
    checked.map_err(|invalid| {
        let account = String::from_utf8_lossy(account);
        let tags = tags.map(String::from_utf8_lossy).map(Cow::into_owned);
        let change = match operation {
            Operation::Add => Change::add(account, tags),
            Operation::Remove => Change::remove(account, tags),
            Operation::Clear | Operation::Get => Change::clear(account),
        };
        BadChange { change, invalid }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_one_fault_among_others_and_are_shown_as_far_as_they_can_be() {
        let tags = [b"vip".as_slice(), b"\xff", b""];
        let made = change(
            &Rules::default(),
            Operation::Add,
            b"u\xff",
            tags.into_iter(),
        );
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
            change(&Rules::default(), operation, b"u", tags.iter().copied()).ok()
        };
        assert_eq!(made(Operation::Add, &[b"a"]), Some(Change::add("u", ["a"])));
        assert_eq!(
            made(Operation::Remove, &[b"a"]),
            Some(Change::remove("u", ["a"]))
        );
        assert_eq!(made(Operation::Clear, &[]), Some(Change::clear("u")));
    }
}
