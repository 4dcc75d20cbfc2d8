//! What a case says of a client's figures and of the log's records while it is played, and what they must not show.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::difference::{compare, difference};

/// Figures that depend on this machine's speed: a case that says nothing of them says nothing.
const OF_TIME: [&str; 2] = ["quota_wait", "_seconds"];

/// A record that depends on it.
const WAITED: &str = "waited for the quota";

/// Every UserSig begins so: the head of zlib's stream, and that of the document's JSON.
const OF_A_USERSIG: [&str; 2] = ["eJyr", "eJw"];

/// A shorter account or tag may be a part of any other word.
const SHOWS: usize = 8;

/// A record of the log in a case; of its fields those that are named are compared.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    level: String,
    message: String,
    #[serde(default)]
    fields: Map<String, Value>,
}

/// All texts of a case that a record must not show: accounts, tags, what the service or a callback says, and the login that
/// a client has for its proxy.
pub(super) fn hushed(parts: &[&Value]) -> Result<BTreeSet<String>, String> {
    let mut words = BTreeSet::new();
    parts.iter().for_each(|part| collect(part, &mut words));
    match words.iter().find(|word| word.len() < SHOWS) {
        Some(short) => Err(format!(
            "{short:?} is too short to be looked for in records"
        )),
        None => Ok(words),
    }
}

fn collect(part: &Value, words: &mut BTreeSet<String>) {
    match part {
        Value::Array(items) => items.iter().for_each(|item| collect(item, words)),
        Value::Object(members) => {
            for (name, value) in members {
                let hushed = ["account", "accounts", "tags", "text", "body", "refuse"];
                if hushed.contains(&name.as_str()) {
                    texts(value, words);
                }
                if name == "proxy" {
                    words.extend(login(value));
                }
                collect(value, words);
            }
        }
        _ => {}
    }
}

/// The user and the password in a proxy's URL.
fn login(proxy: &Value) -> impl Iterator<Item = String> {
    let url = proxy.as_str().unwrap_or_default();
    let (_, rest) = url.split_once("://").unwrap_or_default();
    let (login, _) = rest.rsplit_once('@').unwrap_or_default();
    let words = login.split(':').filter(|word| !word.is_empty());
    words.map(str::to_owned).collect::<Vec<_>>().into_iter()
}

fn texts(value: &Value, words: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            words.insert(text.clone());
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, words)),
        _ => {}
    }
}

/// Compares figures: those that are not 0 must be in the case, except those of time.
pub(super) fn compare_stats(expected: &Map<String, Value>, got: &Value, out: &mut Vec<String>) {
    let Some(got) = got.as_object() else {
        out.push(difference("stats", "an object", &got.to_string()));
        return;
    };
    let got = got.iter().map(|(name, value)| (name, whole(value)));
    let is_looked_at = |name: &str, value: &Value| {
        let is_of_time = OF_TIME.iter().any(|part| name.contains(part));
        expected.contains_key(name) || !(is_of_time || *value == json!(0))
    };
    let got = got.filter(|(name, value)| is_looked_at(name, value));
    let got: Map<String, Value> = got.map(|(name, value)| (name.clone(), value)).collect();
    compare(
        "stats",
        Some(&expected.clone().into()),
        Some(&got.into()),
        out,
    );
}

/// A figure may be written as 1 or as 1.0.
fn whole(value: &Value) -> Value {
    match value.as_f64() {
        Some(number) if number.fract() == 0.0 && number.abs() < 1e15 => json!(number as i64),
        _ => value.clone(),
    }
}

/// Compares records, with the fields that the case names: all of them, in order. Where requests are made at once, those of
/// the case must be there.
pub(super) fn compare_events(
    expected: &[Record],
    got: &Value,
    in_order: bool,
    out: &mut Vec<String>,
) {
    let Some(got) = got.as_array() else {
        out.push(difference("events", "a list", &got.to_string()));
        return;
    };
    if !in_order {
        for record in expected {
            if !got.iter().any(|got| record.differences(got, "").is_empty()) {
                let list = Value::from(got.as_slice()).to_string();
                out.push(difference("events", &format!("{record:?}"), &list));
            }
        }
        return;
    }
    let names_waits = expected.iter().any(|record| record.message == WAITED);
    let got = got.iter();
    let got: Vec<&Value> = got
        .filter(|record| names_waits || record["message"] != WAITED)
        .collect();
    let expected_titles: Vec<String> = expected.iter().map(Record::title).collect();
    let got_titles: Vec<String> = got.iter().map(|got| title(got)).collect();
    if expected_titles != got_titles {
        let lists = [expected_titles, got_titles].map(|titles| titles.join("\n             "));
        out.push(difference("events", &lists[0], &lists[1]));
        return;
    }
    for (at, (record, got)) in expected.iter().zip(got).enumerate() {
        out.extend(record.differences(got, &format!("events[{at}]")));
    }
}

fn title(record: &Value) -> String {
    let text = |name: &str| record[name].as_str().unwrap_or_default();
    format!("{} {}", text("level"), text("message"))
}

impl Record {
    fn title(&self) -> String {
        format!("{} {}", self.level, self.message)
    }

