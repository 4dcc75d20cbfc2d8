//! The file that is imported, and what it says: users of all kinds, each drawn from the seed and its number alone, with
//! their rows far apart. What the users had before is drawn with them.
//!
//! What the file says is worked out here row by row, as a person would read it, and not as the import does.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::data::{account, field, tag};
use crate::random::{Rng, mix};

/// How many tags there are.
const TAGS: u64 = 400;
/// Of one user, as the service has it.
const TAGS_OF_A_USER: u64 = 100;
/// How many good rows stand before each bad one.
const GOOD_BEFORE_BAD: u64 = 1_000;

/// What a row does to its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Row {
    Add(u64),
    Remove(u64),
    Clear,
}

/// A user: what was there before, and the rows, in their order.
#[derive(Debug, Default)]
pub(super) struct User {
    pub(super) before: Vec<u64>,
    pub(super) rows: Vec<Row>,
}

/// What a user's rows come to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    /// First all tags go.
    pub(super) clear: bool,
    /// Then each tag is there or not, as its last row says.
    pub(super) tags: BTreeMap<u64, bool>,
}

impl User {
    /// The user of this number in the file of this seed.
    pub(super) fn from_seed(seed: u64, user: u64) -> User {
        let mut rng = Rng::new(mix(seed, user));
        let (before, tags) = match rng.below(10_000) {
            // more distinct tags than a user may have: nothing is to be done
            0..4 => (0, TAGS_OF_A_USER + 1),
            // more than a user may have with those that are there: some request is refused
            4..8 => (95, 20),
            8..60 => (0, 50 + rng.below(40)),
            60..1_000 => (0, 11 + rng.below(10)),
            1_000..2_500 => return User::of_all_kinds(&mut rng),
            _ => (0, 1 + rng.below(4)),
        };
        User::adding(&mut rng, before, tags)
    }

    /// Different tags: some were there, others are added.
    fn adding(rng: &mut Rng, before: u64, added: u64) -> User {
        let first = rng.below(TAGS);
        let tag = |nth: u64| (first + nth) % TAGS;
        User {
            before: (0..before).map(tag).collect(),
            rows: (before..before + added).map(tag).map(Row::Add).collect(),
        }
    }

    /// Rows that add, remove and clear, of few tags, so that later rows are about the tags of earlier ones.
    fn of_all_kinds(rng: &mut Rng) -> User {
        let first = rng.below(TAGS);
        let tag = |rng: &mut Rng| (first + rng.below(12)) % TAGS;
        let mut before: Vec<u64> = (0..rng.below(6)).map(|_| tag(rng)).collect();
        before.sort_unstable();
        before.dedup();
        let count = 1 + rng.below(8);
        let rows = (0..count).map(|_| match rng.below(10) {
            0 => Row::Clear,
            1..5 => Row::Remove(tag(rng)),
            _ => Row::Add(tag(rng)),
        });
        User {
            rows: rows.collect(),
            before,
        }
    }

    /// What the rows come to: the last word on each tag.
    pub(super) fn wish(&self) -> Wish {
        let mut wish = Wish::default();
        for row in &self.rows {
            match *row {
                Row::Add(tag) => drop(wish.tags.insert(tag, true)),
                Row::Remove(tag) => drop(wish.tags.insert(tag, false)),
                Row::Clear => {
                    wish = Wish {
                        clear: true,
                        tags: BTreeMap::new(),
                    }
                }
            }
        }
        wish
    }
}

impl Wish {
    /// Nothing is to be done for a user who would have more tags than one may have.
    pub(super) fn is_too_much(&self) -> bool {
        self.tags.values().filter(|there| **there).count() as u64 > TAGS_OF_A_USER
    }

    /// How often the user is to stand in a request, at least.
    pub(super) fn slots(&self) -> usize {
        let slots_of = |there: bool| {
            let tags = self.tags.values().filter(|it| **it == there);
            tags.count().div_ceil(10)
        };
        let removes = if self.clear { 0 } else { slots_of(false) };
        usize::from(self.clear) + removes + slots_of(true)
    }
}

/// Writes the rows of all users: first the first row of each, then the second of those that have one, and so on.
pub(super) fn write(users: &[User], out: &mut impl Write) -> io::Result<u64> {
    let most = users.iter().map(|user| user.rows.len()).max().unwrap_or(0);
    let mut rows = 0;
    let mut left: Vec<usize> = (0..users.len()).collect();
    writeln!(out, "account,op,tag")?;
    for nth in 0..most {
        left.retain(|user| users[*user].rows.len() > nth);
        for user in &left {
            let account = account(*user as u64);
            let account = field(&account);
            match users[*user].rows[nth] {
                Row::Add(number) => writeln!(out, "{account},add,{}", field(&tag(number)))?,
                Row::Remove(number) => writeln!(out, "{account},remove,{}", field(&tag(number)))?,
                Row::Clear => writeln!(out, "{account},clear,")?,
            }
            rows += 1;
            if rows % GOOD_BEFORE_BAD == 0 {
                writeln!(out, "{}", bad_row(rows / GOOD_BEFORE_BAD, &account))?;
            }
        }
    }
    Ok(rows)
}

/// A row that is to do nothing, also not for the user that it names.
fn bad_row(nth: u64, account: &str) -> String {
    match nth % 4 {
        0 => ",add,tag1".to_owned(),
        1 => format!("{account},add,{}", "很".repeat(17)),
        2 => format!("{account},put,tag1"),
        _ => format!("user{nth}-of-the-second-building-of-all,add,tag1"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_on_a_tag_wins_and_a_clear_voids_what_was_said_before() {
        let wish_of = |rows: &[Row]| {
            let user = User {
                rows: rows.to_vec(),
                before: Vec::new(),
            };
            user.wish()
        };
        let wish = wish_of(&[Row::Add(1), Row::Remove(2), Row::Remove(1), Row::Add(2)]);
        assert!(!wish.clear);
        assert_eq!(wish.tags, BTreeMap::from([(1, false), (2, true)]));
        assert_eq!(wish.slots(), 2);
        let wish = wish_of(&[Row::Add(1), Row::Clear, Row::Add(3)]);
        assert!(wish.clear);
        assert_eq!(wish.tags, BTreeMap::from([(3, true)]));
        assert_eq!(wish.slots(), 2);
    }

    #[test]
    fn a_file_has_users_of_every_kind_and_bad_rows_of_every_kind() {
        let users: Vec<User> = (0..20_000).map(|user| User::from_seed(1, user)).collect();
        let wishes: Vec<Wish> = users.iter().map(User::wish).collect();
        let clears_and_adds = |wish: &Wish| wish.clear && !wish.tags.is_empty();
        let removes = |wish: &Wish| wish.tags.values().any(|there| !there);
        for kind in [&Wish::is_too_much, &clears_and_adds, &removes] as [&dyn Fn(&Wish) -> bool; 3]
        {
            assert!(wishes.iter().any(kind));
        }
        assert!(users.iter().any(|user| user.before.len() == 95));
        let mut text = Vec::new();
        let rows = write(&users, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let lines = 1 + rows + rows / GOOD_BEFORE_BAD;
        assert_eq!(text.lines().count() as u64, lines);
        for bad in [",add,tag1\n", "很很", ",put,", "-of-the-second"] {
            assert!(text.contains(bad), "{bad}");
        }
    }
}
