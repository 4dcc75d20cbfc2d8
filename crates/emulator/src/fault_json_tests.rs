//! Orders of faults: each kind and its fields, and what each mistake is told.

use imtag_core::Operation;
use serde_json::{Value, json};

use super::*;

const MS: Duration = Duration::from_millis(1);

fn faults(faults: Value) -> Result<Vec<Fault>, String> {
    let order = json!({"route": "add", "faults": faults}).to_string();
    let order = read(order.as_bytes()).map_err(|error| error.to_string())?;
    let (target, queued) = order.queued.unwrap();
    assert_eq!(target, Target::Operation(Operation::Add));
    assert!(order.standing.is_empty());
    Ok(queued)
}

#[test]
fn every_kind_reads_as_its_builder() {
    let cases = [
        (
            json!({"kind": "delay", "delay_ms": 5}),
            Fault::delay(MS * 5),
        ),
        (json!({"kind": "code", "code": 91000}), Fault::code(91000)),
        (
            json!({"kind": "code", "code": 1, "text": "so", "after_effect": true}),
            Fault::code(1).text("so").after_effect(),
        ),
        (
            json!({"kind": "leave_out", "accounts": ["a"], "code": 70107, "text": "so"}),
            Fault::leave_out(["a"], 70107).text("so"),
        ),
        (json!({"kind": "status"}), Fault::status(502)),
        (
            json!({"kind": "status", "status": 503, "body": "x", "after_effect": true}),
            Fault::status(503).body("x").after_effect(),
        ),
        (
            json!({"kind": "status", "status": 302, "location": "/x"}),
            Fault::redirect("/x"),
        ),
        (json!({"kind": "cut_before"}), Fault::cut_before()),
        (
            json!({"kind": "cut_after", "delay_ms": 1, "answer_delay_ms": 2}),
            Fault::cut_after().delayed(MS).answer_delayed(MS * 2),
        ),
        (
            json!({"kind": "garbage", "body": "{", "after_effect": true}),
            Fault::garbage().body("{").after_effect(),
        ),
        (
            json!({"kind": "answer", "body": "{}", "after_effect": true}),
            Fault::answer("{}").after_effect(),
        ),
        (json!({"kind": "truncated"}), Fault::truncated()),
        (
            json!({"kind": "drip", "interval_ms": 7}),
            Fault::drip(MS * 7),
        ),
    ];
    let (orders, expected): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    assert_eq!(faults(Value::from(orders)), Ok(expected));
}

#[test]
fn the_readme_has_every_kind_with_its_fields() {
    let readme = include_str!("../README.md");
    for (kind, fields) in KINDS {
        let star = if fields.contains(&"after_effect") {
            " *"
        } else {
            ""
        };
        let row = readme
            .lines()
            .find(|line| line.starts_with(&format!("| `{kind}`{star} |")));
        let row = row.unwrap_or_else(|| panic!("no row for {kind}"));
        for field in fields.iter().filter(|field| **field != "after_effect") {
            assert!(row.contains(&format!("`{field}`")), "{kind}: {field}");
        }
    }
}

#[test]
fn a_mistake_is_named_with_its_place() {
    for (fault, expected) in [
        (
            json!({"kind": "cut"}),
            "faults[1]: unknown kind \"cut\": use one of delay, code, leave_out, status, cut_before, \
             cut_after, garbage, answer, truncated, drip",
        ),
        (json!({"kind": "code"}), "faults[1]: code needs code"),
        (json!({"kind": "answer"}), "faults[1]: answer needs body"),
        (
            json!({"kind": "leave_out", "code": 1}),
            "faults[1]: leave_out needs accounts",
        ),
        (json!({"kind": "drip"}), "faults[1]: drip needs interval_ms"),
        (
            json!({"kind": "cut_before", "after_effect": true}),
            "faults[1]: after_effect does not belong to cut_before",
        ),
        (
            json!({"kind": "delay", "text": "x"}),
            "faults[1]: text does not belong to delay",
        ),
        (
            json!({"kind": "status", "status": 100}),
            "faults[1]: status 100 is not from 200 to 599",
        ),
        (
            json!({"kind": "status", "status": 204, "body": ""}),
            "faults[1]: body does not belong to status 204",
        ),
        (
            json!({"kind": "status", "status": 304, "body": "x"}),
            "faults[1]: body does not belong to status 304",
        ),
        (
            json!({"kind": "status", "location": "a\nb"}),
            "faults[1]: location holds what no header can",
        ),
    ] {
        let error = faults(json!([{"kind": "garbage"}, fault])).unwrap_err();
        assert_eq!(error, expected);
    }
}

