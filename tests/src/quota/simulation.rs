//! Discrete-event simulation: one client, one path, one service, and ten minutes of virtual time.
//!
//! Each event lies at a nanosecond; those of the same one happen in the order in which they were
//! foreseen. The client is asked for its turn exactly when the transport would ask: when a call was
//! handed back, and at the moment it was told to wait for.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use imtag_core::CallRate;
use imtag_core::quota::Turn;

use super::client::{Client, Pace};
use super::path::Path;
use super::service::{Clock, Service, Window};
use crate::random::Rng;

/// How long each scenario runs.
pub(super) const DURATION: Duration = Duration::from_secs(600);

/// How long a process lives that is killed: 20 s, give or take, so that the end falls on any moment
/// of its rhythm.
const LIFE: [Duration; 2] = [Duration::from_millis(19_500), Duration::from_millis(20_500)];

/// What is simulated, apart from window and seed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    pub(super) calls_per_second: CallRate,
    pub(super) pace: Pace,
    pub(super) path: Path,
    /// How much the service's clock is fast; negative: slow.
    pub(super) clock_ppm: i32,
    /// When a call that has not been answered is abandoned.
    pub(super) timeout: Option<Duration>,
    /// How long the process is away, at least and at most, if it is killed every 20 s. What it had
    /// sent still arrives.
    pub(super) killed: Option<[Duration; 2]>,
}

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Figures {
    /// Calls accepted, of those that the quota admits in the time, in percent.
    pub(super) utilisation: f64,
    pub(super) rejections: usize,
    /// The most arrivals in any second of the service's clock.
    pub(super) most: usize,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Wake,
    Arrival { call: usize, back: Duration },
    Answer { call: usize, too_frequent: bool },
    Timeout { call: usize },
    Kill,
    Resume,
}

struct Simulation {
    setting: Setting,
    rng: Rng,
    service: Service,
    /// None while the process is dead.
    client: Option<Client>,
    calls: usize,
    now: Duration,
    /// By time, then by when they were foreseen.
    events: BinaryHeap<Reverse<(Duration, usize, Event)>>,
    foreseen: usize,
    /// When the client will be woken; events that wake it at another time are out of date.
    wake: Option<Duration>,
}

/// Runs the setting for ten minutes.
pub(super) fn run(setting: Setting, window: Window, seed: u64) -> Figures {
    let mut rng = Rng::new(seed);
    let phase = rng.between(Duration::ZERO, Duration::from_secs(1));
    let clock = Clock {
        phase,
        ppm: setting.clock_ppm,
    };
    let calls_per_second = setting.calls_per_second;
    let mut simulation = Simulation {
        setting,
        rng,
        service: Service::new(calls_per_second.calls().get(), window, clock),
        client: None,
        calls: 0,
        now: Duration::ZERO,
        events: BinaryHeap::new(),
        foreseen: 0,
        wake: None,
    };
    simulation.foresee(Duration::ZERO, Event::Resume);
    while let Some(Reverse((at, _, event))) = simulation.events.pop() {
        if at >= DURATION {
            break;
        }
        simulation.now = at;
        simulation.happen(event);
    }
    let admitted = calls_per_second.admitted_per_second() * DURATION.as_secs_f64();
    Figures {
        utilisation: simulation.service.accepted as f64 / admitted * 100.0,
        rejections: simulation.service.rejected,
        most: simulation.service.most,
    }
}

impl Simulation {
    fn foresee(&mut self, at: Duration, event: Event) {
        self.foreseen += 1;
        self.events.push(Reverse((at, self.foreseen, event)));
    }

    fn happen(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Arrival { call, back } => {
                let too_frequent = !self.service.admits(now);
                self.foresee(now + back, Event::Answer { call, too_frequent });
                return;
            }
            Event::Wake if self.wake == Some(now) => self.wake = None,
            Event::Wake => return,
            Event::Answer { call, too_frequent } => {
                if let Some(client) = &mut self.client {
                    client.answered(call, now, too_frequent);
                }
            }
            Event::Timeout { call } => {
                if let Some(client) = &mut self.client {
                    client.abandon(call, now);
                }
            }
            Event::Kill => {
                self.client = None;
                if let Some([least, most]) = self.setting.killed {
                    let away = self.rng.between(least, most);
                    self.foresee(now + away, Event::Resume);
                }
            }
            Event::Resume => {
                let Setting {
                    pace,
                    calls_per_second,
                    ..
                } = self.setting;
                self.client = Some(Client::start(pace, calls_per_second, now));
                if self.setting.killed.is_some() {
                    let life = self.rng.between(LIFE[0], LIFE[1]);
                    self.foresee(now + life, Event::Kill);
                }
            }
        }
        self.send_what_may_go();
    }

    fn send_what_may_go(&mut self) {
        loop {
            let now = self.now;
            let Some(client) = &mut self.client else {
                return;
            };
            match client.turn(now) {
                Turn::Ready => {
                    client.send(self.calls, now);
                    self.dispatch();
                }
                Turn::WaitUntil(at) => return self.wake_at(at),
                Turn::AwaitAnswer => return,
            }
        }
    }

    fn dispatch(&mut self) {
        let call = self.calls;
        self.calls += 1;
        let [there, back] = self.setting.path.draw(&mut self.rng, call, self.now);
        self.foresee(self.now + there, Event::Arrival { call, back });
        if let Some(timeout) = self.setting.timeout {
            self.foresee(self.now + timeout, Event::Timeout { call });
        }
    }

    fn wake_at(&mut self, at: Duration) {
        if self.wake != Some(at) {
            self.wake = Some(at);
            self.foresee(at, Event::Wake);
        }
    }
}
