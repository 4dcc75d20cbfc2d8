//! Changes that last, while nothing is sent: what is stored is known by its ids and its key, over hang-ups and restarts.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use support::{Answer, Scene, Setup, http, schema};

const ROW: &str = r#"{"To_Account":"a","Tags":["t"]}"#;
const OTHER: &str = r#"{"To_Account":"a","Tags":["u"]}"#;

fn paused() -> Scene {
    let scene = Scene::start(Setup::durable());
    let answer = scene.ask("POST", "/v1/pause", "", "");
    assert_eq!(answer.json, json!({"paused": true}));
    scene
}

fn keyed(scene: &Scene, key: &str, body: &str) -> Answer {
    let line = format!("Idempotency-Key: {key}\r\n");
    scene.ask("POST", "/v1/changes", &line, body)
}

#[track_caller]
fn ids(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 202, "{}", answer.text);
    let ids = answer.json["changes"].as_array().unwrap();
    ids.iter()
        .map(|it| it.as_str().unwrap().to_owned())
        .collect()
}

fn states(scene: &Scene, post: &str) -> Value {
    scene
        .ask("GET", &format!("/v1/changes/{post}"), "", "")
        .json
}

#[test]
fn what_is_stored_has_an_id_a_change_in_the_order_of_the_rows_and_is_there_after_a_restart() {
    let scene = paused();
    let first = scene.keep("?wait=durable", &format!("{ROW}\n{ROW}\n"));
    let post = first.json["post"].as_str().unwrap().to_owned();
    assert_eq!(ids(&first), [format!("{post}-0"), format!("{post}-1")]);
    let second = scene.keep("", ROW);
    assert_ne!(second.json["post"], first.json["post"]);
    let expected = json!({
        "post": post, "changes": 2, "queued": 2, "sending": 0, "done": 0, "failed": 0, "deleted": 0
    });
    for _ in 0..2 {
        assert_eq!(states(&scene, &post), expected);
        let change = states(&scene, &format!("{post}-1"));
        assert_eq!(
            change,
            json!({"id": format!("{post}-1"), "state": "queued"})
        );
        assert_eq!(scene.end(), 0);
        scene.run();
    }
    let third = scene.keep("", ROW);
    assert!(
        ![&first, &second]
            .iter()
            .any(|it| it.json["post"] == third.json["post"])
    );
    for unknown in [format!("{post}-2"), "999".to_owned(), "999-0".to_owned()] {
        let answer = scene.ask("GET", &format!("/v1/changes/{unknown}"), "", "");
        assert_eq!(answer.status, 404, "{unknown}");
        let why = answer.json["error"].as_str().unwrap();
        assert!(why.contains(&unknown) && why.contains("is known"), "{why}");
    }
}

#[test]
fn a_post_with_the_same_key_and_body_is_not_stored_again_also_after_a_restart() {
    let scene = paused();
    let first = ids(&keyed(&scene, "order-1", ROW));
    assert_eq!(ids(&keyed(&scene, "order-1", ROW)), first);
    let other = keyed(&scene, "order-1", OTHER);
    assert_eq!(other.status, 422);
    let why = other.json["error"].as_str().unwrap();
    assert!(why.starts_with("Idempotency-Key: another body"), "{why}");
    assert_ne!(ids(&keyed(&scene, "order-2", ROW)), first);
    assert_ne!(ids(&scene.keep("", ROW)), first);
    // what was refused has no key: it can be corrected
    assert_eq!(keyed(&scene, "order-3", "{").status, 422);
    assert_eq!(keyed(&scene, "order-3", ROW).status, 202);
    scene.end();
    scene.run();
    assert_eq!(ids(&keyed(&scene, "order-1", ROW)), first);
}

#[test]
fn posts_of_a_key_that_come_at_once_are_one() {
    let scene = paused();
    let answers = std::thread::scope(|threads| {
        let post = || threads.spawn(|| ids(&keyed(&scene, "order-1", ROW)));
        let posts: Vec<_> = (0..8).map(|_| post()).collect();
        let answers = posts.into_iter().map(|it| it.join().unwrap());
        answers.collect::<Vec<_>>()
    });
    assert!(
        answers.windows(2).all(|pair| pair[0] == pair[1]),
        "{answers:?}"
    );
}

#[test]
fn who_waits_for_outcomes_is_told_at_its_time_what_is_known() {
    let scene = paused();
    let began = Instant::now();
    let line = "Imtag-Timeout: 0.2\r\n";
    let answer = scene.ask(
        "POST",
        "/v1/changes?wait=outcome",
        line,
        &format!("{ROW}\n{ROW}"),
    );
    assert!(began.elapsed() >= Duration::from_millis(200));
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(
        answer.field("content-type"),
        Some("application/x-ndjson; charset=utf-8")
    );
    let lines = answer.lines();
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|it| it["state"] == "queued"), "{lines:?}");
    let id = lines[1]["id"].as_str().unwrap();
    assert_eq!(states(&scene, id), lines[1]);
}

