//! The eight routes over a real socket: what they do, what each mistake is answered, the quota, and many callers at
//! once.

#![allow(clippy::unwrap_used)] // all of it is test code

mod caller;

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use caller::{ADD, Caller, GET, TIMPUSH_ADD, accounts, query, tag_a, tags};
use imtag_emulator::{Emulator, Generation, Operation, Route, Window};
use serde_json::json;

fn set(tags: &[&str]) -> BTreeSet<String> {
    tags.iter().map(|&tag| tag.to_owned()).collect()
}

#[test]
fn every_route_does_its_job_and_both_generations_share_the_tags() {
    let emulator = Emulator::builder().start().unwrap();
    let mut caller = Caller::new(&emulator);
    for (writing, reading) in [
        (Generation::AllMemberPush, Generation::Timpush),
        (Generation::Timpush, Generation::AllMemberPush),
    ] {
        let body = tags(&[("xiaojun012", &["a", "标签"]), ("xiaojun013", &["b"])]);
        assert_eq!(caller.code((Operation::Add, writing), body), 0);
        assert_eq!(emulator.user("xiaojun012"), set(&["a", "标签"]));

        let body = tags(&[("xiaojun012", &["a", "unknown"])]);
        assert_eq!(caller.code((Operation::Remove, writing), body), 0);
        let body = accounts(&["xiaojun013", "nobody", "xiaojun012"]);
        let read = caller.call((Operation::Get, reading), body).unwrap();
        assert_eq!(
            read.json()["UserTags"],
            json!([
                {"To_Account": "xiaojun013", "Tags": ["b"]},
                {"To_Account": "nobody", "Tags": []},
                {"To_Account": "xiaojun012", "Tags": ["标签"]},
            ])
        );

        let body = accounts(&["xiaojun012", "xiaojun013"]);
        assert_eq!(caller.code((Operation::Clear, writing), body), 0);
        assert!(emulator.users().is_empty());
    }
}

#[test]
fn a_state_to_start_from_can_be_set() {
    let emulator = Emulator::builder().start().unwrap();
    emulator.tag("a", ["t", "标"]);
    emulator.tag("a", ["t", "u"]);
    assert_eq!(emulator.user("a"), set(&["t", "u", "标"]));
}

#[test]
fn each_mistake_in_the_url_gets_its_code() {
    let emulator = Emulator::builder().start().unwrap();
    let ask = |emulator: &Emulator, from: &str, to: &str| {
        let query = query(emulator).replacen(from, to, 1);
        let target = format!("{}?{query}", Route::from(ADD).path());
        let body = tag_a().to_string();
        let answer = Caller::new(emulator).request("POST", &target, &body);
        answer.unwrap()
    };
    for (from, to, expected) in [
        ("", "", 0),
        ("sdkappid=", "SDKAppID=", 60012),
        ("1400000000", "14e8", 60006),
        ("1400000000", "1400000001", 70020),
        ("identifier=administrator", "identifier=", 60025),
        ("identifier=administrator", "identifier=other", 70013),
        ("usersig=", "usersig=*", 70003),
        ("=json", "=xml", 60025),
        ("=json", "=json&other=%f", 60002),
        ("4294967295", "4294967296", 0),
    ] {
        let answer = ask(&emulator, from, to);
        assert_eq!(answer.code(), expected, "{}", answer.json());
    }
    let strict = Emulator::builder().strict_random(true).start().unwrap();
    assert_eq!(ask(&strict, "", "").code(), 0);
    let answer = ask(&strict, "4294967295", "4294967296");
    assert_eq!(answer.code(), 60025);
    let text = "random is not a whole number from 0 to 4294967295";
    assert_eq!(answer.json()["ErrorInfo"], text);
}

#[test]
fn a_failed_user_is_named_on_timpush_and_fails_all_on_the_older_routes() {
    let builder = Emulator::builder().unknown_accounts(["stranger"]);
    let emulator = builder.clone().start().unwrap();
    let body = tags(&[("stranger", &["t"]), ("known", &["t"])]);
    assert_eq!(Caller::new(&emulator).code(ADD, &body), 70107);
    assert!(emulator.users().is_empty());
    let answer = Caller::new(&emulator).call(TIMPUSH_ADD, &body).unwrap();
    assert_eq!(answer.code(), 0);
    assert_eq!(answer.failed(), [("stranger".to_owned(), 70107)]);
    assert_eq!(emulator.user("known"), set(&["t"]));

    let emulator = builder.fail_changes_some(true).start().unwrap();
    assert_eq!(Caller::new(&emulator).code(ADD, &body), 70107);
    assert_eq!(emulator.user("known"), set(&["t"]));
}

