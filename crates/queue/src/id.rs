//! What posts and changes are called: `12` and `12-0`.

use std::fmt;
use std::str::FromStr;

/// The bits of a change's number within its post.
const INDEX_BITS: u32 = 20;

/// A post has fewer changes than this.
pub(crate) const CHANGES_PER_POST: u32 = 1 << INDEX_BITS;

/// Numbers stay positive where SQLite keeps them.
const POSTS: u64 = 1 << (63 - INDEX_BITS);

/// A post. Of one folder none is used twice, and a later post has a greater one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PostId(u64);

/// A change: its post, and its place in it, from 0. Written `12-0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeId {
    /// The post.
    pub post: PostId,
    /// The place.
    pub index: u32,
}

/// The text is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no id: a change is called as the post's answer says, such as 12-0, and a post 12")]
pub struct InvalidId;

impl PostId {
    pub(crate) fn from_row(row: i64) -> PostId {
        debug_assert!(u64::try_from(row).is_ok_and(|it| it < POSTS));
        PostId(row as u64)
    }

    /// As SQLite has it.
    pub(crate) fn row(self) -> i64 {
        // below 2^43
        self.0 as i64
    }

    /// The change at a place.
    #[must_use]
    pub fn change(self, index: u32) -> ChangeId {
        ChangeId { post: self, index }
    }
}

impl ChangeId {
    /// As SQLite and the pipeline have it: in the order of posts and places.
    pub(crate) fn key(self) -> i64 {
        // both halves are below their powers of two
        ((self.post.0 << INDEX_BITS) | u64::from(self.index)) as i64
    }

    pub(crate) fn from_key(key: i64) -> ChangeId {
        let key = key as u64;
        let index = u32::try_from(key % u64::from(CHANGES_PER_POST)).unwrap_or(0);
        PostId(key >> INDEX_BITS).change(index)
    }
}

impl fmt::Display for PostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ChangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.post, self.index)
    }
}

/// Digits as they are written: neither a sign nor a zero before them.
fn number(text: &str, below: u64) -> Result<u64, InvalidId> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let is_padded = text.len() > 1 && text.starts_with('0');
    let number = text.parse().ok().filter(|it| *it < below);
    number.filter(|_| is_plain && !is_padded).ok_or(InvalidId)
}

impl FromStr for PostId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<PostId, InvalidId> {
        number(text, POSTS).map(PostId)
    }
}

impl FromStr for ChangeId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<ChangeId, InvalidId> {
        let (post, index) = text.split_once('-').ok_or(InvalidId)?;
        let index = number(index, u64::from(CHANGES_PER_POST))?;
        let index = u32::try_from(index).map_err(|_| InvalidId)?;
        Ok(post.parse::<PostId>()?.change(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written_and_in_no_other_way() {
        let id = PostId(12).change(7);
        assert_eq!(id.to_string(), "12-7");
        assert_eq!("12-7".parse(), Ok(id));
        assert_eq!("0".parse(), Ok(PostId(0)));
        for text in [
            "",
            "-",
            "12",
            "12-",
            "-7",
            "+12-7",
            "012-7",
            "12-07",
            "12-1048576",
            "a-0",
        ] {
            assert_eq!(text.parse::<ChangeId>(), Err(InvalidId), "{text}");
        }
        for text in ["", "12-7", "1 ", "8796093022208"] {
            assert_eq!(text.parse::<PostId>(), Err(InvalidId), "{text}");
        }
    }

    #[test]
    fn keys_are_in_the_order_of_posts_and_places() {
        let last = CHANGES_PER_POST - 1;
        let ids = [(0, 0), (0, last), (1, 0), (POSTS - 1, last)];
        let ids = ids.map(|(post, index)| PostId(post).change(index));
        assert!(ids.map(ChangeId::key).is_sorted());
        assert_eq!(ids.map(|id| ChangeId::from_key(id.key())), ids);
        assert_eq!(ids[3].key(), i64::MAX);
    }
}
