//! The threads of bulk runs and batchers: as many as requests are under way, and asleep when there is nothing to do. The
//! process's threads are counted, so each test runs alone.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use imtag_transport::CallOptions;
use support::*;

static ALONE: Mutex<()> = Mutex::new(());

/// The folders in /proc of this process's threads of that name.
fn threads(name: &str) -> Vec<PathBuf> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let tasks = tasks.map(|task| task.unwrap().path());
    let is_named = |task: &PathBuf| {
        let comm = fs::read_to_string(task.join("comm")).unwrap_or_default();
        comm.trim() == name
    };
    tasks.filter(is_named).collect()
}

/// How often threads were switched, of their own will or not.
fn switches(threads: &[PathBuf]) -> Vec<String> {
    let status = threads
        .iter()
        .map(|task| fs::read_to_string(task.join("status")).unwrap());
    let switches = status.map(|status| {
        let lines = status.lines().filter(|line| line.contains("ctxt_switches"));
        lines.collect::<String>()
    });
    switches.collect()
}

#[test]
fn a_run_has_no_more_threads_than_rate_and_round_trip_need() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let emulator = slow_service(50);
    let client = builder(&emulator.endpoint()).calls_per_second(20);
    let client = client.build().unwrap();
    let mut most = 0;
    for completion in client.bulk().run(users(0..4_000)) {
        completion.result.unwrap();
        if completion.id % 50 == 0 {
            most = most.max(threads("imtag-bulk").len());
        }
    }
    // 20 a second × 50 ms are one; with 40 requests, fewer threads than that share them however long a round trip takes
    assert!((1..40).contains(&most), "{most}");
    until(|| threads("imtag-bulk").is_empty());
}

#[test]
fn many_pushes_at_once_start_no_thread_each() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let emulator = slow_service(50);
    let client = client(&emulator);
    let batcher = lingering(&client);
    for number in 0..99 {
        batcher.submit(number, user(number)).unwrap();
    }
    batcher.flush(&CallOptions::new()).unwrap();
    // one for the request, and one to look after what comes meanwhile
    let threads = threads("imtag-batcher").len();
    assert!((1..=2).contains(&threads), "{threads}");
}

#[test]
fn futures_start_no_thread_of_their_own() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let emulator = emulator();
    let client = client(&emulator);
    let batcher = lingering(&client);
    let futures: Vec<_> = users(0..99).map(|it| batcher.call_async(it)).collect();
    until(|| threads("imtag-batcher").len() == 1); // it looks after the linger time
    drop(futures);
    assert_eq!(threads("imtag-batcher").len(), 1);
    batcher.close(&CallOptions::new()).unwrap();
    assert_eq!(emulator.users().len(), 99);
}

#[test]
fn an_idle_batcher_and_an_idle_run_sleep_and_poll_nothing() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let emulator = emulator();
    let client = client(&emulator);
    let batcher = client.batcher().start();
    let bulk = client.bulk().linger(Duration::ZERO).start();
    for id in 0..5 {
        batcher.call(user(id), &CallOptions::new()).unwrap();
        bulk.push(id, user(id)).unwrap();
    }
    until(|| bulk.progress().unsettled() == 0);
    let its = ["imtag-batcher", "imtag-bulk"].map(threads);
    assert!(!its.iter().any(Vec::is_empty));
    let its = its.concat();
    // they fall asleep after the last outcome; any that polled would be switched within so long
    let mut before = switches(&its);
    until(|| {
        std::thread::sleep(Duration::from_millis(500));
        let now = switches(&its);
        std::mem::replace(&mut before, now.clone()) == now
    });
}
