//! /openapi.json knows each answer of each route: here they are all made, by each status.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::time::Duration;

use imtag_emulator::{Fault, Generation, Operation};
use imtag_serve::{Access, Limits};
use serde_json::{Value, json};

use support::{Answer, Scene, Setup, http, schema};

const ROUTES: [(Generation, Operation, &str); 8] = {
    use Generation::{AllMemberPush, Timpush};
    use Operation::{Add, Clear, Get, Remove};
    [
        (AllMemberPush, Add, "/v4/all_member_push/im_add_tag"),
        (AllMemberPush, Remove, "/v4/all_member_push/im_remove_tag"),
        (AllMemberPush, Get, "/v4/all_member_push/im_get_tag"),
        (
            AllMemberPush,
            Clear,
            "/v4/all_member_push/im_remove_all_tags",
        ),
        (Timpush, Add, "/v4/timpush/add_tag"),
        (Timpush, Remove, "/v4/timpush/remove_tag"),
        (Timpush, Get, "/v4/timpush/get_tag"),
        (Timpush, Clear, "/v4/timpush/clear_all_tags"),
    ]
};

fn body(operation: Operation, accounts: &[&str]) -> Value {
    let user = |account: &&str| json!({"To_Account": account, "Tags": ["t"]});
    match operation {
        Operation::Add | Operation::Remove => {
            json!({"UserTags": accounts.iter().map(user).collect::<Vec<_>>()})
        }
        Operation::Get | Operation::Clear => json!({"To_Account": accounts}),
    }
}

#[track_caller]
fn check(path: &str, answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{path}: {}", answer.json);
    schema::check("post", path, answer);
}

#[test]
fn each_status_of_each_route_is_on_the_page_and_no_other() {
    for generation in Generation::ALL {
        let scene = Scene::start(Setup {
            calls_per_second: 1_000,
            limits: Limits {
                body: Duration::from_millis(100),
                ..Limits::default()
            },
            access: Some(Access::new),
            is_ready: false,
            ..Setup::new(generation)
        });
        let routes = || ROUTES.iter().filter(|it| it.0 == generation);
        for (_, operation, path) in routes() {
            check(path, &scene.post(path, body(*operation, &["a"])), 503);
        }
        scene.ready();
        for (_, operation, path) in routes() {
            // an account of its own: a change that may arrive late holds those of another kind
            let account = operation.name();
            let good = body(*operation, &[account]);
            let done = scene.post(path, good.clone());
            check(path, &done, 200);
            assert_eq!(done.code(), 0, "{}", done.json);
            check(
                path,
                &scene.post(path, body(*operation, &[account, "ghost"])),
                200,
            );
            check(path, &scene.post(path, json!({})), 200);
            check(path, &scene.post_within(path, &good, "x"), 400);
            let mut foreign = scene.connect_by_tcp();
            foreign.say(http::post(path, "Origin: http://evil.example\r\n", &good));
            check(path, &foreign.answer().unwrap(), 403);
            let whole = http::post(path, "", &good);
            let mut late = scene.connect();
            late.say(&whole[..whole.len() - 1]);
            check(path, &late.answer().unwrap(), 408);
            let mut large = scene.connect();
            let length = format!("Content-Length: {}\r\n", good.to_string().len());
            large.say(whole.replace(&length, "Content-Length: 10000000000\r\n"));
            check(path, &large.answer().unwrap(), 413);
            // the service does not answer
            let cuts = (0..100).map(|_| Fault::cut_before());
            scene.emulator.faults(*operation, cuts);
            check(path, &scene.post_within(path, &good, "0.3"), 504);
            scene.emulator.remove_faults();
        }
        // nobody is there
        scene.emulator.stop();
        for (_, operation, path) in routes() {
            check(
                path,
                &scene.post_within(path, &body(*operation, &["b"]), "0.3"),
                502,
            );
        }
    }
}

#[test]
fn the_page_has_the_eight_routes_those_for_changes_that_last_and_those_for_operators() {
    let paths = schema::PAGE["paths"].as_object().unwrap();
    let mut expected: Vec<&str> = ROUTES.iter().map(|it| it.2).collect();
    expected.extend(["/healthz", "/readyz", "/metrics", "/openapi.json"]);
    expected.extend(["/v1/changes", "/v1/changes/{id}", "/v1/failures"]);
    expected.extend(["/v1/pause", "/v1/resume"]);
    expected.sort_unstable();
    let mut paths: Vec<&str> = paths.keys().map(String::as_str).collect();
    paths.sort_unstable();
    assert_eq!(paths, expected);
}
