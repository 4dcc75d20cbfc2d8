//! What the cases must not lack: every code, every limit at its edge, every operation, every way for a call, a change and
//! a run to end, every option and step, and every language; and no setting that shows nowhere.

use std::collections::BTreeSet;
use std::fs;
use std::sync::OnceLock;

use imtag_core::catalogue::CATALOGUE;
use imtag_core::{Generation, Limits, Operation};
use serde_json::Value;

use super::case::{self, Case};
use super::languages::LANGUAGES;
use super::script::{Kind, STEPS};
use crate::cargo::root;

/// Fails with all faults at once.
#[track_caller]
fn assert_none(faults: impl Iterator<Item = String>) {
    let faults: Vec<String> = faults.collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Read once for all tests.
fn cases() -> impl Iterator<Item = &'static Case> + Clone {
    static CASES: OnceLock<Vec<Case>> = OnceLock::new();
    CASES.get_or_init(|| case::all().unwrap()).iter()
}

fn of_kind(kind: Kind) -> impl Iterator<Item = &'static Case> + Clone {
    cases().filter(move |case| case.kind == kind)
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

/// The distinct texts, in their order.
fn distinct<'a>(values: impl Iterator<Item = &'a Value>) -> Vec<&'a str> {
    let texts: BTreeSet<&str> = values.filter_map(Value::as_str).collect();
    texts.into_iter().collect()
}

#[test]
fn every_code_of_the_catalogue_has_a_case_that_is_refused_with_it() {
    let refused = cases().filter(|case| case.outcome["status"] == "service");
    let codes = refused.filter_map(|case| case.outcome["error"]["code"].as_i64());
    let codes: BTreeSet<i64> = codes.collect();
    let missing = CATALOGUE
        .iter()
        .filter(|entry| !codes.contains(&entry.code.0.into()));
    assert_none(missing.map(|entry| entry.code.to_string()));
}

#[test]
fn every_limit_has_a_case_below_at_and_above_its_edge() {
    let of_limit = |limit| {
        let edges = [("below", "ok"), ("at", "ok"), ("above", "invalid")];
        edges.map(|(side, status)| (format!("{limit} {side}"), status))
    };
    let expected: BTreeSet<_> = Limits::NAMES.into_iter().flat_map(of_limit).collect();
    let status = |case: &'static Case| case.outcome["status"].as_str().unwrap();
    let found = cases().filter_map(|case| Some((case.edge.clone()?, status(case))));
    assert_eq!(found.collect::<BTreeSet<_>>(), expected);
}

#[test]
fn every_operation_is_done_on_both_generations_of_paths_by_calls_runs_and_batchers() {
    let changes = [Operation::Add, Operation::Remove, Operation::Clear];
    for (kind, operations) in [
        (Kind::Call, Operation::ALL.as_slice()),
        (Kind::Bulk, &changes),
        (Kind::Batcher, &changes),
    ] {
        let succeeds = |case: &&Case| match kind {
            Kind::Call => case.outcome["status"] == "ok",
            Kind::Bulk | Kind::Batcher => case.outcome["failures"].is_null(),
        };
        let mut wire = of_kind(kind).filter(succeeds).flat_map(|case| &case.wire);
        for generation in Generation::ALL {
            for operation in operations {
                let path = format!("/{}", operation.path(generation));
                let done = wire.clone().any(|request| request["path"] == path.as_str());
                assert!(done, "{kind:?}: {path}");
            }
        }
        let replaced = wire.any(|request| request["body"]["Replace"] == 1);
        assert!(replaced, "{kind:?}: replaces tags");
    }
}

/// Wrong use of the C interface, no thread to be had, and a defect, are for the tests of C and of transport.
#[test]
fn a_call_a_change_and_a_run_end_in_every_way_that_they_can() {
    let of_both = "cancelled credentials http_status network ok partial service settings tls";
    let only_calls = "invalid not_understood timeout";
    for (kind, more) in [(Kind::Bulk, ""), (Kind::Call, only_calls)] {
        let statuses = of_kind(kind).map(|case| &case.outcome["status"]);
        assert_eq!(distinct(statuses), sorted(&[of_both, more]), "{kind:?}");
    }
    let of_both =
        "cancelled credentials http_status invalid network not_understood service timeout tls";
    let only_batchers = "closed full misuse";
    for (kind, more) in [(Kind::Bulk, ""), (Kind::Batcher, only_batchers)] {
        let failures = of_kind(kind).flat_map(|case| list(&case.outcome, "failures"));
        let statuses = failures.clone().map(|failure| &failure["status"]);
        assert_eq!(distinct(statuses), sorted(&[of_both, more]), "{kind:?}");
        let effects = distinct(failures.map(|failure| &failure["effect"]));
        assert_eq!(effects, ["not applied", "possibly applied"], "{kind:?}");
    }
}

/// The words of texts, in their order.
fn sorted<'a>(texts: &[&'a str]) -> Vec<&'a str> {
    let words: BTreeSet<&str> = texts
        .iter()
        .flat_map(|text| text.split_whitespace())
        .collect();
    words.into_iter().collect()
}

/// All settings of the runner protocol.
const SETTINGS: &str =
    "sdkappid identifier secret_key usersig credential_callback region endpoint spare_endpoint proxy generation
    calls_per_second fresh_start timeout_ms connect_timeout_ms max_attempts roots ca_file limits from_env";

#[test]
fn every_setting_has_a_valid_value_in_a_case_that_reaches_the_server() {
    let known: BTreeSet<&str> = SETTINGS.split_whitespace().collect();
    let used = cases().flat_map(|case| case.settings.keys().map(String::as_str));
    assert_eq!(used.collect::<BTreeSet<_>>(), known);
    for setting in known {
        let has = |case: &&Case| case.settings.contains_key(setting);
        let shown = cases().filter(has).any(|case| !case.wire.is_empty());
        assert!(shown, "{setting}");
    }
}

