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
//!          ends       (6, 2) (12, 5) (18, 6)                     where each user's account and tags end
//! ```
//!
//! So a user takes its account, 4 bytes for each tag, 8 for its ends, and a share of what the page has in reserve; and
//! to forget all users frees a page at a time. A page that grows too large is split in two halves; one without users is
//! removed. Others are not joined: a page gives back memory that it no longer needs, and so a few users in it take
//! little.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::{Bound, Range};

use crate::tags::TagId;

/// A page is split when it has more of them: few, as a change moves all that are behind it.
const USERS_AT_MOST: usize = 64;
/// Or when it has more bytes of accounts and tags together.
const BYTES_AT_MOST: usize = 16 * 1024;

/// The users that have tags.
#[derive(Debug, Default)]
pub(crate) struct Users {
    pages: BTreeMap<Box<str>, Page>,
    count: usize,
}

#[derive(Debug, Default)]
struct Page {
    accounts: String,
    tags: Vec<TagId>,
    ends: Vec<Ends>,
}

/// Where a user ends in its page.
#[derive(Debug, Clone, Copy, Default)]
struct Ends {
    account: u32,
    tags: u32,
}

impl Users {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// A user's tags, by their numbers; none for a user that is not there.
    pub(crate) fn tags(&self, account: &str) -> &[TagId] {
        let page = self.pages.range::<str, _>(up_to(account)).next_back();
        let found = page.and_then(|(_, page)| Some((page, page.find(account).ok()?)));
        found.map_or(&[], |(page, at)| page.tags(at))
    }

    /// Gives a user these tags in place of those that it had; without tags it is removed.
    pub(crate) fn set(&mut self, account: &str, tags: &[TagId]) {
        let page = match self.pages.range_mut::<str, _>(up_to(account)).next_back() {
            Some((_, page)) => page,
            None => self.pages.entry(Box::default()).or_default(),
        };
        let before = page.ends.len();
        page.set(account, tags);
        self.count = self.count + page.ends.len() - before;
        if page.is_large() {
            let second = page.split();
            self.pages.insert(second.account(0).into(), second);
        } else if page.ends.is_empty() {
            let mut first = self.pages.range::<str, _>(up_to(account));
            let first = first.next_back().map(|(first, _)| first.clone());
            first.and_then(|first| self.pages.remove(&first));
        }
    }

    /// The users behind an account, in order; all without one.
    pub(crate) fn behind<'a>(
        &'a self,
        account: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a str, &'a [TagId])> {
        let of_account = account.and_then(|it| self.pages.range::<str, _>(up_to(it)).next_back());
        let first = of_account.map_or("", |(first, _)| first);
        let pages = self
            .pages
            .range::<str, _>((Bound::Included(first), Bound::Unbounded));
        let users = pages.flat_map(|(_, page)| page.users());
        users.skip_while(move |(it, _)| account.is_some_and(|account| *it <= account))
    }
}

impl Page {
    fn is_large(&self) -> bool {
        let bytes = self.accounts.len() + size_of_val(&self.tags[..]);
        let users = self.ends.len();
        users > USERS_AT_MOST || (bytes > BYTES_AT_MOST && users > 1)
    }

    /// Where a user starts: where the one before it ends.
    fn start(&self, at: usize) -> Ends {
        at.checked_sub(1)
            .map_or(Ends::default(), |at| self.ends[at])
    }

    fn account(&self, at: usize) -> &str {
        &self.accounts[self.start(at).account as usize..self.ends[at].account as usize]
    }

    fn tags(&self, at: usize) -> &[TagId] {
        &self.tags[self.start(at).tags as usize..self.ends[at].tags as usize]
    }

    fn users(&self) -> impl Iterator<Item = (&str, &[TagId])> {
        (0..self.ends.len()).map(|at| (self.account(at), self.tags(at)))
    }

    /// The place of an account, or where it belongs.
    fn find(&self, account: &str) -> Result<usize, usize> {
        let (mut from, mut to) = (0, self.ends.len());
        while from < to {
            let at = from.midpoint(to);
            match self.account(at).cmp(account) {
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
        let (start, old) = (self.start(users.start), self.start(users.end));
        let (account, tags) = new.unwrap_or_default();
        let of_account = start.account as usize..old.account as usize;
        self.accounts.replace_range(of_account, account);
        let of_tags = start.tags as usize..old.tags as usize;
        self.tags.splice(of_tags, tags.iter().copied());
        let end = Ends {
            account: start.account + number(account.len()),
            tags: start.tags + number(tags.len()),
        };
        let behind = users.start + usize::from(new.is_some());
        self.ends.splice(users, new.map(|_| end));
        for ends in &mut self.ends[behind..] {
            ends.account = ends.account - old.account + end.account;
            ends.tags = ends.tags - old.tags + end.tags;
        }
        self.give_back();
    }

    /// Takes the second half of the users off.
    fn split(&mut self) -> Page {
        let half = self.ends.len() / 2;
        let start = self.start(half);
        let mut second = Page {
            accounts: self.accounts.split_off(start.account as usize),
            tags: self.tags.split_off(start.tags as usize),
            ends: self.ends.split_off(half),
        };
        for ends in &mut second.ends {
            ends.account -= start.account;
            ends.tags -= start.tags;
        }
        self.give_back();
        second
    }

    /// Gives memory back where more than half of it is in reserve.
    fn give_back(&mut self) {
        if self.accounts.len() < self.accounts.capacity() / 2 {
            self.accounts.shrink_to_fit();
        }
        if self.tags.len() < self.tags.capacity() / 2 {
            self.tags.shrink_to_fit();
        }
        if self.ends.len() < self.ends.capacity() / 2 {
            self.ends.shrink_to_fit();
        }
    }
}

fn up_to(account: &str) -> (Bound<&str>, Bound<&str>) {
    (Bound::Unbounded, Bound::Included(account))
}

fn number(length: usize) -> u32 {
    u32::try_from(length).expect("neither a name nor a list has 4 GiB")
}

#[cfg(test)]
mod tests {
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
                    0 => String::new(),
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
                    .behind(None)
                    .eq(plain.iter().map(|(name, tags)| (&**name, *tags)))
            );
            for account in ["", "user", "user00077", "user000770", "z", "账"] {
                let behind = plain.range::<str, _>((Bound::Excluded(account), Bound::Unbounded));
                let expected = behind.map(|(name, tags)| (&**name, *tags));
                assert!(users.behind(Some(account)).eq(expected), "{account}");
            }
            for account in plain.keys() {
                users.set(account, &[]);
            }
            assert_eq!((users.len(), users.pages.len()), (0, 0));
        }
    }

    /// Bytes that the pages take, without what the allocator adds.
    fn bytes(users: &Users) -> usize {
        let of_page = |(first, page): (&Box<str>, &Page)| {
            let lists = page.tags.capacity() * size_of::<TagId>()
                + page.ends.capacity() * size_of::<Ends>();
            size_of_val(first) + first.len() + size_of_val(page) + page.accounts.capacity() + lists
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
