//! Grouping against a simple model: whatever the rows and however little memory there is, the same users with the
//! same tags, in the same order.

use std::collections::{BTreeMap, BTreeSet};

use imtag_core::ChangeOperation;
use proptest::prelude::*;

use super::entry::NUMBERED_TAGS;
use super::*;
use crate::import::input::row::{Row, Tags};

/// A user as text: `alice: clear -a -b +c`.
type Line = String;

#[derive(Debug, Clone)]
struct Given {
    account: String,
    op: ChangeOperation,
    tags: String,
}

fn row(account: &str, op: ChangeOperation, tags: &str) -> Given {
    Given {
        account: account.to_owned(),
        op,
        tags: tags.to_owned(),
    }
}

/// Rows that may take so little memory, whatever `--memory` says.
fn collected(rows: impl IntoIterator<Item = Given>, memory: usize) -> CollectedRows {
    let folder = std::env::temp_dir();
    let mut collected = CollectedRows {
        partitions: Partitions::new(memory, folder.clone()),
        ..CollectedRows::new(Memory::LEAST, folder, Limits::DOCUMENTED)
    };
    for Given { account, op, tags } in rows {
        let tags = match op {
            ChangeOperation::Clear => Tags::List(&[]),
            _ => Tags::Separated(&tags),
        };
        let account = &account;
        collected.add(&Row { account, op, tags }).unwrap();
    }
    collected.finish().unwrap();
    collected
}

