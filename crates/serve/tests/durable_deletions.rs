//! Changes and failures are deleted by what is asked for, and an answer says no more than is known.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use imtag_queue::Settings;
use serde_json::{Value, json};

use support::durable::{assert_refused, hang, paused, stored};
use support::{Scene, Setup};

const OF_GHOST: &str = r#"{"To_Account":"ghost","Tags":["x"]}"#;

fn failures(scene: &Scene) -> Vec<Value> {
    scene.ask("GET", "/v1/failures", "", "").lines()
}

/// A change that is sent late fails after later ones: its id says nothing of what was read.
#[test]
fn a_failure_that_nobody_has_read_is_not_deleted_by_the_place_of_another() {
    let scene = Scene::start(Setup::durable());
    for _ in 0..2 {
        scene.keep("?wait=outcome", OF_GHOST);
    }
    let all = failures(&scene);
    assert_eq!(all.len(), 2);
    let last = all[1]["id"].as_str().unwrap();
    let through = scene.ask("DELETE", &format!("/v1/failures?through={last}"), "", "");
    assert_refused(&through, 400, "no parameter of this path");
    assert_eq!(failures(&scene), all);
    let deleted = scene.ask("DELETE", "/v1/failures", "", &all[1].to_string());
    assert_eq!(deleted.json, json!({"deleted": 1}));
    assert_eq!(failures(&scene), all[..1]);
}

/// 200,000 changes are looked at in some milliseconds: more than this caller waits.
#[test]
fn a_deletion_that_takes_longer_than_its_caller_waits_says_so_and_goes_on() {
    let scene = paused();
    let rows = format!("{}\n", r#"{"To_Account":"a","Tags":["t"]}"#).repeat(10_000);
    for _ in 0..20 {
        assert_eq!(scene.keep("", &rows).status, 202);
    }
    let mut times = (1..).map(|millis| format!("Imtag-Timeout: {}\r\n", f64::from(millis) / 1e3));
    let answer = loop {
        let time = times.next().unwrap();
        let answer = scene.ask("DELETE", "/v1/changes?account=a", &time, "");
        // that was too short for it to begin
        if answer.status != 504 {
            break answer;
        }
    };
    assert_eq!(answer.status, 202, "{}", answer.text);
    assert!(answer.json["deleted"].as_u64() < Some(200_000));
    // another is refused while it is at work, and then has nothing left to do
    let second = loop {
        let second = scene.ask("DELETE", "/v1/changes?account=a", "", "");
        if second.status == 200 {
            break second;
        }
        assert_refused(&second, 409, "another deletion of changes is at work");
        assert_eq!(second.field("retry-after"), Some("10"));
    };
    assert_eq!(second.json, json!({"deleted": 0, "under_way": 0}));
    let figures = scene.page("/metrics").text;
    assert!(
        figures.contains("imtag_queue_deleted_total 200000\n"),
        "{figures}"
    );
}

#[test]
fn what_became_of_a_post_that_is_forgotten_is_unknown_and_not_done() {
    let mut settings = Settings::default();
    settings.kept_posts = 0;
    let scene = Scene::start(Setup {
        queue: Some(settings),
        ..Setup::durable()
    });
    let answer = scene.keep("?wait=outcome", r#"{"To_Account":"a","Tags":["t"]}"#);
    assert_eq!(answer.lines()[0]["state"], "unknown");
    assert_eq!(scene.tags("a"), ["t"]);
}

#[test]
fn a_deletion_that_has_not_begun_when_its_time_is_up_is_not_said_to_go_on_and_is_not_made() {
    let scene = paused();
    let rows = r#"{"To_Account":"a","Tags":["t"]}"#;
    assert_eq!(scene.keep("", rows).status, 202);
    let hangs = hang(&scene);
    let time = "Imtag-Timeout: 0.2\r\n";
    let answer = scene.ask("DELETE", "/v1/changes?account=a", time, "");
    assert_refused(&answer, 504, "send the request again");
    drop(hangs);
    let other = scene.ask("DELETE", "/v1/changes?account=b", "", "");
    assert_eq!(other.json, json!({"deleted": 0, "under_way": 0}));
    assert_eq!(stored(&scene), 1);
}
