//! What is posted, and what is answered.

use imtag_core::Change;
use sha2::{Digest, Sha256};

use crate::codec::Writer;
use crate::id::{CHANGES_PER_POST, PostId};

/// The changes of a block: what is settled of it is a number of so many bits.
pub(crate) const CHANGES_PER_BLOCK: u32 = 100;

/// And its bytes, about: one with very long changes holds fewer.
const BYTES_PER_BLOCK: usize = 64 << 10;

/// As much of a SHA-256 as is kept: no two texts have the same by chance.
pub(crate) type Hash = [u8; 16];

/// The changes of one post, in their order. They are encoded where they are added, on the caller's thread.
///
/// ```
/// use imtag_core::{ChangeRequest, Rules};
/// use imtag_queue::NewPost;
///
/// let mut post = NewPost::new();
/// post.push(&ChangeRequest::add("alice", ["vip"]).check(&Rules::default())?);
/// post.set_key("uid 33", "order-1748", b"the body, as it came");
/// assert_eq!(post.len(), 1);
/// # Ok::<(), imtag_core::InvalidChange>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct NewPost {
    full: Vec<Block>,
    open: Option<(u32, Writer)>,
    count: u32,
    key: Option<Key>,
}

/// Changes that are stored as a row.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    /// The place of its first change in the post.
    pub(crate) first: u32,
    pub(crate) bytes: Vec<u8>,
}

/// What a repeated post is known by.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    /// Of the caller and the key.
    pub(crate) key: Hash,
    pub(crate) body: Hash,
}

/// A post as the store takes it.
pub(crate) struct Encoded {
    pub(crate) blocks: Vec<Block>,
    pub(crate) count: u32,
    pub(crate) bytes: u64,
    pub(crate) key: Option<Key>,
}

/// A post that is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accepted {
    /// Its id; its changes are called by it and their places.
    pub post: PostId,
    /// How many changes it has.
    pub changes: u32,
    /// It was stored before, by the same key.
    pub repeated: bool,
}

impl NewPost {
    /// Without changes.
    #[must_use]
    pub fn new() -> NewPost {
        NewPost::default()
    }

    /// Adds a change behind the others. Returns false where the post is full: it holds a million.
    pub fn push(&mut self, change: &Change) -> bool {
        if self.count + 1 >= CHANGES_PER_POST {
            return false;
        }
        let (first, open) = self.open.get_or_insert_with(|| (self.count, Writer::new()));
        open.change(change.operation(), change.account(), change.tags());
        self.count += 1;
        if self.count - *first == CHANGES_PER_BLOCK || open.len() >= BYTES_PER_BLOCK {
            self.close_block();
        }
        true
    }

    fn close_block(&mut self) {
        if let Some((first, open)) = self.open.take() {
            let bytes = open.finish();
            self.full.push(Block { first, bytes });
        }
    }

    /// How many changes it has.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.count
    }

    /// True if it has none: such a post is stored, and settled at once.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Gives it a key: where the same caller has posted with it before, nothing is stored, and the answer is that of the
    /// first post if the body is the same, or else that [the key is reused](crate::Refused::KeyReused).
    pub fn set_key(&mut self, caller: &str, key: &str, body: &[u8]) {
        let length = u64::try_from(caller.len()).unwrap_or(u64::MAX);
        let of_both = [&length.to_le_bytes()[..], caller.as_bytes(), key.as_bytes()];
        self.key = Some(Key {
            key: hash(&of_both),
            body: hash(&[body]),
        });
    }

    pub(crate) fn encoded(mut self) -> Encoded {
        self.close_block();
        let bytes = self.full.iter().map(|it| it.bytes.len() as u64).sum();
        Encoded {
            blocks: self.full,
            count: self.count,
            bytes,
            key: self.key,
        }
    }
}

impl Encoded {
    /// The bytes that it takes until it is on the disk, about.
    pub(crate) fn memory(&self) -> u64 {
        const OF_A_POST: u64 = 512;
        const OF_A_BLOCK: u64 = 128;
        OF_A_POST + OF_A_BLOCK * self.blocks.len() as u64 + self.bytes
    }
}

fn hash(parts: &[&[u8]]) -> Hash {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update(part);
    }
    let whole = sha.finalize();
    std::array::from_fn(|at| whole[at])
}

#[cfg(test)]
mod tests {
    use imtag_core::{ChangeRequest, Rules};

    use super::*;

    #[test]
    fn a_block_has_a_hundred_changes_or_few_that_are_long() {
        let rules = Rules::default();
        let short = ChangeRequest::clear("bob").check(&rules).unwrap();
        let tags: Vec<String> = (0..1_500).map(|nth| format!("{nth:050}")).collect();
        let long = ChangeRequest::remove("bob", &tags).check(&rules).unwrap();
        let mut post = NewPost::new();
        for change in [&short; 250].into_iter().chain([&long, &short]) {
            assert!(post.push(change));
        }
        let firsts = |post: NewPost| -> Vec<u32> {
            post.encoded().blocks.iter().map(|it| it.first).collect()
        };
        assert_eq!(post.len(), 252);
        assert_eq!(firsts(post), [0, 100, 200, 251]);
        assert_eq!(firsts(NewPost::new()), [0_u32; 0]);
    }

    #[test]
    fn a_key_is_the_callers_and_no_two_of_a_name_meet() {
        let key = |caller, key| {
            let mut post = NewPost::new();
            post.set_key(caller, key, b"{}");
            post.key.unwrap().key
        };
        assert_eq!(key("uid 33", "a"), key("uid 33", "a"));
        assert_ne!(key("uid 33", "a"), key("uid 34", "a"));
        assert_ne!(key("uid 3", "3a"), key("uid 33", "a"));
    }
}
