//! Compares the emulator's users with what the file says, less exactly what the list of failed users says.
//!
//! For each tag of each user, the steps in their order (what was there before, the clear, the last row) decide if it may
//! be there, and if it may be away. A step that is listed as *not applied* has not happened; one that is *possibly
//! applied* may have; any other has. Example: a user had `a`, and the file adds `b`, which is listed as possibly applied:
//! `a` must be there, and `b` may be.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::failed::{Effect, Listed};
use super::file::{User, Wish};
use crate::data::{account, tag};

const TOO_MANY: &str = "is to have more tags than a user may have";

/// If a tag of a user may be there, and if it may be away.
#[derive(Debug, Clone, Copy)]
struct May {
    be_there: bool,
    be_away: bool,
}

impl May {
    fn only(there: bool) -> May {
        May {
            be_there: there,
            be_away: !there,
        }
    }

    /// After a step that sets it, with what is listed of the step.
    fn after(self, there: bool, listed: Option<Effect>) -> May {
        match listed {
            None | Some(Effect::Applied) => May::only(there),
            Some(Effect::NotApplied) => self,
            Some(Effect::PossiblyApplied) => May {
                be_there: self.be_there || there,
                be_away: self.be_away || !there,
            },
        }
    }

    fn allows(self, there: bool) -> bool {
        if there { self.be_there } else { self.be_away }
    }
}

/// All that is wrong, a sentence each.
pub(super) fn differences(
    users: &[User],
    listed: &HashMap<String, Listed>,
    emulator: &BTreeMap<String, BTreeSet<String>>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut known = HashSet::new();
    for (number, user) in (0..).zip(users) {
        let account = account(number);
        let there = emulator.get(&account).cloned().unwrap_or_default();
        let of_user = match listed.get(&account) {
            Some(listed) => of_user(user, listed, &there),
            None => of_user(user, &Listed::default(), &there),
        };
        wrong.extend(of_user.into_iter().map(|what| format!("{account}: {what}")));
        known.insert(account);
    }
    let has_tags = emulator.keys().map(|account| (account, "has tags"));
    let is_listed = listed
        .keys()
        .map(|account| (account, "is listed as failed"));
    let strangers = has_tags
        .chain(is_listed)
        .filter(|(account, _)| !known.contains(*account));
    wrong.extend(
        strangers.map(|(account, what)| format!("{account}: {what}, and is not in the file")),
    );
    wrong
}

fn of_user(user: &User, listed: &Listed, there: &BTreeSet<String>) -> Vec<String> {
    let wish = user.wish();
    let mut wrong = not_in_the_file(&wish, listed);
    let wish = if !wish.is_too_much() {
        wish
    } else if listed.add.is_empty() {
        return vec![format!("{TOO_MANY}, and is not listed")];
    } else {
        Wish::default() // refused before anything is sent
    };
    let mut seen = 0;
    let tags: BTreeSet<u64> = user
        .before
        .iter()
        .chain(wish.tags.keys())
        .copied()
        .collect();
    for number in tags {
        let tag = tag(number);
        let before = user.before.contains(&number);
        let mut may = May::only(before);
        if wish.clear {
            may = may.after(false, listed.clear);
        }
        may = match wish.tags.get(&number) {
            Some(true) => may.after(true, listed.add.get(&tag).copied()),
            Some(false) if wish.clear => may, // nothing is left to remove
            Some(false) => may.after(false, listed.remove.get(&tag).copied()),
            None => may,
        };
        let is_there = there.contains(&tag);
        seen += usize::from(is_there);
        if !may.allows(is_there) {
            let not = |is: bool| if is { "" } else { "not " };
            let (is, was) = (not(is_there), not(before));
            wrong.push(format!(
                "tag {tag:?} is {is}there; it was {was}there before; the file says {wish:?}; listed: {listed:?}"
            ));
        }
    }
    if seen < there.len() {
        let tags = there.len();
        wrong.push(format!("has {tags} tags, of which the file knows {seen}"));
    }
    wrong
}

