//! The good rows: which user and which tag a row is about, from its number alone.
//!
//! Users come in blocks of twenty with eighty rows, so that a row's user is found without counting from the start.
//! One user in ten has more than ten tags, and so needs more than one request.

use crate::random::mix;

/// The tags there are: several scripts, a comma, quotes, and one at exactly the fifty bytes allowed.
const TAGS: [&str; 20] = [
    "vip",
    "beijing",
    "new-user",
    "android",
    "ios",
    "北京",
    "上海",
    "高价值用户",
    "过去三十天内曾经购买过商品的用户01",
    "會員",
    "日本語",
    "한국어",
    "عميل مميز",
    "الرياض",
    "café",
    "новый пользователь",
    "🎉",
    "🏃‍♀️ marathon",
    "games, sports",
    "the \"gold\" plan",
];

const USERS_PER_BLOCK: u64 = 20;
const ROWS_PER_BLOCK: u64 = 80;
/// Tags of each user of a block. The last two are missing here: they have 31 tags together.
const FEW: [u64; 18] = [1, 2, 3, 1, 4, 2, 1, 5, 2, 3, 1, 6, 2, 1, 3, 8, 2, 2];

/// The account and the tag of the row of this number in the file of this seed.
pub(super) fn row(number: u64, seed: u64) -> (String, &'static str) {
    let block = number / ROWS_PER_BLOCK;
    let (in_block, nth) = user_and_nth(number % ROWS_PER_BLOCK, mix(seed, block));
    let user = block * USERS_PER_BLOCK + in_block;
    (account(user + 1), tag_of(mix(!seed, user), nth))
}

/// The account of the user of this number. One in a hundred has a comma in it.
pub(crate) fn account(user: u64) -> String {
    if user % 100 == 88 {
        format!("li,na{user:06}")
    } else {
        format!("user{user:06}")
    }
}

/// The tag of this number, of any number of tags: the first are [`TAGS`], and the others short ones of them with it.
pub(crate) fn tag(number: u64) -> String {
    let few = TAGS.len() as u64;
    if number < few {
        return TAGS[number as usize].to_owned();
    }
    format!("{} {number}", TAGS[(few - 1 - number % 8) as usize])
}

/// Which user of its block a row belongs to, and which of the user's rows it is.
fn user_and_nth(row: u64, drawn: u64) -> (u64, u64) {
    let mut before = 0;
    for user in 0..USERS_PER_BLOCK {
        let tags = tags_of(user, drawn);
        if row < before + tags {
            return (user, row - before);
        }
        before += tags;
    }
    unreachable!("the users of a block have {ROWS_PER_BLOCK} rows together")
}

/// How many tags a user of a block has. The number drawn for the block decides which user has how many.
fn tags_of(user: u64, drawn: u64) -> u64 {
    let many = 11 + drawn % 10;
    let place = (user + drawn / 10) % USERS_PER_BLOCK;
    let few = FEW.get(usize::try_from(place).unwrap_or(usize::MAX));
    match few {
        Some(&few) => few,
        None if place % 2 == 0 => many,
        None => 31 - many,
    }
}

/// The nth tag of a user: a walk through all tags, from a start and in strides that were drawn for the user.
fn tag_of(drawn: u64, nth: u64) -> &'static str {
    // Each has no factor in common with the number of tags, so no tag comes twice.
    const STRIDES: [u64; 8] = [1, 3, 7, 9, 11, 13, 17, 19];
    let count = TAGS.len() as u64;
    let stride = STRIDES[(drawn % 8) as usize];
    let at = (drawn / 8 % count + nth * stride) % count;
    TAGS[at as usize]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_block_has_as_many_rows_as_its_users_have_tags() {
        for drawn in 0..1_000 {
            let rows: u64 = (0..USERS_PER_BLOCK).map(|user| tags_of(user, drawn)).sum();
            assert_eq!(rows, ROWS_PER_BLOCK, "drawn {drawn}");
        }
    }

    #[test]
    fn no_user_has_a_tag_twice() {
        for drawn in 0..1_000 {
            let tags: BTreeSet<_> = (0..20).map(|nth| tag_of(drawn, nth)).collect();
            assert_eq!(tags.len(), 20, "drawn {drawn}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_rows_for_ever() {
        let rows = [0, 1, 2].map(|number| row(number, 7));
        assert_eq!(rows[0].0, "user000001");
        assert_eq!(rows.map(|row| row.1), ["上海", "الرياض", "android"]);
        assert_eq!(row(9_999_999, 7).0, "user2500000");
    }

    #[test]
    fn all_tags_differ_and_one_has_exactly_the_bytes_allowed() {
        let tags: BTreeSet<String> = (0..1_000).map(tag).collect();
        assert_eq!(tags.len(), 1_000);
        assert_eq!(tags.iter().map(String::len).max(), Some(50));
    }
}
