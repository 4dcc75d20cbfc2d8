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

    pub(super) fn options(self) -> &'static [&'static str] {
        match self {
            Kind::Call => &[],
            Kind::Bulk => &OPTIONS[..5],
            Kind::Batcher => &OPTIONS,
        }
    }
}

/// How long a change waits for others in a case that does not say it: until the input ends, a flush or a close. So a
/// slow machine makes no request early. Cases about time limits still need an answer within a second.
const LINGER_MS: u64 = 60_000;

/// The options of a batcher; a bulk run has all but the last.
const OPTIONS: [&str; 6] = [
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

/// What the runner gets: the script with the options that it has, and the time to linger that all have; null takes one
/// away.
pub(super) fn read(kind: Kind, mut script: Value) -> Result<Value, String> {
    let list = match kind {
        Kind::Call => return Ok(script),
        Kind::Bulk => "input",
        Kind::Batcher => "steps",
    };
    let items = script[list].as_array();
    let items = items.ok_or_else(|| format!("there is no list {list:?}"))?;
    if kind == Kind::Bulk {
        check_input(items, &script)?;
    } else {
        check_steps(items)?;
        only(&script, &["options", "steps"])?;
    }
    only(&script["options"], kind.options())?;
    let mut set = Map::from_iter([("linger_ms".to_owned(), json!(LINGER_MS))]);
    set.extend(script["options"].as_object().cloned().unwrap_or_default());
    set.retain(|_, value| !value.is_null());
    script["options"] = set.into();
    Ok(script)
}

/// Two waits at once could get each other's answers.
fn check_input(input: &[Value], bulk: &Value) -> Result<(), String> {
    let waits = bulk.get("cancel_after_arrivals").is_some();
    for item in input {
        match item.as_object().and_then(|item| item.keys().next()) {
            Some(_) if item.get("operation").is_some() => change(item)?,
            Some(name) if name == "await_arrivals" && !waits => only(item, &["await_arrivals"])?,
            Some(name) if name == "cancel" => only(item, &["cancel"])?,
            _ => return Err(format!("this is no input, or waits beside a wait: {item}")),
        }
    }
    let ends = [
        "options",
        "input",
        "cancel_after_arrivals",
        "cancel_at_progress",
    ];
    only(bulk, &ends)
}

fn check_steps(steps: &[Value]) -> Result<(), String> {
    let mut waits = false;
    for step in steps {
        let is_named = |(name, _): &&(&str, &[&str])| step.get(name).is_some();
        let Some((name, beside)) = STEPS.iter().find(is_named) else {
            return Err(format!("there is no such step: {step}"));
        };
        only(step, &[*beside, &[name]].concat())?;
        if matches!(*name, "submit" | "call" | "fork") {
            change(&step[name])?;
        }
        let begins_to_wait = step.get("cancel_after_arrivals").is_some();
        if waits && (begins_to_wait || *name == "await_arrivals") {
            return Err(format!("it waits beside a wait: {step}"));
        }
        waits = (waits || begins_to_wait) && *name != "join";
    }
    Ok(())
}

fn change(change: &Value) -> Result<(), String> {
    only(change, &["operation", "account", "tags"])?;
    let known = match (change["operation"].as_str(), change.get("tags")) {
        (Some("add" | "remove" | "replace"), Some(Value::Array(_))) => true,
        (Some("clear"), tags) => tags.is_none(),
        _ => false,
    };
    if known && change.get("account").is_some() {
        Ok(())
    } else {
        Err(format!("this is no change: {change}"))
    }
}

fn only(value: &Value, known: &[&str]) -> Result<(), String> {
    let mut members = value.as_object().into_iter().flat_map(Map::keys);
    match members.find(|name| !known.contains(&name.as_str())) {
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
