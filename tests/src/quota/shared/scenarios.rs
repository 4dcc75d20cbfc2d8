//! What is simulated of processes that share a quota.

use std::time::Duration;

use imtag_core::CallRate;

use super::process::{Load, Setting as Process, Ways};
use super::simulation::{Figures, Setting};
use super::trouble::Trouble;

/// One row of the table.
#[derive(Debug, Clone)]
pub(super) struct Scenario {
    pub(super) name: String,
    pub(super) setting: Setting,
    pub(super) promise: Promise,
}

/// What is promised, beside no rejection.
#[derive(Debug, Clone, Copy)]
pub(super) enum Promise {
    /// This utilisation, in percent.
    Reaches(f64),
    /// All calls but those under way at the end and those of killed processes; none waits for longer.
    Serves(Duration),
    /// At most so many rejections: the rule does not see their cause.
    Remains(usize),
}

impl Promise {
    pub(super) fn is_kept(self, quota: usize, figures: &Figures) -> bool {
        let is_within = figures.rejections == 0 && figures.most <= quota;
        match self {
            Promise::Reaches(percent) => is_within && figures.utilisation >= percent,
            Promise::Serves(within) => {
                is_within && figures.served >= 97.0 && figures.longest <= within
            }
            Promise::Remains(rejections) => figures.rejections <= rejections,
        }
    }
}

pub(super) fn all() -> Vec<Scenario> {
    [
        saturated(),
        skewed(),
        small_loads(),
        processes_that_fail(),
        stores_that_fail(),
        clocks(),
        quotas(),
        known_to_remain(),
    ]
    .concat()
}

pub(super) fn saturated() -> Vec<Scenario> {
    let mixed = [(1, 98.7), (4, 98.7), (16, 98.5), (64, 97.8)]
        .map(|(n, percent)| mixed(n).reaches(format!("{n} saturated, mixed paths"), percent));
    let alike = [
        (1, us(500), 98.5),
        (3, ms(300), 98.0),
        (16, ms(300), 98.0),
        (150, ms(50), 96.8),
        (150, ms(300), 91.0),
        (200, ms(50), 96.5),
    ];
    let alike = alike.map(|(n, round_trip, percent)| {
        let name = format!("{n} saturated, {} ms", round_trip.as_secs_f64() * 1e3);
        equal(n, round_trip).reaches(name, percent)
    });
    mixed.into_iter().chain(alike).collect()
}

pub(super) fn skewed() -> Vec<Scenario> {
    let beside = [14, 30, 62]
        .map(|n| large_and_small(n).reaches(format!("2 saturated, {n} small ones"), 93.5));
    let newcomer = equal(16, ms(50)).each(|place, process| {
        if place == 15 {
            process.starts = s(100);
        }
    });
    let newcomer = newcomer.reaches("15 saturated, one more later", 98.0);
    beside.into_iter().chain([newcomer]).collect()
}

pub(super) fn small_loads() -> Vec<Scenario> {
    let mut scenarios = vec![
        small(200, 100).serves("200 of 0.1 calls/s", ms(500)),
        small(20, 4_000).serves("20 of 4 calls/s", s(5)),
        small(150, 600).serves("150 of 0.6 calls/s", s(10)),
        bursty(10).serves("10 with bursts of 40 calls", s(20)),
        bursty(60).serves("60 with bursts of 40 calls", s(20)),
    ];
    let small = || small(150, 600);
    for (trouble, name, within) in [
        (Trouble::Flush { every: s(50) }, "flushed", s(40)),
        (Trouble::Step { every: s(10) }, "clock set", s(10)),
        (Trouble::Lost { one_in: 20 }, "1 in 20 lost", s(20)),
        (
            Trouble::Kills {
                every: s(2),
                back: ms(100),
            },
            "kill -9",
            s(20),
        ),
    ] {
        let name = format!("150 of 0.6 calls/s, {name}");
        scenarios.push(small().with(trouble).serves(name, within));
    }
    scenarios
}

pub(super) fn processes_that_fail() -> Vec<Scenario> {
    let [every, back] = [s(20), ms(100)];
    let mut scenarios = vec![
        mixed(16)
            .with(Trouble::Kills { every, back })
            .reaches("16, kill -9 every 20 s", 96.0),
        mixed(4)
            .with(Trouble::Kills { every, back })
            .reaches("4, kill -9 every 20 s", 88.0),
        mixed(16)
            .with(Trouble::Ends { every: s(5) })
            .reaches("16, one ends every 5 s", 97.5),
        mixed(16)
            .with(Trouble::Pauses {
                every,
                lasts: s(30),
            })
            .reaches("16, paused for 30 s", 95.0),
    ];
    let held_up = mixed(16).each(|_, process| process.stalls = true);
    scenarios.push(held_up.clone().reaches("16, 1 % held up", 97.0));
    // it sends to the end of its lease, and what it sent last is held up
    let lasts = s(12);
    let cut_off = held_up.clone().with(Trouble::CutOff { every, lasts });
    scenarios.push(cut_off.reaches("16, 1 % held up, one cut off", 97.0));
    let abandoned = held_up.each(|_, process| process.timeout = Some(ms(600)));
    scenarios.push(abandoned.reaches("16, 1 % held up and abandoned", 97.0));
    scenarios
}

