//! Bulk runs against the emulator: as few requests as can be, every change with its outcome, whoever is at fault found.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use imtag_emulator::Emulator;
use imtag_transport::Change;
use support::*;

#[test]
fn users_are_packed_into_as_few_requests_as_can_be() {
    let emulator = emulator();
    let client = client(&emulator);
    let changes = (0..2_000).map(|user| Change::add(format!("u{user}"), ["a", "b"]));
    let mut run = client.bulk().run(changes);
    let settled: Vec<_> = run.by_ref().collect();
    assert_eq!(settled.len(), 2_000);
    assert!(settled.iter().all(|settled| settled.result.is_ok()));
    let summary = run.finish();
    assert!(summary.all_done());
    assert_eq!(summary.progress.requests, 20);
    assert_eq!(emulator.users().len(), 2_000);
}

#[test]
fn accounts_at_fault_are_found_by_halves_and_all_others_are_done() {
    let emulator = Emulator::builder()
        .secret_key(key())
        .calls_per_second(1_000)
        .unknown_accounts(["u7", "u93"])
        .start()
        .unwrap();
    let client = client(&emulator);
    let changes = (0..100).map(|user| Change::add(format!("u{user}"), ["a"]));
    let mut run = client.bulk().run(changes);
    let failed: Vec<_> = run
        .by_ref()
        .filter(|settled| settled.result.is_err())
        .collect();
    let mut accounts: Vec<_> = failed
        .iter()
        .map(|settled| settled.change.account())
        .collect();
    accounts.sort_unstable();
    assert_eq!(accounts, ["u7", "u93"]);
    let error = failed[0].result.as_ref().unwrap_err();
    assert_eq!(error.code().unwrap().0, 70107);
    let summary = run.finish();
    assert_eq!(emulator.users().len(), 98);
    assert_eq!(summary.progress.requests, 1 + 2 * summary.progress.splits);
}