#[test]
fn an_unknown_route_or_field_is_refused() {
    for (order, expected) in [
        ("", "the body is not JSON of faults: "),
        (
            r#"{"route":"add"}"#,
            "the body is not JSON of faults: missing field `faults`",
        ),
        (
            r#"{"route":"push","faults":[]}"#,
            "unknown route \"push\": use one of add, get",
        ),
        (
            r#"{"route":"add","faults":[{"kind":"delay","ms":1}]}"#,
            "the body is not JSON of faults: unknown field `ms`",
        ),
    ] {
        let error = read(order.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn a_fault_with_a_probability_stands_and_any_other_is_queued() {
    let order = json!({"route": "im_add_tag", "faults": [
        {"kind": "cut_after", "probability": 0.1},
        {"kind": "garbage"},
        {"kind": "code", "code": 1, "probability": 1, "account": "alice"},
    ]});
    let order = read(order.to_string().as_bytes()).unwrap();
    let route: Target = "im_add_tag".parse().unwrap();
    assert_eq!(order.queued, Some((route.clone(), vec![Fault::garbage()])));
    let standing = |fault, probability| {
        ProbabilisticFault::new(fault, probability)
            .unwrap()
            .on(route.clone())
    };
    assert_eq!(
        order.standing,
        [
            standing(Fault::cut_after(), 0.1),
            standing(Fault::code(1), 1.0).account("alice"),
        ]
    );
}

#[test]
fn without_a_route_a_fault_stands_for_all_of_them_and_none_can_be_queued() {
    let stands = r#"{"faults":[{"kind":"garbage","probability":0.5}]}"#;
    let order = read(stands.as_bytes()).unwrap();
    let expected = ProbabilisticFault::new(Fault::garbage(), 0.5).unwrap();
    assert_eq!((order.queued, order.standing), (None, vec![expected]));
    for order in [
        r#"{"faults":[]}"#,
        r#"{"faults":[{"kind":"garbage"}]}"#,
        r#"{"faults":[{"kind":"garbage","probability":0.5},{"kind":"garbage"}]}"#,
    ] {
        let error = read(order.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("missing field `route`"), "{error}");
    }
}

#[test]
fn a_probability_that_is_none_is_named_with_its_place() {
    for (wrong, says) in [
        ("1.5", "faults[0]: the probability 1.5 is not from 0 to 1"),
        ("-0.1", "faults[0]: the probability -0.1 is not from 0 to 1"),
        ("\"1\"", "the body is not JSON of faults: invalid type"),
    ] {
        let order = format!(r#"{{"faults":[{{"kind":"garbage","probability":{wrong}}}]}}"#);
        let error = read(order.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(says), "{error}");
    }
    let error = faults(json!([{"kind": "garbage", "account": "a"}])).unwrap_err();
    assert!(
        error.starts_with("faults[0]: account goes with probability"),
        "{error}"
    );
}

fn read_order(order: Value) -> Result<Order, String> {
    read(order.to_string().as_bytes()).map_err(|error| error.to_string())
}

#[test]
fn a_path_in_place_of_a_route_is_taken_to_the_letter() {
    let answer = json!({"kind": "answer", "body": "{}"});
    for path in ["/v4/openim/sendmsg", "/", "/v4/timpush/add_tag", "//x/%e7"] {
        let order = read_order(json!({"path": path, "faults": [answer]})).unwrap();
        let (target, faults) = order.queued.unwrap();
        assert_eq!(target, Target::Path(path.to_owned()));
        assert_eq!(faults, [Fault::answer("{}")]);
    }
    for wrong in [
        json!({"path": "", "faults": [answer]}),
        json!({"path": "v4/openim/sendmsg", "faults": [answer]}),
        json!({"path": "/v4/openim/sendmsg?random=1", "faults": [answer]}),
        json!({"path": "/v4/标签", "faults": [answer]}),
        json!({"path": "/emulator", "faults": [answer]}),
        json!({"path": "/emulator/users", "faults": [answer]}),
        json!({"path": "/v4/openim/sendmsg", "route": "add", "faults": [answer]}),
    ] {
        let error = read_order(wrong.clone()).unwrap_err();
        assert!(
            error.contains("cannot have faults: give one such as /v4/openim/sendmsg"),
            "{wrong}: {error}"
        );
    }
}

#[test]
fn a_fault_about_tags_is_refused_on_a_path_that_has_none() {
    for (fault, says) in [
        (json!({"kind": "cut_after"}), "for the routes alone"),
        (
            json!({"kind": "code", "code": 1, "after_effect": true}),
            "for the routes alone",
        ),
        (
            json!({"kind": "leave_out", "accounts": ["a"], "code": 1}),
            "for the routes alone",
        ),
        (
            json!({"kind": "garbage", "probability": 0.5, "account": "a"}),
            "account goes with the routes",
        ),
    ] {
        let order = |path: &str| read_order(json!({"path": path, "faults": [fault]}));
        let error = order("/v4/openim/sendmsg").unwrap_err();
        assert!(error.contains(says), "{error}");
        assert!(order("/v4/timpush/add_tag").is_ok());
    }
}
