//! `add`, `get`, `remove` and `clear` against the emulator: what they do, what they say, and how they end.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use imtag_emulator::{Fault, Operation};
use serde_json::json;
use stage::{ADD, GET, Stage, run};

#[test]
fn a_user_is_tagged_shown_untagged_and_cleared() {
    let stage = Stage::new();
    let added = stage.run(&["add", "alice", "vip", "北京"]);
    assert_eq!((added.exit, added.err.as_str()), (Some(0), ""));
    assert_eq!(added.out, "tags added to 1 user\n");
    assert_eq!(stage.tags_of("alice"), ["vip", "北京"]);

    let got = stage.run(&["get", "alice", "bob"]);
    assert_eq!(got.exit, Some(0));
    assert_eq!(got.out, "alice\n  vip\n  北京\nbob\n  (no tags)\n");

    let removed = stage.run(&["remove", "alice", "vip"]);
    assert_eq!(removed.out, "tags removed from 1 user\n");
    assert_eq!(stage.tags_of("alice"), ["北京"]);

    let cleared = stage.run(&["clear", "alice", "--yes"]);
    assert_eq!(cleared.out, "all tags removed from 1 user\n");
    assert_eq!(stage.tags_of("alice"), [""; 0]);
}

#[test]
fn programs_get_one_object() {
    let stage = Stage::with(|emulator| emulator.tls(true));
    let (exit, added) = stage.json(&["add", "alice", "vip"]);
    assert_eq!(exit, Some(0));
    assert_eq!(added["operation"], "add");
    assert_eq!(
        (&added["accounts"], &added["attempts"]),
        (&json!(1), &json!(1))
    );
    assert!(added["request_id"].is_string());
    assert_eq!(added["failures"], json!([]));

    let (exit, got) = stage.json(&["get", "alice", "bob"]);
    assert_eq!(exit, Some(0));
    let users = json!([{"account": "alice", "tags": ["vip"]}, {"account": "bob", "tags": []}]);
    assert_eq!(got["users"], users);
}

#[test]
fn a_violation_is_named_and_nothing_is_sent() {
    let stage = Stage::new();
    let tags: Vec<String> = (0..11).map(|tag| format!("tag{tag}")).collect();
    let mut arguments = vec!["add", "alice"];
    arguments.extend(tags.iter().map(String::as_str));
    stage.run(&arguments).refuses(
        2,
        "users[0].tags: 11 given, at most 10 (split it into several requests)",
    );
    let long = "x".repeat(51);
    let ran = stage.run(&["remove", "", "vip", &long]);
    ran.refuses(2, "users[0].account: empty");
    ran.refuses(2, "users[0].tags[1]: 51 bytes, at most 50");
    stage
        .run(&["get", "alice", "alice"])
        .refuses(2, "accounts[1]: the same account as at position 0");
    assert_eq!(stage.emulator.stats().arrivals(), 0);

    let (exit, refused) = stage.json(&["add", "alice", ""]);
    assert_eq!(exit, Some(2));
    assert_eq!(refused["error"]["exit_code"], 2);
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains("users[0].tags[0]: empty"), "{message}");
}

#[test]
fn what_the_service_refuses_is_named_with_code_remedy_and_effect() {
    let stage = Stage::with(|emulator| emulator.unknown_accounts(["nobody"]));
    let ran = stage.run(&["add", "nobody", "vip"]);
    assert_eq!(ran.exit, Some(1));
    assert_eq!(
        ran.err,
        "imtag: add: the service refused the request: 70107 \"the account was never imported\" \
         (possibly applied; import the account first, or let its user log in once)\n\
         imtag: nobody: possibly applied\n"
    );

    let (exit, refused) = stage.json(&["add", "nobody", "vip"]);
    assert_eq!(exit, Some(1));
    let failure = &refused["failures"][0];
    assert_eq!(
        (&failure["account"], &failure["code"]),
        (&json!("nobody"), &json!(70107))
    );
    assert_eq!(failure["effect"], "possibly applied");
    assert_eq!(refused["accounts"], 0);
}

#[test]
fn a_partial_success_names_every_account_left_out() {
    let stage = Stage::new();
    stage.run(&["add", "alice", "vip"]);
    stage
        .emulator
        .fault(GET, Fault::leave_out(["bob", "carol"], 70107));
    let (exit, got) = stage.json(&["get", "alice", "bob", "carol"]);
    assert_eq!(exit, Some(1));
    assert_eq!(got["accounts"], 1);
    assert_eq!(got["users"], json!([{"account": "alice", "tags": ["vip"]}]));
    let failures = got["failures"].as_array().unwrap();
    let accounts: Vec<_> = failures
        .iter()
        .map(|it| it["account"].as_str().unwrap())
        .collect();
    assert_eq!(accounts, ["bob", "carol"]);
    assert!(failures.iter().all(|it| it["effect"] == "not read"));
}

