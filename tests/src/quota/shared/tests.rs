//! A short form of the table: one seed, and less virtual time where that shows the same.

use std::time::Duration;

use super::*;

#[track_caller]
fn hold(scenarios: Vec<Scenario>) {
    let rows = simulate(scenarios, &[1]);
    let broken: Vec<_> = rows.into_iter().filter(|row| !row.is_kept()).collect();
    assert!(broken.is_empty(), "\n{}", table(&broken));
}

fn named(scenarios: Vec<Scenario>, names: &[&str]) -> Vec<Scenario> {
    let is_named = |scenario: &Scenario| names.contains(&&*scenario.name);
    let named: Vec<_> = scenarios.into_iter().filter(is_named).collect();
    assert_eq!(named.len(), names.len());
    named
}

#[test]
fn processes_use_the_quota_together_and_never_exceed_it() {
    let names = [
        "4 saturated, mixed paths",
        "16 saturated, mixed paths",
        "150 saturated, 50 ms",
    ];
    hold(named(scenarios::saturated(), &names));
    hold(named(scenarios::quotas(), &["30 saturated, quota 10"]));
}

#[test]
fn small_ones_are_all_served_beside_each_other_and_beside_large_ones() {
    hold(named(
        scenarios::small_loads(),
        &["150 of 0.6 calls/s", "10 with bursts of 40 calls"],
    ));
    hold(named(scenarios::skewed(), &["2 saturated, 14 small ones"]));
}

#[test]
fn processes_that_fail_take_slots_with_them_for_seconds_and_exceed_nothing() {
    hold(scenarios::processes_that_fail());
}

#[test]
fn whatever_happens_to_the_store_nothing_is_exceeded() {
    hold(scenarios::stores_that_fail());
    hold(scenarios::clocks());
    hold(named(
        scenarios::small_loads(),
        &["150 of 0.6 calls/s, clock set"],
    ));
}

#[test]
fn what_is_known_to_remain_has_not_grown() {
    hold(scenarios::known_to_remain());
}

#[test]
fn a_run_depends_on_nothing_but_its_seed() {
    let [mut scenario] = named(scenarios::small_loads(), &["20 of 4 calls/s"])
        .try_into()
        .expect("one");
    scenario.setting.duration = Duration::from_secs(30);
    let run = |seed| simulation::run(&scenario.setting, Window::Strict, seed).longest;
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}
