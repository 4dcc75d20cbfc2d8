//! The eight routes over a real socket: what they do, and what each mistake is answered.

#![allow(clippy::unwrap_used)] // all of it is test code

mod caller;

use std::collections::BTreeSet;

use caller::{ADD, Caller, GET, TIMPUSH_ADD, accounts, query, tags, usersig};
use imtag_emulator::{Emulator, Generation, Operation, Route};
use serde_json::json;

fn set(tags: &[&str]) -> BTreeSet<String> {
    tags.iter().map(|&tag| tag.to_owned()).collect()
}

#[test]
fn every_route_does_its_job_and_both_generations_share_the_tags() {
    let emulator = Emulator::builder().start().unwrap();
    let mut caller = Caller::new(&emulator);
    for (writing, reading) in [
        (Generation::AllMemberPush, Generation::Timpush),
        (Generation::Timpush, Generation::AllMemberPush),
    ] {
        let body = tags(&[("xiaojun012", &["a", "标签"]), ("xiaojun013", &["b"])]);
        assert_eq!(caller.code((Operation::Add, writing), body), 0);
        assert_eq!(emulator.user("xiaojun012"), set(&["a", "标签"]));

        let body = tags(&[("xiaojun012", &["a", "unknown"])]);
        assert_eq!(caller.code((Operation::Remove, writing), body), 0);
        let body = accounts(&["xiaojun013", "nobody", "xiaojun012"]);
        let read = caller.call((Operation::Get, reading), body).unwrap();
        assert_eq!(
            read.json()["UserTags"],
            json!([
                {"To_Account": "xiaojun013", "Tags": ["b"]},
                {"To_Account": "nobody", "Tags": []},
                {"To_Account": "xiaojun012", "Tags": ["标签"]},
            ])
        );

        let body = accounts(&["xiaojun012", "xiaojun013"]);
        assert_eq!(caller.code((Operation::Clear, writing), body), 0);
        assert!(emulator.users().is_empty());
    }
}

#[test]
fn a_state_to_start_from_can_be_set() {
    let emulator = Emulator::builder().start().unwrap();
    emulator.tag("a", ["t", "标"]);
    emulator.tag("a", ["t", "u"]);
    assert_eq!(emulator.user("a"), set(&["t", "u", "标"]));
}

#[test]
fn one_connection_carries_many_calls() {
    let emulator = Emulator::builder().calls_per_second(1000).start().unwrap();
    let mut caller = Caller::new(&emulator);
    for _ in 0..200 {
        assert_eq!(caller.code(ADD, tags(&[("a", &["t"])])), 0);
    }
    assert_eq!(emulator.stats().connections, 1);
    assert_eq!(emulator.stats().arrivals(), 200);
}

#[test]
fn each_mistake_in_the_url_gets_its_code() {
    let emulator = Emulator::builder().start().unwrap();
    let mut caller = Caller::new(&emulator);
    let good = query(&emulator);
    let path = Route::from(ADD).path();
    let sig = usersig(&emulator);
    for (query, expected) in [
        (good.clone(), 0),
        (good.replace("sdkappid=", "SDKAppID="), 60012),
        (good.replace("1400000000", "14e8"), 60006),
        (good.replace("1400000000", "1400000001"), 70020),
        (
            good.replace("identifier=administrator", "identifier="),
            60025,
        ),
        (
            good.replace("identifier=administrator", "identifier=other"),
            70013,
        ),
        (good.replace(&sig, "abc"), 70003),
        (good.replace("4294967295", "4294967296"), 0),
        (good.replace("=json", "=xml"), 60025),
        (good.clone() + "&other=%f", 60002),
        (String::new(), 60012),
    ] {
        let target = format!("{path}?{query}");
        let body = tags(&[("a", &["t"])]).to_string();
        let answer = caller.request("POST", &target, &body).unwrap();
        assert_eq!(answer.code(), expected, "{}", answer.json());
    }
}

#[test]
fn a_path_or_method_that_no_route_has_gets_60009() {
    let emulator = Emulator::builder().start().unwrap();
    let mut caller = Caller::new(&emulator);
    let query = query(&emulator);
    for (method, path) in [
        ("POST", "/v4/all_member_push/im_push"),
        ("POST", "/v4/all_member_push/im_add_tag/"),
        ("POST", "/all_member_push/im_add_tag"),
        ("POST", "/"),
        ("GET", "/v4/all_member_push/im_add_tag"),
        ("PUT", "/v4/timpush/add_tag"),
    ] {
        let answer = caller.request(method, &format!("{path}?{query}"), "{}");
        assert_eq!(answer.unwrap().code(), 60009, "{method} {path}");
    }
    assert_eq!(emulator.stats().elsewhere, 6);
    assert_eq!(emulator.stats().arrivals(), 0);
}

#[test]
fn a_random_that_is_no_number_is_refused_when_told_so() {
    let builder = Emulator::builder().strict_random(true);
    let emulator = builder.start().unwrap();
    let mut caller = Caller::new(&emulator);
    assert_eq!(caller.code(ADD, tags(&[("a", &["t"])])), 0);
    let path = Route::from(ADD).path();
    let query = query(&emulator).replace("4294967295", "4294967296");
    let answer = caller.request("POST", &format!("{path}?{query}"), "{}");
    let json = answer.unwrap().json();
    assert_eq!(json["ErrorCode"], 60025);
    let text = "random is not a whole number from 0 to 4294967295";
    assert_eq!(json["ErrorInfo"], text);
}

#[test]
fn a_failed_user_is_named_on_timpush_and_fails_all_on_the_older_routes() {
    let emulator = Emulator::builder()
        .unknown_accounts(["stranger"])
        .start()
        .unwrap();
    let mut caller = Caller::new(&emulator);
    let body = tags(&[("known", &["t"]), ("stranger", &["t"])]);
    assert_eq!(caller.code(ADD, &body), 70107);
    assert!(emulator.users().is_empty());

    let answer = caller.call(TIMPUSH_ADD, &body).unwrap();
    assert_eq!(answer.code(), 0);
    assert_eq!(answer.failed(), [("stranger".to_owned(), 70107)]);
    assert_eq!(emulator.user("known"), set(&["t"]));
}

#[test]
fn a_fail_changes_some_users_when_told_so() {
    let emulator = Emulator::builder()
        .unknown_accounts(["stranger"])
        .fail_changes_some(true)
        .start()
        .unwrap();
    let mut caller = Caller::new(&emulator);
    let body = tags(&[("stranger", &["t"]), ("known", &["t"])]);
    assert_eq!(caller.code(ADD, &body), 70107);
    assert_eq!(emulator.user("known"), set(&["t"]));
}

#[test]
fn a_body_that_is_too_large_gets_90001() {
    let emulator = Emulator::builder().start().unwrap();
    let fits = "x".repeat(4 * 1024 * 1024);
    assert_eq!(Caller::new(&emulator).code(ADD, &fits), 60003);
    let body = fits + "x";
    assert_eq!(Caller::new(&emulator).code(ADD, body), 90001);
}

#[test]
fn the_limits_can_be_others() {
    let mut limits = imtag_core::Limits::DOCUMENTED;
    limits.users_per_request = 1;
    limits.tag_bytes = 2;
    let emulator = Emulator::builder().limits(limits).start().unwrap();
    let mut caller = Caller::new(&emulator);
    assert_eq!(caller.code(GET, accounts(&["a", "b"])), 90018);
    assert_eq!(caller.code(ADD, tags(&[("a", &["abc"])])), 90020);
    assert_eq!(caller.code(ADD, tags(&[("a", &["ab"])])), 0);
}
