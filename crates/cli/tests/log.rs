//! What `-v` says on standard error: levels, fields, both forms, beside results, messages and the progress; and that it
//! shows no secret and no user.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

#[path = "../../transport/tests/support/proxy.rs"]
#[allow(dead_code)] // of which this is a part
mod proxy;
mod stage;

use std::collections::BTreeSet;
use std::io::Read;

use imtag_emulator::Fault;
use proxy::{EgressProxy, Kind};
use serde_json::{Value, json};
use stage::{ADD, GET, KEY, Ran, Stage, on_a_terminal, run, users_with_tags};

const HOST: &str = "adminapisgp.im.qcloud.com:443";

/// The lines of a log, each an object of a time, a level, a message and fields, and of nothing else.
fn objects(log: &str) -> Vec<Value> {
    let lines = log.lines().map(|line| {
        let object: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        let names: Vec<_> = object.as_object().unwrap().keys().collect();
        assert_eq!(names, ["fields", "level", "message", "ts"], "{line}");
        assert!(object["fields"].is_object(), "{line}");
        let ts = object["ts"].as_str().unwrap();
        assert!(ts.len() == 27 && ts.starts_with("20") && ts.ends_with('Z'));
        object
    });
    lines.collect()
}

fn named<'o>(objects: &'o [Value], message: &str) -> Vec<&'o Value> {
    let named = objects.iter().filter(|it| it["message"] == message);
    named.collect()
}

fn levels(objects: &[Value]) -> BTreeSet<&str> {
    let levels = objects.iter().map(|it| it["level"].as_str().unwrap());
    levels.collect()
}

const AS_JSON: &str = "--log-format=json";

#[test]
fn v_says_what_matters_and_a_second_one_each_attempt_and_the_result_is_the_same() {
    let stage = Stage::new();
    stage.run(&["add", "alice", "vip"]);
    let quiet = stage.run(&["get", "alice"]);
    assert_eq!((quiet.err.as_str(), quiet.exit), ("", Some(0)));
    for arguments in [
        &["-v", "get", "alice", AS_JSON][..],
        &[AS_JSON, "get", "alice", "--verbose"],
    ] {
        let ran = stage.run(arguments);
        assert_eq!(ran.out, quiet.out);
        let log = objects(&ran.err);
        assert_eq!(log.len(), 1, "{}", ran.err);
        assert_eq!(
            (&log[0]["message"], &log[0]["level"]),
            (&json!("new UserSig"), &json!("info"))
        );
        assert_eq!(log[0]["fields"]["source"], "secret key");
    }
    for verbose in ["-vv", "-vvv", "-vvvv"] {
        let ran = stage.run(&["get", "alice", verbose, AS_JSON]);
        assert_eq!(ran.out, quiet.out);
        let log = objects(&ran.err);
        assert_eq!(levels(&log), BTreeSet::from(["debug", "info"]));
        let attempts = named(&log, "attempt ended");
        assert_eq!(attempts.len(), 1, "{}", ran.err);
        let fields = &attempts[0]["fields"];
        for (name, value) in [
            ("operation", json!("get")),
            ("route", json!("v4/all_member_push/im_get_tag")),
            ("users", json!(1)),
            ("attempt", json!(1)),
            ("sent", json!(true)),
            ("host", json!("127.0.0.1")),
        ] {
            assert_eq!(fields[name], value, "{name} of {fields}");
        }
        assert!(fields["duration_ms"].as_f64().unwrap() > 0.0);
    }
}

#[test]
fn as_text_a_line_has_time_level_message_and_fields_and_no_colour() {
    let stage = Stage::new();
    let mut command = stage.imtag(&["get", "alice", "-vv"]);
    command.env("TERM", "xterm-256color");
    let (child, mut terminal) = on_a_terminal(command, 80);
    let mut log = String::new();
    let _ = terminal.read_to_string(&mut log);
    assert!(child.wait_with_output().unwrap().status.success());
    let attempt = log.lines().find(|it| it.contains("attempt ended")).unwrap();
    let (ts, rest) = attempt.split_once(' ').unwrap();
    assert!(ts.len() == 27 && ts.ends_with('Z'), "{attempt}");
    let start =
        "DEBUG attempt ended operation=get route=v4/all_member_push/im_get_tag users=1 attempt=1 ";
    assert!(rest.starts_with(start), "{rest}");
    assert!(!log.contains('\u{1b}'), "{log:?}");
}

#[test]
fn an_object_on_standard_output_and_the_log_do_not_mix() {
    let stage = Stage::new();
    stage.file("users.csv", "account,tag\nalice,vip\n");
    for arguments in [
        &["add", "alice", "vip"][..],
        &["get", "alice"],
        &["remove", "alice", "vip"],
        &["clear", "alice", "--yes"],
        &["import", "users.csv"],
        &["import", "--demo", "users.csv"],
        &["import", "--dry-run", "users.csv"],
        &["usersig"],
        &["doctor"],
        &["explain", "70107"],
    ] {
        let (exit, report) = stage.json(&[arguments, &["-vv", AS_JSON]].concat());
        assert_eq!(exit, Some(0), "{arguments:?} {report}");
        let log = stage.run(&[arguments, &["-vv", AS_JSON]].concat()).err;
        let log = objects(&log);
        let calls =
            !["usersig", "explain"].contains(&arguments[0]) && !arguments.contains(&"--dry-run");
        assert_eq!(calls, !named(&log, "attempt ended").is_empty());
    }
}

