//! The rule against a model that remembers everything and counts it anew at each look: drawn
//! histories, equal answers.

use proptest::prelude::*;

use super::*;

/// All that ever happened. It has no cap below N: that one's growth is tested by literal values.
/// Nor has it buckets, as fewer answers than six of them take are ever drawn.
#[derive(Default)]
struct Model {
    n: usize,
    window: Duration,
    in_flight: Vec<Duration>,
    answers: Vec<Duration>,
    round_trips: Vec<Duration>,
    releases: Vec<Duration>,
}

impl Model {
    fn used(&self, now: Duration) -> usize {
        let least = self.round_trips.iter().min().copied().unwrap_or_default();
        let credit = if self.answers.len() < 100 {
            Duration::ZERO
        } else {
            least
        };
        let recent = self
            .answers
            .iter()
            .filter(|&&at| now < at + (self.window + self.window / 500).saturating_sub(credit))
            .count();
        let held = self
            .releases
            .iter()
            .filter(|&&release| now < release)
            .count();
        let since_lead = now.saturating_sub(Duration::from_millis(100)).as_nanos();
        let slots = (1..self.n as u128).filter(|i| i * 1_000_000_000 > since_lead * self.n as u128);
        self.in_flight.len() + recent + held + slots.count()
    }
}

#[derive(Debug, Clone)]
enum Step {
    Pass(u64),
    Send,
    Answer(usize),
    Abandon(usize),
    Withdraw(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0_u64..400_000).prop_map(Step::Pass),
        4 => Just(Step::Send),
        3 => any::<usize>().prop_map(Step::Answer),
        1 => any::<usize>().prop_map(Step::Abandon),
        1 => any::<usize>().prop_map(Step::Withdraw),
    ];
    prop::collection::vec(step, 1..150)
}

/// The round trips of what was answered earlier, call by call: nothing, or about as much as it
/// takes to get credit.
fn before() -> impl Strategy<Value = Vec<Duration>> {
    let round_trip = (0_u64..1_200_000).prop_map(Duration::from_micros);
    let least = (0_u64..1_200_000).prop_map(Duration::from_micros);
    let some = (least, prop::collection::vec(round_trip, 80..110))
        .prop_map(|(least, trips)| trips.into_iter().map(|trip| trip.max(least)).collect());
    prop_oneof![Just(Vec::new()), some]
}

/// Calls per second, and what they mean: N calls in a window.
fn rates() -> impl Strategy<Value = (f64, usize, Duration)> {
    let second = Duration::from_secs(1);
    prop_oneof![
        3 => (1_u32..8).prop_map(move |n| (f64::from(n), n as usize, second)),
        1 => Just((2.5, 2, second)),
        1 => Just((0.5, 1, 2 * second)),
        1 => Just((0.1, 1, 10 * second)),
        1 => Just((0.001, 1, 1_000 * second)),
    ]
}

proptest! {
    #[test]
    fn a_call_may_be_sent_when_a_full_count_of_the_past_says_so(
        rate in rates(),
        before in before(),
        steps in steps(),
    ) {
        let (calls_per_second, n, window) = rate;
        let rate = CallRate::try_from(calls_per_second).expect("a rate that can be set");
        let mut quota = Quota::new(rate, Duration::ZERO);
        let mut model = Model { n, window, ..Model::default() };
        let mut calls = Vec::new();
        let mut now = Duration::ZERO;
        for round_trip in before {
            let call = quota.send(now);
            model.round_trips.push(round_trip);
            model.answers.push(now + round_trip);
            quota.answered(call, now + round_trip, Admission::Admitted);
            now += Duration::from_secs(2).max(2 * window);
        }
        for step in steps {
            match step {
                Step::Pass(micros) => now += Duration::from_micros(micros),
                Step::Send if model.used(now) < model.n => {
                    calls.push(quota.send(now));
                    model.in_flight.push(now);
                }
                Step::Answer(which) if !calls.is_empty() => {
                    let which = which % calls.len();
                    quota.answered(calls.swap_remove(which), now, Admission::Admitted);
                    model.round_trips.push(now - model.in_flight.swap_remove(which));
                    model.answers.push(now);
                }
                Step::Abandon(which) if !calls.is_empty() => {
                    let which = which % calls.len();
                    quota.abandoned(calls.swap_remove(which), now);
                    let sent = model.in_flight.swap_remove(which);
                    let arrival = now.max(sent + Duration::from_secs(2));
                    model.releases.push(arrival + window);
                }
                Step::Withdraw(which) if !calls.is_empty() => {
                    let which = which % calls.len();
                    quota.withdrew(calls.swap_remove(which));
                    model.in_flight.swap_remove(which);
                }
                Step::Send | Step::Answer(_) | Step::Abandon(_) | Step::Withdraw(_) => {}
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