pub(super) fn stores_that_fail() -> Vec<Scenario> {
    [
        (
            Trouble::Away {
                every: s(30),
                lasts: ms(3_500),
            },
            "store away for 3.5 s",
            98.3,
        ),
        (
            Trouble::Away {
                every: s(40),
                lasts: s(20),
            },
            "store away for 20 s",
            60.0,
        ),
        (
            Trouble::Slow {
                every: s(30),
                lasts: s(3),
            },
            "store's answers late",
            98.0,
        ),
        (Trouble::Flush { every: s(50) }, "flushed every 50 s", 98.0),
        (
            Trouble::Failover {
                every: s(50),
                behind: s(2),
            },
            "failed over, 2 s old",
            98.0,
        ),
        (Trouble::Lost { one_in: 20 }, "1 in 20 messages lost", 97.5),
    ]
    .map(|(trouble, name, percent)| {
        mixed(16)
            .with(trouble)
            .reaches(format!("16, {name}"), percent)
    })
    .into()
}

pub(super) fn clocks() -> Vec<Scenario> {
    let set = mixed(16).with(Trouble::Step { every: s(10) });
    let mut off = mixed(16).each(|place, process| {
        process.clock_ppm = [500, -500, 0, 250][place % 4];
    });
    off.clock_ppm = -100;
    vec![
        set.reaches("16, store's clock set by 1 h", 98.0),
        off.reaches("16, clocks 500 ppm off", 98.0),
    ]
}

pub(super) fn quotas() -> Vec<Scenario> {
    [
        (4, 10, 97.5),
        (30, 10, 94.5),
        (16, 1_000, 98.5),
        (150, 1_000, 97.5),
    ]
    .map(|(n, quota, percent)| {
        let name = format!("{n} saturated, quota {quota}");
        mixed(n).of_quota(quota).reaches(name, percent)
    })
    .into()
}

pub(super) fn known_to_remain() -> Vec<Scenario> {
    let short = equal(16, ms(100)).each(|_, process| {
        let there = ms(10);
        process.later = Some((
            s(150),
            Ways {
                there,
                ..process.service
            },
        ));
    });
    let strangers = Trouble::Strangers {
        every: s(60),
        calls: 20,
    };
    vec![
        short.promises("16, way there suddenly 10 ms", Promise::Remains(60)),
        mixed(16)
            .with(strangers)
            .promises("16, 20 strange calls a minute", Promise::Remains(600)),
    ]
}

fn plain(processes: Vec<Process>) -> Setting {
    Setting {
        calls_per_second: CallRate::default(),
        duration: s(300),
        processes,
        troubles: Vec::new(),
        clock_ppm: 0,
    }
}

fn process(load: Load, round_trip: Duration, store: Duration) -> Process {
    Process {
        load,
        service: Ways::even(round_trip, ms(20)),
        store: Ways::even(store, store / 2),
        later: None,
        clock_ppm: 0,
        stalls: false,
        timeout: None,
        starts: Duration::ZERO,
    }
}

/// Round trips from 0.5 to 300 ms, ways of different length, a store that is near or far.
fn mixed(n: usize) -> Setting {
    let micros = [50_000, 500, 300_000, 20_000, 100_000, 5_000, 200_000, 1_000];
    let store = [1_000, 200, 20_000, 5_000];
    plain(
        (0..n)
            .map(|place| {
                let mut process = process(
                    Load::Saturated,
                    us(micros[place % 8]),
                    us(store[(place / 2) % 4]),
                );
                let Ways { there, back, .. } = process.service;
                let percent = [50, 90, 10][place % 3];
                process.service.there = (there + back) * percent / 100;
                process.service.back = (there + back) * (100 - percent) / 100;
                process
            })
            .collect(),
    )
}

fn equal(n: usize, round_trip: Duration) -> Setting {
    plain(vec![process(Load::Saturated, round_trip, ms(1)); n])
}

/// Two with enough to do, beside others that make 35 calls a second together.
fn large_and_small(n: usize) -> Setting {
    let mut setting = equal(2, ms(50));
    for place in 0..n {
        let load = Load::Calls([500, 1_000, 2_000][place % 3] * 30 / n as u64);
        setting.processes.push(process(load, ms(50), ms(1)));
    }
    setting
}

fn small(n: usize, in_1000_s: u64) -> Setting {
    plain(vec![process(Load::Calls(in_1000_s), ms(50), ms(1)); n])
}

/// 60 calls a second together.
fn bursty(n: usize) -> Setting {
    plain(vec![
        process(
            Load::Bursts(40, s(n as u64) * 40 / 60),
            ms(50),
            ms(1)
        );
        n
    ])
}

impl Setting {
    fn promises(self, name: impl Into<String>, promise: Promise) -> Scenario {
        Scenario {
            name: name.into(),
            setting: self,
            promise,
        }
    }

    /// Uses so much of the quota, in percent.
    fn reaches(self, name: impl Into<String>, percent: f64) -> Scenario {
        self.promises(name, Promise::Reaches(percent))
    }

    /// Makes all calls that there are, and no call waits for longer.
    fn serves(self, name: impl Into<String>, within: Duration) -> Scenario {
        self.promises(name, Promise::Serves(within))
    }

    fn each(mut self, change: impl Fn(usize, &mut Process)) -> Setting {
        let processes = self.processes.iter_mut().enumerate();
        processes.for_each(|(place, process)| change(place, process));
        self
    }

    fn of_quota(mut self, calls_per_second: u32) -> Setting {
        let rate = CallRate::try_from(f64::from(calls_per_second));
        self.calls_per_second = rate.unwrap_or_default();
        self
    }

    fn with(mut self, trouble: Trouble) -> Setting {
        self.troubles.push(trouble);
        self
    }
}

fn us(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
