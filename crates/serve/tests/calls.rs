//! Calls over the daemon's socket, against the emulator.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use imtag_emulator::{Fault, Generation, Operation};
use imtag_serve::Times;
use serde_json::json;

use support::{ADD, Answer, GET, NEWER_ADD, REMOVE, Scene, Setup, http};

#[test]
fn a_user_is_tagged_read_and_cleared_as_at_the_service() {
    let scene = Scene::new(Generation::AllMemberPush);
    let tagged = scene.post(
        ADD,
        json!({"UserTags": [{"To_Account": "a", "Tags": ["vip", "x"]}]}),
    );
    assert_eq!(
        (tagged.status, &tagged.json["ActionStatus"]),
        (200, &json!("OK"))
    );
    let read = scene.post(GET, json!({"To_Account": ["a"]}));
    assert_eq!(
        read.json["UserTags"],
        json!([{"To_Account": "a", "Tags": ["vip", "x"]}])
    );
    let removed = scene.post(
        REMOVE,
        json!({"UserTags": [{"To_Account": "a", "Tags": ["x"]}]}),
    );
    assert_eq!(removed.json["ErrorCode"], 0);
    assert_eq!(scene.tags("a"), ["vip"]);
}

#[test]
fn a_demo_is_told_from_a_daemon_that_sends_to_the_service() {
    let demo = Scene::start(Setup {
        is_demo: true,
        ..Setup::new(Generation::AllMemberPush)
    });
    assert_eq!(demo.page("/readyz").json, "ready (demo)\n");
}

#[test]
fn calls_of_many_callers_share_requests() {
    let scene = Scene::new(Generation::AllMemberPush);
    // so that those that come while one is under way meet
    scene
        .emulator
        .fault(Operation::Add, Fault::delay(Duration::from_millis(100)));
    std::thread::scope(|threads| {
        for number in 0..40 {
            let scene = &scene;
            threads.spawn(move || {
                let user = json!([{"To_Account": format!("u{number}"), "Tags": ["t"]}]);
                let answer = scene.post(ADD, json!({"UserTags": user}));
                assert_eq!(answer.json["ErrorCode"], 0);
            });
        }
    });
    let requests = scene.arrivals();
    // a busy machine may take long to start them
    assert!(requests < 20, "{requests} requests for 40 callers");
}

#[test]
fn the_users_of_a_call_are_one_request_however_busy_the_machine_is() {
    let scene = Scene::new(Generation::AllMemberPush);
    let names: Vec<String> = (0..100).map(|number| format!("u{number}")).collect();
    let user = |name: &String| json!({"To_Account": name, "Tags": ["t"]});
    let users: Vec<_> = names.iter().map(user).collect();
    let busy = AtomicBool::new(true);
    let codes: Vec<i64> = std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                while busy.load(Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let add = |_| scene.post(ADD, json!({"UserTags": users})).code();
        let codes = (0..3).map(add).collect();
        busy.store(false, Relaxed);
        codes
    });
    assert_eq!(codes, [0; 3]);
    assert_eq!(scene.arrivals(), 3);
    let read = scene.post(GET, json!({"To_Account": names}));
    assert_eq!(read.json["UserTags"].as_array().unwrap().len(), 100);
    assert_eq!(scene.arrivals(), 4);
}

#[test]
fn a_merged_request_that_is_refused_is_split_until_each_has_its_own_answer() {
    let scene = Scene::new(Generation::AllMemberPush);
    std::thread::scope(|threads| {
        for number in 0..20 {
            let scene = &scene;
            threads.spawn(move || {
                let account = if number == 7 {
                    "ghost".to_owned()
                } else {
                    format!("u{number}")
                };
                let answer = scene.post(
                    ADD,
                    json!({"UserTags": [{"To_Account": account, "Tags": ["t"]}]}),
                );
                let code = &answer.json["ErrorCode"];
                assert_eq!(*code == json!(0), number != 7, "{account}: {}", answer.json);
            });
        }
    });
}

#[test]
fn a_service_that_is_away_is_told_by_the_status_and_by_the_effect() {
    let scene = Scene::new(Generation::AllMemberPush);
    let user = json!({"UserTags": [{"To_Account": "a", "Tags": ["t"]}]});
    for _ in 0..20 {
        scene.emulator.fault(Operation::Add, Fault::cut_before());
    }
    let answer = scene.post_within(ADD, &user, "1");
    assert_eq!(answer.status, 504, "{}", answer.json);
    assert_eq!(answer.json["Effect"], "possibly applied");
    assert_eq!(answer.json["ErrorCode"], 60008);
}

