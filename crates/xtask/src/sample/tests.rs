//! What a sample file promises, read back with a CSV reader that is not ours and judged by core's own limits.

use std::collections::{BTreeMap, BTreeSet};

use imtag_core::{Account, Rules, Tag};

use super::*;

/// The fields of every row, the header left out.
fn records(content: &[u8]) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(content);
    let fields = |record: csv::StringRecord| record.iter().map(str::to_owned).collect();
    reader.records().map(|row| fields(row.unwrap())).collect()
}

/// Why a row is bad, if it is.
fn complaint(record: &[String]) -> Option<String> {
    let rules = Rules::default();
    match record {
        [account, tag] => {
            let account = Account::new(account.as_str(), &rules).err();
            let tag = Tag::new(tag.as_str(), &rules).err();
            account
                .or(tag)
                .map(|invalid| invalid.violations()[0].to_string())
        }
        fields => Some(format!("{} fields", fields.len())),
    }
}

fn file(rows: u64, seed: u64, order: Order, bad: u64) -> String {
    let mut content = Vec::new();
    let recipe = Recipe {
        rows,
        bad,
        seed,
        order,
    };
    file::write(&recipe, &mut content).unwrap();
    String::from_utf8(content).unwrap()
}

fn wish(arguments: &[&str]) -> Result<Wish, Error> {
    parse(lexopt::Parser::from_args(arguments))
}

#[test]
fn the_committed_sample_is_fresh() {
    demo().check().unwrap();
}

#[test]
fn the_committed_sample_has_2000_users_and_20_tags_and_some_users_need_two_requests() {
    let records = records(&demo().content);
    let mut tags_of: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for record in records.iter().filter(|record| complaint(record).is_none()) {
        let new = tags_of.entry(&record[0]).or_default().insert(&record[1]);
        assert!(new, "{record:?} stands twice");
    }
    assert_eq!(tags_of.len(), 2_000);
    let tags: BTreeSet<_> = tags_of.values().flatten().collect();
    assert_eq!(tags.len(), 20);
    let many: BTreeSet<_> = tags_of
        .values()
        .map(BTreeSet::len)
        .filter(|&tags| tags > 10)
        .collect();
    assert_eq!(many, (11..=20).collect());
}

#[test]
fn the_committed_sample_has_a_bad_row_of_each_kind() {
    let records = records(&demo().content);
    let complaints: Vec<_> = records
        .iter()
        .filter_map(|record| complaint(record))
        .collect();
    assert_eq!(
        complaints,
        [
            "account: empty, at least 1 byte",
            "tag: empty, at least 1 byte",
            "tag: 51 bytes, at most 50",
            "account: 33 bytes, at most 32",
            "3 fields",
            "1 fields",
        ]
    );
}

#[test]
fn the_committed_sample_quotes_commas_and_quotes_and_ends_lines_with_a_line_feed() {
    let text = String::from_utf8(demo().content).unwrap();
    assert!(text.starts_with("account,tag\nuser000"));
    assert!(text.contains("\n\"li,na000088\","));
    assert!(text.contains(",\"games, sports\"\n"));
    assert!(text.contains(",\"the \"\"gold\"\" plan\"\n"));
    assert!(text.ends_with('\n') && !text.contains('\r'));
}

#[test]
fn a_file_has_the_rows_and_bad_rows_that_were_asked_for() {
    for (rows, bad) in [
        (0, 0),
        (1, 0),
        (1, 1),
        (7, 3),
        (1_000, 0),
        (1_000, 13),
        (50, 50),
    ] {
        let records = records(file(rows, 3, Order::Shuffled, bad).as_bytes());
        let bad_found = records.iter().filter(|record| complaint(record).is_some());
        assert_eq!(
            (records.len() as u64, bad_found.count() as u64),
            (rows, bad)
        );
    }
}

#[test]
fn an_order_changes_where_rows_stand_and_not_which_there_are() {
    let sorted = |order| {
        let mut lines: Vec<_> = file(5_000, 2, order, 0)
            .lines()
            .map(str::to_owned)
            .collect();
        lines.sort_unstable();
        lines
    };
    assert_eq!(sorted(Order::Grouped), sorted(Order::Shuffled));
    assert_eq!(sorted(Order::Grouped), sorted(Order::Mixed));
}

#[test]
fn the_same_options_give_the_same_bytes_for_ever() {
    let expected = "account,tag\nuser000001,الرياض\nuser000002,android\n,vip\nuser000002,ios\nuser000001,上海\n";
    assert_eq!(file(5, 7, Order::Shuffled, 1), expected);
    assert_ne!(file(5, 8, Order::Shuffled, 1), expected);
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let complaint = |arguments: &[&str]| wish(arguments).err().unwrap().to_string();
    assert_eq!(complaint(&[]), "how many rows? give --rows N, or --demo");
    for option in ["--rows", "--bad", "--seed"] {
        assert!(complaint(&["--demo", option, "3"]).starts_with("--demo decides all"));
    }
    assert_eq!(
        complaint(&["--rows", "3", "--check"]),
        "--check goes with --demo only"
    );
    assert_eq!(
        complaint(&["--rows", "3", "--bad", "4"]),
        "4 bad rows of 3 in all"
    );
    assert!(complaint(&["--rows", "-1"]).contains("\"-1\""));
    assert!(matches!(
        wish(&["--demo", "--check"]),
        Ok(Wish::Demo { check: true })
    ));
}
