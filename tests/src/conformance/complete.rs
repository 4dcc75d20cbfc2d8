//! What the cases must not lack: every code, every limit at its edge, every operation, every way for a call, a change and
//! a run to end, every option and step, and every language; and no setting that shows nowhere.

use std::collections::BTreeSet;
use std::fs;

use imtag_core::catalogue::CATALOGUE;
use imtag_core::{Generation, Limits, Operation};
use serde_json::Value;

use super::case::{self, Case};
use super::languages::LANGUAGES;
use super::script::{BATCHER_OPTIONS, BULK_OPTIONS, Kind, STEPS};
use crate::cargo::root;

/// Fails with all faults at once.
#[track_caller]
fn assert_none(faults: Vec<String>) {
    assert!(faults.is_empty(), "{faults:#?}");
}

fn cases() -> Vec<Case> {
    case::all().unwrap()
}

fn of_kind(kind: Kind) -> Vec<Case> {
    let mut cases = cases();
    cases.retain(|case| case.kind == kind);
    cases
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
    let cases = cases();
    let refused: BTreeSet<_> = cases
        .iter()
        .filter(|case| case.outcome["status"] == "service")
        .filter_map(|case| case.outcome["error"]["code"].as_i64())
        .collect();
    let codes = CATALOGUE.iter().map(|entry| entry.code);
    let missing = codes.filter(|code| !refused.contains(&code.0.into()));
    assert_none(missing.map(|code| code.to_string()).collect());
}

#[test]
fn every_limit_has_a_case_below_at_and_above_its_edge() {
    let cases = cases();
    let mut missing = Vec::new();
    let mut known = BTreeSet::new();
    for limit in Limits::NAMES {
        for (side, status) in [("below", "ok"), ("at", "ok"), ("above", "invalid")] {
            let edge = format!("{limit} {side}");
            let at_edge = cases
                .iter()
                .filter(|case| case.edge.as_ref() == Some(&edge));
            let statuses = distinct(at_edge.map(|case| &case.outcome["status"]));
            if statuses != [status] {
                missing.push(format!("{edge}: {status}"));
            }
            known.insert(edge);
        }
    }
    let edges = cases.into_iter().filter_map(|case| case.edge);
    missing.extend(edges.filter(|edge| !known.contains(edge)));
    assert_none(missing);
}

#[test]
fn every_operation_is_done_on_both_generations_of_paths_by_calls_runs_and_batchers() {
    let changes = [Operation::Add, Operation::Remove, Operation::Clear];
    for (kind, operations) in [
        (Kind::Call, Operation::ALL.as_slice()),
        (Kind::Bulk, &changes),
        (Kind::Batcher, &changes),
    ] {
        let cases = of_kind(kind);
        let succeeds = |case: &&Case| match kind {
            Kind::Call => case.outcome["status"] == "ok",
            Kind::Bulk | Kind::Batcher => case.outcome["failures"].is_null(),
        };
        let wire: Vec<&Value> = cases
            .iter()
            .filter(succeeds)
            .flat_map(|case| &case.wire)
            .collect();
        for generation in Generation::ALL {
            for operation in operations {
                let path = format!("/{}", operation.path(generation));
                let done = wire.iter().any(|request| request["path"] == path.as_str());
                assert!(done, "{kind:?}: {path}");
            }
        }
        let replaced = wire.iter().any(|request| request["body"]["Replace"] == 1);
        assert_eq!(replaced, kind == Kind::Call, "{kind:?}: replaces tags");
    }
}

