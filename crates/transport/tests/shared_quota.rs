//! The clients of a process keep to the quota together; a bulk run waits for its turn however long, and one in the background
//! lets others go first.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::thread;
use std::time::Duration;

use imtag_emulator::{Emulator, Window};
use imtag_transport::Client;
use support::{ONE_ATTEMPT, add, builder, service, users};

const CALLS_PER_SECOND: u32 = 10;

/// A client as a program makes it for each of its threads or requests; a rejected call is a failed one.
fn client(emulator: &Emulator) -> Client {
    let builder = builder(&emulator.endpoint()).calls_per_second(CALLS_PER_SECOND);
    let builder = builder.timeout(Duration::from_secs(60));
    builder.retry(ONE_ATTEMPT).build().unwrap()
}

#[test]
fn many_clients_of_a_process_have_no_more_arrivals_in_a_second_than_the_quota() {
    let emulator = service().calls_per_second(CALLS_PER_SECOND);
    let emulator = emulator.window(Window::Sliding).start().unwrap();
    let beside = [(); 2].map(|()| client(&emulator));
    thread::scope(|scope| {
        for client in &beside {
            scope.spawn(|| (0..8).for_each(|_| drop(client.add_tag(&add()).unwrap())));
        }
        // one after the other, each dropped before the next
        scope.spawn(|| (0..8).for_each(|_| drop(client(&emulator).add_tag(&add()).unwrap())));
    });
    let stats = emulator.stats();
    assert_eq!((stats.code(0), stats.code(60007)), (24, 0));
}

#[test]
fn a_request_of_a_run_waits_for_the_quota_longer_than_its_time_and_has_all_of_it_afterwards() {
    let latency = Duration::from_millis(300);
    let emulator = service().calls_per_second(1).latency(latency).start();
    let emulator = emulator.unwrap();
    let builder = builder(&emulator.endpoint()).calls_per_second(1);
    let client = builder.retry(ONE_ATTEMPT).fresh_start(true);
    let client = client.build().unwrap();
    // the second request waits for a second after the first is answered
    let options = client.bulk().timeout(2 * latency);
    let progress = options.run(users(0..200)).finish().progress;
    assert_eq!((progress.done, progress.failed), (200, 0));
    assert_eq!((progress.requests, progress.attempts), (2, 2));
}

#[test]
fn a_call_goes_before_the_next_request_of_a_batcher_in_the_background() {
    let latency = Duration::from_secs(1);
    let emulator = service().calls_per_second(1).latency(latency).start();
    let emulator = emulator.unwrap();
    let builder = builder(&emulator.endpoint()).calls_per_second(1);
    let client = builder.retry(ONE_ATTEMPT).fresh_start(true);
    let client = client.timeout(Duration::from_secs(60)).build().unwrap();
    let batcher = client.batcher().in_background(true).start();
    for (id, change) in (0..).zip(users(0..200)) {
        batcher.submit(id, change).unwrap();
    }
    while emulator.stats().arrivals() == 0 {
        thread::yield_now();
    }
    // the second request waits until a second after the first is answered
    client.add_tag(&add()).unwrap();
    assert_eq!(emulator.stats().arrivals(), 2);
}
