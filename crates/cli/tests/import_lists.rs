//! The list of who failed: what it names, that it is imported again as it is, and when an earlier one stays.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use std::fs;
use std::time::Duration;

use imtag_emulator::{Fault, Generation, Operation};
use serde_json::{Value, json};
use stage::{
    ADD, EARLIER, FAILED_LIST as LIST, Stage, limited, run, run_with_input, users_with_tags,
};

const FILE: &str = "users.csv";
const REMOVE: (Operation, Generation) = (Operation::Remove, Generation::AllMemberPush);
const CLEAR: (Operation, Generation) = (Operation::Clear, Generation::AllMemberPush);

/// `op` and `effect` of each line.
fn in_short(lines: &[Value]) -> Vec<(&str, &str)> {
    lines
        .iter()
        .map(|it| (it["op"].as_str().unwrap(), it["effect"].as_str().unwrap()))
        .collect()
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
fn the_list_of_who_failed_is_imported_again_as_it_is() {
    let stage = Stage::new();
    assert_eq!(stage.run(&["add", "alice", "old"]).exit, Some(0));
    stage.file(
        "users.csv",
        "account,op,tag\nalice,remove,old\nalice,add,new\nbob,add,new\n",
    );
    stage
        .emulator
        .fault(ADD, Fault::leave_out(["alice"], 90033));
    stage.emulator.fault(REMOVE, Fault::code(90033));
    let (exit, report) = stage.json(&["import", "users.csv"]);
    assert_eq!((exit, &report["users_failed"]), (Some(1), &json!(1)));
    let lines = stage.failed_list();
    assert_eq!(
        json!(lines),
        report["failures"],
        "the report and the list say the same"
    );
    assert_eq!(in_short(&lines)[0], ("remove", "possibly applied"));

    assert_eq!(stage.run(&["import", LIST]).exit, Some(0));
    assert_eq!(stage.tags_of("alice"), ["new"]);
    assert_eq!(stage.tags_of("bob"), ["new"]);
}

#[test]
fn where_the_clear_failed_the_list_clears_and_then_adds_all_again() {
    let stage = Stage::new();
    assert_eq!(stage.run(&["add", "user0000", "old"]).exit, Some(0));
    let adds = users_with_tags(1, 15)
        .replace("account,tag\n", "")
        .replace(',', ",add,");
    stage.file(
        "users.csv",
        format!("account,op,tag\nuser0000,clear,\n{adds}"),
    );
    // the clear fails, one of the two adds is done, the other is not
    stage
        .emulator
        .fault(CLEAR, Fault::leave_out(["user0000"], 90033));
    let second_fails = [
        Fault::delay(Duration::ZERO),
        Fault::leave_out(["user0000"], 90033),
    ];
    stage.emulator.faults(ADD, second_fails);
    // one call a second, so that the second add arrives after the first
    let (exit, _) = stage.json(&["import", "users.csv", "--calls-per-second", "1"]);
    assert_eq!(exit, Some(1));
    assert_eq!(stage.tags_of("user0000").len(), 11, "the old one, and ten");
    let lines = stage.failed_list();
    let expected = [
        ("clear", "not applied"),
        ("add", "not applied"),
        ("add", "applied"),
    ];
    assert_eq!(in_short(&lines), expected);

    stage.emulator.remove_faults();
    let (exit, report) = stage.json(&["import", LIST]);
    assert_eq!((exit, &report["users_tagged"]), (Some(0), &json!(1)));
    let tags = stage.tags_of("user0000");
    assert_eq!(tags.len(), 15, "{tags:?}");
    assert!(!tags.contains(&"old".to_owned()));
}

#[test]
fn a_list_is_never_written_over_by_its_own_import() {
    let stage = Stage::with(|emulator| emulator.unknown_accounts(["user0000"]));
    let first = run_with_input(
        stage.imtag(&["import", "-"]),
        users_with_tags(2, 1).as_bytes(),
    );
    assert_eq!(first.exit, Some(1), "{first:?}");
    let list = stage.home.path().join("imtag-stdin.failed.ndjson");
    let before = fs::read(&list).unwrap();
    let mut again = stage.imtag(&["import", "-"]);
    again.stdin(fs::File::open(&list).unwrap());
    let says = "imtag-stdin.failed.ndjson is the file to import: give another path (--failed)";
    stage::run(again).refuses(2, says);
    assert_eq!(fs::read(&list).unwrap(), before);
}

#[test]
fn an_earlier_list_is_named_and_stays_until_the_first_user_of_the_next_import_is_settled() {
    let stage = Stage::new();
    stage.file("users.csv", users_with_tags(1, 1));
    let path = stage.file(LIST, EARLIER);
    let mut command = stage.imtag(&["import", "users.csv"]);
    command.env("IMTAG_SECRET_KEY", "another-apps-key");
    let ran = stage::run(command);
    assert_eq!(ran.exit, Some(3), "{ran:?}");
    let says = "\nusers.csv.failed.ndjson lists who failed in an earlier run, and stays\n";
    assert!(ran.out.contains(says), "{ran:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), EARLIER);
    assert_eq!(stage.run(&["import", "users.csv"]).exit, Some(0));
    assert!(!path.exists());
}

#[test]
fn journal_and_list_are_written_where_the_flags_say() {
    let stage = Stage::with(|emulator| emulator.unknown_accounts(["user0000"]));
    stage.file("users.csv", users_with_tags(1, 1));
    stage.file("kept/nothing", "");
    let import = [
        "import",
        "users.csv",
        "--journal",
        "kept/j",
        "--failed",
        "kept/f",
    ];
    let ran = stage.run(&import);
    assert_eq!(ran.exit, Some(1));
    assert!(
        ran.out
            .contains("kept/f lists who failed: correct a copy, and import that\n"),
        "{ran:?}"
    );
    assert!(stage.home.path().join("kept/f").exists());
    assert!(!stage.home.path().join("kept/j").exists(), "it is done");
    assert!(!stage.home.path().join(LIST).exists());
}

#[test]
fn of_many_who_failed_ten_are_named_in_text_and_all_in_the_list() {
    let stage = Stage::new();
    stage.file("users.csv", users_with_tags(13, 1));
    let all = (0..13).map(|user| format!("user{user:04}"));
    stage.emulator.fault(ADD, Fault::leave_out(all, 90033));
    let ran = stage.run(&["import", "users.csv"]);
    assert_eq!(ran.exit, Some(1));
    assert_eq!(ran.out.matches("\n    user").count(), 10, "{}", ran.out);
    assert!(ran.out.contains("\n    and 3 more\n"), "{}", ran.out);
    assert_eq!(stage.failed_list().len(), 13);
}

#[test]
fn who_failed_in_an_outage_is_listed_whatever_list_is_there() {
    let stage = Stage::new();
    // the list of a finished import
    stage.file(FILE, "account,tag\nzoe,vip\n");
    stage.emulator.fault(ADD, Fault::leave_out(["zoe"], 70107));
    assert_eq!(stage.run(&["import", FILE]).exit, Some(1));
    assert_eq!(stage.listed(), ["zoe"]);
    // then that of an outage, and of another one of another content, and of the same once more
    for prefix in ["u", "v", "v"] {
        let accounts: Vec<_> = (0..100).map(|user| format!("{prefix}{user:04}")).collect();
        stage.file(FILE, users_with_tags(100, 1).replace("user", prefix));
        let report = import_in_an_outage(&stage);
        assert_eq!(report["users_failed"], 100);
        assert_eq!(report["failed_list"], json!(LIST));
        assert_eq!(stage.listed(), accounts);
    }
    let (exit, report) = stage.json(&["import", FILE]);
    assert_eq!((exit, &report["users_tagged"]), (Some(0), &json!(100)));
    assert!(!stage.home.path().join(LIST).exists());
}

#[test]
fn users_who_failed_before_a_refusal_are_listed_though_an_earlier_list_goes() {
    let stage = Stage::with(|emulator| emulator.unknown_accounts(["nobody"]));
    stage.file(FILE, "account,tag\nnobody,vip\n");
    assert_eq!(stage.run(&["import", FILE]).exit, Some(1));
    assert_eq!(stage.listed(), ["nobody"]);
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
    assert_eq!(stage.listed(), all);

    // one that is nothing but refused costs no list, and says whose it is
    stage.file(FILE, users_with_tags(50, 1));
    stage.emulator.fault(ADD, refused);
    let ran = stage.run(&["import", FILE, "--journal", "other.journal"]);
    assert_eq!(ran.exit, Some(3));
    let says = "\nusers.csv.failed.ndjson lists who failed in an earlier run, and stays\n";
    assert!(ran.out.contains(says), "{ran:?}");
    assert_eq!(stage.listed(), all);
}

#[test]
fn neither_a_full_disk_at_the_start_nor_a_refused_list_or_key_costs_an_earlier_run_s_doubt_or_list()
{
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
    let ran = run(limited(&import, "ulimit -f 0"));
    ran.refuses(4, "users.csv.journal cannot be written: ");
    let elsewhere = stage.run(&["import", FILE, "--failed", "nowhere/list"]);
    elsewhere.refuses(2, "nowhere/list cannot be opened: ");
    assert!(files() == before);
    assert_eq!(fs::read_dir(stage.home.path()).unwrap().count(), 3);
    stage.emulator.remove_faults();
    let mut refused = stage.imtag(&["import", FILE]);
    refused.env("IMTAG_SECRET_KEY", "0".repeat(64));
    assert_eq!(run(refused).exit, Some(3));
    assert!(files()[0].is_some() && files()[1] == before[1]);
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

#[test]
fn a_user_with_very_many_tags_stops_no_import_and_is_in_a_list_that_is_taken_again() {
    let stage = Stage::with(|emulator| emulator.unknown_accounts(["few"]));
    let tags = (0..60_000).map(|tag| format!("big,{}{tag:05}\n", "x".repeat(40)));
    let tags: String = tags.collect();
    stage.file(FILE, format!("account,tag\nok,a\nfew,a\n{tags}"));
    for _ in 0..2 {
        let (exit, report) = stage.json(&["import", FILE]);
        assert_eq!(exit, Some(1), "{}", report["ended_early"]);
        assert_eq!(
            (&report["users_tagged"], &report["users_failed"]),
            (&json!(1), &json!(2))
        );
        let lines = stage.failed_list();
        let of_big = lines.iter().filter(|line| line["account"] == "big");
        let tags = of_big.map(|line| line["tags"].as_array().unwrap().len());
        assert_eq!(tags.collect::<Vec<_>>(), [1_000; 60]);
    }
    let (exit, report) = stage.json(&["import", LIST]);
    assert_eq!(
        (exit, &report["bad_rows"], &report["users_failed"]),
        (Some(1), &json!(0), &json!(2))
    );
}

#[test]
fn very_many_tags_that_are_not_removed_are_held_back_and_listed() {
    let stage = Stage::new();
    let tags = (0..50_000).map(|tag| format!("big,remove,{}{tag:05}\n", "x".repeat(40)));
    let tags: String = tags.collect();
    stage.file(FILE, format!("account,op,tag\n{tags}"));
    stage
        .emulator
        .faults(REMOVE, vec![Fault::code(91000); 4_000]);
    let (exit, report) = stage.json(&["import", FILE, "--timeout", "1"]);
    assert_eq!(
        (exit, &report["users_failed"]),
        (Some(4), &json!(1)),
        "{}",
        report["ended_early"]
    );
    let list = fs::read(stage.home.path().join(LIST)).unwrap();
    let lines = stage.failed_list().into_iter();
    let tags = lines.map(|line| line["tags"].as_array().unwrap().len());
    assert_eq!(tags.collect::<Vec<_>>(), [1_000; 50]);
    let listed = stage.run(&["import", FILE, "--list-failed"]);
    assert_eq!(listed.exit, Some(0), "{listed:?}");
    assert!(fs::read(stage.home.path().join(LIST)).unwrap() == list);
}
