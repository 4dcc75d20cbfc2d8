//! The quota over the wire, and many callers at once.

#![allow(clippy::unwrap_used)] // all of it is test code

mod caller;

use std::collections::BTreeMap;
use std::thread;

use caller::{ADD, Caller, GET, TIMPUSH_ADD, accounts, tags};
use imtag_emulator::{Emulator, Window};

/// So few that a burst is over it on the slowest machine. That the count is exact is tested in virtual time.
const QUOTA: u32 = 5;

fn burst(emulator: &Emulator) -> BTreeMap<i64, usize> {
    let mut caller = Caller::new(emulator);
    let mut codes = BTreeMap::new();
    for _ in 0..40 {
        let code = caller.code(ADD, tags(&[("a", &["t"])]));
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
    let body = tags(&[("a", &["t"])]);
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
