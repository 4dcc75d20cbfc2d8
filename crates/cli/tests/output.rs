//! Where output goes when nobody takes it.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use std::process::{Command, Stdio};

use imtag_emulator::Fault;
use stage::{ADD, Ran, Stage, run};

/// Runs it with a standard output that nobody reads.
fn with_closed_pipe(mut command: Command) -> Ran {
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    drop(reader);
    let child = command.stdout(writer).spawn().unwrap();
    drop(command);
    Ran::of(child.wait_with_output().unwrap())
}

#[test]
fn a_closed_pipe_is_no_error() {
    let stage = Stage::new();
    stage.file("users.csv", "account,tag\nalice,vip\n");
    for arguments in [
        &["explain", "70107"][..],
        &["explain", "70107", "--json"],
        &["add", "alice", "vip"],
        &["get", "alice", "--json"],
        &["import", "users.csv"],
        &["import", "users.csv", "--json"],
        &["import", "--demo", "users.csv"],
        &["usersig"],
        &["--help"],
        &["--version"],
    ] {
        let ran = with_closed_pipe(stage.imtag(arguments));
        assert_eq!((ran.exit, ran.err.as_str()), (Some(0), ""), "{arguments:?}");
    }
    let failed = with_closed_pipe(stage.imtag(&["import", "none.csv", "--json"]));
    assert_eq!(failed.exit, Some(2));
}

#[test]
fn a_pipe_that_is_closed_amid_a_long_report_is_no_error() {
    let stage = Stage::new();
    // ten for each of many reasons, with all their tags, are more than a pipe holds
    let tags: String = (0..9)
        .map(|nth| format!(";{nth}{}", "x".repeat(40)))
        .collect();
    let rows: String = (0..500)
        .map(|nth| format!("user{nth:03},t{tags}\n"))
        .collect();
    stage.file("users.csv", format!("account,tags\n{rows}"));
    for code in 90_201..90_260 {
        stage.emulator.fault(
            ADD,
            Fault::leave_out((0..500).map(|nth| format!("user{nth:03}")), code),
        );
    }
    let ran = with_closed_pipe(stage.imtag(&["import", "users.csv", "--json"]));
    assert_eq!((ran.exit, ran.err.as_str()), (Some(1), ""));
}

#[test]
fn of_many_bad_rows_ten_a_reason_are_named_and_the_list_has_all() {
    let stage = Stage::new();
    let rows: String = (0..50_000)
        .map(|nth| format!("alice,\nbob,{}\n", "x".repeat(51 + nth % 9)))
        .collect();
    stage.file("users.csv", format!("account,tag\n{rows}"));
    for arguments in [
        &["import", "users.csv"][..],
        &[
            "import",
            "users.csv",
            "--dry-run",
            "--bad-rows",
            "users.csv.bad-rows.ndjson",
        ],
        &[
            "import",
            "users.csv",
            "--demo",
            "--bad-rows",
            "users.csv.bad-rows.ndjson",
        ],
    ] {
        let path = stage.home.path().join("users.csv.bad-rows.ndjson");
        let _ = std::fs::remove_file(&path);
        let text = stage.run(arguments).out;
        assert_eq!(text.matches("  line ").count(), 20, "{arguments:?}");
        assert_eq!(text.matches("  and 49990 more like these\n").count(), 2);
        let list = std::fs::read_to_string(&path).unwrap();
        assert_eq!(list.lines().count(), 100_000);
        assert!(list.starts_with("{\"line\":2,\"reason\":\"tag: empty, at least 1 byte "));

        let ran = stage.run(&[arguments, &["--json"]].concat());
        assert!(ran.out.len() < 8_000, "{} bytes", ran.out.len());
        let report = ran.json();
        assert_eq!(report["bad_rows"], 100_000);
        assert_eq!(report["bad_row_details"].as_array().unwrap().len(), 20);
        assert_eq!(report["bad_rows_by_reason"][1]["rows"], 50_000);
        assert_eq!(report["bad_rows_list"], "users.csv.bad-rows.ndjson");
    }
}

