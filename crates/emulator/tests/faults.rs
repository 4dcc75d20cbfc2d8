//! Every kind of fault, before and after the effect, as a caller sees it on the wire.

#![allow(clippy::unwrap_used)] // all of it is test code

mod caller;

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use caller::{ADD, Caller, GET, PATIENCE, TIMPUSH_ADD, accounts, tags};
use imtag_emulator::{Emulator, Fault, Operation};
use serde_json::Value;

fn emulator_with(fault: Fault) -> Emulator {
    let emulator = Emulator::builder().start().unwrap();
    emulator.fault(ADD, fault);
    emulator
}

fn add() -> Value {
    tags(&[("a", &["t"])])
}

fn tagged(emulator: &Emulator) -> bool {
    assert!(emulator.settle(PATIENCE));
    !emulator.user("a").is_empty()
}

#[test]
fn a_code_is_answered_without_the_effect_or_after_it() {
    for (after, fault) in [
        (false, Fault::code(91000)),
        (true, Fault::code(91000).after_effect()),
    ] {
        let emulator = emulator_with(fault);
        let answer = Caller::new(&emulator).call(ADD, add()).unwrap();
        assert_eq!(answer.code(), 91000);
        assert_eq!(
            answer.json()["ErrorInfo"],
            "an internal error of the service"
        );
        assert_eq!(tagged(&emulator), after);
    }
}

#[test]
fn a_code_can_be_any_with_any_text() {
    let emulator = emulator_with(Fault::code(12345).text("so be it"));
    let answer = Caller::new(&emulator).call(ADD, add()).unwrap();
    assert_eq!(answer.code(), 12345);
    assert_eq!(answer.json()["ErrorInfo"], "so be it");
}

#[test]
fn a_fault_meets_one_request_of_its_route_and_then_it_is_gone() {
    let emulator = emulator_with(Fault::code(70500));
    let mut caller = Caller::new(&emulator);
    assert_eq!(caller.code(GET, accounts(&["a"])), 0);
    assert_eq!(caller.code(TIMPUSH_ADD, add()), 0);
    assert_eq!(emulator.stats().faults_waiting, 1);
    assert_eq!(caller.code(ADD, add()), 70500);
    assert_eq!(caller.code(ADD, add()), 0);
    assert_eq!(emulator.stats().faults["code"], 1);
}

#[test]
fn an_operations_fault_meets_the_next_request_of_either_generation() {
    let emulator = Emulator::builder().start().unwrap();
    emulator.faults(Operation::Add, [Fault::code(1), Fault::code(2)]);
    let mut caller = Caller::new(&emulator);
    assert_eq!(caller.code(TIMPUSH_ADD, add()), 1);
    assert_eq!(caller.code(ADD, add()), 2);
    assert_eq!(caller.code(ADD, add()), 0);
}

#[test]
fn accounts_left_out_are_unchanged_and_named_on_every_route() {
    for route in [ADD, TIMPUSH_ADD] {
        let emulator = Emulator::builder().start().unwrap();
        emulator.fault(route, Fault::leave_out(["b", "c"], 70107));
        let body = tags(&[("a", &["t"]), ("b", &["t"])]);
        let answer = Caller::new(&emulator).call(route, body).unwrap();
        assert_eq!(answer.code(), 0);
        assert_eq!(answer.failed(), [("b".to_owned(), 70107)]);
        assert!(tagged(&emulator));
        assert!(emulator.user("b").is_empty());
    }
}

#[test]
fn a_status_comes_with_a_page_of_html() {
    for (after, fault) in [
        (false, Fault::status(502)),
        (true, Fault::status(502).after_effect()),
    ] {
        let emulator = emulator_with(fault);
        let answer = Caller::new(&emulator).call(ADD, add()).unwrap();
        assert_eq!(answer.status, 502);
        assert!(answer.head.contains("content-type: text/html"));
        assert!(answer.body.starts_with(b"<html>"));
        assert_eq!(tagged(&emulator), after);
    }
}

#[test]
fn a_redirect_names_its_location() {
    let emulator = emulator_with(Fault::redirect("https://example.com/"));
    let answer = Caller::new(&emulator).call(ADD, add()).unwrap();
    assert_eq!(answer.status, 302);
    assert!(answer.head.contains("location: https://example.com/"));
}