#[test]
fn without_room_in_the_quota_a_call_is_too_frequent_and_not_applied() {
    let scene = Scene::with_quota(Generation::AllMemberPush, 1);
    let user = |name: &str| json!({"UserTags": [{"To_Account": name, "Tags": ["t"]}]});
    assert_eq!(scene.post(ADD, user("a")).json["ErrorCode"], 0);
    let answer = scene.post_within(ADD, &user("b"), "0.2");
    assert_eq!(
        (answer.status, &answer.json["ErrorCode"]),
        (200, &json!(60007)),
        "{}",
        answer.json
    );
    assert_eq!(answer.json["Effect"], "not applied");
    assert!(scene.tags("b").is_empty());
}

#[test]
fn callers_who_share_a_request_that_has_no_turn_in_the_quota_hear_so_each_in_his_time() {
    let scene = Scene::start(Setup {
        share: Some(0.1),
        ..Setup::new(Generation::AllMemberPush)
    });
    let user = |name: &str| json!({"UserTags": [{"To_Account": name, "Tags": ["t"]}]});
    assert_eq!(scene.post(ADD, user("a")).json["ErrorCode"], 0);
    let call = |name: &str, seconds| scene.post_within(ADD, &user(name), seconds);
    let answers = std::thread::scope(|threads| {
        // in the request that waits for its turn; the others gather meanwhile, and share the next one
        let first = threads.spawn(|| call("b", "1"));
        std::thread::sleep(Duration::from_millis(200));
        let second = threads.spawn(|| call("c", "4"));
        std::thread::sleep(Duration::from_millis(300));
        let third = threads.spawn(|| call("d", "4"));
        [first, second, third].map(|it| it.join().unwrap())
    });
    for answer in answers {
        assert_eq!((answer.status, answer.code()), (200, 60007));
        assert_eq!(answer.json["Effect"], "not applied");
    }
    assert_eq!(scene.arrivals(), 1);
}

#[test]
fn a_caller_whose_time_is_up_leaves_a_request_that_waits_for_the_quota_and_the_others_are_sent() {
    let scene = Scene::with_quota(Generation::AllMemberPush, 1);
    let user = |name: &str| json!({"UserTags": [{"To_Account": name, "Tags": ["t"]}]});
    assert_eq!(scene.post(ADD, user("a")).code(), 0);
    let call = |name: &str, seconds| scene.post_within(ADD, &user(name), seconds);
    let [short, long] = std::thread::scope(|threads| {
        let both = [("b", "0.4"), ("c", "6")];
        both.map(|(name, seconds)| threads.spawn(move || call(name, seconds)))
            .map(|it| it.join().unwrap())
    });
    assert_eq!((short.status, short.code()), (200, 60007), "{}", short.json);
    assert_eq!(short.json["Effect"], "not applied");
    assert_eq!(long.code(), 0, "{}", long.json);
    assert!(scene.tags("b").is_empty());
    assert_eq!(
        (scene.tags("c"), scene.arrivals()),
        (vec!["t".to_owned()], 2)
    );
}

#[test]
fn what_a_refused_request_may_have_done_is_not_said_to_be_too_frequent_alone() {
    let scene = Scene::start(Setup {
        share: Some(0.1),
        ..Setup::new(Generation::AllMemberPush)
    });
    // the service refuses it for the ghost, and the quota has no turn to find that out in
    let user = |name: &str| json!({"To_Account": name, "Tags": ["t"]});
    let users = json!({"UserTags": [user("a"), user("ghost")]});
    let answer = scene.post_within(ADD, &users, "1");
    assert_eq!((answer.status, answer.code()), (504, 60008));
    assert_eq!(answer.json["Effect"], "possibly applied");
    let listed = answer.json["ErrorList"].as_array().unwrap();
    let listed = listed.iter().map(|it| (&it["ErrorCode"], &it["Effect"]));
    let (code, effect) = (json!(60008), json!("possibly applied"));
    assert_eq!(listed.collect::<Vec<_>>(), [(&code, &effect); 2]);
}

