//! Accounts, tags and texts of the service as they are shown: control characters escaped, so that none of them can
//! steer a terminal.

use std::fmt::{self, Write};

/// Text from outside, safe to show.
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c.is_control() {
            true => write!(f, "{}", c.escape_default()),
            false => f.write_char(c),
        })
    }
}

/// `1 row`, `2 rows`.
pub(crate) fn count<N: fmt::Display + PartialEq + From<u8>>(
    number: N,
    one: &str,
    many: &str,
) -> String {
    match number == N::from(1) {
        true => format!("1 {one}"),
        false => format!("{number} {many}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_all_others_are_not() {
        assert_eq!(
            Shown("北京 🎉\u{1b}[2J\n").to_string(),
            "北京 🎉\\u{1b}[2J\\n"
        );
    }

    #[test]
    fn a_count_of_one_is_singular() {
        assert_eq!(count(0, "row", "rows"), "0 rows");
        assert_eq!(count(1, "row", "rows"), "1 row");
        assert_eq!(count(2, "row", "rows"), "2 rows");
    }
}
