//! Orders of faults: each kind and its fields, and what each mistake is told.

use std::time::Duration;

use imtag_core::Operation;

use super::*;

const MS: Duration = Duration::from_millis(1);

fn read_order(order: &Value) -> Result<Order, String> {
    read(order.to_string().as_bytes()).map_err(|error| error.to_string())
}

fn faults(faults: &Value) -> Result<Vec<Fault>, String> {
    let order = read_order(&json!({"route": "add", "faults": faults}))?;
    let (target, queued) = order.queued.unwrap();
    assert_eq!(target, Target::Operation(Operation::Add));
    assert!(order.standing.is_empty());
    Ok(queued)
}

/// Every kind, with all its fields in one or another; each as it is listed.
fn every_kind() -> Value {
    json!([
        {"kind": "delay", "delay_ms": 5},
        {"kind": "code", "code": 91000, "text": "an internal error of the service"},
        {"kind": "code", "code": 0, "text": ""},
        {"kind": "code", "code": 1, "text": "so", "after_effect": true},
        {"kind": "leave_out", "accounts": ["a", "b"], "code": 70107, "text": "so"},
        {"kind": "status", "status": 502},
        {"kind": "status", "status": 503, "body": "x", "after_effect": true},
        {"kind": "status", "status": 302, "location": "/x"},
        {"kind": "cut_before"},
        {"kind": "cut_after", "delay_ms": 1, "answer_delay_ms": 2},
        {"kind": "garbage", "body": "{", "after_effect": true},
        {"kind": "answer", "body": "{}", "after_effect": true},
        {"kind": "truncated"},
        {"kind": "drip", "interval_ms": 0},
    ])
}

#[test]
fn every_kind_reads_as_its_builder_and_is_listed_as_it_was_ordered() {
    let expected = [
        Fault::delay(MS * 5),
        Fault::code(91000),
        Fault::code(0).text(""),
        Fault::code(1).text("so").after_effect(),
        Fault::leave_out(["b", "a"], 70107).text("so"),
        Fault::status(502),
        Fault::status(503).body("x").after_effect(),
        Fault::redirect("/x"),
        Fault::cut_before(),
        Fault::cut_after().delayed(MS).answer_delayed(MS * 2),
        Fault::garbage().body("{").after_effect(),
        Fault::answer("{}").after_effect(),
        Fault::truncated(),
        Fault::drip(Duration::ZERO),
    ];
    assert_eq!(serde_json::to_value(&expected).unwrap(), every_kind());
    assert_eq!(faults(&every_kind()), Ok(expected.to_vec()));
    // What need not be said.
    let short = json!([{"kind": "status"}, {"kind": "truncated", "after_effect": false}, {"kind": "code", "code": 91000}]);
    let expected = vec![Fault::status(502), Fault::truncated(), Fault::code(91000)];
    assert_eq!(faults(&short), Ok(expected));
}

#[test]
fn a_standing_fault_is_listed_with_what_it_did() {
    let standing = ProbabilisticFault::new(Fault::cut_after(), 0.25).unwrap();
    let mut fault = StandingFault {
        number: 3,
        fault: standing.on(Operation::Add).account("alice"),
        considered: 8,
        met: 2,
    };
    let mut expected = json!({
        "number": 3, "kind": "cut_after", "route": "add", "account": "alice", "probability": 0.25,
        "considered": 8, "met": 2,
    });
    assert_eq!(listed(&fault), expected);
    fault.fault.target = Some(Target::path("/x"));
    fault.fault.account = None;
    expected["path"] = json!("/x");
    expected["route"] = Value::Null;
    expected["account"] = Value::Null;
    assert_eq!(listed(&fault), expected);
}

#[test]
fn the_readme_has_every_kind_with_its_fields() {
    let readme = include_str!("../README.md");
    let row = |kind: &str| {
        readme
            .lines()
            .find(|line| line.starts_with(&format!("| `{kind}`")))
    };
    for fault in every_kind().as_array().unwrap() {
        let kind = fault["kind"].as_str().unwrap();
        let row = row(kind).unwrap_or_else(|| panic!("no row for {kind}"));
        for field in fault.as_object().unwrap().keys() {
            let said = match field.as_str() {
                "kind" | "delay_ms" | "answer_delay_ms" => continue,
                "after_effect" => "` * |".to_owned(),
                field => format!("`{field}`"),
            };
            assert!(row.contains(&said), "{kind}: {field}");
        }
    }
}

const MISTAKES: &str = r#"
{} => missing field `kind`
{"kind": "code"} => missing field `code`
{"kind": "code", "code": 91000, "code": 90001} => duplicate field `code`
{"kind": "garbage", "kind": "truncated"} => duplicate field `kind`
{"kind": "garbage", "delay_ms": 1, "delay_ms": 2} => duplicate field `delay_ms`
{"kind": "garbage", "probability": 1, "probability": 0} => duplicate field `probability`
{"kind": "answer"} => missing field `body`
{"kind": "leave_out", "code": 1} => missing field `accounts`
{"kind": "leave_out", "accounts": []} => missing field `code`
{"kind": "drip"} => missing field `interval_ms`
{"kind": "cut_before", "after_effect": true} => after_effect does not belong to cut_before
{"kind": "cut_after", "ms": 1} => unknown field `ms`
{"kind": "delay", "text": "x"} => unknown field `text`
{"kind": "garbage", "text": "x"} => unknown field `text`, expected `body`
{"kind": "status", "status": 100} => status 100 is not from 200 to 599
{"kind": "status", "status": 204, "body": ""} => body does not belong to status 204
{"kind": "status", "status": 304, "body": "x"} => body does not belong to status 304
{"kind": "status", "location": "a\nb"} => location holds what no header can
{"kind": "garbage", "probability": 1.5} => the probability 1.5 is not from 0 to 1
{"kind": "garbage", "probability": -0.1} => the probability -0.1 is not from 0 to 1
{"kind": "garbage", "probability": "1"} => invalid type: string "1", expected f64
{"kind": "garbage", "account": "a"} => account goes with probability: a queue is taken from in order
{"kind": "cut"} => unknown variant `cut`, expected one of `delay`, `code`, `leave_out`, `status`, `cut_before`, `cut_after`,
"#;

