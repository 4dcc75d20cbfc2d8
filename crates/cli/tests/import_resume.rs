//! An import that is killed or interrupted is resumed by the same command, and by no other; and a request of the killed
//! one that arrives while the next one is at work takes nothing away.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use imtag_emulator::{Fault, Generation, Operation};
use serde_json::{Value, json};
use stage::{
    ADD, Ran, Stage, arrivals, heard, kill, recorded, run_with_input, signal, users_with_tags,
    wait_until,
};

const FILE: &str = "users.csv";
const CLEAR: (Operation, Generation) = (Operation::Clear, Generation::AllMemberPush);

fn journal(stage: &Stage) -> PathBuf {
    stage.home.path().join("users.csv.journal")
}

fn list(stage: &Stage) -> PathBuf {
    stage.home.path().join("users.csv.failed.ndjson")
}

/// Begins an import, and kills it some time after the journal has recorded a user.
fn killed(stage: &Stage, arguments: &[&str]) {
    let before = stage.emulator.stats().arrivals();
    let child = stage.imtag(arguments).spawn().unwrap();
    arrivals(stage, before + 1);
    recorded(stage);
    kill(child);
}

/// Kills an import whose journal has users in it.
fn cut_short(stage: &Stage) {
    stage.file(FILE, users_with_tags(4_000, 1));
    killed(stage, &["import", FILE, "--calls-per-second", "10"]);
}

#[test]
fn after_kill_9_the_same_command_goes_on_and_says_so_also_with_other_memory_and_timeout() {
    let stage = Stage::new();
    cut_short(&stage);
    let before = stage.emulator.stats().arrivals();
    let ran = stage.run(&[
        "import",
        FILE,
        "--json",
        "--memory",
        "16M",
        "--timeout",
        "20",
    ]);
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    let report = ran.json();
    let resumed = report["resumed"].as_u64().unwrap();
    assert!(resumed > 0, "{report}");
    let says = format!("resuming from users.csv.journal: {resumed} of 4000 users are settled");
    assert!(ran.err.contains(&says), "{ran:?}");
    assert_eq!(report["users_tagged"], 4_000);
    assert_eq!(stage.emulator.users().len(), 4_000);
    let again = stage.emulator.stats().arrivals() - before;
    assert_eq!(
        again,
        (4_000 - resumed).div_ceil(100),
        "who is settled is not sent again"
    );
    assert!(
        before * 100 - resumed <= 2_500,
        "two seconds at 10 a second, and what was under way"
    );
    assert!(!journal(&stage).exists());
}

#[test]
fn a_changed_file_and_another_app_are_refused_as_another_import() {
    let stage = Stage::new();
    cut_short(&stage);
    let before = stage.emulator.stats().arrivals();
    let recorded = std::fs::read(journal(&stage)).unwrap();
    let other_app = ["import", FILE, "--sdkappid", "1400000001"];
    stage
        .run(&other_app)
        .refuses(2, "SDKAppID was 1400000000 and is 1400000001 now");
    let other_paths = ["import", FILE, "--generation", "timpush"];
    stage
        .run(&other_paths)
        .refuses(2, "as generation was all_member_push and is timpush now: give what that import was begun with, or delete the journal to begin afresh");
    stage.file(FILE, users_with_tags(4_001, 1));
    stage.run(&["import", FILE]).refuses(
        2,
        "users.csv.journal is the journal of another import, as the input had",
    );
    assert_eq!(stage.emulator.stats().arrivals(), before, "nothing is sent");
    assert_eq!(std::fs::read(journal(&stage)).unwrap(), recorded);
}

#[test]
fn a_second_import_of_one_journal_is_refused_and_told_whose_it_is() {
    let stage = Stage::new();
    stage.file(FILE, users_with_tags(1, 1));
    let first = stage.at_work(&["import", FILE]);
    let second = stage.run(&["import", FILE]);
    let says = format!(
        "another import (process {}) is at work with users.csv.journal",
        first.id()
    );
    second.refuses(2, &says);
    assert_eq!(stage.emulator.stats().arrivals(), 1);
    kill(first);
}