#[test]
fn a_caller_that_hangs_up_has_its_post_stored_and_a_daemon_that_ends_answers_who_waits() {
    let scene = paused();
    let mut gone = scene.connect();
    gone.say(http::post(
        "/v1/changes?wait=outcome",
        "Imtag-Timeout: 60\r\nIdempotency-Key: k\r\n",
        ROW,
    ));
    // until it is stored
    let until = Instant::now() + Duration::from_secs(20);
    while !scene
        .page("/metrics")
        .text
        .contains("imtag_queue_changes 1\n")
    {
        assert!(Instant::now() < until);
    }
    drop(gone);
    while !scene
        .page("/metrics")
        .text
        .contains("imtag_serve_hung_up_total 1\n")
    {
        assert!(Instant::now() < until);
    }
    let first = ids(&keyed(&scene, "k", ROW));
    let mut waiting = scene.connect();
    waiting.say(http::post(
        "/v1/changes?wait=outcome",
        "Imtag-Timeout: 60\r\n",
        OTHER,
    ));
    while !scene
        .page("/metrics")
        .text
        .contains("imtag_queue_changes 2\n")
    {
        assert!(Instant::now() < until);
    }
    assert_eq!(scene.end(), 0, "no connection is cut off");
    let answer = waiting.answer().unwrap();
    schema::check("post", "/v1/changes", &answer);
    assert_eq!(
        (answer.status, &answer.lines()[0]["state"]),
        (200, &json!("queued"))
    );
    scene.run();
    assert_eq!(ids(&keyed(&scene, "k", ROW)), first);
    assert!(
        scene
            .page("/metrics")
            .text
            .contains("imtag_queue_changes 2\n")
    );
}

#[test]
fn changes_that_wait_are_deleted_by_account_tag_and_age_and_no_others() {
    let scene = paused();
    let rows = r#"{"To_Account":"a","Tags":["x"]}
{"To_Account":"a","Tags":["y","x"]}
{"To_Account":"b","Tags":["x"]}
{"To_Account":"c c","op":"clear"}
{"To_Account":"d","Tags":["z"]}"#;
    let post = scene.keep("", rows).json["post"]
        .as_str()
        .unwrap()
        .to_owned();
    let delete = |query: &str| {
        let answer = scene.ask("DELETE", &format!("/v1/changes?{query}"), "", "");
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json["deleted"].as_u64().unwrap()
    };
    assert_eq!(delete("older_than=3600"), 0);
    assert_eq!(delete("account=e"), 0);
    assert_eq!(delete("account=a&tag=y"), 1);
    assert_eq!(delete("account=a&tag=y"), 0);
    assert_eq!(delete("account=c%20c"), 1);
    assert_eq!(delete("tag=x"), 2);
    let left = states(&scene, &post);
    assert_eq!((&left["queued"], &left["deleted"]), (&json!(1), &json!(4)));
    assert_eq!(states(&scene, &format!("{post}-1"))["state"], "deleted");
    assert_eq!(delete("older_than=0"), 1);
    assert!(
        scene
            .page("/metrics")
            .text
            .contains("imtag_queue_deleted_total 5\n")
    );
}

#[test]
fn a_pause_is_seen_lasts_over_a_restart_and_ends() {
    let scene = paused();
    let says = |text: &str| scene.page("/readyz").text.contains(text);
    for _ in 0..2 {
        let ready = scene.page("/readyz");
        assert_eq!(ready.status, 200, "calls are taken");
        assert!(
            says("ready; the queue is paused (operator)"),
            "{}",
            ready.text
        );
        let figures = scene.page("/metrics").text;
        assert!(figures.contains("imtag_queue_paused{reason=\"operator\"} 1\n"));
        assert!(figures.contains("imtag_queue_paused{reason=\"service\"} 0\n"));
        scene.end();
        scene.run();
    }
    let answer = scene.ask("POST", "/v1/resume", "", "");
    assert_eq!(answer.json, json!({"paused": false}));
    assert!(!says("paused (operator)"));
}

#[test]
fn figures_count_posts_by_caller_and_status_and_name_no_user() {
    let scene = paused();
    scene.keep("", ROW);
    keyed(&scene, "k", ROW);
    keyed(&scene, "k", ROW);
    scene.keep("", "{");
    let figures = scene.page("/metrics").text;
    let uid = rustix::process::getuid().as_raw();
    for figure in [
        format!(
            "imtag_serve_requests_total{{caller=\"uid {uid}\",request=\"post_changes\",status=\"202\"}} 3\n"
        ),
        format!(
            "imtag_serve_requests_total{{caller=\"uid {uid}\",request=\"post_changes\",status=\"422\"}} 1\n"
        ),
        "imtag_queue_posts_total{result=\"accepted\"} 2\n".to_owned(),
        "imtag_queue_posts_total{result=\"repeated\"} 1\n".to_owned(),
        "imtag_queue_accepted_total 2\n".to_owned(),
        "imtag_queue_changes 2\n".to_owned(),
        "imtag_queue_under_way 0\n".to_owned(),
        "imtag_queue_failures 0\n".to_owned(),
    ] {
        assert!(figures.contains(&figure), "{figure}: {figures}");
    }
    // in the form of Prometheus: each figure is typed, and each line has a number
    for line in figures.lines().filter(|it| !it.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        let name = name.split('{').next().unwrap();
        assert!(figures.contains(&format!("# TYPE {name} ")), "{name}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
}
