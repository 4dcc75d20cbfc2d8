//! The users of a request in two forms: structs, for C and C++, and one flat buffer, for bindings. All pointers and lengths
//! are checked first, so that a bad one is found before anything is read through it.

use std::borrow::Cow;
use std::ffi::c_char;
use std::fmt::Display;

use imtag_core::Text;

use crate::handle::{Misuse, slice};
use crate::str::im_str;

/// A user and its tags.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct im_user_tags {
    /// The user: 1 to 32 bytes; on the `timpush` paths also a RegistrationID.
    pub account: im_str,
    /// Its tags, 1 to 50 bytes each.
    pub tags: *const im_str,
    /// How many tags.
    pub tag_count: usize,
}

/// A string of the caller, which should be UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Text<'a> for Bytes<'a> {
    fn text(self) -> Result<&'a str, usize> {
        if self.0.is_ascii() {
            // Most strings are, and to see it takes half of the time that a whole check of a short one does.
            // SAFETY: ASCII is UTF-8.
            return Ok(unsafe { std::str::from_utf8_unchecked(self.0) });
        }
        self.0.text()
    }
}

/// Strings, each checked: what they point to is readable for `'a`.
#[derive(Clone, Copy)]
pub(crate) struct Strings<'a>(&'a [im_str]);

impl<'a> Strings<'a> {
    /// # Safety
    /// `first` is readable for `count` strings, and each for its bytes, for `'a`.
    pub(crate) unsafe fn borrow(
        first: *const im_str,
        count: usize,
        place: &dyn Display,
    ) -> Result<Strings<'a>, Misuse> {
        // SAFETY: the caller's promise.
        let strings: &'a [im_str] = unsafe { slice(first, count, place) }?;
        for (index, string) in strings.iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { string.bytes(&format_args!("{place}[{index}]")) }?;
        }
        Ok(Strings(strings))
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Bytes<'a>> {
        self.0.iter().map(|string| bytes_of(*string))
    }
}

/// Users with tags, each checked: what they point to is readable for `'a`.
pub(crate) struct Users<'a>(&'a [im_user_tags]);

impl<'a> Users<'a> {
    /// # Safety
    /// `first` is readable for `count` users, with their tags and the bytes of both, for `'a`.
    pub(crate) unsafe fn borrow(
        first: *const im_user_tags,
        count: usize,
    ) -> Result<Users<'a>, Misuse> {
        // SAFETY: the caller's promise.
        let users: &'a [im_user_tags] = unsafe { slice(first, count, &"users") }?;
        for (index, user) in users.iter().enumerate() {
            let account = format_args!("users[{index}].account");
            let tags = format_args!("users[{index}].tags");
            // SAFETY: the caller's promise.
            unsafe { user.account.bytes(&account) }?;
            // SAFETY: the caller's promise.
            unsafe { Strings::borrow(user.tags, user.tag_count, &tags) }?;
        }
        Ok(Users(users))
    }

    pub(crate) fn iter(
        &self,
    ) -> impl Iterator<Item = (Bytes<'a>, impl Iterator<Item = Bytes<'a>>)> {
        self.0.iter().map(|user| {
            // SAFETY: `borrow` checked it, for `'a`.
            let tags = unsafe { slice(user.tags, user.tag_count, &"") };
            (bytes_of(user.account), Strings(tags.unwrap_or(&[])).iter())
        })
    }
}

/// The bytes of a string that was checked.
fn bytes_of<'a>(string: im_str) -> Bytes<'a> {
    // SAFETY: only called by `Strings` and `Users`, whose `borrow` checked it for the lifetime that they ask for.
    Bytes(unsafe { string.bytes(&"") }.unwrap_or_default())
}

/// Strings in one buffer, one after the other, and the length of each.
pub(crate) struct Flat<'a> {
    text: &'a [u8],
    lengths: Cow<'a, [usize]>,
    /// Bytes after each string that are not its own: 0, or the 1 of a NUL.
    gap: usize,
}

