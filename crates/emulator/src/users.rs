//! The users in the order of their accounts' bytes, each with the numbers of its tags.
//!
//! They are in pages, as in a B-tree of two levels. A page has its users' accounts one after the other in one text, and
//! their tags in one list:
//!
//! ```text
//! pages      ""            "user31"          "user68"            the least account that belongs to a page, or less
//!             │               │
//!             ▼               ▼
//!          accounts   "user07user19user23"                       a page of three users
//!          tags       4 9│1 4 7│2
//!          ends       6 12 18 and 2 5 6                          where each user's account and tags end
//! ```
//!
//! So a user takes its account, 4 bytes for each tag, 8 for its ends, and a share of what the page has in reserve; and
//! to forget all users frees a page at a time. A page that grows too large is split in two halves; one without users is
//! removed. Others are not joined: a page gives back memory that it no longer needs, so the last user of a page takes some
//! 300 bytes, with what the allocator adds, and so does each where all but one in 64 are removed.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Range;

use crate::tags::TagId;

/// A page is split when it has more of them: few, as a change moves all that are after it.
const USERS_AT_MOST: usize = 64;
/// Or when it has more bytes of accounts and tags together.
const BYTES_AT_MOST: usize = 16 * 1024;
/// As many as an account has on the older routes.
const HEAD_BYTES: usize = 32;

/// The users that have tags.
#[derive(Debug, Default)]
pub(crate) struct Users {
    pages: BTreeMap<PageKey, Page>,
    count: usize,
}

/// The least account that belongs to a page, or less. Its order is that of the account's bytes; what a search compares
/// is here, and not behind a pointer, unless the account is long.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct PageKey {
    /// The first bytes, and zeros after them.
    head: [u8; HEAD_BYTES],
    /// How many bytes of the head are the account's: "a" comes before "a\0".
    length: u8,
    rest: Box<[u8]>,
}

impl PageKey {
    fn new(account: &str) -> PageKey {
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
struct Page {
    accounts: String,
    tags: Vec<TagId>,
    /// Where each account ends. By themselves, as a search looks at these alone.
    account_ends: Vec<u32>,
    tags_ends: Vec<u32>,
}

impl Users {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// A user's tags, by their numbers; none for a user that is not there.
    pub(crate) fn tags(&self, account: &str) -> &[TagId] {
        let page = self.pages.range(..=PageKey::new(account)).next_back();
        let found = page.and_then(|(_, page)| Some((page, page.find(account).ok()?)));
        found.map_or(&[], |(page, at)| page.tags(at))
    }

    /// Gives a user these tags in place of those that it had; without tags it is removed.
    pub(crate) fn set(&mut self, account: &str, tags: &[TagId]) {
        let first = PageKey::new(account);
        let page = match self.pages.range_mut(..=&first).next_back() {
            Some((_, page)) => page,
            None => self.pages.entry(PageKey::default()).or_default(),
        };
        let before = page.len();
        page.set(account, tags);
        self.count = self.count + page.len() - before;
        if page.is_large() {
            let second = page.split();
            self.pages.insert(PageKey::new(second.account(0)), second);
        } else if page.len() == 0 {
            let of_page = self.pages.range(..=first).next_back();
            let of_page = of_page.map(|(first, _)| first.clone());
            of_page.and_then(|first| self.pages.remove(&first));
        }
    }

    /// The users after an account, in order; all without one.
    pub(crate) fn after<'a>(
        &'a self,
        account: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a str, &'a [TagId])> {
        let of_account = account.and_then(|it| self.pages.range(..=PageKey::new(it)).next_back());
        let first = of_account.map_or(PageKey::default(), |(first, _)| first.clone());
        let users = self.pages.range(first..).flat_map(|(_, page)| page.users());
        users.skip_while(move |(it, _)| account.is_some_and(|account| *it <= account))
    }
}

impl Page {
    fn len(&self) -> usize {
        self.account_ends.len()
    }

    fn is_large(&self) -> bool {
        let bytes = self.accounts.len() + size_of_val(&self.tags[..]);
        let users = self.len();
        users > USERS_AT_MOST || (bytes > BYTES_AT_MOST && users > 1)
    }

    fn account(&self, at: usize) -> &str {
        let ends = &self.account_ends;
        &self.accounts[start(ends, at)..ends[at] as usize]
    }

    fn tags(&self, at: usize) -> &[TagId] {
        let ends = &self.tags_ends;
        &self.tags[start(ends, at)..ends[at] as usize]
    }

