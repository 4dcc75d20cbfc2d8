//! The UserSig and the key are in no log, error or Debug, whatever goes wrong and however much is logged.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};

use imtag_emulator::{Fault, Operation};
use support::*;

fn usersig_of(request: &imtag_emulator::Arrived) -> bool {
    request
        .query
        .iter()
        .any(|(name, value)| name == "usersig" && value.starts_with("eJ"))
}

#[test]
fn no_log_error_or_debug_shows_a_secret() {
    let kept = keep_logs();
    let emulator = tls_emulator();
    let ca = ca_file(&emulator);
    let builder = builder(&emulator.endpoint()).ca_file(ca.path());
    let client = builder.clone().build().unwrap();
    let once = builder.clone().retry(ONE_ATTEMPT).build().unwrap();
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
        emulator.reset();
    }
    let echoed = builder.endpoint(echoing_server()).retry(ONE_ATTEMPT);
    let echoed = echoed.build().unwrap();
    for expected in [
        "Cannot POST",
        "Cannot POST",
        "bad url POST",
        "<p>POST",
        "302",
    ] {
        let error = echoed.add_tag(&request).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        shown.push_str(&format!("{error} {error:?}\n"));
    }
    drop(emulator);
    shown.push_str(&format!("{:?}", once.add_tag(&request)));

    let kept = kept.lock().unwrap().join("\n");
    assert!(
        kept.contains("ureq"),
        "the HTTP library logs, or this test sees nothing"
    );
    // every UserSig starts so: the head of zlib's stream, and of the document's JSON
    for secret in ["eJyr", "eJw", KEY] {
        assert!(!kept.contains(secret), "{kept}");
        assert!(!shown.contains(secret), "{shown}");
    }
}

/// A server that repeats the request's first line in each place of its answer where a proxy may.
fn echoing_server() -> String {
    let answers = AtomicUsize::new(0);
    answering(move |request, stream| {
        let line = request.lines().next().unwrap();
        let encoded = line.replace('*', "%2A");
        let refusal =
            format!(r#"{{"ActionStatus":"FAIL","ErrorInfo":"bad url {line}","ErrorCode":60002}}"#);
        let location = line.replace(' ', "");
        let found = format!("302 Found\r\nLocation: http://127.0.0.1{location}");
        let (status, body) = match answers.fetch_add(1, Ordering::SeqCst) {
            0 => ("404 Not Found", format!("Cannot {line}")),
            1 => ("404 Not Found", format!("Cannot {encoded}")),
            2 => ("200 OK", refusal),
            3 => ("200 OK", format!("<p>{line}")),
            _ => (found.as_str(), String::new()),
        };
        say(stream, answer(status, &body));
        false
    })
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