/// Wrong use of the C interface, no thread to be had, and a defect, are for the tests of C and of transport.
#[test]
fn a_call_a_change_and_a_run_end_in_every_way_that_they_can() {
    let of_both = "cancelled credentials http_status network ok partial service settings tls";
    let only_calls = "invalid not_understood timeout";
    for (kind, more) in [(Kind::Bulk, ""), (Kind::Call, only_calls)] {
        let cases = of_kind(kind);
        let statuses = cases.iter().map(|case| &case.outcome["status"]);
        assert_eq!(distinct(statuses), sorted(&[of_both, more]), "{kind:?}");
    }
    let of_both =
        "cancelled credentials http_status invalid network not_understood service timeout tls";
    let only_batchers = "closed full misuse";
    for (kind, more) in [(Kind::Bulk, ""), (Kind::Batcher, only_batchers)] {
        let cases = of_kind(kind);
        let failures = cases
            .iter()
            .flat_map(|case| list(&case.outcome, "failures"));
        let statuses = failures.clone().map(|failure| &failure["status"]);
        assert_eq!(distinct(statuses), sorted(&[of_both, more]), "{kind:?}");
        let effects = failures.map(|failure| &failure["effect"]);
        assert_eq!(
            distinct(effects),
            ["not applied", "possibly applied"],
            "{kind:?}"
        );
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

/// All settings of the runner protocol. Requests show the valid values of all but `region`, whose hosts are the service's
/// own, which no case calls.
const SETTINGS: &str =
    "sdkappid identifier secret_key usersig credential_callback region endpoint generation
    calls_per_second fresh_start timeout_ms connect_timeout_ms max_attempts ca_file limits";

#[test]
fn every_setting_has_a_valid_value_in_a_case_that_reaches_the_server() {
    let cases = cases();
    let mut faults = Vec::new();
    for setting in SETTINGS.split_whitespace() {
        let has = |case: &&Case| case.settings.contains_key(setting);
        let valid = |case: &&Case| has(case) && case.outcome["status"] != "settings";
        let valid: Vec<&Case> = cases.iter().filter(valid).collect();
        let shown = valid.iter().any(|case| !case.wire.is_empty());
        if valid.is_empty() || shown == (setting == "region") {
            faults.push(format!("{setting}: {} cases, shown: {shown}", valid.len()));
        }
    }
    let is_known = |name: &&String| SETTINGS.split_whitespace().any(|it| it == *name);
    let unknown = cases.iter().flat_map(|case| case.settings.keys());
    let unknown = unknown.filter(|name| !is_known(name));
    faults.extend(unknown.map(|name| format!("{name}: no setting of the protocol")));
    assert_none(faults);
}

#[test]
fn attempts_that_were_sent_are_told_from_those_that_were_made() {
    let differ = |value: &Value| value["attempts"] != value["attempts_sent"];
    for (status, member) in [("ok", "result"), ("network", "error")] {
        let shows = |case: &Case| case.outcome["status"] == status && differ(&case.outcome[member]);
        assert!(cases().iter().any(shows), "{status}");
    }
}

#[test]
fn every_option_has_a_case_that_sets_it() {
    for (kind, options) in [(Kind::Bulk, BULK_OPTIONS), (Kind::Batcher, BATCHER_OPTIONS)] {
        let cases = of_kind(kind);
        for option in options {
            let sets = |case: &Case| {
                let set = &case.script["options"][option];
                !set.is_null() && set != 60_000 // which all have
            };
            assert!(cases.iter().any(sets), "{kind:?}: {option}");
        }
    }
    let batchers = of_kind(Kind::Batcher);
    let when_full = batchers
        .iter()
        .map(|case| &case.script["options"]["when_full"]);
    assert_eq!(distinct(when_full), ["fail", "wait"]);
}

#[test]
fn every_step_and_all_that_a_step_can_have_has_a_case() {
    let batchers = of_kind(Kind::Batcher);
    for (name, beside) in STEPS {
        for member in beside.iter().chain([&name]) {
            let mut steps = batchers.iter().flat_map(|case| list(&case.script, "steps"));
            let has = steps.any(|step| step.get(name).is_some() && step.get(member).is_some());
            assert!(has, "{name}: {member}");
        }
    }
    let runs = of_kind(Kind::Bulk);
    for member in ["cancel_after_arrivals", "cancel_at_progress"] {
        let has = runs.iter().any(|case| case.script.get(member).is_some());
        assert!(has, "{member}");
    }
    for item in ["await_arrivals", "cancel"] {
        let mut input = runs.iter().flat_map(|case| list(&case.script, "input"));
        assert!(input.any(|it| it.get(item).is_some()), "{item}");
    }
}

#[test]
fn each_runner_is_a_languages() {
    let folders = fs::read_dir(root().join("tests/conformance/runners")).unwrap();
    let folders = folders.map(|folder| folder.unwrap().file_name().into_string().unwrap());
    let unknown = folders.filter(|folder| !LANGUAGES.contains(&folder.as_str()));
    assert_none(unknown.collect());
}

#[test]
fn a_case_has_a_title_of_its_own_and_says_why_a_language_skips_it() {
    let mut titles = BTreeSet::new();
    let mut faults = Vec::new();
    for Case { title, skip, .. } in cases() {
        for (language, reason) in &skip {
            let known = LANGUAGES.contains(&language.as_str());
            if !known || reason.len() < 10 {
                faults.push(format!("{title}: skip {language:?}: {reason:?}"));
            }
        }
        if skip.len() + 2 > LANGUAGES.len() {
            faults.push(format!("{title}: fewer than two play it"));
        }
        if !titles.insert(title.clone()) {
            faults.push(format!("{title}: twice"));
        }
    }
    assert_none(faults);
}

#[test]
fn there_are_at_least_eighty_cases_of_runs_and_batchers_and_no_two_are_the_same() {
    let mut distinct = BTreeSet::new();
    for case in cases().iter().filter(|case| case.kind != Kind::Call) {
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
    assert_eq!(members.len(), 15, "{error}");
    let is_in_a_row = |member: &str| {
        let mut rows = readme.lines().filter(|line| line.starts_with("| `"));
        rows.any(|row| row.contains(&format!("`{member}`")))
    };
    let missing = members.into_iter().filter(|member| !is_in_a_row(member));
    assert_none(missing.map(str::to_owned).collect());
}

#[test]
fn what_is_refused_before_it_is_sent_is_not_sent() {
    let unsent = ["invalid", "settings", "credentials"];
    let faults = cases().into_iter().filter(|case| {
        let status = case.outcome["status"].as_str().unwrap_or_default();
        // an earlier attempt may have been sent before a UserSig was refused
        let earlier = case.outcome["error"]["attempts_sent"].as_u64();
        unsent.contains(&status) && case.wire.len() as u64 != earlier.unwrap_or_default()
    });
    assert_none(faults.map(|case| case.title).collect());
}

#[test]
fn what_a_run_counts_adds_up() {
    for Case { title, outcome, .. } in of_kind(Kind::Bulk) {
        let summary = &outcome["summary"];
        let count = |name: &str| summary[name].as_u64().unwrap_or_default();
        let failures = list(&outcome, "failures").len() as u64;
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
