//! Discrete-event simulation: many processes, one store, one service.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use imtag_core::CallRate;
use imtag_core::leases::store::Store;
use imtag_core::leases::{ANSWERED_WITHIN, Answer, Message, Terms};
use imtag_core::quota::Turn;

use super::process::{self, Process};
use super::trouble::Trouble;
use crate::quota::service::{Clock, Service, Window};
use crate::random::Rng;

/// How often the store's state is copied to a replica.
const REPLICATED: Duration = Duration::from_millis(500);

/// What is simulated, apart from window and seed.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub(super) calls_per_second: CallRate,
    pub(super) duration: Duration,
    pub(super) processes: Vec<process::Setting>,
    pub(super) troubles: Vec<Trouble>,
    /// How much the service's clock is fast; negative: slow.
    pub(super) clock_ppm: i32,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Figures {
    /// Calls accepted, of those that the quota admits in the time, in percent.
    pub(super) utilisation: f64,
    /// Calls accepted, of those that there were to make, in percent; 100 if there was no end of them.
    pub(super) served: f64,
    pub(super) rejections: usize,
    /// The most arrivals in any second of the service's clock.
    pub(super) most: usize,
    /// The calls of the process that made fewest, of the mean, in percent.
    pub(super) least_share: f64,
    /// How long a call waited that waited longest.
    pub(super) longest: Duration,
    /// A second, of all processes.
    pub(super) calls_of_store: f64,
}

impl Figures {
    pub(super) fn worst(self, other: Figures) -> Figures {
        Figures {
            utilisation: self.utilisation.min(other.utilisation),
            served: self.served.min(other.served),
            rejections: self.rejections.max(other.rejections),
            most: self.most.max(other.most),
            least_share: self.least_share.min(other.least_share),
            longest: self.longest.max(other.longest),
            calls_of_store: self.calls_of_store.max(other.calls_of_store),
        }
    }
}

enum Event {
    Start,
    Wake,
    Calls(usize),
    Arrival {
        call: usize,
        back: Duration,
    },
    Answer {
        call: usize,
        too_frequent: bool,
    },
    Timeout {
        call: usize,
    },
    StoreMessage {
        message: Box<Message>,
        back: Duration,
    },
    StoreAnswer {
        seq: u64,
        answer: Box<Answer>,
    },
    StoreTimeout {
        seq: u64,
    },
    Trouble(Trouble),
    Replicated,
    Stranger,
}

/// What an event is about: a process by its place, and which of those that had the place.
type Of = (usize, usize);

struct Foreseen {
    at: Duration,
    number: usize,
    of: Of,
    event: Event,
}

struct Place {
    setting: process::Setting,
    /// How many processes have had it.
    incarnation: usize,
    process: Option<Process>,
    cut_off_until: Duration,
    accepted: usize,
}

struct Simulation {
    calls_per_second: CallRate,
    troubles: Vec<Trouble>,
    rng: Rng,
    service: Service,
    places: Vec<Place>,
    store: Store,
    /// The store's copies, the oldest first.
    replicas: VecDeque<(Duration, Store)>,
    run: usize,
    clock_is_ahead: bool,
    away_until: Duration,
    slow_until: Duration,
    calls: usize,
    now: Duration,
    events: BinaryHeap<Reverse<Foreseen>>,
    foreseen: usize,
    figures: Figures,
    offered: usize,
    messages: usize,
}

pub(super) fn run(setting: &Setting, window: Window, seed: u64) -> Figures {
    let mut rng = Rng::new(seed);
    let clock = Clock {
        phase: rng.between(Duration::ZERO, Duration::from_secs(1)),
        ppm: setting.clock_ppm,
    };
    let calls_per_second = setting.calls_per_second;
    let places = setting.processes.iter().map(|setting| Place {
        setting: *setting,
        incarnation: 0,
        process: None,
        cut_off_until: Duration::ZERO,
        accepted: 0,
    });
    let mut simulation = Simulation {
        calls_per_second,
        troubles: setting.troubles.clone(),
        rng,
        service: Service::new(calls_per_second.calls().get(), window, clock),
        places: places.collect(),
        store: Store::fresh("0", 1_000_000, Terms::new(calls_per_second)),
        replicas: VecDeque::new(),
        run: 0,
        clock_is_ahead: false,
        away_until: Duration::ZERO,
        slow_until: Duration::ZERO,
        calls: 0,
        now: Duration::ZERO,
        events: BinaryHeap::new(),
        foreseen: 0,
        figures: Figures::default(),
        offered: 0,
        messages: 0,
    };
    for place in 0..simulation.places.len() {
        let starts = simulation.places[place].setting.starts;
        let starts = starts
            + simulation
                .rng
                .between(Duration::ZERO, Duration::from_millis(100));
        simulation.foresee(starts, (place, 0), Event::Start);
    }
    for trouble in setting.troubles.clone() {
        simulation.foresee_trouble(trouble);
    }
    if setting
        .troubles
        .iter()
        .any(|it| matches!(it, Trouble::Failover { .. }))
    {
        simulation.foresee(Duration::ZERO, (0, 0), Event::Replicated);
    }
    while let Some(Reverse(next)) = simulation.events.pop() {
        if next.at >= setting.duration {
            break;
        }
        simulation.now = next.at;
        simulation.happen(next.of, next.event);
    }
    simulation.figures(setting.duration)
}

