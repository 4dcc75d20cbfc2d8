//! Settings that are read anew while calls come: none is lost, and the changes of an account keep their order.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use imtag_emulator::{Emulator, Fault, Generation, Operation};
use serde_json::{Value, json};

use support::{ADD, REMOVE, Scene, Setup, http, schema};

fn user(account: &str) -> Value {
    json!({"UserTags": [{"To_Account": account, "Tags": ["t"]}]})
}

#[test]
fn each_call_is_done_while_settings_are_read_anew() {
    let latency = Duration::from_millis(10);
    let scene = Scene::start(Setup {
        calls_per_second: 1_000,
        emulator: Emulator::builder().latency(latency),
        ..Setup::new(Generation::AllMemberPush)
    });
    let is_over = AtomicBool::new(false);
    thread::scope(|threads| {
        for number in 0..6 {
            let (scene, is_over) = (&scene, &is_over);
            threads.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let body = user(&format!("u{number}")).to_string();
                    let request = http::post(ADD, "", body);
                    let mut stream = scene.connect();
                    // the body comes later, so that settings may change between
                    let (head, body) = request.split_once("\r\n\r\n").unwrap();
                    stream.say(format!("{head}\r\n\r\n"));
                    thread::sleep(Duration::from_millis(number));
                    stream.say(body);
                    let answer = stream.answer().unwrap();
                    schema::check("post", ADD, &answer);
                    assert_eq!((answer.status, answer.code()), (200, 0), "{}", answer.json);
                }
            });
        }
        for _ in 0..20 {
            scene.reload();
            thread::sleep(Duration::from_millis(5));
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_change_that_comes_while_settings_are_read_anew_is_made_after_those_before_it() {
    let scene = Scene::new(Generation::AllMemberPush);
    let late = Fault::delay(Duration::from_millis(300));
    scene.emulator.fault(Operation::Add, late);
    let mut added = scene.begin(ADD, "", &user("a"));
    while scene.arrivals() == 0 {
        thread::sleep(Duration::from_millis(1));
    }
    thread::scope(|threads| {
        threads.spawn(|| scene.reload());
        // also the one that comes before the end of the reload, whenever that has begun
        thread::sleep(Duration::from_millis(50));
        assert_eq!(scene.post(REMOVE, user("a")).code(), 0);
    });
    assert_eq!(added.answer().unwrap().code(), 0);
    assert!(scene.tags("a").is_empty());
}

#[test]
fn after_settings_were_read_anew_no_change_waits_for_what_was_answered() {
    let scene = Scene::new(Generation::AllMemberPush);
    assert_eq!(scene.post(ADD, user("a")).code(), 0);
    scene.reload();
    let began = Instant::now();
    for path in [REMOVE, ADD, REMOVE] {
        assert_eq!(scene.post(path, user("a")).code(), 0);
    }
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_call_that_comes_before_the_daemon_is_ready_is_told_to_come_again() {
    let scene = Scene::start(Setup {
        is_ready: false,
        ..Setup::new(Generation::AllMemberPush)
    });
    assert_eq!(scene.page("/healthz").status, 200);
    let page = scene.page("/readyz");
    assert_eq!((page.status, &page.json), (503, &json!("starting\n")));
    let refused = scene.post(ADD, user("a"));
    assert_eq!((refused.status, refused.code()), (503, 60008));
    assert_eq!(refused.json["Effect"], "not applied");
    let why = refused.json["ErrorInfo"].as_str().unwrap();
    assert!(why.contains("starts"), "{why}");
    scene.ready();
    assert_eq!(scene.page("/readyz").json, "ready\n");
    assert_eq!(scene.post(ADD, user("a")).code(), 0);
}
