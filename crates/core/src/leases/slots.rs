//! The slots of one operation that a process holds: the quota rule on a part of the app's slots.
//!
//! A slot is a token with the moment at which it is free. Its holder may use it earlier by its own credit; another process may
//! not, as the credit is about one path.
//!
//! ```text
//!            ┌───── withdrew: as it was ─────┐
//!            ▼                               │
//! granted ► held ─ free, less the credit ─ send ► in flight ─┬─ answered ──► held: free 1.002 s later, own
//!            │                                               └─ abandoned ─► held: free 1 s after the latest arrival
//!            ▼
//!       given back ─ repeated in each message ─► acknowledged: gone
//! ```

use std::collections::VecDeque;
use std::time::Duration;

use super::lease::{Need, Renewal};
use super::message::{Grant, Request, millis};
use super::pace::Pace;
use crate::limits::CallRate;
use crate::quota::credit::Credit;
use crate::quota::window::{LATEST_ARRIVAL, MARGIN};
use crate::quota::{Admission, Turn};

/// The slots of one operation that this process holds, and the calls that use them: beside other processes what
/// [`Quota`](crate::quota::Quota) is to one alone.
#[derive(Debug)]
pub struct SharedQuota {
    /// As in the quota rule: time stands still while a clock goes back.
    latest: Duration,
    calls: u32,
    window: Duration,
    lease_end: Duration,
    /// When the slots whose calls were answered here are free, for others; in order.
    own: VecDeque<Duration>,
    /// When all others are free, in order: granted by the store, or of abandoned calls. No credit applies.
    foreign: VecDeque<Duration>,
    /// Slots of calls that are neither answered nor abandoned.
    in_flight: usize,
    /// How many of those are to be given back when their calls end.
    owed: usize,
    /// How often all slots were void.
    voided: u64,
    given_back: Vec<GivenBack>,
    /// Calls that wait for a slot.
    queued: usize,
    credit: Credit,
    path: u64,
    pace: Pace,
    /// What the store was last told.
    said: usize,
    rejected: Option<Rejected>,
}

/// A slot that is given back, and stays so.
#[derive(Debug)]
struct GivenBack {
    free: Duration,
    /// The first message that said so.
    seq: Option<u64>,
}

/// The last call that was rejected for its frequency.
#[derive(Debug)]
struct Rejected {
    sent: Duration,
    seq: Option<u64>,
}

/// A ticket for one call under way. It goes back to the [`SharedQuota`] it came from; one that is dropped counts as in flight
/// until the lease ends.
#[derive(Debug)]
#[must_use = "a call that is never handed back counts as in flight until the lease ends"]
pub struct SharedCall {
    at: Duration,
    path: u64,
    voided: u64,
    /// When its slot was free, and whether for this process' own credit.
    free: Duration,
    own: bool,
}

impl SharedQuota {
    /// Of a process that holds no slot yet.
    #[must_use]
    pub fn new(calls_per_second: CallRate, start: Duration) -> SharedQuota {
        let calls = calls_per_second.calls();
        SharedQuota {
            latest: start,
            calls: calls.get(),
            window: calls_per_second.window(),
            lease_end: Duration::ZERO,
            own: VecDeque::new(),
            foreign: VecDeque::new(),
            in_flight: 0,
            owed: 0,
            voided: 0,
            given_back: Vec::new(),
            queued: 0,
            credit: Credit::new(calls, start),
            path: 0,
            pace: Pace::default(),
            said: 0,
            rejected: None,
        }
    }

    /// So many calls wait for their turn, the one that asks included.
    pub fn set_queued(&mut self, queued: usize) {
        self.queued = queued;
    }

    /// Decides whether a call may be sent now. [`Turn::AwaitAnswer`] is over when a call is handed back, or the store has
    /// answered.
    #[must_use]
    pub fn turn(&mut self, now: Duration) -> Turn {
        let now = self.advance(now);
        match self.next_usable() {
            Some((usable, _)) if now >= self.lease_end || usable >= self.lease_end => {
                Turn::AwaitAnswer
            }
            Some((usable, _)) if usable <= now => Turn::Ready,
            Some((usable, _)) => Turn::WaitUntil(usable),
            None => Turn::AwaitAnswer,
        }
    }

