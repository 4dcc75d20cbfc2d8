//! Changes that last, in the folder of `imtag serve`, and `imtag queue`, which reads that folder while no daemon runs.

#![cfg(all(feature = "serve", feature = "emulator"))]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;

use imtag_emulator::{Fault, ProbabilisticFault};
use rustix::process::Signal;
use serde_json::{Value, json};
use stage::{Ran, Running, Stage, run};

const ROWS: &str = r#"{"To_Account":"alice","Tags":["vip","beijing"]}
{"account":"bob","op":"remove","tags":["vip"]}
{"account":"alice","op":"clear"}
"#;

const ADDS: &str = r#"{"To_Account":"alice","Tags":["vip"]}"#;

fn serve(stage: &Stage, more: &[&str]) -> Command {
    stage.imtag(&[&["serve", "--socket", "s"], more].concat())
}

/// A daemon on the folder `data` that sends nothing of its queue.
fn paused(stage: &Stage) -> Running {
    let daemon = Running::start(serve(stage, &["--data", "data"]));
    assert_eq!(ask(stage, "POST", "/v1/pause", "").0, 200);
    daemon
}

/// What a daemon answers: the status and the body.
fn ask(stage: &Stage, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = UnixStream::connect(stage.home.path().join("s")).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

fn queue(stage: &Stage, arguments: &[&str]) -> Ran {
    run(stage.bare(&[&["queue", "--data", "data"], arguments].concat()))
}

fn json_of(stage: &Stage, arguments: &[&str]) -> Value {
    queue(stage, &[&["--json"], arguments].concat()).json()
}

/// Ends a daemon whose queue is not empty: it says so.
fn end(mut daemon: Running, waiting: &str) {
    let mut err = daemon.stderr();
    daemon.signal(Signal::TERM);
    let mut said = String::new();
    err.read_to_string(&mut said).unwrap();
    assert!(said.contains(waiting), "{said}");
}

#[test]
fn what_waits_in_a_folder_is_counted_printed_and_deleted_while_no_daemon_runs() {
    let stage = Stage::new();
    let daemon = paused(&stage);
    let folder = stage.home.path().canonicalize().unwrap().join("data");
    assert_eq!(daemon.text("queue_folder"), folder.to_str().unwrap());
    assert_eq!(ask(&stage, "POST", "/v1/changes", ROWS).0, 202);
    queue(&stage, &["status"]).refuses(4, "a daemon runs on data: ask it (GET /metrics");
    end(
        daemon,
        "3 changes wait in the queue, and are sent when the daemon runs again",
    );
    let one = Running::start(serve(&stage, &["--data", "one"]));
    assert_eq!(ask(&stage, "POST", "/v1/pause", "").0, 200);
    assert_eq!(ask(&stage, "POST", "/v1/changes", ADDS).0, 202);
    end(
        one,
        "1 change waits in the queue, and is sent when the daemon runs again",
    );

    let status = json_of(&stage, &["status"]);
    assert_eq!(
        (&status["changes"], &status["failures"], &status["paused"]),
        (&json!(3), &json!(0), &json!(true))
    );
    assert!(status["oldest_seconds"].is_u64() && status["bytes"].as_u64() > Some(0));
    let text = queue(&stage, &["status"]).out;
    assert!(
        text.contains("3 changes wait") && text.contains("until POST /v1/resume"),
        "{text}"
    );

    let exported = queue(&stage, &["export"]).out;
    let lines: Vec<Value> = exported
        .lines()
        .map(|it| serde_json::from_str(it).unwrap())
        .collect();
    let post = lines[0]["id"]
        .as_str()
        .unwrap()
        .split('-')
        .next()
        .unwrap()
        .to_owned();
    assert_eq!(
        lines,
        [
            json!({"id": format!("{post}-0"), "account": "alice", "op": "add", "tags": ["vip", "beijing"]}),
            json!({"id": format!("{post}-1"), "account": "bob", "op": "remove", "tags": ["vip"]}),
            json!({"id": format!("{post}-2"), "account": "alice", "op": "clear", "tags": []}),
        ]
    );
    assert_eq!(queue(&stage, &["export", "--changes"]).out, exported);
    assert_eq!(queue(&stage, &["export", "--failures"]).out, "");
    // an import takes what was printed
    stage.file("waiting.ndjson", &exported);
    let ran = stage.run(&["import", "--dry-run", "waiting.ndjson"]);
    assert_eq!(ran.exit, Some(0), "{}", ran.err);

    queue(&stage, &["purge"]).refuses(2, "");
    assert_eq!(
        json_of(&stage, &["purge", "--account", "carol"]),
        json!({"deleted": 0})
    );
    assert_eq!(
        json_of(&stage, &["purge", "--older-than", "3600"]),
        json!({"deleted": 0})
    );
    assert_eq!(
        json_of(&stage, &["purge", "--account", "alice", "--tag", "vip"]),
        json!({"deleted": 1})
    );
    assert_eq!(
        queue(&stage, &["purge", "--older-than", "0"]).out,
        "deleted 2 changes that waited\n"
    );
    assert_eq!(json_of(&stage, &["status"])["changes"], 0);

    // the daemon goes on with the folder
    let daemon = Running::start(serve(&stage, &["--data", "data"]));
    assert_eq!(
        ask(&stage, "POST", "/v1/changes", &exported).0,
        202,
        "a post takes it, too"
    );
    end(daemon, "3 changes wait");
}

#[test]
fn a_folder_that_is_no_daemons_is_refused_by_name_and_stays_as_it_is() {
    let stage = Stage::new();
    let refused = |folder: &str, says: &str| {
        run(stage.bare(&["queue", "status", "--data", folder])).refuses(2, says);
    };
    refused("nowhere", "nowhere is no folder of a daemon");
    assert!(!stage.home.path().join("nowhere").exists());
    stage.file("mine/thesis.txt", "mine");
    refused("mine", "mine is no folder of a daemon");
    // one whose daemon has kept no changes
    stage.file("old/imtag-daemon", "format 1\n");
    refused("old", "no daemon has kept a queue");
}

#[test]
fn changes_last_only_where_there_is_a_folder_for_them() {
    let stage = Stage::new();
    let none = Running::start(serve(&stage, &[]));
    assert_eq!(none.says["queue_folder"], Value::Null);
    let (status, body) = ask(&stage, "POST", "/v1/changes", ROWS);
    assert_eq!(status, 404);
    assert!(body.contains("start it with --data FOLDER"), "{body}");
    none.end(Signal::TERM);
    let home = stage.home.path().canonicalize().unwrap();
    let mut command = serve(&stage, &[]);
    command.env("STATE_DIRECTORY", home.join("lib"));
    let of_systemd = Running::start(command);
    assert_eq!(
        of_systemd.text("queue_folder"),
        home.join("lib").to_str().unwrap()
    );
    let second = stage.imtag(&["serve", "--socket", "s2", "--data", "lib", "--grace", "0.1"]);
    run(second).refuses(4, "another daemon uses the data in lib");
    of_systemd.end(Signal::TERM);
    // those of a demo go with it
    let demo = Running::start(stage.bare(&["serve", "--socket", "s", "--demo"]));
    let folder = demo.text("queue_folder").to_owned();
    assert_eq!(ask(&stage, "POST", "/v1/pause", "").0, 200);
    assert_eq!(ask(&stage, "POST", "/v1/changes", ROWS).0, 202);
    end(demo, "3 changes wait in the queue, and go with the demo");
    assert!(!std::path::Path::new(&folder).exists(), "{folder}");
}

#[test]
fn a_folder_with_changes_of_one_app_is_refused_to_a_daemon_of_another() {
    let stage = Stage::new();
    end(paused(&stage), "");
    let mut other = serve(&stage, &["--data", "data"]);
    other.env("IMTAG_SDKAPPID", "1400000099");
    run(other).refuses(2, "the changes in data are of the app ");
    Running::start(serve(&stage, &["--data", "data"])).end(Signal::TERM);
}

/// What waits is on the disk: in an outage it holds up nobody for the time of grace.
#[test]
fn a_start_takes_over_the_queue_of_a_daemon_that_is_ending_while_the_service_is_away() {
    let stage = Stage::new();
    let before = Running::start(serve(&stage, &["--data", "data"]));
    let away = ProbabilisticFault::new(Fault::status(502), 1.0);
    stage.emulator.add_standing(away.unwrap());
    assert_eq!(ask(&stage, "POST", "/v1/changes", ADDS).0, 202);
    stage::arrivals(&stage, 1);
    before.signal(Signal::TERM);
    let after = Running::start(serve(&stage, &["--data", "data"]));
    stage.emulator.remove_faults();
    stage::wait_until("the changes are applied", || {
        stage.tags_of("alice") == ["vip"]
    });
    drop(before);
    after.end(Signal::TERM);
}

#[test]
fn the_limits_of_the_queue_are_flags() {
    let stage = Stage::new();
    let more = [
        "--data",
        "data",
        "--queue-changes",
        "2",
        "--queue-bytes",
        "1M",
        "--queue-min-free",
        "0",
    ];
    let daemon = Running::start(serve(&stage, &more));
    let (status, body) = ask(&stage, "POST", "/v1/changes", ROWS);
    assert_eq!(status, 413);
    assert!(body.contains("2 changes (--queue-changes)"), "{body}");
    daemon.end(Signal::TERM);
    for flag in ["--queue-changes", "--queue-bytes", "--queue-min-free"] {
        let expected = format!("{flag} is for changes that last: give --data FOLDER too");
        run(serve(&stage, &[flag, "2"])).refuses(2, &expected);
    }
    for (flag, value) in [
        ("--queue-changes", "many"),
        ("--queue-changes", "0"),
        ("--queue-bytes", "1x"),
        ("--queue-min-free", "-1"),
    ] {
        let argument = format!("{flag}={value}");
        run(serve(&stage, &[&argument])).refuses(2, flag);
    }
}
