//! The users of a request in two forms: structs, for C and C++, and one flat buffer, for bindings. All pointers and lengths
//! are checked first, so that a bad one is found before anything is read through it.

use std::ffi::c_char;
use std::fmt::Display;

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

    pub(crate) fn iter(self) -> impl Iterator<Item = &'a [u8]> + Clone {
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

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'a [u8], impl Iterator<Item = &'a [u8]>)> {
        self.0.iter().map(|user| {
            // SAFETY: `borrow` checked it, for `'a`.
            let tags = unsafe { Strings::borrow(user.tags, user.tag_count, &"") };
            let tags = tags.unwrap_or(Strings(&[]));
            (bytes_of(user.account), tags.iter())
        })
    }
}

/// The bytes of a string that was checked.
fn bytes_of<'a>(string: im_str) -> &'a [u8] {
    // SAFETY: only called by `Strings` and `Users`, whose `borrow` checked it for the lifetime that they ask for.
    unsafe { string.bytes(&"") }.unwrap_or_default()
}

/// Strings in one buffer, one after the other, and the length of each.
pub(crate) struct Flat<'a> {
    text: &'a [u8],
    lengths: &'a [usize],
}

impl<'a> Flat<'a> {
    /// # Safety
    /// `text` is readable for `text_len` bytes and `lengths` for `length_count` numbers, for `'a`.
    pub(crate) unsafe fn borrow(
        text: *const c_char,
        text_len: usize,
        lengths: *const usize,
        length_count: usize,
    ) -> Result<Flat<'a>, Misuse> {
        // SAFETY: the caller's promise.
        let text = unsafe { slice(text.cast::<u8>(), text_len, &"text") }?;
        // SAFETY: the caller's promise.
        let lengths: &[usize] = unsafe { slice(lengths, length_count, &"lengths") }?;
        let sum = lengths
            .iter()
            .try_fold(0_usize, |sum, length| sum.checked_add(*length));
        match sum {
            Some(sum) if sum == text_len => Ok(Flat { text, lengths }),
            _ => Err(Misuse::new(format!(
                "lengths: they do not add up to the {text_len} bytes of text"
            ))),
        }
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a> {
        let mut text = self.text;
        self.lengths.iter().map(move |length| {
            let (string, rest) = text.split_at(*length);
            text = rest;
            string
        })
    }
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
    ) -> impl Iterator<Item = (&'a [u8], impl Iterator<Item = &'a [u8]> + Clone)> {
        let (mut text, mut lengths) = (self.flat.text, self.flat.lengths);
        self.tag_counts.iter().map(move |count| {
            let (its, rest) = lengths.split_at(count + 1);
            let bytes: usize = its.iter().sum();
            let (own, others) = text.split_at(bytes);
            (lengths, text) = (rest, others);
            let (account, tags) = own.split_at(its[0]);
            let tags = Flat {
                text: tags,
                lengths: &its[1..],
            };
            (account, tags.iter())
        })
    }
}

/// `tests/c/pointers.c` tests what is wrong: pointers and lengths in structs and in the flat form.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_request_has_each_user_with_its_own_tags_empty_ones_too() {
        let text = "annavipbobcarl北京";
        let (lengths, tag_counts) = ([4, 3, 0, 3, 4, 6], [2, 0, 1]);
        // SAFETY: arrays of this frame.
        let users = unsafe {
            let (text, text_len) = (text.as_ptr().cast(), text.len());
            FlatUsers::borrow(text, text_len, lengths.as_ptr(), 6, tag_counts.as_ptr(), 3)
        };
        let string = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let users = users.ok().unwrap();
        let read = users.iter();
        let read = read.map(|(account, tags)| (string(account), tags.map(string).collect()));
        let user = |account: &str, tags: &[&str]| {
            let tags: Vec<String> = tags.iter().map(|&tag| tag.to_owned()).collect();
            (account.to_owned(), tags)
        };
        assert_eq!(
            read.collect::<Vec<_>>(),
            [
                user("anna", &["vip", ""]),
                user("bob", &[]),
                user("carl", &["北京"])
            ]
        );
    }
}
