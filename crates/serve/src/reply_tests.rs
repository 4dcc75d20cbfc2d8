//! Tests of the answer to each mix of outcomes.

use imtag_core::Generation::{AllMemberPush, Timpush};
use imtag_core::Operation::{Add, Get};
use serde_json::{Value, json};

use super::*;
use crate::failure::{NO_ANSWER, TOO_FREQUENT};

fn failure(kind: Kind, code: i32, effect: Effect) -> Fate {
    Err(Failure {
        kind,
        code,
        reason: format!("why {code}"),
        effect,
        is_unanswered: effect == Effect::PossiblyApplied,
        remedy: "do it",
        retryable: kind != Kind::Refused,
        is_of_all: code == 60020,
    })
}

fn refused(code: i32) -> Fate {
    failure(Kind::Refused, code, Effect::PossiblyApplied)
}

fn busy() -> Fate {
    failure(Kind::Busy, TOO_FREQUENT, Effect::NotApplied)
}

fn behind() -> Fate {
    failure(Kind::Behind, NO_ANSWER, Effect::NotApplied)
}

fn away(effect: Effect) -> Fate {
    failure(Kind::Away, NO_ANSWER, effect)
}

fn done() -> Fate {
    Ok(None)
}

/// Status, `ActionStatus`, code, and the codes of the list.
fn told(route: impl Into<Route>, fates: Vec<Fate>) -> (u16, String, i64, Vec<i64>) {
    let (status, answer) = answered(route, fates);
    let list = answer["ErrorList"].as_array().into_iter().flatten();
    let codes = list.map(|it| it["ErrorCode"].as_i64().unwrap()).collect();
    let action = answer["ActionStatus"].as_str().unwrap().to_owned();
    (status, action, answer["ErrorCode"].as_i64().unwrap(), codes)
}

fn answered(route: impl Into<Route>, fates: Vec<Fate>) -> (u16, Value) {
    let users = fates.into_iter().enumerate();
    let users = users.map(|(at, fate)| (format!("u{at}"), fate)).collect();
    let Reply { status, answer } = reply(route.into(), users);
    let json = answer.json("id".to_owned());
    (status.as_u16(), serde_json::from_slice(&json).unwrap())
}

const OLD: (imtag_core::Operation, Generation) = (Add, AllMemberPush);
const NEW: (imtag_core::Operation, Generation) = (Add, Timpush);

#[test]
fn a_client_that_knows_no_error_list_hears_of_any_failure() {
    let fail = |status, code, list: &[i64]| (status, "FAIL".to_owned(), code, list.to_vec());
    for (fates, expected) in [
        (vec![done()], (200, "OK".to_owned(), 0, vec![])),
        (vec![done(), refused(90048)], fail(200, 90048, &[90048])),
        (
            vec![refused(90048), refused(70107)],
            fail(200, 90048, &[90048, 70107]),
        ),
        (vec![done(), busy()], fail(200, 60007, &[60007])),
        (
            vec![done(), away(Effect::PossiblyApplied)],
            fail(200, 60008, &[60008]),
        ),
        (vec![busy(), busy()], fail(200, 60007, &[60007, 60007])),
        (vec![away(Effect::NotApplied)], fail(502, 60008, &[60008])),
        (vec![behind()], fail(200, 60008, &[60008])),
        (
            vec![away(Effect::NotApplied), away(Effect::PossiblyApplied)],
            fail(504, 60008, &[60008, 60008]),
        ),
    ] {
        assert_eq!(told(OLD, fates), expected);
    }
}

#[test]
fn the_newer_paths_name_who_failed_and_refuse_only_what_is_about_no_user() {
    let list = |codes: &[i64]| (200, "OK".to_owned(), 0, codes.to_vec());
    let fail = |status, code, list: &[i64]| (status, "FAIL".to_owned(), code, list.to_vec());
    for (fates, expected) in [
        (vec![done(), done()], list(&[])),
        (vec![done(), refused(90048)], list(&[90048])),
        (vec![refused(90048), refused(90048)], list(&[90048, 90048])),
        (vec![done(), busy()], list(&[60007])),
        (
            vec![refused(60020), refused(60020)],
            fail(200, 60020, &[60020, 60020]),
        ),
        (vec![busy(), busy()], fail(200, 60007, &[60007, 60007])),
        (vec![away(Effect::NotApplied)], fail(502, 60008, &[60008])),
        (vec![behind(), behind()], list(&[60008, 60008])),
        (vec![done(), away(Effect::PossiblyApplied)], list(&[60008])),
    ] {
        assert_eq!(told(NEW, fates), expected);
    }
}

#[test]
fn a_failure_says_who_why_what_is_known_and_what_to_do() {
    let (_, answer) = answered(OLD, vec![done(), refused(90048), busy(), done()]);
    assert_eq!(
        answer,
        json!({
            "ActionStatus": "FAIL",
            "ErrorInfo": "2 of 4 users failed, the other 2 are done: \
                \"u1\": why 90048 (possibly applied; do it); \"u2\": why 60007 (not applied; do it)",
            "ErrorCode": 90048,
            "RequestId": "id",
            "ErrorList": [
                {"To_Account": "u1", "ErrorCode": 90048, "ErrorInfo": "why 90048",
                 "Effect": "possibly applied", "Remedy": "do it", "Retryable": false},
                {"To_Account": "u2", "ErrorCode": 60007, "ErrorInfo": "why 60007",
                 "Effect": "not applied", "Remedy": "do it", "Retryable": true},
            ],
            "Effect": "possibly applied",
            "Remedy": "do it",
            "Retryable": true,
        })
    );
    let (_, answer) = answered(OLD, vec![refused(90048)]);
    assert_eq!(answer["ErrorInfo"], "why 90048 (possibly applied; do it)");
    let (_, answer) = answered(OLD, (0..8).map(|_| refused(90048)).collect());
    let text = answer["ErrorInfo"].as_str().unwrap();
    assert!(
        text.starts_with("8 of 8 users failed, none is done: "),
        "{text}"
    );
    assert!(text.ends_with("; and 3 more, see ErrorList"), "{text}");
}

#[test]
fn a_get_has_what_was_read_beside_who_failed() {
    let read = Ok(Some(vec!["b".to_owned(), "a".to_owned()]));
    let failed = failure(Kind::Refused, 90048, Effect::NotRead);
    let (_, answer) = answered((Get, AllMemberPush), vec![read, Ok(None), failed]);
    assert_eq!(
        answer["UserTags"],
        json!([{"To_Account": "u0", "Tags": ["a", "b"]}])
    );
    assert_eq!(
        (&answer["ErrorCode"], &answer["Effect"]),
        (&json!(90048), &json!("not read"))
    );
}