#[test]
fn a_list_of_bad_rows_replaces_no_file_that_is_none() {
    let stage = Stage::new();
    stage.file("users.csv", "account,tag\nalice,vip\nbob,\n");
    stage.file("mine", "account,tag\ncarol,vip\n");
    let list = ["import", "users.csv", "--bad-rows", "mine"];
    stage
        .run(&list)
        .refuses(2, "mine is not a list of bad rows");
    let itself = ["import", "users.csv", "--bad-rows", "users.csv"];
    stage
        .run(&itself)
        .refuses(2, "users.csv is the file to import");
    let nowhere = ["import", "users.csv", "--bad-rows", "nowhere/f"];
    stage
        .run(&nowhere)
        .refuses(4, "nowhere/f cannot be opened: ");
    let mine = std::fs::read_to_string(stage.home.path().join("mine"));
    assert_eq!(mine.unwrap(), "account,tag\ncarol,vip\n");
    assert_eq!(stage.emulator.stats().arrivals(), 0);
    let left = std::fs::read_dir(stage.home.path()).unwrap().count();
    assert_eq!(left, 2);
}

#[test]
fn of_many_users_who_fail_ten_a_reason_are_named_and_the_list_has_all() {
    let stage = Stage::new();
    let rows: String = (0..3_000)
        .map(|nth| format!("user{nth:04},vip\n"))
        .collect();
    stage.file("users.csv", format!("account,tag\n{rows}"));
    let all: Vec<_> = (0..3_000).map(|nth| format!("user{nth:04}")).collect();
    stage
        .emulator
        .faults(ADD, vec![Fault::leave_out(all, 90033); 30]);
    let ran = stage.run(&["import", "users.csv", "--json"]);
    assert_eq!(ran.exit, Some(1));
    assert!(ran.out.len() < 4_000, "{} bytes", ran.out.len());
    let report = ran.json();
    assert_eq!(report["failures"].as_array().unwrap().len(), 10);
    assert_eq!(report["failures_by_reason"][0]["users"], 3_000);
    assert_eq!(report["failed_list"], "users.csv.failed.ndjson");
    let list = std::fs::read_to_string(stage.home.path().join("users.csv.failed.ndjson"));
    assert_eq!(list.unwrap().lines().count(), 3_000);
}

#[test]
fn a_full_disk_loses_no_name() {
    let stage = Stage::new();
    stage.file("users.csv", "account,tag\nalice,vip\nbob,vip\ncarol,\n");
    for arguments in [
        &["import", "users.csv", "--json"][..],
        &["import", "users.csv"][..],
    ] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
        let Ok(full) = full else {
            return; // not on this system
        };
        stage.emulator.reset();
        stage.emulator.fault(ADD, Fault::leave_out(["bob"], 70107));
        let mut command = stage.imtag(arguments);
        command.stdout(full);
        let ran = run(command);
        assert_eq!(ran.exit, Some(4));
        assert!(
            ran.err.contains("this was done, but standard output"),
            "{ran:?}"
        );
        assert!(
            ran.err.contains("    bob") && ran.err.contains("  line 4: tag"),
            "{ran:?}"
        );
    }
}

#[test]
fn a_full_disk_is_an_error() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    let Ok(full) = full else {
        return; // not on this system
    };
    let stage = Stage::new();
    let mut command = stage.imtag(&["explain", "70107"]);
    command.stdout(full);
    let ran = run(command);
    assert_eq!(ran.exit, Some(4));
    assert!(
        ran.err
            .contains("cannot write the result to standard output")
    );
}

#[test]
fn closed_output_and_closed_error_are_no_panic() {
    let stage = Stage::new();
    let mut command = stage.imtag(&["get", "alice", "--region", "mars"]);
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    drop(reader);
    command.stdout(Stdio::null()).stderr(writer);
    assert_eq!(command.status().unwrap().code(), Some(3));
}
