//! One language through all cases: each with a server of its own, one after the other.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::case::{Case, Order};
use super::difference::{compare, difference, without_defaults};
use super::runner::Runner;
use super::script::Kind;
use super::server::{Scene, whole_request};
use crate::Error;

/// What became of the cases in a language.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) language: &'static str,
    /// Why it could not be played at all.
    pub(super) unready: Option<Error>,
    pub(super) took: Duration,
    /// How many of each kind.
    pub(super) passed: [usize; Kind::ALL.len()],
    /// The titles of the cases that did not end as they should, with the differences.
    pub(super) failed: Vec<(String, Vec<String>)>,
    /// The titles of the cases that the language cannot hold, with the reason.
    pub(super) skipped: Vec<(String, String)>,
}

impl Played {
    /// A language of which nothing is played yet.
    pub(super) fn nothing(language: &'static str, unready: Option<Error>) -> Played {
        Played {
            language,
            unready,
            took: Duration::ZERO,
            passed: [0; Kind::ALL.len()],
            failed: Vec::new(),
            skipped: Vec::new(),
        }
    }
}

pub(super) fn play(language: &'static str, runner: Command, cases: &[Case]) -> Played {
    let mut played = Played::nothing(language, None);
    let mut runner = Runner::new(runner);
    let start = Instant::now();
    for case in cases {
        if let Some(reason) = case.skip.get(language) {
            let skipped = (case.title.clone(), reason.clone());
            played.skipped.push(skipped);
            continue;
        }
        let differences = differences(language, &mut runner, case);
        let differences = differences.unwrap_or_else(|why| no_outcome(&why.to_string()));
        if differences.is_empty() {
            played.passed[case.kind as usize] += 1;
        } else {
            played.failed.push((case.title.clone(), differences));
        }
    }
    if let Err(how) = runner.end() {
        let title = "after the last case".to_owned();
        played.failed.push((title, no_outcome(&how)));
    }
    played.took = start.elapsed();
    played
}

/// Plays one case, and compares all that can be seen of it.
fn differences(language: &str, runner: &mut Runner, case: &Case) -> Result<Vec<String>, Error> {
    let scene = Scene::new(case)?;
    let settings = scene.fill(&Value::Object(case.settings.clone()));
    let script = scene.fill(&case.script);
    let line = json!({"name": case.name, "settings": settings, case.kind.member(): script});
    let arrived = |count| scene.await_arrivals(count);
    let outcome = without_clock(runner.outcome(&line, &arrived)?);

    let mut differences = Vec::new();
    let expected = expected_in(language, case.kind, scene.fill(&case.outcome));
    let (expected, outcome) = (without_defaults(&expected), without_defaults(&outcome));
    compare("outcome", &expected, &outcome, &mut differences);
    let mut expected: Vec<Value> = case.wire.iter().map(whole_request).collect();
    let mut wire = scene.wire();
    if case.wire_order == Order::Any {
        for requests in [&mut expected, &mut wire] {
            requests.sort_by_key(Value::to_string);
        }
    }
    compare("wire", &expected.into(), &wire.into(), &mut differences);
    if let Some(tags) = &case.tags_after {
        compare("tags_after", tags, &scene.tags()?, &mut differences);
    }
    Ok(differences)
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

fn no_outcome(why: &str) -> Vec<String> {
    vec![difference("the runner", "an outcome", why)]
}
