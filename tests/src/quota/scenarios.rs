//! What is simulated, and what the rule promises there.
//!
//! The figures are those of the rule's design, which an independent simulation reached with 20 ms
//! of jitter: a round trip that takes up to 20 ms longer, and 10 on average, which is 1 % of each
//! second. With less of it more of the quota is used.

use std::num::NonZeroU32;
use std::time::Duration;

use imtag_core::CallRate;

use super::client::Pace;
use super::path::{Path, Trouble};
use super::service::Window;
use super::simulation::{Figures, Setting};

/// One row of the table, without the window.
#[derive(Debug, Clone)]
pub(super) struct Scenario {
    pub(super) name: String,
    pub(super) setting: Setting,
    pub(super) promise: Promise,
}

/// What the rule promises.
#[derive(Debug, Clone, Copy)]
pub(super) enum Promise {
    /// No rejection, and this utilisation in percent to within half a point, or more.
    Reaches(f64),
    /// No rejection; what can be used depends on how many calls are lost.
    NoRejection,
    /// At most this number of rejections in ten minutes: the rule does not see their cause.
    Remains(usize),
    /// Nothing: not the rule, but what it is compared with.
    Comparison,
}

impl Promise {
    pub(super) fn is_kept(self, figures: Figures) -> bool {
        match self {
            Promise::Reaches(percent) => {
                figures.rejections == 0 && figures.utilisation >= percent - 0.5
            }
            Promise::NoRejection => figures.rejections == 0,
            Promise::Remains(rejections) => figures.rejections <= rejections,
            Promise::Comparison => true,
        }
    }

    /// Where nothing is rejected, the two readings of the sliding window are one.
    pub(super) fn windows(self) -> &'static [Window] {
        match self {
            Promise::Reaches(_) | Promise::NoRejection => &[Window::Calendar, Window::Strict],
            Promise::Remains(_) | Promise::Comparison => {
                &[Window::Calendar, Window::Sliding, Window::Strict]
            }
        }
    }
}

pub(super) fn all() -> Vec<Scenario> {
    [
        round_trips(),
        asymmetric(),
        held_up(),
        abandoned(),
        cold(),
        killed(),
        clocks(),
        quotas(),
        known_to_remain(),
        even_pacing(),
    ]
    .concat()
}

pub(super) fn round_trips() -> Vec<Scenario> {
    let micros = [500, 1_000, 5_000, 20_000, 50_000, 100_000, 200_000, 500_000];
    let mut scenarios = Vec::new();
    for round_trip in micros.map(Duration::from_micros) {
        for jitter in [ms(0), ms(5), ms(20)] {
            scenarios.push(plain(round_trip, jitter).promises(Promise::Reaches(98.7)));
        }
    }
    // 20 ms on each way, twice what the design's figures are for: another 1 %.
    for round_trip in [ms(5), ms(50)] {
        scenarios.push(plain(round_trip, ms(40)).promises(Promise::Reaches(97.7)));
    }
    scenarios
}

pub(super) fn asymmetric() -> Vec<Scenario> {
    let scenario = |round_trip| [10, 90].map(|percent| split(plain(round_trip, ms(20)), percent));
    [ms(50), ms(500)]
        .into_iter()
        .flat_map(scenario)
        .map(|it| it.promises(Promise::Reaches(98.7)))
        .collect()
}

pub(super) fn held_up() -> Vec<Scenario> {
    let mut scenarios = Vec::new();
    for round_trip in [ms(5), ms(50), ms(200)] {
        for (trouble, name) in [
            (Trouble::StalledThere, "there"),
            (Trouble::StalledBack, "back"),
        ] {
            let scenario = plain(round_trip, ms(20))
                .promises(Promise::Reaches(97.9))
                .troubled(trouble);
            scenarios.push(scenario.but(format!("1 % held up on the way {name}")));
        }
    }
    scenarios
}

/// Each abandoned call counts for three seconds, which no figure of the design includes.
pub(super) fn abandoned() -> Vec<Scenario> {
    let scenario = |round_trip| {
        let mut scenario = plain(round_trip, ms(20)).troubled(Trouble::StalledThere);
        scenario.setting.timeout = Some(ms(300));
        scenario.but("1 % held up, abandoned after 300 ms")
    };
    [ms(5), ms(50), ms(200)].map(scenario).into()
}

pub(super) fn cold() -> Vec<Scenario> {
    let scenario = |round_trip| {
        let scenario = plain(round_trip, ms(20)).promises(Promise::Reaches(98.7));
        scenario.troubled(Trouble::Cold).but("first 100 calls cold")
    };
    [ms(5), ms(50), ms(200)].map(scenario).into()
}

/// The design says 97 to 98 %. Long round trips, and a process back sooner, are among what is known
/// to remain.
pub(super) fn killed() -> Vec<Scenario> {
    let scenario =
        |round_trip| resumed(round_trip, [ms(100), ms(100)]).promises(Promise::Reaches(97.5));
    [ms(5), ms(20), ms(50), ms(100)].map(scenario).into()
}

