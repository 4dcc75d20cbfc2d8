//! Changes that last, as they are applied: what became of each, its failure read back by a post, and what concerns no single
//! user, which pauses the queue and loses nothing.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::time::{Duration, Instant};

use imtag_core::SecretKey;
use imtag_emulator::Generation;
use imtag_serve::Access;
use serde_json::{Value, json};

use support::durable::{hang, paused, stored};
use support::{Scene, Setup};

#[track_caller]
fn wait_until(otherwise: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < until, "{otherwise}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn states(lines: &[Value]) -> Vec<&str> {
    lines
        .iter()
        .map(|it| it["state"].as_str().unwrap())
        .collect()
}

#[test]
fn each_change_is_applied_in_the_order_of_its_account_and_who_waits_is_told() {
    let scene = Scene::start(Setup::durable());
    let rows = r#"{"To_Account":"a","Tags":["x","y"]}
{"account":"b","op":"remove","tags":["x"]}

{"To_Account":"ghost","Tags":["x"]}
{"To_Account":"a","op":"clear"}
{"To_Account":"a","Tags":["z"]}
"#;
    let answer = scene.keep("?wait=outcome", rows);
    let lines = answer.lines();
    assert_eq!(states(&lines), ["done", "done", "failed", "done", "done"]);
    assert_eq!(
        (&lines[2]["account"], &lines[2]["code"]),
        (&json!("ghost"), &json!(70107))
    );
    assert_eq!(scene.tags("a"), ["z"]);
    let id = lines[2]["id"].as_str().unwrap();
    let post = id.split('-').next().unwrap();
    let post = scene
        .ask("GET", &format!("/v1/changes/{post}"), "", "")
        .json;
    assert_eq!(
        (&post["done"], &post["failed"], &post["queued"]),
        (&json!(4), &json!(1), &json!(0))
    );
}

#[test]
fn a_failure_is_read_posted_again_and_deleted() {
    let scene = Scene::start(Setup::durable());
    let rows = r#"{"To_Account":"ghost","Tags":["x","标签"]}
{"To_Account":"b","Tags":["x"]}"#;
    let told = scene.keep("?wait=outcome", rows).lines();
    let failures = scene.ask("GET", "/v1/failures", "", "");
    let lines = failures.lines();
    assert_eq!(lines.len(), 1);
    let mut line = lines[0].clone();
    assert_eq!(
        (&line["op"], &line["tags"]),
        (&json!("add"), &json!(["x", "标签"]))
    );
    // what who waited was told of it
    line["state"] = json!("failed");
    assert_eq!(line, told[0]);
    // it stays over a restart
    assert_eq!(scene.end(), 0);
    scene.run();
    assert_eq!(scene.ask("GET", "/v1/failures", "", "").text, failures.text);
    // the list as it is, is a post
    let again = scene.keep("?wait=outcome", &failures.text).lines();
    assert_eq!(states(&again), ["failed"]);
    let both = scene.ask("GET", "/v1/failures", "", "").lines();
    let ids: Vec<&str> = both.iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(
        ids,
        [
            told[0]["id"].as_str().unwrap(),
            again[0]["id"].as_str().unwrap()
        ]
    );
    let of = |query: &str| {
        scene
            .ask("GET", &format!("/v1/failures?{query}"), "", "")
            .lines()
    };
    assert_eq!(of("limit=1"), both[..1]);
    assert_eq!(of(&format!("after={}", ids[0])), both[1..]);
    assert_eq!(of(&format!("after={}", ids[1])), [] as [Value; 0]);
    // the list as it was read names what is deleted, and nothing else is
    let deleted = scene.ask("DELETE", "/v1/failures", "", &failures.text).json;
    assert_eq!(deleted, json!({"deleted": 1}));
    assert_eq!(scene.ask("GET", "/v1/failures", "", "").lines(), both[1..]);
    let state = scene
        .ask("GET", &format!("/v1/changes/{}", ids[0]), "", "")
        .json;
    assert_eq!(
        state,
        json!({"id": ids[0], "state": "failed", "failure_deleted": true})
    );
    let figures = scene.page("/metrics").text;
    assert!(figures.contains("imtag_queue_failures 1\n"), "{figures}");
}

