//! What the cases must not lack: every code, every limit at its edge, every operation, every way for a call to end,
//! and every language; and no setting that shows nowhere.

use std::collections::BTreeSet;
use std::fs;

use imtag_core::catalogue::CATALOGUE;
use imtag_core::{Generation, Limits, Operation};

use super::case::{self, Case, runners};
use super::languages::LANGUAGES;

fn cases() -> Vec<Case> {
    case::all().unwrap()
}

/// Fails with all that is missing at once.
#[track_caller]
fn assert_none(missing: Vec<String>) {
    assert!(missing.is_empty(), "\n  {}\n", missing.join("\n  "));
}

#[test]
fn every_code_of_the_catalogue_has_a_case_that_is_refused_with_it() {
    let cases = cases();
    let missing = CATALOGUE.iter().filter(|entry| {
        let refused = |case: &&Case| {
            case.outcome["status"] == "service" && case.outcome["error"]["code"] == entry.code.0
        };
        !cases.iter().any(|case| refused(&case))
    });
    assert_none(missing.map(|entry| entry.code.to_string()).collect());
}

#[test]
fn every_limit_has_a_case_below_at_and_above_its_edge() {
    let cases = cases();
    let mut missing = Vec::new();
    for limit in Limits::NAMES {
        for (side, status) in [("below", "ok"), ("at", "ok"), ("above", "invalid")] {
            let edge = format!("{limit} {side}");
            let at_edge = |case: &&Case| case.edge.as_deref() == Some(edge.as_str());
            let at_edge: Vec<&Case> = cases.iter().filter(at_edge).collect();
            let ended = at_edge.iter().all(|case| case.outcome["status"] == status);
            if at_edge.is_empty() || !ended {
                missing.push(format!("{edge}: {status}"));
            }
        }
    }
    assert_none(missing);
    let known = |edge: &String| {
        let (limit, side) = edge.split_once(' ').unwrap_or_default();
        Limits::NAMES.contains(&limit) && ["below", "at", "above"].contains(&side)
    };
    let edges = cases.iter().filter_map(|case| case.edge.clone());
    assert_none(edges.filter(|edge| !known(edge)).collect());
}

#[test]
fn every_operation_is_done_on_both_generations_of_paths() {
    let cases = cases();
    let done = |path: &str| {
        let path = format!("/{path}");
        cases
            .iter()
            .any(|case| case.outcome["status"] == "ok" && case.wire[0]["path"] == path.as_str())
    };
    let paths = Generation::ALL
        .into_iter()
        .flat_map(|generation| Operation::ALL.map(|operation| operation.path(generation)));
    let missing = paths.filter(|path| !done(path)).map(str::to_owned);
    assert_none(missing.collect());
    let replaced =
        |case: &Case| case.outcome["status"] == "ok" && case.wire[0]["body"]["Replace"] == 1;
    assert!(cases.iter().any(replaced), "no case replaces tags");
}

#[test]
fn a_call_ends_in_every_way_that_it_can() {
    let cases = cases();
    let statuses: BTreeSet<&str> = cases
        .iter()
        .filter_map(|case| case.outcome["status"].as_str())
        .collect();
    // wrong use of the C interface, and a defect, are for tests/c
    let expected = [
        "cancelled",
        "credentials",
        "http_status",
        "invalid",
        "network",
        "not_understood",
        "ok",
        "partial",
        "service",
        "settings",
        "timeout",
        "tls",
    ];
    assert_eq!(statuses.into_iter().collect::<Vec<_>>(), expected);
}

/// All settings of the runner protocol.
const SETTINGS: [&str; 15] = [
    "sdkappid",
    "identifier",
    "secret_key",
    "usersig",
    "credential_callback",
    "region",
    "endpoint",
    "generation",
    "calls_per_second",
    "fresh_start",
    "timeout_ms",
    "connect_timeout_ms",
    "max_attempts",
    "ca_file",
    "limits",
];