#[test]
fn behind_an_earlier_change_of_its_account_a_call_is_told_so_and_how_long_it_lasts() {
    let scene = Scene::start(Setup {
        times: Times {
            attempt: Duration::from_millis(300),
            late_window: Duration::from_secs(60),
            ..Times::default()
        },
        ..Setup::new(Generation::AllMemberPush)
    });
    let user = json!({"UserTags": [{"To_Account": "a", "Tags": ["t"]}]});
    let unheard = Fault::delay(Duration::from_secs(600));
    scene.emulator.fault(Operation::Add, unheard);
    // the second attempt is answered, and the first one may still arrive
    assert_eq!(scene.post(ADD, user.clone()).code(), 0);
    let told = |answer: &Answer| {
        let code = answer.code();
        assert_eq!((answer.status, code), (200, 60008), "{}", answer.json);
        assert_eq!(answer.json["Effect"], "not applied");
        assert_eq!(answer.json["Retryable"], true);
        answer.json["ErrorInfo"].as_str().unwrap().to_owned()
    };
    let why = told(&scene.post_within(REMOVE, &user, "0.2"));
    let (_, left) = why
        .split_once("had no answer, may still arrive for ")
        .unwrap();
    let (left, remedy) = left.split_once(" s ").unwrap();
    assert!((30..=60).contains(&left.parse::<u32>().unwrap()), "{why}");
    assert_eq!(remedy, "(not applied; try again after that time)");
    // it would undo no other add
    assert_eq!(scene.post(ADD, user.clone()).code(), 0);
    assert_eq!(scene.tags("a"), ["t"]);
}

#[test]
fn behind_one_that_has_no_answer_yet_a_call_is_not_told_to_slow_down() {
    let scene = Scene::new(Generation::AllMemberPush);
    let user = json!({"UserTags": [{"To_Account": "a", "Tags": ["t"]}]});
    let unheard = Fault::delay(Duration::from_secs(600));
    scene.emulator.fault(Operation::Add, unheard);
    let first = scene.begin(ADD, "", &user);
    while scene.arrivals() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let answer = scene.post_within(REMOVE, &user, "0.2");
    let why = answer.json["ErrorInfo"].as_str().unwrap();
    assert_eq!((answer.status, answer.code()), (200, 60008), "{why}");
    assert!(
        why.contains("an earlier change of the account has no answer yet (not applied"),
        "{why}"
    );
    drop(first);
}

#[test]
fn the_newer_paths_replace_the_tags_of_a_user() {
    let scene = Scene::new(Generation::Timpush);
    let user = |tags: &[&str]| json!([{"To_Account": "a", "Tags": tags}]);
    let old = scene.post(ADD, json!({"UserTags": user(&["x"])}));
    assert_eq!(
        (old.status, &old.json["ErrorCode"]),
        (200, &json!(60009)),
        "{}",
        old.json
    );
    assert_eq!(
        scene
            .post(NEWER_ADD, json!({"UserTags": user(&["x"])}))
            .json["ErrorCode"],
        0
    );
    let replaced = scene.post(
        NEWER_ADD,
        json!({"UserTags": user(&["y", "z"]), "Replace": 1}),
    );
    assert_eq!(replaced.json["ErrorCode"], 0, "{}", replaced.json);
    assert_eq!(scene.tags("a"), ["y", "z"]);
}

#[test]
fn what_is_refused_is_not_counted_as_a_call_whose_caller_hung_up() {
    let scene = Scene::new(Generation::AllMemberPush);
    let refused = scene.begin("/v4/openim/sendmsg", "", &json!({})).answer();
    assert_eq!(refused.unwrap().code(), 60009);
    let figures = scene.page("/metrics").json;
    let figures = figures.as_str().unwrap();
    for figure in ["refused_total 1", "hung_up_total 0", "in_flight 0"] {
        let line = format!("\nimtag_serve_{figure}\n");
        assert!(figures.contains(&line), "{line:?} is not in {figures}");
    }
}

#[test]
fn what_a_caller_left_behind_that_hung_up_is_not_sent() {
    let scene = Scene::with_quota(Generation::AllMemberPush, 1);
    let user = |name: &str| json!({"UserTags": [{"To_Account": name, "Tags": ["t"]}]});
    assert_eq!(scene.post(ADD, user("a")).json["ErrorCode"], 0);
    // in the request that waits for the quota
    let waits = scene.begin(ADD, "", &user("b"));
    std::thread::sleep(Duration::from_millis(100));
    // lingers for the next one
    drop(scene.begin(ADD, "", &user("c")));
    drop(waits);
    let last = scene.post(ADD, user("d"));
    assert_eq!(last.json["ErrorCode"], 0, "{}", last.json);
    assert!(scene.tags("c").is_empty());
}

#[test]
fn a_drain_answers_what_is_under_way_and_takes_no_more() {
    let scene = Scene::new(Generation::AllMemberPush);
    let user = |name: &str| json!({"UserTags": [{"To_Account": name, "Tags": ["t"]}]});
    scene
        .emulator
        .fault(Operation::Add, Fault::delay(Duration::from_millis(300)));
    let mut under_way = scene.begin(ADD, "", &user("a"));
    while scene.arrivals() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(scene.end(), 0);
    let answer = under_way.answer().unwrap();
    assert_eq!(answer.json["ErrorCode"], 0);
    assert_eq!(scene.tags("a"), ["t"]);
}

