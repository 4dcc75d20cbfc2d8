//! The bad rows: one kind for each way in which a row can fail that does not spoil the rest of the file.

use super::rows::account;

/// How many kinds there are.
pub(super) const KINDS: u64 = 6;

/// A bad row as it stands in the file, without its line end. The kinds take turns; the accounts are those of users
/// who have good rows too (in files that are not tiny), so that nothing may be done for the row and nothing against them.
pub(super) fn bad_row(nth: u64) -> String {
    let account = account(11 * (nth + 1));
    match nth % KINDS {
        0 => ",vip".to_owned(),
        1 => format!("{account},"),
        2 => format!("{account},{}", "很".repeat(17)),
        3 => format!("{account}-of-the-second-building,vip"),
        4 => format!("{account},vip,beijing"),
        _ => account,
    }
}