#[test]
fn a_user_has_100_tags_at_most_and_an_app_1000_on_timpush() {
    let emulator = Emulator::builder().start().unwrap();
    let mut caller = Caller::new(&emulator);
    let numbered = |from: u32, to: u32| (from..to).map(|number| format!("t{number}"));
    emulator.tag("full", numbered(0, 99));
    assert_eq!(caller.code(ADD, tags(&[("full", &["t5", "t99"])])), 0);
    assert_eq!(caller.code(ADD, tags(&[("full", &["t5", "t100"])])), 90033);
    assert_eq!(emulator.user("full").len(), 100);

    for hundred in 1..10 {
        let its_tags = numbered(hundred * 100, hundred * 100 + 100);
        emulator.tag(&format!("user{hundred}"), its_tags);
    }
    let next = tags(&[("next", &["t1000"])]);
    let answer = caller.call(TIMPUSH_ADD, &next).unwrap();
    assert_eq!(answer.failed(), [("next".to_owned(), 90033)]);
    assert_eq!(caller.code(ADD, &next), 0);
    // What is there already is no tag more.
    let known = tags(&[("next", &["t1000", "t7"])]);
    let answer = caller.call(TIMPUSH_ADD, known).unwrap();
    assert_eq!(answer.failed(), []);
    assert_eq!(emulator.user("next"), set(&["t1000", "t7"]));
}

#[test]
fn a_body_that_is_too_large_gets_90001() {
    let emulator = Emulator::builder().start().unwrap();
    let fits = "x".repeat(4 * 1024 * 1024);
    assert_eq!(Caller::new(&emulator).code(ADD, &fits), 60003);
    let body = fits + "x";
    assert_eq!(Caller::new(&emulator).code(ADD, body), 90001);
}

#[test]
fn the_limits_can_be_others() {
    let mut limits = imtag_core::Limits::DOCUMENTED;
    limits.users_per_request = 1;
    limits.tag_bytes = 2;
    let emulator = Emulator::builder().limits(limits).start().unwrap();
    let mut caller = Caller::new(&emulator);
    assert_eq!(caller.code(GET, accounts(&["a", "b"])), 90018);
    assert_eq!(caller.code(ADD, tags(&[("a", &["abc"])])), 90020);
    assert_eq!(caller.code(ADD, tags(&[("a", &["ab"])])), 0);
}

/// So few that a burst is over it on the slowest machine. That the count is exact is tested in virtual time.
const QUOTA: u32 = 5;

fn burst(emulator: &Emulator) -> BTreeMap<i64, usize> {
    let mut caller = Caller::new(emulator);
    let mut codes = BTreeMap::new();
    for _ in 0..40 {
        let code = caller.code(ADD, tag_a());
        *codes.entry(code).or_default() += 1;
    }
    codes
}

#[test]
fn calls_over_the_quota_get_60007_and_change_nothing() {
    for window in [Window::Sliding, Window::Calendar] {
        let builder = Emulator::builder().calls_per_second(QUOTA).window(window);
        let emulator = builder.start().unwrap();
        let codes = burst(&emulator);
        assert_eq!(codes.values().sum::<usize>(), 40);
        assert!(codes[&0] >= QUOTA as usize, "{codes:?}");
        assert!(codes[&60007] > 0, "{codes:?}");
        assert_eq!(codes.len(), 2);
        let busiest = emulator.stats().route(ADD);
        assert!(busiest.busiest_sliding_second > QUOTA as usize);
        assert_eq!(emulator.stats().code(60007), codes[&60007] as u64);
        assert_eq!(busiest.over_quota, codes[&60007] as u64);
        assert_eq!(emulator.stats().users_changed, codes[&0] as u64);
        assert_eq!(emulator.stats().users_with_tags, 1);
    }
}

#[test]
fn each_route_has_a_quota_of_its_own() {
    let emulator = Emulator::builder().calls_per_second(1).start().unwrap();
    let mut caller = Caller::new(&emulator);
    let body = tag_a();
    assert_eq!(caller.code(ADD, &body), 0);
    assert_eq!(caller.code(TIMPUSH_ADD, &body), 0);
    assert_eq!(caller.code(GET, accounts(&["a"])), 0);
}

#[test]
fn nothing_is_lost_among_many_callers() {
    let emulator = Emulator::builder()
        .calls_per_second(100_000)
        .start()
        .unwrap();
    let (callers, calls) = (16, 50);
    thread::scope(|scope| {
        for number in 0..callers {
            let emulator = &emulator;
            scope.spawn(move || {
                let mut caller = Caller::new(emulator);
                for call in 0..calls {
                    let (own, tag) = (format!("user{number}"), format!("t{number}-{call}"));
                    let shared = format!("shared{call}");
                    let body = tags(&[(&own, &[&tag]), (&shared, &[&tag])]);
                    assert_eq!(caller.code(ADD, body), 0);
                }
            });
        }
    });
    let users = emulator.users();
    assert_eq!(users.len(), callers + calls);
    for number in 0..callers {
        assert_eq!(users[&format!("user{number}")].len(), calls);
    }
    for call in 0..calls {
        assert_eq!(users[&format!("shared{call}")].len(), callers);
    }
    let stats = emulator.stats();
    assert_eq!(stats.arrivals(), (callers * calls) as u64);
    assert_eq!(stats.connections, callers as u64);
    assert_eq!(stats.in_flight, 0);
}
