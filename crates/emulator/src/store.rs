//! The tags of the users. Both generations of paths share one store, as no page says that they do not.
//!
//! A user without tags is not kept.
//!
//! A change takes numbers of tags, not texts: a request looks each text up once, under [`intern`](Store::intern).

#[cfg(test)]
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::tags::{TagId, Tags};
use crate::users::Users;

/// Accounts with their tags, and how many users have each tag.
#[derive(Debug, Default)]
pub(crate) struct Store {
    users: Users,
    tags: Tags,
    /// How many users changes have named.
    pub(crate) changed: u64,
    /// The accounts of those that are not on the disk yet, in the order of their changes; `None` without a disk.
    pub(crate) unsaved: Option<Vec<String>>,
    /// What a user is left with, while that is found out. It keeps its memory for the next user.
    result: Vec<TagId>,
}

impl Store {
    /// How many users have tags.
    pub(crate) fn users(&self) -> usize {
        self.users.len()
    }

    /// The users after an account, by the bytes of their accounts, each with its tags in no order; all without an account.
    pub(crate) fn users_after<'a>(
        &'a self,
        account: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a str, impl Iterator<Item = &'a str>)> {
        let users = self.users.after(account);
        users.map(|(account, ids)| (account, ids.iter().map(|&id| &**self.tags.text(id))))
    }

    /// The tags of a user, in no order.
    pub(crate) fn tags(&mut self, account: &str) -> impl ExactSizeIterator<Item = &Arc<str>> {
        let ids = self.users.tags(account).iter();
        ids.map(|&id| self.tags.text(id))
    }

    /// The numbers of tags, each once, in order. A new tag gets one.
    pub(crate) fn intern(&mut self, tags: &[impl AsRef<str>], ids: &mut Vec<TagId>) {
        ids.clear();
        ids.extend(tags.iter().map(|tag| self.tags.intern(tag.as_ref())));
        ids.sort_unstable();
        ids.dedup();
    }

    /// The numbers of those of the tags that have one.
    pub(crate) fn lookup(&self, tags: &[impl AsRef<str>], ids: &mut Vec<TagId>) {
        ids.clear();
        ids.extend(tags.iter().filter_map(|tag| self.tags.find(tag.as_ref())));
        ids.sort_unstable();
        ids.dedup();
    }

    /// Makes what is asked of these users next faster.
    pub(crate) fn prefetch<'a>(&self, accounts: impl Iterator<Item = &'a str>) {
        self.users.prefetch(accounts);
    }

    /// Ends a change: numbers of tags that no user has any more may be reused.
    pub(crate) fn sweep(&mut self) {
        self.tags.sweep();
    }

    /// Gives a user tags beside those that it has, some of which may be among them.
    pub(crate) fn add(&mut self, account: &str, tags: &[TagId]) {
        self.note(account);
        let old = self.users.tags(account);
        let both = &mut self.result;
        both.clear();
        both.extend_from_slice(old);
        for id in tags {
            if old.binary_search(id).is_err() {
                self.tags.retain(*id);
                both.push(*id);
            }
        }
        if both.len() > old.len() {
            both.sort_unstable();
            self.users.set(account, both);
        }
    }

    /// Gives a user tags, by their texts.
    pub(crate) fn add_texts(&mut self, account: &str, tags: &[impl AsRef<str>]) {
        let mut ids = Vec::new();
        self.intern(tags, &mut ids);
        self.add(account, &ids);
        self.sweep();
    }

    /// Gives a user these tags in place of those that it had, by their texts.
    pub(crate) fn replace_texts(&mut self, account: &str, tags: &[impl AsRef<str>]) {
        let mut ids = Vec::new();
        self.intern(tags, &mut ids);
        self.replace(account, &ids);
        self.sweep();
    }

    pub(crate) fn remove(&mut self, account: &str, tags: &[TagId]) {
        self.note(account);
        let old = self.users.tags(account);
        let left = &mut self.result;
        left.clear();
        for id in old {
            if tags.binary_search(id).is_ok() {
                self.tags.release(*id);
            } else {
                left.push(*id);
            }
        }
        if left.len() < old.len() {
            self.users.set(account, left);
        }
    }

    /// Gives a user these tags in place of those that it had.
    pub(crate) fn replace(&mut self, account: &str, new: &[TagId]) {
        self.note(account);
        let old = self.users.tags(account);
        if old == new {
            return;
        }
        for id in new {
            self.tags.retain(*id);
        }
        for id in old {
            self.tags.release(*id);
        }
        self.users.set(account, new);
    }

    fn note(&mut self, account: &str) {
        self.changed += 1;
        if let Some(accounts) = &mut self.unsaved {
            accounts.push(account.to_owned());
        }
    }

    /// How many distinct tags the app has.
    pub(crate) fn app_tags(&self) -> usize {
        self.tags.in_use()
    }

    /// How many tags the user would have after these were added.
    pub(crate) fn user_tags_after(&mut self, account: &str, tags: &[TagId]) -> usize {
        let old = self.users.tags(account);
        let new = tags.iter().filter(|id| old.binary_search(id).is_err());
        old.len() + new.count()
    }

    /// How many distinct tags the app would have after these were added to the user, or had replaced all its tags.
    pub(crate) fn app_tags_after(&mut self, account: &str, new: &[TagId], replace: bool) -> usize {
        let appear = new.iter().filter(|id| self.tags.users(**id) == 0);
        let old = if replace {
            self.users.tags(account)
        } else {
            &[]
        };
        let last_user_of =
            |id: &&TagId| self.tags.users(**id) == 1 && new.binary_search(id).is_err();
        let vanish = old.iter().filter(last_user_of).count();
        self.tags.in_use() + appear.count() - vanish
    }
}

#[cfg(test)]
impl Store {
    /// What is counted is what is there, after a sweep.
    pub(crate) fn assert_counts(&self) {
        let mut users = BTreeMap::new();
        for id in self.users.after(None).flat_map(|(_, tags)| tags) {
            *users.entry(*id).or_default() += 1;
        }
        self.tags.assert_counts(&users);
    }
}
