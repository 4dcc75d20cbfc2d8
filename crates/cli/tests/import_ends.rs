//! When `import` goes on and when it ends early: retries, quota, an app that is refused, a service that becomes
//! unavailable. And its progress on a terminal.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use std::io::Read;
use std::time::Duration;

use imtag_core::{Code, Limits};
use imtag_emulator::{Emulator, Fault};
use imtag_transport::SecretKey;
use serde_json::json;
use stage::{ADD, Ran, Stage, on_a_terminal, run, users_with_tags};

#[test]
fn retries_are_counted_also_those_for_a_quota_that_others_use_up() {
    for faults in [
        [Fault::code(91000), Fault::cut_after()],
        [Fault::code(60007), Fault::code(60007)],
    ] {
        let stage = Stage::new();
        stage.file("users.csv", users_with_tags(150, 1));
        stage.emulator.faults(ADD, faults);
        let (exit, report) = stage.json(&["import", "users.csv"]);
        assert_eq!(exit, Some(0));
        assert_eq!(
            (&report["requests"], &report["retries"]),
            (&json!(2), &json!(2))
        );
        assert_eq!(stage.emulator.stats().arrivals(), 4);
        assert_eq!(stage.emulator.users().len(), 150);
    }
}

#[test]
fn an_app_that_is_refused_costs_one_request_and_the_rest_is_not_sent() {
    let stage = Stage::new();
    stage.file("users.csv", users_with_tags(1000, 1));
    let mut command = stage.imtag(&["import", "users.csv", "--json"]);
    command.env("IMTAG_SECRET_KEY", "another-apps-key");
    let ran = run(command);
    assert_eq!(ran.exit, Some(3));
    let report = ran.json();
    assert_eq!(
        (&report["requests"], &report["lower_bound"]),
        (&json!(1), &json!(10))
    );
    assert!(report["ended_early"].as_str().unwrap().contains("70009"));
    assert_eq!(
        (&report["users_failed"], &report["users_not_sent"]),
        (&json!(100), &json!(900))
    );
    let by_reason = |name: &str| report[name][0].clone();
    let failed = by_reason("failures_by_reason");
    assert_eq!(
        (&failed["code"], &failed["users"]),
        (&json!(70009), &json!(100))
    );
    assert_eq!(
        by_reason("not_sent_by_reason"),
        json!({
            "code": null,
            "reason": "not sent: the service refused what was sent before",
            "remedy": failed["remedy"],
            "effect": "not applied",
            "users": 900,
        })
    );
    assert_eq!(stage.emulator.stats().arrivals(), 1);
}

#[test]
fn a_service_that_becomes_unavailable_ends_the_import_and_the_same_command_sends_the_rest() {
    let stage = Stage::new();
    stage.file("users.csv", users_with_tags(12_000, 1));
    stage.emulator.fault(ADD, Fault::delay(Duration::ZERO));
    stage.emulator.faults(ADD, vec![Fault::code(91000); 2000]);
    // an outage is waited for, for half the time of a call
    let (exit, report) = stage.json(&["import", "users.csv", "--timeout", "1"]);
    assert_eq!(exit, Some(4));
    assert!(report["ended_early"].is_string(), "{report}");
    assert_eq!(report["failures_by_reason"][0]["code"], 91000);
    let requests = report["requests"].as_u64().unwrap();
    assert!((21..=100).contains(&requests), "{requests} of 120");
    assert_eq!(report["users_tagged"], 100);
    assert_eq!(report["users_failed"], (requests - 1) * 100);
    assert_eq!(report["users_not_sent"], (120 - requests) * 100);
    assert_eq!(
        report["failures_by_reason"][0]["effect"],
        "possibly applied"
    );
    assert_eq!(report["not_sent_by_reason"][0]["effect"], "not applied");
    let list = stage.home.path().join("users.csv.failed.ndjson");
    assert_eq!(
        std::fs::read_to_string(&list).unwrap().lines().count() as u64,
        (requests - 1) * 100,
        "the list names all who failed, also those that the same command tries again"
    );
    stage.emulator.remove_faults();
    let (exit, report) = stage.json(&["import", "users.csv"]);
    assert_eq!((exit, &report["users_tagged"]), (Some(0), &json!(12_000)));
    assert_eq!(
        (&report["resumed"], &report["failures"]),
        (&json!(100), &json!([]))
    );
    assert!(!list.exists(), "all who were listed are done");
}

#[test]
fn a_short_outage_costs_time_and_no_users() {
    let stage = Stage::new();
    let rows: String = (0..10_000)
        .map(|user| format!("user{user:05},vip\n"))
        .collect();
    stage.file("users.csv", format!("account,tag\n{rows}"));
    let arguments = ["import", "users.csv", "--calls-per-second", "50", "--json"];
    let child = stage.imtag(&arguments).spawn().unwrap();
    stage::arrivals(&stage, 10);
    let address = stage.emulator.address();
    stage.emulator.stop();
    let before = stage.emulator.users();
    std::thread::sleep(Duration::from_millis(700)); // the outage itself: requests are refused meanwhile
    let back = Emulator::builder()
        .secret_key(SecretKey::new(stage::KEY).unwrap())
        .address(address.to_string())
        .start()
        .unwrap();
    let ran = Ran::from_output(child.wait_with_output().unwrap());
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    let report = ran.json();
    assert_eq!(report["users_tagged"], 10_000);
    assert!(report["retries"].as_u64().unwrap() > 0, "{report}");
    let tagged = before
        .keys()
        .chain(back.users().keys())
        .cloned()
        .collect::<std::collections::BTreeSet<_>>();
    assert_eq!(tagged.len(), 10_000);
}

