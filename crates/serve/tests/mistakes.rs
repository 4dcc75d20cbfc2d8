//! Calls in which some users have mistakes: who is at fault, and who may be called for again.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use imtag_emulator::Generation;
use serde_json::{Value, json};

use support::{ADD, Answer, GET, NEWER_ADD, Scene};

/// A tag that is a byte too long.
fn long() -> String {
    "x".repeat(51)
}

/// What the list has of each user: account, code, whether it may be called for again.
fn listed(answer: &Answer) -> Vec<(&str, i64, bool)> {
    let list = answer.json["ErrorList"].as_array().unwrap();
    list.iter()
        .map(|it| {
            assert_eq!(it["Effect"], "not applied", "{it}");
            let account = it["To_Account"].as_str().unwrap();
            let code = it["ErrorCode"].as_i64().unwrap();
            (account, code, it["Retryable"] == true)
        })
        .collect()
}

#[test]
fn on_the_older_paths_nobody_is_sent_and_each_hears_whether_he_is_at_fault() {
    let scene = Scene::new(Generation::AllMemberPush);
    let user = |name: &str, tags: &[&str]| json!({"To_Account": name, "Tags": tags});
    let long = long();
    let answer = scene.post(
        ADD,
        json!({"UserTags": [
            user("u1", &["a"]), user("u2", &["b", &long]), user("u3", &[""]), user("u4", &["c"]),
        ]}),
    );
    assert_eq!((answer.status, answer.code()), (200, 90020));
    assert_eq!(
        answer.json["ErrorInfo"],
        "2 of 4 users are at fault, and none was sent: UserTags[1].Tags[1] has 51 bytes, at most 50; UserTags[2].Tags[0] \
         is empty"
    );
    assert_eq!(
        (&answer.json["Effect"], &answer.json["Retryable"]),
        (&json!("not applied"), &json!(true))
    );
    assert_eq!(
        listed(&answer),
        [
            ("u2", 90020, false),
            ("u3", 90040, false),
            ("u1", 90020, true),
            ("u4", 90020, true),
        ]
    );
    let why = |at: usize| answer.json["ErrorList"][at]["ErrorInfo"].as_str().unwrap();
    assert_eq!(why(0), "UserTags[1].Tags[1] has 51 bytes, at most 50");
    assert_eq!(
        why(2),
        "not sent, as another user of the call is at fault: UserTags[1].Tags[1] has 51 bytes, at most 50"
    );
    assert_eq!(scene.arrivals(), 0);

    // those who may be called for again are done then
    let again = scene.post(
        ADD,
        json!({"UserTags": [user("u1", &["a"]), user("u4", &["c"])]}),
    );
    assert_eq!(again.code(), 0);
}

#[test]
fn one_user_alone_is_told_his_mistake_and_many_are_named_up_to_a_bound() {
    let scene = Scene::new(Generation::AllMemberPush);
    let one = scene.post(
        ADD,
        json!({"UserTags": [{"To_Account": "u", "Tags": [""]}]}),
    );
    assert_eq!(one.json["ErrorInfo"], "UserTags[0].Tags[0] is empty");
    assert_eq!(one.json["Retryable"], false);
    assert_eq!(listed(&one), [("u", 90040, false)]);

    let users: Vec<Value> = (0..8)
        .map(|number| json!({"To_Account": format!("u{number}"), "Tags": [long()]}))
        .collect();
    let many = scene.post(ADD, json!({"UserTags": users}));
    let info = many.json["ErrorInfo"].as_str().unwrap();
    assert!(info.starts_with("8 of 8 users are at fault, and none was sent: UserTags[0]"));
    assert!(
        info.contains("UserTags[4].Tags[0] has 51 bytes, at most 50; and 3 more, see ErrorList")
    );
    assert_eq!(listed(&many).len(), 8);
    assert_eq!(many.json["Retryable"], false);

    let get = scene.post(GET, json!({"To_Account": ["a", ""]}));
    let list = get.json["ErrorList"].as_array().unwrap();
    let effects: Vec<_> = list.iter().map(|it| &it["Effect"]).collect();
    assert_eq!(effects, ["not read", "not read"]);
}

#[test]
fn who_has_no_tags_is_at_fault_and_the_others_may_be_called_for_again() {
    for tags in [json!([]), json!({"1": "x"}), json!(["x", 1])] {
        let users = json!([
            {"To_Account": "42", "Tags": ["a"]}, {"To_Account": "u2", "Tags": tags},
        ]);
        let older = Scene::new(Generation::AllMemberPush);
        let answer = older.post(ADD, json!({ "UserTags": users }));
        assert_eq!(answer.code(), 90001);
        assert_eq!(
            listed(&answer),
            [("u2", 90001, false), ("42", 90001, true)],
            "{tags}"
        );
        assert_eq!(older.arrivals(), 0);
        let newer = Scene::new(Generation::Timpush);
        let answer = newer.post(NEWER_ADD, json!({ "UserTags": users }));
        assert_eq!(listed(&answer), [("u2", 90001, false)], "{tags}");
        assert_eq!(newer.tags("42"), ["a"]);
    }
}

#[test]
fn what_cannot_be_taken_apart_has_no_list_and_says_how_the_body_should_be() {
    let scene = Scene::new(Generation::AllMemberPush);
    let many: Vec<String> = (0..101).map(|it| format!("u{it}")).collect();
    for (body, code) in [
        (json!({}), 90001),
        (json!({"To_Account": [7]}), 60015),
        (json!({"To_Account": many}), 90018),
    ] {
        let answer = scene.post(GET, body);
        assert_eq!(answer.code(), code);
        assert_eq!(answer.json["ErrorList"], Value::Null);
        let remedy = answer.json["Remedy"].as_str().unwrap();
        assert_eq!(
            remedy.contains("GET /openapi.json"),
            code != 90018,
            "{remedy}"
        );
    }
}

#[test]
fn on_the_newer_paths_those_without_a_mistake_are_done() {
    let scene = Scene::new(Generation::Timpush);
    let user = |name: &str, tag: &str| json!({"To_Account": name, "Tags": [tag]});
    let answer = scene.post(
        NEWER_ADD,
        json!({"UserTags": [user("u1", "a"), user("u2", &long())]}),
    );
    assert_eq!(answer.code(), 0);
    assert_eq!(listed(&answer), [("u2", 90020, false)]);
    assert_eq!(scene.tags("u1"), ["a"]);
}
