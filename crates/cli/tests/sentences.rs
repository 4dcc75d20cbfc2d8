//! One failure, one sentence: what people read on standard error is what programs find in `message`, and what the
//! library says in every language.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use std::net::TcpListener;

use imtag_emulator::{Fault, ProbabilisticFault};
use stage::{ADD, GET, Ran, Stage, arrivals, run, signal};

/// Runs a command as people and as programs do, and holds both to this exit code and this sentence, of which a part that
/// is the machine's own may be left out.
#[track_caller]
fn says(run: impl Fn(&[&str]) -> Ran, arguments: &[&str], exit: i32, sentence: [&str; 2]) {
    let run = |arguments: &[&str]| without_attempts(run(arguments));
    let text = run(arguments);
    assert_eq!(text.exit, Some(exit), "{text:?}");
    let said = text.err.lines().next().unwrap().to_owned();
    assert!(
        said.starts_with(&format!("imtag: {}", sentence[0])),
        "{said}"
    );
    assert!(said.ends_with(sentence[1]), "{said}");
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

fn address_of(listener: &TcpListener) -> String {
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn a_refusal_reads_the_same_for_people_and_for_programs() {
    let stage = Stage::with(|emulator| emulator.unknown_accounts(["nobody"]));
    let add = ["add", "nobody", "vip"];
    let whole = [
        "add: the service refused the request: 70107 \"the account was never imported\" \
         (possibly applied; import the account first, or let its user log in once)",
        "",
    ];
    says(|arguments| stage.run(arguments), &add, 1, whole);

    let without_a_text = [
        "add: the service refused the request: 90009 the call needs the rights of an app administrator \
         (not applied; use an administrator as identifier)",
        "",
    ];
    stage
        .emulator
        .faults(ADD, vec![Fault::code(90009).text(""); 2]);
    says(|arguments| stage.run(arguments), &add, 3, without_a_text);

    let wrong_key = through(&stage, "IMTAG_SECRET_KEY", "1".repeat(64));
    let refused = [
        "add: the service refused the request: 70009 \"",
        " (not applied; use the secret key of this very app)",
    ];
    says(wrong_key, &add, 3, refused);
}

#[test]
fn a_partial_success_reads_the_same_and_its_accounts_are_named_in_the_same_words() {
    let stage = Stage::new();
    let left_out = Fault::leave_out(["v"], 70107).text("no such account");
    stage.emulator.faults(GET, vec![left_out; 3]);
    let partial = [
        "get: 1 of 2 accounts failed, the first is \"v\": 70107 \"no such account\" \
         (not read; import the account first, or let its user log in once)",
        "",
    ];
    let get = ["get", "u", "v"];
    says(|arguments| stage.run(arguments), &get, 1, partial);
    let named = "\nimtag: v: not read: 70107 \"no such account\" (import the account first, or let its user log in once)\n";
    let text = stage.run(&get);
    assert!(text.err.ends_with(named), "{text:?}");
}

#[test]
fn a_failure_of_the_network_reads_the_same() {
    let stage = Stage::new();
    let add = ["add", "u", "vip", "--timeout", "1"];
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let late = [
        "add: time is up while waiting for the answer (possibly applied; try again, or allow more time; some attempts)",
        "",
    ];
    says(
        through(&stage, "IMTAG_ENDPOINT", address_of(&silent)),
        &add,
        4,
        late,
    );

    let nobody = "http://127.0.0.1:1".to_owned();
    let refused = [
        "add: the network failed while connecting: Connection refused (os error 111) (not applied; ",
        ")",
    ];
    says(through(&stage, "IMTAG_ENDPOINT", nobody), &add, 4, refused);

    stage
        .emulator
        .add_standing(ProbabilisticFault::new(Fault::status(502).body("x"), 1.0).unwrap());
    let gateway = [
        "add: HTTP status 502 instead of 200, with \"x\" (possibly applied; try again; the service itself always answers 200",
        ")",
    ];
    says(|arguments| stage.run(arguments), &add, 4, gateway);
}

#[test]
fn a_violation_reads_the_same() {
    let stage = Stage::new();
    let invalid = [
        "invalid request, nothing was sent: users[0].tags[0]: empty, at least 1 byte (leave it out, or fill it)",
        "",
    ];
    says(
        |arguments| stage.run(arguments),
        &["add", "u", ""],
        2,
        invalid,
    );
}

#[test]
fn a_cancelled_call_reads_the_same() {
    let stage = Stage::new();
    let held = Fault::delay(std::time::Duration::from_secs(60));
    stage.emulator.faults(ADD, vec![held; 2]);
    let interrupted = |arguments: &[&str]| {
        let before = stage.emulator.stats().arrivals();
        let child = stage.imtag(arguments).spawn().unwrap();
        arrivals(&stage, before + 1);
        signal(&child);
        Ran::from_output(child.wait_with_output().unwrap())
    };
    let cancelled = [
        "add: cancelled while waiting for the answer (possibly applied; call again if it is still wanted)",
        "",
    ];
    says(interrupted, &["add", "u", "vip"], 130, cancelled);
}
