//! `add`, `get`, `remove` and `clear` against the emulator: what they do, what they say, and how they end. A failure has
//! one sentence: people read on standard error what programs find in `message`.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use std::net::TcpListener;
use std::time::Duration;

use imtag_emulator::{Fault, Operation, ProbabilisticFault};
use serde_json::json;
use stage::{ADD, GET, Ran, Stage, arrivals, run, signal};

/// Runs a command as people and as programs do, and holds both to this exit code and this sentence, in which `…` stands
/// for what is the machine's own.
#[track_caller]
fn says(run: impl Fn(&[&str]) -> Ran, arguments: &[&str], exit: i32, sentence: &str) {
    let run = |arguments: &[&str]| without_attempts(run(arguments));
    let text = run(arguments);
    assert_eq!(text.exit, Some(exit), "{text:?}");
    let said = text.err.lines().next().unwrap();
    let (start, end) = sentence.split_once('…').unwrap_or((sentence, ""));
    let begins = said.strip_prefix("imtag: ").unwrap().starts_with(start);
    assert!(begins && said.ends_with(end), "{said}");
    let json = run(&[arguments, &["--json"]].concat());
    assert_eq!(json.exit, Some(exit), "{json:?}");
    assert_eq!(json.err, format!("{said}\n"));
    let object = json.json();
    let message = object.get("message").unwrap_or(&object["error"]["message"]);
    assert_eq!(format!("imtag: {}", message.as_str().unwrap()), said);
}

/// How many attempts there are is chance.
fn without_attempts(mut ran: Ran) -> Ran {
    for text in [&mut ran.out, &mut ran.err] {
        let parts = text.split_inclusive("; ");
        let parts = parts.map(|part| match part.split_once(" attempts)") {
            Some((_, rest)) => format!("some attempts){rest}"),
            None => part.to_owned(),
        });
        *text = parts.collect();
    }
    ran
}

fn through<'s>(stage: &'s Stage, name: &'s str, value: String) -> impl Fn(&[&str]) -> Ran + 's {
    move |arguments| {
        let mut command = stage.imtag(arguments);
        command.env(name, &value);
        run(command)
    }
}

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

    let left_out = Fault::leave_out(["v"], 70107).text("no such account");
    stage.emulator.faults(GET, vec![left_out; 3]);
    let partial = "get: 1 of 2 accounts failed, the first is \"v\": 70107 \"no such account\" \
         (not read; import the account first, or let its user log in once)";
    let get = ["get", "u", "v"];
    says(|arguments| stage.run(arguments), &get, 1, partial);
    let named = "\nimtag: v: not read: 70107 \"no such account\" (import the account first, or let its user log in once)\n";
    let text = stage.run(&get);
    assert!(text.err.ends_with(named), "{text:?}");
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

    let slow = Fault::delay(Duration::from_secs(60));
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

#[test]
fn violations_are_named_all_at_once_and_nothing_is_sent() {
    let stage = Stage::new();
    let run = |arguments: &[&str]| stage.run(arguments);
    let invalid = "invalid request, nothing was sent: users[0].tags[0]: empty, at least 1 byte (leave it out, or fill it)";
    says(run, &["add", "u", ""], 2, invalid);
    let eleven = "add alice a b c d e f g h i j k";
    let eleven: Vec<_> = eleven.split(' ').collect();
    let too_many = "users[0].tags: 11 given, at most 10 (split it into several requests)";
    stage.run(&eleven).refuses(2, too_many);
    let ran = stage.run(&["remove", "", "vip", &"x".repeat(51)]);
    ran.refuses(2, "users[0].account: empty");
    ran.refuses(2, "users[0].tags[1]: 51 bytes, at most 50");
    let twice = stage.run(&["get", "alice", "alice"]);
    twice.refuses(2, "accounts[1]: the same account as at position 0");
    assert_eq!(stage.emulator.stats().arrivals(), 0);
    let (_, refused) = stage.json(&["add", "alice", ""]);
    assert_eq!(refused["error"]["exit_code"], 2);
}

#[test]
fn what_the_service_refuses_is_named_with_code_remedy_and_effect() {
    let stage = Stage::with(|emulator| emulator.unknown_accounts(["nobody"]));
    let add = ["add", "nobody", "vip"];
    let whole = "add: the service refused the request: 70107 \"the account was never imported\" \
         (possibly applied; import the account first, or let its user log in once)";
    let ran = stage.run(&add);
    assert_eq!(ran.exit, Some(1));
    let err = format!("imtag: {whole}\nimtag: nobody: possibly applied\n");
    assert_eq!(ran.err, err);
    says(|arguments| stage.run(arguments), &add, 1, whole);
    let (_, refused) = stage.json(&add);
    let failure = &refused["failures"][0];
    let named = json!(["nobody", 70107, "possibly applied"]);
    assert_eq!(
        json!([failure["account"], failure["code"], failure["effect"]]),
        named
    );
    assert_eq!(refused["accounts"], 0);

    let without_a_text = "add: the service refused the request: 90009 the call needs the rights of an app administrator \
         (not applied; use an administrator as identifier)";
    let fault = Fault::code(90009).text("");
    stage.emulator.faults(ADD, vec![fault; 2]);
    says(|arguments| stage.run(arguments), &add, 3, without_a_text);
}

#[test]
fn credentials_that_the_service_refuses_are_a_matter_of_settings() {
    let stage = Stage::new();
    let wrong_key = through(&stage, "IMTAG_SECRET_KEY", "another-apps-key".to_owned());
    assert!(!format!("{:?}", wrong_key(&["get", "alice"])).contains("another-apps-key"));
    let refused = "get: the service refused the request: 70009 \"… (not read; use the secret key of this very app)";
    says(wrong_key, &["get", "alice"], 3, refused);
    let ran = stage.run(&["get", "alice", "--identifier", "somebody"]);
    assert_eq!(ran.exit, Some(3));
    assert!(ran.err.contains("60010"), "{ran:?}");
}

#[test]
fn a_failure_of_the_network_reads_the_same() {
    let stage = Stage::new();
    let add = ["add", "u", "vip", "--timeout", "1"];
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let late = "add: time is up while waiting for the answer (possibly applied; try again, or allow more time; some attempts)";
    let address = format!("http://{}", silent.local_addr().unwrap());
    let silent_service = through(&stage, "IMTAG_ENDPOINT", address);
    says(silent_service, &add, 4, late);

    stage
        .emulator
        .add_standing(ProbabilisticFault::new(Fault::status(502).body("x"), 1.0).unwrap());
    let gateway = "add: HTTP status 502 instead of 200, with \"x\" (possibly applied; try again; the service itself always answers 200…)";
    says(|arguments| stage.run(arguments), &add, 4, gateway);
}

#[test]
fn a_cancelled_call_reads_the_same() {
    let stage = Stage::new();
    let held = Fault::delay(Duration::from_secs(60));
    stage.emulator.faults(ADD, vec![held; 2]);
    let interrupted = |arguments: &[&str]| {
        let before = stage.emulator.stats().arrivals();
        let child = stage.imtag(arguments).spawn().unwrap();
        arrivals(&stage, before + 1);
        signal(&child);
        Ran::from_output(child.wait_with_output().unwrap())
    };
    let cancelled = "add: cancelled while waiting for the answer (possibly applied; call again if it is still wanted)";
    says(interrupted, &["add", "u", "vip"], 130, cancelled);
}
