//! Standing faults over the wire: put, drawn, listed and removed.

#![allow(clippy::unwrap_used)] // all of it is test code

mod caller;

use caller::{ADD, Caller, GET, accounts, tags};
use imtag_emulator::{Emulator, Fault, Operation, ProbabilisticFault};
use serde_json::{Value, json};

fn admin(emulator: &Emulator, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let answer = Caller::new(emulator).request(method, path, &body).unwrap();
    (answer.status, answer.json())
}

fn code(code: i32, probability: f64) -> ProbabilisticFault {
    ProbabilisticFault::new(Fault::code(code), probability).unwrap()
}

fn generous() -> imtag_emulator::Builder {
    Emulator::builder().calls_per_second(100_000)
}

/// The codes of so many calls in a row.
fn codes(emulator: &Emulator, calls: usize) -> Vec<i64> {
    let mut caller = Caller::new(emulator);
    let body = tags(&[("a", &["t"])]);
    (0..calls).map(|_| caller.code(ADD, &body)).collect()
}

#[test]
fn a_seed_brings_the_same_faults_again_and_another_one_others() {
    let met = |seed| {
        let emulator = generous().seed(seed).start().unwrap();
        emulator.add_standing(code(91000, 0.3).on(Operation::Add));
        emulator.add_standing(code(70500, 0.3));
        let first = codes(&emulator, 200);
        emulator.reset();
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
    let (_, listed) = admin(&emulator, "GET", "/emulator/faults", &Value::Null);
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

    let mut caller = Caller::new(&emulator);
    let body = tags(&[("a", &["t"])]);
    assert!(
        caller.call(ADD, &body).is_err(),
        "the queued one comes first"
    );
    assert_eq!(codes(&emulator, 3), [91000; 3]);
    assert_eq!(Caller::new(&emulator).code(GET, accounts(&["a"])), 70500);

    let (_, listed) = admin(&emulator, "GET", "/emulator/faults", &Value::Null);
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

    let removed = admin(&emulator, "DELETE", "/emulator/faults/1", &Value::Null);
    assert_eq!(removed, (200, json!({"removed": true})));
    assert_eq!(codes(&emulator, 1), [70500]);
    emulator.fault(ADD, Fault::garbage());
    let removed = admin(&emulator, "DELETE", "/emulator/faults", &Value::Null);
    assert_eq!(removed, (200, json!({"removed": true})));
    assert_eq!(codes(&emulator, 2), [0, 0]);
    assert_eq!(emulator.user("a").len(), 1, "the state was left alone");
}

#[test]
fn a_fault_of_an_account_hits_the_requests_that_name_it_and_no_other() {
    let emulator = generous().start().unwrap();
    let order =
        json!({"faults": [{"kind": "code", "code": 70107, "probability": 1, "account": "bad"}]});
    let numbers = emulator.faults_by_json(order.to_string().as_bytes());
    assert_eq!(numbers.unwrap(), [1]);
    let mut caller = Caller::new(&emulator);
    assert_eq!(caller.code(ADD, tags(&[("good", &["t"])])), 0);
    assert_eq!(
        caller.code(ADD, tags(&[("good", &["t"]), ("bad", &["t"])])),
        70107
    );
    assert_eq!(caller.code(GET, accounts(&["bad"])), 70107);
    assert_eq!(caller.code(GET, accounts(&["good"])), 0);
    assert_eq!(caller.code(ADD, "no JSON, so no account"), 60003);
    assert_eq!(emulator.standing()[0].met, 2);
    assert!(emulator.remove_standing(1));
    assert_eq!(caller.code(GET, accounts(&["bad"])), 0);
}

#[test]
fn a_standing_fault_after_the_effect_has_it() {
    let emulator = generous().start().unwrap();
    emulator.add_standing(ProbabilisticFault::new(Fault::cut_after(), 1.0).unwrap());
    Caller::new(&emulator)
        .call(ADD, tags(&[("a", &["t"])]))
        .unwrap_err();
    assert_eq!(emulator.user("a").len(), 1);
    emulator.reset();
    assert!(emulator.standing().is_empty());
}

#[test]
fn a_bad_order_puts_nothing() {
    let emulator = generous().start().unwrap();
    for (faults, says) in [
        (
            json!([{"kind": "garbage", "probability": 0.5}, {"kind": "garbage", "probability": 2}]),
            "faults[1]: the probability 2 is not from 0 to 1",
        ),
        (
            json!([{"kind": "garbage", "probability": 0.5}, {"kind": "code", "probability": 1}]),
            "faults[1]: code needs code",
        ),
        (
            json!([{"kind": "garbage", "probability": 0.5}, {"kind": "garbage"}]),
            "the body is not JSON of faults: missing field `route`",
        ),
    ] {
        let order = json!({ "faults": faults });
        let (status, error) = admin(&emulator, "POST", "/emulator/faults", &order);
        assert_eq!((status, &error["error"]), (400, &json!(says)));
    }
    assert!(emulator.standing().is_empty());
}
