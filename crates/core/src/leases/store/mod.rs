//! The store's side of leases: who holds how many slots, and which of them are free. A store runs this rule (Redis as a script
//! in Lua, which tests hold equal to it), one message after the other.
//!
//! ```text
//!            ┌────────── given back, or its holder's lease over ──────────┐
//!            ▼                                                            │
//!          pool: free at a moment ───── granted to who holds too few ──► held by a process
//! ```
//!
//! Always, all slots held and those in the pool are N.

mod cap;
mod fair;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use self::cap::Cut;
use self::fair::{Share, share_out};
use super::lease::LEASE;
use super::message::{Answer, Elapsed, Grant, Message, Request, Terms, millis};
use crate::operation::Operation;

const OPERATIONS: usize = Operation::ALL.len();

/// The most that the clock advances between two messages: a clock that is set forward, or a store that was away, ends no
/// lease at once.
const STEP: u64 = 2_000;

/// How much longer than the one before a message is on its way, before that looks like a clock that was set.
const TRANSIT: u64 = 5;

/// How often all processes are looked at, at most: what they want, and whether their leases have ended.
const LOOK: u64 = 100;

/// To how many slots a process is granted ones that are not free yet.
const AHEAD: u64 = 3;

/// All that the store keeps of an app.
#[derive(Debug, Clone, Default)]
pub struct Store {
    state: Option<State>,
}

#[derive(Debug, Clone)]
struct State {
    /// Which run of the store wrote this: another one may have lost what came after it.
    run: String,
    terms: Terms,
    /// All moments are by this clock, which never goes back, and never runs ahead.
    clock: u64,
    /// What the store's own clock said when it was looked at last.
    real: u64,
    /// Until then a process whose lease lasts is believed what it holds.
    epoch: u64,
    /// When all processes were looked at last; 0 if that is to be done at once.
    looked: u64,
    operations: [Slots; OPERATIONS],
    processes: BTreeMap<String, Process>,
}

/// The slots of one operation that no process holds.
#[derive(Debug, Clone, Default)]
struct Slots {
    /// When each is free, in order.
    pool: Vec<u64>,
    /// How many a process may hold, without those left over.
    level: u64,
    /// How many more are wanted than the pool has.
    missing: u64,
    cut: Cut,
}

#[derive(Debug, Clone, Default)]
struct Process {
    seq: u64,
    lease_end: u64,
    shares: [Share; OPERATIONS],
}

impl Store {
    /// An empty state that is known to have no predecessor: nothing waits for leases that may last.
    #[must_use]
    pub fn fresh(run: &str, time: u64, terms: Terms) -> Store {
        let mut state = State::new(run, time, terms);
        state.epoch = 0;
        for slots in &mut state.operations {
            slots.pool.fill(state.clock);
        }
        Store { state: Some(state) }
    }

    /// Takes in a message, at `time` by the store's own clock in milliseconds, and answers it. `run` is new after each start
    /// of the store, and another one in each replica.
    pub fn call(&mut self, run: &str, time: u64, message: &Message) -> Answer {
        let kept = self.state.take().filter(|state| state.run == run);
        let state = self
            .state
            .insert(kept.unwrap_or_else(|| State::new(run, time, message.terms)));
        state.advance(time, message.elapsed.as_ref());
        state.look();
        let mut answer = Answer {
            clock: state.clock,
            known: true,
            terms: state.terms,
            operations: Default::default(),
        };
        if state.terms != message.terms {
            if !state.processes.is_empty() {
                return Answer {
                    known: false,
                    ..answer
                };
            }
            state.start_anew(message.terms);
            answer.terms = message.terms;
        }
        let process = state.processes.get(&message.holder);
        if process.is_some_and(|process| message.seq <= process.seq) {
            return answer; // late, and thrown away
        }
        let mut process = process.cloned().unwrap_or_else(|| state.believed(message));
        answer.known = state.settle(&mut process, message);
        process.seq = message.seq;
        process.lease_end = state.clock + millis(LEASE);
        for (operation, request) in message.operations.iter().enumerate() {
            let (slots, share) = (
                &mut state.operations[operation],
                &mut process.shares[operation],
            );
            if let Some(ago) = request.rejected {
                let sent = state.clock.saturating_sub(ago);
                if slots
                    .cut
                    .cut(u64::from(state.terms.slots), sent, state.clock)
                {
                    state.looked = 0;
                }
            }
            share.want = u64::from(request.want);
            share.round_trip = request.round_trip;
            answer.operations[operation] = slots.grant(share, state.terms, state.clock);
        }
        state.processes.insert(message.holder.clone(), process);
        answer
    }

    /// All that is held by living processes, and what is free; for tests.
    #[doc(hidden)]
    #[must_use]
    pub fn held_and_pooled(&self, operation: Operation) -> Option<(u64, u64)> {
        let state = self.state.as_ref()?;
        let shares = state
            .processes
            .values()
            .map(|it| it.shares[operation as usize].held);
        Some((
            shares.sum(),
            state.operations[operation as usize].pool.len() as u64,
        ))
    }
}

impl State {
    /// Nothing is known: leases may last, of processes that will say so until they end.
    fn new(run: &str, time: u64, terms: Terms) -> State {
        let mut state = State {
            run: run.to_owned(),
            terms,
            clock: time,
            real: time,
            epoch: time + millis(LEASE),
            looked: 0,
            operations: Default::default(),
            processes: BTreeMap::new(),
        };
        let free = state.epoch + terms.hold();
        for slots in &mut state.operations {
            slots.pool = vec![free; terms.slots as usize];
        }
        state
    }

