//! The rule's promises, each held over ten virtual minutes, every seed, and every reading of the
//! window.

use std::num::NonZeroU32;

use super::client::Pace;
use super::*;

fn hold(scenarios: &[Scenario]) {
    let rows = simulate(scenarios);
    assert!(rows.len() >= 2 * scenarios.len(), "a window was left out");
    let broken: Vec<_> = rows.into_iter().filter(|row| !row.is_kept()).collect();
    assert!(broken.is_empty(), "\n{}", table(&broken));
}

#[test]
fn the_quota_is_used_and_never_exceeded_at_any_round_trip_and_jitter() {
    hold(&scenarios::round_trips());
}

#[test]
fn it_does_not_matter_which_way_is_the_longer() {
    hold(&scenarios::asymmetric());
}

#[test]
fn calls_held_up_on_either_way_cause_no_rejection() {
    hold(&scenarios::held_up());
}

#[test]
fn calls_that_arrive_after_they_were_abandoned_cause_no_rejection() {
    hold(&scenarios::abandoned());
}

#[test]
fn slow_first_calls_cause_no_rejection_when_the_others_are_fast() {
    hold(&scenarios::cold());
}

#[test]
fn a_process_killed_and_resumed_does_not_exceed_the_quota_with_its_predecessor() {
    hold(&scenarios::killed());
}

#[test]
fn a_server_clock_that_is_off_causes_no_rejection_at_any_round_trip() {
    hold(&scenarios::clocks());
}

#[test]
fn any_part_of_a_quota_is_used_and_never_exceeded() {
    hold(&scenarios::quotas());
}

#[test]
fn what_is_known_to_remain_has_not_grown() {
    hold(&scenarios::known_to_remain());
}

#[test]
fn even_pacing_is_rejected_by_every_window_where_the_rule_never_is() {
    let mut scenario = scenarios::held_up().remove(0);
    scenario.setting.pace = Pace::Even(NonZeroU32::new(99).expect("not zero"));
    for window in [Window::Calendar, Window::Sliding, Window::Strict] {
        assert!(worst(&scenario, window).rejections > 50, "{window:?}");
    }
}

#[test]
fn a_pace_above_the_quota_is_rejected_for_what_is_above() {
    let mut scenario = scenarios::round_trips().remove(0);
    scenario.setting.pace = Pace::Even(NonZeroU32::new(125).expect("not zero"));
    let figures = worst(&scenario, Window::Calendar);
    // 25 of 125 each second, for 600 s, less a part of a second at either end.
    assert!(
        (14_950..=15_000).contains(&figures.rejections),
        "{figures:?}"
    );
    assert_eq!(figures.most, 125);
}

#[test]
fn a_run_depends_on_nothing_but_its_seed() {
    let scenario = scenarios::held_up().remove(0);
    let run = |seed| simulation::run(scenario.setting, Window::Strict, seed);
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).utilisation.to_bits(), run(2).utilisation.to_bits());
}
