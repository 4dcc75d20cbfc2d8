//! Callers that are slow, endless, silent or many: each is ended within its limits, and the daemon still answers a good
//! call.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use imtag_emulator::Generation;
use imtag_local_server::raise_open_files;
use imtag_serve::Limits;
use serde_json::{Value, json};

use support::{ADD, GET, Scene, Setup, Stream, http, schema};

const SHORT: Duration = Duration::from_millis(200);

fn scene(limits: Limits) -> Scene {
    Scene::start(Setup {
        calls_per_second: 1_000,
        limits,
        ..Setup::new(Generation::AllMemberPush)
    })
}

fn user(account: &str) -> Value {
    json!({"UserTags": [{"To_Account": account, "Tags": ["t"]}]})
}

#[track_caller]
fn assert_well(scene: &Scene) {
    let answer = scene.post(ADD, user("a"));
    assert_eq!((answer.status, answer.code()), (200, 0), "{}", answer.json);
}

#[test]
fn half_a_head_and_no_head_are_closed_when_their_time_is_over() {
    let scene = scene(Limits {
        head: SHORT,
        ..Limits::default()
    });
    let whole = http::post(ADD, "", user("a"));
    let mut waiting: Vec<Stream> = ["", "P", &whole[..40]]
        .into_iter()
        .map(|start| {
            let mut stream = scene.connect();
            stream.say(start);
            stream
        })
        .collect();
    assert_well(&scene);
    for stream in &mut waiting {
        stream.assert_closed();
    }
    assert_eq!(scene.arrivals(), 1);
    assert_well(&scene);
}

#[test]
fn a_body_that_does_not_come_in_time_is_told_so_and_nothing_of_it_is_sent() {
    let scene = scene(Limits {
        body: SHORT,
        ..Limits::default()
    });
    let whole = http::post(ADD, "", user("late"));
    for part in [
        whole.len() - 1,
        whole.len() - user("late").to_string().len(),
    ] {
        let mut stream = scene.connect();
        stream.say(&whole[..part]);
        let answer = stream.answer().unwrap();
        schema::check("post", ADD, &answer);
        assert_eq!((answer.status, answer.code()), (408, 90001));
        assert_eq!(answer.json["Effect"], "not applied");
        stream.say(&whole[part..]);
        stream.assert_closed();
    }
    assert_well(&scene);
    assert!(scene.tags("late").is_empty());
}

#[test]
fn ten_gigabytes_are_refused_unread_and_a_body_without_end_at_the_bound() {
    let scene = scene(Limits::default());
    let mut stream = scene.connect();
    let head = format!("POST {ADD} HTTP/1.1\r\nHost: localhost\r\n");
    stream.say(format!("{head}Content-Length: 10000000000\r\n\r\n"));
    let answer = stream.answer().unwrap();
    schema::check("post", ADD, &answer);
    assert_eq!((answer.status, answer.code()), (413, 90001));
    // at the bound it is read, and one byte above it is not
    let bound = usize::try_from(Limits::default().body_bytes).unwrap();
    for (length, status) in [(bound, 200), (bound + 1, 413)] {
        let body = user("a").to_string();
        let padded = format!("{body}{}", " ".repeat(length - body.len()));
        let mut stream = scene.connect();
        stream.say(http::post(ADD, "", padded));
        assert_eq!(stream.answer().unwrap().status, status);
    }
    let mut stream = scene.connect();
    stream.say(format!("{head}Transfer-Encoding: chunked\r\n\r\n"));
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(4096));
    let mut sent = 0;
    while stream.write_all(chunk.as_bytes()).is_ok() {
        sent += 4096;
        assert!(sent < 20 * bound, "it is read on and on");
        if sent > bound {
            thread::sleep(Duration::from_millis(1));
        }
    }
    assert_eq!(stream.answer().unwrap().status, 413);
    assert_well(&scene);
}

#[test]
fn a_peer_that_does_not_read_is_cut() {
    let scene = scene(Limits {
        write: SHORT,
        ..Limits::default()
    });
    let mut stream = scene.connect();
    let page = "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let began = Instant::now();
    // until it is cut: what it asks for fills all buffers
    while stream.write_all(page.as_bytes()).is_ok() {
        assert!(began.elapsed() < Duration::from_secs(20), "it is not cut");
    }
    assert_well(&scene);
}

