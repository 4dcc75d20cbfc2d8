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
    let rows: String = (0..20_000).map(|_| "alice,\n").collect();
    stage.file("users.csv", format!("account,tag\n{rows}"));
    let ran = with_closed_pipe(stage.imtag(&["import", "users.csv", "--json"]));
    assert_eq!((ran.exit, ran.err.as_str()), (Some(1), ""));
}

#[test]
fn a_long_list_is_whole_in_text_and_in_json() {
    let stage = Stage::new();
    let rows: String = (0..500).map(|_| "alice,\n").collect();
    stage.file("users.csv", format!("account,tag\n{rows}"));
    let text = stage.run(&["import", "users.csv"]).out;
    assert_eq!(text.matches("  line ").count(), 500);
    let (_, report) = stage.json(&["import", "users.csv"]);
    assert_eq!(report["bad_row_details"].as_array().unwrap().len(), 500);
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