    fn differences(&self, got: &Value, place: &str) -> Vec<String> {
        let mut out = Vec::new();
        if self.title() != title(got) {
            out.push(difference(place, &self.title(), &title(got)));
        }
        for (name, value) in &self.fields {
            let place = format!("{place} {:?}.{name}", self.message);
            let got = got["fields"].get(name).map(whole);
            compare(&place, Some(value), got.as_ref(), &mut out);
        }
        out
    }
}

/// Names each secret that figures or records show.
pub(super) fn compare_secrets<'s>(
    shown: &[&Value],
    secrets: impl Iterator<Item = &'s str>,
    out: &mut Vec<String>,
) {
    let shown: Vec<String> = shown.iter().map(ToString::to_string).collect();
    for secret in secrets.chain(OF_A_USERSIG) {
        let as_json = Value::from(secret).to_string();
        let as_json = as_json.trim_matches('"');
        let found = shown.iter().find(|text| text.contains(as_json));
        if let Some(text) = found {
            out.push(difference("what is shown", &format!("no {secret:?}"), text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(expected: &Value, got: &Value) -> Vec<String> {
        let mut out = Vec::new();
        compare_stats(expected.as_object().unwrap(), got, &mut out);
        out
    }

    fn events(expected: &Value, got: &Value) -> Vec<String> {
        let expected: Vec<Record> = serde_json::from_value(expected.clone()).unwrap();
        let mut out = Vec::new();
        compare_events(&expected, got, true, &mut out);
        out
    }

    #[test]
    fn a_figure_that_is_not_0_stands_in_the_case_unless_it_is_a_time() {
        let got = json!({"a": 1.0, "b": 0, "quota_waits": 3, "d_seconds": 0.5});
        assert_eq!(stats(&json!({"a": 1}), &got), [""; 0]);
        assert_eq!(stats(&json!({"a": 1, "d_seconds": "{any}"}), &got), [""; 0]);
        assert_eq!(stats(&json!({"a": 1, "b": 0}), &got), [""; 0]);
        assert_eq!(
            stats(&json!({"b": 1, "e": 1}), &got),
            [
                "stats.a\n    expected nothing\n    got      1",
                "stats.b\n    expected 1\n    got      0",
                "stats.e\n    expected 1\n    got      nothing",
            ]
        );
        assert_eq!(stats(&json!({}), &Value::Null).len(), 1);
    }

    #[test]
    fn records_come_in_their_order_with_the_fields_that_are_named() {
        let attempt = json!({"level": "debug", "message": "attempt ended", "fields": {"sent": true, "ms": 1.5, "n": 2}});
        let waited = json!({"level": "debug", "message": WAITED, "fields": {}});
        let expected = |fields: Value| json!([{"level": "debug", "message": "attempt ended", "fields": fields}]);
        let got = json!([waited, attempt]);
        assert_eq!(
            events(&expected(json!({"sent": true, "ms": "{any}"})), &got),
            [""; 0]
        );
        assert_eq!(
            events(&expected(json!({"n": 3, "cause": "{any}"})), &got),
            [
                "events[0] \"attempt ended\".cause\n    expected \"{any}\"\n    got      nothing",
                "events[0] \"attempt ended\".n\n    expected 3\n    got      2",
            ]
        );
        for other in [json!([]), json!([attempt, attempt]), Value::Null] {
            assert_eq!(events(&expected(json!({})), &other).len(), 1, "{other}");
        }
        let mut out = Vec::new();
        let one = expected(json!({"n": 2}));
        let two = Value::from([&one[0]; 2].map(Value::clone).to_vec());
        let two: Vec<Record> = serde_json::from_value(two).unwrap();
        compare_events(&two, &got, false, &mut out);
        assert_eq!(out, [""; 0]);
        compare_events(&two, &json!([waited]), false, &mut out);
        assert_eq!(out.len(), 2);
        let other = json!([{"level": "info", "message": "attempt ended", "fields": {}}]);
        assert_eq!(events(&expected(json!({})), &other).len(), 1);
    }

    #[test]
    fn what_is_played_is_looked_for_in_all_that_is_shown() {
        let script =
            json!({"users": [{"account": "an-account", "tags": ["first-tag", {"hex": "61"}]}]});
        let settings = json!({
            "proxy": "http://its-user:its-password@127.0.0.1:1",
            "credential_callback": {"refuse": "its-reason"}
        });
        let words = hushed(&[&script, &json!({"text": "what it says"}), &settings]).unwrap();
        assert_eq!(
            words.iter().map(String::as_str).collect::<Vec<_>>(),
            [
                "an-account",
                "first-tag",
                "its-password",
                "its-reason",
                "its-user",
                "what it says"
            ]
        );
        assert!(hushed(&[&json!({"accounts": ["short"]})]).is_err());
        let found = |shown: &Value| {
            let mut out = Vec::new();
            compare_secrets(&[shown], words.iter().map(String::as_str), &mut out);
            out.len()
        };
        assert_eq!(found(&json!([{"detail": "of an-account first-tag"}])), 2);
        assert_eq!(found(&json!({"detail": "usersig=eJyrVgr"})), 1);
        assert_eq!(found(&json!({"detail": "account"})), 0);
    }
}
