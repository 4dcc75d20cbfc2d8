//! Settings that are read anew while calls come: none is lost, and the changes of an account keep their order.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use imtag_emulator::{Emulator, Fault, Generation, Operation};
use imtag_serve::Times;
use serde_json::{Value, json};

use support::{ADD, REMOVE, Scene, Setup, http, schema};

const NEWER_REMOVE: &str = "/v4/timpush/remove_tag";

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

/// So late that an add arrives, beside its attempt's end and its late window.
const LATE: Duration = Duration::from_millis(900);
const TIMES: Times = Times {
    call: Duration::from_secs(6),
    attempt: Duration::from_millis(300),
    late_window: Duration::from_millis(1_500),
};

type Other = (&'static str, fn(&Scene));

/// What changes between an attempt that arrives late, and a call that it could undo.
fn others() -> [Other; 3] {
    [
        ("a reload", Scene::reload),
        ("a reload to the newer paths", |scene| {
            scene.reload_to(Generation::Timpush);
        }),
        ("a restart", |scene| {
            assert_eq!(scene.end(), 0);
            scene.run();
        }),
    ]
}

fn late_scene() -> Scene {
    Scene::start(Setup {
        times: TIMES,
        ..Setup::new(Generation::AllMemberPush)
    })
}

/// A remove is answered as done, and so the tag is gone and does not come back.
fn assert_removed_for_good(scene: &Scene, other: &str) {
    let newer = other.contains("newer");
    let path = if newer { NEWER_REMOVE } else { REMOVE };
    let answer = scene.post(path, user("a"));
    assert_eq!(
        (answer.status, answer.code()),
        (200, 0),
        "{other}: {}",
        answer.json
    );
    assert!(scene.emulator.settle(Duration::from_secs(10)));
    assert!(scene.tags("a").is_empty(), "{other}: it came back");
}

#[test]
fn an_attempt_that_arrives_late_undoes_no_change_of_another_client_or_daemon() {
    for (other, happens) in others() {
        let scene = late_scene();
        scene.emulator.fault(Operation::Add, Fault::delay(LATE));
        assert_eq!(scene.post(ADD, user("a")).code(), 0, "the second attempt");
        happens(&scene);
        assert_removed_for_good(&scene, other);
    }
}

#[test]
fn an_attempt_that_a_reload_or_restart_finds_under_way_undoes_no_change_after_it() {
    for (other, happens) in others() {
        let scene = late_scene();
        let late = Fault::delay(LATE);
        scene.emulator.fault(Operation::Add, late);
        let mut added = scene.begin(ADD, "Imtag-Timeout: 0.3\r\n", &user("a"));
        while scene.arrivals() == 0 {
            thread::sleep(Duration::from_millis(1));
        }
        happens(&scene);
        let answer = added.answer().unwrap();
        assert_eq!(answer.json["Effect"], "possibly applied", "{}", answer.json);
        assert_removed_for_good(&scene, other);
    }
}

#[test]
fn while_an_account_hangs_others_are_served_over_a_reload() {
    let scene = Scene::new(Generation::AllMemberPush);
    scene
        .emulator
        .fault(Operation::Add, Fault::delay(Duration::from_secs(60)));
    let began = Instant::now();
    let hangs = scene.begin(ADD, "", &user("hangs"));
    while scene.arrivals() == 0 {
        thread::sleep(Duration::from_millis(1));
    }
    scene.reload();
    assert_eq!(scene.post(ADD, user("other")).code(), 0);
    let get = json!({"To_Account": ["other"]});
    assert_eq!(scene.post(support::GET, get).code(), 0);
    // an attempt takes 4 s
    assert!(began.elapsed() < Duration::from_secs(3));
    drop(hangs);
}

#[test]
fn changes_that_are_held_back_wait_and_are_told_to_come_again_and_gets_go_on() {
    let scene = Scene::new(Generation::AllMemberPush);
    scene.hold_changes(Duration::MAX);
    let held = scene.post_within(ADD, &user("a"), "0.05");
    assert_eq!((held.status, held.code()), (503, 60008));
    assert_eq!(held.json["Effect"], "not applied");
    assert!(held.field("retry-after").is_some());
    let why = held.json["ErrorInfo"].as_str().unwrap();
    assert!(why.contains("daemon before"), "{why}");
    assert_eq!(
        scene
            .post(support::GET, json!({"To_Account": ["a"]}))
            .code(),
        0
    );
    assert_eq!(scene.arrivals(), 1);
    let mut waits = scene.begin(ADD, "", &user("a"));
    scene.hold_changes(Duration::from_millis(50));
    assert_eq!(waits.answer().unwrap().code(), 0);
    assert_eq!(scene.tags("a"), ["t"]);
    // at its end the daemon leaves to the next what it has not waited for, and keeps no caller waiting
    scene.hold_changes(Duration::MAX);
    let began = Instant::now();
    let mut waits = scene.begin(ADD, "", &user("a"));
    scene.page("/healthz"); // the daemon has read it by then
    assert_eq!(scene.end(), 0);
    assert_eq!(waits.answer().unwrap().status, 503);
    assert!(began.elapsed() < Duration::from_secs(4));
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
