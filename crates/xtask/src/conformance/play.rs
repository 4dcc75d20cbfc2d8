//! One language through all cases: each with a server of its own, one after the other.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::case::{Case, Kind};
use super::difference::{Difference, compare, without_defaults};
use super::languages::Unready;
use super::runner::Runner;
use super::server::{Scene, whole_request};
use crate::Error;

/// What became of the cases in a language.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) language: &'static str,
    /// Why it could not be played at all.
    pub(super) unready: Option<Unready>,
    pub(super) took: Duration,
    /// How many of each kind.
    pub(super) passed: [usize; Kind::ALL.len()],
    pub(super) failed: Vec<Failed>,
    /// The cases that the language cannot hold, with the reason.
    pub(super) skipped: Vec<(String, String)>,
}

/// A case that did not end as it should.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) title: String,
    pub(super) differences: Vec<Difference>,
}

impl Played {
    pub(super) fn of(
        language: &'static str,
        runner: Result<Command, Unready>,
        cases: &[Case],
    ) -> Played {
        let mut played = Played {
            language,
            unready: None,
            took: Duration::ZERO,
            passed: [0; Kind::ALL.len()],
            failed: Vec::new(),
            skipped: Vec::new(),
        };
        match runner {
            Ok(command) => played.play(Runner::new(command), cases),
            Err(unready) => played.unready = Some(unready),
        }
        played
    }

    fn play(&mut self, mut runner: Runner, cases: &[Case]) {
        let start = Instant::now();
        for case in cases {
            if let Some(reason) = case.skip.get(self.language) {
                self.skipped.push((case.title.clone(), reason.clone()));
                continue;
            }
            let differences = differences(self.language, &mut runner, case);
            let differences = differences.unwrap_or_else(no_outcome);
            if differences.is_empty() {
                self.passed[case.kind as usize] += 1;
            } else {
                self.fail(&case.title, differences);
            }
        }
        if let Err(how) = runner.end() {
            self.fail("after the last case", no_outcome(how.into()));
        }
        self.took = start.elapsed();
    }

    fn fail(&mut self, title: &str, differences: Vec<Difference>) {
        self.failed.push(Failed {
            title: title.to_owned(),
            differences,
        });
    }
}

/// Plays one case, and compares all that can be seen of it.
fn differences(language: &str, runner: &mut Runner, case: &Case) -> Result<Vec<Difference>, Error> {
    let scene = Scene::of(case)?;
    let settings = scene.fill(&Value::Object(case.settings.clone()));
    let script = scene.fill(&case.script);
    let line = json!({"name": case.name, "settings": settings, case.kind.member(): script});
    let arrived = |count| scene.await_arrivals(count);
    let outcome = without_clock(runner.outcome(&line, &arrived)?);

    let mut differences = Vec::new();
    let expected = expected_of(language, case.kind, &scene.fill(&case.outcome));
    let (expected, outcome) = (without_defaults(&expected), without_defaults(&outcome));
    compare("outcome", &expected, &outcome, &mut differences);
    let expected = case.wire.as_array().into_iter().flatten();
    let mut expected: Vec<Value> = expected.map(whole_request).collect();
    let mut wire = scene.wire();
    if case.any_order {
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

/// A message that tells what this machine's clock says stands in the cases with `{clock}` in its place.
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

/// The C interface has one form for all errors. In Rust no client is made of bad settings, and the error is the
/// builder's, and a flush or a close that left changes is a count: each is a message.
fn expected_of(language: &str, kind: Kind, outcome: &Value) -> Value {
    let mut outcome = outcome.clone();
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

fn no_outcome(why: Error) -> Vec<Difference> {
    vec![Difference {
        place: "the runner".to_owned(),
        expected: "an outcome".to_owned(),
        got: why.to_string(),
    }]
}
