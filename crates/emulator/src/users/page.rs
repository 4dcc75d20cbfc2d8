//! A page: up to 64 users that are next to each other in the order of their accounts, in four lists.

use std::cmp::Ordering;
use std::ops::Range;

use crate::tags::TagId;

/// A page is split when it has more of them: few, as a change moves all that are after it.
pub(super) const USERS_AT_MOST: usize = 64;
/// Or when it has more bytes of accounts and tags together.
const BYTES_AT_MOST: usize = 16 * 1024;
/// As many as an account has on the older routes.
const HEAD_BYTES: usize = 32;

/// The least account that belongs to a page, or less. Its order is that of the account's bytes; what a search compares
/// is here, and not behind a pointer, unless the account is long.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PageKey {
    /// The first bytes, and zeros after them.
    head: [u8; HEAD_BYTES],
    /// How many bytes of the head are the account's: "a" comes before "a\0".
    length: u8,
    rest: Box<[u8]>,
}

impl PageKey {
    pub(super) fn new(account: &str) -> PageKey {
        let length = account.len().min(HEAD_BYTES);
        let (start, rest) = account.as_bytes().split_at(length);
        let mut head = [0; HEAD_BYTES];
        head[..length].copy_from_slice(start);
        PageKey {
            head,
            length: length as u8,
            rest: rest.into(),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Page {
    accounts: String,
    tags: Vec<TagId>,
    /// Where each account ends. By themselves, as a search looks at these alone.
    account_ends: Vec<u32>,
    tags_ends: Vec<u32>,
}

impl Page {
    pub(super) fn len(&self) -> usize {
        self.account_ends.len()
    }

    fn bytes(&self) -> usize {
        self.accounts.len() + size_of_val(&self.tags[..])
    }

    pub(super) fn is_large(&self) -> bool {
        let users = self.len();
        users > USERS_AT_MOST || (self.bytes() > BYTES_AT_MOST && users > 1)
    }

    /// Whether this and the next one are far from large together, so that a few users more do not split them again.
    pub(super) fn fits(&self, next: &Page) -> bool {
        self.len() + next.len() <= USERS_AT_MOST / 2
            && self.bytes() + next.bytes() <= BYTES_AT_MOST / 2
    }

    pub(super) fn account(&self, at: usize) -> &str {
        let ends = &self.account_ends;
        &self.accounts[start(ends, at)..ends[at] as usize]
    }

    pub(super) fn tags(&self, at: usize) -> &[TagId] {
        let ends = &self.tags_ends;
        &self.tags[start(ends, at)..ends[at] as usize]
    }

    pub(super) fn users(&self) -> impl Iterator<Item = (&str, &[TagId])> {
        (0..self.len()).map(|at| (self.account(at), self.tags(at)))
    }

    /// Where the account and the tags of the user at a place start, if there is one.
    pub(super) fn starts(&self, at: usize) -> Option<(usize, usize)> {
        let starts = || (start(&self.account_ends, at), start(&self.tags_ends, at));
        (at < self.len()).then(starts)
    }

    /// The first byte of an account, and the first of its tags.
    pub(super) fn read(&self, (account, tags): (usize, usize)) -> (Option<u8>, Option<TagId>) {
        let account = self.accounts.as_bytes().get(account);
        (account.copied(), self.tags.get(tags).copied())
    }

    /// The place of an account, or where it belongs.
    pub(super) fn find(&self, account: &str) -> Result<usize, usize> {
        // As bytes: a part of a text is looked at beside its ends as well.
        let (accounts, ends) = (self.accounts.as_bytes(), &self.account_ends);
        let (mut from, mut to) = (0, self.len());
        while from < to {
            let at = from.midpoint(to);
            let there = &accounts[start(ends, at)..ends[at] as usize];
            match there.cmp(account.as_bytes()) {
                Ordering::Less => from = at + 1,
                Ordering::Equal => return Ok(at),
                Ordering::Greater => to = at,
            }
        }
        Err(from)
    }

    /// Puts a user, or none, in the place of one, or of none.
    pub(super) fn replace(&mut self, users: Range<usize>, new: Option<(&str, &[TagId])>) {
        let (account, tags) = new.unwrap_or_default();
        let new = new.is_some();
        let old = move_ends(&mut self.account_ends, &users, new, account.len());
        self.accounts.replace_range(old, account);
        let old = move_ends(&mut self.tags_ends, &users, new, tags.len());
        self.tags.splice(old, tags.iter().copied());
        self.shrink();
    }

    /// Takes the second half of the users off.
    pub(super) fn split(&mut self) -> Page {
        let half = self.len() / 2;
        let split_ends = |ends: &mut Vec<u32>| {
            let start = start(ends, half);
            let mut second = ends.split_off(half);
            second.iter_mut().for_each(|end| *end -= number(start));
            (start, second)
        };
        let (account, account_ends) = split_ends(&mut self.account_ends);
        let (tags, tags_ends) = split_ends(&mut self.tags_ends);
        let second = Page {
            accounts: self.accounts.split_off(account),
            tags: self.tags.split_off(tags),
            account_ends,
            tags_ends,
        };
        self.shrink();
        second
    }

    /// Puts the users of the next page after these.
    pub(super) fn append(&mut self, next: &Page) {
        let (accounts, tags) = (number(self.accounts.len()), number(self.tags.len()));
        let account_ends = next.account_ends.iter();
        self.account_ends
            .extend(account_ends.map(|end| accounts + end));
        let tags_ends = next.tags_ends.iter();
        self.tags_ends.extend(tags_ends.map(|end| tags + end));
        self.accounts.push_str(&next.accounts);
        self.tags.extend_from_slice(&next.tags);
    }

    /// Gives memory back where more than half of it is in reserve.
    fn shrink(&mut self) {
        if self.accounts.len() < self.accounts.capacity() / 2 {
            self.accounts.shrink_to_fit();
        }
        if self.tags.len() < self.tags.capacity() / 2 {
            self.tags.shrink_to_fit();
        }
        for ends in [&mut self.account_ends, &mut self.tags_ends] {
            if ends.len() < ends.capacity() / 2 {
                ends.shrink_to_fit();
            }
        }
    }
}

/// Where the user at a place starts: where the one before it ends.
fn start(ends: &[u32], at: usize) -> usize {
    at.checked_sub(1).map_or(0, |before| ends[before] as usize)
}

/// Moves the ends for a user of this length, or none, in the place of one, or of none; answers what the old one had.
fn move_ends(ends: &mut Vec<u32>, users: &Range<usize>, new: bool, length: usize) -> Range<usize> {
    let old = start(ends, users.start)..start(ends, users.end);
    let (old_end, end) = (number(old.end), number(old.start + length));
    ends.splice(users.clone(), new.then_some(end));
    for later in &mut ends[users.start + usize::from(new)..] {
        *later = *later - old_end + end;
    }
    old
}

fn number(length: usize) -> u32 {
    u32::try_from(length).expect("neither a name nor a list has 4 GiB")
}

#[cfg(test)]
impl Page {
    /// What it takes, without what the allocator adds.
    pub(super) fn bytes_held(&self) -> usize {
        let ends = self.account_ends.capacity() + self.tags_ends.capacity();
        let lists = self.tags.capacity() * size_of::<TagId>() + ends * size_of::<u32>();
        size_of_val(self) + self.accounts.capacity() + lists
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_in_the_order_of_bytes() {
        let long = |end: &str| "x".repeat(HEAD_BYTES - 1) + end;
        let mut accounts = ["", "\0", "a", "a\0", "a\0\0", "a\u{1}", "b", "账", "账\0"]
            .map(str::to_owned)
            .to_vec();
        accounts.extend(["", "\0", "x", "x\0", "x\0\0", "xx", "y", "账", "账x"].map(long));
        for one in &accounts {
            for other in &accounts {
                let (ours, expected) =
                    (PageKey::new(one).cmp(&PageKey::new(other)), one.cmp(other));
                assert_eq!(ours, expected, "{one:?} {other:?}");
            }
        }
    }
}
