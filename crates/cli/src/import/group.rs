//! Grouping: rows of one user, wherever they stand in the file, are put together. In memory, and compact: each
//! account and each tag is held once, a row is two numbers.

use std::ops::Range;

use imtag_core::{Account, Tag};
use indexmap::IndexSet;

/// Texts, each held once and known by its position.
type Interned = IndexSet<Box<str>>;

/// Takes rows in any order.
#[derive(Debug, Default)]
pub(crate) struct Grouping {
    accounts: Interned,
    tags: Interned,
    /// User and tag of each row.
    rows: Vec<(u32, u32)>,
}

/// The users of a file with their tags, users in the order in which the file names them first.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    accounts: Interned,
    tags: Interned,
    /// The tags of all users, one user after the other, each tag of a user once and in the order of the file.
    of_users: Vec<u32>,
    /// Where the tags of each user end in `of_users`.
    ends: Vec<usize>,
}

impl Grouping {
    pub(crate) fn add(&mut self, account: Account<'_>, tags: &[Tag<'_>]) {
        let user = intern(&mut self.accounts, account.as_str());
        for tag in tags {
            let tag = intern(&mut self.tags, tag.as_str());
            self.rows.push((user, tag));
        }
    }

    pub(crate) fn finish(self) -> Groups {
        let Grouping {
            accounts,
            tags,
            mut rows,
        } = self;
        // stable: the tags of a user stay in the order of the file
        rows.sort_by_key(|(user, _)| *user);
        let mut of_users = Vec::with_capacity(rows.len());
        let mut ends = Vec::with_capacity(accounts.len());
        for rows in rows.chunk_by(|(user, _), (next, _)| user == next) {
            let own: IndexSet<u32> = rows.iter().map(|(_, tag)| *tag).collect();
            of_users.extend(own);
            ends.push(of_users.len());
        }
        Groups {
            accounts,
            tags,
            of_users,
            ends,
        }
    }
}

impl Groups {
    pub(crate) fn users(&self) -> usize {
        self.ends.len()
    }

    /// The account of the user at this position.
    pub(crate) fn account(&self, user: usize) -> &str {
        &self.accounts[user]
    }

    /// How many tags a user has.
    pub(crate) fn tag_count(&self, user: usize) -> usize {
        self.range(user).len()
    }

    /// Some of a user's tags, by their positions among them.
    pub(crate) fn tags(&self, user: usize, some: Range<usize>) -> impl Iterator<Item = &str> {
        self.of_users[self.range(user)][some]
            .iter()
            .map(|tag| &*self.tags[*tag as usize])
    }

    fn range(&self, user: usize) -> Range<usize> {
        let start = user.checked_sub(1).map_or(0, |before| self.ends[before]);
        start..self.ends[user]
    }
}

fn intern(texts: &mut Interned, text: &str) -> u32 {
    let position = match texts.get_index_of(text) {
        Some(position) => position,
        None => texts.insert_full(text.into()).0,
    };
    u32::try_from(position).expect("four billion texts fill any memory before they are counted")
}

#[cfg(test)]
mod tests {
    use super::*;
    use imtag_core::Rules;

    fn grouped(rows: &[(&str, &[&str])]) -> Vec<(String, Vec<String>)> {
        let rules = Rules::default();
        let mut grouping = Grouping::default();
        for (account, tags) in rows {
            let tags: Vec<_> = tags
                .iter()
                .map(|tag| Tag::new(*tag, &rules).unwrap())
                .collect();
            grouping.add(Account::new(*account, &rules).unwrap(), &tags);
        }
        let groups = grouping.finish();
        let user = |user| {
            let tags = groups.tags(user, 0..groups.tag_count(user));
            (
                groups.account(user).to_owned(),
                tags.map(str::to_owned).collect(),
            )
        };
        (0..groups.users()).map(user).collect()
    }

    fn user(account: &str, tags: &[&str]) -> (String, Vec<String>) {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        (account.to_owned(), tags)
    }

    #[test]
    fn rows_of_a_user_are_put_together_wherever_they_stand() {
        assert_eq!(
            grouped(&[
                ("bob", &["z"]),
                ("alice", &["a", "b"]),
                ("bob", &["a"]),
                ("alice", &["c"])
            ]),
            [user("bob", &["z", "a"]), user("alice", &["a", "b", "c"])]
        );
    }

    #[test]
    fn a_tag_that_a_user_has_twice_counts_once_where_it_stood_first() {
        assert_eq!(
            grouped(&[("alice", &["b", "a", "b"]), ("alice", &["a"])]),
            [user("alice", &["b", "a"])]
        );
    }

    #[test]
    fn no_rows_make_no_users() {
        assert!(grouped(&[]).is_empty());
    }
}