impl<'a> Flat<'a> {
    /// Without `lengths`, there is a NUL after each string.
    ///
    /// # Safety
    /// `text` is readable for `text_len` bytes and `lengths`, if it is not NULL, for `length_count` numbers, for `'a`.
    pub(crate) unsafe fn borrow(
        text: *const c_char,
        text_len: usize,
        lengths: *const usize,
        length_count: usize,
    ) -> Result<Flat<'a>, Misuse> {
        // SAFETY: the caller's promise.
        let text = unsafe { slice(text.cast::<u8>(), text_len, &"text") }?;
        if lengths.is_null() {
            if let Some(flat) = Flat::terminated(text, length_count) {
                return Ok(flat);
            }
        }
        // SAFETY: the caller's promise.
        let lengths: &[usize] = unsafe { slice(lengths, length_count, &"lengths") }?;
        let sum = lengths
            .iter()
            .try_fold(0_usize, |sum, length| sum.checked_add(*length));
        match sum {
            Some(sum) if sum == text_len => Ok(Flat {
                text,
                lengths: Cow::Borrowed(lengths),
                gap: 0,
            }),
            _ => Err(Misuse::new(format!(
                "lengths: they do not add up to the {text_len} bytes of text"
            ))),
        }
    }

    /// If the text is so many strings, each with a NUL after it. Else its lengths were forgotten.
    fn terminated(text: &'a [u8], count: usize) -> Option<Flat<'a>> {
        // a count may be false
        let mut lengths = Vec::with_capacity(count.min(text.len()));
        let mut start = 0;
        for nul in memchr::memchr_iter(0, text) {
            lengths.push(nul - start);
            start = nul + 1;
        }
        (lengths.len() == count && start == text.len()).then_some(Flat {
            text,
            lengths: Cow::Owned(lengths),
            gap: 1,
        })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Bytes<'a>> {
        strings(self.text, &self.lengths, self.gap)
    }
}

/// The strings of a text, of these lengths.
fn strings<'a>(
    mut text: &'a [u8],
    lengths: &[usize],
    gap: usize,
) -> impl Iterator<Item = Bytes<'a>> {
    lengths.iter().map(move |length| {
        let (string, rest) = text.split_at(length + gap);
        text = rest;
        Bytes(&string[..*length])
    })
}

/// Users in one buffer, and how many tags each has.
pub(crate) struct FlatUsers<'a> {
    flat: Flat<'a>,
    tag_counts: &'a [usize],
}

impl<'a> FlatUsers<'a> {
    /// # Safety
    /// As [`Flat::borrow`], and `tag_counts` is readable for `user_count` numbers, for `'a`.
    pub(crate) unsafe fn borrow(
        text: *const c_char,
        text_len: usize,
        lengths: *const usize,
        length_count: usize,
        tag_counts: *const usize,
        user_count: usize,
    ) -> Result<FlatUsers<'a>, Misuse> {
        // SAFETY: the caller's promise.
        let flat = unsafe { Flat::borrow(text, text_len, lengths, length_count) }?;
        // SAFETY: the caller's promise.
        let tag_counts: &[usize] = unsafe { slice(tag_counts, user_count, &"tag_counts") }?;
        let strings = tag_counts
            .iter()
            .try_fold(tag_counts.len(), |sum, count| sum.checked_add(*count));
        if strings != Some(flat.lengths.len()) {
            return Err(Misuse::new(format!(
                "tag_counts: {} users and their tags are not the {} strings of lengths",
                tag_counts.len(),
                flat.lengths.len()
            )));
        }
        Ok(FlatUsers { flat, tag_counts })
    }

    pub(crate) fn tag_counts(&self) -> &'a [usize] {
        self.tag_counts
    }

    pub(crate) fn iter(
        &self,
    ) -> impl Iterator<Item = (Bytes<'a>, impl Iterator<Item = Bytes<'a>>)> {
        let Flat { text, lengths, gap } = &self.flat;
        let (mut text, mut lengths, gap) = (*text, lengths.as_ref(), *gap);
        self.tag_counts.iter().map(move |tags| {
            let (its, others) = lengths.split_at(tags + 1);
            let bytes = its.iter().map(|length| length + gap).sum();
            let (own, rest) = text.split_at(bytes);
            (lengths, text) = (others, rest);
            let (account, tags) = own.split_at(its[0] + gap);
            (Bytes(&account[..its[0]]), strings(tags, &its[1..], gap))
        })
    }
}