#[test]
fn an_answer_of_ones_own_is_json_whatever_it_says() {
    let emulator = emulator_with(Fault::answer(r#"{"ErrorCode":"0"}"#));
    emulator.fault(ADD, Fault::answer("{}").after_effect());
    let mut caller = Caller::new(&emulator);
    let answer = caller.call(ADD, add()).unwrap();
    assert_eq!(
        (answer.status, answer.json()["ErrorCode"].as_str()),
        (200, Some("0"))
    );
    assert!(answer.head.contains("application/json"), "{}", answer.head);
    assert!(!tagged(&emulator));
    assert_eq!(
        caller.call(ADD, add()).unwrap().json(),
        serde_json::json!({})
    );
    assert!(tagged(&emulator));
}

#[test]
fn garbage_is_200_and_not_json() {
    let emulator = emulator_with(Fault::garbage());
    emulator.fault(ADD, Fault::garbage().body("[1,").after_effect());
    let mut caller = Caller::new(&emulator);
    let answer = caller.call(ADD, add()).unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.body.starts_with(b"<html>"));
    assert!(!tagged(&emulator));
    assert_eq!(caller.call(ADD, add()).unwrap().body, b"[1,");
    assert!(tagged(&emulator));
}

#[test]
fn a_cut_connection_gives_no_answer_before_the_effect_or_after_it() {
    for (after, fault) in [(false, Fault::cut_before()), (true, Fault::cut_after())] {
        let emulator = emulator_with(fault);
        let error = Caller::new(&emulator).call(ADD, add()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        assert_eq!(tagged(&emulator), after);
        assert_eq!(Caller::new(&emulator).code(GET, accounts(&["a"])), 0);
    }
}

#[test]
fn a_truncated_answer_has_its_start_and_is_cut() {
    for (after, fault) in [
        (false, Fault::truncated()),
        (true, Fault::truncated().after_effect()),
    ] {
        let emulator = emulator_with(fault);
        let mut caller = Caller::new(&emulator);
        let query = caller::query(&emulator);
        let target = format!("/v4/all_member_push/im_add_tag?{query}");
        caller.send("POST", &target, &add().to_string()).unwrap();
        let mut all = String::new();
        caller.stream().read_to_string(&mut all).unwrap();
        let (head, body) = all.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let start = r#"{"ActionStatus":"OK","ErrorInfo":"#;
        assert!(body.starts_with(start), "{body}");
        let announced = head.split_once("content-length: ").unwrap().1;
        let announced = announced.split('\r').next().unwrap();
        let announced: usize = announced.parse().unwrap();
        assert_eq!(body.len(), announced / 2);
        assert_eq!(tagged(&emulator), after);
    }
}

#[test]
fn a_delayed_request_has_its_effect_late_even_when_the_caller_has_gone() {
    let delay = Duration::from_millis(700);
    let emulator = emulator_with(Fault::delay(delay));
    let mut caller = Caller::new(&emulator);
    let query = caller::query(&emulator);
    let target = format!("/v4/all_member_push/im_add_tag?{query}");
    caller.send("POST", &target, &add().to_string()).unwrap();
    while emulator.stats().in_flight == 0 {
        std::thread::yield_now();
    }
    assert!(emulator.user("a").is_empty());
    drop(caller);
    // What is sent after it overtakes it.
    let body = accounts(&["a"]);
    let clear = (Operation::Clear, imtag_emulator::Generation::AllMemberPush);
    assert_eq!(Caller::new(&emulator).code(clear, body), 0);
    assert!(tagged(&emulator));
}

#[test]
fn a_delay_goes_with_every_kind_before_the_effect_and_after_it() {
    let delay = Duration::from_millis(60);
    let fault = Fault::code(91000).after_effect();
    let emulator = emulator_with(fault.delayed(delay).answer_delayed(delay));
    let started = Instant::now();
    assert_eq!(Caller::new(&emulator).code(ADD, add()), 91000);
    // A lower bound: that it waited at all, not how fast it is.
    assert!(started.elapsed() >= 2 * delay);
    assert!(tagged(&emulator));
}

#[test]
fn an_answer_that_drips_comes_whole_and_the_next_one_at_once() {
    let interval = Duration::from_millis(5);
    let emulator = emulator_with(Fault::drip(interval));
    let mut caller = Caller::new(&emulator);
    let started = Instant::now();
    let answer = caller.call(ADD, add()).unwrap();
    let dripped = started.elapsed();
    assert_eq!(answer.code(), 0);
    let bytes = answer.head.len() + answer.body.len();
    assert!(dripped >= interval * (bytes as u32 - 1));
    let started = Instant::now();
    assert_eq!(caller.code(ADD, add()), 0);
    assert!(started.elapsed() < dripped / 2);
    assert!(tagged(&emulator));
}

#[test]
fn a_fault_comes_before_all_checks_and_after_the_count() {
    let emulator = Emulator::builder().calls_per_second(0).start().unwrap();
    emulator.fault(ADD, Fault::code(91000));
    let mut caller = Caller::new(&emulator);
    assert_eq!(caller.code(ADD, "not even JSON"), 91000);
    assert_eq!(caller.code(ADD, "not even JSON"), 60007);
    assert_eq!(emulator.stats().route(ADD).arrivals, 2);
}

#[test]
fn a_status_without_a_body_announces_none() {
    let emulator = Emulator::builder().start().unwrap();
    for status in [204, 304] {
        assert_eq!(Fault::status(status).body("x"), Fault::status(status));
        emulator.fault(ADD, Fault::status(status).body("x"));
        // The next answer on the connection is read from its start, so nothing came between.
        let mut caller = Caller::new(&emulator);
        let answer = caller.call(ADD, tags(&[("a", &["t"])])).unwrap();
        assert_eq!(answer.status, status);
        assert!(!answer.head.contains("content-"), "{}", answer.head);
        assert!(!answer.head.contains("transfer-"), "{}", answer.head);
        assert_eq!(caller.code(ADD, tags(&[("a", &["t"])])), 0);
    }
}
