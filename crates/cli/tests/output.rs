//! Where output goes when nobody takes it.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use std::fs::{File, OpenOptions};
use std::process::{Command, Stdio};

use imtag_emulator::Fault;
use stage::{ADD, KEY, Ran, Stage, run};

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
fn of_many_bad_rows_ten_a_reason_are_named_and_the_list_has_all() {
    let stage = Stage::new();
    let rows: String = (0..2_000)
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
        .refuses(2, "nowhere/f cannot be opened: ");
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

/// Standard outputs that take nothing.
fn refusing() -> Vec<std::fs::File> {
    let full = OpenOptions::new().write(true).open("/dev/full");
    let read_only = File::open("/dev/null");
    full.into_iter().chain(read_only).collect() // there is no /dev/full on some systems
}

#[test]
fn a_standard_output_that_takes_nothing_is_an_error_of_every_command() {
    let stage = Stage::new();
    stage.file("users.csv", "account,tag\nalice,vip\n");
    for arguments in [
        &["explain", "70107"][..],
        &["add", "alice", "vip"],
        &["get", "alice", "--json"],
        &["clear", "alice", "--yes"],
        &["import", "users.csv"],
        &["import", "--dry-run", "users.csv"],
        &["import", "--demo", "users.csv", "--json"],
        &["usersig"],
        &["emulator"],
        &["--help"],
        &["usersig", "--help"],
        &["--version"],
    ] {
        for out in refusing() {
            let mut command = stage.imtag(arguments);
            command.stdout(out);
            let ran = run(command);
            assert_eq!(ran.exit, Some(4), "{arguments:?} {ran:?}");
            let says = "imtag: cannot write the result to standard output: ";
            assert!(ran.err.contains(says), "{arguments:?} {ran:?}");
        }
    }
    let left = std::fs::read_dir(stage.home.path()).unwrap().count();
    assert_eq!(left, 1, "the emulator's key is gone");
}

#[test]
fn what_was_read_or_made_goes_to_standard_output_or_nowhere() {
    let stage = Stage::new();
    stage.emulator.tag("alice", ["vip"]);
    let usersig = stage.usersig();
    for arguments in [
        &["usersig"][..],
        &["usersig", "--json"],
        &["usersig", "--verify"],
        &["emulator"],
        &["emulator", "--json"],
        &["get", "alice"],
        &["get", "alice", "--json"],
    ] {
        for out in refusing() {
            let mut command = stage.imtag(arguments);
            command.stdout(out).env("IMTAG_USERSIG", usersig.expose());
            if arguments[1..] != ["--verify"] {
                command.env_remove("IMTAG_USERSIG");
            }
            let ran = run(command);
            assert_eq!(ran.exit, Some(4), "{arguments:?}");
            assert_eq!(ran.err.lines().count(), 1, "{arguments:?} {ran:?}");
            assert!(!ran.err.contains("eJ"), "{ran:?}");
        }
    }
}

#[test]
fn a_standard_output_that_is_closed_gets_nothing_and_nothing_goes_elsewhere() {
    let stage = Stage::new();
    for json in ["", "--json"] {
        let mut shell = Command::new("/bin/sh");
        let closed = format!("exec \"$0\" usersig {json} >&-");
        let command = stage.imtag(&[]);
        shell.args(["-c", &closed]).arg(command.get_program());
        let variables = command.get_envs();
        let variables = variables.filter_map(|(name, value)| Some((name, value?)));
        shell.env_clear().envs(variables);
        assert_eq!(run(shell).err, "");
    }
}

#[test]
fn a_secret_that_is_given_in_the_wrong_place_is_not_repeated() {
    let stage = Stage::new();
    let usersig = stage.usersig();
    let usersig = usersig.expose();
    stage.file("config.toml", format!("usersig = \"{usersig}\"\nx"));
    for arguments in [
        &["usersig", usersig][..],
        &["usersig", "--verify", usersig],
        &["usersig", "--verify", KEY],
        &["--secret-key", KEY, "get", "alice"],
        &["get", "alice", "--secret-key-file", KEY],
        &["get", "alice", "--usersig", usersig],
        &["get", "alice", "--region", KEY],
        &["get", "alice", "--endpoint", KEY],
        &["get", "alice", "--sdkappid", KEY],
        &["get", "alice", "--generation", KEY],
        &["get", "alice", "--config", KEY],
        &["get", "alice", "--config", "config.toml"],
        &["add", KEY, "vip"],
        &["import", KEY],
        &[KEY],
    ] {
        for format in [&[][..], &["--json"]] {
            let ran = stage.run(&[arguments, format].concat());
            assert!(matches!(ran.exit, Some(2 | 3)), "{arguments:?} {ran:?}");
            assert!(!ran.out.contains(usersig), "{ran:?}");
        }
    }
    let mut command = stage.bare(&["get", "alice", "--region", "singapore"]);
    command.env("IMTAG_SECRET_KEY_FILE", KEY);
    run(command).refuses(3, "(not shown, as it may be a secret)");
}

#[test]
fn a_secret_in_a_file_or_with_something_beside_it_is_not_repeated() {
    let stage = Stage::new();
    let usersig = stage.usersig();
    let settings = [
        "secret_key_file = \"[]\"",
        "region = \"[]\"",
        "endpoint = \"[]\"",
        "sdkappid = \"[]\"",
        "generation = \"key:[]\"",
        "ca_file = \"/[]\"",
        "\"[]\" = 1",
        "[] = [",
    ];
    for (setting, secret) in settings
        .iter()
        .flat_map(|it| [(it, KEY), (it, usersig.expose())])
    {
        let others = "identifier = \"administrator\"\n";
        let text = format!("{others}{}\n", setting.replace("[]", secret));
        stage.file("config.toml", text);
        for format in [&[][..], &["--json"]] {
            let get = ["get", "alice", "--config", "config.toml"];
            let ran = run(stage.bare(&[&get, format].concat()));
            assert_eq!(ran.exit, Some(3), "{setting}: {ran:?}");
            assert!(!ran.out.contains(usersig.expose()), "{ran:?}");
        }
    }
    stage.file("key", KEY);
    for arguments in [
        &["get", "alice", "--secret-key-file", &format!("\"{KEY}\"")][..],
        &["get", "alice", "--secret-key-file", &format!("./{KEY}")],
        &["get", "alice", "--sdkappid", &format!("1400000000 {KEY}")],
        &["get", "alice", "--region", &format!("key:{KEY}")],
        &["import", "key"],
    ] {
        let ran = stage.run(arguments);
        assert!(matches!(ran.exit, Some(2 | 3)), "{arguments:?} {ran:?}");
        // nor the most of it
        assert!(!ran.err.contains(&KEY[..40]), "{ran:?}");
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
