//! The UserSig and the key are in no log, error or Debug, whatever goes wrong and however much is logged.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::io::{Read, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use imtag_emulator::{Emulator, Fault, Operation};
use imtag_transport::{AddTags, Client};
use support::*;

/// Keeps all that anybody logs, down to the last detail.
struct Keep(Mutex<String>);

static KEPT: Keep = Keep(Mutex::new(String::new()));

impl log::Log for Keep {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let mut kept = self.0.lock().unwrap();
        kept.push_str(&format!("{}: {}\n", record.target(), record.args()));
    }

    fn flush(&self) {}
}

fn usersig_of(request: &imtag_emulator::Arrived) -> bool {
    request
        .query
        .iter()
        .any(|(name, value)| name == "usersig" && value.starts_with("eJ"))
}

#[test]
fn no_log_error_or_debug_shows_a_secret() {
    log::set_logger(&KEPT).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let emulator = Emulator::builder()
        .secret_key(key())
        .tls(true)
        .start()
        .unwrap();
    let ca = ca_file(&emulator);
    let client: Client = builder(&emulator.endpoint())
        .ca_file(ca.path())
        .build()
        .unwrap();
    let once = builder(&emulator.endpoint()).ca_file(ca.path());
    let once = once.retry(ONE_ATTEMPT).build().unwrap();
    let request: AddTags<'_> = add();
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
    let echoed = builder(&format!("http://{}", echoing_server()))
        .retry(ONE_ATTEMPT)
        .build()
        .unwrap();
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

    let kept = KEPT.0.lock().unwrap();
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
fn echoing_server() -> std::net::SocketAddr {
    let answers = AtomicUsize::new(0);
    server(move |mut stream| {
        let mut request = [0; 8192];
        let read = stream.read(&mut request).unwrap();
        let request = String::from_utf8_lossy(&request[..read]).into_owned();
        let line = request.lines().next().unwrap().to_owned();
        let encoded = line.replace('*', "%2A");
        let fail =
            format!(r#"{{"ActionStatus":"FAIL","ErrorInfo":"bad url {line}","ErrorCode":60002}}"#);
        let (head, body) = match answers.fetch_add(1, Ordering::SeqCst) {
            0 => ("404 Not Found".to_owned(), format!("Cannot {line}")),
            1 => ("404 Not Found".to_owned(), format!("Cannot {encoded}")),
            2 => ("200 OK".to_owned(), fail),
            3 => ("200 OK".to_owned(), format!("<p>{line}")),
            4 => (
                format!(
                    "302 Found\r\nLocation: http://127.0.0.1{}",
                    line.replace(' ', "")
                ),
                String::new(),
            ),
            _ => return,
        };
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        stream.write_all(answer.as_bytes()).unwrap();
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
