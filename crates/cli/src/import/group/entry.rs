//! A row as it waits to be grouped, in few bytes: there are millions of rows, and each is written and read, perhaps
//! through a disk.
//!
//! ```text
//! account length, account, 4 × number of tags + operation, then of each tag its number + 1,
//! or 0, length and text where it has no number
//! ```
//!
//! Small numbers take a byte. Example: the row that adds the tags 0 and `new` to alice, if all numbers of tags are given
//! away, is `5 "alice" 8 1 0 3 "new"`.

use std::io;

use imtag_core::ChangeOperation;
use imtag_rows::{OPERATIONS, Row};

use super::interner::Interner;

/// How many tags get a number. Further tags stand in their rows, so no file can fill the memory with tags. Fewer in
/// tests.
pub(crate) const NUMBERED_TAGS: usize = if cfg!(test) { 1 << 8 } else { 1 << 15 };

/// A row that waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'e> {
    pub(crate) account: &'e [u8],
    pub(crate) op: ChangeOperation,
    tags: &'e [u8],
    count: usize,
}

/// A tag of such a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryTag<'e> {
    Numbered(u32),
    Inline(&'e [u8]),
}

/// Writes a row to the end of `out`. Tags get numbers of `tag_names`.
#[inline]
pub(crate) fn write(row: &Row<'_>, tag_names: &mut Interner, out: &mut Vec<u8>) {
    put(row.account.len() as u64, out);
    out.extend_from_slice(row.account.as_bytes());
    put((row.tags.count() << 2 | row.op as usize) as u64, out);
    row.tags.for_each(
        |tag| match tag_names.number(tag.as_bytes(), NUMBERED_TAGS) {
            Ok(Some(known)) => put(u64::from(known) + 1, out),
            _ => {
                out.push(0);
                put(tag.len() as u64, out);
                out.extend_from_slice(tag.as_bytes());
            }
        },
    );
}

/// Takes the first row off `bytes`, which are not empty; `None` if they do not hold rows, as the disk changed them.
#[inline]
pub(crate) fn take<'e>(bytes: &mut &'e [u8]) -> Option<Entry<'e>> {
    let length = take_number(bytes)?;
    let account = take_bytes(bytes, length)?;
    let what = take_number(bytes)?;
    let op = *OPERATIONS.get((what & 3) as usize)?;
    let count = usize::try_from(what >> 2).ok()?;
    if (op == ChangeOperation::Clear) != (count == 0) {
        return None;
    }
    let tags = *bytes;
    for _ in 0..count {
        take_tag(bytes)?;
    }
    let tags = &tags[..tags.len() - bytes.len()];
    Some(Entry {
        account,
        op,
        tags,
        count,
    })
}

#[inline]
fn take_tag<'e>(bytes: &mut &'e [u8]) -> Option<EntryTag<'e>> {
    match take_number(bytes)? {
        0 => {
            let length = take_number(bytes)?;
            Some(EntryTag::Inline(take_bytes(bytes, length)?))
        }
        known => Some(EntryTag::Numbered(u32::try_from(known - 1).ok()?)),
    }
}

impl<'e> Entry<'e> {
    #[inline]
    pub(crate) fn tags(self) -> impl Iterator<Item = EntryTag<'e>> {
        let mut bytes = self.tags;
        (0..self.count).map_while(move |_| take_tag(&mut bytes))
    }
}

/// Appends a number in few bytes if it is small: seven bits a byte, the lowest first, as protocol buffers have them. 300
/// is the bytes 0xac 0x02.
#[inline]
fn put(mut number: u64, to: &mut Vec<u8>) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80); // its low seven bits
        number >>= 7;
    }
    to.push(number as u8);
}

/// Takes a number off the front; `None` if none stands there.
#[inline]
fn take_number(from: &mut &[u8]) -> Option<u64> {
    let (&first, rest) = from.split_first()?;
    *from = rest;
    if first < 0x80 {
        return Some(u64::from(first)); // as nearly all are
    }
    let mut number = u64::from(first & 0x7f);
    for shift in (7..64).step_by(7) {
        let (&byte, rest) = from.split_first()?;
        *from = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// Takes so many bytes off the front.
#[inline]
fn take_bytes<'a>(from: &mut &'a [u8], count: u64) -> Option<&'a [u8]> {
    let (bytes, rest) = from.split_at_checked(usize::try_from(count).ok()?)?;
    *from = rest;
    Some(bytes)
}

/// The temporary file does not hold what was written to it.
pub(crate) fn changed() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "it does not hold what was written to it",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use imtag_rows::Tags;

    #[test]
    fn bytes_that_hold_no_row_are_an_error_and_no_panic() {
        let mut out = Vec::new();
        let row = Row {
            account: "alice",
            op: ChangeOperation::Add,
            tags: Tags::One("vip"),
        };
        write(&row, &mut Interner::default(), &mut out);
        for end in 1..out.len() {
            assert!(take(&mut &out[..end]).is_none(), "{end}");
        }
        assert!(take(&mut [0xff; 20].as_slice()).is_none());
        assert!(take(&mut [1, b'a', 3].as_slice()).is_none());
    }
}
