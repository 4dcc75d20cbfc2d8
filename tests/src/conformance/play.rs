//! One language through all cases: each with a server of its own, one after the other.

use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use super::case::Case;
use super::difference::{compare, difference, without_defaults};
use super::languages::PENDING;
use super::observed::{compare_events, compare_secrets, compare_stats};
use super::report::Played;
use super::runner::Runner;
use super::script::Kind;
use super::server::{Server, whole_request};
use crate::error::Error;

pub(super) fn play(language: &'static str, runner: Command, cases: &[Case]) -> Played {
    let mut played = Played {
        language,
        ..Played::default()
    };
    let mut runner = Runner::new(runner);
    let start = Instant::now();
    for case in cases {
        let title = case.title.clone();
        if let Some(reason) = case.skip.get(language) {
            played.skipped.push((title, reason.clone()));
            continue;
        }
        if case.is_observed() && PENDING.contains(&language) {
            let why = "its runner does not answer figures and records yet";
            played.skipped.push((title, why.to_owned()));
            continue;
        }
        let differences = differences(language, &mut runner, case);
        let differences = differences.unwrap_or_else(|why| no_outcome(&why.to_string()));
        if differences.is_empty() {
            played.passed[case.kind as usize] += 1;
        } else {
            played.failed.push((title, differences));
        }
    }
    if let Err(how) = runner.end() {
        let title = "after the last case".to_owned();
        played.failed.push((title, no_outcome(&how)));
    }
    played.took = start.elapsed();
    played
}

fn no_outcome(why: &str) -> Vec<String> {
    vec![difference("the runner", "an outcome", why)]
}

/// Plays one case, and compares all that can be seen of it.
fn differences(language: &str, runner: &mut Runner, case: &Case) -> Result<Vec<String>, Error> {
    let server = Server::start(case)?;
    let settings = server.fill(&Value::Object(case.settings.clone()));
    let script = server.fill(&case.script);
    let mut line = json!({"name": case.name, "settings": settings, case.kind.member(): script});
    if case.is_observed() {
        line["observe"] = true.into();
    }
    let arrived = |count| server.await_arrivals(count);
    let outcome = match &case.environment {
        Some(variables) => {
            let mut runner = runner.with_environment(&server.environment(variables)?);
            let outcome = runner.outcome(&line, &arrived)?;
            runner.end()?;
            outcome
        }
        None => runner.outcome(&line, &arrived)?,
    };
    let mut outcome = without_clock(outcome);

    let mut differences = Vec::new();
    if case.is_observed() {
        compare_observed(case, &server, &mut outcome, &mut differences)?;
    }
    let mut hold = |place: &str, expected: &Value, got: &Value| {
        compare(place, Some(expected), Some(got), &mut differences);
    };
    let expected = expected_in(language, case.kind, server.fill(&case.outcome));
    hold(
        "outcome",
        &without_defaults(&expected),
        &without_defaults(&outcome),
    );
    let mut expected: Vec<Value> = case.wire.iter().map(whole_request).collect();
    let mut wire = server.wire();
    if case.wire_order.is_some() {
        for requests in [&mut expected, &mut wire] {
            requests.sort_by_key(Value::to_string);
        }
    }
    hold("wire", &expected.into(), &wire.into());
    if let Some(egress) = &case.proxy {
        hold(
            "asked",
            &json!(egress.asked),
            &json!(egress.as_said(server.asked())),
        );
    }
    if let Some(tags) = &case.tags_after {
        hold("tags_after", tags, &server.tags()?);
    }
    Ok(differences)
}

/// Takes the figures and the records out of the outcome, and compares them.
fn compare_observed(
    case: &Case,
    server: &Server,
    outcome: &mut Value,
    differences: &mut Vec<String>,
) -> Result<(), Error> {
    let members = outcome.as_object_mut().ok_or("an outcome is an object")?;
    let [stats, events] = ["stats", "events"].map(|name| members.remove(name).unwrap_or_default());
    if let Some(expected) = &case.stats {
        compare_stats(expected, &stats, differences);
    }
    if let Some(expected) = &case.events {
        compare_events(expected, &events, case.wire_order.is_none(), differences);
    }
    let secrets = server.secrets(case);
    let secrets = secrets.iter().chain(&case.hushed).map(String::as_str);
    compare_secrets(&[&stats, &events], secrets, differences);
    Ok(())
}

/// What a message says of this machine's clock stands in the cases as `{clock}`.
fn without_clock(mut outcome: Value) -> Value {
    const SAYS: &str = "this machine's clock says ";
    const CLOCK: usize = "2026-11-29 10:58:03 UTC".len();
    if let Some(Value::String(message)) = outcome.pointer_mut("/error/message") {
        if let Some(at) = message.find(SAYS) {
            let from = at + SAYS.len();
            let clock = message.get(from..from + CLOCK);
            if clock.is_some_and(|clock| clock.ends_with(" UTC")) {
                message.replace_range(from..from + CLOCK, "{clock}");
            }
        }
    }
    outcome
}

/// The C interface has one form for all errors. In Rust, bad settings are an error of the builder, and a flush or a close
/// that left changes has their number: both are only a message.
fn expected_in(language: &str, kind: Kind, mut outcome: Value) -> Value {
    if language != "rust" {
        return outcome;
    }
    if outcome["status"] == "settings" {
        if let Some(error) = outcome.get_mut("error") {
            *error = json!({"message": error["message"]});
        }
    }
    let failures = outcome.get_mut("failures").and_then(Value::as_array_mut);
    for failure in failures.into_iter().flatten() {
        if kind == Kind::Batcher && failure.get("account").is_none() {
            *failure = json!({"step": failure["step"], "status": failure["status"], "message": failure["message"]});
        }
    }
    outcome
}
