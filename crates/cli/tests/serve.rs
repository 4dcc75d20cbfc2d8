//! `imtag serve` over TCP: what it prints is what a caller needs, its secrets are in no output, and what cannot be is
//! refused by name.

#![cfg(all(feature = "serve", feature = "emulator"))]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use std::fs;
use std::io::{BufRead, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use imtag_emulator::Fault;
use rustix::process::Signal;
use stage::{KEY, Ran, Running, Stage, run, wait_until};

const TOKEN: &str = "hush-token-0123456789";

/// `imtag serve` at a socket in the home directory, with the emulator as its service.
fn serve(stage: &Stage, more: &[&str]) -> Command {
    stage.imtag(&[&["serve", "--socket", "s"], more].concat())
}

fn over_tcp(stage: &Stage, more: &[&str]) -> Running {
    let arguments = ["--address", "127.0.0.1:0", "--data", "data"];
    Running::start(serve(stage, &[&arguments, more].concat()))
}

/// `imtag` as a caller of the daemon, by what that has printed.
fn caller(stage: &Stage, daemon: &Running, arguments: &[&str]) -> Ran {
    let mut command = stage.bare(arguments);
    command
        .env("IMTAG_ENDPOINT", daemon.text("endpoint"))
        .env("IMTAG_SDKAPPID", daemon.says["sdkappid"].to_string())
        .env("IMTAG_IDENTIFIER", "php")
        .env("IMTAG_SECRET_KEY_FILE", daemon.text("local_key_file"));
    if let Some(file) = daemon.says["ca_file"].as_str() {
        command.env("IMTAG_CA_FILE", file);
    }
    run(command)
}

/// The error code of a call with this token; the daemon has no TLS.
fn code(daemon: &Running, token: &str) -> i64 {
    let address = daemon.text("endpoint").trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    let body = r#"{"To_Account":["a"]}"#;
    write!(
        stream,
        "POST /v4/all_member_push/im_get_tag HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Authorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, json) = answer.split_once("\r\n\r\n").unwrap();
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    json["ErrorCode"].as_i64().unwrap()
}

/// What an operator asks for over TCP; the daemon has no TLS.
fn page(daemon: &Running, path: &str) -> String {
    let address = daemon.text("endpoint").trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_it_prints_is_all_that_a_caller_needs_over_tls_and_without() {
    for tls in [true, false] {
        let stage = Stage::new();
        let daemon = over_tcp(
            &stage,
            if tls {
                &["--tls", "--name", "localhost"]
            } else {
                &[]
            },
        );
        let endpoint = daemon.text("endpoint");
        let start = if tls {
            "https://localhost:"
        } else {
            "http://127.0.0.1:"
        };
        assert!(endpoint.starts_with(start), "{endpoint}");
        let ran = caller(&stage, &daemon, &["add", "alice", "vip"]);
        assert_eq!((ran.exit, ran.err.as_str()), (Some(0), ""));
        assert_eq!(stage.tags_of("alice"), ["vip"]);
        let data = stage.home.path().join("data");
        let secrets: &[&str] = if tls {
            &["local-key", "ca-key.pem"]
        } else {
            &["local-key"]
        };
        for secret in secrets {
            assert_eq!(mode(&data.join(secret)), 0o600, "{secret}");
        }
        assert_eq!((mode(&data), data.join("ca.pem").exists()), (0o700, tls));
        daemon.end(Signal::TERM);
        // the same key and authority at the next start
        let before = fs::read(data.join("local-key")).unwrap();
        let daemon = over_tcp(&stage, if tls { &["--tls"] } else { &[] });
        assert_eq!(caller(&stage, &daemon, &["get", "alice"]).exit, Some(0));
        assert_eq!(fs::read(data.join("local-key")).unwrap(), before);
    }
}

#[test]
fn its_secrets_are_in_no_output_and_lines_to_copy_name_files() {
    let stage = Stage::new();
    stage.file("token", TOKEN);
    let arguments = [
        "--address",
        "127.0.0.1:0",
        "--token-file",
        "token",
        "--data",
        "data",
        "-vv",
    ];
    let mut child = serve(&stage, &arguments).spawn().unwrap();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    while !text.contains("IMTAG_SECRET_KEY_FILE") {
        assert_ne!(lines.read_line(&mut text).unwrap(), 0, "{text}");
    }
    assert!(
        text.contains("  export IMTAG_ENDPOINT=http://127.0.0.1:"),
        "{text}"
    );
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::TERM).unwrap();
    lines.read_to_string(&mut text).unwrap();
    let ran = Ran::from_output(child.wait_with_output().unwrap());
    let key = fs::read_to_string(stage.home.path().join("data/local-key")).unwrap();
    for secret in [key.trim_end(), TOKEN, KEY] {
        assert!(!text.contains(secret) && !ran.err.contains(secret));
    }
}

#[test]
fn what_cannot_be_is_refused_by_name_before_anybody_can_connect() {
    let stage = Stage::new();
    let refused = |more: &[&str], exit, says: &str| run(serve(&stage, more)).refuses(exit, says);
    let tcp = "--address=127.0.0.1:0";
    refused(
        &["--address", "0.0.0.0:0"],
        2,
        "0.0.0.0:0 is not a loopback address, and plain HTTP",
    );
    let long = "s".repeat(108);
    run(stage.imtag(&["serve", "--socket", &long]))
        .refuses(2, "is longer than the path of a socket may be");
    refused(
        &["--demo", "--region", "china"],
        2,
        "--demo brings its own service, and uses no settings: leave --region out",
    );
    refused(&["--timeout", "3"], 2, "imtag serve takes no --timeout");
    refused(
        &["--address", "nowhere"],
        2,
        "\"nowhere\" is no address to listen on",
    );
    refused(&["--tls"], 2, "--tls is for calls over TCP: give --address");
    refused(
        &["--token-file", "t"],
        2,
        "--token-file is for calls over TCP",
    );
    refused(&["--name", "a"], 2, "--name is for calls over TCP");
    refused(
        &[tcp, "--tls", "--name", "a/b"],
        2,
        "\"a/b\" is no name of a host",
    );
    refused(
        &[tcp, "--token-file", "t"],
        4,
        "cannot read the token in t: ",
    );
    stage.file("t", "hush-short");
    refused(
        &[tcp, "--token-file", "t"],
        2,
        "t holds no token: put 16 or more",
    );
    stage.file("mine/thesis.txt", "mine");
    refused(
        &[tcp, "--data", "mine"],
        2,
        "mine holds other files than an imtag daemon's",
    );
    let _first = over_tcp(&stage, &[]);
    let second = stage.imtag(&[
        "serve", "--socket", "s2", tcp, "--data", "data", "--grace", "0.1",
    ]);
    run(second).refuses(
        4,
        "another daemon uses the data in data: stop it, or use another folder (--data)",
    );
}

#[test]
fn a_demo_says_so_wherever_it_is_looked_at_and_without_settings_it_is_named() {
    let stage = Stage::new();
    let page = || {
        let mut stream = UnixStream::connect(stage.home.path().join("s")).unwrap();
        let ask = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(ask.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split("\r\n\r\n").nth(1).unwrap().to_owned()
    };
    let daemon = Running::start(stage.bare(&["serve", "--demo", "--socket", "s"]));
    assert_eq!(daemon.says["demo"], true);
    assert_eq!(page(), "ready (demo)\n");
    daemon.end(Signal::TERM);
    let daemon = Running::start(serve(&stage, &[]));
    assert_eq!(daemon.says["demo"], false);
    assert_eq!(page(), "ready\n");
    daemon.end(Signal::TERM);

    let mut child = stage
        .bare(&["serve", "--demo", "--socket", "s"])
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    lines.read_line(&mut first).unwrap();
    stage::kill(child);
    assert!(
        first.starts_with("The daemon takes calls for a demo"),
        "{first}"
    );

    for command in [["serve", "--socket=s"], ["import", "users.csv"]] {
        let ran = run(stage.bare(&command));
        ran.refuses(3, "settings are missing:\n  set IMTAG_SDKAPPID");
        assert!(
            ran.err
                .ends_with("\n  or try it without any of them, by --demo\n")
        );
    }
    run(serve(&stage, &["--region", "mars"])).refuses(3, "unknown region");
}

#[test]
fn a_start_takes_the_place_of_a_daemon_that_is_ending_and_answers_meanwhile() {
    let stage = Stage::new();
    let before = over_tcp(&stage, &[]);
    let address = before.text("endpoint").trim_start_matches("http://");
    let address = address.to_owned();
    stage
        .emulator
        .fault(stage::GET, Fault::delay(Duration::from_secs(600)));
    let under_way = {
        let mut stream = UnixStream::connect(stage.home.path().join("s")).unwrap();
        let body = r#"{"To_Account":["a"]}"#;
        let head =
            "POST /v4/all_member_push/im_get_tag HTTP/1.1\r\nHost: localhost\r\nConnection: close";
        let length = body.len();
        write!(stream, "{head}\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
        stream
    };
    stage::arrivals(&stage, 1);
    before.signal(Signal::TERM);
    let arguments = ["--address", &address, "--data", "data"];
    let after = Running::start(serve(&stage, &arguments));
    stage.emulator.remove_faults();
    assert_eq!(caller(&stage, &after, &["get", "alice"]).exit, Some(0));
    stage.emulator.disconnect();
    let mut answer = String::new();
    let mut under_way = under_way;
    under_way.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("\"ErrorCode\":0"), "{answer}");
    before.end(Signal::CONT);
    after.end(Signal::TERM);
}

#[test]
fn plain_http_on_a_port_of_tls_is_told_to_use_https() {
    let stage = Stage::new();
    let daemon = over_tcp(&stage, &["--tls"]);
    let address = daemon.text("endpoint").trim_start_matches("https://");
    let mut stream = TcpStream::connect(address).unwrap();
    let ask = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(ask.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 400 Bad Request\r\n"),
        "{answer}"
    );
    assert!(answer.contains("this port takes HTTPS: call https://"));
    assert_eq!(caller(&stage, &daemon, &["get", "alice"]).exit, Some(0));
}

#[test]
fn its_folder_is_that_of_systemd_or_one_of_the_users_state() {
    let stage = Stage::new();
    let home = stage.home.path();
    let starts = |variables: &[(&str, &str)], folder: &str| {
        let mut command = serve(&stage, &["--address", "127.0.0.1:0"]);
        for (name, value) in variables {
            command.env(name, home.join(value));
        }
        let daemon = Running::start(command);
        let expected = home.canonicalize().unwrap().join(folder).join("local-key");
        assert_eq!(daemon.text("local_key_file"), expected.to_str().unwrap());
    };
    starts(&[], ".local/state/imtag");
    starts(&[("XDG_STATE_HOME", "state")], "state/imtag");
    starts(
        &[("XDG_STATE_HOME", "state"), ("STATE_DIRECTORY", "lib")],
        "lib",
    );
}

#[test]
fn its_socket_may_be_in_its_folder_which_others_files_may_not() {
    let stage = Stage::new();
    let folder = stage.home.path().join("data");
    fs::create_dir(&folder).unwrap();
    // a volume of its own, in which the daemon listened before it had a folder
    fs::create_dir(folder.join("lost+found")).unwrap();
    let there = ["serve", "--socket", "data/s"];
    Running::start(stage.imtag(&there)).end(Signal::TERM);
    assert!(folder.join("s.late").exists());
    for _ in 0..2 {
        let daemon = Running::start(stage.imtag(&[&there[..], &["--data", "data"]].concat()));
        assert!(daemon.text("queue_folder").ends_with("/data"));
        daemon.end(Signal::TERM);
    }
    fs::remove_file(folder.join("imtag-daemon")).unwrap();
    let others = run(stage.imtag(&[&there[..], &["--data", "data"]].concat()));
    others.refuses(2, "data holds other files than an imtag daemon's");
}

#[test]
fn the_token_is_found_as_each_setting_is() {
    let stage = Stage::new();
    for name in ["by-flag", "by-variable", "conf/by-profile", "conf/by-file"] {
        stage.file(name, format!("{name}-0123456789"));
    }
    let file = "token_file = 'by-file'\n[profile.live]\ntoken_file = 'by-profile'\n";
    stage.file("conf/c.toml", file);
    let starts = |more: &[&str], variable: Option<&str>, token: &str| {
        let mut command = serve(&stage, &[&["--address", "127.0.0.1:0"], more].concat());
        command.envs(variable.map(|file| ("IMTAG_TOKEN_FILE", file)));
        let daemon = Running::start(command);
        let token = format!("{token}-0123456789");
        assert_eq!(code(&daemon, &token), 0, "{more:?}");
        assert_eq!(code(&daemon, TOKEN), 70003, "{more:?}");
    };
    let file = ["--config", "conf/c.toml"];
    starts(&file, None, "conf/by-file");
    starts(
        &[file[0], file[1], "--profile", "live"],
        None,
        "conf/by-profile",
    );
    starts(&file, Some("by-variable"), "by-variable");
    let flag = [file[0], file[1], "--token-file", "by-flag"];
    starts(&flag, Some("by-variable"), "by-flag");
}

#[test]
fn sighup_reads_the_level_and_the_form_of_the_log_anew_unless_a_flag_says_it() {
    let stage = Stage::new();
    stage.file("c.toml", "");
    let mut daemon = over_tcp(&stage, &["--config", "c.toml"]);
    let errors = daemon.stderr();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let said = Arc::clone(&lines);
    let reads = std::thread::spawn(move || {
        errors
            .lines()
            .for_each(|line| said.lock().unwrap().push(line.unwrap()));
    });
    // none of it is said
    assert_eq!(code(&daemon, TOKEN), 70003);
    caller(&stage, &daemon, &["get", "alice"]);
    let figure = |name: &str| {
        let text = page(&daemon, "/metrics");
        let line = text.lines().find(|line| line.starts_with(name));
        line.map(|line| line.rsplit_once(' ').unwrap().1.to_owned())
    };
    // a client that is made anew counts from 0
    let reload = |file: &str, then: &dyn Fn() -> bool| {
        stage.file("c.toml", file);
        daemon.signal(Signal::HUP);
        wait_until("the settings are not read", then);
    };
    let at = |calls: &'static str| {
        move || figure("imtag_quota_calls_per_second").as_deref() == Some(calls)
    };
    reload(
        "log_level = 'debug'\nlog_format = 'json'\ncalls_per_second = 7",
        &at("7"),
    );
    caller(&stage, &daemon, &["get", "alice"]);
    reload("log_level = 'loud'", &|| {
        let lines = lines.lock().unwrap();
        lines
            .iter()
            .any(|line| line.contains("the daemon goes on as before"))
    });
    reload("calls_per_second = 9", &at("9"));
    caller(&stage, &daemon, &["get", "alice"]);
    drop(daemon);
    reads.join().unwrap();
    let lines = lines.lock().unwrap();
    let lines: Vec<serde_json::Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{lines:?}")))
        .collect();
    let answered = lines.iter().filter(|it| it["message"] == "call answered");
    assert_eq!(answered.count(), 1, "{lines:?}");
    let refused = lines.iter().find(|it| it["level"] == "error").unwrap();
    let why = refused["message"].as_str().unwrap();
    assert!(
        why.contains("log_level in c.toml") && why.contains("\"loud\" is no level"),
        "{why}"
    );

    stage.file("c.toml", "log_level = 'off'\nlog_format = 'json'");
    let mut daemon = over_tcp(&stage, &["--config", "c.toml", "-vv"]);
    let mut errors = daemon.stderr();
    caller(&stage, &daemon, &["get", "alice"]);
    let mut line = String::new();
    errors.read_line(&mut line).unwrap();
    assert!(line.starts_with('{'), "{line}");
}

#[test]
fn sighup_reads_secrets_anew_and_what_cannot_be_read_leaves_all_as_it_was() {
    let stage = Stage::new();
    let token = stage.file("token", TOKEN);
    fs::set_permissions(&token, PermissionsExt::from_mode(0o640)).unwrap();
    let mut daemon = over_tcp(&stage, &["--token-file", "token"]);
    let mut errors = daemon.stderr();
    let mut line = String::new();
    errors.read_line(&mut line).unwrap();
    assert_eq!(
        line,
        "imtag: warning: others can read token, which holds a secret: chmod 600 it\n"
    );
    fs::set_permissions(&token, PermissionsExt::from_mode(0o600)).unwrap();
    assert_eq!((code(&daemon, TOKEN), code(&daemon, "other")), (0, 70003));
    let next = "another-hush-0123456789";
    stage.file("token", next);
    fs::remove_file(stage.home.path().join("data/local-key")).unwrap();
    daemon.signal(Signal::HUP);
    wait_until("the token is not read", || code(&daemon, next) == 0);
    assert_eq!(code(&daemon, TOKEN), 70003);
    let ran = caller(&stage, &daemon, &["get", "alice"]);
    assert_eq!(
        ran.exit,
        Some(0),
        "by the local key that was made anew: {ran:?}"
    );

    stage.file("token", "");
    daemon.signal(Signal::HUP);
    let mut line = String::new();
    errors.read_line(&mut line).unwrap();
    assert!(line.contains("token holds no token"), "{line}");
    assert!(line.ends_with("; the daemon goes on as before\n"), "{line}");
    assert_eq!(code(&daemon, next), 0);
    daemon.end(Signal::TERM);
    let mut rest = String::new();
    errors.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
}
