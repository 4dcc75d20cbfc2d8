//! One process of the app: its work, its way to the service and to the store, its clock.

use std::collections::HashMap;
use std::time::Duration;

use imtag_core::CallRate;
use imtag_core::Operation;
use imtag_core::leases::{Answer, Lease, Message, Request, SharedCall, SharedQuota};
use imtag_core::quota::{Admission, Turn};

use crate::random::Rng;

/// What work a process has.
#[derive(Debug, Clone, Copy)]
pub(super) enum Load {
    /// Always more than it may send.
    Saturated,
    /// Calls that come by chance, so many in 1000 seconds.
    Calls(u64),
    /// So many calls at once, so often on average.
    Bursts(usize, Duration),
}

/// A way there and back, and how much longer a round trip takes at most: half of it on each way, evenly drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ways {
    pub(super) there: Duration,
    pub(super) back: Duration,
    pub(super) jitter: Duration,
}

/// A process as a scenario describes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    pub(super) load: Load,
    pub(super) service: Ways,
    pub(super) store: Ways,
    /// From a moment on the ways to the service are these.
    pub(super) later: Option<(Duration, Ways)>,
    /// How much its clock is fast; negative: slow.
    pub(super) clock_ppm: i32,
    /// One call in a hundred is held up for 0.1 to 0.8 s on its way there.
    pub(super) stalls: bool,
    /// When a call that has not been answered is abandoned.
    pub(super) timeout: Option<Duration>,
    /// When it starts.
    pub(super) starts: Duration,
}

/// A process that lives.
pub(super) struct Process {
    clock_ppm: i32,
    lease: Lease,
    quota: SharedQuota,
    under_way: HashMap<usize, SharedCall>,
    /// When each call that waits came, or how many there always are.
    pub(super) queue: std::collections::VecDeque<Duration>,
    endless: usize,
    /// Until then it stands still.
    pub(super) paused_until: Duration,
    /// When it will be woken; other wakes are out of date.
    pub(super) wake: Option<Duration>,
}

impl Process {
    pub(super) fn start(setting: &Setting, name: String, rate: CallRate, now: Duration) -> Process {
        let endless = match setting.load {
            Load::Saturated => 2 * rate.calls().get() as usize,
            Load::Calls(_) | Load::Bursts(..) => 0,
        };
        let mut process = Process {
            clock_ppm: setting.clock_ppm,
            lease: Lease::new(name, rate),
            quota: SharedQuota::new(rate, Duration::ZERO),
            under_way: HashMap::new(),
            queue: std::collections::VecDeque::new(),
            endless,
            paused_until: Duration::ZERO,
            wake: None,
        };
        process.quota = SharedQuota::new(rate, process.local(now));
        process
    }

    /// What its clock says.
    fn local(&self, now: Duration) -> Duration {
        let fast = i64::from(self.clock_ppm) + 1_000_000;
        scaled(now, fast.unsigned_abs(), 1_000_000)
    }

    /// When its clock says so.
    fn global(&self, local: Duration) -> Duration {
        let fast = i64::from(self.clock_ppm) + 1_000_000;
        scaled(local, 1_000_000, fast.unsigned_abs()) + Duration::from_nanos(1)
    }

    pub(super) fn waiting(&self) -> usize {
        self.endless + self.queue.len()
    }

    pub(super) fn turn(&mut self, now: Duration) -> Turn {
        let now = self.local(now);
        self.quota.set_queued(self.endless + self.queue.len());
        match self.quota.turn(now) {
            Turn::WaitUntil(moment) => Turn::WaitUntil(self.global(moment)),
            turn => turn,
        }
    }

    /// Sends the call that has waited for longest; for how long.
    pub(super) fn send(&mut self, call: usize, now: Duration) -> Duration {
        let waited = self
            .queue
            .pop_front()
            .map_or(Duration::ZERO, |came| now - came);
        let sent = self.quota.send(self.local(now));
        self.under_way.insert(call, sent);
        self.quota.set_queued(self.waiting());
        waited
    }

    pub(super) fn answered(&mut self, call: usize, now: Duration, too_frequent: bool) {
        let local = self.local(now);
        if let Some(sent) = self.under_way.remove(&call) {
            let admission = if too_frequent {
                Admission::TooFrequent
            } else {
                Admission::Admitted
            };
            self.quota.answered(sent, local, admission);
        }
    }

    pub(super) fn abandon(&mut self, call: usize, now: Duration) {
        let local = self.local(now);
        if let Some(sent) = self.under_way.remove(&call) {
            self.quota.abandoned(sent, local);
        }
    }

    /// When it is to call the store.
    pub(super) fn due(&self) -> Option<Duration> {
        Some(self.global(self.lease.due(self.quota.need())?))
    }

    pub(super) fn message(&mut self, now: Duration) -> Message {
        let now = self.local(now);
        let quota = &mut self.quota;
        self.lease.message(now, |operation, seq| match operation {
            Operation::Add => quota.request(seq, now),
            _ => Request::default(),
        })
    }

    pub(super) fn store_answered(&mut self, seq: u64, answer: &Answer, now: Duration) {
        let local = self.local(now);
        if let Some(renewal) = self.lease.answered(seq, answer, local) {
            let grant = &answer.operations[Operation::Add as usize];
            self.quota.take(renewal, grant, local);
        }
    }

    pub(super) fn store_timed_out(&mut self, seq: u64, now: Duration) {
        let local = self.local(now);
        if self.lease.awaits(seq) {
            self.lease.unanswered(local);
        }
    }

    /// It ends in order: what it had under way is abandoned, and its last message gives all back.
    pub(super) fn finish(&mut self, now: Duration) -> Message {
        self.quota.finish(self.local(now));
        self.message(now)
    }
}

impl Ways {
    pub(super) fn even(round_trip: Duration, jitter: Duration) -> Ways {
        Ways {
            there: round_trip / 2,
            back: round_trip / 2,
            jitter,
        }
    }

    pub(super) fn draw(&self, rng: &mut Rng) -> [Duration; 2] {
        [self.there, self.back].map(|way| way + rng.between(Duration::ZERO, self.jitter / 2))
    }
}

impl Load {
    /// In how long the next calls come, and how many.
    pub(super) fn next(self, rng: &mut Rng) -> Option<(Duration, usize)> {
        let (every, calls) = match self {
            Load::Saturated => return None,
            Load::Calls(in_1000_s) => (Duration::from_secs(1_000) / in_1000_s as u32, 1),
            Load::Bursts(calls, every) => (every, calls),
        };
        // as calls come that know nothing of each other
        let drawn = (rng.below(1 << 32) + 1) as f64 / (1_u64 << 32) as f64;
        Some((every.mul_f64(-drawn.ln()), calls))
    }
}

fn scaled(time: Duration, by: u64, of: u64) -> Duration {
    let nanos = time.as_nanos() * u128::from(by) / u128::from(of);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
