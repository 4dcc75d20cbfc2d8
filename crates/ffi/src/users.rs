//! The users of a request in its two forms: structs, for C and C++, and one flat buffer, for bindings. Both are looked
//! at as a whole first, so that a pointer that cannot be meant is answered before anything is read through it.

use crate::error::Misuse;
use crate::pointer::slice;
use crate::text::im_str;

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

/// Accounts, each looked at: what they point to is readable for `'a`.
#[derive(Clone, Copy)]
pub(crate) struct Strings<'a>(&'a [im_str]);

impl<'a> Strings<'a> {
    /// # Safety
    /// `first` is readable for `count` strings, and each for its bytes, for `'a`.
    pub(crate) unsafe fn borrow(
        first: *const im_str,
        count: usize,
        place: &dyn Fn() -> String,
    ) -> Result<Strings<'a>, Misuse> {
        // SAFETY: the caller's promise.
        let strings: &'a [im_str] = unsafe { slice(first, count, place) }?;
        for (index, string) in strings.iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { string.bytes(&|| format!("{}[{index}]", place())) }?;
        }
        Ok(Strings(strings))
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().map(|string| bytes_of(*string))
    }
}

/// Users with tags, each looked at: what they point to is readable for `'a`.
pub(crate) struct Users<'a>(&'a [im_user_tags]);

impl<'a> Users<'a> {
    /// # Safety
    /// `first` is readable for `count` users, with their tags and the bytes of both, for `'a`.
    pub(crate) unsafe fn borrow(
        first: *const im_user_tags,
        count: usize,
    ) -> Result<Users<'a>, Misuse> {
        // SAFETY: the caller's promise.
        let users: &'a [im_user_tags] = unsafe { slice(first, count, &|| "users".to_owned()) }?;
        for (index, user) in users.iter().enumerate() {
            let account = || format!("users[{index}].account");
            let tags = || format!("users[{index}].tags");
            // SAFETY: the caller's promise.
            unsafe { user.account.bytes(&account) }?;
            // SAFETY: the caller's promise.
            unsafe { Strings::borrow(user.tags, user.tag_count, &tags) }?;
        }
        Ok(Users(users))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'a [u8], impl Iterator<Item = &'a [u8]>)> {
        self.0.iter().map(|user| {
            // SAFETY: `borrow` found it good, for `'a`.
            let tags = unsafe { Strings::borrow(user.tags, user.tag_count, &String::new) };
            let tags = tags.unwrap_or(Strings(&[]));
            (bytes_of(user.account), tags.iter())
        })
    }
}

/// The bytes of a string that was looked at.
fn bytes_of<'a>(string: im_str) -> &'a [u8] {
    // SAFETY: only called by `Strings` and `Users`, whose `borrow` found it good for the lifetime that they ask for.
    unsafe { string.bytes(&String::new) }.unwrap_or_default()
}

/// A request as one buffer: the texts one after the other, how long each is, and how many tags each user has.
pub(crate) struct Flat<'a> {
    text: &'a [u8],
    lengths: &'a [usize],
}

impl<'a> Flat<'a> {
    /// # Safety
    /// `text` is readable for `text_len` bytes and `lengths` for `length_count` numbers, for `'a`.
    pub(crate) unsafe fn borrow(
        text: *const std::ffi::c_char,
        text_len: usize,
        lengths: *const usize,
        length_count: usize,
    ) -> Result<Flat<'a>, Misuse> {
        // SAFETY: the caller's promise.
        let text = unsafe { slice(text.cast::<u8>(), text_len, &|| "text".to_owned()) }?;
        // SAFETY: the caller's promise.
        let lengths: &[usize] = unsafe { slice(lengths, length_count, &|| "lengths".to_owned()) }?;
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

    pub(crate) fn strings(self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut text = self.text;
        self.lengths.iter().map(move |length| {
            let (string, rest) = text.split_at(*length);
            text = rest;
            string
        })
    }

    /// Each user's account and tags, of which `tag_counts` says how many.
    pub(crate) fn users(
        self,
        tag_counts: &'a [usize],
    ) -> Result<impl Iterator<Item = (&'a [u8], impl Iterator<Item = &'a [u8]>)>, Misuse> {
        let strings = tag_counts
            .iter()
            .try_fold(tag_counts.len(), |sum, count| sum.checked_add(*count));
        if strings != Some(self.lengths.len()) {
            return Err(Misuse::new(format!(
                "tag_counts: {} users and their tags are not the {} strings of lengths",
                tag_counts.len(),
                self.lengths.len()
            )));
        }
        let (mut text, mut lengths) = (self.text, self.lengths);
        Ok(tag_counts.iter().map(move |count| {
            let (its, rest) = lengths.split_at(count + 1);
            let bytes: usize = its.iter().sum();
            let (own, others) = text.split_at(bytes);
            (lengths, text) = (rest, others);
            let (account, tags) = own.split_at(its[0]);
            let tags = Flat {
                text: tags,
                lengths: &its[1..],
            };
            (account, tags.strings())
        }))
    }
}
