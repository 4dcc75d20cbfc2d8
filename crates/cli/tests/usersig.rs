//! `usersig`: what it makes verifies, official vectors verify, and what does not says why.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use serde_json::Value;
use stage::{Ran, Stage, run, run_with_input};

fn vectors() -> Vec<Value> {
    let text = include_str!("../../core/tests/usersig.json");
    serde_json::from_str(text).unwrap()
}

/// Runs `usersig` for the app of a vector.
fn usersig(stage: &Stage, vector: &Value, arguments: &[&str], given: Option<&str>) -> Ran {
    let text = |name: &str| match &vector[name] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut command = stage.bare(&["usersig"]);
    command
        .args(arguments)
        .env("IMTAG_SDKAPPID", text("sdkappid"))
        .env("IMTAG_IDENTIFIER", text("identifier"))
        .env("IMTAG_SECRET_KEY", text("key"));
    if let Some(given) = given {
        command.env("IMTAG_USERSIG", given);
    }
    let ran = run(command);
    // one of the keys is so short that it is part of other words
    let key = text("key");
    assert!(key.len() < 16 || !format!("{ran:?}").contains(&key));
    ran
}

#[test]
fn official_vectors_verify_at_their_time_and_so_does_what_is_made() {
    let stage = Stage::new();
    for vector in vectors() {
        let (time, expire) = (vector["time"].to_string(), vector["expire"].to_string());
        let make = ["--time", &time, "--expire", &expire];
        let made = usersig(&stage, &vector, &make, None);
        assert_eq!(made.exit, Some(0));
        assert_eq!(made.out.lines().count(), 1);
        for given in [vector["usersig"].as_str().unwrap(), made.out.trim()] {
            let verify = ["--verify", "--time", &time, "--json"];
            let ran = usersig(&stage, &vector, &verify, Some(given));
            assert_eq!(ran.exit, Some(0), "{ran:?}");
            let says = ran.json();
            assert_eq!(says["verified"], true);
            for name in ["sdkappid", "identifier"] {
                assert_eq!(says[name], vector[name]);
            }
            assert_eq!(says["made_at"], vector["time"]);
        }
    }
}

#[test]
fn one_that_does_not_verify_says_why() {
    let stage = Stage::new();
    let vector = &vectors()[0];
    let official = vector["usersig"].as_str().unwrap();
    let late = ["--verify", "--time", "1900000000"];
    usersig(&stage, vector, &late, Some(official)).refuses(3, "the UserSig has expired");
    usersig(&stage, vector, &["--verify"], Some("a b")).refuses(3, "holds a blank");
    usersig(&stage, vector, &["--verify"], None).refuses(3, "the UserSig is empty");
}

#[test]
fn what_stands_around_a_key_in_its_file_is_dropped_and_what_no_key_holds_is_named() {
    let stage = Stage::new();
    let key = stage::KEY;
    for (content, what) in [
        (format!("\u{feff}{key}\r\n"), ""),
        (format!(" {key} \n\n"), ""),
        (format!("\"{key}\""), "holds a quotation mark: "),
        ("x".repeat(4097), " is too long for a key: "),
        ("\n".to_owned(), "is empty"),
    ] {
        let file = stage.file("key", content);
        let mut command = stage.imtag(&["add", "alice", "vip"]);
        command.env_remove("IMTAG_SECRET_KEY");
        command.env("IMTAG_SECRET_KEY_FILE", file);
        let ran = run(command);
        let exit = if what.is_empty() { 0 } else { 3 };
        assert_eq!(ran.exit, Some(exit), "{ran:?}");
        assert!(ran.err.contains(what), "{ran:?}");
        assert!(!format!("{ran:?}").contains(&key[..8]), "{ran:?}");
    }
}

#[test]
fn a_usersig_may_come_from_standard_input_with_a_mark_and_line_ends_around_it() {
    let stage = Stage::new();
    for (around, exit) in [(("\u{feff}", "\r\n"), 0), (("\"", "\""), 3)] {
        let usersig = stage.usersig();
        let text = format!("{}{}{}", around.0, usersig.expose(), around.1);
        let mut command = stage.imtag(&["usersig", "--verify"]);
        command.env_remove("IMTAG_USERSIG");
        let ran = run_with_input(command, text.as_bytes());
        assert_eq!(ran.exit, Some(exit), "{ran:?}");
        let verifies = "the UserSig verifies\nSDKAppID:    1400000000\n";
        assert_eq!(ran.out.starts_with(verifies), exit == 0, "{ran:?}");
    }
}
