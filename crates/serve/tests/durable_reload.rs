//! Settings that are read anew while changes that last are under way: those of an account keep their order.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use imtag_emulator::{Emulator, Fault, Generation, Operation};
use serde_json::Value;

use support::{REMOVE, Scene, Setup};

/// A request takes this long, so that some is under way at each moment.
const LATENCY: Duration = Duration::from_millis(30);
const NEWER_REMOVE: &str = "/v4/timpush/remove_tag";

fn scene() -> Scene {
    Scene::start(Setup {
        emulator: Emulator::builder().latency(LATENCY),
        ..Setup::durable()
    })
}

/// Of each account by turns an add and a remove, which no request can hold together: the order of all of them shows. Returns
/// the rows, and what the service is to be asked for of each account.
fn by_turns(accounts: usize, changes: usize) -> (String, BTreeMap<String, Vec<String>>) {
    let (mut rows, mut expected) = (String::new(), BTreeMap::<String, Vec<String>>::new());
    for number in 0..changes {
        for account in 0..accounts {
            let (account, tag) = (format!("u{account}"), format!("t{}", number / 2));
            let op = ["add", "remove"][number % 2];
            rows +=
                &format!("{{\"account\":\"{account}\",\"op\":\"{op}\",\"tags\":[\"{tag}\"]}}\n");
            let asked = expected.entry(account).or_default();
            asked.push(format!("{op} {tag}"));
        }
    }
    (rows, expected)
}

/// What the service was asked for of each account, in the order of its arrival.
fn asked(scene: &Scene) -> BTreeMap<String, Vec<String>> {
    let mut asked = BTreeMap::<String, Vec<String>>::new();
    for request in scene.emulator.requests() {
        let is_remove = [REMOVE, NEWER_REMOVE].contains(&&*request.path);
        let op = if is_remove { "remove" } else { "add" };
        let body: Value = serde_json::from_str(&request.body).unwrap();
        for user in body["UserTags"].as_array().unwrap() {
            let account = user["To_Account"].as_str().unwrap();
            let tags = user["Tags"].as_array().unwrap();
            assert_eq!(tags.len(), 1, "{user}");
            let tag = tags[0].as_str().unwrap();
            let asked = asked.entry(account.to_owned()).or_default();
            asked.push(format!("{op} {tag}"));
        }
    }
    asked
}

fn unsettled(scene: &Scene) -> u64 {
    support::durable::stored(scene)
}

#[track_caller]
fn until_settled(scene: &Scene) {
    let until = Instant::now() + Duration::from_secs(60);
    while unsettled(scene) > 0 {
        assert!(Instant::now() < until, "{} changes wait", unsettled(scene));
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn the_changes_of_an_account_keep_their_order_while_settings_are_read_anew_in_the_middle_of_them() {
    let scene = scene();
    let (rows, expected) = by_turns(3, 40);
    assert_eq!(scene.keep("", &rows).status, 202);
    let mut reloads = 0;
    let mut seen = 0;
    while unsettled(&scene) > 0 {
        // in the middle of a request, and with others that wait in the batcher
        let arrived = scene.arrivals();
        if arrived >= seen + 3 && reloads < 8 {
            seen = arrived;
            scene.reload();
            reloads += 1;
        }
        thread::sleep(Duration::from_millis(1));
    }
    assert!(reloads >= 4, "{reloads} were in the middle");
    assert_eq!(asked(&scene), expected);
}

#[test]
fn what_hangs_at_a_reload_is_waited_for_by_what_is_behind_it_and_is_not_sent_twice() {
    for newer in [false, true] {
        let scene = scene();
        let hangs = Fault::delay(Duration::from_millis(700));
        scene.emulator.fault(Operation::Add, hangs);
        let (rows, expected) = by_turns(2, 6);
        assert_eq!(scene.keep("", &rows).status, 202);
        while scene.arrivals() == 0 {
            thread::sleep(Duration::from_millis(1));
        }
        if newer {
            scene.reload_to(Generation::Timpush);
        } else {
            scene.reload();
        }
        // also what is posted meanwhile comes behind
        let (later, of_later) = by_turns(2, 2);
        assert_eq!(scene.keep("", &later).status, 202);
        until_settled(&scene);
        let mut all = expected;
        for (account, changes) in of_later {
            all.get_mut(&account).unwrap().extend(changes);
        }
        assert_eq!(asked(&scene), all, "newer: {newer}");
        assert!(scene.tags("u0").is_empty() && scene.tags("u1").is_empty());
    }
}
