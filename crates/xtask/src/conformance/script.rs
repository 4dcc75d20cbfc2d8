//! What the runner of a case does, read strictly: a misspelt option would be one that no runner sets.

use serde_json::{Map, Value, json};

/// What a case does.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Call,
    Bulk,
    Batcher,
}

impl Kind {
    pub(super) const ALL: [Kind; 3] = [Kind::Call, Kind::Bulk, Kind::Batcher];

    /// The member of a case that says what is done.
    pub(super) fn member(self) -> &'static str {
        match self {
            Kind::Call => "call",
            Kind::Bulk => "bulk",
            Kind::Batcher => "batcher",
        }
    }
}

/// How long a change waits for others in a case that does not say it: until the input ends, a flush or a close. So a
/// slow machine makes no request early. Cases about time limits still need an answer within a second.
const LINGER_MS: u64 = 60_000;

const CHANGE: &[&str] = &["operation", "account", "tags"];

pub(super) const BULK_OPTIONS: &[&str] = &[
    "timeout_ms",
    "attempt_timeout_ms",
    "late_window_ms",
    "linger_ms",
    "capacity",
];

pub(super) const BATCHER_OPTIONS: &[&str] = &[
    "timeout_ms",
    "attempt_timeout_ms",
    "late_window_ms",
    "linger_ms",
    "capacity",
    "when_full",
];

/// Each step of a batcher, with what may stand beside it.
pub(super) const STEPS: [(&str, &[&str]); 8] = [
    ("submit", &[]),
    (
        "call",
        &["timeout_ms", "cancel_after_ms", "cancel_after_arrivals"],
    ),
    ("flush", &["timeout_ms", "cancel_after_ms"]),
    ("close", &["timeout_ms", "cancel_after_ms"]),
    ("join", &[]),
    ("await_arrivals", &[]),
    ("await_unsettled", &[]),
    ("fork", &[]),
];

/// What the runner gets.
pub(super) fn read(kind: Kind, script: Value) -> Result<Value, String> {
    match (kind, script) {
        (Kind::Call, call) => Ok(call),
        (Kind::Bulk, Value::Object(bulk)) => self::bulk(bulk),
        (Kind::Batcher, Value::Object(batcher)) => self::batcher(batcher),
        (kind, _) => Err(format!("a {} is an object", kind.member())),
    }
}

fn bulk(mut bulk: Map<String, Value>) -> Result<Value, String> {
    let input = list(&bulk, "input")?;
    let mut waits = bulk.contains_key("cancel_after_arrivals");
    for item in input {
        match item.as_object().and_then(|item| item.keys().next()) {
            Some(_) if item.get("operation").is_some() => change(item)?,
            Some(name) if name == "await_arrivals" && !waits => only(item, &["await_arrivals"])?,
            Some(name) if name == "cancel" => only(item, &["cancel"])?,
            _ => return Err(format!("this is no input, or waits beside a wait: {item}")),
        }
    }
    waits |= bulk.contains_key("cancel_at_progress");
    let mut known = vec!["options", "input"];
    if waits {
        known.extend(["cancel_after_arrivals", "cancel_at_progress"]);
    }
    set_options(&mut bulk, BULK_OPTIONS)?;
    only(&Value::Object(bulk.clone()), &known)?;
    Ok(Value::Object(bulk))
}

fn batcher(mut batcher: Map<String, Value>) -> Result<Value, String> {
    let mut waits = false;
    for step in list(&batcher, "steps")? {
        let is_named = |(name, _): &&(&str, &[&str])| step.get(name).is_some();
        let Some((name, beside)) = STEPS.iter().find(is_named) else {
            return Err(format!("there is no such step: {step}"));
        };
        let mut known = beside.to_vec();
        known.push(name);
        only(step, &known)?;
        if matches!(*name, "submit" | "call" | "fork") {
            change(&step[name])?;
        }
        // two waits at once could get each other's answers
        let also_waits = step.get("cancel_after_arrivals").is_some() || *name == "await_arrivals";
        if waits && also_waits {
            return Err(format!("it waits beside a wait: {step}"));
        }
        waits |= step.get("cancel_after_arrivals").is_some();
        waits &= *name != "join";
    }
    set_options(&mut batcher, BATCHER_OPTIONS)?;
    only(&Value::Object(batcher.clone()), &["options", "steps"])?;
    Ok(Value::Object(batcher))
}