#[test]
fn where_the_log_is_json_every_message_is_an_object_without_fields() {
    let stage = Stage::new();
    stage.emulator.fault(ADD, Fault::leave_out(["bob"], 70107));
    let ran = stage.run(&["add", "bob", "vip", "-v", AS_JSON]);
    assert_eq!(ran.exit, Some(1));
    let log = objects(&ran.err);
    let said: Vec<_> = log.iter().filter(|it| it["fields"] == json!({})).collect();
    assert_eq!(said.len(), 2, "{}", ran.err);
    assert!(said.iter().all(|it| it["level"] == "error"));
    let names_bob = said[1]["message"].as_str().unwrap();
    assert!(
        names_bob.starts_with("bob: not applied: 70107 "),
        "{names_bob}"
    );

    let plain = stage.run(&["get", "bob", "--region", "mars"]);
    let ran = stage.run(&["get", "bob", "--region", "mars", "-v", AS_JSON]);
    assert_eq!(ran.exit, Some(3));
    let log = objects(&ran.err);
    let sentence = plain.err.trim_end().strip_prefix("imtag: ").unwrap();
    assert_eq!(log.last().unwrap()["message"], sentence);

    let mut command = stage.imtag(&["get", "bob", "-v", AS_JSON]);
    command.env("IMTAG_REGOIN", "tokyo");
    let log = objects(&run(command).err);
    assert_eq!(log[0]["level"], "warn");
    let says = log[0]["message"].as_str().unwrap();
    assert!(says.contains("IMTAG_REGOIN") && !says.starts_with("warning"));
}

#[test]
fn a_form_without_a_log_is_refused() {
    let stage = Stage::new();
    for line in [
        &["get", "alice", "--log-format", "json"][..],
        &["--log-format=text", "get", "alice"],
    ] {
        stage
            .run(line)
            .refuses(2, "without -v or -vv there is none");
    }
    let wrong = stage.run(&["get", "alice", "-v", "--log-format", "xml"]);
    wrong.refuses(2, "xml");
    assert_eq!(stage.emulator.stats().arrivals(), 0);
}

#[test]
fn an_import_with_retries_and_splits_says_each_and_reports_as_ever() {
    let stage = Stage::new();
    stage.file("users.csv", users_with_tags(250, 1));
    let faults = || {
        stage.emulator.reset().unwrap();
        let faults = [
            Fault::code(91000),
            Fault::cut_after(),
            Fault::code(60007),
            Fault::code(90012), // names no user at fault
        ];
        stage.emulator.faults(ADD, faults);
    };
    faults();
    let quiet = stage.run(&["import", "users.csv", "--json"]);
    faults();
    let ran = stage.run(&["import", "users.csv", "--json", "-vv", AS_JSON]);
    let (report, quiet) = (ran.json(), quiet.json());
    for name in ["users", "users_tagged", "users_failed", "failures"] {
        assert_eq!(report[name], quiet[name], "{name}");
    }
    let log = objects(&ran.err);
    let count = |message| json!(named(&log, message).len());
    assert_eq!(
        count("attempt ended"),
        json!(stage.emulator.stats().arrivals())
    );
    assert_eq!(count("trying again"), report["retries"]);
    assert_eq!(count("request split"), report["splits"]);
    assert!(report["retries"].as_u64() > Some(2) && report["splits"].as_u64() > Some(0));
    assert_eq!(count("rejected as too frequent"), 1);
    assert_eq!(
        (count("session began"), count("session ended")),
        (json!(1), json!(1))
    );
    assert_eq!(levels(&log), BTreeSet::from(["debug", "info", "warn"]));
    let ended = &named(&log, "session ended")[0]["fields"];
    assert_eq!(
        (&ended["session"], &ended["done"]),
        (&json!("bulk"), &json!(250))
    );
}

#[test]
fn no_line_of_the_log_is_torn_by_the_progress_bar() {
    for arguments in [&["-vv"][..], &["-vv", AS_JSON]] {
        let stage = Stage::new();
        stage.file("users.csv", users_with_tags(1_200, 1));
        let import = ["import", "users.csv", "--calls-per-second", "4"];
        let mut command = stage.imtag(&[&import[..], arguments].concat());
        command.env("TERM", "xterm");
        let (child, mut terminal) = on_a_terminal(command, 60);
        let mut shown = Vec::new();
        let _ = terminal.read_to_end(&mut shown);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let out = String::from_utf8(output.stdout).unwrap();
        assert!(out.ends_with("tagged    1200 users, 0 failed\n"), "{out}");
        let shown = String::from_utf8(shown).unwrap();
        assert!(shown.contains(" left\u{1b}[K"), "there is a bar: {shown:?}");
        // what stays of a line is what follows the last time that it was erased
        let lines: Vec<_> = shown
            .split_inclusive("\r\n")
            .filter_map(|line| line.strip_suffix("\r\n"))
            .map(|line| line.rsplit("\r\u{1b}[K").next().unwrap())
            .collect();
        let attempts = lines.iter().filter(|it| it.contains("attempt ended"));
        assert_eq!(attempts.count(), 12, "{shown:?}");
        if arguments.len() > 1 {
            objects(&lines.join("\n"));
        } else {
            for line in &lines {
                let is_whole = line.starts_with("20") && line.matches("Z ").count() == 1;
                assert!(is_whole && !line.contains(['\r', '\u{1b}']), "{line:?}");
            }
        }
    }
}

