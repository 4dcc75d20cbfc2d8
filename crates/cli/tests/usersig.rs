//! `usersig`: what it makes verifies, official vectors verify, and what does not says why.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use serde_json::Value;
use stage::{Ran, Stage, run};

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
fn the_official_vectors_verify_at_their_time() {
    let stage = Stage::new();
    for vector in vectors() {
        let time = vector["time"].to_string();
        let official = vector["usersig"].as_str().unwrap();
        let ran = usersig(
            &stage,
            &vector,
            &["--verify", "--time", &time, "--json"],
            Some(official),
        );
        assert_eq!(ran.exit, Some(0), "{ran:?}");
        let says = ran.json();
        assert_eq!(says["verified"], true);
        for name in ["sdkappid", "identifier"] {
            assert_eq!(says[name], vector[name]);
        }
        assert_eq!(says["made_at"], vector["time"]);
    }
}

#[test]
fn what_is_made_is_printed_alone_and_verifies() {
    let stage = Stage::new();
    for vector in vectors() {
        let (time, expire) = (vector["time"].to_string(), vector["expire"].to_string());
        let made = usersig(
            &stage,
            &vector,
            &["--time", &time, "--expire", &expire],
            None,
        );
        assert_eq!(made.exit, Some(0));
        assert_eq!(made.out.lines().count(), 1);
        let ran = usersig(
            &stage,
            &vector,
            &["--verify", "--time", &time],
            Some(made.out.trim()),
        );
        assert_eq!(ran.exit, Some(0), "{ran:?}");
    }
}

#[test]
fn one_that_does_not_verify_says_why() {
    let stage = Stage::new();
    let vector = &vectors()[0];
    let official = vector["usersig"].as_str().unwrap();
    let late = ["--verify", "--time", "1900000000"];
    usersig(&stage, vector, &late, Some(official)).refuses(3, "the UserSig has expired");
    let cut = &official[..official.len() - 8];
    usersig(&stage, vector, &["--verify"], Some(cut)).refuses(3, "the UserSig is malformed");
    usersig(&stage, vector, &["--verify"], Some("a b")).refuses(3, "a character that none has");
    usersig(&stage, vector, &["--verify"], None).refuses(3, "the UserSig is empty");
    usersig(&stage, &vectors()[1], &["--verify"], Some(official))
        .refuses(3, "made for another identifier");
}
