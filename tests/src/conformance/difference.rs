//! What differs between what was expected and what came, place by place.

use std::collections::BTreeSet;

use serde_json::Value;

/// How many characters of a value are shown.
const SHOWN: usize = 1_000;

/// What stands in the cases for a value that depends on time, also as a part of a text.
const ANY: &str = "{any}";

/// The same for a member that may be missing, as it may be 0.
const ANY_OR_NONE: &str = "{any or none}";

/// Appends a text for every difference, with its place: `outcome.error.failures[1].code`.
pub(super) fn compare(
    place: &str,
    expected: Option<&Value>,
    got: Option<&Value>,
    out: &mut Vec<String>,
) {
    match (expected, got) {
        (Some(Value::String(any)), Some(_)) if any == ANY => {}
        (Some(Value::String(any)), _) if any == ANY_OR_NONE => {}
        (Some(Value::String(pattern)), Some(Value::String(text))) if holds(pattern, text) => {}
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                compare(&format!("{place}.{key}"), a.get(key), b.get(key), out);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for at in 0..a.len().max(b.len()) {
                compare(&format!("{place}[{at}]"), a.get(at), b.get(at), out);
            }
        }
        (a, b) if a == b => {}
        (a, b) => out.push(difference(place, &shown(a), &shown(b))),
    }
}

pub(super) fn difference(place: &str, expected: &str, got: &str) -> String {
    format!("{place}\n    expected {expected}\n    got      {got}")
}

/// True if the text is the pattern, with anything in the place of each `{any}`.
fn holds(pattern: &str, text: &str) -> bool {
    let Some((before, after)) = pattern.split_once(ANY) else {
        return pattern == text;
    };
    let Some(rest) = text.strip_prefix(before) else {
        return false;
    };
    let starts = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    starts.into_iter().any(|at| holds(after, &rest[at..]))
}

fn shown(value: Option<&Value>) -> String {
    let text = value.map_or("nothing".to_owned(), Value::to_string);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text,
    }
}

/// The value without its empty members ("", 0, false, [], {} and null), which mean the same as missing ones.
pub(super) fn without_defaults(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.iter();
            let kept = members.map(|(key, value)| (key.clone(), without_defaults(value)));
            Value::Object(kept.filter(|(_, value)| !is_default(value)).collect())
        }
        Value::Array(items) => items.iter().map(without_defaults).collect(),
        other => other.clone(),
    }
}

fn is_default(value: &Value) -> bool {
    match value {
        Value::Object(value) => value.is_empty(),
        other => matches!(
            other.to_string().as_str(),
            "null" | "false" | "0" | "\"\"" | "[]"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn differences(expected: &Value, got: &Value) -> Vec<String> {
        let mut out = Vec::new();
        compare("outcome", Some(expected), Some(got), &mut out);
        out
    }

    #[test]
    fn each_place_that_differs_is_named_with_both_values() {
        let expected = json!({"status": "ok", "users": [{"tags": ["a"]}], "accounts": 1});
        let got = json!({"status": "ok", "users": [{"tags": ["b", "c"]}], "more": true});
        assert_eq!(
            differences(&expected, &got),
            [
                "outcome.accounts\n    expected 1\n    got      nothing",
                "outcome.more\n    expected nothing\n    got      true",
                "outcome.users[0].tags[0]\n    expected \"a\"\n    got      \"b\"",
                "outcome.users[0].tags[1]\n    expected nothing\n    got      \"c\"",
            ]
        );
        assert!(differences(&got, &got).is_empty());
    }

    #[test]
    fn any_stands_for_a_value_or_a_part_of_a_text() {
        let expected = json!({"a": "{any}", "b": "{any}", "c": "1 request, {any} retries"});
        let got = json!({"a": 7, "b": "text", "c": "1 request, 12 retries"});
        assert!(differences(&expected, &got).is_empty());
        let got = json!({"a": 7, "c": "2 requests, 12 retries"});
        assert_eq!(
            differences(&expected, &got),
            [
                "outcome.b\n    expected \"{any}\"\n    got      nothing",
                "outcome.c\n    expected \"1 request, {any} retries\"\n    got      \"2 requests, 12 retries\"",
            ]
        );
        let expected = json!({"a": "{any or none}", "b": "{any or none}"});
        assert!(differences(&expected, &json!({"a": 1})).is_empty());
        assert!(holds("{any}b{any}", "abab") && holds("a{any}b", "ab") && !holds("a{any}b", "abc"));
    }

    #[test]
    fn members_with_a_default_value_are_as_good_as_missing_and_elements_are_not() {
        let value = json!({"a": "", "b": 0, "c": false, "d": [], "e": null, "f": {"g": ""}, "h": ["", 0], "i": 1});
        assert_eq!(without_defaults(&value), json!({"h": ["", 0], "i": 1}));
    }
}
