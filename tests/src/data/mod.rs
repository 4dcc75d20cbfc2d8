//! Users, tags and files of them, of any size: tests/data/sample.csv, what benchmarks import, and the names of the chaos
//! test's users.
//!
//! The generator is stable: the same recipe gives the same bytes on every machine and in every version, until the
//! changelog says otherwise. Each row is computed from its position alone, so a file of ten million rows takes no
//! more memory than one of ten.

mod order;
mod rows;

use std::borrow::Cow;
use std::io::{self, BufWriter, Write};

pub use order::Order;
use rows::row;
pub(crate) use rows::{account, tag};

/// What decides every byte of a file: a header, then good rows in their order with the bad ones spread evenly between
/// them. Each line is ended by a line feed; a field is quoted where it must be.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    /// Rows after the header, the bad ones with them.
    pub rows: u64,
    /// How many are bad; at most `rows`.
    pub bad: u64,
    pub seed: u64,
    pub order: Order,
}

/// The file that README and tests import: 2,000 users and a bad row of each kind.
pub fn demo() -> Vec<u8> {
    let recipe = Recipe {
        rows: 8_000 + BAD_KINDS,
        bad: BAD_KINDS,
        seed: 1,
        order: Order::Mixed,
    };
    let mut content = Vec::new();
    let written = recipe.write(&mut content);
    written.expect("a Vec takes all that is written to it");
    content
}

impl Recipe {
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        let mut out = BufWriter::new(out);
        let good = self.rows - self.bad;
        let mut bad_written = 0;
        writeln!(out, "account,tag")?;
        for position in 0..self.rows {
            if self.is_bad(position) {
                writeln!(out, "{}", bad_row(bad_written))?;
                bad_written += 1;
            } else {
                let number = self.order.row_at(position - bad_written, good, self.seed);
                let (account, tag) = row(number, self.seed);
                writeln!(out, "{},{}", field(&account), field(tag))?;
            }
        }
        out.flush()
    }

    /// Each of `bad` stretches of the file, of equal length to a row, has its bad row in the middle.
    fn is_bad(&self, position: u64) -> bool {
        let (rows, bad) = (u128::from(self.rows), u128::from(self.bad));
        let bad_before = |position: u64| (u128::from(position) * bad + rows / 2) / rows;
        bad_before(position + 1) > bad_before(position)
    }
}

/// How many kinds of bad rows there are: one for each way in which a row can fail that does not spoil the rest of the file.
const BAD_KINDS: u64 = 6;

/// A bad row as it stands in the file, without its line end. The kinds take turns; the accounts are those of users
/// who have good rows too (in files that are not tiny), so that nothing may be done for the row and nothing against them.
fn bad_row(nth: u64) -> String {
    let account = account(11 * (nth + 1));
    match nth % BAD_KINDS {
        0 => ",vip".to_owned(),
        1 => format!("{account},"),
        2 => format!("{account},{}", "很".repeat(17)),
        3 => format!("{account}-of-the-second-building,vip"),
        4 => format!("{account},vip,beijing"),
        _ => account,
    }
}

/// A field as CSV has it.
pub(crate) fn field(text: &str) -> Cow<'_, str> {
    if text.contains(['"', ',', '\r', '\n']) {
        Cow::Owned(format!("\"{}\"", text.replace('"', "\"\"")))
    } else {
        Cow::Borrowed(text)
    }
}

/// What a sample file promises, read back with a CSV reader that is not ours and judged by core's own limits.
#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use imtag_core::{Account, Rules, Tag};

    use super::*;
    use crate::cargo::root;

    /// The fields of every row, the header left out.
    fn records(content: &[u8]) -> Vec<Vec<String>> {
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .from_reader(content);
        let fields = |record: csv::StringRecord| record.iter().map(str::to_owned).collect();
        reader.records().map(|row| fields(row.unwrap())).collect()
    }

    /// Why a row is bad.
    fn violation(record: &[String]) -> Option<String> {
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
        recipe.write(&mut content).unwrap();
        String::from_utf8(content).unwrap()
    }

    #[test]
    fn the_committed_sample_is_fresh() {
        let path = root().join("tests/data/sample.csv");
        let is_fresh = std::fs::read(path).unwrap() == demo();
        assert!(is_fresh, "run `cargo xtask sample --demo`");
    }

    #[test]
    fn the_committed_sample_has_2000_users_and_20_tags_and_some_users_need_two_requests() {
        let records = records(&demo());
        let mut tags_of: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for record in records.iter().filter(|record| violation(record).is_none()) {
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
        let records = records(&demo());
        let violations: Vec<_> = records
            .iter()
            .filter_map(|record| violation(record))
            .collect();
        assert_eq!(
            violations,
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
        let text = String::from_utf8(demo()).unwrap();
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
            let found = records.iter().filter(|record| violation(record).is_some());
            assert_eq!((records.len() as u64, found.count() as u64), (rows, bad));
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
}