#[test]
fn a_standard_error_that_nobody_reads_ends_no_command() {
    let stage = Stage::new();
    stage.file("users.csv", users_with_tags(150, 1));
    for arguments in [
        &["get", "alice", "-vv"][..],
        &["import", "users.csv", "-vv"],
    ] {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        drop(reader);
        let mut command = stage.imtag(arguments);
        command.stderr(writer);
        let ran = run(command);
        assert_eq!(ran.exit, Some(0), "{ran:?}");
        assert_ne!(ran.out, "");
    }
}

/// Whether a UserSig, or a part of one, is there: all start so, by the head of zlib's stream and of the document's JSON.
fn has_usersig(log: &str) -> bool {
    ["eJyr", "eJw"].iter().any(|start| log.contains(start))
}

/// What no line of the log may have. Events name no user and say nothing that the service has said; messages for people may.
fn holds_to_its_promise(ran: &Ran, stage: &Stage) {
    let log = &ran.err;
    let usersig = stage.usersig();
    for secret in [KEY, &KEY[..16], usersig.expose(), "hush-word", "hush-wrong"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
    assert!(!has_usersig(log), "{log}");
    let events = log.lines().filter(|line| !line.contains("\"fields\":{}"));
    for event in events.filter(|line| !line.starts_with("imtag: ")) {
        for name in ["hush-account", "hush-tag", "hush-said", "administrator"] {
            assert!(!event.contains(name), "{name} in {event}");
        }
    }
}

#[test]
fn the_finest_log_shows_neither_key_nor_usersig_nor_password_nor_user() {
    let stage = Stage::with(|emulator| emulator.tls(true));
    let proxy = EgressProxy::start(Kind::Http, Some(("me", "hush-word")));
    proxy.leads(HOST, stage.emulator.address());
    let rows: String = (0..120)
        .map(|nth| format!("hush-account-{nth},hush-tag\n"))
        .collect();
    stage.file("users.csv", format!("account,tag\n{rows}"));
    let through_proxy = |arguments: &[&str], url: &str, form: &str| {
        let mut command = stage.imtag(&[arguments, &["-vvv", form]].concat());
        command
            .env_remove("IMTAG_ENDPOINT")
            .env("IMTAG_REGION", "singapore")
            .env("IMTAG_PROXY", url);
        run(command)
    };
    let faults = || {
        [
            Fault::code(70001).text("hush-said"), // asks for a new UserSig
            Fault::code(91000).text("hush-said"),
            Fault::cut_after(),
            Fault::leave_out(["hush-account-0"], 70107),
            Fault::answer("hush-said hush-account-0"),
        ]
    };
    let mut messages = String::new();
    for form in ["--log-format=text", AS_JSON] {
        for (arguments, target) in [
            (&["add", "hush-account-0", "hush-tag"][..], ADD),
            (&["import", "users.csv"], ADD),
            (&["get", "hush-account-0"], GET),
        ] {
            stage.emulator.reset().unwrap();
            let its = faults().into_iter();
            let its = its.filter(|_| target == ADD).chain([Fault::code(70001)]);
            stage.emulator.faults(target, its.collect::<Vec<_>>());
            let ran = through_proxy(arguments, &proxy.url("me:hush-word@"), form);
            assert!(ran.err.contains("UserSig expired"), "{ran:?}");
            assert!(ran.err.contains("attempt ended"), "{ran:?}");
            holds_to_its_promise(&ran, &stage);
            messages += &ran.err;
        }
        let refused = through_proxy(
            &["get", "hush-account-0"],
            &proxy.url("me:hush-wrong@"),
            form,
        );
        assert_eq!(refused.exit, Some(3), "{refused:?}");
        holds_to_its_promise(&refused, &stage);
        let mut given = stage.imtag(&["add", "hush-account-0", "hush-tag", "-vvv", form]);
        given
            .env_remove("IMTAG_SECRET_KEY")
            .env("IMTAG_USERSIG", stage.usersig().expose());
        stage
            .emulator
            .fault(ADD, Fault::code(70001).text("hush-said"));
        holds_to_its_promise(&run(given), &stage);
    }
    for message in [
        "trying again",
        "connection opened",
        "new UserSig",
        "session ended",
    ] {
        assert!(messages.contains(message), "{message} is not in {messages}");
    }
}
