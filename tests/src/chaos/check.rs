//! Compares the emulator's users with what the file says, less exactly what the list of failed users says.
//!
//! For each tag of each user, the steps in their order (what was there before, the clear, the last row) decide if it may
//! be there, and if it may be away. A step that is listed as *not applied* has not happened; one that is *possibly
//! applied* may have; any other has. Example: a user had `a`, and the file adds `b`, which is listed as possibly applied:
//! `a` must be there, and `b` may be.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::failed::{Effect, Listed, Op};
use super::file::{User, Wish};
use crate::data::{account, tag};

/// All that is wrong, a sentence each.
pub(super) fn differences(
    users: &[User],
    listed: &HashMap<String, Listed>,
    emulator: &BTreeMap<String, BTreeSet<String>>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut known = HashSet::new();
    let (nothing, none) = (Listed::new(), BTreeSet::new());
    for (number, user) in (0..).zip(users) {
        let account = account(number);
        let listed = listed.get(&account).unwrap_or(&nothing);
        let there = emulator.get(&account).unwrap_or(&none);
        let of_user = of_user(user, listed, there).into_iter();
        wrong.extend(of_user.map(|what| format!("{account}: {what}")));
        known.insert(account);
    }
    let has_tags = emulator.keys().map(|account| (account, "has tags"));
    let is_listed = listed.keys().map(|account| (account, "is listed"));
    for (account, what) in has_tags.chain(is_listed) {
        if !known.contains(account) {
            wrong.push(format!("{account}: {what}, and is not in the file"));
        }
    }
    wrong
}

fn of_user(user: &User, listed: &Listed, there: &BTreeSet<String>) -> Vec<String> {
    let mut wish = user.wish();
    let not_in_the_file = listed
        .keys()
        .filter(|(op, tag)| !is_wished(&wish, *op, tag));
    let say = |step| format!("{step:?} is listed, and is not in the file like that");
    let mut wrong: Vec<String> = not_in_the_file.map(say).collect();
    if wish.is_too_much() {
        if !listed.keys().any(|(op, _)| *op == Op::Add) {
            wrong.push("is to have more tags than a user may have, and is not listed".to_owned());
        }
        wish = Wish::default(); // refused before anything is sent
    }
    let numbers = user.before.iter().chain(wish.tags.keys());
    let numbers: BTreeSet<u64> = numbers.copied().collect();
    let mut seen = 0;
    for number in numbers {
        let tag = tag(number);
        let was_there = user.before.contains(&number);
        // if it may be away, and if it may be there
        let mut may = [!was_there, was_there];
        let mut step = |op, tag: &str| {
            let there = op == Op::Add;
            match listed.get(&(op, tag.to_owned())) {
                None | Some(Effect::Applied) => may = [!there, there],
                Some(Effect::NotApplied) => {}
                Some(Effect::PossiblyApplied) => may[usize::from(there)] = true,
            }
        };
        if wish.clear {
            step(Op::Clear, "");
        }
        match wish.tags.get(&number) {
            Some(true) => step(Op::Add, &tag),
            Some(false) if !wish.clear => step(Op::Remove, &tag),
            _ => {} // the file does not name it, or nothing is left to remove
        }
        let is_there = there.contains(&tag);
        seen += usize::from(is_there);
        if !may[usize::from(is_there)] {
            wrong.push(format!(
                "tag {tag:?} is there: {is_there}; it was before: {was_there}; the file says {wish:?}; listed: {listed:?}"
            ));
        }
    }
    if seen < there.len() {
        let tags = there.len();
        wrong.push(format!("has {tags} tags, of which the file knows {seen}"));
    }
    wrong
}

fn is_wished(wish: &Wish, op: Op, name: &str) -> bool {
    let mut tags = wish.tags.iter();
    match op {
        Op::Clear => wish.clear,
        op => tags.any(|(number, there)| *there == (op == Op::Add) && tag(*number) == name),
    }
}

#[cfg(test)]
mod tests {
    use super::super::file::Row;
    use super::Effect::{NotApplied, PossiblyApplied};
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

    fn failed(op: Op, number: u64, effect: Effect) -> Listed {
        let tag = if op == Op::Clear {
            String::new()
        } else {
            tag(number)
        };
        Listed::from([((op, tag), effect)])
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
    fn a_user_who_would_have_too_many_tags_is_listed_and_keeps_what_was_there() {
        let rows: Vec<Row> = (0..101).map(Row::Add).collect();
        let user = user(&[200], &rows);
        assert_eq!(wrong(&user, &Listed::default(), &[200]), 1);
        let listed = failed(Op::Add, 0, NotApplied);
        assert_eq!(wrong(&user, &listed, &[200]), 0);
        assert_eq!(wrong(&user, &listed, &[0, 200]), 1);
    }

    #[test]
    fn what_is_not_applied_has_not_happened_and_what_is_possibly_applied_may_have() {
        let adds = user(&[], &[Row::Add(2)]);
        assert_eq!(wrong(&adds, &failed(Op::Add, 2, NotApplied), &[]), 0);
        assert_eq!(wrong(&adds, &failed(Op::Add, 2, NotApplied), &[2]), 1);
        assert_eq!(wrong(&adds, &failed(Op::Add, 2, PossiblyApplied), &[]), 0);
        assert_eq!(wrong(&adds, &failed(Op::Add, 2, PossiblyApplied), &[2]), 0);
        let removes = user(&[2], &[Row::Remove(2)]);
        assert_eq!(wrong(&removes, &failed(Op::Remove, 2, NotApplied), &[]), 1);
        let possibly = failed(Op::Remove, 2, PossiblyApplied);
        assert_eq!(wrong(&removes, &possibly, &[]), 0);
    }

    #[test]
    fn a_clear_goes_before_what_is_added_after_it() {
        let user = user(&[1, 2], &[Row::Clear, Row::Add(2), Row::Remove(3)]);
        assert_eq!(wrong(&user, &Listed::default(), &[2]), 0);
        assert_eq!(wrong(&user, &Listed::default(), &[1, 2]), 1);
        let not_cleared = failed(Op::Clear, 0, NotApplied);
        assert_eq!(wrong(&user, &not_cleared, &[1, 2]), 0);
        assert_eq!(wrong(&user, &not_cleared, &[2]), 1);
        let not_added = failed(Op::Add, 2, NotApplied);
        assert_eq!(wrong(&user, &not_added, &[]), 0);
        assert_eq!(wrong(&user, &not_added, &[2]), 1);
    }

    #[test]
    fn nobody_may_be_listed_with_what_is_not_in_the_file() {
        let user = user(&[1], &[Row::Add(2)]);
        for (op, number) in [(Op::Add, 3), (Op::Remove, 2), (Op::Clear, 0)] {
            assert_eq!(wrong(&user, &failed(op, number, NotApplied), &[1, 2]), 1);
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