    /// The end of the lease. Look at it again after the last lock and before the first byte, by a clock that runs while the
    /// machine sleeps: a thread may have slept since its turn. If it is over, the call [`withdrew`](SharedQuota::withdrew).
    #[must_use]
    pub fn lease_end(&self) -> Duration {
        self.lease_end
    }

    /// Counts a call that is sent at `now`, for which the caller has just seen [`Turn::Ready`].
    pub fn send(&mut self, now: Duration) -> SharedCall {
        let now = self.advance(now);
        let own = self.next_usable().is_some_and(|(_, own)| own);
        let slots = if own {
            &mut self.own
        } else {
            &mut self.foreign
        };
        let slot = slots.pop_front();
        self.in_flight += 1;
        self.pace.sent(now);
        SharedCall {
            at: now,
            path: self.path,
            voided: self.voided,
            free: slot.unwrap_or(now),
            own,
        }
    }

    /// Calls go to another host of the service from `now` on: as for a process alone, there is no credit at first.
    pub fn path_changed(&mut self, now: Duration) {
        let now = self.advance(now);
        self.path += 1;
        self.credit.forget(now);
    }

    /// Counts the answer to a call; a rejection is one too.
    pub fn answered(&mut self, call: SharedCall, now: Duration, admission: Admission) {
        let round_trip = now.saturating_sub(call.at);
        let now = self.advance(now);
        if call.path == self.path {
            self.credit.sample(round_trip, now);
        }
        if admission == Admission::TooFrequent {
            self.rejected = Some(Rejected {
                sent: call.at,
                seq: None,
            });
        }
        let cooling = self.window + self.window / MARGIN;
        if let Some(slot) = self.end(&call, now.saturating_add(cooling)) {
            self.own.push_back(slot);
        }
    }

    /// Abandons a call that may have arrived or may still arrive.
    pub fn abandoned(&mut self, call: SharedCall, now: Duration) {
        let now = self.advance(now);
        let arrival = now.max(call.at.saturating_add(LATEST_ARRIVAL));
        if let Some(slot) = self.end(&call, arrival.saturating_add(self.window)) {
            insert(&mut self.foreign, slot);
        }
    }

    /// Takes back a call of which not one byte has left this machine: its slot is as it was.
    pub fn withdrew(&mut self, call: SharedCall) {
        let Some(slot) = self.end(&call, call.free) else {
            return;
        };
        let slots = if call.own {
            &mut self.own
        } else {
            &mut self.foreign
        };
        insert(slots, slot);
    }

    /// How soon the store is to be called.
    #[must_use]
    pub fn need(&self) -> Option<Need> {
        let want = self.want();
        let (hungry, held) = (want > self.held(), self.held());
        let unsaid = self.given_back.iter().any(|it| it.seq.is_none())
            || self.rejected.as_ref().is_some_and(|it| it.seq.is_none());
        if unsaid || (hungry && want > self.said) {
            Some(Need::AtOnce)
        } else if hungry && held == 0 {
            Some(Need::Starving)
        } else if hungry || !self.given_back.is_empty() {
            Some(Need::Hungry)
        } else if held > 0 {
            Some(Need::Content)
        } else {
            None
        }
    }

    /// This operation's part of a message with this number, which is sent at `now`.
    pub fn request(&mut self, seq: u64, now: Duration) -> Request {
        let now = self.advance(now);
        while self.queued == 0 && self.held() > self.kept_idle(now) && self.give_back_one() {}
        for given in &mut self.given_back {
            given.seq.get_or_insert(seq);
        }
        if let Some(rejected) = &mut self.rejected {
            rejected.seq.get_or_insert(seq);
        }
        self.said = self.want();
        Request {
            keep: count(self.held()),
            given_back: self
                .given_back
                .iter()
                .map(|slot| millis(slot.free.saturating_sub(now)))
                .collect(),
            want: count(self.said),
            rejected: self
                .rejected
                .as_ref()
                .map(|it| millis(now.saturating_sub(it.sent))),
            round_trip: millis(self.credit.mean()),
        }
    }