#[test]
fn credentials_that_the_service_refuses_are_a_matter_of_settings() {
    let stage = Stage::new();
    let mut command = stage.imtag(&["get", "alice"]);
    command.env("IMTAG_SECRET_KEY", "another-apps-key");
    let ran = run(command);
    assert_eq!(ran.exit, Some(3));
    assert!(ran.err.contains("70009"), "{ran:?}");
    assert!(ran.err.contains("use the secret key of this very app"));
    assert!(!format!("{ran:?}").contains("another-apps-key"));

    let ran = stage.run(&["get", "alice", "--identifier", "somebody"]);
    assert_eq!(ran.exit, Some(3));
    assert!(ran.err.contains("60010"), "{ran:?}");
}

#[test]
fn a_ready_usersig_or_a_key_in_a_file_will_do() {
    let stage = Stage::new();
    let mut command = stage.imtag(&["add", "alice", "vip"]);
    let usersig = stage.usersig();
    command.env_remove("IMTAG_SECRET_KEY");
    command.env("IMTAG_USERSIG", usersig.expose());
    let ran = run(command);
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    assert!(!format!("{ran:?}").contains(usersig.expose()));

    let mut command = stage.imtag(&["add", "alice", "ios", "--secret-key-file", "key"]);
    stage.file("key", format!("{KEY}\n", KEY = stage::KEY));
    command.env_remove("IMTAG_SECRET_KEY");
    assert_eq!(run(command).exit, Some(0));
    assert_eq!(stage.tags_of("alice"), ["ios", "vip"]);
}

#[test]
fn retries_are_counted_and_end_within_the_timeout() {
    let stage = Stage::new();
    stage
        .emulator
        .faults(ADD, [Fault::code(91000), Fault::cut_after()]);
    let (exit, added) = stage.json(&["add", "alice", "vip"]);
    assert_eq!((exit, &added["attempts"]), (Some(0), &json!(3)));

    stage.emulator.faults(ADD, vec![Fault::code(91000); 4]);
    let (exit, added) = stage.json(&["add", "alice", "vip"]);
    assert_eq!((exit, &added["attempts"]), (Some(4), &json!(4)));
    assert_eq!(added["failures"][0]["effect"], "possibly applied");

    let slow = Fault::delay(std::time::Duration::from_secs(60));
    stage.emulator.faults(ADD, vec![slow; 10]); // one is waited for half of the time, and then tried again
    let ran = stage.run(&["add", "alice", "vip", "--timeout", "1"]);
    assert_eq!(ran.exit, Some(4));
    assert!(ran.err.contains("time is up while waiting for the answer"));
    assert!(ran.err.contains("possibly applied"), "{ran:?}");
}

#[test]
fn to_clear_without_a_terminal_needs_a_yes() {
    let stage = Stage::new();
    stage.run(&["add", "alice", "vip"]);
    stage
        .run(&["clear", "alice"])
        .refuses(2, "say --yes if that is meant");
    assert_eq!(stage.tags_of("alice"), ["vip"]);
}

#[test]
fn the_other_generation_calls_the_other_paths() {
    let stage = Stage::new();
    let id = "379C2F0D-290D-47AE-94D1-919058C39C77";
    assert_eq!(stage.run(&["add", id, "vip"]).exit, Some(2));
    assert_eq!(
        stage
            .run(&["add", id, "vip", "--generation", "timpush"])
            .exit,
        Some(0)
    );
    let stats = stage.emulator.stats();
    let timpush = (Operation::Add, imtag_emulator::Generation::Timpush);
    assert_eq!((stats.arrivals(), stats.route(timpush).arrivals), (1, 1));
}

#[test]
fn a_code_is_explained_without_settings_and_an_unknown_one_is_said_to_be() {
    let stage = Stage::new();
    let known = run(stage.bare(&["explain", "70107"]));
    assert_eq!(known.exit, Some(0));
    assert_eq!(
        known.out,
        "70107: an account was never imported\n\
         what to do:  import the account first, or let its user log in once\n\
         call again:  no\n\
         effect:      possibly applied\n"
    );
    let unknown = run(stage.bare(&["explain", "12345"]));
    assert_eq!(
        unknown.out,
        "12345: unknown code\n\
         what to do:  the code is in no list of the service: look at its text, or ask the\n             \
         service's support\n\
         call again:  no\n\
         effect:      possibly applied\n"
    );
    let json = run(stage.bare(&["explain", "--json", "-1"])).json();
    assert_eq!(
        (&json["known"], &json["meaning"]),
        (&json!(false), &json!(null))
    );
}