#[test]
fn calls_in_a_row_are_answered_in_their_order_each_with_its_own_answer() {
    let scene = scene(Limits::default());
    let mut stream = scene.connect();
    let mut all = String::new();
    for number in 0..20 {
        let account = format!("u{number}");
        all += &http::kept(ADD, "", user(&account));
        all += &http::kept(GET, "", json!({"To_Account": [account]}));
    }
    all += &http::post("/none", "", "{}");
    stream.say(all);
    for number in 0..20 {
        let added = stream.answer().unwrap();
        assert_eq!(added.code(), 0, "{}", added.json);
        let read = stream.answer().unwrap();
        let expected = json!([{"To_Account": format!("u{number}"), "Tags": ["t"]}]);
        assert_eq!(read.json["UserTags"], expected);
    }
    assert_eq!(stream.answer().unwrap().code(), 60009);
    stream.assert_closed();
    // one who sends a thousand and hangs up leaves at most the first few behind
    let mut stream = scene.connect();
    let many: String = (0..1_000)
        .map(|it| http::kept(ADD, "", user(&format!("v{it}"))))
        .collect();
    thread::scope(|threads| {
        threads.spawn(|| {
            stream.say(many);
            drop(stream);
        });
    });
    assert_well(&scene);
}

#[test]
fn connections_above_the_bound_wait_until_silent_ones_are_closed() {
    let scene = scene(Limits {
        connections: 64,
        head: SHORT,
        ..Limits::default()
    });
    let silent: Vec<Stream> = (0..300).map(|_| scene.connect()).collect();
    assert_well(&scene);
    drop(silent);
    assert_well(&scene);
}

#[test]
fn five_thousand_connections_at_once_are_served() {
    const CONNECTIONS: usize = 5_000;
    let files = raise_open_files().unwrap();
    // both ends are in this process
    if files.is_some_and(|files| files < 2 * CONNECTIONS as u64 + 500) {
        println!("skipped: five thousand connections need more open files than {files:?}");
        return;
    }
    let scene = scene(Limits {
        connections: 2 * CONNECTIONS,
        head: Duration::from_secs(60),
        ..Limits::default()
    });
    let call = http::post(GET, "", json!({"To_Account": ["a"]}));
    let half = call.len() / 2;
    let mut streams: Vec<Stream> = (0..CONNECTIONS)
        .map(|_| {
            let mut stream = scene.connect();
            stream.say(&call[..half]);
            stream
        })
        .collect();
    let began = Instant::now();
    assert_well(&scene);
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    for stream in &mut streams {
        stream.say(&call[half..]);
    }
    for stream in &mut streams {
        let answer = stream.answer().unwrap();
        assert_eq!((answer.status, answer.code()), (200, 0), "{}", answer.json);
        let mut rest = Vec::new();
        assert_eq!(stream.read_to_end(&mut rest).unwrap(), 0);
    }
    let figures = scene.page("/metrics").json;
    let figures = figures.as_str().unwrap();
    assert!(figures.contains("imtag_serve_in_flight 0\n"), "{figures}");
}

#[test]
fn calls_above_the_memory_for_all_of_them_are_told_to_come_again_and_the_door_of_changes_too() {
    let scene = Scene::start(Setup {
        limits: Limits {
            bodies_bytes: 2_000,
            room: SHORT,
            ..Limits::default()
        },
        ..Setup::durable()
    });
    let padded = format!("{}{}", user("a"), " ".repeat(1_900));
    let whole = http::post(ADD, "", &*padded);
    let mut slow = scene.connect();
    slow.say(&whole[..whole.len() - 1]);
    let mut next = scene.connect();
    next.say(&*whole);
    let answer = next.answer().unwrap();
    schema::check("post", ADD, &answer);
    assert_eq!((answer.status, answer.code()), (503, 60008));
    assert_eq!(answer.json["Effect"], "not applied");
    assert_eq!(answer.field("retry-after"), Some("1"));
    let row = format!(
        "{}{}",
        json!({"account": "k", "tags": ["t"]}),
        " ".repeat(1_900)
    );
    let answer = scene.keep("", &row);
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert_eq!(answer.field("retry-after"), Some("1"));
    slow.say(&whole[whole.len() - 1..]);
    assert_eq!(slow.answer().unwrap().code(), 0);
    assert_well(&scene);
}