#[test]
fn a_mistake_in_a_fault_is_named_with_its_place() {
    for row in MISTAKES.trim().lines() {
        let (fault, expected) = row.split_once(" => ").unwrap();
        let order = format!(r#"{{"route":"add","faults":[{{"kind":"garbage"}},{fault}]}}"#);
        let error = read(order.as_bytes()).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("faults[1]: {expected}")),
            "{error}"
        );
    }
}

const NO_ORDERS: &str = r#"
{ => the body is not JSON of faults: EOF
{"route":"add"} => the body is not JSON of faults: missing field `faults`
{"route":"push","faults":[]} => unknown route "push": use one of add, get, remove, clear, im_add_tag,
{"route":"add","faults":[5]} => the body is not JSON of faults: invalid type: integer `5`, expected a fault
{"route":"add","faults":[],"more":1} => the body is not JSON of faults: unknown field `more`
{"faults":[]} => the body is not JSON of faults: missing field `route`
{"faults":[{"kind":"garbage"}]} => the body is not JSON of faults: missing field `route`
{"faults":[{"kind":"delay","probability":0.5},{"kind":"delay"}]} => the body is not JSON of faults: missing field `route`
{"path":"","faults":[]} => path "" cannot have faults: give one such as /v4/openim/sendmsg
{"path":"v4/openim/sendmsg","faults":[]} => path "v4/openim/sendmsg" cannot have faults
{"path":"/v4/openim/sendmsg?random=1","faults":[]} => path "/v4/openim/sendmsg?random=1" cannot have faults
{"path":"/v4/标签","faults":[]} => path "/v4/标签" cannot have faults
{"path":"/emulator","faults":[]} => path "/emulator" cannot have faults
{"path":"/emulator/users","faults":[]} => path "/emulator/users" cannot have faults
{"path":"/v4/openim/sendmsg","route":"add","faults":[]} => path "/v4/openim/sendmsg" cannot have faults
"#;

#[test]
fn what_is_no_order_is_refused_with_the_reason() {
    for row in NO_ORDERS.trim().lines() {
        let (order, expected) = row.split_once(" => ").unwrap();
        let error = read(order.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{order}: {error}");
    }
}

#[test]
fn a_fault_with_a_probability_stands_and_any_other_is_queued() {
    let order = json!({"route": "im_add_tag", "faults": [
        {"kind": "cut_after", "probability": 0.1},
        {"kind": "garbage"},
        {"kind": "code", "code": 1, "probability": 1, "account": "alice"},
    ]});
    let order = read_order(&order).unwrap();
    let route: Target = "im_add_tag".parse().unwrap();
    assert_eq!(order.queued, Some((route.clone(), vec![Fault::garbage()])));
    let standing = |fault, probability| ProbabilisticFault::new(fault, probability).unwrap();
    let expected = [
        standing(Fault::cut_after(), 0.1).on(route.clone()),
        standing(Fault::code(1), 1.0).on(route).account("alice"),
    ];
    assert_eq!(order.standing, expected);
    // Without a route it stands for all of them.
    let order = json!({"faults": [{"kind": "garbage", "probability": 0.5}]});
    let order = read_order(&order).unwrap();
    let expected = standing(Fault::garbage(), 0.5);
    assert_eq!((order.queued, order.standing), (None, vec![expected]));
}

#[test]
fn a_path_in_place_of_a_route_is_taken_to_the_letter() {
    let answer = json!({"kind": "answer", "body": "{}"});
    for path in ["/v4/openim/sendmsg", "/", "/v4/timpush/add_tag", "//x/%e7"] {
        let order = read_order(&json!({"path": path, "faults": [answer]})).unwrap();
        let expected = (Target::Path(path.to_owned()), vec![Fault::answer("{}")]);
        assert_eq!(order.queued, Some(expected));
    }
}

#[test]
fn a_fault_about_tags_is_refused_on_a_path_that_has_none() {
    let faults = [
        json!({"kind": "cut_after"}),
        json!({"kind": "code", "code": 1, "after_effect": true}),
        json!({"kind": "leave_out", "accounts": ["a"], "code": 1}),
        json!({"kind": "garbage", "probability": 0.5, "account": "a"}),
    ];
    for fault in faults {
        let order = |path: &str| read_order(&json!({"path": path, "faults": [fault]}));
        let error = order("/v4/openim/sendmsg").unwrap_err();
        let effect = "faults[0]: this is for the routes alone: no other path has an effect";
        let account = "faults[0]: account goes with the routes alone";
        let expected = if fault["account"].is_null() {
            effect
        } else {
            account
        };
        assert_eq!(error, expected);
        assert!(order("/v4/timpush/add_tag").is_ok());
    }
}