/// The options that were given, with the time to linger that all cases have; null takes it away.
fn set_options(script: &mut Map<String, Value>, known: &[&str]) -> Result<(), String> {
    let mut options = json!({"linger_ms": LINGER_MS});
    let given = script.remove("options").unwrap_or(json!({}));
    only(&given, known)?;
    if let (Some(options), Some(given)) = (options.as_object_mut(), given.as_object()) {
        options.extend(given.clone());
        options.retain(|_, value| !value.is_null());
    }
    script.insert("options".to_owned(), options);
    Ok(())
}

fn change(change: &Value) -> Result<(), String> {
    only(change, CHANGE)?;
    let known = match (change["operation"].as_str(), change.get("tags")) {
        (Some("add" | "remove"), Some(Value::Array(_))) => true,
        (Some("clear"), tags) => tags.is_none(),
        _ => false,
    };
    if known && change.get("account").is_some() {
        Ok(())
    } else {
        Err(format!("this is no change: {change}"))
    }
}

fn list<'a>(script: &'a Map<String, Value>, name: &str) -> Result<&'a Vec<Value>, String> {
    let list = script.get(name).and_then(Value::as_array);
    list.ok_or_else(|| format!("there is no list {name:?}"))
}

fn only(value: &Value, known: &[&str]) -> Result<(), String> {
    let members = value.as_object().into_iter().flatten();
    let unknown = members.map(|(name, _)| name.as_str());
    match unknown.into_iter().find(|name| !known.contains(name)) {
        Some(unknown) => Err(format!("there is no {unknown:?} here: {value}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_runner_knows_is_an_error() {
        let bulk = |members: Value| read(Kind::Bulk, members);
        let add = json!({"operation": "add", "account": "u", "tags": ["t"]});
        assert_eq!(
            bulk(json!({"input": [add, {"await_arrivals": 1}, {"cancel": true}]})).unwrap()["options"],
            json!({"linger_ms": 60_000})
        );
        let linger = json!({"linger_ms": null, "capacity": 1});
        assert_eq!(
            bulk(json!({"options": linger, "input": []})).unwrap()["options"],
            json!({"capacity": 1})
        );
        for bad in [
            json!({}),
            json!({"input": [{"operation": "get", "account": "u"}]}),
            json!({"input": [{"operation": "clear", "account": "u", "tags": []}]}),
            json!({"input": [{"awaits": 1}]}),
            json!({"input": [{"await_arrivals": 1}], "cancel_after_arrivals": 1}),
            json!({"input": [], "options": {"when_full": "wait"}}),
            json!({"input": [], "cancel_at": 1}),
        ] {
            assert!(bulk(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_step_is_one_that_there_is_and_no_two_wait_at_once() {
        let steps = |steps: Value| read(Kind::Batcher, json!({"steps": steps}));
        let add = json!({"operation": "add", "account": "u", "tags": ["t"]});
        let cancelled = json!({"call": add, "cancel_after_arrivals": 1});
        assert!(
            steps(json!([{"submit": add}, cancelled, {"join": true}, {"await_arrivals": 2}]))
                .is_ok()
        );
        for bad in [
            json!([{"submit": add, "timeout_ms": 1}]),
            json!([{"submit": {"operation": "add"}}]),
            json!([{"sleep": 1}]),
            json!([cancelled, {"await_arrivals": 2}]),
            json!([cancelled, cancelled]),
        ] {
            assert!(steps(bad.clone()).is_err(), "{bad}");
        }
    }
}