impl Simulation {
    fn foresee(&mut self, at: Duration, of: Of, event: Event) {
        self.foreseen += 1;
        let number = self.foreseen;
        self.events.push(Reverse(Foreseen {
            at,
            number,
            of,
            event,
        }));
    }

    fn foresee_trouble(&mut self, trouble: Trouble) {
        let Some(every) = trouble.every() else {
            return;
        };
        let at = self.now + self.rng.between(every * 9 / 10, every * 11 / 10);
        self.foresee(at, (0, 0), Event::Trouble(trouble));
    }

    /// The process of an event, if it lives.
    fn process(&mut self, of: Of) -> Option<&mut Process> {
        let place = &mut self.places[of.0];
        if place.incarnation != of.1 {
            return None;
        }
        place.process.as_mut()
    }

    fn happen(&mut self, of: Of, event: Event) {
        let now = self.now;
        match event {
            Event::Trouble(trouble) => {
                self.happen_trouble(trouble);
                return self.foresee_trouble(trouble);
            }
            Event::Replicated => {
                self.replicas.push_back((now, self.store.clone()));
                if self.replicas.len() > 20 {
                    self.replicas.pop_front();
                }
                return self.foresee(now + REPLICATED, of, Event::Replicated);
            }
            Event::Stranger => {
                self.service.admits(now);
                return;
            }
            Event::Start => return self.start(of),
            Event::Arrival { call, back } => {
                let admitted = self.service.admits(now);
                self.places[of.0].accepted += usize::from(admitted);
                if !admitted {
                    self.figures.rejections += 1;
                }
                let too_frequent = !admitted;
                return self.foresee(now + back, of, Event::Answer { call, too_frequent });
            }
            Event::StoreMessage { message, back } => return self.ask_store(of, &message, back),
            _ => {}
        }
        let Some(process) = self.process(of) else {
            return;
        };
        if process.paused_until > now {
            let until = process.paused_until;
            return self.foresee(until, of, event);
        }
        match event {
            Event::Wake if process.wake != Some(now) => return,
            Event::Wake => process.wake = None,
            Event::Calls(calls) => {
                process.queue.extend(std::iter::repeat_n(now, calls));
                self.offered += calls;
                self.foresee_calls(of);
            }
            Event::Answer { call, too_frequent } => process.answered(call, now, too_frequent),
            Event::Timeout { call } => process.abandon(call, now),
            Event::StoreAnswer { seq, answer } => process.store_answered(seq, &answer, now),
            Event::StoreTimeout { seq } => process.store_timed_out(seq, now),
            _ => {}
        }
        self.go_on(of);
    }

    fn start(&mut self, of: Of) {
        let now = self.now;
        let place = &mut self.places[of.0];
        place.incarnation = of.1;
        let name = format!("{:03}-{}", of.0, of.1);
        place.process = Some(Process::start(
            &place.setting,
            name,
            self.calls_per_second,
            now,
        ));
        self.foresee_calls(of);
        self.go_on(of);
    }

    fn foresee_calls(&mut self, of: Of) {
        let load = self.places[of.0].setting.load;
        if let Some((after, calls)) = load.next(&mut self.rng) {
            self.foresee(self.now + after, of, Event::Calls(calls));
        }
    }

    /// Sends what may go, calls the store if that is due, and wakes the process when something else may be done.
    fn go_on(&mut self, of: Of) {
        let now = self.now;
        let mut wake = None;
        loop {
            let Some(process) = self.process(of) else {
                return;
            };
            if process.waiting() == 0 {
                let _ = process.turn(now); // it learns that no call waits
                break;
            }
            match process.turn(now) {
                Turn::Ready => self.dispatch(of),
                Turn::WaitUntil(at) => {
                    wake = Some(at);
                    break;
                }
                Turn::AwaitAnswer => break,
            }
        }
        let Some(process) = self.process(of) else {
            return;
        };
        match process.due() {
            Some(due) if due <= now => {
                let message = Box::new(process.message(now));
                self.send_message(of, message);
            }
            due => wake = wake.into_iter().chain(due).min(),
        }
        if let (Some(at), Some(process)) = (wake, self.process(of)) {
            if process.wake != Some(at) {
                process.wake = Some(at);
                self.foresee(at, of, Event::Wake);
            }
        }
    }

