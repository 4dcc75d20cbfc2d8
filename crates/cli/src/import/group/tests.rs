//! Grouping against a simple model: whatever the rows and however little memory there is, the same users with the
//! same tags, in the same order.

use std::collections::{BTreeMap, BTreeSet};

use imtag_core::ChangeOperation::{self, Add, Clear, Remove, Replace};
use imtag_rows::{OPERATIONS, Row, Tags};
use proptest::prelude::*;

use super::entry::NUMBERED_TAGS;
use super::*;

/// A row: its account, what it does, and its tags, separated by `;`.
type Given = (String, ChangeOperation, String);

/// Rows such as `alice add a;b, bob clear`.
fn rows(text: &str) -> Vec<Given> {
    let rows = text.split_terminator(", ").map(|row| {
        let mut words = row.split(' ').map(str::to_owned);
        let account = words.next().unwrap();
        let op = words.next().unwrap();
        let op = OPERATIONS.into_iter().find(|it| it.name() == op);
        (account, op.unwrap(), words.next().unwrap_or_default())
    });
    rows.collect()
}

/// Rows that may take so little memory, whatever `--memory` says.
fn collected(rows: impl IntoIterator<Item = Given>, memory: usize) -> CollectedRows {
    let folder = std::env::temp_dir();
    let mut collected = CollectedRows {
        partitions: Partitions::new(memory, folder.clone()),
        ..CollectedRows::new(Memory::LEAST, folder, Limits::DOCUMENTED)
    };
    for (account, op, tags) in rows {
        let tags = match op {
            Clear => Tags::List(&[]),
            Add | Remove | Replace => Tags::Separated(&tags),
        };
        let account = &account;
        collected.add(&Row { account, op, tags }).unwrap();
    }
    collected.finish().unwrap();
    collected
}

/// Each user as `alice: clear -a -b +c`.
fn users(collected: &mut CollectedRows) -> Vec<String> {
    let mut users = collected.users();
    let mut lines = Vec::new();
    while let Some((position, user)) = users.next().unwrap() {
        assert_eq!(position, lines.len() as u64);
        let mut line = format!("{}:", user.account);
        if user.clear {
            line.push_str(" clear");
        }
        user.remove
            .iter()
            .for_each(|tag| line += &format!(" -{tag}"));
        user.add.iter().for_each(|tag| line += &format!(" +{tag}"));
        lines.push(line);
    }
    lines
}

fn accounts(users: &[String]) -> Vec<&str> {
    let account = |user: &String| user.split_once(':').unwrap().0.len();
    users.iter().map(|user| &user[..account(user)]).collect()
}

#[test]
fn rows_of_a_user_are_put_together_and_the_last_on_a_tag_wins() {
    for (given, expected) in [
        ("", ""),
        (
            "bob add z, alice add a;b, bob add a;z, alice add c",
            "bob: +z +a, alice: +a +b +c",
        ),
        (
            "alice add a;b;c, alice remove c;d;a, alice add a",
            "alice: -c -d +a +b",
        ),
        // a clear voids what stands before it, and leaves nothing to remove after it
        (
            "alice add a;b, alice clear, alice add c;d, alice remove d;e, bob clear, bob add x, bob clear",
            "alice: clear +c, bob: clear",
        ),
    ] {
        let found = users(&mut collected(rows(given), 1 << 30));
        assert_eq!(found.join(", "), expected);
    }
}

#[test]
fn users_with_the_most_slots_come_first_and_those_with_too_many_tags_last() {
    let tags = |count: usize| {
        let tags: Vec<_> = (0..count).map(|tag| tag.to_string()).collect();
        tags.join(";")
    };
    let given = format!(
        "one add {}, too-many add {}, two add {}, both add x, both remove y, another add a, ten add {}",
        tags(10),
        tags(101),
        tags(11),
        tags(100)
    );
    let found = users(&mut collected(rows(&given), 1 << 30));
    assert_eq!(
        accounts(&found),
        ["ten", "two", "both", "one", "another", "too-many"]
    );
}

/// More rows than one partition takes, of more tags than get a number.
fn many(rows: usize) -> impl Iterator<Item = Given> {
    (0..rows).map(move |nth| {
        let user = nth * 7_919 % (rows / 4);
        let op = match nth % 11 {
            0 => Remove,
            1 if nth % 3 == 0 => Clear,
            _ => Add,
        };
        let tag = nth % (2 * NUMBERED_TAGS);
        let tags = format!("tag{tag};tag{}", nth % 5);
        (format!("user{user}"), op, tags)
    })
}

