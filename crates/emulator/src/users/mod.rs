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
//! So a user takes its account, 4 bytes for each tag, 8 for its ends, a share of what the page has in reserve, and its
//! hint; and to forget all users frees a page at a time. A page that grows too large is split in two halves; one that
//! becomes small is joined with one beside it.
//!
//! A search by the order of accounts reads many places of memory. So there is a table of hints: where users were found
//! last, by a hash of their accounts. A hint is right only if the account is there, which is looked at each time: no two
//! pages have the same account, and a page that is free has none. So nothing keeps hints up to date; where one is wrong,
//! or was lost to another user's of the same place, the search goes by the order, and notes what it finds.

mod hints;
mod page;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::ops::Bound;

use crate::tags::TagId;

use self::hints::{Hints, hash};
use self::page::{Page, PageKey, USERS_AT_MOST};

/// The users that have tags.
#[derive(Debug, Default)]
pub(crate) struct Users {
    /// The pages' numbers.
    order: BTreeMap<PageKey, usize>,
    /// By their numbers. One that is free is empty.
    pages: Vec<Page>,
    free: Vec<usize>,
    hints: Hints,
    count: usize,
}

impl Users {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// A user's tags, by their numbers; none for a user that is not there. Notes where it is.
    pub(crate) fn tags(&mut self, account: &str) -> &[TagId] {
        match self.find(account) {
            Some((page, Ok(at))) => self.pages[page].tags(at),
            _ => &[],
        }
    }

    /// Gives a user these tags in place of those that it had; without tags it is removed.
    pub(crate) fn set(&mut self, account: &str, tags: &[TagId]) {
        let (page, at) = match self.find(account) {
            Some(found) => found,
            None => (self.insert(PageKey::default(), Page::default()), Err(0)),
        };
        let changed = &mut self.pages[page];
        match at {
            Ok(at) if tags.is_empty() => {
                changed.replace(at..at + 1, None);
                self.count -= 1;
                if changed.len() <= USERS_AT_MOST / 4 {
                    self.join(account);
                }
            }
            Ok(at) => changed.replace(at..at + 1, Some((account, tags))),
            Err(_) if tags.is_empty() => {}
            Err(at) => {
                changed.replace(at..at, Some((account, tags)));
                self.count += 1;
            }
        }
        let changed = &mut self.pages[page];
        if changed.is_large() {
            let second = changed.split();
            self.insert(PageKey::new(second.account(0)), second);
        }
        self.hints.fit(self.count);
    }

