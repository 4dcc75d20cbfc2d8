//! A change of its own, as a row asks for it: of rows that keep their order, and so may also replace.

use imtag_core::{Change, ChangeOperation, ChangeRequest, Place, Rules};

use crate::json::JsonRow;
use crate::odd;
use crate::row::{ROW_BYTES, no_op, operation, tag_of_clear, too_long, with_remedy};

/// What such a row may ask for.
const OPERATIONS: [ChangeOperation; 4] = [
    ChangeOperation::Add,
    ChangeOperation::Remove,
    ChangeOperation::Clear,
    ChangeOperation::Replace,
];

/// What is wrong with a row is said of so many of its parts; a post has thousands of rows.
const SAID_AT_MOST: usize = 5;

/// Reads a row of JSON, and makes a change of it.
///
/// # Errors
/// With all that is wrong with it, each with its place and what to do.
pub fn change(row: &str, rules: &Rules) -> Result<Change, String> {
    if row.len() > ROW_BYTES {
        return Err(too_long());
    }
    let json = JsonRow::parse(row)?;
    // an escape makes any character
    let may_be_odd = row.contains('\\') || odd::is_in(row);
    let op = operation(&json.op, &OPERATIONS);
    let request = match op {
        None | Some(ChangeOperation::Add) => ChangeRequest::add(&json.account, &json.tags),
        Some(ChangeOperation::Remove) => ChangeRequest::remove(&json.account, &json.tags),
        Some(ChangeOperation::Replace) => ChangeRequest::replace(&json.account, &json.tags),
        Some(ChangeOperation::Clear) => ChangeRequest::clear(&json.account),
    };
    // with where each stands: all that is wrong with a part is said together
    let mut wrong = odd_parts(&json, op, may_be_odd);
    match (op, json.tags.first()) {
        (None, _) => wrong.push((Place::Replace, no_op(&json.op, &OPERATIONS))),
        (Some(ChangeOperation::Clear), Some(tag)) => {
            wrong.push((Place::ChangeTags, tag_of_clear(tag)));
        }
        _ => {}
    }
    match request.check(rules) {
        Ok(change) if wrong.is_empty() => return Ok(change),
        Ok(_) => {}
        Err(invalid) => {
            let of_limits = invalid.violations().iter();
            wrong.extend(of_limits.map(|it| (it.place, with_remedy(it))));
        }
    }
    wrong.sort_by_key(|(place, _)| position(*place));
    let more = wrong.len().saturating_sub(SAID_AT_MOST);
    let said = wrong.into_iter().take(SAID_AT_MOST).map(|(_, what)| what);
    let mut said = said.collect::<Vec<_>>().join("; ");
    if more > 0 {
        said.push_str(&format!("; and {more} more"));
    }
    Err(said)
}

/// What of a row holds characters that nobody means.
fn odd_parts(
    row: &JsonRow<'_>,
    op: Option<ChangeOperation>,
    may_be_odd: bool,
) -> Vec<(Place, String)> {
    use ChangeOperation::{Clear, Remove};
    let removes = matches!(op, Some(Remove | Clear));
    let account = (Place::LoneAccount, &row.account);
    let tags = row.tags.iter().enumerate();
    let tags = tags.map(|(at, tag)| (Place::ChangeTag(at), tag));
    let parts = std::iter::once(account).chain(tags.filter(|_| op != Some(Clear)));
    let odd = parts.filter_map(|(place, text)| {
        let problem = odd::problem(text, may_be_odd, removes)?;
        Some((place, format!("{place}: {problem}")))
    });
    odd.collect()
}

/// In the order of a row: account, operation, tags.
fn position(place: Place) -> usize {
    match place {
        Place::LoneAccount => 0,
        Place::Replace => 1,
        Place::ChangeTag(at) => 3 + at,
        _ => 2,
    }
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
            "tags[0]: holds U+200B, which cannot be seen (leave it out)"
        );
        let unknown = change(r#"{"To_Account":"a","op":"set","Tags":["x"]}"#, &rules).unwrap_err();
        assert!(
            unknown.contains("none of add, remove, clear, replace"),
            "{unknown}"
        );
    }

    #[test]
    fn all_that_is_wrong_with_a_row_is_said_with_its_place_up_to_a_bound() {
        let rules = Rules::default();
        let said = |row: &serde_json::Value| change(&row.to_string(), &rules).unwrap_err();
        let long = |bytes| "x".repeat(bytes);
        let row = serde_json::json!({"To_Account": "a", "Tags": ["ok", long(51), "", long(52)]});
        assert_eq!(
            said(&row),
            "tags[1]: 51 bytes, at most 50 (shorten it); tags[2]: empty, at least 1 byte (leave it out, or fill it); \
             tags[3]: 52 bytes, at most 50 (shorten it)"
        );
        let row =
            serde_json::json!({"account": long(33), "op": "set", "tags": ["v\u{200b}ip", " "]});
        assert_eq!(
            said(&row),
            format!(
                "account: 33 bytes, at most 32 (shorten it); {}; tags[0]: holds U+200B, which cannot be seen (leave it \
                 out); tags[1]: only white space (leave it out, or fill it)",
                no_op("set", &OPERATIONS)
            )
        );
        let row = serde_json::json!({"To_Account": "a", "Tags": vec![long(51); 12]});
        let many = said(&row);
        assert!(
            many.ends_with("tags[4]: 51 bytes, at most 50 (shorten it); and 7 more"),
            "{many}"
        );
        let row = serde_json::json!({"To_Account": "", "op": "clear", "Tags": ["x"]});
        assert_eq!(
            said(&row),
            "account: empty, at least 1 byte (leave it out, or fill it); tag: \"x\" beside clear, which removes all (leave \
             it empty, or use remove)"
        );
    }
}