#[test]
fn little_memory_makes_no_difference_to_what_comes_out_nor_to_its_order() {
    let expected = users(&mut collected(many(20_000), 1 << 30));
    assert_eq!(expected.len(), 5_000);
    let mut on_disk = collected(many(20_000), 0);
    assert_eq!(on_disk.partitions.partitions.len(), 256);
    assert!(users(&mut on_disk) == expected);
    assert!(users(&mut on_disk) == expected, "and so the second time");
}

#[test]
fn a_partition_that_is_too_large_is_split_again_and_one_account_by_itself_is_not() {
    let all: Vec<_> = (0..50_000).map(|user| format!("u{user}")).collect();
    let is_near = |account: &&String| interner::hash(account.as_bytes()) >> 24 & 0xff == 7;
    let near: Vec<_> = all.iter().filter(is_near).collect();
    let given = (0..20_000).map(|nth| match nth % 2 {
        0 => {
            let tags = format!("{};{}", nth % 50, "x".repeat(40));
            (near[nth / 2 % near.len()].clone(), Add, tags)
        }
        _ => {
            let tags = format!("{};{}", nth / 2 % 90, nth % 7);
            ("busy".to_owned(), Add, tags)
        }
    });
    let found = users(&mut collected(given, 100_000));
    let busy = found.iter().find(|line| line.starts_with("busy:")).unwrap();
    assert_eq!(busy.matches('+').count(), 90);
    let distinct: BTreeSet<_> = accounts(&found).into_iter().collect();
    assert_eq!(
        (distinct.len(), found.len()),
        (near.len() + 1, near.len() + 1)
    );
}

#[test]
fn rows_of_an_account_above_the_memory_are_compacted_and_too_many_tags_of_it_are_named() {
    let busy = |tag: &dyn Fn(usize) -> usize| {
        let tags: Vec<_> = (0..100).map(|nth| format!("{:050}", tag(nth))).collect();
        ("busy".to_owned(), Add, tags.join(";"))
    };
    let repeated = (0..1_000).map(|row| busy(&|nth| (row + nth) % 97));
    let found = users(&mut collected(repeated, 0));
    assert_eq!(found[0].matches('+').count(), 97);

    let distinct = (0..5_000).map(|row| busy(&|nth| 100 * row + nth));
    let mut collected = collected(distinct, 0);
    let error = collected.users().next().err().unwrap().to_string();
    let says = "the rows of \"busy\" alone take more than a quarter of 16M";
    assert!(error.starts_with(says), "{error}");
}

/// What is to be done, worked out in the plainest way.
fn modelled(rows: &[Given]) -> BTreeMap<String, (bool, BTreeSet<String>, BTreeSet<String>)> {
    let mut model: BTreeMap<String, (bool, BTreeSet<String>, BTreeSet<String>)> = BTreeMap::new();
    for (account, op, tags) in rows {
        let (clear, remove, add) = model.entry(account.clone()).or_default();
        for tag in tags.split(';') {
            match op {
                Clear => (*clear, *remove, *add) = (true, BTreeSet::new(), BTreeSet::new()),
                Add => {
                    remove.remove(tag);
                    add.insert(tag.to_owned());
                }
                Remove => {
                    add.remove(tag);
                    if !*clear {
                        remove.insert(tag.to_owned());
                    }
                }
                Replace => unreachable!("no row asks for it"),
            }
        }
    }
    model
}

fn any_row() -> impl Strategy<Value = Given> {
    let op = prop_oneof![6 => Just(Add), 3 => Just(Remove), 1 => Just(Clear)];
    let tags = proptest::collection::vec("[a-e]{1,2}", 1..4);
    ("[a-c]{1,2}", op, tags).prop_map(|(account, op, tags)| (account, op, tags.join(";")))
}

proptest! {
    #[test]
    fn any_rows_come_to_what_a_plain_model_comes_to(
        rows in proptest::collection::vec(any_row(), 0..300),
        memory in prop_oneof![Just(0_usize), Just(1 << 20)],
    ) {
        let mut collected = collected(rows.clone(), memory);
        let mut users = collected.users();
        let mut model = modelled(&rows);
        while let Some((_, user)) = users.next().unwrap() {
            let set = |tags: &TagList<'_>| {
                let set: BTreeSet<String> = tags.iter().map(str::to_owned).collect();
                assert_eq!(set.len(), tags.len(), "a tag twice");
                set
            };
            let found = (user.clear, set(&user.remove), set(&user.add));
            prop_assert_eq!(model.remove(user.account), Some(found));
        }
        prop_assert!(model.is_empty(), "{:?} left out", model);
    }
}