    /// Reads where these users are likely to be, each step for all of them before the next one: the memory answers for
    /// many at once, while a search waits for it at each step. This changes nothing.
    pub(crate) fn prefetch<'a>(&self, accounts: impl Iterator<Item = &'a str>) {
        let hints: Vec<_> = accounts
            .filter_map(|account| self.hints.get(hash(account)))
            .collect();
        let starts: Vec<_> = hints
            .into_iter()
            .filter_map(|(page, at)| {
                let page = self.pages.get(page)?;
                Some((page, page.starts(at)?))
            })
            .collect();
        for (page, starts) in starts {
            black_box(page.read(starts));
        }
    }

    /// The users after an account, in order; all without one.
    pub(crate) fn after<'a>(
        &'a self,
        account: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a str, &'a [TagId])> {
        let of_account = account.and_then(|it| self.order.range(..=PageKey::new(it)).next_back());
        let first = of_account.map_or(PageKey::default(), |(first, _)| first.clone());
        let pages = self
            .order
            .range(first..)
            .map(|(_, page)| &self.pages[*page]);
        let users = pages.flat_map(Page::users);
        users.skip_while(move |(it, _)| account.is_some_and(|account| *it <= account))
    }

    /// The page that an account belongs to, and its place there, or where it belongs.
    fn find(&mut self, account: &str) -> Option<(usize, Result<usize, usize>)> {
        let hash = hash(account);
        if let Some((page, at)) = self.hints.get(hash) {
            let hinted = self.pages.get(page);
            if hinted.is_some_and(|it| at < it.len() && it.account(at) == account) {
                return Some((page, Ok(at)));
            }
        }
        let (_, &page) = self.order.range(..=PageKey::new(account)).next_back()?;
        let found = self.pages[page].find(account);
        if let Ok(at) = found {
            self.hints.set(hash, page, at);
        }
        Some((page, found))
    }

    fn insert(&mut self, first: PageKey, page: Page) -> usize {
        let number = self.free.pop().unwrap_or(self.pages.len());
        if number == self.pages.len() {
            self.pages.push(page);
        } else {
            self.pages[number] = page;
        }
        self.order.insert(first, number);
        number
    }

    /// Joins the page that an account belongs to with one beside it, unless they are too large; removes it if it is empty.
    fn join(&mut self, account: &str) {
        let key = PageKey::new(account);
        let mut until = self.order.range(..=&key).rev();
        let (this, before) = (until.next(), until.next());
        let after = self
            .order
            .range((Bound::Excluded(&key), Bound::Unbounded))
            .next();
        let pairs = [this.zip(after), before.zip(this)];
        let joined = pairs
            .into_iter()
            .flatten()
            .find_map(|((_, first), (key, second))| {
                let fit = self.pages[*first].fits(&self.pages[*second]);
                fit.then(|| (Some(*first), key.clone(), *second))
            });
        let removed = joined.or_else(|| {
            let (key, page) = this.filter(|(_, page)| self.pages[**page].len() == 0)?;
            Some((None, key.clone(), *page))
        });
        let Some((first, key, second)) = removed else {
            return;
        };
        self.order.remove(&key);
        self.free.push(second);
        let second = std::mem::take(&mut self.pages[second]);
        if let Some(first) = first {
            self.pages[first].append(&second);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::rng::Draw;
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
        let mut draw = Draw(7);
        let mut draw = |below| draw.below(below);
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
                // One that has moved since it was found, or is gone.
                let other = format!("user{:05}", draw(1_500));
                let expected = plain.get(&other).copied().unwrap_or_default();
                assert_eq!(users.tags(&other), expected, "{other}");
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
            assert_eq!((users.len(), users.order.len()), (0, 0));
            assert_eq!(users.free.len(), users.pages.len());
        }
    }

    /// Bytes that the pages take, without what the allocator adds.
    fn bytes(users: &Users) -> usize {
        let pages: usize = users.pages.iter().map(Page::bytes_held).sum();
        let order = users.order.len() * size_of::<(PageKey, usize)>();
        pages + order + size_of_val(&users.hints.0[..])
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
        assert!(bytes(&users) < 100 * USERS, "{}", bytes(&users) / USERS);
        for at in 0..USERS * 9 / 10 {
            users.set(&account(at), &[]);
        }
        assert!(
            bytes(&users) < 120 * USERS / 10,
            "{}",
            bytes(&users) * 10 / USERS
        );
    }

    #[test]
    fn pages_that_become_small_are_joined() {
        let ids = ids(3);
        let mut users = Users::default();
        let account = |at: usize| format!("user{at:08}");
        for at in 0..20_000 {
            users.set(&account(at), &ids);
        }
        let pages = users.order.len();
        // all but one in 64, in another order than that of their accounts
        for at in (0..20_000)
            .map(|at| at * 7_919 % 20_000)
            .filter(|at| at % 64 != 0)
        {
            users.set(&account(at), &[]);
        }
        assert!(pages > 300, "{pages}");
        assert!(users.order.len() <= 20, "{}", users.order.len());
        let left = (0..20_000).step_by(64).map(account);
        assert!(
            users
                .after(None)
                .map(|(it, _)| it.to_owned())
                .eq(left.clone())
        );
        for account in left {
            assert_eq!(users.tags(&account), ids, "{account}");
        }
    }

    /// Where most users share their place with another, each is found all the same.
    #[test]
    fn a_lost_hint_is_no_lost_user() {
        let ids = ids(100);
        let mut users = Users::default();
        for at in 0..100 {
            users.set(&format!("user{at}"), &ids[at..=at]);
        }
        users.hints = Hints(vec![0; Hints::OF_SET]);
        for _ in 0..2 {
            for at in 0..100 {
                assert_eq!(users.tags(&format!("user{at}")), &ids[at..=at]);
            }
        }
        // and one that names a page and a place that are not there, or another's
        for hint in [u64::MAX, 0, 1, 1 << 8] {
            for at in 0..100 {
                let account = format!("user{at}");
                let hash = u64::from(hash(&account)) << 32;
                users.hints = Hints(vec![hash | hint & u64::from(u32::MAX); Hints::OF_SET]);
                assert_eq!(users.tags(&account), &ids[at..=at]);
            }
        }
    }

    #[test]
    fn a_user_that_was_found_is_found_by_its_hint() {
        let ids = ids(1);
        let mut users = Users::default();
        let account = |at: usize| format!("user{at}");
        for at in 0..1_000 {
            users.set(&account(at), &ids);
        }
        for at in 0..1_000 {
            users.tags(&account(at));
        }
        let hinted = (0..1_000).map(account).filter(|account| {
            let hint = users.hints.get(hash(account));
            hint.is_some_and(|(page, at)| users.pages[page].account(at) == account)
        });
        let hinted = hinted.count();
        assert!(hinted > 900, "{hinted}");
    }
}
