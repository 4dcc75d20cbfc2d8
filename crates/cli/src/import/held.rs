//! All users of a file in memory, for what sends them and reads them back by their positions.

use std::ops::Range;

use indexmap::IndexSet;

use super::users::{Gathered, GroupError};

/// The users of a file with their tags to add.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    accounts: Vec<Box<str>>,
    tags: IndexSet<Box<str>>,
    /// The tags of all users, one user after the other.
    of_users: Vec<u32>,
    /// Where the tags of each user end in `of_users`.
    ends: Vec<usize>,
}

impl Groups {
    pub(crate) fn of(gathered: &mut Gathered) -> Result<Groups, GroupError> {
        let mut groups = Groups::default();
        let mut users = gathered.users();
        while let Some((_, user)) = users.next()? {
            groups.accounts.push(user.account.into());
            for tag in user.add.iter() {
                let tag = match groups.tags.get_index_of(tag) {
                    Some(position) => position,
                    None => groups.tags.insert_full(tag.into()).0,
                };
                groups
                    .of_users
                    .push(u32::try_from(tag).expect("memory is full before"));
            }
            groups.ends.push(groups.of_users.len());
        }
        Ok(groups)
    }

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