/// How many users were not sent, by effect.
fn not_sent(report: &Value) -> Vec<(&str, u64)> {
    let groups = report["not_sent_by_reason"].as_array().unwrap().iter();
    let effect = |it: &Value| it["users"].as_u64().unwrap();
    groups
        .map(|it| (it["effect"].as_str().unwrap(), effect(it)))
        .collect()
}

/// Interrupts an import once some requests have come in.
fn interrupted(stage: &Stage) -> Value {
    let before = stage.emulator.stats().arrivals();
    let import = ["import", FILE, "--calls-per-second", "10", "--json"];
    let child = stage.imtag(&import).spawn().unwrap();
    arrivals(stage, before + 2);
    signal(&child);
    let ran = Ran::from_output(child.wait_with_output().unwrap());
    assert_eq!(ran.exit, Some(130), "{ran:?}");
    ran.json()
}

#[test]
fn after_ctrl_c_the_same_command_goes_on_and_what_is_left_is_not_applied_but_after_a_kill_possibly()
{
    let stage = Stage::new();
    stage.file(FILE, users_with_tags(4_000, 1));
    let mut tagged = json!(0);
    for _ in 0..2 {
        let report = interrupted(&stage);
        assert_eq!(report["resumed"], tagged);
        tagged = report["users_tagged"].clone();
        let left = report["users_not_sent"].as_u64().unwrap();
        assert_eq!(not_sent(&report), [("not applied", left)]);
        assert_eq!(left + stage.emulator.users().len() as u64, 4_000);
    }
    killed(&stage, &["import", FILE, "--calls-per-second", "10"]);
    let report = interrupted(&stage);
    let left = report["users_not_sent"].as_u64().unwrap();
    assert_eq!(not_sent(&report), [("possibly applied", left)]);
    let (exit, report) = stage.json(&["import", FILE]);
    assert_eq!((exit, &report["users_tagged"]), (Some(0), &json!(4_000)));
    assert_eq!(stage.emulator.users().len(), 4_000);
}

