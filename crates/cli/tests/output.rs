//! Where output goes when nobody takes it.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use std::fs::{File, OpenOptions};
use std::process::{Command, Stdio};

use imtag_emulator::Fault;
use stage::{ADD, KEY, Ran, Stage, limited, run, users_with_tags};

/// Runs it with a standard output that nobody reads.
fn with_closed_pipe(mut command: Command) -> Ran {
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    drop(reader);
    let child = command.stdout(writer).spawn().unwrap();
    drop(command);
    Ran::from_output(child.wait_with_output().unwrap())
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
fn a_standard_output_that_is_closed_gets_nothing_and_nothing_goes_elsewhere() {
    let stage = Stage::new();
    for arguments in [&["usersig"][..], &["usersig", "--json"]] {
        let closed = limited(&stage.imtag(arguments), "exec >&-");
        assert_eq!(run(closed).err, "");
    }
}

#[test]
fn a_name_in_a_result_that_looks_like_a_secret_is_shown() {
    let stage = Stage::new();
    let account = "0123456789abcdef".repeat(4);
    let id = ["add", &account, "vip", "--generation", "timpush"];
    let ran = stage.run(&id);
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    let ran = stage.run(&["get", &account, "--generation", "timpush"]);
    assert_eq!(ran.out, format!("{account}\n  vip\n"));
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

#[test]
fn of_many_bad_rows_ten_a_reason_are_named_and_the_list_has_all() {
    let stage = Stage::new();
    let rows: String = (0..2_000)
        .map(|nth| format!("alice,\nbob,{}\n", "x".repeat(51 + nth % 9)))
        .collect();
    stage.file("users.csv", format!("account,tag\n{rows}"));
    let name = "users.csv.bad-rows.ndjson";
    for arguments in [
        &["import", "users.csv"][..],
        &["import", "users.csv", "--dry-run", "--bad-rows", name],
        &["import", "users.csv", "--demo", "--bad-rows", name],
    ] {
        let path = stage.home.path().join(name);
        let _ = std::fs::remove_file(&path);
        let text = stage.run(arguments).out;
        assert_eq!(text.matches("  line ").count(), 20, "{arguments:?}");
        assert_eq!(text.matches("  and 1990 more like these\n").count(), 2);
        let list = std::fs::read_to_string(&path).unwrap();
        assert_eq!(list.lines().count(), 4_000);
        assert!(list.starts_with("{\"line\":2,\"reason\":\"tag: empty, at least 1 byte "));

        let ran = stage.run(&[arguments, &["--json"]].concat());
        assert!(ran.out.len() < 8_000, "{} bytes", ran.out.len());
        let report = ran.json();
        assert_eq!(report["bad_rows"], 4_000);
        assert_eq!(report["bad_row_details"].as_array().unwrap().len(), 20);
        assert_eq!(report["bad_rows_by_reason"][1]["rows"], 2_000);
        assert_eq!(report["bad_rows_list"], name);
    }
}

#[test]
fn a_list_of_bad_rows_that_cannot_be_written_is_refused() {
    let stage = Stage::new();
    stage.file("users.csv", "account,tag\nalice,vip\nbob,\n");
    for (list, says) in [
        ("users.csv", "users.csv is the file to import"),
        ("nowhere/f", "nowhere/f cannot be opened: "),
    ] {
        let import = ["import", "users.csv", "--bad-rows", list];
        stage.run(&import).refuses(2, says);
    }
    assert_eq!(stage.emulator.stats().arrivals(), 0);
    let left = std::fs::read_dir(stage.home.path()).unwrap().count();
    assert_eq!(left, 1);
}

#[test]
fn of_many_users_who_fail_ten_a_reason_are_named_and_the_list_has_all() {
    let stage = Stage::new();
    stage.file("users.csv", users_with_tags(3_000, 1));
    let all: Vec<_> = (0..3_000).map(|nth| format!("user{nth:04}")).collect();
    let left_out = vec![Fault::leave_out(all, 90033); 30];
    stage.emulator.faults(ADD, left_out);
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

/// Standard outputs that take nothing.
fn refusing() -> Vec<std::fs::File> {
    let full = OpenOptions::new().write(true).open("/dev/full");
    let read_only = File::open("/dev/null");
    full.into_iter().chain(read_only).collect() // there is no /dev/full on some systems
}

#[test]
fn a_report_that_standard_output_does_not_take_loses_no_name() {
    let stage = Stage::new();
    stage.file("users.csv", "account,tag\nalice,vip\nbob,vip\ncarol,\n");
    for out in refusing() {
        stage.emulator.reset().unwrap();
        stage.emulator.fault(ADD, Fault::leave_out(["bob"], 70107));
        let mut command = stage.imtag(&["import", "users.csv", "--json"]);
        command.stdout(out);
        let ran = run(command);
        assert_eq!(ran.exit, Some(4));
        for says in [
            "this was done, but standard output",
            "    bob",
            "  line 4: tag",
        ] {
            assert!(ran.err.contains(says), "{ran:?}");
        }
    }
}

#[test]
fn a_standard_output_that_takes_nothing_is_an_error_of_every_command() {
    let stage = Stage::new();
    stage.file("users.csv", "account,tag\nalice,vip\n");
    let usersig = stage.usersig();
    // what was read or made, and may be a secret, goes nowhere then
    let read_or_made = [
        &["usersig"][..],
        &["usersig", "--json"],
        &["usersig", "--verify"],
        &["emulator"],
        &["emulator", "--json"],
        &["get", "alice"],
        &["get", "alice", "--json"],
        &["explain", "70107"],
        &["--help"],
        &["usersig", "--help"],
        &["--version"],
    ];
    let changes = [
        &["add", "alice", "vip"][..],
        &["clear", "alice", "--yes"],
        &["import", "users.csv"],
        &["import", "--dry-run", "users.csv"],
        &["import", "--demo", "users.csv", "--json"],
    ];
    for arguments in read_or_made.into_iter().chain(changes) {
        for out in refusing() {
            let mut command = stage.imtag(arguments);
            command.stdout(out);
            if arguments.contains(&"--verify") {
                command.env("IMTAG_USERSIG", usersig.expose());
            }
            let ran = run(command);
            assert_eq!(ran.exit, Some(4), "{arguments:?} {ran:?}");
            let says = "imtag: cannot write the result to standard output: ";
            assert!(ran.err.contains(says), "{arguments:?} {ran:?}");
            if read_or_made.contains(&arguments) {
                assert_eq!(ran.err.lines().count(), 1, "{arguments:?} {ran:?}");
                assert!(!ran.err.contains("eJ"), "{ran:?}");
            }
        }
    }
    let left = std::fs::read_dir(stage.home.path()).unwrap().count();
    assert_eq!(left, 1, "the emulator's key is gone");
}

#[test]
fn a_secret_that_is_given_in_the_wrong_place_is_not_repeated() {
    let stage = Stage::new();
    let usersig = stage.usersig();
    let usersig = usersig.expose();
    let refused = |command: Command| {
        let ran = run(command);
        assert!(matches!(ran.exit, Some(2 | 3)), "{ran:?}");
        // nor the most of it
        for said in [&ran.out, &ran.err] {
            assert!(
                !said.contains(&KEY[..40]) && !said.contains(&usersig[..40]),
                "{ran:?}"
            );
        }
    };
    stage.file("key", KEY);
    stage.file("not.toml", format!("usersig = \"{usersig}\"\nx"));
    for line in [
        "usersig USERSIG",
        "usersig --verify USERSIG",
        "usersig --verify KEY",
        "--secret-key KEY get alice",
        "get alice --secret-key-file KEY",
        "get alice --secret-key-file \"KEY\"",
        "get alice --secret-key-file ./KEY",
        "get alice --usersig USERSIG",
        "get alice --region KEY",
        "get alice --region key:KEY",
        "get alice --endpoint KEY",
        "get alice --sdkappid KEY",
        "get alice --sdkappid 1400000000;KEY",
        "get alice --generation KEY",
        "get alice --config KEY",
        "get alice --config not.toml",
        "add KEY vip",
        "import KEY",
        "import key",
        "KEY",
    ] {
        for format in ["", " --json"] {
            let line = line.replace("KEY", KEY).replace("USERSIG", usersig) + format;
            refused(stage.imtag(&line.split(' ').collect::<Vec<_>>()));
        }
    }
    for setting in [
        "secret_key_file = \"[]\"",
        "region = \"[]\"",
        "endpoint = \"[]\"",
        "sdkappid = \"[]\"",
        "generation = \"key:[]\"",
        "ca_file = \"/[]\"",
        "\"[]\" = 1",
        "[] = [",
    ] {
        for secret in [KEY, usersig] {
            let text = setting.replace("[]", secret);
            stage.file(
                "config.toml",
                format!("identifier = \"administrator\"\n{text}\n"),
            );
            for format in ["--config=config.toml", "--json"] {
                let mut command = stage.bare(&["get", "alice", format]);
                command.env("IMTAG_CONFIG", "config.toml");
                refused(command);
            }
        }
    }
    let mut command = stage.bare(&["get", "alice", "--region", "singapore"]);
    command.env("IMTAG_SECRET_KEY_FILE", KEY);
    run(command).refuses(3, "IMTAG_SECRET_KEY_FILE: the file *** ");
}
