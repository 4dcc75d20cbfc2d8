//! Every limit of a call, at, below and above: with the service's code, and nothing of what is refused is sent.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use imtag_emulator::Generation;
use serde_json::{Value, json};

use support::{ADD, Answer, CLEAR, GET, NEWER_ADD, REMOVE, Scene};

const NEWER_GET: &str = "/v4/timpush/get_tag";
const NEWER_REMOVE: &str = "/v4/timpush/remove_tag";
const NEWER_CLEAR: &str = "/v4/timpush/clear_all_tags";

fn accounts(count: usize) -> Value {
    json!({"To_Account": (0..count).map(|it| format!("u{it}")).collect::<Vec<_>>()})
}

fn users(count: usize) -> Value {
    let user = |number| json!({"To_Account": format!("u{number}"), "Tags": ["t"]});
    json!({"UserTags": (0..count).map(user).collect::<Vec<_>>()})
}

fn tags(count: usize) -> Value {
    let tags: Vec<String> = (0..count).map(|it| format!("t{it}")).collect();
    user("a", &tags)
}

fn user(account: &str, tags: &[impl AsRef<str>]) -> Value {
    let tags: Vec<&str> = tags.iter().map(AsRef::as_ref).collect();
    json!({"UserTags": [{"To_Account": account, "Tags": tags}]})
}

fn replacing(mut body: Value, replace: impl Into<Value>) -> Value {
    body["Replace"] = replace.into();
    body
}

/// The code of the call, or of the first user in `ErrorList`.
fn code(answer: &Answer) -> i64 {
    let of_user = answer.json["ErrorList"][0]["ErrorCode"].as_i64();
    of_user.unwrap_or_else(|| answer.code())
}

#[track_caller]
fn check(scene: &Scene, path: &str, body: Value, expected: i64) {
    let before = scene.arrivals();
    let answer = scene.post(path, body.clone());
    assert_eq!(answer.status, 200, "{path} {body}: {}", answer.json);
    assert_eq!(code(&answer), expected, "{path} {body}: {}", answer.json);
    // a busy machine may need two requests for a hundred users
    let is_sent = scene.arrivals() > before;
    assert_eq!(is_sent, expected == 0, "{path} {body}");
    if expected != 0 {
        let effect = if path.contains("get_tag") {
            "not read"
        } else {
            "not applied"
        };
        let listed = &answer.json["ErrorList"][0]["Effect"];
        let told = if listed.is_null() {
            &answer.json["Effect"]
        } else {
            listed
        };
        assert_eq!(told, effect, "{}", answer.json);
    }
}

#[test]
fn each_limit_holds_on_every_route_at_its_number_and_above() {
    for (generation, [add, remove, get, clear]) in [
        (Generation::AllMemberPush, [ADD, REMOVE, GET, CLEAR]),
        (
            Generation::Timpush,
            [NEWER_ADD, NEWER_REMOVE, NEWER_GET, NEWER_CLEAR],
        ),
    ] {
        let scene = Scene::with_quota(generation, 1_000);
        for path in [add, remove] {
            for (count, code) in [(1, 0), (99, 0), (100, 0), (101, 90018), (10_000, 90018)] {
                check(&scene, path, users(count), code);
            }
            for (count, code) in [(1, 0), (9, 0), (10, 0), (11, 90032), (0, 90001)] {
                check(&scene, path, tags(count), code);
            }
            // of an account that is there twice the tags of both count
            for (more, code) in [(4, 0), (5, 90032)] {
                let mut body = tags(6);
                let other: Vec<String> = (0..more).map(|it| format!("more{it}")).collect();
                let other = json!({"To_Account": "a", "Tags": other});
                body["UserTags"].as_array_mut().unwrap().push(other);
                check(&scene, path, body, code);
            }
            for (bytes, code) in [
                (1, 0),
                (49, 0),
                (50, 0),
                (51, 90020),
                (5_000, 90020),
                (0, 90040),
            ] {
                check(&scene, path, user("a", &["x".repeat(bytes)]), code);
            }
            // bytes, and not letters
            for (letters, code) in [(16, 0), (17, 90020)] {
                check(&scene, path, user("a", &["标".repeat(letters)]), code);
            }
        }
        for path in [get, clear] {
            for (count, code) in [(1, 0), (99, 0), (100, 0), (101, 90018), (0, 90001)] {
                check(&scene, path, accounts(count), code);
            }
        }
        // a RegistrationID may have any length
        let above = if generation == Generation::Timpush {
            0
        } else {
            70402
        };
        for (bytes, code) in [
            (1, 0),
            (31, 0),
            (32, 0),
            (33, above),
            (36, above),
            (0, 70402),
        ] {
            let account = "x".repeat(bytes);
            for path in [add, remove] {
                check(&scene, path, user(&account, &["t"]), code);
            }
            for path in [get, clear] {
                check(&scene, path, json!({"To_Account": [account]}), code);
            }
        }
    }
}

#[test]
fn a_replace_takes_a_hundred_tags_and_is_of_the_newer_path_alone() {
    let newer = Scene::with_quota(Generation::Timpush, 1_000);
    for (count, code) in [(1, 0), (10, 0), (11, 0), (100, 0), (101, 90032), (0, 90001)] {
        check(&newer, NEWER_ADD, replacing(tags(count), 1), code);
    }
    assert_eq!(newer.tags("a").len(), 100);
    for (count, code) in [(10, 0), (11, 90032)] {
        check(&newer, NEWER_ADD, replacing(tags(count), 0), code);
    }
    for wrong in [
        json!(2),
        json!(-1),
        json!("1"),
        json!(true),
        json!(null),
        json!(1.0),
    ] {
        check(&newer, NEWER_ADD, replacing(tags(1), wrong), 90001);
    }
    check(&newer, NEWER_REMOVE, replacing(tags(1), 1), 90001);
    let older = Scene::new(Generation::AllMemberPush);
    for path in [ADD, REMOVE] {
        check(&older, path, replacing(tags(1), 1), 90001);
    }
}

#[test]
fn a_mistake_of_one_user_is_only_its_own_on_the_newer_paths_and_refuses_the_call_on_the_older() {
    let body = json!({"UserTags": [
        {"To_Account": "a", "Tags": ["t"]},
        {"To_Account": "b", "Tags": ["x".repeat(51)]},
    ]});
    let newer = Scene::new(Generation::Timpush);
    let answer = newer.post(NEWER_ADD, body.clone());
    assert_eq!(answer.code(), 0, "{}", answer.json);
    assert_eq!(answer.json["ErrorList"][0]["To_Account"], "b");
    assert_eq!(answer.json["ErrorList"][0]["ErrorCode"], 90020);
    assert_eq!(newer.tags("a"), ["t"]);
    let older = Scene::new(Generation::AllMemberPush);
    check(&older, ADD, body, 90020);
    assert!(older.tags("a").is_empty());
}

#[test]
fn a_path_of_the_other_generation_is_refused_by_its_name() {
    let scene = Scene::new(Generation::AllMemberPush);
    for (path, body) in [
        (NEWER_ADD, tags(1)),
        (NEWER_REMOVE, tags(1)),
        (NEWER_GET, accounts(1)),
        (NEWER_CLEAR, accounts(1)),
    ] {
        let answer = scene.post(path, body);
        assert_eq!((answer.status, answer.code()), (200, 60009));
        let why = answer.json["ErrorInfo"].as_str().unwrap();
        assert!(why.contains("/v4/all_member_push/im_"), "{why}");
    }
    assert_eq!(scene.arrivals(), 0);
}