    fn users(&self) -> impl Iterator<Item = (&str, &[TagId])> {
        (0..self.len()).map(|at| (self.account(at), self.tags(at)))
    }

    /// The place of an account, or where it belongs.
    fn find(&self, account: &str) -> Result<usize, usize> {
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

    fn set(&mut self, account: &str, tags: &[TagId]) {
        match self.find(account) {
            Ok(at) if tags.is_empty() => self.replace(at..at + 1, None),
            Ok(at) => self.replace(at..at + 1, Some((account, tags))),
            Err(_) if tags.is_empty() => {}
            Err(at) => self.replace(at..at, Some((account, tags))),
        }
    }

    /// Puts a user, or none, in the place of one, or of none.
    fn replace(&mut self, users: Range<usize>, new: Option<(&str, &[TagId])>) {
        let (account, tags) = new.unwrap_or_default();
        let new = new.is_some();
        let old = move_ends(&mut self.account_ends, &users, new, account.len());
        self.accounts.replace_range(old, account);
        let old = move_ends(&mut self.tags_ends, &users, new, tags.len());
        self.tags.splice(old, tags.iter().copied());
        self.shrink();
    }

    /// Takes the second half of the users off.
    fn split(&mut self) -> Page {
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
mod tests {
    use std::ops::Bound;

    use crate::tags::Tags;

    use super::*;

    fn ids(count: usize) -> Vec<TagId> {
        let mut tags = Tags::default();
        (0..count)
            .map(|tag| tags.intern(&tag.to_string()))
            .collect()
    }

    /// Against a plain map, in all orders that matter: ascending, descending, shuffled; with long names and many tags,
    /// empty names, prefixes of others; and all of it taken away again.
    #[test]
    fn they_are_what_a_plain_map_holds() {
        let ids = ids(100);
        let mut random = 7_u64;
        let mut draw = |below: usize| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) as usize % below
        };
        for order in ["up", "down", "any"] {
            let (mut users, mut plain) = (Users::default(), BTreeMap::new());
            for step in 0..6_000 {
                let number = match order {
                    "up" => step,
                    "down" => 6_000 - step,
                    _ => draw(1_500),
                };
                let account = match draw(100) {
                    0 => "\0".repeat(draw(40)),
                    1 => "user".repeat(2_000 + number % 7),
                    2 => format!("账{number}"),
                    _ => format!("user{number:05}"),
                };
                let count = [0, 1, 3, 100][draw(4)].min(draw(120));
                users.set(&account, &ids[..count]);
                if count == 0 {
                    plain.remove(&account);
                } else {
                    plain.insert(account.clone(), &ids[..count]);
                }
                let expected = plain.get(&account).copied().unwrap_or_default();
                assert_eq!(users.tags(&account), expected);
                assert_eq!(users.len(), plain.len());
            }
            assert!(
                users
                    .after(None)
                    .eq(plain.iter().map(|(name, tags)| (&**name, *tags)))
            );
            for account in ["", "user", "user00077", "user000770", "z", "账"] {
                let after = plain.range::<str, _>((Bound::Excluded(account), Bound::Unbounded));
                let expected = after.map(|(name, tags)| (&**name, *tags));
                assert!(users.after(Some(account)).eq(expected), "{account}");
            }
            for account in plain.keys() {
                users.set(account, &[]);
            }
            assert_eq!((users.len(), users.pages.len()), (0, 0));
        }
    }

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

    /// Bytes that the pages take, without what the allocator adds.
    fn bytes(users: &Users) -> usize {
        let of_page = |(first, page): (&PageKey, &Page)| {
            let ends = page.account_ends.capacity() + page.tags_ends.capacity();
            let lists = page.tags.capacity() * size_of::<TagId>() + ends * size_of::<u32>();
            size_of_val(first) + size_of_val(page) + page.accounts.capacity() + lists
        };
        users.pages.iter().map(of_page).sum()
    }

    #[test]
    fn a_user_takes_little_and_gives_it_back() {
        let ids = ids(3);
        const USERS: usize = 20_000;
        let account = |at: usize| format!("user{:08}", at * 7_919 % USERS);
        let mut users = Users::default();
        for at in 0..USERS {
            users.set(&account(at), &ids);
        }
        assert!(bytes(&users) < 60 * USERS, "{}", bytes(&users) / USERS);
        for at in 0..USERS * 9 / 10 {
            users.set(&account(at), &[]);
        }
        assert!(
            bytes(&users) < 100 * USERS / 10,
            "{}",
            bytes(&users) * 10 / USERS
        );
    }
}
