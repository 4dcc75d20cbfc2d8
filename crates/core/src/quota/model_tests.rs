//! The rule against a model that remembers everything and counts it anew at each look: drawn
//! histories, equal answers.

use proptest::prelude::*;

use super::*;

/// All that ever happened. It has no cap below N: that one's growth is tested by literal values.
#[derive(Default)]
struct Model {
    n: usize,
    in_flight: Vec<Duration>,
    answers: Vec<Duration>,
    round_trips: Vec<Duration>,
    releases: Vec<Duration>,
}

impl Model {
    fn used(&self, now: Duration) -> usize {
        let least = self.round_trips.iter().min().copied().unwrap_or_default();
        let credit = if self.answers.len() < 2 * self.n {
            Duration::ZERO
        } else {
            least.saturating_sub(Duration::from_millis(2))
        };
        let recent = self
            .answers
            .iter()
            .filter(|&&at| now < at + Duration::from_secs(1).saturating_sub(credit))
            .count();
        let held = self
            .releases
            .iter()
            .filter(|&&release| now < release)
            .count();
        let slots = (0..self.n as u64)
            .filter(|i| u128::from(i * 1_100_000_000) > now.as_nanos() * self.n as u128);
        self.in_flight.len() + recent + held + slots.count()
    }
}

#[derive(Debug, Clone)]
enum Step {
    Pass(u64),
    Send,
    Answer(usize),
    GiveUp(usize),
    Withdraw(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0_u64..400_000).prop_map(Step::Pass),
        4 => Just(Step::Send),
        3 => any::<usize>().prop_map(Step::Answer),
        1 => any::<usize>().prop_map(Step::GiveUp),
        1 => any::<usize>().prop_map(Step::Withdraw),
    ];
    // Less than a minute of virtual time, in which no bucket of round trips is forgotten: the model
    // needs none.
    prop::collection::vec(step, 1..150)
}

proptest! {
    #[test]
    fn room_is_what_a_full_count_of_the_past_leaves(n in 1_u32..8, steps in steps()) {
        let mut quota = Quota::new(NonZeroU32::new(n).expect("not zero"), Duration::ZERO);
        let mut model = Model { n: n as usize, ..Model::default() };
        let mut calls = Vec::new();
        let mut now = Duration::ZERO;
        for step in steps {
            match step {
                Step::Pass(micros) => now += Duration::from_micros(micros),
                Step::Send if model.used(now) < model.n => {
                    calls.push(quota.send(now));
                    model.in_flight.push(now);
                }
                Step::Answer(which) if !calls.is_empty() => {
                    let which = which % calls.len();
                    quota.answered(calls.swap_remove(which), now, Verdict::Served);
                    model.round_trips.push(now - model.in_flight.swap_remove(which));
                    model.answers.push(now);
                }
                Step::GiveUp(which) if !calls.is_empty() => {
                    let which = which % calls.len();
                    quota.gave_up(calls.swap_remove(which), now);
                    let sent = model.in_flight.swap_remove(which);
                    let arrival = now.max(sent + Duration::from_secs(2));
                    model.releases.push(arrival + Duration::from_secs(1));
                }
                Step::Withdraw(which) if !calls.is_empty() => {
                    let which = which % calls.len();
                    quota.withdrew(calls.swap_remove(which));
                    model.in_flight.swap_remove(which);
                }
                Step::Send | Step::Answer(_) | Step::GiveUp(_) | Step::Withdraw(_) => {}
            }
            match quota.turn(now) {
                Turn::Ready => prop_assert!(model.used(now) < model.n),
                Turn::WaitUntil(event) => {
                    prop_assert!(event > now);
                    prop_assert!(model.used(now) >= model.n);
                    let before = event - Duration::from_nanos(1);
                    prop_assert_eq!(model.used(before), model.used(now), "missed an event");
                    prop_assert!(model.used(event) < model.used(now), "nothing happens then");
                }
                Turn::AwaitAnswer => {
                    prop_assert!(model.used(now) >= model.n);
                    prop_assert_eq!(model.used(now + Duration::from_secs(3_600)), model.used(now));
                }
            }
        }
    }
}
