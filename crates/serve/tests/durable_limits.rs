//! Every limit of a post, at, below and above; what is refused is not stored.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use imtag_emulator::Generation;
use imtag_queue::Settings;
use serde_json::{Value, json};

use support::{Answer, Scene, Setup, http, schema};

const ROW: &str = r#"{"To_Account":"a","Tags":["t"]}"#;

/// Whose queue sends nothing.
fn paused(setup: Setup) -> Scene {
    let scene = Scene::start(setup);
    scene.ask("POST", "/v1/pause", "", "");
    scene
}

fn row(op: &str, account: &str, tags: &[String]) -> String {
    json!({"account": account, "op": op, "tags": tags}).to_string()
}

fn tags(count: usize) -> Vec<String> {
    (0..count).map(|nth| format!("t{nth}")).collect()
}

#[track_caller]
fn check(answer: &Answer, status: u16, part: &str) {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert!(answer.text.contains(part), "{part:?}: {}", answer.text);
}

#[track_caller]
fn check_row(scene: &Scene, row: &str, refused: Option<&str>) {
    let start = &row[..row.len().min(100)];
    let answer = scene.keep("", row);
    match refused {
        None => assert_eq!(answer.status, 202, "{start}: {}", answer.text),
        Some(part) => {
            assert_eq!(answer.status, 422, "{start}: {}", answer.text);
            let why = answer.json["errors"][0]["error"].as_str().unwrap();
            assert!(why.contains(part), "{part:?} is not in {why:?}");
        }
    }
}

#[test]
fn each_field_of_a_row_is_taken_up_to_its_limit() {
    for generation in Generation::ALL {
        let scene = paused(Setup {
            generation,
            ..Setup::durable()
        });
        let is_newer = generation == Generation::Timpush;
        for op in ["add", "remove"] {
            for (bytes, refused) in [
                (1, None),
                (49, None),
                (50, None),
                (51, Some("51 bytes, at most 50")),
                (0, Some("tag")),
            ] {
                check_row(&scene, &row(op, "a", &["x".repeat(bytes)]), refused);
            }
            // bytes, and not letters
            check_row(&scene, &row(op, "a", &["标".repeat(16)]), None);
            check_row(&scene, &row(op, "a", &["标".repeat(17)]), Some("51 bytes"));
            check_row(&scene, &row(op, "a", &[]), Some("none given"));
        }
        for (count, refused) in [
            (1, None),
            (99, None),
            (100, None),
            (101, Some("at most 100")),
        ] {
            check_row(&scene, &row("add", "a", &tags(count)), refused);
            let replaces = if is_newer {
                refused
            } else {
                Some("replace: not possible")
            };
            check_row(&scene, &row("replace", "a", &tags(count)), replaces);
        }
        check_row(&scene, &row("remove", "a", &tags(10_000)), None);
        check_row(&scene, &row("clear", "a", &[]), None);
        check_row(&scene, &row("clear", "a", &tags(1)), Some("beside clear"));
        // a RegistrationID may have any length
        let above = (!is_newer).then_some("at most 32");
        for (bytes, refused) in [(1, None), (31, None), (32, None), (33, above)] {
            check_row(&scene, &row("add", &"x".repeat(bytes), &tags(1)), refused);
        }
        check_row(&scene, &row("add", "", &tags(1)), Some("account"));
    }
}