    /// All processes that took the quota to be something else are gone.
    fn start_anew(&mut self, terms: Terms) {
        let free = self.clock + self.terms.hold().max(terms.hold());
        self.terms = terms;
        self.looked = 0;
        for slots in &mut self.operations {
            let free = slots.pool.last().map_or(free, |last| free.max(*last));
            *slots = Slots {
                pool: vec![free; terms.slots as usize],
                ..Slots::default()
            };
        }
    }

    /// Time passes by the store's own clock. If that was set, it passes as the process has seen it pass: a clock that ran ahead
    /// would free slots too early.
    fn advance(&mut self, time: u64, elapsed: Option<&Elapsed>) {
        let passed = time.checked_sub(self.real);
        let by_own = passed.map(|passed| self.clock + passed.min(STEP));
        let was_set = |now: &u64| elapsed.is_some_and(|it| *now > it.clock + it.at_most + TRANSIT);
        let now = by_own
            .filter(|now| !was_set(now))
            .or(elapsed.map(|it| it.clock + it.at_least));
        self.clock = now.map_or(self.clock, |now| now.clamp(self.clock, self.clock + STEP));
        self.real = time;
    }

    /// Ends what leases are over, and shares the slots out anew, if that was not done just before.
    fn look(&mut self) {
        if self.looked > 0 && self.clock < self.looked + LOOK {
            return;
        }
        self.looked = self.clock;
        let (clock, hold) = (self.clock, self.terms.hold());
        let operations = &mut self.operations;
        self.processes.retain(|_, process| {
            let lives = process.lease_end + hold > clock;
            if !lives {
                for (slots, share) in operations.iter_mut().zip(&process.shares) {
                    slots.put(share.held, clock);
                }
            }
            lives
        });
        for (operation, slots) in self.operations.iter_mut().enumerate() {
            let shares = self.processes.values_mut();
            let mut shares: Vec<_> = shares.map(|it| &mut it.shares[operation]).collect();
            slots.share_out(&mut shares, self.terms, clock);
        }
    }

    /// What a process has that the store knows nothing of: nothing, unless the store has lost it.
    fn believed(&mut self, message: &Message) -> Process {
        let mut process = Process::default();
        if self.clock >= self.epoch || !message.holds_lease {
            return process;
        }
        let kept = message.operations.iter().zip(&self.operations);
        if kept
            .clone()
            .any(|(request, slots)| request.keep as usize > slots.pool.len())
        {
            return process;
        }
        for (operation, request) in message.operations.iter().enumerate() {
            let slots = &mut self.operations[operation];
            let left = slots.pool.len() - request.keep as usize;
            slots.pool.truncate(left);
            process.shares[operation].held = u64::from(request.keep);
        }
        process
    }

    /// Puts into the pool what the process no longer has. False if it says it has more than it was given: then it has nothing.
    fn settle(&mut self, process: &mut Process, message: &Message) -> bool {
        let asked = message.operations.iter().zip(&process.shares);
        let known = asked
            .clone()
            .all(|(request, share)| u64::from(request.keep) <= share.held);
        let is_new = process.seq == 0;
        // slots of a grant that was not acknowledged may have been usable a while later
        let unacknowledged = if is_new || message.acknowledged == process.seq {
            0
        } else {
            self.terms.cooling()
        };
        for (operation, request) in message.operations.iter().enumerate() {
            let (slots, share) = (
                &mut self.operations[operation],
                &mut process.shares[operation],
            );
            if known {
                let returned = share.held - u64::from(request.keep);
                for free_in in latest(request, returned) {
                    slots.put(1, self.clock + free_in + unacknowledged);
                }
                share.held = u64::from(request.keep);
            } else {
                slots.put(share.held, self.clock + self.terms.hold());
                share.held = 0;
            }
        }
        known
    }
}

/// The last so many of the slots given back; those before them were taken in already. One of which nothing is said was granted
/// in an answer that was lost.
fn latest(request: &Request, returned: u64) -> Vec<u64> {
    let mut free_in = request.given_back.clone();
    free_in.sort_unstable_by(|a, b| b.cmp(a));
    free_in.resize(returned as usize, 0);
    free_in
}

impl Slots {
    fn put(&mut self, slots: u64, free: u64) {
        let place = self.pool.partition_point(|it| *it <= free);
        let put = std::iter::repeat_n(free, slots as usize);
        self.pool.splice(place..place, put);
    }

    fn share_out(&mut self, shares: &mut [&mut Share], terms: Terms, clock: u64) {
        let cap = self.cut.cap(u64::from(terms.slots), clock);
        self.level = share_out(shares, cap, clock);
        let below = |share: &&mut Share| share.target(self.level).saturating_sub(share.held);
        let wanted: u64 = shares.iter().map(below).sum();
        let reserve = u64::from(terms.slots) - cap;
        let soon = self
            .pool
            .partition_point(|free| *free <= clock + terms.cooling());
        self.missing = (wanted + reserve).saturating_sub(soon as u64);
    }

    /// Gives the process what it has too few, or asks for what it has too many while others have too few.
    fn grant(&mut self, share: &mut Share, terms: Terms, clock: u64) -> Grant {
        let target = share.target(self.level);
        let reserve = u64::from(terms.slots) - self.cut.cap(u64::from(terms.slots), clock);
        let mut granted = Vec::new();
        while share.held < target && self.pool.len() as u64 > reserve {
            let ahead = if share.held < AHEAD {
                terms.cooling()
            } else {
                0
            };
            if self.pool[0] > clock + ahead {
                break;
            }
            granted.push(self.pool.remove(0).saturating_sub(clock));
            share.held += 1;
        }
        let give_back = share.held.saturating_sub(target).min(self.missing);
        self.missing -= give_back;
        Grant {
            granted,
            give_back: u32::try_from(give_back).unwrap_or(u32::MAX),
        }
    }
}
