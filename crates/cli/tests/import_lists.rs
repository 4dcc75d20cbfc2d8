//! What an import that ends early or is refused leaves: which list names its users, and what stays as it was.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use std::fs;

use imtag_emulator::Fault;
use serde_json::{Value, json};
use stage::{ADD, Ran, Stage, limited, users_with_tags};

const FILE: &str = "users.csv";
const LIST: &str = "users.csv.failed.ndjson";

/// The accounts in the list, in its order.
fn listed(stage: &Stage) -> Vec<String> {
    let list = fs::read_to_string(stage.home.path().join(LIST)).unwrap();
    let account = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["account"].as_str().unwrap().to_owned()
    };
    list.lines().map(account).collect()
}

/// The accounts of a file with these users, one tag each.
fn rows(prefix: &str, users: usize) -> (String, Vec<String>) {
    let accounts: Vec<_> = (0..users)
        .map(|user| format!("{prefix}{user:04}"))
        .collect();
    let rows: String = accounts.iter().map(|it| format!("{it},vip\n")).collect();
    (format!("account,tag\n{rows}"), accounts)
}

/// Imports while the service is away, and returns the report.
fn import_in_an_outage(stage: &Stage) -> Value {
    stage.emulator.faults(ADD, vec![Fault::code(91000); 2_000]);
    let (exit, report) = stage.json(&["import", FILE, "--timeout", "1"]);
    stage.emulator.remove_faults();
    assert_eq!(exit, Some(4), "{report}");
    report
}

#[test]
fn who_failed_in_an_outage_is_listed_whatever_list_is_there() {
    let stage = Stage::new();
    // the list of a finished import
    stage.file(FILE, "account,tag\nzoe,vip\n");
    stage.emulator.fault(ADD, Fault::leave_out(["zoe"], 70107));
    assert_eq!(stage.run(&["import", FILE]).exit, Some(1));
    assert_eq!(listed(&stage), ["zoe"]);
    // then that of an outage, and of another one of another content, and of the same once more
    for prefix in ["u", "v", "v"] {
        let (text, accounts) = rows(prefix, 100);
        stage.file(FILE, text);
        let report = import_in_an_outage(&stage);
        assert_eq!(report["users_failed"], 100);
        assert_eq!(report["failed_list"], json!(LIST));
        assert_eq!(listed(&stage), accounts);
    }
    let (exit, report) = stage.json(&["import", FILE]);
    assert_eq!((exit, &report["users_tagged"]), (Some(0), &json!(100)));
    assert!(!stage.home.path().join(LIST).exists());
}

#[test]
fn a_list_stays_where_the_key_is_refused() {
    let stage = Stage::new();
    stage.file(FILE, users_with_tags(100, 1));
    let report = import_in_an_outage(&stage);
    assert_eq!(report["users_failed"], 100);
    let list = fs::read(stage.home.path().join(LIST)).unwrap();
    let journal = stage.home.path().join("users.csv.journal");
    let before = fs::read(&journal).ok();
    let mut import = stage.imtag(&["import", FILE]);
    import.env("IMTAG_SECRET_KEY", "0".repeat(64));
    assert_eq!(stage::run(import).exit, Some(3));
    assert!(fs::read(stage.home.path().join(LIST)).unwrap() == list);
    assert!(fs::read(&journal).ok() == before);
}

#[test]
fn users_who_failed_before_a_refusal_are_listed_though_an_earlier_list_goes() {
    let stage = Stage::with(|emulator| emulator.unknown_accounts(["nobody"]));
    stage.file(FILE, "account,tag\nnobody,vip\n");
    assert_eq!(stage.run(&["import", FILE]).exit, Some(1));
    assert_eq!(listed(&stage), ["nobody"]);
    stage.file(FILE, users_with_tags(100, 1));

    // the request arrives, and what comes instead of its answer is no word on its effect
    let refused = Fault::code(70009);
    let faults = [Fault::cut_after(), refused.clone()];
    stage.emulator.faults(ADD, faults);
    let (exit, report) = stage.json(&["import", FILE]);
    assert_eq!(
        (exit, &report["users_failed"]),
        (Some(3), &json!(100)),
        "{report}"
    );
    let effect = &report["failures_by_reason"][0]["effect"];
    assert_eq!(effect, "possibly applied");
    let all: Vec<_> = (0..100).map(|user| format!("user{user:04}")).collect();
    assert_eq!(listed(&stage), all);

    // one that is nothing but refused costs no list, and says whose it is
    stage.file(FILE, users_with_tags(50, 1));
    stage.emulator.fault(ADD, refused);
    let ran = stage.run(&["import", FILE, "--journal", "other.journal"]);
    assert_eq!(ran.exit, Some(3));
    let says = "\nusers.csv.failed.ndjson lists who failed in an earlier run, and stays\n";
    assert!(ran.out.contains(says), "{ran:?}");
    assert_eq!(listed(&stage), all);
}

#[test]
fn neither_a_full_disk_at_the_start_nor_a_refused_list_costs_an_earlier_run_s_doubt_or_list() {
    let stage = Stage::new();
    stage.file(FILE, users_with_tags(100, 1));
    stage.emulator.faults(ADD, vec![Fault::cut_after(); 2_000]);
    let (exit, report) = stage.json(&["import", FILE, "--timeout", "1"]);
    assert_eq!(
        (exit, &report["failures_by_reason"][0]["effect"]),
        (Some(4), &json!("possibly applied")),
        "{report}"
    );
    let files = || ["users.csv.journal", LIST].map(|it| fs::read(stage.home.path().join(it)).ok());
    let before = files();
    assert!(before.iter().all(Option::is_some));
    let import = stage.imtag(&["import", FILE]);
    let ran = Ran::from_output(limited(&import, "ulimit -f 0").output().unwrap());
    ran.refuses(4, "users.csv.journal cannot be written: ");
    let elsewhere = stage.run(&["import", FILE, "--failed", "nowhere/list"]);
    elsewhere.refuses(2, "nowhere/list cannot be opened: ");
    assert!(files() == before);
    assert_eq!(fs::read_dir(stage.home.path()).unwrap().count(), 3);
    // the service is gone
    let mut import = stage.imtag(&["import", FILE, "--timeout", "1", "--json"]);
    import.env("IMTAG_ENDPOINT", "http://127.0.0.1:9");
    let report = stage::run(import).json();
    assert_eq!(
        report["failures_by_reason"][0]["effect"],
        json!("possibly applied"),
        "{report}"
    );
}
