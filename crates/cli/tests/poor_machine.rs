//! A machine that has few files, threads or bytes left: an import uses fewer and goes on, or says what it lacks, before
//! anything is sent or at the moment, and is resumed; and no user is lost by it.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use imtag_emulator::Fault;
use serde_json::{Value, json};
use stage::{ADD, FAILED_LIST as LIST, Ran, Stage, arrivals, limited, run, users_with_tags};

const FILE: &str = "users.csv";

#[test]
fn an_import_that_may_have_few_files_open_uses_fewer_connections_and_fails_no_user() {
    for (files, latency, requests) in [(64, 500, 100), (20, 100, 60), (12, 100, 20)] {
        let latency = Duration::from_millis(latency);
        let stage = Stage::with(|emulator| emulator.latency(latency));
        stage.file(FILE, users_with_tags(requests * 100, 1));
        let import = stage.imtag(&["import", FILE, "--json"]);
        let limits = format!("ulimit -n {files}");
        let ran = run(limited(&import, &limits));
        assert_eq!(ran.exit, Some(0), "{files}: {ran:?}");
        let report = ran.json();
        assert_eq!(report["users_tagged"], requests * 100);
        assert_eq!(
            (&report["requests"], &report["retries"]),
            (&requests.into(), &0.into())
        );
        let left = std::fs::read_dir(stage.home.path()).unwrap().count();
        assert_eq!(left, 1, "neither a journal nor a list");
    }
}

#[test]
fn an_import_ends_well_with_the_files_that_it_may_have_open_or_sends_nothing() {
    for (unknown, exit, left, failed) in [(None, 0, 1, 0), (Some("user0001"), 1, 2, 1)] {
        let stage = Stage::with(|emulator| emulator.unknown_accounts(unknown));
        stage.file(FILE, users_with_tags(200, 1));
        let mut exits = Vec::new();
        for files in 5..=14 {
            let before = stage.emulator.stats().arrivals();
            let limits = format!("ulimit -n {files}");
            let ran = stage::run(limited(&stage.imtag(&["import", FILE]), &limits));
            let sent = stage.emulator.stats().arrivals() - before;
            let there = std::fs::read_dir(stage.home.path()).unwrap().count();
            let listed = || {
                let list = std::fs::read_to_string(stage.home.path().join(LIST));
                list.map_or(0, |list| list.lines().count())
            };
            if ran.exit == Some(exit) {
                assert!(sent >= 2, "{files}: {ran:?}");
                assert_eq!((there, listed()), (left, failed), "{files}: {ran:?}");
                std::fs::remove_file(stage.home.path().join(LIST)).ok();
            } else if sent > 0 {
                // who failed could not be listed, which is said, and done by the next run
                assert_eq!(ran.exit, Some(4), "{ran:?}");
                let why = "ended early: users.csv.failed.ndjson cannot be written: Too many open";
                assert!(failed > 0 && ran.out.contains(why), "{ran:?}");
                assert!(!ran.out.contains("lists who failed"), "{ran:?}");
                let ran = stage.run(&["import", FILE]);
                assert_eq!((ran.exit, listed()), (Some(exit), failed), "{ran:?}");
                std::fs::remove_file(stage.home.path().join(LIST)).ok();
            } else {
                ran.refuses(4, "Too many open files");
                ran.refuses(4, "raise the limit of open files (ulimit -n)");
                assert_eq!(there, 1, "neither a journal nor a list: {files}: {ran:?}");
            }
            exits.push(ran.exit);
        }
        // between them it is chance whether a connection or the list gets the last one
        assert_eq!((exits[0], exits[9]), (Some(4), Some(exit)), "{exits:?}");
    }
}

/// A user with no other process here: limits of threads are those of all processes of a user.
fn another_user(from: u32) -> String {
    (from + std::process::id() % 10_000).to_string()
}

fn skipped() {
    let must_run = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!must_run, "skipped, where CI=true");
    println!("skipped: only root may run it as another user");
}

/// A command as that user, with a wrapper before it. Only root may run it.
fn as_user(stage: &Stage, user: &str, wrapper: &[&str], arguments: &[&str]) -> Command {
    let copy = stage.home.path().join("imtag");
    if !copy.exists() {
        std::fs::copy(env!("CARGO_BIN_EXE_imtag"), &copy).unwrap();
    }
    let settings = stage.imtag(&[]);
    let settings = settings.get_envs();
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", user, "--regid", user, "--clear-groups"])
        .args(wrapper)
        .arg(&copy)
        .args(arguments)
        .envs(settings.filter_map(|(name, value)| Some((name, value?))))
        .current_dir(stage.home.path());
    command
}