/// `tests/c/pointers.c` tests what is wrong: pointers and lengths in structs and in the flat form.
#[cfg(test)]
mod tests {
    use super::*;

    type Read = Result<Vec<(String, Vec<String>)>, String>;

    /// The users of a text, by lengths or, if there are none, by NULs.
    fn read(text: &str, lengths: Option<&[usize]>, count: usize, tag_counts: &[usize]) -> Read {
        // SAFETY: arrays of this frame.
        let users = unsafe {
            let (text, text_len) = (text.as_ptr().cast(), text.len());
            let lengths = lengths.map_or(std::ptr::null(), <[usize]>::as_ptr);
            let (tag_counts, users) = (tag_counts.as_ptr(), tag_counts.len());
            FlatUsers::borrow(text, text_len, lengths, count, tag_counts, users)
        };
        let string = |bytes: Bytes| bytes.text().unwrap().to_owned();
        let users = users.map_err(|misuse| misuse.what().to_owned())?;
        let read = users.iter();
        let read = read.map(|(account, tags)| (string(account), tags.map(string).collect()));
        Ok(read.collect())
    }

    fn user(account: &str, tags: &[&str]) -> (String, Vec<String>) {
        let tags = tags.iter().map(|&tag| tag.to_owned());
        (account.to_owned(), tags.collect())
    }

    #[test]
    fn a_flat_request_has_each_user_with_its_own_tags_empty_ones_too() {
        let lengths = [4, 3, 0, 3, 4, 6];
        let users = [
            user("anna", &["vip", ""]),
            user("bob", &[]),
            user("carl", &["北京"]),
        ];
        let by_lengths = read("annavipbobcarl北京", Some(&lengths), 6, &[2, 0, 1]);
        assert_eq!(by_lengths.unwrap(), users);
        let by_nuls = read("anna\0vip\0\0bob\0carl\0北京\0", None, 6, &[2, 0, 1]);
        assert_eq!(by_nuls.unwrap(), users);
    }

    #[test]
    fn a_text_with_nuls_may_begin_and_end_with_an_empty_string() {
        let users = [user("", &[""]), user("a", &["", ""])];
        assert_eq!(read("\0\0a\0\0\0", None, 5, &[1, 2]).unwrap(), users);
        assert_eq!(read("\0", None, 1, &[0]).unwrap(), [user("", &[])]);
        assert_eq!(read("", None, 0, &[]).unwrap(), []);
    }

    /// So a NULL that was not meant is found, as it is for a text without NULs.
    #[test]
    fn a_text_with_more_or_fewer_nuls_than_strings_is_refused() {
        for (text, count) in [
            ("anna\0vip\0", 1),
            ("anna\0vip\0", 3),
            ("anna\0vip", 2),
            ("anna\0v", 1),
            ("anna", 1),
            ("", 1),
        ] {
            assert_eq!(
                read(text, None, count, &[count - 1]).unwrap_err(),
                format!("lengths: a NULL pointer with a length of {count}: give both or neither"),
            );
        }
    }

    /// The short cut of `Bytes` against the plain check.
    #[test]
    fn bytes_are_text_where_they_are_utf8() {
        let mut bytes: Vec<u8> = Vec::new();
        for byte in (0..=255).chain("é北😀".bytes()).chain(0..=255) {
            bytes.push(byte);
            for start in bytes.len().saturating_sub(40)..bytes.len() {
                let part = &bytes[start..];
                assert_eq!(Bytes(part).text(), part.text());
            }
        }
    }
}