fn lines(collected: &mut CollectedRows) -> Vec<Line> {
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

fn users(rows: impl IntoIterator<Item = Given>) -> Vec<Line> {
    lines(&mut collected(rows, 1 << 30))
}

#[test]
fn rows_of_a_user_are_put_together_wherever_they_stand() {
    assert_eq!(
        users([
            row("bob", ChangeOperation::Add, "z"),
            row("alice", ChangeOperation::Add, "a;b"),
            row("bob", ChangeOperation::Add, "a;z"),
            row("alice", ChangeOperation::Add, "c"),
        ]),
        ["bob: +z +a", "alice: +a +b +c"]
    );
    assert!(users([]).is_empty());
}

#[test]
fn the_last_word_on_a_tag_wins() {
    assert_eq!(
        users([
            row("alice", ChangeOperation::Add, "a;b;c"),
            row("alice", ChangeOperation::Remove, "c;d;a"),
            row("alice", ChangeOperation::Add, "a"),
        ]),
        ["alice: -c -d +a +b"]
    );
}

#[test]
fn a_clear_voids_what_stands_before_it_and_leaves_nothing_to_remove_after_it() {
    assert_eq!(
        users([
            row("alice", ChangeOperation::Add, "a;b"),
            row("alice", ChangeOperation::Clear, ""),
            row("alice", ChangeOperation::Add, "c;d"),
            row("alice", ChangeOperation::Remove, "d;e"),
            row("bob", ChangeOperation::Clear, ""),
            row("bob", ChangeOperation::Add, "x"),
            row("bob", ChangeOperation::Clear, ""),
        ]),
        ["alice: clear +c", "bob: clear"]
    );
}

#[test]
fn users_with_the_most_slots_come_first_and_those_with_too_many_tags_last() {
    let tags = |count: usize| {
        (0..count)
            .map(|tag| tag.to_string())
            .collect::<Vec<_>>()
            .join(";")
    };
    let all = users([
        row("one", ChangeOperation::Add, &tags(10)),
        row("too many", ChangeOperation::Add, &tags(101)),
        row("two", ChangeOperation::Add, &tags(11)),
        row("two by both", ChangeOperation::Add, "x"),
        row("two by both", ChangeOperation::Remove, "y"),
        row("another", ChangeOperation::Add, "a"),
        row("ten", ChangeOperation::Add, &tags(100)),
    ]);
    let accounts: Vec<_> = all
        .iter()
        .map(|line| line.split(':').next().unwrap())
        .collect();
    assert_eq!(
        accounts,
        ["ten", "two", "two by both", "one", "another", "too many"]
    );
}

/// More rows than one part takes, of more tags than get a number.
fn many(rows: usize) -> impl Iterator<Item = Given> {
    (0..rows).map(move |nth| {
        let user = nth * 7_919 % (rows / 4);
        let op = match nth % 11 {
            0 => ChangeOperation::Remove,
            1 if nth % 3 == 0 => ChangeOperation::Clear,
            _ => ChangeOperation::Add,
        };
        let tag = nth % (2 * NUMBERED_TAGS);
        row(
            &format!("user{user}"),
            op,
            &format!("tag{tag};tag{}", nth % 5),
        )
    })
}

#[test]
fn little_memory_makes_no_difference_to_what_comes_out_nor_to_its_order() {
    let mut all_in_memory = collected(many(20_000), 1 << 30);
    let expected = lines(&mut all_in_memory);
    assert_eq!(expected.len(), 5_000);
    let mut on_disk = collected(many(20_000), 0);
    assert_eq!(on_disk.partitions.count(), 256);
    assert!(lines(&mut on_disk) == expected);
    assert!(lines(&mut on_disk) == expected, "and so the second time");
}

#[test]
fn a_part_that_is_too_large_is_dealt_out_again_and_one_account_by_itself_is_not() {
    let accounts: Vec<_> = (0..50_000).map(|user| format!("u{user}")).collect();
    let in_part = |account: &&String| super::interner::hash(account.as_bytes()) >> 24 & 0xff == 7;
    let near: Vec<_> = accounts.iter().filter(in_part).collect();
    let rows = |nth: usize| {
        row(
            near[nth / 2 % near.len()],
            ChangeOperation::Add,
            &format!("{};{}", nth % 50, "x".repeat(40)),
        )
    };
    let busy = |nth: usize| {
        row(
            "busy",
            ChangeOperation::Add,
            &format!("{};{}", nth / 2 % 90, nth % 7),
        )
    };
    let all = || (0..20_000).map(move |nth| if nth % 2 == 0 { rows(nth) } else { busy(nth) });
    let mut all = collected(all(), 100_000);
    let found = lines(&mut all);
    assert_eq!(found.len(), near.len() + 1);
    let busy = found.iter().find(|line| line.starts_with("busy:")).unwrap();
    assert_eq!(busy.matches('+').count(), 90);
    let accounts: BTreeSet<_> = found
        .iter()
        .map(|line| line.split(':').next().unwrap())
        .collect();
    assert_eq!(accounts.len(), found.len());
}

#[test]
fn an_account_with_more_rows_than_memory_is_thinned_out_and_one_with_more_tags_is_named() {
    let repeated = (0..1_000).map(|nth| {
        row(
            "busy",
            ChangeOperation::Add,
            &hundred(|tag| (nth + tag) % 97),
        )
    });
    let found = lines(&mut collected(repeated, 0));
    assert_eq!(found[0].matches('+').count(), 97);

    let distinct = (0..5_000).map(|nth| {
        row(
            "busy",
            ChangeOperation::Add,
            &hundred(|tag| 100 * nth + tag),
        )
    });
    let mut collected = collected(distinct, 0);
    let error = collected.users().next().err().unwrap().to_string();
    assert!(
        error.starts_with("the rows of \"busy\" alone take more than a quarter of 16M"),
        "{error}"
    );
}

fn hundred(tag: impl Fn(usize) -> usize) -> String {
    let tags: Vec<_> = (0..100).map(|nth| format!("{:050}", tag(nth))).collect();
    tags.join(";")
}

/// What is to be done, worked out in the plainest way.
fn modelled(rows: &[Given]) -> BTreeMap<String, (bool, BTreeSet<String>, BTreeSet<String>)> {
    let mut model: BTreeMap<String, (bool, BTreeSet<String>, BTreeSet<String>)> = BTreeMap::new();
    for Given { account, op, tags } in rows {
        let (clear, remove, add) = model.entry(account.clone()).or_default();
        for tag in tags.split(';') {
            match op {
                ChangeOperation::Clear => {
                    (*clear, *remove, *add) = (true, BTreeSet::new(), BTreeSet::new())
                }
                ChangeOperation::Add => {
                    remove.remove(tag);
                    add.insert(tag.to_owned());
                }
                ChangeOperation::Remove => {
                    add.remove(tag);
                    if !*clear {
                        remove.insert(tag.to_owned());
                    }
                }
            }
        }
    }
    model
}

fn any_row() -> impl Strategy<Value = Given> {
    let op = prop_oneof![6 => Just(ChangeOperation::Add), 3 => Just(ChangeOperation::Remove), 1 => Just(ChangeOperation::Clear)];
    let tags = proptest::collection::vec("[a-e]{1,2}", 1..4);
    ("[a-c]{1,2}", op, tags).prop_map(|(account, op, tags)| row(&account, op, &tags.join(";")))
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
