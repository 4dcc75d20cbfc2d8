//! Changes and failures are deleted by what is asked for, and an answer says no more than is known.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use imtag_queue::Settings;
use serde_json::{Value, json};

use support::durable::{assert_refused, paused};
use support::{Scene, Setup};

const OF_GHOST: &str = r#"{"To_Account":"ghost","Tags":["x"]}"#;

fn failures(scene: &Scene) -> Vec<Value> {
    scene.ask("GET", "/v1/failures", "", "").lines()
}

#[test]
fn the_failures_up_to_the_last_that_was_read_are_deleted_and_later_ones_stay() {
    let scene = Scene::start(Setup::durable());
    for _ in 0..2 {
        scene.keep("?wait=outcome", &format!("{OF_GHOST}\n{OF_GHOST}"));
    }
    let all = failures(&scene);
    assert_eq!(all.len(), 4);
    let through = |id: &Value| format!("/v1/failures?through={}", id.as_str().unwrap());
    let both = scene.ask("DELETE", &through(&all[2]["id"]), "", "\"1-0\"");
    assert_refused(&both, 400, "through and a body");
    let of_a_post = scene.ask("DELETE", "/v1/failures?through=1", "", "");
    assert_refused(&of_a_post, 400, "through is the id of a change");
    assert_eq!(failures(&scene), all);
    let deleted = scene.ask("DELETE", &through(&all[2]["id"]), "", "");
    assert_eq!(deleted.json, json!({"deleted": 3}));
    assert_eq!(failures(&scene), all[3..]);
    let again = scene.ask("DELETE", &through(&all[2]["id"]), "", "");
    assert_eq!((again.status, again.json), (200, json!({"deleted": 0})));
}

/// 200,000 changes are looked at in some milliseconds: more than this caller waits.
#[test]
fn a_deletion_that_takes_longer_than_its_caller_waits_says_so_and_goes_on() {
    let scene = paused();
    let rows = format!("{}\n", r#"{"To_Account":"a","Tags":["t"]}"#).repeat(10_000);
    for _ in 0..20 {
        assert_eq!(scene.keep("", &rows).status, 202);
    }
    let answer = scene.ask(
        "DELETE",
        "/v1/changes?account=a",
        "Imtag-Timeout: 0.001\r\n",
        "",
    );
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