#[test]
fn attempts_that_were_sent_are_told_from_those_that_were_made() {
    let differ = |value: &Value| value["attempts"] != value["attempts_sent"];
    for (status, member) in [("ok", "result"), ("network", "error")] {
        let shows = |case: &Case| case.outcome["status"] == status && differ(&case.outcome[member]);
        assert!(cases().any(shows), "{status}");
    }
}

#[test]
fn every_option_has_a_case_that_sets_it() {
    for kind in [Kind::Bulk, Kind::Batcher] {
        for option in kind.options() {
            let mut set = of_kind(kind).map(|case| &case.script["options"][option]);
            // 60,000 is what all have
            let has = set.any(|set| !set.is_null() && set != 60_000);
            assert!(has, "{kind:?}: {option}");
        }
    }
    let when_full = of_kind(Kind::Batcher).map(|case| &case.script["options"]["when_full"]);
    assert_eq!(distinct(when_full), ["fail", "wait"]);
}

#[test]
fn every_step_and_all_that_a_step_can_have_has_a_case() {
    let steps = of_kind(Kind::Batcher).flat_map(|case| list(&case.script, "steps"));
    for (name, beside) in STEPS {
        for member in beside.iter().chain([&name]) {
            let has = |step: &Value| step.get(name).is_some() && step.get(member).is_some();
            assert!(steps.clone().any(has), "{name}: {member}");
        }
    }
    for member in ["cancel_after_arrivals", "cancel_at_progress"] {
        let has = |case: &Case| case.script.get(member).is_some();
        assert!(of_kind(Kind::Bulk).any(has), "{member}");
    }
    let input = of_kind(Kind::Bulk).flat_map(|case| list(&case.script, "input"));
    for item in ["await_arrivals", "cancel"] {
        assert!(input.clone().any(|it| it.get(item).is_some()), "{item}");
    }
}

#[test]
fn each_runner_is_a_languages() {
    let folders = fs::read_dir(root().join("tests/conformance/runners")).unwrap();
    let folders = folders.map(|folder| folder.unwrap().file_name().into_string().unwrap());
    let unknown = folders.filter(|folder| !LANGUAGES.contains(&folder.as_str()));
    assert_none(unknown);
}

#[test]
fn a_case_has_a_title_of_its_own_and_says_why_a_language_skips_it() {
    let mut titles = BTreeSet::new();
    for Case { title, skip, .. } in cases() {
        for (language, reason) in skip {
            let is_known = LANGUAGES.contains(&language.as_str());
            assert!(
                is_known && reason.len() >= 10,
                "{title}: {language}: {reason}"
            );
        }
        assert!(
            skip.len() + 2 <= LANGUAGES.len(),
            "{title}: fewer than two play it"
        );
        assert!(titles.insert(title), "{title}: twice");
    }
}

#[test]
fn there_are_at_least_eighty_cases_of_runs_and_batchers_and_no_two_are_the_same() {
    let mut distinct = BTreeSet::new();
    for case in cases().filter(|case| case.kind != Kind::Call) {
        let Case {
            settings,
            script,
            faults,
            connections,
            tags_before,
            ..
        } = case;
        let does = format!("{settings:?} {script} {faults:?} {connections:?} {tags_before:?}");
        assert!(distinct.insert(does), "{}: as another", case.title);
    }
    assert!(distinct.len() >= 80, "{}", distinct.len());
}

/// Serde lists the members that it knows, in backquotes, when it meets another.
#[test]
fn the_readme_says_what_each_member_of_a_case_is() {
    let readme = fs::read_to_string(root().join("tests/conformance/README.md")).unwrap();
    let error = serde_json::from_str::<Case>(r#"{"": 1}"#)
        .unwrap_err()
        .to_string();
    let members: Vec<_> = error.split('`').skip(1).step_by(2).skip(1).collect();
    assert_eq!(members.len(), 20, "{error}");
    let is_in_a_row = |member: &str| {
        let mut rows = readme.lines().filter(|line| line.starts_with("| `"));
        rows.any(|row| row.contains(&format!("`{member}`")))
    };
    let missing = members.into_iter().filter(|member| !is_in_a_row(member));
    assert_none(missing.map(str::to_owned));
}

#[test]
fn what_is_refused_before_it_is_sent_is_not_sent() {
    let unsent = ["invalid", "settings", "credentials"].map(Value::from);
    let faults = cases().filter(|case| unsent.contains(&case.outcome["status"]));
    let faults = faults.filter(|case| {
        // an earlier attempt may have been sent before a UserSig was refused
        let earlier = case.outcome["error"]["attempts_sent"].as_u64();
        case.wire.len() as u64 != earlier.unwrap_or_default()
    });
    assert_none(faults.map(|case| case.title.clone()));
}

#[test]
fn what_a_run_counts_adds_up() {
    for Case { title, outcome, .. } in of_kind(Kind::Bulk) {
        let summary = &outcome["summary"];
        let count = |name: &str| summary[name].as_u64().unwrap_or_default();
        let failures = list(outcome, "failures").len() as u64;
        let settled = outcome["settled"].as_u64().unwrap_or_default();
        assert_eq!(settled, count("done") + failures, "{title}");
        let is_any = ["taken", "failed", "not_taken"].map(|name| summary[name] == "{any or none}");
        if is_any.contains(&true) {
            assert_eq!(is_any, [true; 3], "{title}");
            continue;
        }
        assert_eq!(count("taken"), count("done") + count("failed"), "{title}");
        assert_eq!(failures, count("failed") + count("not_taken"), "{title}");
    }
}