#[test]
fn a_call_that_began_to_come_before_a_drain_is_answered_in_it() {
    let scene = Scene::new(Generation::AllMemberPush);
    let user = |name: &str| json!({"UserTags": [{"To_Account": name, "Tags": ["t"]}]});
    let request = support::http::post(ADD, "", user("a"));
    let (first, rest) = request.split_at(20);
    let mut caller = scene.connect();
    caller.say(first);
    // connections are taken in their order
    assert_eq!(scene.post(ADD, user("b")).code(), 0);
    std::thread::scope(|threads| {
        let ended = threads.spawn(|| scene.end());
        while scene.try_connect().is_ok() {
            std::thread::sleep(Duration::from_millis(1));
        }
        caller.say(rest);
        let answer = caller.answer().expect("an answer");
        assert_eq!((answer.status, answer.code()), (200, 0), "{}", answer.json);
        assert_eq!(ended.join().unwrap(), 0);
    });
}

#[test]
fn what_is_left_at_the_end_of_the_grace_is_answered_by_what_is_known_of_it() {
    let scene = Scene::with_quota(Generation::AllMemberPush, 1);
    let user = |name: &str| json!({"UserTags": [{"To_Account": name, "Tags": ["t"]}]});
    let hangs = Fault::delay(Duration::from_secs(3));
    scene.emulator.fault(Operation::Add, hangs);
    let mut sent = scene.begin(ADD, "", &user("a"));
    while scene.arrivals() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut waits = scene.begin(ADD, "", &user("b"));
    scene.page("/healthz"); // the daemon has read it by then
    assert_eq!(
        scene.end_within(Duration::from_millis(600)),
        0,
        "none is cut off"
    );
    let sent = sent.answer().unwrap();
    assert_eq!((sent.status, sent.code()), (504, 60008), "{}", sent.json);
    assert_eq!(sent.json["Effect"], "possibly applied");
    let waits = waits.answer().unwrap();
    assert_eq!((waits.status, waits.code()), (503, 60008), "{}", waits.json);
    assert_eq!(waits.json["Effect"], "not applied");
}

#[test]
fn a_caller_that_hangs_up_hears_nothing_that_it_could_take_for_done() {
    let scene = Scene::with_quota(Generation::AllMemberPush, 1);
    let user = |name: &str| json!({"UserTags": [{"To_Account": name, "Tags": ["t"]}]});
    assert_eq!(scene.post(ADD, user("a")).code(), 0);
    let behind = ["", "P"];
    for more in behind {
        let mut hangs_up = scene.begin(ADD, "", &user("b"));
        hangs_up.say(more);
        scene.page("/healthz"); // the daemon has read it by then
        hangs_up.ends_sending();
        let heard = hangs_up.answer();
        assert!(heard.is_none(), "{more:?}: {heard:?}");
    }
    assert_eq!(scene.post(ADD, user("c")).code(), 0);
    assert!(scene.tags("b").is_empty());
    // one that goes before its body has come was no call with a fault of its own
    let whole = http::kept(ADD, "", user("b"));
    let mut half = scene.connect();
    half.say(&whole[..whole.len() - 5]);
    scene.page("/healthz");
    half.ends_sending();
    assert!(half.answer().is_none());
    let figures = scene.page("/metrics").json;
    let figures = figures.as_str().unwrap();
    assert!(
        figures.contains("\nimtag_serve_hung_up_total 3\n"),
        "{figures}"
    );
    assert!(!figures.contains("90001"), "{figures}");
}

#[test]
fn a_get_that_was_sent_and_not_answered_is_told_from_one_that_was_not_sent() {
    let scene = Scene::new(Generation::AllMemberPush);
    let get = json!({"To_Account": ["a"]});
    scene
        .emulator
        .fault(Operation::Get, Fault::delay(Duration::from_secs(2)));
    let answer = scene.post_within(GET, &get, "0.5");
    assert_eq!((answer.status, answer.code()), (504, 60008));
    assert_eq!(answer.json["Effect"], "not read");
    let scene = Scene::with_quota(Generation::AllMemberPush, 1);
    assert_eq!(scene.post(GET, get.clone()).code(), 0);
    let answer = scene.post_within(GET, &get, "0.5");
    assert_eq!((answer.status, answer.code()), (200, 60007));
}