/// Those whose valid values no request can show, with the reason.
const NOT_SHOWN: [(&str, &str); 1] = [(
    "region",
    "its hosts are the service's own, which no case calls",
)];

#[test]
fn every_setting_has_a_valid_value_in_a_case_that_reaches_the_server() {
    let cases = cases();
    let mut faults = Vec::new();
    for setting in SETTINGS {
        let has = |case: &&Case| case.settings.contains_key(setting);
        let made = |case: &&Case| case.outcome["status"] != "settings";
        let reached = |case: &Case| case.wire.as_array().is_some_and(|wire| !wire.is_empty());
        let valid: Vec<&Case> = cases.iter().filter(has).filter(made).collect();
        let shown = valid.iter().any(|case| reached(case));
        let expected = NOT_SHOWN.iter().all(|(name, _)| *name != setting);
        if valid.is_empty() || shown != expected {
            faults.push(format!("{setting}: {} cases, shown: {shown}", valid.len()));
        }
    }
    let unknown = cases.iter().flat_map(|case| case.settings.keys());
    let unknown = unknown.filter(|name| !SETTINGS.contains(&name.as_str()));
    faults.extend(unknown.map(|name| format!("{name}: no setting of the protocol")));
    assert_none(faults);
}

#[test]
fn attempts_that_were_sent_are_told_from_those_that_were_made() {
    let differ = |of: &serde_json::Value| of["attempts"] != of["attempts_sent"];
    for (status, what) in [("ok", "result"), ("network", "error")] {
        let told = |case: &Case| case.outcome["status"] == status && differ(&case.outcome[what]);
        assert!(cases().iter().any(told), "{status}");
    }
}

#[test]
fn all_five_languages_are_played_and_each_runner_is_a_languages() {
    let names = LANGUAGES.map(|language| language.name);
    assert_eq!(names, ["rust", "c", "cpp", "python", "go"]);
    let folders = fs::read_dir(runners()).unwrap();
    let strangers = folders
        .map(|folder| folder.unwrap().file_name().into_string().unwrap())
        .filter(|folder| !names.contains(&folder.as_str()));
    assert_none(strangers.collect());
}

#[test]
fn a_case_has_a_title_of_its_own_and_says_why_a_language_skips_it() {
    let mut titles = BTreeSet::new();
    let mut faults = Vec::new();
    for case in cases() {
        for (language, reason) in &case.skip {
            let known = LANGUAGES.iter().any(|it| it.name == language);
            if !known || reason.len() < 10 {
                faults.push(format!("{}: skip {language:?}: {reason:?}", case.title));
            }
        }
        if case.skip.len() + 2 > LANGUAGES.len() {
            faults.push(format!("{}: fewer than two play it", case.title));
        }
        if !titles.insert(case.title.clone()) {
            faults.push(format!("{}: twice", case.title));
        }
    }
    assert_none(faults);
}

#[test]
fn the_readme_says_what_each_member_of_a_case_is() {
    let readme = fs::read_to_string(runners().with_file_name("README.md")).unwrap();
    let missing = case::MEMBERS.into_iter().filter(|member| {
        let mut rows = readme.lines().filter(|line| line.starts_with("| `"));
        !rows.any(|row| row.contains(&format!("`{member}`")))
    });
    assert_none(missing.map(str::to_owned).collect());
}

#[test]
fn what_is_refused_before_it_is_sent_is_not_sent() {
    let unsent = ["invalid", "settings", "credentials"];
    let faults = cases().into_iter().filter(|case| {
        let status = case.outcome["status"].as_str().unwrap_or_default();
        let sent = case.wire.as_array().map_or(0, Vec::len);
        // an earlier attempt may have been sent before a UserSig was refused
        let earlier = case.outcome["error"]["attempts_sent"].as_u64();
        unsent.contains(&status) && sent as u64 != earlier.unwrap_or_default()
    });
    assert_none(faults.map(|case| case.title).collect());
}