#[test]
fn while_the_service_is_away_changes_wait_and_none_is_a_failure() {
    let scene = Scene::start(Setup::durable());
    scene.emulator.stop();
    let answer = scene.ask(
        "POST",
        "/v1/changes?wait=outcome",
        "Imtag-Timeout: 0.5\r\n",
        r#"{"To_Account":"a","Tags":["x"]}"#,
    );
    let state = states(&answer.lines())[0].to_owned();
    assert!(state == "queued" || state == "sending", "{state}");
    wait_until("the page says so", || {
        let ready = scene.page("/readyz");
        ready.status == 200 && ready.text.contains("; the service is away")
    });
    assert_eq!(scene.ask("GET", "/v1/failures", "", "").text, "");
    assert_eq!(
        scene.keep("", r#"{"To_Account":"a","Tags":["y"]}"#).status,
        202
    );
    // it ends all the same, and keeps what waits
    assert_eq!(scene.end(), 0);
    scene.run();
    let figures = scene.page("/metrics").text;
    assert!(figures.contains("imtag_queue_changes 2\n"), "{figures}");
}

#[test]
fn a_wrong_key_pauses_the_queue_with_the_reason_and_a_new_one_goes_on_at_once() {
    let scene = Scene::start(Setup::durable());
    let wrong = SecretKey::new("0".repeat(64)).unwrap();
    scene.reload_with(wrong, Access::new());
    let stored = scene.keep("", r#"{"To_Account":"a","Tags":["x"]}"#);
    assert_eq!(stored.status, 202);
    wait_until("it is paused", || {
        scene
            .page("/metrics")
            .text
            .contains("imtag_queue_paused{reason=\"app\"} 1\n")
    });
    let ready = scene.page("/readyz");
    assert_eq!(ready.status, 200);
    assert!(
        ready.text.contains("the queue is paused (app): "),
        "{}",
        ready.text
    );
    assert_eq!(scene.ask("GET", "/v1/failures", "", "").text, "");
    scene.reload();
    wait_until("it is applied", || scene.tags("a") == ["x"]);
    wait_until("it goes on", || {
        !scene.page("/readyz").text.contains("paused")
    });
}

#[test]
fn a_replace_is_taken_in_its_order_on_the_newer_paths() {
    let scene = Scene::start(Setup {
        generation: Generation::Timpush,
        ..Setup::durable()
    });
    let rows = r#"[{"To_Account":"a","Tags":["x"]},
{"To_Account":"a","op":"replace","Tags":["y"]},
{"To_Account":"a","Tags":["z"]}]"#;
    let lines = scene.keep("?wait=outcome", rows).lines();
    assert_eq!(states(&lines), ["done"; 3]);
    assert_eq!(scene.tags("a"), ["y", "z"]);
}

#[test]
fn what_was_not_sent_when_the_daemon_ended_is_sent_by_the_next_one() {
    let scene = Scene::start(Setup::durable());
    scene.ask("POST", "/v1/pause", "", "");
    let rows = r#"{"To_Account":"a","Tags":["x"]}
{"To_Account":"a","op":"clear"}
{"To_Account":"a","Tags":["y"]}"#;
    assert_eq!(scene.keep("", rows).status, 202);
    assert_eq!(scene.end(), 0);
    assert_eq!(scene.arrivals(), 0);
    scene.run();
    scene.ask("POST", "/v1/resume", "", "");
    wait_until("it is applied", || scene.tags("a") == ["y"]);
    wait_until("it is settled", || {
        scene
            .page("/metrics")
            .text
            .contains("imtag_queue_changes 0\n")
    });
    assert_eq!(scene.end(), 0);
}

#[test]
fn who_waits_for_outcomes_hears_in_time_that_the_changes_are_stored_where_the_disk_hangs_by_then() {
    let scene = paused();
    let answer = std::thread::scope(|scope| {
        let waits = scope.spawn(|| {
            let time = "Imtag-Timeout: 3\r\n";
            let rows = r#"{"To_Account":"a","Tags":["x"]}"#;
            scene.ask("POST", "/v1/changes?wait=outcome", time, rows)
        });
        wait_until("it is stored", || stored(&scene) == 1);
        let _hangs = hang(&scene);
        waits.join().unwrap()
    });
    assert_eq!(answer.status, 202, "{}", answer.text);
    assert_eq!(answer.json, json!({"post": "1", "changes": ["1-0"]}));
}
