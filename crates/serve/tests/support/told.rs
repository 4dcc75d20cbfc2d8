//! What a caller was told of each of its users, read as a program reads it, and that nobody can misread it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::http::Answer;

/// What a user was told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Done,
    /// Also *not read*.
    NotApplied,
    PossiblyApplied,
}

/// What is told of each user, in the order of the call. `is_newer`: by a path whose clients know `ErrorList`.
#[track_caller]
pub(crate) fn told(answer: &Answer, accounts: &[String], is_newer: bool) -> Vec<Told> {
    let json = &answer.json;
    let is_ok = json["ActionStatus"] == "OK";
    assert_eq!(is_ok, answer.code() == 0, "{json}");
    let listed: BTreeMap<&str, &Value> = json["ErrorList"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|failed| (failed["To_Account"].as_str().unwrap(), failed))
        .collect();
    for account in listed.keys() {
        assert!(accounts.iter().any(|it| it == account), "{account}: {json}");
    }
    for failed in listed.values() {
        assert_ne!(failed["ErrorCode"], 0, "{json}");
    }
    let told = accounts.iter().map(|account| match listed.get(&**account) {
        Some(failed) => effect(&failed["Effect"]),
        // refused as a whole
        None if !is_ok && listed.is_empty() => effect(&json["Effect"]),
        None => Told::Done,
    });
    let told: Vec<Told> = told.collect();
    if is_newer {
        let all_failed = listed.is_empty() || listed.len() == accounts.len();
        assert!(is_ok || all_failed, "FAIL hides who is done: {json}");
    } else {
        assert!(!is_ok || listed.is_empty(), "OK hides who failed: {json}");
    }
    if !is_ok && !listed.is_empty() {
        says_who(json, accounts, &listed);
    }
    let sent = |told: &Told| *told != Told::NotApplied;
    match answer.status {
        200 => {}
        // nothing was applied
        400 | 408 | 413 | 502 | 503 => assert!(!is_ok && !told.iter().any(sent), "{json}"),
        504 => {
            let is_unread = json["Effect"] == "not read";
            assert!(!is_ok && (is_unread || told.iter().any(sent)), "{json}");
        }
        status => panic!("status {status}: {json}"),
    }
    told
}

/// The code is the first one's who failed; the effect is that of the worst; who is done stands in the sentence.
#[track_caller]
fn says_who(json: &Value, accounts: &[String], listed: &BTreeMap<&str, &Value>) {
    let mut first = accounts.iter().filter_map(|it| listed.get(&**it));
    assert_eq!(
        json["ErrorCode"],
        first.next().unwrap()["ErrorCode"],
        "{json}"
    );
    let unsure = |failed: &Value| effect(&failed["Effect"]) == Told::PossiblyApplied;
    let any = listed.values().any(|failed| unsure(failed));
    assert_eq!(unsure(json), any, "{json}");
    let (failed, count) = (listed.len(), accounts.len());
    if failed == count {
        return;
    }
    let done = match count - failed {
        1 => "the other is done".to_owned(),
        done => format!("the other {done} are done"),
    };
    let start = format!("{failed} of {count} users failed, {done}: ");
    let text = json["ErrorInfo"].as_str().unwrap();
    assert!(text.starts_with(&start), "{json}");
    for account in listed.keys().take(1) {
        assert!(
            failed > 5 || text.contains(&format!("{account:?}")),
            "{json}"
        );
    }
}

#[track_caller]
fn effect(effect: &Value) -> Told {
    match effect.as_str() {
        Some("applied") => Told::Done,
        Some("not applied" | "not read") => Told::NotApplied,
        Some("possibly applied") => Told::PossiblyApplied,
        _ => panic!("no effect is {effect}"),
    }
}
