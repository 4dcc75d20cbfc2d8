//! What servers do to connections, and what a call makes of it: closed while idle, dead on arrival, more than was
//! asked for, answers that never end.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use imtag_emulator::{Fault, Operation};
use imtag_transport::Effect;
use support::*;

const DONE: &str = r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}"#;

const REFUSED: &str = r#"{"ActionStatus":"FAIL","ErrorInfo":"","ErrorCode":70402}"#;

fn answer(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Reads a whole request; false where there is none any more.
fn read_request(stream: &mut TcpStream) -> bool {
    let mut request = Vec::new();
    while !request.ends_with(b"]}") {
        let mut piece = [0; 4096];
        match stream.read(&mut piece) {
            Ok(read) if read > 0 => request.extend_from_slice(&piece[..read]),
            _ => return false,
        }
    }
    true
}

#[test]
fn a_connection_that_dies_as_the_request_is_sent_costs_one_more_attempt_at_once() {
    let emulator = emulator();
    let client = client(&emulator);
    client.add_tag(&add()).unwrap();
    emulator.fault(Operation::Add, Fault::cut_before());
    let outcome = client.add_tag(&add()).unwrap();
    assert_eq!((outcome.attempts, emulator.stats().connections), (2, 2));
}

#[test]
fn connections_that_the_server_closed_while_idle_are_replaced_unseen() {
    let (closed, wait_for_close) = mpsc::channel();
    let address = server(move |mut stream| {
        assert!(read_request(&mut stream));
        stream.write_all(answer(DONE).as_bytes()).unwrap();
        drop(stream);
        closed.send(()).unwrap();
    });
    let client = builder(&format!("http://{address}")).build().unwrap();
    for _ in 0..3 {
        assert_eq!(client.add_tag(&add()).unwrap().attempts, 1);
        wait_for_close.recv().unwrap();
    }
}

#[test]
fn what_a_server_sends_beyond_its_answer_is_not_taken_for_the_next_answer() {
    let requests = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&requests);
    let address = server(move |mut stream| {
        while read_request(&mut stream) {
            seen.fetch_add(1, Ordering::SeqCst);
            let twice = answer(DONE).repeat(2);
            stream.write_all(twice.as_bytes()).unwrap();
        }
    });
    let client = builder(&format!("http://{address}")).build().unwrap();
    for call in 1..=3 {
        client.add_tag(&add()).unwrap();
        assert_eq!(requests.load(Ordering::SeqCst), call);
    }
}

#[test]
fn an_answer_sent_again_is_not_taken_for_the_next_where_it_is_there_before_the_next_request() {
    let (send_again, told) = mpsc::channel::<()>();
    let told = Mutex::new(told);
    let (tell, sent_again) = mpsc::channel();
    let connections = AtomicU32::new(0);
    let address = server(move |mut stream| {
        let first = connections.fetch_add(1, Ordering::SeqCst) == 0;
        while read_request(&mut stream) {
            stream.write_all(answer(DONE).as_bytes()).unwrap();
            if first {
                told.lock().unwrap().recv().unwrap();
                stream.write_all(answer(REFUSED).as_bytes()).unwrap();
                tell.send(()).unwrap();
            }
        }
    });
    let client = builder(&format!("http://{address}")).build().unwrap();
    client.add_tag(&add()).unwrap();
    send_again.send(()).unwrap(); // the connection is idle by now
    sent_again.recv().unwrap();
    assert_eq!(client.add_tag(&add()).unwrap().sent, 1);
}

/// What HTTP/1.1 cannot give: nothing in an answer says which request it is for.
#[test]
fn an_answer_sent_again_after_the_next_request_is_taken_for_the_next() {
    let (tell, sent_late) = mpsc::channel();
    let connections = AtomicU32::new(0);
    let address = server(move |mut stream| {
        let first = connections.fetch_add(1, Ordering::SeqCst) == 0;
        let mut requests = 0;
        while read_request(&mut stream) {
            requests += 1;
            stream.write_all(answer(DONE).as_bytes()).unwrap();
            if first && requests == 2 {
                // the answer that it was waiting for; it is there too late, and ends the connection
                drop(stream.write_all(answer(REFUSED).as_bytes()));
                tell.send(()).unwrap();
                return;
            }
        }
    });
    let client = builder(&format!("http://{address}")).build().unwrap();
    client.add_tag(&add()).unwrap();
    assert_eq!(client.add_tag(&add()).unwrap().sent, 1);
    sent_late.recv().unwrap();
    assert_eq!(client.add_tag(&add()).unwrap().sent, 1);
}

#[test]
fn an_error_page_that_never_ends_does_not_keep_the_call_from_trying_again() {
    let answers = AtomicU32::new(0);
    let address = server(move |mut stream| {
        assert!(read_request(&mut stream));
        if answers.fetch_add(1, Ordering::SeqCst) > 0 {
            stream.write_all(answer(DONE).as_bytes()).unwrap();
            return;
        }
        let page = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 1000\r\n\r\nbad";
        stream.write_all(page).unwrap();
        thread::spawn(move || {
            let _held = stream;
            thread::sleep(Duration::from_secs(60));
        });
    });
    let client = builder(&format!("http://{address}")).build().unwrap();
    assert_eq!(client.add_tag(&add()).unwrap().attempts, 2);
}

#[test]
fn a_head_that_is_too_long_is_not_understood() {
    let address = server(|mut stream| {
        assert!(read_request(&mut stream));
        let head = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(300_000));
        drop(stream.write_all(head.as_bytes()));
    });
    let client = builder(&format!("http://{address}")).build().unwrap();
    let error = client.add_tag(&add()).unwrap_err();
    assert!(error.to_string().contains("head is too long"), "{error}");
    assert_eq!(error.effect(), Effect::PossiblyApplied);
}