    fn dispatch(&mut self, of: Of) {
        let (call, now) = (self.calls, self.now);
        self.calls += 1;
        let setting = self.places[of.0].setting;
        let Some(process) = self.process(of) else {
            return;
        };
        let waited = process.send(call, now);
        self.figures.longest = self.figures.longest.max(waited);
        let later = setting.later.filter(|(from, _)| *from <= now);
        let ways = later.map_or(setting.service, |(_, ways)| ways);
        let [mut there, back] = ways.draw(&mut self.rng);
        if setting.stalls && self.rng.below(100) == 0 {
            let [least, most] = [100, 800].map(Duration::from_millis);
            there += self.rng.between(least, most);
        }
        self.foresee(now + there, of, Event::Arrival { call, back });
        if let Some(timeout) = setting.timeout {
            self.foresee(now + timeout, of, Event::Timeout { call });
        }
    }

    fn send_message(&mut self, of: Of, message: Box<Message>) {
        let [there, back] = self.places[of.0].setting.store.draw(&mut self.rng);
        let seq = message.seq;
        self.messages += 1;
        self.foresee(self.now + there, of, Event::StoreMessage { message, back });
        self.foresee(self.now + ANSWERED_WITHIN, of, Event::StoreTimeout { seq });
    }

    fn ask_store(&mut self, of: Of, message: &Message, back: Duration) {
        let now = self.now;
        let mut lost = || {
            self.troubles.iter().any(|trouble| match trouble {
                Trouble::Lost { one_in } => self.rng.below(*one_in) == 0,
                _ => false,
            })
        };
        let [message_lost, answer_lost] = [lost(), lost()];
        let cut_off_until = self.places[of.0].cut_off_until;
        if now < self.away_until.max(cut_off_until) || message_lost {
            return;
        }
        let hour = u64::from(self.clock_is_ahead) * 3_600_000;
        let time = 1_000_000 + hour + now.as_millis() as u64;
        let answer = Box::new(self.store.call(&self.run.to_string(), time, message));
        if now < self.slow_until || answer_lost {
            return;
        }
        let seq = message.seq;
        self.foresee(now + back, of, Event::StoreAnswer { seq, answer });
    }

    fn happen_trouble(&mut self, trouble: Trouble) {
        let now = self.now;
        let place = self.rng.below(self.places.len() as u64) as usize;
        match trouble {
            Trouble::Kills { back, .. } => {
                let next = self.places[place].incarnation + 1;
                self.places[place].process = None;
                self.foresee(now + back, (place, next), Event::Start);
            }
            Trouble::Ends { .. } => {
                let next = self.places[place].incarnation + 1;
                if let Some(mut process) = self.places[place].process.take() {
                    let message = Box::new(process.finish(now));
                    self.send_message((place, next - 1), message);
                }
                self.foresee(now, (place, next), Event::Start);
            }
            Trouble::Pauses { lasts, .. } => {
                if let Some(process) = &mut self.places[place].process {
                    process.paused_until = now + lasts;
                }
            }
            Trouble::CutOff { lasts, .. } => self.places[place].cut_off_until = now + lasts,
            Trouble::Away { lasts, .. } => self.away_until = now + lasts,
            Trouble::Slow { lasts, .. } => self.slow_until = now + lasts,
            Trouble::Flush { .. } => self.store = Store::default(),
            Trouble::Failover { behind, .. } => {
                let old = self
                    .replicas
                    .iter()
                    .rev()
                    .find(|(at, _)| *at + behind <= now);
                self.store = old.map(|(_, store)| store.clone()).unwrap_or_default();
                self.run += 1;
            }
            Trouble::Step { .. } => self.clock_is_ahead = !self.clock_is_ahead,
            Trouble::Strangers { calls, .. } => {
                for _ in 0..calls {
                    self.foresee(now, (0, 0), Event::Stranger);
                }
            }
            Trouble::Lost { .. } => {}
        }
    }

    fn figures(&self, duration: Duration) -> Figures {
        let accepted: usize = self.places.iter().map(|place| place.accepted).sum();
        let admitted = self.calls_per_second.admitted_per_second() * duration.as_secs_f64();
        let least = self.places.iter().map(|place| place.accepted).min();
        let mean = accepted as f64 / self.places.len() as f64;
        Figures {
            utilisation: accepted as f64 / admitted * 100.0,
            served: if self.offered == 0 {
                100.0
            } else {
                accepted as f64 / self.offered as f64 * 100.0
            },
            most: self.service.most,
            least_share: least.unwrap_or_default() as f64 / mean * 100.0,
            calls_of_store: self.messages as f64 / duration.as_secs_f64(),
            ..self.figures.clone()
        }
    }
}

impl PartialEq for Foreseen {
    fn eq(&self, other: &Foreseen) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Foreseen {}

impl PartialOrd for Foreseen {
    fn partial_cmp(&self, other: &Foreseen) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Foreseen {
    fn cmp(&self, other: &Foreseen) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}