    /// Takes in what the store has answered.
    pub fn take(&mut self, renewal: Renewal, grant: &Grant, now: Duration) {
        let now = self.advance(now);
        self.lease_end = renewal.lease_end;
        if !renewal.known {
            self.own.clear();
            self.foreign.clear();
            self.given_back.clear();
            [self.in_flight, self.owed] = [0, 0];
            self.voided += 1;
        }
        let is_said = |seq: Option<u64>| seq.is_some_and(|seq| seq <= renewal.seq);
        self.given_back.retain(|slot| !is_said(slot.seq));
        if self.rejected.as_ref().is_some_and(|it| is_said(it.seq)) {
            self.rejected = None;
        }
        // what was given back since the message was made is part of what the store asks for
        let asked = (grant.give_back as usize).saturating_sub(self.given_back.len());
        let given = (0..asked).take_while(|_| self.give_back_one()).count();
        self.owed = (asked - given).min(self.in_flight);
        for usable_in in &grant.granted {
            let usable = now.saturating_add(Duration::from_millis(*usable_in));
            insert(&mut self.foreign, usable);
        }
    }

    /// The process ends: gives all slots back, those of calls in flight for when the last of them has surely arrived.
    pub fn finish(&mut self, now: Duration) {
        let now = self.advance(now);
        self.queued = 0;
        while self.give_back_one() {}
        let slot = || GivenBack {
            free: now.saturating_add(LATEST_ARRIVAL + self.window),
            seq: None,
        };
        let in_flight = std::iter::repeat_with(slot).take(self.in_flight);
        self.given_back.extend(in_flight);
        [self.in_flight, self.owed] = [0, 0];
        self.voided += 1;
    }

    /// How many slots this process holds.
    #[must_use]
    pub fn held(&self) -> usize {
        self.own.len() + self.foreign.len() + self.in_flight
    }

    /// How many slots it has use for: those of calls under way, those that rest, and one for each call that waits.
    #[must_use]
    pub fn want(&self) -> usize {
        let credit = self.credit.early();
        let resting = |slots: &VecDeque<Duration>, credit| {
            let usable = |free: &Duration| free.saturating_sub(credit) <= self.latest;
            slots.len() - slots.partition_point(usable)
        };
        let resting = resting(&self.own, credit) + resting(&self.foreign, Duration::ZERO);
        (self.in_flight + resting + self.queued).min(self.calls as usize)
    }

    /// When the next slot may be used, and whether it is an own one.
    fn next_usable(&self) -> Option<(Duration, bool)> {
        let credit = self.credit.early();
        let own = self
            .own
            .front()
            .map(|free| (free.saturating_sub(credit), true));
        let foreign = self.foreign.front().map(|free| (*free, false));
        own.into_iter().chain(foreign).min()
    }

    /// The slot of a call that is over, free at that moment, unless it is void or is given back.
    fn end(&mut self, call: &SharedCall, free: Duration) -> Option<Duration> {
        if call.voided != self.voided {
            return None;
        }
        let keeps =
            self.owed == 0 && (self.queued > 0 || self.held() <= self.kept_idle(self.latest));
        self.in_flight = self.in_flight.saturating_sub(1);
        self.owed = self.owed.saturating_sub(1);
        if !keeps {
            self.given_back.push(GivenBack { free, seq: None });
        }
        keeps.then_some(free)
    }

    /// Gives back a slot that is free now for others too, or else the one that is free last: its next holder has heard of it
    /// by then. False if there is none, apart from those in flight.
    fn give_back_one(&mut self) -> bool {
        let is_free = |free: Option<&Duration>| free.is_some_and(|free| *free <= self.latest);
        let free = if is_free(self.own.front()) {
            self.own.pop_front()
        } else if is_free(self.foreign.front()) {
            self.foreign.pop_front()
        } else if self.own.back() > self.foreign.back() {
            self.own.pop_back()
        } else {
            self.foreign.pop_back()
        };
        self.given_back
            .extend(free.map(|free| GivenBack { free, seq: None }));
        free.is_some()
    }

    /// How many slots to keep while no call waits: what the calls of the last seconds need at least, as to fetch a slot takes
    /// time.
    fn kept_idle(&self, now: Duration) -> usize {
        self.pace.surely(now)
    }

    fn advance(&mut self, now: Duration) -> Duration {
        self.latest = self.latest.max(now);
        self.latest
    }
}

/// Keeps them in order.
fn insert(slots: &mut VecDeque<Duration>, free: Duration) {
    let place = slots.partition_point(|it| *it <= free);
    slots.insert(place, free);
}

/// As many as fit: no process holds more than the app has.
fn count(slots: usize) -> u32 {
    u32::try_from(slots).unwrap_or(u32::MAX)
}
