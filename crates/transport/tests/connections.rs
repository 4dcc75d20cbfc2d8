//! What servers do to connections, and what a call makes of it: closed while idle, dead on arrival, more than was
//! asked for, answers that never end.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::net::Shutdown;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use imtag_emulator::{Fault, Operation};
use support::*;

const REFUSED: &str = r#"{"ActionStatus":"FAIL","ErrorInfo":"","ErrorCode":70402}"#;

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
    let endpoint = answering(move |_, stream| {
        say(stream, answer("200 OK", DONE));
        stream.shutdown(Shutdown::Both).unwrap();
        closed.send(()).unwrap();
        false
    });
    let client = builder(&endpoint).build().unwrap();
    for _ in 0..3 {
        assert_eq!(client.add_tag(&add()).unwrap().attempts, 1);
        wait_for_close.recv().unwrap();
    }
}

#[test]
fn what_a_server_sends_beyond_its_answer_is_not_taken_for_the_next_answer() {
    let requests = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&requests);
    let endpoint = answering(move |_, stream| {
        seen.fetch_add(1, Ordering::SeqCst);
        say(stream, answer("200 OK", DONE).repeat(2));
        true
    });
    let client = builder(&endpoint).build().unwrap();
    for call in 1..=3 {
        client.add_tag(&add()).unwrap();
        assert_eq!(requests.load(Ordering::SeqCst), call);
    }
}

#[test]
fn an_answer_sent_twice_is_not_taken_for_the_next_if_it_arrives_before_the_next_request() {
    let (send_again, asked) = mpsc::channel::<()>();
    let asked = Mutex::new(asked);
    let (tell, sent_again) = mpsc::channel();
    let requests = AtomicU32::new(0);
    let endpoint = answering(move |_, stream| {
        say(stream, answer("200 OK", DONE));
        if requests.fetch_add(1, Ordering::SeqCst) == 0 {
            asked.lock().unwrap().recv().unwrap();
            say(stream, answer("200 OK", REFUSED));
            tell.send(()).unwrap();
        }
        true
    });
    let client = builder(&endpoint).build().unwrap();
    client.add_tag(&add()).unwrap();
    send_again.send(()).unwrap(); // the connection is idle by now
    sent_again.recv().unwrap();
    assert_eq!(client.add_tag(&add()).unwrap().sent, 1);
}

/// What HTTP/1.1 cannot give: nothing in an answer says which request it is for.
#[test]
fn an_answer_sent_twice_is_taken_for_the_next_if_it_arrives_after_the_next_request() {
    let (tell, sent_late) = mpsc::channel();
    let requests = AtomicU32::new(0);
    let endpoint = answering(move |_, stream| {
        let second = requests.fetch_add(1, Ordering::SeqCst) == 1;
        say(stream, answer("200 OK", DONE));
        if second {
            // the answer that it was waiting for; it is there too late, and ends the connection
            say(stream, answer("200 OK", REFUSED));
            tell.send(()).unwrap();
        }
        !second
    });
    let client = builder(&endpoint).build().unwrap();
    client.add_tag(&add()).unwrap();
    assert_eq!(client.add_tag(&add()).unwrap().sent, 1);
    sent_late.recv().unwrap();
    assert_eq!(client.add_tag(&add()).unwrap().sent, 1);
}

#[test]
fn an_error_page_that_never_ends_does_not_keep_the_call_from_trying_again() {
    let requests = AtomicU32::new(0);
    let endpoint = answering(move |_, stream| {
        if requests.fetch_add(1, Ordering::SeqCst) == 0 {
            let page = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 1000\r\n\r\nbad";
            say(stream, page); // and holds the connection open
        } else {
            say(stream, answer("200 OK", DONE));
        }
        true
    });
    let client = builder(&endpoint).build().unwrap();
    assert_eq!(client.add_tag(&add()).unwrap().attempts, 2);
}
