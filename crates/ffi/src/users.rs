//! The users of a request in two forms: structs, for C and C++, and one flat buffer, for bindings. All pointers and lengths
//! are checked first, so that a bad one is found before anything is read through it.

use std::cell::Cell;
use std::ffi::c_char;
use std::fmt::Display;

use crate::handle::{Misuse, checked_slice, slice};
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

    pub(crate) fn iter(self) -> impl Iterator<Item = &'a [u8]> {
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
            let tags = unsafe { checked_slice(user.tags, user.tag_count) };
            (bytes_of(user.account), Strings(tags).iter())
        })
    }
}

/// The bytes of a string that was checked.
fn bytes_of<'a>(string: im_str) -> &'a [u8] {
    // SAFETY: only called by `Strings` and `Users`, whose `borrow` checked it for the lifetime that they ask for.
    unsafe { checked_slice(string.data.cast(), string.len) }
}

/// Strings in one buffer, one after the other. Each is found when it is its turn, so that a caller's mistake decides on no
/// memory.
#[derive(Clone, Copy)]
pub(crate) struct Flat<'a> {
    text: &'a [u8],
    count: usize,
    /// The length of each. If there are none, a NUL is after each.
    lengths: Option<&'a [usize]>,
}

impl<'a> Flat<'a> {
    /// Without `lengths`, there is a NUL after each string.
    ///
    /// # Safety
    /// `text` is readable for `text_len` bytes and `lengths`, if it is not NULL, for `count` numbers, for `'a`.
    pub(crate) unsafe fn borrow(
        text: *const c_char,
        text_len: usize,
        lengths: *const usize,
        count: usize,
    ) -> Result<Flat<'a>, Misuse> {
        // SAFETY: the caller's promise.
        let text = unsafe { slice(text.cast::<u8>(), text_len, &"text") }?;
        if lengths.is_null() && are_terminated(text, count) {
            return Ok(Flat {
                text,
                count,
                lengths: None,
            });
        }
        // SAFETY: the caller's promise.
        let lengths: &[usize] = unsafe { slice(lengths, count, &"lengths") }?;
        let sum = lengths
            .iter()
            .try_fold(0_usize, |sum, length| sum.checked_add(*length));
        match sum {
            Some(sum) if sum == text_len => Ok(Flat {
                text,
                count,
                lengths: Some(lengths),
            }),
            _ => Err(Misuse::new(format!(
                "lengths: they do not add up to the {text_len} bytes of text"
            ))),
        }
    }

    pub(crate) fn iter(&self) -> Flat<'a> {
        *self
    }
}

impl<'a> Iterator for Flat<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.count = self.count.checked_sub(1)?;
        let (length, after) = match &mut self.lengths {
            Some(lengths) => {
                let (first, others) = lengths.split_first()?;
                *lengths = others;
                (*first, 0)
            }
            None => (memchr::memchr(0, self.text)?, 1),
        };
        let (string, rest) = self.text.split_at(length);
        self.text = &rest[after..];
        Some(string)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count, Some(self.count))
    }
}

/// Whether a text is so many strings with a NUL after each. If not, its lengths were forgotten.
fn are_terminated(text: &[u8], count: usize) -> bool {
    let ends = matches!(text.last(), None | Some(0));
    ends && memchr::memchr_iter(0, text).count() == count
}

/// Users in one buffer, and how many tags each has.
pub(crate) struct FlatUsers<'a> {
    flat: Flat<'a>,
    tag_counts: &'a [usize],
    /// The strings that an iteration has not read yet.
    unread: Cell<Flat<'a>>,
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
        if strings != Some(flat.count) {
            return Err(Misuse::new(format!(
                "tag_counts: {} users and their tags are not the {} strings of lengths",
                tag_counts.len(),
                flat.count
            )));
        }
        Ok(FlatUsers {
            flat,
            tag_counts,
            unread: Cell::new(flat),
        })
    }

    pub(crate) fn tag_counts(&self) -> &'a [usize] {
        self.tag_counts
    }

    /// The tags of a user are read before the next user is asked for, by one iteration at a time. So each string is looked
    /// for once: to find where a user ends, and then its tags, would be to look twice.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'a [u8], impl Iterator<Item = &'a [u8]>)> {
        self.unread.set(self.flat);
        let mut left = self.flat.count;
        self.tag_counts.iter().map(move |tags| {
            while self.unread.get().count > left {
                self.next_string();
            }
            left -= tags + 1;
            let account = self.next_string();
            (account, (0..*tags).map(|_| self.next_string()))
        })
    }

    fn next_string(&self) -> &'a [u8] {
        let mut unread = self.unread.get();
        let string = unread.next();
        self.unread.set(unread);
        // `borrow` found as many as the users have
        string.unwrap_or_default()
    }
}

