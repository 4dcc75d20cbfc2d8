//! The tags of the users. Both generations of paths share one store, as no page says that they do not.
//!
//! A user without tags is not kept, so that two states can be compared with `==`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Accounts with their tags, and how many users carry each tag.
#[derive(Debug, Default)]
pub(crate) struct Store {
    users: BTreeMap<String, BTreeSet<String>>,
    carriers: HashMap<String, usize>,
    /// Accounts that were named in a change since these were last taken, in their order.
    changed: Vec<String>,
}

impl Store {
    /// The accounts that were named in a change since this was last asked.
    pub(crate) fn take_changed(&mut self) -> Vec<String> {
        std::mem::take(&mut self.changed)
    }

    pub(crate) fn users(&self) -> &BTreeMap<String, BTreeSet<String>> {
        &self.users
    }

    pub(crate) fn tags(&self, account: &str) -> Option<&BTreeSet<String>> {
        self.users.get(account)
    }

    pub(crate) fn add(&mut self, account: &str, tags: Vec<String>) {
        self.changed.push(account.to_owned());
        let user = self.users.entry(account.to_owned()).or_default();
        for tag in tags {
            if user.contains(&tag) {
                continue;
            }
            user.insert(tag.clone());
            *self.carriers.entry(tag).or_default() += 1;
        }
    }

    pub(crate) fn remove(&mut self, account: &str, tags: &[String]) {
        self.changed.push(account.to_owned());
        let Some(user) = self.users.get_mut(account) else {
            return;
        };
        for tag in tags {
            if user.remove(tag) {
                drop_carrier(&mut self.carriers, tag);
            }
        }
        if user.is_empty() {
            self.users.remove(account);
        }
    }

    pub(crate) fn clear(&mut self, account: &str) {
        self.changed.push(account.to_owned());
        self.take_all(account);
    }

    /// Gives a user these tags in place of those that it had.
    pub(crate) fn replace(&mut self, account: &str, tags: Vec<String>) {
        self.take_all(account);
        self.add(account, tags);
    }

    fn take_all(&mut self, account: &str) {
        for tag in self.users.remove(account).unwrap_or_default() {
            drop_carrier(&mut self.carriers, &tag);
        }
    }

    /// How many distinct tags the app has.
    pub(crate) fn app_tags(&self) -> usize {
        self.carriers.len()
    }

    /// How many tags the user would have after adding `tags`.
    pub(crate) fn tags_after_adding(&self, account: &str, tags: &[String]) -> usize {
        let old = self.tags(account);
        let is_new = |tag: &&String| old.is_none_or(|old| !old.contains(*tag));
        let new: BTreeSet<_> = tags.iter().filter(is_new).collect();
        old.map_or(0, BTreeSet::len) + new.len()
    }

    /// How many distinct tags the app would have after `tags` were added to the user, or had replaced all its tags.
    pub(crate) fn app_tags_after(&self, account: &str, tags: &[String], replace: bool) -> usize {
        let new: BTreeSet<_> = tags.iter().collect();
        let appear = new.iter().filter(|tag| !self.carriers.contains_key(**tag));
        let appear = appear.count();
        let last_carried =
            |tag: &&String| self.carriers.get(*tag) == Some(&1) && !new.contains(tag);
        let vanish = match self.tags(account) {
            Some(old) if replace => old.iter().filter(last_carried).count(),
            _ => 0,
        };
        self.carriers.len() + appear - vanish
    }
}

fn drop_carrier(carriers: &mut HashMap<String, usize>, tag: &str) {
    if let Some(count) = carriers.get_mut(tag) {
        *count -= 1;
        if *count == 0 {
            carriers.remove(tag);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags<const N: usize>(names: [&str; N]) -> Vec<String> {
        names.map(str::to_owned).to_vec()
    }

    fn store() -> Store {
        let mut store = Store::default();
        store.add("a", tags(["x", "y", "x"]));
        store.add("b", tags(["y", "z"]));
        store
    }

    #[test]
    fn a_users_tags_are_a_set() {
        let mut store = store();
        store.add("a", tags(["x"]));
        let of_a: Vec<_> = store.tags("a").unwrap().iter().collect();
        assert_eq!(of_a, ["x", "y"]);
        assert_eq!(store.tags_after_adding("a", &tags(["y", "n", "n"])), 3);
        assert_eq!(store.tags_after_adding("new", &tags(["n", "n"])), 1);
    }

    #[test]
    fn a_user_without_tags_is_forgotten() {
        let mut store = store();
        store.remove("a", &tags(["x", "y", "unknown"]));
        store.remove("stranger", &tags(["x"]));
        store.clear("b");
        store.clear("stranger");
        assert!(store.users().is_empty());
        assert_eq!(store.carriers.len(), 0);
    }

    #[test]
    fn the_apps_distinct_tags_are_counted_over_all_users() {
        let mut store = store();
        assert_eq!(store.app_tags_after("c", &tags(["x", "z"]), false), 3);
        assert_eq!(store.app_tags_after("c", &tags(["n", "n"]), false), 4);
        assert_eq!(store.app_tags_after("a", &tags(["n"]), false), 4);
        assert_eq!(store.app_tags_after("a", &tags(["n"]), true), 3);
        assert_eq!(store.app_tags_after("a", &tags(["x"]), true), 3);
        store.remove("a", &tags(["x"]));
        assert_eq!(store.app_tags_after("c", &tags(["y"]), false), 2);
    }
}
