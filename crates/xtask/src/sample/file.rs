//! The file: a header, then good rows in their order with the bad ones spread evenly between them. Written row by
//! row, each line ended by a line feed; a field is quoted where it must be.

use std::borrow::Cow;
use std::io::{self, Write};

use super::order::Order;
use super::rows::{account, row};

/// What decides every byte of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recipe {
    /// Rows after the header, the bad ones with them.
    pub(super) rows: u64,
    /// How many are bad; at most `rows`.
    pub(super) bad: u64,
    pub(super) seed: u64,
    pub(super) order: Order,
}

pub(super) fn write(recipe: &Recipe, out: &mut impl Write) -> io::Result<()> {
    let Recipe {
        rows,
        bad,
        seed,
        order,
    } = *recipe;
    let good = rows - bad;
    let mut bad_written = 0;
    writeln!(out, "account,tag")?;
    for position in 0..rows {
        if is_bad(position, recipe) {
            writeln!(out, "{}", bad_row(bad_written))?;
            bad_written += 1;
        } else {
            let number = order.row_at(position - bad_written, good, seed);
            let row = row(number, seed);
            writeln!(out, "{},{}", field(&row.account), field(row.tag))?;
        }
    }
    Ok(())
}

/// Each of `bad` stretches of the file, of equal length to a row, has its bad row in the middle.
fn is_bad(position: u64, recipe: &Recipe) -> bool {
    let (rows, bad) = (u128::from(recipe.rows), u128::from(recipe.bad));
    let bad_before = |position: u64| (u128::from(position) * bad + rows / 2) / rows;
    bad_before(position + 1) > bad_before(position)
}

/// How many kinds of bad rows there are: one for each way in which a row can fail that does not spoil the rest of the file.
pub(super) const BAD_KINDS: u64 = 6;

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
