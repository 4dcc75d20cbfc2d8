//! A change of its own, as a row asks for it: of rows that keep their order, and so may also replace.

use imtag_core::{Change, ChangeOperation, ChangeRequest, Rules};

use crate::json::JsonRow;
use crate::odd;
use crate::row::{Checks, ROW_BYTES, Row, Tags, reason, too_long};

/// What such a row may ask for.
const OPERATIONS: [ChangeOperation; 4] = [
    ChangeOperation::Add,
    ChangeOperation::Remove,
    ChangeOperation::Clear,
    ChangeOperation::Replace,
];

/// Reads a row of JSON, and makes a change of it.
///
/// # Errors
/// With what is wrong with it, and what to do.
pub fn change(row: &str, rules: &Rules) -> Result<Change, String> {
    if row.len() > ROW_BYTES {
        return Err(too_long());
    }
    let json = JsonRow::parse(row)?;
    // an escape makes any character
    let may_be_odd = row.contains('\\') || odd::is_in(row);
    let checks = Checks {
        rules,
        operations: &OPERATIONS,
        may_be_odd,
    };
    let row = Row::new(&json.account, &json.op, Tags::List(&json.tags), checks)?;
    let request = match row.op {
        ChangeOperation::Add => ChangeRequest::add(row.account, &json.tags),
        ChangeOperation::Remove => ChangeRequest::remove(row.account, &json.tags),
        ChangeOperation::Replace => ChangeRequest::replace(row.account, &json.tags),
        ChangeOperation::Clear => ChangeRequest::clear(row.account),
    };
    request.check(rules).map_err(|invalid| {
        let (_, invalid) = invalid.into_parts();
        reason(&invalid)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use imtag_core::Generation;

    #[test]
    fn a_row_is_one_change_and_replaces_where_the_service_does() {
        let timpush = Rules::for_generation(Generation::Timpush);
        let row = r#"{"To_Account":"a","op":"replace","Tags":["x","x","y"]}"#;
        let replace = change(row, &timpush).unwrap();
        assert_eq!(replace.operation(), ChangeOperation::Replace);
        assert_eq!(replace.tags().collect::<Vec<_>>(), ["x", "y"]);
        let refused = change(row, &Rules::default()).unwrap_err();
        assert!(
            refused.starts_with("replace: not possible on the all_member_push paths ("),
            "{refused}"
        );
        for (row, op) in [
            (r#"{"To_Account":"a","Tags":["x"]}"#, ChangeOperation::Add),
            (
                r#"{"account":"a","op":"remove","tags":["x"]}"#,
                ChangeOperation::Remove,
            ),
            (r#"{"To_Account":"a","op":"clear"}"#, ChangeOperation::Clear),
        ] {
            assert_eq!(change(row, &timpush).unwrap().operation(), op);
        }
    }

    #[test]
    fn a_row_that_breaks_a_limit_says_which() {
        let tags = |count: usize| {
            let tags: Vec<_> = (0..count).map(|nth| format!("\"{nth}\"")).collect();
            format!("{{\"To_Account\":\"a\",\"Tags\":[{}]}}", tags.join(","))
        };
        let rules = Rules::default();
        assert!(change(&tags(100), &rules).is_ok());
        let refused = change(&tags(101), &rules).unwrap_err();
        assert!(
            refused.contains("101") && refused.contains("at most 100"),
            "{refused}"
        );
        let padded = |bytes| tags(1) + &" ".repeat(bytes - tags(1).len());
        assert!(change(&padded(ROW_BYTES), &rules).is_ok());
        assert_eq!(change(&padded(ROW_BYTES + 1), &rules), Err(too_long()));
        let odd = change(r#"{"To_Account":"a","Tags":["v\u200bip"]}"#, &rules).unwrap_err();
        assert_eq!(
            odd,
            "tag: holds U+200B, which cannot be seen (leave it out)"
        );
        let unknown = change(r#"{"To_Account":"a","op":"set","Tags":["x"]}"#, &rules).unwrap_err();
        assert!(
            unknown.contains("none of add, remove, clear, replace"),
            "{unknown}"
        );
    }
}