/// What is listed and was not to be done.
fn not_in_the_file(wish: &Wish, listed: &Listed) -> Vec<String> {
    let mut wrong = Vec::new();
    if listed.clear.is_some() && !wish.clear {
        wrong.push("a clear is listed that is not in the file".to_owned());
    }
    for (list, there) in [(&listed.add, true), (&listed.remove, false)] {
        for name in list.keys() {
            let is_this = |(number, it): (&u64, &bool)| *it == there && tag(*number) == *name;
            if !wish.tags.iter().any(is_this) {
                wrong.push(format!(
                    "tag {name:?} is listed, and is not in the file like that"
                ));
            }
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::super::file::Row;
    use super::*;

    fn user(before: &[u64], rows: &[Row]) -> User {
        User {
            before: before.to_vec(),
            rows: rows.to_vec(),
        }
    }

    fn wrong(user: &User, listed: &Listed, there: &[u64]) -> usize {
        let there = there.iter().map(|number| tag(*number)).collect();
        of_user(user, listed, &there).len()
    }

    fn failed(op: &str, number: u64, effect: Effect) -> Listed {
        let mut listed = Listed::default();
        match op {
            "add" => drop(listed.add.insert(tag(number), effect)),
            "remove" => drop(listed.remove.insert(tag(number), effect)),
            _ => listed.clear = Some(effect),
        }
        listed
    }

    #[test]
    fn a_tag_that_is_lost_or_too_many_is_found() {
        let user = user(&[1], &[Row::Add(2)]);
        let done = Listed::default();
        assert_eq!(wrong(&user, &done, &[1, 2]), 0);
        assert_eq!(wrong(&user, &done, &[1]), 1);
        assert_eq!(wrong(&user, &done, &[2]), 1);
        assert_eq!(wrong(&user, &done, &[1, 2, 3]), 1);
    }

    #[test]
    fn what_is_not_applied_has_not_happened_and_what_is_possibly_applied_may_have() {
        let adds = user(&[], &[Row::Add(2)]);
        let (not, possibly) = (Effect::NotApplied, Effect::PossiblyApplied);
        assert_eq!(wrong(&adds, &failed("add", 2, not), &[]), 0);
        assert_eq!(wrong(&adds, &failed("add", 2, not), &[2]), 1);
        assert_eq!(wrong(&adds, &failed("add", 2, possibly), &[]), 0);
        assert_eq!(wrong(&adds, &failed("add", 2, possibly), &[2]), 0);
        let removes = user(&[2], &[Row::Remove(2)]);
        assert_eq!(wrong(&removes, &failed("remove", 2, not), &[]), 1);
        assert_eq!(wrong(&removes, &failed("remove", 2, possibly), &[]), 0);
    }

    #[test]
    fn a_clear_goes_before_what_is_added_after_it() {
        let user = user(&[1, 2], &[Row::Clear, Row::Add(2), Row::Remove(3)]);
        assert_eq!(wrong(&user, &Listed::default(), &[2]), 0);
        assert_eq!(wrong(&user, &Listed::default(), &[1, 2]), 1);
        let not_cleared = failed("clear", 0, Effect::NotApplied);
        assert_eq!(wrong(&user, &not_cleared, &[1, 2]), 0);
        assert_eq!(wrong(&user, &not_cleared, &[2]), 1);
        let not_added = failed("add", 2, Effect::NotApplied);
        assert_eq!(wrong(&user, &not_added, &[]), 0);
        assert_eq!(wrong(&user, &not_added, &[2]), 1);
    }

    #[test]
    fn nobody_may_be_listed_with_what_is_not_in_the_file() {
        let user = user(&[1], &[Row::Add(2)]);
        for listed in [
            failed("add", 3, Effect::NotApplied),
            failed("remove", 2, Effect::NotApplied),
            failed("clear", 0, Effect::NotApplied),
        ] {
            assert_eq!(wrong(&user, &listed, &[1, 2]), 1);
        }
        let users = [user];
        let emulator = BTreeMap::from([
            (account(0), BTreeSet::from([tag(1), tag(2)])),
            ("stranger".to_owned(), BTreeSet::from([tag(1)])),
        ]);
        let listed = HashMap::from([(account(1), Listed::default())]);
        assert_eq!(differences(&users, &listed, &emulator).len(), 2);
    }
}
