//! What stands for more than itself in a case: an element `{"repeat": 100, "of": …}` of a list, and names in braces
//! that the harness fills in.

use serde_json::Value;

/// Writes out all repetitions. In a copy, `{n}` is its number, from 0.
pub(super) fn expand(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().flat_map(repeated).collect()),
        Value::Object(members) => {
            let expanded = members.into_iter().map(|(key, value)| (key, expand(value)));
            Value::Object(expanded.collect())
        }
        other => other,
    }
}

fn repeated(item: Value) -> Vec<Value> {
    let times = item.get("repeat").and_then(Value::as_u64);
    let (Some(times), Some(of)) = (times, item.get("of")) else {
        return vec![expand(item)];
    };
    let of = expand(of.clone());
    let copy = |n: u64| filled(&of, &[("{n}", &n.to_string())]);
    (0..times).map(copy).collect()
}

/// The same with each name replaced by what it stands for, in all strings.
pub(super) fn filled(value: &Value, names: &[(&str, &str)]) -> Value {
    match value {
        Value::String(text) => {
            let fill = |text: String, (name, with): &(&str, &str)| text.replace(name, with);
            Value::String(names.iter().fold(text.clone(), fill))
        }
        Value::Array(items) => items.iter().map(|item| filled(item, names)).collect(),
        Value::Object(members) => {
            let members = members.iter();
            let filled = members.map(|(key, value)| (key.clone(), filled(value, names)));
            Value::Object(filled.collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_repetition_is_written_out_with_its_numbers() {
        let users = json!(["x", {"repeat": 2, "of": {"account": "u{n}", "tags": [{"repeat": 2, "of": "t{n}"}]}}]);
        assert_eq!(
            expand(json!({ "users": users })),
            json!({"users": ["x", {"account": "u0", "tags": ["t0", "t1"]}, {"account": "u1", "tags": ["t0", "t1"]}]})
        );
        assert_eq!(expand(json!({"repeat": 2})), json!({"repeat": 2}));
    }

    #[test]
    fn names_in_braces_are_filled_in_everywhere() {
        let names = [("{endpoint}", "http://127.0.0.1:1")];
        assert_eq!(
            filled(&json!([{"a": "at {endpoint}"}, 1]), &names),
            json!([{"a": "at http://127.0.0.1:1"}, 1])
        );
    }
}