#[test]
fn only_users_that_an_ended_run_left_in_doubt_are_possibly_applied() {
    let stage = Stage::new();
    stage.file(FILE, users_with_tags(4_000, 1));
    // one request is done, and the next is never answered
    let unheard = Fault::delay(Duration::ZERO).answer_delayed(Duration::from_secs(600));
    stage
        .emulator
        .faults(ADD, [Fault::delay(Duration::ZERO), unheard]);
    let import = ["import", FILE, "--calls-per-second", "1", "--json"];
    let mut child = stage.imtag(&import).spawn().unwrap();
    wait_until("the second does not arrive", || {
        stage.emulator.users().len() == 200
    });
    signal(&child);
    let stderr = heard(&mut child);
    signal(&child); // ends what is under way
    let report = Ran::from_output(child.wait_with_output().unwrap()).json();
    drop(stderr);
    assert_eq!(
        (&report["users_tagged"], &report["users_failed"]),
        (&json!(100), &json!(100))
    );
    assert_eq!(not_sent(&report), [("not applied", 3_800)]);
    stage.emulator.remove_faults();
    stage.emulator.fault(ADD, Fault::code(60026));
    let (exit, report) = stage.json(&["import", FILE]);
    assert_eq!(exit, Some(3));
    let in_doubt = |name: &str| {
        let groups = report[name].as_array().unwrap().iter();
        let groups = groups.filter(|it| it["effect"] == "possibly applied");
        groups.map(|it| it["users"].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!(
        in_doubt("failures_by_reason") + in_doubt("not_sent_by_reason"),
        100
    );
}

#[test]
fn standard_input_is_resumed_when_it_brings_the_same_again() {
    let stage = Stage::new();
    let content = zstd::encode_all(users_with_tags(2_000, 1).as_bytes(), 1).unwrap();
    let import = [
        "import",
        "-",
        "--journal",
        "users.csv.journal",
        "--calls-per-second",
        "10",
    ];
    let mut child = stage.imtag(&import).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&content).unwrap();
    arrivals(&stage, 12);
    kill(child);
    let import = ["import", "-", "--journal", "users.csv.journal", "--json"];
    let ran = run_with_input(stage.imtag(&import), &content);
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    assert!(ran.json()["resumed"].as_u64().unwrap() > 0, "{ran:?}");
    assert_eq!(stage.emulator.users().len(), 2_000);
}

#[test]
fn what_a_killed_run_may_have_done_is_not_listed_as_not_applied() {
    let stage = Stage::new();
    stage.file(FILE, users_with_tags(1, 1));
    let unheard = Fault::delay(Duration::ZERO).answer_delayed(Duration::from_secs(600));
    stage.emulator.fault(ADD, unheard);
    let first = stage.imtag(&["import", FILE]).spawn().unwrap();
    wait_until("no user is tagged", || {
        !stage.tags_of("user0000").is_empty()
    });
    kill(first);
    let left_out = Fault::leave_out(["user0000"], 70107);
    stage.emulator.fault(ADD, left_out);
    let (exit, report) = stage.json(&["import", FILE]);
    assert_eq!((exit, &report["users_failed"]), (Some(1), &json!(1)));
    assert_eq!(report["failures"][0]["effect"], "possibly applied");
    let listed = std::fs::read_to_string(list(&stage));
    assert!(listed.unwrap().contains("possibly applied"));
}

#[test]
fn a_journal_that_lost_its_log_says_no_less_of_what_may_be_applied() {
    for is_begun in [false, true] {
        let stage = Stage::new();
        stage.file(FILE, users_with_tags(4_000, 1));
        if is_begun {
            interrupted(&stage);
        }
        let unheard = Fault::delay(Duration::ZERO).answer_delayed(Duration::from_secs(600));
        stage.emulator.fault(ADD, unheard);
        let tagged = stage.emulator.users().len();
        let import = stage.imtag(&["import", FILE]).spawn().unwrap();
        wait_until("no user is tagged", || {
            stage.emulator.users().len() > tagged
        });
        kill(import);
        std::fs::remove_file(stage.home.path().join("users.csv.journal-wal")).unwrap();
        stage.emulator.remove_faults();
        stage.emulator.fault(ADD, Fault::code(60026)); // the app is refused
        let (exit, report) = stage.json(&["import", FILE]);
        assert_eq!(exit, Some(3), "{report}");
        for groups in ["failures_by_reason", "not_sent_by_reason"] {
            for group in report[groups].as_array().unwrap() {
                assert_eq!(group["effect"], "possibly applied", "{report}");
            }
        }
    }
}

/// When the requests of the killed import take effect.
const LATE: Duration = Duration::from_secs(2);

/// Begins an import, kills it once its first request has arrived, which takes effect late, and begins it again.
fn killed_and_begun_again(stage: &Stage) -> Child {
    let import = || stage.imtag(&["import", FILE]).spawn().unwrap();
    for route in [ADD, CLEAR] {
        stage.emulator.fault(route, Fault::delay(LATE));
    }
    let first = import();
    arrivals(stage, 1);
    kill(first);
    stage.emulator.remove_faults();
    import()
}

#[test]
fn a_clear_of_a_killed_import_that_takes_effect_late_takes_away_nothing_that_is_added_after_it() {
    let stage = Stage::new();
    stage.file(FILE, "account,op,tag\nalice,clear,\nalice,add,vip\n");
    let second = killed_and_begun_again(&stage);
    let began = Instant::now();
    let ran = Ran::from_output(second.wait_with_output().unwrap());
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    // only an import that does not wait ends before the late clear takes effect
    thread::sleep((2 * LATE).saturating_sub(began.elapsed()));
    assert_eq!(stage.tags_of("alice"), ["vip"]);
    let said = "imtag: the last requests of the run before may still arrive: what is added to a user after a clear or a \
                remove waits for 10 s; other users go on\n";
    assert_eq!(ran.err.matches(said).count(), 1, "{ran:?}");
}

#[test]
fn an_import_that_only_adds_waits_for_no_killed_one_and_says_nothing_of_it() {
    let stage = Stage::new();
    stage.file(FILE, "account,op,tag\nalice,add,vip\nbob,clear,\n");
    let second = killed_and_begun_again(&stage);
    let ran = Ran::from_output(second.wait_with_output().unwrap());
    assert_eq!((ran.exit, ran.err.as_str()), (Some(0), ""), "{ran:?}");
}