#[test]
fn a_list_that_cannot_be_made_from_a_folder_that_takes_no_file_says_what_to_change() {
    let stage = Stage::new();
    stage.file(FILE, users_with_tags(100, 1));
    stage.emulator.faults(ADD, vec![Fault::code(91000); 2_000]);
    let (exit, _) = stage.json(&["import", FILE, "--timeout", "1"]);
    assert_eq!(exit, Some(4));
    let user = another_user(80_000);
    let journal = stage.home.path().join("users.csv.journal");
    if std::os::unix::fs::chown(&journal, user.parse().ok(), None).is_err() {
        return skipped();
    }
    let elsewhere = Stage::new();
    for (stage, mode) in [(&stage, 0o755), (&elsewhere, 0o777)] {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(stage.home.path(), mode).unwrap();
    }
    let list = elsewhere.home.path().join("list");
    let arguments = ["import", FILE, "--list-failed", "--failed"];
    let arguments = [&arguments[..], &[list.to_str().unwrap()]].concat();
    let listed = run(as_user(&stage, &user, &[], &arguments));
    listed.refuses(
        4,
        "imtag: users.csv.journal cannot be read: attempt to write a readonly database; let this user write there, or \
         give another path\n",
    );
    // in a folder that takes files it is listed
    let mode = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(stage.home.path(), mode).unwrap();
    let listed = run(as_user(&stage, &user, &[], &arguments));
    assert_eq!(listed.exit, Some(0), "{listed:?}");
    assert_eq!(std::fs::read_to_string(&list).unwrap().lines().count(), 100);
}

#[test]
fn a_list_in_a_folder_that_this_user_may_not_read_or_write_to_is_written_and_emptied_or_removed() {
    let user = another_user(90_000);
    for (folder_mode, before, after) in [
        (0o711, Some(""), Some("")),
        (0o711, Some(stage::EARLIER), Some("")),
        (0o733, Some(stage::EARLIER), None),
        (0o733, None, None),
    ] {
        let stage = Stage::with(|emulator| emulator.unknown_accounts(["user0001"]));
        stage.file(FILE, users_with_tags(2, 1));
        stage.file("well.csv", users_with_tags(1, 1));
        let list = stage.file("lists/list", before.unwrap_or_default());
        if std::os::unix::fs::chown(&list, user.parse().ok(), None).is_err() {
            return skipped();
        }
        if before.is_none() {
            std::fs::remove_file(&list).unwrap();
        }
        for (path, mode) in [
            (stage.home.path(), 0o777),
            (list.parent().unwrap(), folder_mode),
        ] {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(path, mode).unwrap();
        }
        let list = || std::fs::read_to_string(&list).ok();
        let import = |file| {
            let arguments = ["import", file, "--failed", "lists/list"];
            run(as_user(&stage, &user, &[], &arguments))
        };
        let ran = import(FILE);
        assert_eq!(ran.exit, Some(1), "{folder_mode:o} {before:?}: {ran:?}");
        let listed = list().unwrap();
        assert!(listed.starts_with("{\"account\":\"user0001\","), "{listed}");
        assert_eq!(listed.lines().count(), 1);
        assert!(!stage.home.path().join("users.csv.journal").exists());
        let ran = import("well.csv");
        assert_eq!(ran.exit, Some(0), "{folder_mode:o} {before:?}: {ran:?}");
        assert_eq!(list().as_deref(), after, "{folder_mode:o} {before:?}");
    }
}

