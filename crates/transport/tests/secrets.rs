//! The UserSig and the key are in no error or Debug, whatever goes wrong; events.rs holds the same
//! of what is logged.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use imtag_emulator::{Fault, Operation};
use support::*;

fn usersig_of(request: &imtag_emulator::Arrived) -> bool {
    request
        .query
        .iter()
        .any(|(name, value)| name == "usersig" && value.starts_with("eJ"))
}

#[test]
fn no_error_or_debug_shows_a_secret() {
    let emulator = tls_emulator();
    let ca = ca_file(&emulator);
    let builder = builder(&emulator.endpoint()).ca_file(ca.path());
    let client = builder.clone().build().unwrap();
    let once = builder.retry(ONE_ATTEMPT).build().unwrap();
    let request = add();
    let mut shown = format!("{client:?} {:?}", client.add_tag(&request));
    for fault in [
        Fault::code(70009),
        Fault::code(60025),
        Fault::redirect("https://127.0.0.1:1/?usersig=x"),
        Fault::status(502),
        Fault::garbage(),
        Fault::truncated(),
        Fault::cut_after(),
        Fault::leave_out(["u"], 70107),
    ] {
        emulator.faults(Operation::Add, vec![fault; 4]);
        let error = once.add_tag(&request).unwrap_err();
        shown.push_str(&format!("{error} {error:?} {error:#?}\n"));
        emulator.reset().unwrap();
    }
    drop(emulator);
    shown.push_str(&format!("{:?}", once.add_tag(&request)));

    // every UserSig starts so: the head of zlib's stream, and of the document's JSON
    for secret in ["eJyr", "eJw", KEY] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn the_usersig_arrives_all_the_same() {
    let emulator = emulator();
    client(&emulator).add_tag(&add()).unwrap();
    let requests = emulator.requests();
    assert!(
        !requests.iter().any(usersig_of),
        "the emulator does not show it either"
    );
    assert_eq!(requests[0].code, Some(0), "and it verified");
}
