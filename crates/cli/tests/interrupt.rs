//! Ctrl-C: what is under way is waited for, what was not done is listed, and the exit code is 130.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use std::io::{Read, Write};
use std::process::{Child, Stdio};
use std::time::Duration;

use imtag_emulator::Fault;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};
use stage::{ADD, Ran, Stage, arrivals, heard, signal, users_with_tags};

fn report(child: Child) -> Value {
    let ran = Ran::from_output(child.wait_with_output().unwrap());
    assert_eq!(ran.exit, Some(130), "{ran:?}");
    ran.json()
}

/// How many users there are for a reason.
fn users(report: &Value, field: &str, reason: &str, effect: &str) -> Value {
    let groups = report[field].as_array().unwrap();
    let mut groups = groups.iter();
    let group = groups.find(|it| it["reason"] == reason && it["effect"] == effect);
    group.map_or(json!(0), |it| it["users"].clone())
}

/// Of those who were not sent.
fn not_sent(report: &Value) -> Value {
    users(
        report,
        "not_sent_by_reason",
        "not sent: interrupted",
        "not applied",
    )
}

#[test]
fn the_first_stops_sending_and_lists_what_was_not_done() {
    let stage = Stage::new();
    stage.file("users.csv", users_with_tags(2_000, 1));
    let arguments = ["import", "users.csv", "--calls-per-second", "2", "--json"];
    let mut child = stage.imtag(&arguments).spawn().unwrap();
    arrivals(&stage, 1);
    let command_line = std::fs::read(format!("/proc/{}/cmdline", child.id())).unwrap_or_default();
    assert!(!String::from_utf8_lossy(&command_line).contains(stage::KEY));
    signal(&child);
    let stderr = heard(&mut child);
    let report = report(child);
    drop(stderr);
    let requests = report["requests"].as_u64().unwrap();
    assert!((1..=3).contains(&requests), "{requests} of 20");
    assert_eq!(report["ended_early"], "interrupted");
    assert_eq!(report["users_tagged"], json!(requests * 100));
    let left = 2_000 - requests * 100;
    assert_eq!(not_sent(&report), left);
    assert_eq!(
        (&report["users_failed"], &report["users_not_sent"]),
        (&json!(0), &json!(left))
    );
    assert_eq!(report["not_sent"].as_array().unwrap().len(), 10);
    assert_eq!(stage.emulator.users().len() as u64, requests * 100);
}

#[test]
fn what_waits_for_its_turn_in_the_quota_is_not_sent_any_more() {
    let stage = Stage::new();
    stage.file("users.csv", users_with_tags(40_000, 1));
    let arguments = ["import", "users.csv", "--calls-per-second", "50", "--json"];
    let mut child = stage.imtag(&arguments).spawn().unwrap();
    arrivals(&stage, 20);
    signal(&child);
    let stderr = heard(&mut child);
    let heard_at = stage.emulator.stats().arrivals();
    let report = report(child);
    drop(stderr);
    // an answer on this machine takes a millisecond, so hardly any was under way, while fifty workers waited
    let after = stage.emulator.stats().arrivals() - heard_at;
    assert!(after < 40, "{after} requests were sent after the signal");
    assert_eq!(report["users_tagged"], json!(stage.emulator.users().len()));
    assert_eq!(report["users_failed"], 0);
    assert_eq!(not_sent(&report), report["users_not_sent"]);
}

#[test]
fn the_second_cancels_what_is_under_way_and_says_its_effect() {
    let stage = Stage::new();
    stage.file("users.csv", users_with_tags(200, 1));
    let mut child = stage.at_work(&["import", "users.csv", "--json"]);
    signal(&child);
    let stderr = heard(&mut child);
    signal(&child);
    let report = report(child);
    drop(stderr);
    assert_eq!(report["requests"], 1);
    let cancelled = "cancelled while waiting for the answer";
    let cancelled = users(&report, "failures_by_reason", cancelled, "possibly applied");
    assert_eq!((cancelled, not_sent(&report)), (json!(100), json!(100)));
    assert_eq!(report["users_failed"], 100);
}

#[test]
fn while_the_file_is_read_it_ends_at_once_and_nothing_was_sent() {
    let stage = Stage::new();
    let mut command = stage.imtag(&["import", "-", "--json"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    // more than a pipe holds: once it is written, the command is reading
    let mut stdin = child.stdin.take().unwrap();
    stdin
        .write_all(users_with_tags(30_000, 1).as_bytes())
        .unwrap();
    signal(&child);
    let mut output = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut output)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let object: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(object["error"]["message"], "interrupted; nothing was sent");
    drop(stdin);
    assert_eq!(stage.emulator.stats().arrivals(), 0);
}

#[test]
fn a_disk_that_takes_no_more_after_the_first_cancels_nothing_that_is_under_way() {
    let stage = Stage::new();
    stage.file("users.csv", users_with_tags(200, 1));
    let delays = [500, 3_000].map(|ms| Fault::delay(Duration::from_millis(ms)));
    stage.emulator.faults(ADD, delays);
    let mut child = stage
        .imtag(&["import", "users.csv", "--json"])
        .spawn()
        .unwrap();
    arrivals(&stage, 2);
    signal(&child);
    let stderr = heard(&mut child);
    let nothing = Rlimit {
        current: Some(1),
        maximum: Some(1),
    };
    prlimit(Some(Pid::from_child(&child)), Resource::Fsize, nothing).unwrap();
    let ran = Ran::from_output(child.wait_with_output().unwrap());
    drop(stderr);
    assert_eq!(ran.exit, Some(4), "{ran:?}");
    let report = ran.json();
    let why = report["ended_early"].as_str().unwrap();
    assert!(
        why.starts_with("users.csv.journal cannot be written: "),
        "{why}"
    );
    assert_eq!(report["failures_by_reason"], json!([]));
    assert_eq!(stage.emulator.users().len(), 200);
}
