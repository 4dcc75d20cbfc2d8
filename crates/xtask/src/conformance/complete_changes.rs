//! What the cases of bulk runs and batchers must not lack: every operation, every way for a change and a run to end,
//! every option and every step; and enough of them.

use std::collections::BTreeSet;

use imtag_core::{Generation, Operation};
use serde_json::Value;

use super::case::{self, Case, Kind};
use super::script::{BATCHER_OPTIONS, BULK_OPTIONS, STEPS};

fn of_kind(kind: Kind) -> Vec<Case> {
    let mut cases = case::all().unwrap();
    cases.retain(|case| case.kind == kind);
    cases
}

fn list<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of[name].as_array().map_or(&[], Vec::as_slice)
}

/// The distinct texts, in their order.
fn distinct<'a>(values: impl Iterator<Item = &'a Value>) -> Vec<&'a str> {
    let texts: BTreeSet<&str> = values.filter_map(Value::as_str).collect();
    texts.into_iter().collect()
}

#[test]
fn every_change_is_made_on_both_generations_of_paths_by_runs_and_batchers() {
    let changes = [Operation::Add, Operation::Remove, Operation::Clear];
    for kind in [Kind::Bulk, Kind::Batcher] {
        let cases = of_kind(kind);
        for (generation, operation) in Generation::ALL
            .into_iter()
            .flat_map(|generation| changes.map(|operation| (generation, operation)))
        {
            let path = format!("/{}", operation.path(generation));
            let made = |case: &Case| {
                let mut wire = case.wire.as_array().into_iter().flatten();
                case.outcome["failures"].is_null() && wire.any(|it| it["path"] == path.as_str())
            };
            assert!(cases.iter().any(made), "{kind:?}: {path}");
        }
    }
}

#[test]
fn a_change_ends_in_every_way_that_it_can() {
    let statuses = |kind: Kind| -> Vec<String> {
        let cases = of_kind(kind);
        let failures = cases
            .iter()
            .flat_map(|case| list(&case.outcome, "failures"));
        let statuses = distinct(failures.map(|failure| &failure["status"]));
        statuses.into_iter().map(str::to_owned).collect()
    };
    // no thread to be had, and a defect, are for the tests of transport and of C
    let by_both = [
        "cancelled",
        "credentials",
        "http_status",
        "invalid",
        "network",
        "not_understood",
        "service",
        "timeout",
        "tls",
    ];
    assert_eq!(statuses(Kind::Bulk), by_both);
    let mut by_a_batcher = [by_both.as_slice(), &["closed", "full", "misuse"]].concat();
    by_a_batcher.sort_unstable();
    assert_eq!(statuses(Kind::Batcher), by_a_batcher);
}

#[test]
fn what_is_known_of_a_failed_change_is_seen_in_runs_and_batchers() {
    for kind in [Kind::Bulk, Kind::Batcher] {
        let cases = of_kind(kind);
        let failures = cases
            .iter()
            .flat_map(|case| list(&case.outcome, "failures"));
        let effects = distinct(failures.map(|failure| &failure["effect"]));
        assert_eq!(effects, ["not applied", "possibly applied"], "{kind:?}");
    }
}

#[test]
fn a_run_ends_in_every_way_that_it_can() {
    let cases = of_kind(Kind::Bulk);
    let statuses = distinct(cases.iter().map(|case| &case.outcome["status"]));
    assert_eq!(
        statuses,
        [
            "cancelled",
            "credentials",
            "http_status",
            "network",
            "ok",
            "partial",
            "service",
            "settings",
            "tls"
        ]
    );
}

#[test]
fn every_option_has_a_case_that_sets_it() {
    for (kind, options) in [(Kind::Bulk, BULK_OPTIONS), (Kind::Batcher, BATCHER_OPTIONS)] {
        let cases = of_kind(kind);
        for option in options {
            let sets = |case: &Case| {
                let set = &case.script["options"][option];
                // which all have
                !set.is_null() && set != 60_000
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
    let cases = of_kind(Kind::Batcher);
    for (name, beside) in STEPS {
        for member in beside.iter().chain([&name]) {
            let mut steps = cases.iter().flat_map(|case| list(&case.script, "steps"));
            let has = steps.any(|step| step.get(name).is_some() && step.get(member).is_some());
            assert!(has, "{name}: {member}");
        }
    }
    let cases = of_kind(Kind::Bulk);
    for member in ["cancel_after_arrivals", "cancel_at_progress"] {
        assert!(
            cases.iter().any(|case| case.script.get(member).is_some()),
            "{member}"
        );
    }
    for item in ["await_arrivals", "cancel"] {
        let mut input = cases.iter().flat_map(|case| list(&case.script, "input"));
        assert!(input.any(|it| it.get(item).is_some()), "{item}");
    }
}

#[test]
fn there_are_at_least_eighty_cases_of_runs_and_batchers_and_no_two_are_the_same() {
    let mut distinct = BTreeSet::new();
    for case in of_kind(Kind::Bulk)
        .into_iter()
        .chain(of_kind(Kind::Batcher))
    {
        let Case {
            settings,
            script,
            server,
            connections,
            tags_before,
            ..
        } = &case;
        let does = format!("{settings:?} {script} {server:?} {connections:?} {tags_before:?}");
        assert!(distinct.insert(does), "{}: as another", case.title);
    }
    assert!(distinct.len() >= 80, "{}", distinct.len());
}

#[test]
fn what_a_run_counts_adds_up() {
    for case in of_kind(Kind::Bulk) {
        let (outcome, title) = (&case.outcome, &case.title);
        let summary = &outcome["summary"];
        let count = |name: &str| summary[name].as_u64().unwrap_or_default();
        let failures = list(outcome, "failures").len() as u64;
        let settled = outcome["settled"].as_u64().unwrap_or_default();
        assert_eq!(settled, count("done") + failures, "{title}");
        let counts = ["taken", "failed", "not_taken"];
        if counts.iter().any(|name| summary[name] == "{any or none}") {
            assert!(
                counts.iter().all(|name| summary[name] == "{any or none}"),
                "{title}"
            );
            continue;
        }
        assert_eq!(count("taken"), count("done") + count("failed"), "{title}");
        assert_eq!(failures, count("failed") + count("not_taken"), "{title}");
    }
}
