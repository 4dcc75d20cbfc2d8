//! A server that is not the service, or none: one sentence, the documented exit code, and what is known of the effect.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use std::net::TcpListener;
use std::process::Command;

use imtag_emulator::{Emulator, Fault};
use stage::{ADD, Ran, Stage, run};

/// Runs one call and an import of one user, and holds both to this exit code and to what they say.
#[track_caller]
fn both_say(stage: &Stage, change: impl Fn(&mut Command), exit: i32, parts: &[&str]) {
    stage.file("users.csv", "account,tag\nalice,vip\n");
    // half of an import's time is waited out, where nobody answers
    let import = ["import", "--timeout", "2", "users.csv"];
    for arguments in [&["add", "alice", "vip"][..], &import] {
        let mut command = stage.imtag(arguments);
        change(&mut command);
        says(&run(command), exit, parts);
    }
}

#[track_caller]
fn says(ran: &Ran, exit: i32, parts: &[&str]) {
    assert_eq!(ran.exit, Some(exit), "{ran:?}");
    for part in parts {
        let said = ran.out.contains(part) || ran.err.contains(part);
        assert!(said, "{part:?} is not in {ran:?}");
    }
}

#[test]
fn a_port_where_nobody_listens() {
    let stage = Stage::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let parts = [
        "the network failed while connecting: Connection refused",
        "not applied",
        "check the endpoint and the network",
    ];
    let elsewhere = |command: &mut Command| {
        command.env("IMTAG_ENDPOINT", &endpoint);
    };
    both_say(&stage, elsewhere, 4, &parts);
}

#[test]
fn a_page_of_html() {
    let stage = Stage::new();
    stage.emulator.faults(ADD, vec![Fault::garbage(); 8]);
    let parts = [
        "not an answer",
        "possibly applied",
        "check the endpoint: this may not be the service",
    ];
    both_say(&stage, |_| {}, 4, &parts);
}

#[test]
fn a_redirect_is_not_followed() {
    let stage = Stage::new();
    let elsewhere = Stage::new();
    let redirect = Fault::redirect(elsewhere.emulator.endpoint());
    stage.emulator.faults(ADD, vec![redirect; 2]);
    let not_the_service = "check the endpoint: this is not the service";
    both_say(&stage, |_| {}, 3, &["HTTP status 302", not_the_service]);
    assert_eq!(elsewhere.emulator.stats().connections, 0);
}

#[test]
fn a_certificate_that_does_not_fit() {
    let stage = Stage::with(|emulator| emulator.tls(true));
    let other = Emulator::builder().tls(true).start().unwrap();
    let other_ca = stage.file("other.pem", other.ca_pem().unwrap());
    let parts = [
        "TLS failed",
        "not applied",
        "check the endpoint's name, the CA file and the clock",
    ];
    let of_another = |command: &mut Command| {
        command.env("IMTAG_CA_FILE", &other_ca);
    };
    both_say(&stage, of_another, 3, &parts);
    let public_roots = |command: &mut Command| {
        command.env_remove("IMTAG_CA_FILE");
    };
    both_say(&stage, public_roots, 3, &parts);
    assert_eq!(stage.emulator.stats().arrivals(), 0);
}

#[test]
fn a_foreign_page_is_shown_in_text_and_json_and_steers_no_terminal() {
    let stage = Stage::new();
    stage.file("users.csv", "account,tag\nalice,vip\n");
    let page = "<h1>404</h1>\u{1b}[2J\u{9b}2J";
    let shown = "HTTP status 404 instead of 200, with \"<h1>404</h1>\\u{1b}[2J\\u{9b}2J\"";
    for arguments in [&["add", "alice", "vip"][..], &["import", "users.csv"]] {
        for json in [false, true] {
            stage.emulator.fault(ADD, Fault::status(404).body(page));
            let mut command = stage.imtag(arguments);
            command.args(json.then_some("--json"));
            let ran = run(command);
            assert_eq!(ran.exit, Some(3), "{ran:?}");
            let mut all = ran.out.chars().chain(ran.err.chars());
            assert!(!all.any(|c| c.is_control() && c != '\n'), "{ran:?}");
            if !json {
                says(&ran, 3, &[shown]);
                continue;
            }
            let report = ran.json();
            let reason = report["failures"][0]["reason"].as_str();
            let ended = report["ended_early"].as_str();
            assert!(
                [reason, ended]
                    .into_iter()
                    .flatten()
                    .any(|it| it.contains(shown)),
                "{report}"
            );
        }
    }
}