#[test]
fn a_refusal_that_needs_another_setting_says_what_to_change_and_not_to_run_the_same_again() {
    for code in [60026, 60006, 60021, 70009] {
        let stage = Stage::new();
        stage.file("users.csv", users_with_tags(1000, 1));
        stage.emulator.fault(ADD, Fault::code(code));
        let ran = stage.run(&["import", "users.csv"]);
        assert_eq!(ran.exit, Some(3), "{ran:?}");
        let remedy = Code(code).remedy();
        let last = format!("first: {remedy}; then import the file\n");
        assert!(ran.out.ends_with(&last), "{}", ran.out);
        assert!(!ran.out.contains("same command"), "{}", ran.out);
        assert!(
            ran.out
                .contains("tagged    0 users, 100 failed, 900 not sent\n")
        );
        assert!(!stage.home.path().join("users.csv.journal").exists());
    }
}

#[test]
fn a_refusal_in_the_middle_says_what_to_change_and_which_journal_it_resumes_from() {
    let stage = Stage::new();
    stage.file("users.csv", users_with_tags(1000, 1));
    let answers = [Fault::delay(Duration::ZERO), Fault::code(60021)];
    stage.emulator.faults(ADD, answers);
    let ran = stage.run(&["import", "users.csv", "--calls-per-second", "1"]);
    assert_eq!(ran.exit, Some(3), "{ran:?}");
    let last = format!(
        "users.csv.failed.ndjson lists who failed so far\nfirst: {}; then import the file: it resumes from \
         users.csv.journal, and if SDKAppID, endpoint or generation change, delete that first\n",
        Code(60021).remedy()
    );
    assert!(ran.out.ends_with(&last), "{}", ran.out);
    let (exit, report) = stage.json(&["import", "users.csv"]);
    assert_eq!((exit, &report["users_tagged"]), (Some(0), &json!(1000)));
}

#[test]
fn the_quota_is_kept() {
    let calls = 20;
    let stage = Stage::with(|emulator| emulator.calls_per_second(calls));
    stage.file(
        "users.csv",
        users_with_tags(30 * Limits::DOCUMENTED.users_per_request, 1),
    );
    let (exit, report) = stage.json(&["import", "users.csv", "--calls-per-second", "20"]);
    assert_eq!((exit, &report["requests"]), (Some(0), &json!(30)));
    let stats = stage.emulator.stats();
    assert_eq!(stats.code(60007), 0);
    assert!(report["quota_utilisation"].as_f64().unwrap() <= 1.0);
}

#[test]
fn a_terminal_gets_a_progress_bar_with_rate_quota_and_failures() {
    let stage = Stage::new();
    stage.file("users.csv", users_with_tags(600, 1));
    let mut command = stage.imtag(&["import", "users.csv", "--calls-per-second", "4"]);
    command.env("TERM", "xterm");
    // a terminal that does not say how wide it is
    let (child, mut terminal) = on_a_terminal(command, 0);
    let mut shown = Vec::new();
    // it fails once no process has it open
    let _ = terminal.read_to_end(&mut shown);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let shown = String::from_utf8_lossy(&shown);
    for part in [
        "/600 users, ",
        " calls/s (",
        " % of the quota), 0 failed, ",
        " left",
    ] {
        assert!(shown.contains(part), "{part:?} is not in {shown:?}");
    }
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(out.ends_with("tagged    600 users, 0 failed\n"), "{out}");
}

#[test]
fn no_line_of_progress_is_wider_than_the_terminal_and_no_message_loses_a_letter_to_it() {
    for columns in [20, 40, 80] {
        let stage = Stage::new();
        stage.file("users.csv", users_with_tags(2_000, 1));
        let mut command = stage.imtag(&["import", "users.csv", "--calls-per-second", "2"]);
        command.env("TERM", "xterm").env("NO_COLOR", "1");
        let (child, mut terminal) = on_a_terminal(command, columns);
        let mut shown = Vec::new();
        let mut piece = [0; 4096];
        let mut signalled = false;
        while let Ok(read @ 1..) = terminal.read(&mut piece) {
            shown.extend_from_slice(&piece[..read]);
            if !signalled && String::from_utf8_lossy(&shown).contains(" left") {
                stage::signal(&child);
                signalled = true;
            }
        }
        assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
        let shown = String::from_utf8(shown).unwrap();
        let message = "\r\u{1b}[Kimtag: interrupted: no more is sent, and what is under way is waited for; \
                       press Ctrl-C again to cancel that too\r\n";
        assert!(shown.contains(message), "{shown:?}");
        let lines = shown.split("\u{1b}[K").filter(|it| it.contains(" left"));
        for line in lines.map(|it| it.rsplit(['\r', '\n']).next().unwrap()) {
            assert!(line.len() < usize::from(columns), "{columns}: {line:?}");
        }
        assert!(shown.ends_with("\r\u{1b}[K"), "it is taken back: {shown:?}");
    }
}

#[test]
fn a_terminal_that_takes_no_line_back_gets_no_control_characters() {
    for terminal in ["dumb", ""] {
        let stage = Stage::new();
        stage.file("users.csv", users_with_tags(600, 1));
        let mut command = stage.imtag(&["import", "users.csv", "--calls-per-second", "4"]);
        command.env("TERM", terminal);
        let (child, mut terminal) = on_a_terminal(command, 80);
        let mut shown = String::new();
        let _ = terminal.read_to_string(&mut shown);
        assert!(child.wait_with_output().unwrap().status.success());
        assert_eq!(shown, "");
    }
}