#[test]
fn an_import_without_a_thread_to_send_with_sends_nothing_and_is_resumed() {
    let stage = Stage::new();
    let path = stage.file(FILE, users_with_tags(300, 1));
    for (path, mode) in [(stage.home.path(), 0o777), (path.as_path(), 0o666)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let user = another_user(70_000);
    let import = |threads: u32| {
        let threads = format!("--nproc={threads}");
        as_user(&stage, &user, &["prlimit", &threads], &["import", FILE]).output()
    };
    if std::os::unix::fs::chown(&path, user.parse().ok(), None).is_err() {
        return skipped();
    }
    // one for the import, and one that waits for signals
    let ran = Ran::from_output(import(2).unwrap());
    assert_eq!(ran.exit, Some(4), "{ran:?}");
    assert!(
        ran.out
            .contains("tagged    0 users, 0 failed, 300 not sent\n"),
        "{ran:?}"
    );
    let why = "ended early: there is no thread to send with: Resource temporarily unavailable";
    assert!(ran.out.contains(why), "{ran:?}");
    assert!(
        ran.out
            .ends_with("when that is fixed, run the same command again\n"),
        "{ran:?}"
    );
    // an earlier run's doubt, which the next run must not lose
    assert_eq!(stage.emulator.stats().arrivals(), 0);
    stage.killed(&["import", FILE, "--calls-per-second", "1"]);
    for name in ["users.csv.journal", "users.csv.journal-wal", LIST] {
        let file = stage.home.path().join(name);
        std::os::unix::fs::chown(&file, user.parse().ok(), None).unwrap();
    }
    let ran = Ran::from_output(import(2).unwrap());
    assert_eq!(ran.exit, Some(4));
    assert!(ran.out.contains(why), "{ran:?}");
    let doubt = "300 users were not sent:\n  300 users, possibly applied: ";
    assert!(ran.out.contains(doubt), "{ran:?}");
    let ran = Ran::from_output(import(64).unwrap());
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    assert_eq!(stage.emulator.users().len(), 300);
}

/// Each user is counted once, also by reason; and in the end each is either tagged or listed.
fn no_user_is_lost(stage: &Stage, report: &Value, users: usize, list: &str) {
    let count = |field: &str| report[field].as_u64().unwrap();
    let tagged = stage.emulator.users();
    assert_eq!(count("users_tagged"), tagged.len() as u64);
    let all = count("users_tagged") + count("users_failed") + count("users_not_sent");
    assert_eq!(all, users as u64);
    // users have one operation each here, and so one reason
    let by_reason = |field: &str| {
        let groups = report[field].as_array().unwrap().iter();
        groups.map(|it| it["users"].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!(by_reason("failures_by_reason"), count("users_failed"));
    assert_eq!(by_reason("not_sent_by_reason"), count("users_not_sent"));
    if report["ended_early"] != json!(null) {
        return;
    }
    // if no user failed there is none
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
fn a_list_that_may_not_grow_stops_the_import_which_names_all_and_is_resumed() {
    let stage = Stage::new();
    let users = 900;
    stage.file(FILE, users_with_tags(users, 1));
    let all = (0..users).map(|user| format!("user{user:04}"));
    let all: Vec<String> = all.collect();
    stage
        .emulator
        .faults(ADD, vec![Fault::leave_out(all, 90033); 4]);
    let import = stage.imtag(&["import", FILE, "--json", "--calls-per-second", "4"]);
    let ran = run(limited(&import, "ulimit -f 64"));
    assert_eq!(ran.exit, Some(4), "{ran:?}");
    let report = ran.json();
    let why = report["ended_early"].as_str().unwrap();
    assert!(
        why.starts_with("users.csv.journal cannot be written: "),
        "{why}"
    );
    assert!(
        why.contains("make room for it, and run the same command again"),
        "{why}"
    );
    no_user_is_lost(&stage, &report, users, LIST);

    let ran = run(stage.imtag(&["import", FILE, "--json"]));
    let report = ran.json();
    no_user_is_lost(&stage, &report, users, LIST);
    assert_eq!(report["ended_early"], json!(null));
}

#[test]
fn users_held_back_on_a_disk_that_takes_no_more_are_all_counted_by_their_reason() {
    let stage = Stage::new();
    let users = 3_000;
    // their lines are some times what one commit takes
    let file = users_with_tags(users, 10).replace("tag", &"x".repeat(45));
    stage.file(FILE, file.replacen(&"x".repeat(45), "tag", 1));
    let mut answers = vec![Fault::delay(Duration::ZERO); 3];
    answers.extend(vec![Fault::code(91000); 2_000]);
    stage.emulator.faults(ADD, answers);
    let import = stage.imtag(&["import", FILE, "--json", "--timeout", "1"]);
    let ran = run(limited(&import, "ulimit -f 200"));
    let report = ran.json();
    assert_eq!(
        (ran.exit, &report["users_tagged"]),
        (Some(4), &json!(300)),
        "{ran:?}"
    );
    let failed = report["users_failed"].as_u64().unwrap();
    assert!(failed > 500, "{failed}");
    no_user_is_lost(&stage, &report, users, LIST);
    stage.emulator.remove_faults();
    let report = run(stage.imtag(&["import", FILE, "--json"])).json();
    assert_eq!(report["users_tagged"], users);
}

#[test]
fn a_list_that_is_removed_meanwhile_is_written_all_the_same() {
    let stage = Stage::new();
    stage.file(FILE, users_with_tags(200, 1));
    let list = stage.file(LIST, stage::EARLIER);
    let faults = [
        Fault::leave_out(["user0000"], 90033),
        Fault::delay(Duration::from_secs(1)),
    ];
    stage.emulator.faults(ADD, faults);
    let import = stage.imtag(&["import", FILE]).spawn().unwrap();
    arrivals(&stage, 2);
    std::fs::remove_file(&list).unwrap();
    let ran = Ran::from_output(import.wait_with_output().unwrap());
    assert_eq!(ran.exit, Some(1), "{ran:?}");
    assert_eq!(stage.listed(), ["user0000"]);
}
