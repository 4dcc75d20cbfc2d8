//! Disks that are full, and folders that take no file: a clear error before anything is sent, or at the moment; and
//! nobody is lost by it.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use std::collections::BTreeSet;

use imtag_emulator::Fault;
use serde_json::{Value, json};
use stage::{ADD, Ran, Stage, limited, run, users_with_tags, wait_until};

const FILE: &str = "users.csv";

/// Every user is counted as what they are; in the end each is either tagged or listed.
fn nobody_is_lost(stage: &Stage, report: &Value, users: usize, list: &str) {
    let count = |field: &str| report[field].as_u64().unwrap();
    let tagged = stage.emulator.users();
    assert_eq!(count("users_tagged"), tagged.len() as u64);
    let all = count("users_tagged") + count("users_failed") + count("users_not_sent");
    assert_eq!(all, users as u64);
    if report["ended_early"] != json!(null) {
        return;
    }
    // where nobody failed there is none
    let list = std::fs::read_to_string(stage.home.path().join(list)).unwrap_or_default();
    let listed = list.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["account"].as_str().unwrap().to_owned()
    });
    let listed: BTreeSet<String> = listed.collect();
    assert_eq!(count("users_failed"), listed.len() as u64);
    for user in 0..users {
        let account = format!("user{user:04}");
        assert!(
            listed.contains(&account) != tagged.contains_key(&account),
            "{account}"
        );
    }
}

#[test]
fn a_place_that_takes_no_file_is_named_before_anything_is_sent() {
    let stage = Stage::new();
    stage.file(FILE, users_with_tags(1, 1));
    stage.file("file", "");
    let long = "x".repeat(300);
    for (flag, path, says) in [
        ("--bad-rows", "file/b", "file/b cannot be opened: "),
        ("--failed", &long, " cannot be opened: File name too long"),
        ("--journal", "file/j", "file/j cannot be opened: "),
        ("--journal", "nowhere/j", "nowhere/j cannot be opened: "),
        ("--failed", "nowhere/f", "nowhere/f cannot be opened: "),
        ("--failed", "/proc/f", "/proc/f cannot be opened: "),
    ] {
        let ran = stage.run(&["import", FILE, flag, path]);
        ran.refuses(2, says);
        ran.refuses(2, "give another path");
        let left = std::fs::read_dir(stage.home.path()).unwrap().count();
        assert_eq!(left, 2, "{flag} {path}");
    }
    assert_eq!(stage.emulator.stats().arrivals(), 0);
}

#[test]
fn a_list_that_may_not_grow_stops_the_import_and_names_all_and_it_goes_on() {
    let stage = Stage::new();
    let users = 900;
    stage.file(FILE, users_with_tags(users, 1));
    let all = (0..users).map(|user| format!("user{user:04}"));
    let all: Vec<String> = all.collect();
    stage
        .emulator
        .faults(ADD, vec![Fault::leave_out(all, 90033); 4]);
    let import = stage.imtag(&["import", FILE, "--json", "--calls-per-second", "4"]);
    let ran = Ran::from_output(limited(&import, "ulimit -f 64").output().unwrap());
    assert_eq!(ran.exit, Some(4), "{ran:?}");
    let report = ran.json();
    let why = report["ended_early"].as_str().unwrap();
    assert!(
        why.starts_with("users.csv.failed.ndjson cannot be written: "),
        "{why}"
    );
    assert!(
        why.contains("make room for it, and run the same command again"),
        "{why}"
    );
    nobody_is_lost(&stage, &report, users, "users.csv.failed.ndjson");

    let ran = run(stage.imtag(&["import", FILE, "--json"]));
    let report = ran.json();
    nobody_is_lost(&stage, &report, users, "users.csv.failed.ndjson");
    assert_eq!(report["ended_early"], json!(null));
}

#[test]
fn a_list_that_is_removed_meanwhile_is_said() {
    let stage = Stage::new();
    stage.file(FILE, users_with_tags(200, 1));
    let list = stage.home.path().join("users.csv.failed.ndjson");
    for format in [None, Some("--json")] {
        let faults = [
            Fault::leave_out(["user0000"], 90033),
            Fault::delay(std::time::Duration::from_secs(2)),
        ];
        stage.emulator.faults(ADD, faults);
        let mut import = stage.imtag(&["import", FILE]);
        let import = import.args(format).spawn().unwrap();
        wait_until("nobody is listed", || {
            std::fs::metadata(&list).is_ok_and(|it| it.len() > 0)
        });
        std::fs::remove_file(&list).unwrap();
        let ran = Ran::from_output(import.wait_with_output().unwrap());
        assert_eq!(ran.exit, Some(4), "{ran:?}");
        let says = "users.csv.failed.ndjson lists 0 users, not the 1 who failed: it was changed or removed";
        assert!(ran.err.contains(says), "{ran:?}");
        assert!(ran.err.contains("cannot tell the whole result"), "{ran:?}");
    }
}
