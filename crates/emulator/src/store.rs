//! The tags of the users. Both generations of paths share one store, as no page says that they do not.
//!
//! A user without tags is not kept.
//!
//! A change takes numbers of tags, not texts: a request looks each text up once, under [`intern`](Store::intern).

#[cfg(test)]
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::tags::{TagId, Tags};
use crate::users::Users;

/// Accounts with their tags, and how many users have each tag.
#[derive(Debug, Default)]
pub(crate) struct Store {
    users: Users,
    tags: Tags,
    /// Users that were named in a change since this was last taken.
    changed: usize,
    /// Their accounts, in their order; none where nobody wants them.
    accounts_changed: Option<Vec<String>>,
    /// What a user is left with, while that is found out. It keeps its memory for the next user.
    result: Vec<TagId>,
}

impl Store {
    /// One that says which accounts were changed, if that is wanted.
    pub(crate) fn new(notes_accounts: bool) -> Store {
        Store {
            accounts_changed: notes_accounts.then(Vec::new),
            ..Store::default()
        }
    }

    /// How many users were named in a change since this was last asked, and their accounts where these are noted.
    pub(crate) fn take_changed(&mut self) -> (usize, Vec<String>) {
        let accounts = self.accounts_changed.as_mut().map(std::mem::take);
        (
            std::mem::take(&mut self.changed),
            accounts.unwrap_or_default(),
        )
    }

    /// How many users have tags.
    pub(crate) fn users(&self) -> usize {
        self.users.len()
    }

    /// The users after an account, by the bytes of their accounts, each with its tags; all without an account.
    pub(crate) fn users_after<'a>(
        &'a self,
        account: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a str, BTreeSet<&'a str>)> {
        let users = self.users.after(account);
        users.map(|(account, ids)| {
            (
                account,
                ids.iter().map(|&id| &**self.tags.text(id)).collect(),
            )
        })
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

    pub(crate) fn clear(&mut self, account: &str) {
        self.replace(account, &[]);
    }

    /// Gives a user these tags in place of those that it had.
    pub(crate) fn replace(&mut self, account: &str, new: &[TagId]) {
        self.note(account);
        for id in new {
            self.tags.retain(*id);
        }
        for id in self.users.tags(account) {
            self.tags.release(*id);
        }
        self.users.set(account, new);
    }

    fn note(&mut self, account: &str) {
        self.changed += 1;
        if let Some(accounts) = &mut self.accounts_changed {
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
    fn interned(&mut self, tags: &[&str]) -> Vec<TagId> {
        let mut ids = Vec::new();
        self.intern(tags, &mut ids);
        ids
    }

    pub(crate) fn looked_up(&self, tags: &[&str]) -> Vec<TagId> {
        let mut ids = Vec::new();
        self.lookup(tags, &mut ids);
        ids
    }

    /// What is counted is what is there, after a sweep.
    pub(crate) fn assert_counts(&self) {
        let mut users = BTreeMap::new();
        for id in self.users.after(None).flat_map(|(_, tags)| tags) {
            *users.entry(*id).or_default() += 1;
        }
        self.tags.assert_counts(&users);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> Store {
        let mut store = Store::default();
        store.add_texts("a", &["x", "y", "x"]);
        store.add_texts("b", &["y", "z"]);
        store
    }

    #[test]
    fn a_users_tags_are_a_set() {
        let mut store = store();
        store.add_texts("a", &["x"]);
        let users: Vec<_> = store.users_after(None).collect();
        assert_eq!(
            users,
            [
                ("a", BTreeSet::from(["x", "y"])),
                ("b", BTreeSet::from(["y", "z"]))
            ]
        );
        assert_eq!(store.users_after(Some("a")).count(), 1);
        let new = store.interned(&["y", "n", "n"]);
        assert_eq!(store.user_tags_after("a", &new), 3);
        let new = store.interned(&["n", "n"]);
        assert_eq!(store.user_tags_after("new", &new), 1);
    }

    #[test]
    fn a_tag_that_is_added_again_is_counted_once() {
        let mut store = store();
        let x = store.interned(&["x"]);
        store.add("a", &x);
        assert_eq!(store.tags("a").len(), 2);
        store.remove("a", &x);
        store.sweep();
        assert_eq!(store.app_tags(), 2);
        store.assert_counts();
    }

    #[test]
    fn a_user_without_tags_is_forgotten() {
        let mut store = store();
        let tags = store.looked_up(&["x", "y", "unknown"]);
        assert_eq!(tags.len(), 2);
        store.remove("a", &tags);
        store.remove("stranger", &tags);
        store.clear("b");
        store.clear("stranger");
        store.sweep();
        assert_eq!((store.users(), store.app_tags()), (0, 0));
        assert!(store.looked_up(&["x", "y", "z"]).is_empty());
    }

    #[test]
    fn the_apps_distinct_tags_are_counted_over_all_users() {
        let mut store = store();
        let mut after = |account: &str, tags: &[&str], replace: bool| {
            let tags = store.interned(tags);
            store.app_tags_after(account, &tags, replace)
        };
        assert_eq!(after("c", &["x", "z"], false), 3);
        assert_eq!(after("c", &["n", "n"], false), 4);
        assert_eq!(after("a", &["n"], false), 4);
        assert_eq!(after("a", &["n"], true), 3);
        assert_eq!(after("a", &["x"], true), 3);
        let x = store.interned(&["x"]);
        store.remove("a", &x);
        let y = store.interned(&["y"]);
        assert_eq!(store.app_tags_after("c", &y, false), 2);
    }

    /// A tag that one user of a request loses is there all the same for the next.
    #[test]
    fn numbers_hold_until_the_sweep() {
        let mut store = Store::default();
        store.add_texts("a", &["x"]);
        let [x, y] = ["x", "y"].map(|tag| store.interned(&[tag]));
        store.replace("a", &y);
        store.replace("b", &x);
        store.sweep();
        let users: Vec<_> = store.users_after(None).collect();
        assert_eq!(
            users,
            [("a", BTreeSet::from(["y"])), ("b", BTreeSet::from(["x"]))]
        );
        assert_eq!(store.app_tags(), 2);
    }

    #[test]
    fn what_was_changed_is_counted_and_named_where_that_is_wanted() {
        for (wanted, named) in [(false, &[][..]), (true, &["a", "a", "b"])] {
            let mut store = Store::new(wanted);
            store.add_texts("a", &["x"]);
            store.clear("a");
            store.clear("b");
            let (count, accounts) = store.take_changed();
            assert_eq!(
                (count, accounts.as_slice()),
                (
                    3,
                    &*named.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>()
                )
            );
            assert_eq!(store.take_changed(), (0, Vec::new()));
        }
    }
}