/// At -500 ppm the service's second is 0.5 ms longer than ours: as long as the shortest round trip.
pub(super) fn clocks() -> Vec<Scenario> {
    let mut scenarios = Vec::new();
    for ppm in [-500, -100, 100, 500] {
        for round_trip in [200, 500, 1_000, 50_000, 500_000].map(Duration::from_micros) {
            let mut scenario = plain(round_trip, ms(0)).promises(Promise::Reaches(98.7));
            scenario.setting.clock_ppm = ppm;
            scenarios.push(scenario.but(format!("server clock {ppm:+} ppm")));
        }
    }
    scenarios
}

/// Of one call a second there is no credit for the first hundred, a sixth of the time.
pub(super) fn quotas() -> Vec<Scenario> {
    [(1, 98.0), (2, 98.4), (10, 98.7), (200, 98.7), (1_000, 98.7)]
        .map(|(calls, percent)| of_quota(calls).promises(Promise::Reaches(percent)))
        .into()
}

pub(super) fn known_to_remain() -> Vec<Scenario> {
    vec![
        shortened(ms(100), ms(10)).promises(Promise::Remains(13)),
        shortened(ms(400), ms(20)).promises(Promise::Remains(60)),
        two_paths(ms(50)).promises(Promise::Remains(20)),
        two_paths(ms(200)).promises(Promise::Remains(20)),
        // Back at once, its first call is one more than the full second that its predecessor may
        // have sent.
        resumed(ms(20), [ms(0), ms(100)]).promises(Promise::Remains(3)),
        resumed(ms(50), [ms(0), ms(100)]).promises(Promise::Remains(3)),
        resumed(ms(100), [ms(0), ms(100)]).promises(Promise::Remains(3)),
        // When the credit sets in, two seconds after the start, it frees the calls of a whole round
        // trip at once: sent as a bunch, and a second later again, they stay one. Killed just after
        // a bunch, more than an even share of its last second lies at the end.
        resumed(ms(200), [ms(100), ms(100)]).promises(Promise::Remains(3)),
        resumed(ms(500), [ms(100), ms(100)]).promises(Promise::Remains(400)),
    ]
}

pub(super) fn even_pacing() -> Vec<Scenario> {
    let scenario = |trouble| {
        let mut scenario = plain(ms(50), ms(20))
            .promises(Promise::Comparison)
            .troubled(trouble);
        scenario.setting.pace = Pace::Even(calls(99));
        scenario
    };
    vec![
        scenario(Trouble::None).but("even pacing, 99/s"),
        scenario(Trouble::StalledThere).but("even pacing, 99/s, 1 % held up"),
        scenario(Trouble::Cold).but("even pacing, 99/s, first 100 calls cold"),
    ]
}

fn plain(round_trip: Duration, jitter: Duration) -> Scenario {
    let (there, back) = (round_trip / 2, round_trip / 2);
    let path = Path {
        there,
        back,
        jitter,
        trouble: Trouble::None,
    };
    Scenario {
        name: format!("round trip {}, jitter {}", text(round_trip), text(jitter)),
        setting: Setting {
            calls_per_second: CallRate::default(),
            pace: Pace::Rule,
            path,
            clock_ppm: 0,
            timeout: None,
            killed: None,
        },
        promise: Promise::NoRejection,
    }
}

fn of_quota(calls_per_second: u32) -> Scenario {
    let mut scenario = plain(ms(50), ms(20));
    scenario.setting.calls_per_second =
        CallRate::try_from(f64::from(calls_per_second)).unwrap_or_default();
    scenario.but(format!("quota {calls_per_second}"))
}

fn resumed(round_trip: Duration, away: [Duration; 2]) -> Scenario {
    let mut scenario = plain(round_trip, ms(20));
    scenario.setting.killed = Some(away);
    let [least, most] = away.map(text);
    if least == most {
        return scenario.but(format!("killed, back in {most}"));
    }
    scenario.but(format!("killed, back in {least} to {most}"))
}

fn shortened(round_trip: Duration, there: Duration) -> Scenario {
    let scenario = plain(round_trip, ms(20)).troubled(Trouble::SuddenlyShort(there));
    scenario.but(format!("way there suddenly {}", text(there)))
}

fn two_paths(round_trip: Duration) -> Scenario {
    split(plain(round_trip, ms(20)).troubled(Trouble::TwoPaths), 10).but("and another, reversed")
}

/// With so much of the round trip on the way there.
fn split(mut scenario: Scenario, percent: u32) -> Scenario {
    let Path { there, back, .. } = scenario.setting.path;
    scenario.setting.path.there = (there + back) * percent / 100;
    scenario.setting.path.back = (there + back) * (100 - percent) / 100;
    scenario.but(format!("{percent} % of it there"))
}

impl Scenario {
    fn promises(mut self, promise: Promise) -> Scenario {
        self.promise = promise;
        self
    }

    fn troubled(mut self, trouble: Trouble) -> Scenario {
        self.setting.path.trouble = trouble;
        self
    }

    fn but(mut self, what: impl AsRef<str>) -> Scenario {
        self.name = format!("{}, {}", self.name, what.as_ref());
        self
    }
}

/// In milliseconds, whatever the length, so that the rows can be compared.
fn text(duration: Duration) -> String {
    format!("{} ms", duration.as_secs_f64() * 1_000.0)
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn calls(per_second: u32) -> NonZeroU32 {
    NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN)
}
