//! Faults as a caller sees them on the wire: every kind, before the effect and after it; and those that stand.

#![allow(clippy::unwrap_used)] // all of it is test code

mod caller;

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use caller::{ADD, Answer, Caller, GET, PATIENCE, TIMPUSH_ADD, accounts, tag_a, tags};
use imtag_emulator::{Builder, Emulator, Fault, Generation, Operation, ProbabilisticFault};
use serde_json::{Value, json};

fn emulator_with(fault: Fault) -> Emulator {
    let emulator = Emulator::builder().start().unwrap();
    emulator.fault(ADD, fault);
    emulator
}

fn tagged(emulator: &Emulator) -> bool {
    assert!(emulator.settle(PATIENCE));
    !emulator.user("a").is_empty()
}

/// The answer to a request that meets this fault, with its effect or without.
fn met(fault: Fault, effect: bool) -> std::io::Result<Answer> {
    let emulator = emulator_with(fault);
    let answer = Caller::new(&emulator).call(ADD, tag_a());
    assert_eq!(tagged(&emulator), effect);
    assert_eq!(Caller::new(&emulator).code(GET, accounts(&["a"])), 0);
    answer
}

#[test]
fn each_fault_comes_without_the_effect_or_after_it() {
    for effect in [false, true] {
        let at = |fault: Fault| if effect { fault.after_effect() } else { fault };
        let answer = met(at(Fault::code(91000)), effect).unwrap();
        assert_eq!(answer.code(), 91000);
        let text = "an internal error of the service";
        assert_eq!(answer.json()["ErrorInfo"], text);
        let answer = met(at(Fault::code(12345).text("so be it")), effect).unwrap();
        assert_eq!(answer.code(), 12345);
        assert_eq!(answer.json()["ErrorInfo"], "so be it");

        let answer = met(at(Fault::status(502)), effect).unwrap();
        assert_eq!(answer.status, 502);
        assert!(answer.head.contains("content-type: text/html"));
        assert!(answer.body.starts_with(b"<html>"));
        let answer = met(at(Fault::redirect("https://example.com/")), effect).unwrap();
        assert_eq!(answer.status, 302);
        assert!(answer.head.contains("location: https://example.com/"));

        let answer = met(at(Fault::answer(r#"{"ErrorCode":"0"}"#)), effect).unwrap();
        assert_eq!(
            (answer.status, &answer.body[..]),
            (200, &br#"{"ErrorCode":"0"}"#[..])
        );
        assert!(answer.head.contains("application/json"), "{}", answer.head);
        let answer = met(at(Fault::garbage()), effect).unwrap();
        assert_eq!(answer.status, 200);
        assert!(answer.body.starts_with(b"<html>"));
        let answer = met(at(Fault::garbage().body("[1,")), effect).unwrap();
        assert_eq!(answer.body, b"[1,");

        let error = met(at(Fault::cut_before()), effect).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }
    met(Fault::cut_after(), true).unwrap_err();
    // One that stands, too.
    let emulator = Emulator::builder().start().unwrap();
    emulator.add_standing(ProbabilisticFault::new(Fault::cut_after(), 1.0).unwrap());
    Caller::new(&emulator).call(ADD, tag_a()).unwrap_err();
    assert!(tagged(&emulator));
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
fn a_truncated_answer_has_its_start_and_is_cut() {
    for effect in [false, true] {
        let fault = Fault::truncated();
        let emulator = emulator_with(if effect { fault.after_effect() } else { fault });
        let mut caller = Caller::new(&emulator);
        let query = caller::query(&emulator);
        let target = format!("/v4/all_member_push/im_add_tag?{query}");
        caller.send("POST", &target, &tag_a().to_string()).unwrap();
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
        assert_eq!(tagged(&emulator), effect);
    }
}

#[test]
fn a_delayed_request_has_its_effect_late_even_when_the_caller_has_gone() {
    let delay = Duration::from_millis(700);
    let emulator = emulator_with(Fault::delay(delay));
    let mut caller = Caller::new(&emulator);
    let query = caller::query(&emulator);
    let target = format!("/v4/all_member_push/im_add_tag?{query}");
    caller.send("POST", &target, &tag_a().to_string()).unwrap();
    while emulator.stats().in_flight == 0 {
        std::thread::yield_now();
    }
    assert!(emulator.user("a").is_empty());
    drop(caller);
    // What is sent after it overtakes it.
    let body = accounts(&["a"]);
    let clear = (Operation::Clear, Generation::AllMemberPush);
    assert_eq!(Caller::new(&emulator).code(clear, body), 0);
    assert!(tagged(&emulator));
}

#[test]
fn a_delay_goes_with_every_kind_before_the_effect_and_after_it() {
    let delay = Duration::from_millis(60);
    let fault = Fault::code(91000).after_effect();
    let emulator = emulator_with(fault.delayed(delay).answer_delayed(delay));
    let started = Instant::now();
    assert_eq!(Caller::new(&emulator).code(ADD, tag_a()), 91000);
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
    let answer = caller.call(ADD, tag_a()).unwrap();
    let dripped = started.elapsed();
    assert_eq!(answer.code(), 0);
    let bytes = answer.head.len() + answer.body.len();
    assert!(dripped >= interval * (bytes as u32 - 1));
    let started = Instant::now();
    assert_eq!(caller.code(ADD, tag_a()), 0);
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
        let answer = caller.call(ADD, tag_a()).unwrap();
        assert_eq!(answer.status, status);
        assert!(!answer.head.contains("content-"), "{}", answer.head);
        assert!(!answer.head.contains("transfer-"), "{}", answer.head);
        assert_eq!(caller.code(ADD, tag_a()), 0);
    }
}

fn admin(emulator: &Emulator, method: &str, path: &str, body: impl ToString) -> (u16, Value) {
    let mut caller = Caller::new(emulator);
    let answer = caller.request(method, path, &body.to_string()).unwrap();
    (answer.status, answer.json())
}

fn code(code: i32, probability: f64) -> ProbabilisticFault {
    ProbabilisticFault::new(Fault::code(code), probability).unwrap()
}

fn generous() -> Builder {
    Emulator::builder().calls_per_second(100_000)
}

/// The codes of so many calls in a row.
fn codes(emulator: &Emulator, calls: usize) -> Vec<i64> {
    let mut caller = Caller::new(emulator);
    let body = tag_a();
    (0..calls).map(|_| caller.code(ADD, &body)).collect()
}

#[test]
fn a_seed_brings_the_same_faults_again_and_another_one_others() {
    let met = |seed| {
        let emulator = generous().seed(seed).start().unwrap();
        emulator.add_standing(code(91000, 0.3).on(Operation::Add));
        emulator.add_standing(code(70500, 0.3));
        let first = codes(&emulator, 200);
        emulator.reset().unwrap();
        emulator.add_standing(code(91000, 0.3).on(Operation::Add));
        emulator.add_standing(code(70500, 0.3));
        assert_eq!(codes(&emulator, 200), first, "a reset starts over");
        first
    };
    let first = met(7);
    for code in [0, 91000, 70500] {
        assert!(first.contains(&code), "{code}");
    }
    assert_eq!(met(7), first);
    assert_ne!(met(8), first);
}

#[test]
fn the_seed_that_was_not_given_is_shown_and_brings_the_same_again() {
    let emulator = generous().start().unwrap();
    let (_, listed) = admin(&emulator, "GET", "/emulator/faults", "");
    assert_eq!(listed["seed"], emulator.seed());
    let again = generous().seed(emulator.seed()).start().unwrap();
    for emulator in [&emulator, &again] {
        emulator.add_standing(code(91000, 0.5));
    }
    assert_eq!(codes(&emulator, 100), codes(&again, 100));
}

#[test]
fn faults_are_put_listed_and_removed_over_the_admin_api() {
    let emulator = generous().start().unwrap();
    let order = json!({"route": "add", "faults": [
        {"kind": "code", "code": 91000, "text": "so", "probability": 1},
        {"kind": "cut_before"},
    ]});
    let put = admin(&emulator, "POST", "/emulator/faults", &order);
    assert_eq!(put, (200, json!({"queued": 1, "standing": [1]})));
    let everywhere = json!({"faults": [{"kind": "code", "code": 70500, "probability": 1}]});
    let put = admin(&emulator, "POST", "/emulator/faults", &everywhere);
    assert_eq!(put, (200, json!({"queued": 0, "standing": [2]})));

    let first = Caller::new(&emulator).call(ADD, tag_a());
    assert!(first.is_err(), "the queued one comes first");
    assert_eq!(codes(&emulator, 3), [91000; 3]);
    assert_eq!(Caller::new(&emulator).code(GET, accounts(&["a"])), 70500);

    let listed = admin(&emulator, "GET", "/emulator/faults", "").1;
    let expected = json!([
        {"number": 1, "route": "add", "account": null, "probability": 1.0, "kind": "code",
         "code": 91000, "text": "so", "considered": 4, "met": 3},
        {"number": 2, "route": null, "account": null, "probability": 1.0, "kind": "code",
         "code": 70500, "text": "an error inside the service", "considered": 5, "met": 1},
    ]);
    assert_eq!(listed["standing"], expected);
    assert_eq!(listed["waiting"], 0);
    assert_eq!(emulator.stats().faults_standing, 2);
    assert_eq!(emulator.stats().faults["code"], 4);

    let removed = admin(&emulator, "DELETE", "/emulator/faults/1", "");
    assert_eq!(removed, (200, json!({"removed": true})));
    assert_eq!(codes(&emulator, 1), [70500]);
    emulator.fault(ADD, Fault::garbage());
    let removed = admin(&emulator, "DELETE", "/emulator/faults", "");
    assert_eq!(removed, (200, json!({"removed": true})));
    assert_eq!(codes(&emulator, 2), [0, 0]);
    assert_eq!(emulator.user("a").len(), 1, "the state was left alone");
}

#[test]
fn a_bad_order_is_refused_in_the_same_words_over_http_and_puts_nothing() {
    let emulator = generous().start().unwrap();
    for (order, says) in [
        (
            r#"{"faults":[{"kind":"garbage","probability":0.5},{"kind":"garbage","probability":2}]}"#,
            "faults[1]: the probability 2 is not from 0 to 1",
        ),
        (
            r#"{"route":"add","faults":[{"kind":"garbage"},{"kind":"code"}]}"#,
            "faults[1]: missing field `code`",
        ),
    ] {
        let (status, error) = admin(&emulator, "POST", "/emulator/faults", order);
        assert_eq!((status, &error["error"]), (400, &json!(says)));
        let error = emulator.faults_by_json(order.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), says);
    }
    assert_eq!(emulator.stats().faults_waiting, 0);
    assert!(emulator.standing().is_empty());
}
