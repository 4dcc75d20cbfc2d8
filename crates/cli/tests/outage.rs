//! A service that goes away for a while in the middle of an import, and comes back.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use std::time::{Duration, Instant};

use imtag_emulator::Emulator;
use imtag_transport::SecretKey;
use stage::{Ran, Stage};

#[test]
fn a_short_outage_costs_time_and_no_users() {
    let stage = Stage::new();
    let rows: String = (0..10_000)
        .map(|user| format!("user{user:05},vip\n"))
        .collect();
    stage.file("users.csv", format!("account,tag\n{rows}"));
    let arguments = ["import", "users.csv", "--calls-per-second", "50", "--json"];
    let child = stage.imtag(&arguments).spawn().unwrap();
    let began = Instant::now();
    while stage.emulator.stats().arrivals() < 10 {
        assert!(began.elapsed() < Duration::from_secs(60), "nothing arrives");
        std::thread::sleep(Duration::from_millis(1));
    }
    let address = stage.emulator.address();
    stage.emulator.stop();
    let before = stage.emulator.users();
    std::thread::sleep(Duration::from_millis(700)); // the outage itself: requests are refused meanwhile
    let back = Emulator::builder()
        .secret_key(SecretKey::new(stage::KEY).unwrap())
        .address(address.to_string())
        .start()
        .unwrap();
    let ran = Ran::from_output(child.wait_with_output().unwrap());
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    let report = ran.json();
    assert_eq!(report["users_tagged"], 10_000);
    assert!(report["retries"].as_u64().unwrap() > 0, "{report}");
    let tagged = before
        .keys()
        .chain(back.users().keys())
        .cloned()
        .collect::<std::collections::BTreeSet<_>>();
    assert_eq!(tagged.len(), 10_000);
}