#[test]
fn a_post_has_as_many_rows_and_bytes_as_it_may_and_none_more() {
    let scene = paused(Setup::durable());
    for (rows, status) in [(1, 202), (9_999, 202), (10_000, 202), (10_001, 413)] {
        let lines = format!("{ROW}\n").repeat(rows);
        let array = format!("[{}]", vec![ROW; rows].join(","));
        for body in [lines, array] {
            let answer = scene.keep("", &body);
            assert_eq!(answer.status, status, "{}", &answer.text[..100]);
            if status == 413 {
                check(
                    &answer,
                    413,
                    "more than 10000 rows, and a post at most 10000",
                );
            } else {
                assert_eq!(answer.json["changes"].as_array().unwrap().len(), rows);
            }
        }
    }
    let padded = |bytes: usize| format!("{ROW}{}", " ".repeat(bytes - ROW.len()));
    check_row(&scene, &padded(1 << 20), None);
    check_row(
        &scene,
        &padded((1 << 20) + 1),
        Some("at most 1048576 a row"),
    );
    let empty_lines = |bytes: usize| format!("{ROW}{}", "\n".repeat(bytes - ROW.len()));
    assert_eq!(scene.keep("", &empty_lines(8 << 20)).status, 202);
    let above = http::post("/v1/changes", "", empty_lines((8 << 20) + 1));
    for request in [
        above.clone(),
        above.replace(
            "Content-Length: 8388609\r\n",
            "Transfer-Encoding: chunked\r\n",
        ),
    ] {
        let mut stream = scene.connect();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        stream.say(format!("{head}\r\n\r\n"));
        if head.contains("chunked") {
            stream.say(format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()));
        }
        let answer = stream.answer().unwrap();
        schema::check("post", "/v1/changes", &answer);
        check(&answer, 413, "imtag import");
    }
}

#[test]
fn a_key_has_1_to_255_signs() {
    let scene = paused(Setup::durable());
    for (length, status) in [(1, 202), (254, 202), (255, 202), (256, 400)] {
        let line = format!("Idempotency-Key: {}\r\n", "k".repeat(length));
        let answer = scene.ask("POST", "/v1/changes", &line, ROW);
        assert_eq!(answer.status, status, "{length}: {}", answer.text);
    }
    let signs: String = ('!'..='~').collect();
    let line = format!("Idempotency-Key: {signs}\r\n");
    assert_eq!(scene.ask("POST", "/v1/changes", &line, ROW).status, 202);
}

#[test]
fn a_full_queue_says_which_limit_and_when_to_try_again_and_takes_the_next_post_when_there_is_room()
{
    let full = |set: fn(&mut Settings)| {
        let mut settings = Settings::default();
        set(&mut settings);
        let scene = paused(Setup {
            queue: Some(settings),
            ..Setup::durable()
        });
        (scene.keep("", &format!("{ROW}\n").repeat(3)), scene)
    };
    let (answer, scene) = full(|it| it.changes = 3);
    assert_eq!(answer.status, 202);
    let answer = scene.keep("", ROW);
    check(&answer, 429, "more than 3 changes");
    assert_eq!(answer.field("retry-after"), Some("10"));
    // of a post that is too much nothing is stored
    let purged = scene.ask("DELETE", "/v1/changes?account=a", "", "");
    assert_eq!(purged.json, json!({"deleted": 3, "under_way": 0}));
    assert_eq!(scene.keep("", ROW).status, 202);
    check(
        &scene.keep("", &format!("{ROW}\n").repeat(3)),
        429,
        "(--queue-changes)",
    );
    scene.ask("DELETE", "/v1/changes?account=a", "", "");
    let answer = scene.keep("", &format!("{ROW}\n").repeat(4));
    check(
        &answer,
        413,
        "more than the queue may hold, 3 changes (--queue-changes)",
    );
    assert_eq!(answer.field("retry-after"), None);
    assert_eq!(scene.keep("", &format!("{ROW}\n").repeat(3)).status, 202);
    let (answer, _) = full(|it| it.bytes = 10);
    check(
        &answer,
        413,
        "more than the queue may hold, 10 bytes (--queue-bytes)",
    );
    let (answer, scene) = full(|it| it.bytes = 80);
    assert_eq!(answer.status, 202, "{}", answer.text);
    check(
        &scene.keep("", ROW),
        429,
        "more than 80 bytes (--queue-bytes)",
    );
    let (answer, _) = full(|it| it.min_free = u64::MAX);
    check(&answer, 429, "the disk is nearly full");
}

#[test]
fn as_many_ids_as_a_post_has_changes_can_be_deleted_at_once() {
    let scene = paused(Setup::durable());
    let ids = |count: usize| Value::from(vec!["1-0"; count]).to_string();
    for (count, status) in [(1, 200), (10_000, 200), (10_001, 413)] {
        let answer = scene.ask("DELETE", "/v1/failures", "", &ids(count));
        assert_eq!(answer.status, status, "{}", answer.text);
    }
}