/// `tests/c/pointers.c` tests what is wrong: pointers and lengths in structs and in the flat form.
#[cfg(test)]
mod tests {
    use super::*;

    /// Each user's account and tags.
    type Expected = [(&'static str, &'static [&'static str])];

    /// The users of a request by lengths, and then with a NUL after each string.
    fn in_both_forms(users: &Expected, check: impl Fn(&FlatUsers)) {
        let (mut joined, mut terminated, mut lengths) = (String::new(), String::new(), vec![]);
        for (account, tags) in users {
            for string in std::iter::once(account).chain(*tags) {
                joined += string;
                terminated.extend([string, "\0"]);
                lengths.push(string.len());
            }
        }
        let counts = Vec::from_iter(users.iter().map(|(_, tags)| tags.len()));
        let (counts, users) = (counts.as_ptr(), users.len());
        for (text, by) in [(joined, lengths.as_ptr()), (terminated, std::ptr::null())] {
            let (text, bytes, count) = (text.as_ptr().cast(), text.len(), lengths.len());
            // SAFETY: arrays of this frame.
            let read = unsafe { FlatUsers::borrow(text, bytes, by, count, counts, users) };
            check(&read.ok().unwrap());
        }
    }

    #[test]
    fn each_user_has_its_own_tags_empty_ones_too() {
        let requests: [&Expected; 4] = [
            &[("anna", &["vip", ""]), ("bob", &[]), ("carl", &["北京"])],
            &[("", &[""]), ("a", &["", ""])],
            &[("", &[])],
            &[],
        ];
        for expected in requests {
            in_both_forms(expected, |users| {
                let mut read = users.iter();
                for (account, tags) in expected {
                    let (its_account, its_tags) = read.next().unwrap();
                    assert_eq!(its_account, account.as_bytes());
                    assert!(its_tags.eq(tags.iter().map(|tag| tag.as_bytes())));
                }
                assert!(read.next().is_none());
            });
        }
    }

    #[test]
    fn strings_own_no_memory_and_say_how_many_they_are() {
        assert!(!std::mem::needs_drop::<FlatUsers>());
        in_both_forms(&[("anna", &["vip", ""])], |users| {
            let mut strings = users.flat.iter();
            for (left, string) in [(3, "anna"), (2, "vip"), (1, "")] {
                assert_eq!(strings.size_hint(), (left, Some(left)));
                assert_eq!(strings.next(), Some(string.as_bytes()));
            }
            assert_eq!((strings.size_hint(), strings.next()), ((0, Some(0)), None));
        });
    }

    #[test]
    fn a_user_whose_tags_are_not_read_leaves_the_next_its_own() {
        in_both_forms(&[("anna", &["vip", "new"]), ("bob", &["old"])], |users| {
            for read in [0, 1, 2] {
                let mut users = users.iter();
                let (_, tags) = users.next().unwrap();
                assert_eq!(tags.size_hint(), (2, Some(2)));
                assert_eq!(tags.take(read).count(), read);
                let (bob, tags) = users.next().unwrap();
                assert_eq!(
                    (bob, Vec::from_iter(tags)),
                    (&b"bob"[..], vec![&b"old"[..]])
                );
            }
        });
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
            // SAFETY: a constant.
            let flat =
                unsafe { Flat::borrow(text.as_ptr().cast(), text.len(), std::ptr::null(), count) };
            assert_eq!(
                flat.err().unwrap().what(),
                format!("lengths: a NULL pointer with a length of {count}: give both or neither"),
            );
        }
    }
}
