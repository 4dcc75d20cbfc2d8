//! The schedule: which changes go into which request, and when an account's next change may be sent.
//!
//! Changes come in from any number of *sources* (a bulk run, a batcher), each with requests of its own; accounts are
//! shared by all of them. The rules, each in the file that bears its name:
//!
//! - **account**: the changes of an account are sent one after the other, in the order in which they came. The next
//!   one waits until the one before is settled; where any attempt of it may still land at the service, also for the
//!   settling time, as an add that lands after a later remove would undo it. The slots of *one* change may be under
//!   way together, as may neighbours of the same kind that share a slot: their order makes no difference.
//! - **lane**: what a source may send of one operation. It makes a request when there are 100 users, when a user's
//!   slot is full, when the oldest change has lingered, or when nothing more is to come.
//! - **batch**: what a request is made of.
//! - **outcome**: a request that fails without naming whose fault it is is split by halves; what is known of accounts
//!   at fault is remembered.
//!
//! ```text
//!          account            lane                batch
//! push ──► waiting ─ front ─► in packer ─── take ─► under way ─ settle ─► settled ─► taken by the source
//!             ▲                                       │    ▲
//!             └── the account's next change ◄── all settled └─ split, or again
//! ```
//!
//! There is no clock and no lock here: `now` comes in, measured from any fixed origin.

mod account;
mod batch;
mod entry;
mod flow;
mod flush;
mod lane;
mod outcome;
mod source;
#[cfg(test)]
mod tests;
mod verdict;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::{Change, Effect, Operation, Rules};

use account::{Name, Queue};
use entry::{Entries, Entry, slots};
use lane::Has;
use source::OfSource;

pub use batch::{Batch, Part, Slot};
pub use flush::Flush;
pub use verdict::{Concerns, Failed, Fault, LeftOut, Settled, Verdict, Why};

/// A source of changes, by the number that [`Schedule::open`] gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source(u64);

/// A change in the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Number(u64);

/// How a source sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How long a change waits for others to share its request; as long as it takes where it is `Duration::MAX`.
    pub linger: Duration,
    /// How long after an attempt that may still land the account's next change waits.
    pub settling: Duration,
    /// Changes that the source holds before they are sent; it pushes no more.
    pub room: usize,
    /// Whether a user's full slot is reason enough for a request.
    pub full_slot_is_enough: bool,
    /// Whether accounts that are at fault are remembered, and not sent again.
    pub remembers: bool,
}

/// What is looked at first. An add often waits for a clear or remove of its account, and then shares a request with the
/// other adds; hardly ever the other way round.
const IN_TURN: [Operation; 3] = [Operation::Clear, Operation::Remove, Operation::Add];

const OPEN: &str = "a source is used from its opening to its closing only";

/// Changes of many sources, on their way into requests.
#[derive(Debug)]
pub struct Schedule<R, E> {
    rules: Rules,
    next: u64,
    changes: Entries<R, E>,
    accounts: HashMap<Name, Queue>,
    /// Accounts whose next change waits for a late attempt of the one before.
    settling: BTreeSet<(Duration, Box<str>)>,
    sources: BTreeMap<Source, OfSource<R, E>>,
    /// Sources that have something to do or to take since somebody asked.
    woken: BTreeSet<Source>,
}

/// What a source may do now.
#[derive(Debug)]
pub enum Next {
    /// Send this.
    Send(Batch),
    /// Nothing before this moment, unless something happens.
    WaitUntil(Duration),
    /// Nothing, unless something happens.
    Wait,
}

impl<R, E: Clone> Schedule<R, E> {
    /// Of nothing, for requests by these rules.
    #[must_use]
    pub fn new(rules: Rules) -> Schedule<R, E> {
        Schedule {
            rules,
            next: 0,
            changes: Entries::default(),
            accounts: HashMap::new(),
            settling: BTreeSet::new(),
            sources: BTreeMap::new(),
            woken: BTreeSet::new(),
        }
    }

    /// Lets a source in.
    pub fn open(&mut self, pace: Pace) -> Source {
        let source = Source(self.number());
        self.sources.insert(source, OfSource::new(pace));
        source
    }

    /// A source goes on with what a process before this one began, of which attempts may be on their way yet. They are the same
    /// changes, so that an account's first one can go at once; after it, until the settling time from now is over, it
    /// is as if an attempt of it might still land.
    pub fn after_crash(&mut self, source: Source, now: Duration) {
        let of = self.of(source);
        of.strangers_until = of.settled_by(now);
    }

    /// Takes a change in. Its source is to have checked it by the rules.
    ///
    /// # Panics
    /// Where the source has been closed.
    pub fn push(
        &mut self,
        source: Source,
        change: Change,
        reply: R,
        deadline: Duration,
        now: Duration,
    ) -> Number {
        let number = Number(self.number());
        let of = self.sources.get_mut(&source).expect(OPEN);
        of.lane(change.operation()).behind += 1;
        of.unsent += 1;
        let epoch = of.unsettled.add();
        let (ended, full_slot_is_enough) = (of.ended, of.pace.full_slot_is_enough);
        let left = slots(&change, self.tags_per_slot());
        let change = Arc::new(change);
        let entry = Entry {
            source,
            reply,
            change: Arc::clone(&change),
            left,
            under_way: 0,
            deadline,
            came: now,
            epoch,
            failed: None,
        };
        self.changes.insert(number, entry);
        let name = Name(Arc::clone(&change));
        let queue = self.accounts.entry(name).or_default();
        queue.waiting.push_back(number);
        if ended {
            self.give_up(number, &Why::NotSent);
        }
        self.activate(change.account(), now);
        if full_slot_is_enough {
            self.note_full_slot(change.account());
        }
        // also where it waits for its account: it may have filled a slot, or the room
        self.woken.insert(source);
        number
    }

    /// Takes a change back, unless a part of it has been sent.
    pub fn withdraw(&mut self, number: Number, now: Duration) -> bool {
        let Some(entry) = self.changes.get(&number) else {
            return false;
        };
        if !entry.is_untouched(self.tags_per_slot()) {
            return false;
        }
        let change = Arc::clone(&entry.change);
        self.drop_unsent(number);
        if let Some(entry) = self.changes.remove(&number) {
            self.of(entry.source).unsettled.remove(entry.epoch);
            self.woken.insert(entry.source);
        }
        self.activate(change.account(), now);
        true
    }

    /// A change that has no outcome yet, and what its source gave with it, which may be replaced.
    pub fn get_mut(&mut self, number: Number) -> Option<(&Arc<Change>, &mut R)> {
        let entry = self.changes.get_mut(&number)?;
        Some((&entry.change, &mut entry.reply))
    }

    /// Says whether more is to come: what is there goes without company while nothing is.
    pub fn hurry(&mut self, source: Source, hurried: bool) {
        self.of(source).hurried = hurried;
        self.woken.insert(source);
    }

    /// What a source may do now.
    pub fn next(&mut self, source: Source, now: Duration) -> Next {
        self.release(now);
        let users_per_request = self.users_per_request();
        loop {
            let of = self.of(source);
            let (pace, hurried, quiet) = (of.pace, of.is_hurried(), of.under_way == 0);
            let mut until: Option<Duration> = None;
            let mut enough = None;
            for operation in IN_TURN {
                match of
                    .lane(operation)
                    .look(&pace, users_per_request, hurried, quiet, now)
                {
                    Has::Again(batch) => {
                        of.under_way += 1;
                        return Next::Send(batch);
                    }
                    Has::Enough => {
                        enough = Some(operation);
                        break;
                    }
                    Has::Until(moment) => until = Some(until.map_or(moment, |it| it.min(moment))),
                    Has::Nothing => {}
                }
            }
            if let Some(operation) = enough {
                match self.deal(source, operation, now) {
                    Some(batch) => return Next::Send(batch),
                    None => continue, // all were out of time
                }
            }
            let settled = self.settling.first().map(|(moment, _)| *moment);
            let until = until.into_iter().chain(settled).min();
            return until.map_or(Next::Wait, Next::WaitUntil);
        }
    }

    /// A request of this operation has had its turn in the quota: another may be made. Without this one it may once
    /// the request is settled.
    pub fn had_its_turn(&mut self, source: Source, operation: Operation) {
        self.of(source).lane(operation).awaits_its_turn = None;
    }

    /// Takes a request back with what became of it. `may_land`: an attempt of it was given up, and may still have its
    /// effect.
    pub fn settle(&mut self, batch: Batch, verdict: Verdict<E>, may_land: bool, now: Duration) {
        let source = batch.source;
        let of = self.of(source);
        of.under_way -= 1;
        let until = match may_land {
            true => of.settled_by(now),
            false => of.strangers_until,
        };
        let lane = of.lane(batch.operation);
        if lane.awaits_its_turn == Some(batch.number) {
            lane.awaits_its_turn = None;
        }
        if until > now {
            for slot in &batch.slots {
                let queue = self.accounts.get_mut(slot.account());
                let queue = queue.expect(outcome::UNDER_WAY);
                queue.may_land(batch.operation, until);
            }
        }
        match verdict {
            Verdict::Done { left_out } => self.done(batch, left_out, now),
            Verdict::SomebodysFault(fault) => self.fault(batch, fault, now),
            Verdict::Failed(why, effect) => {
                let why = Why::Request(why);
                for slot in batch.slots {
                    self.fail(&slot, &why, effect);
                    self.close_slot(&slot, now);
                }
            }
        }
        self.woken.insert(source);
    }

    /// Sends nothing more of a source: what has not been sent is settled as that.
    pub fn end(&mut self, source: Source, now: Duration) {
        let of = self.of(source);
        of.ended = true;
        let lanes = of.lanes.iter_mut();
        let again: Vec<Batch> = lanes.flat_map(|lane| lane.again.drain(..)).collect();
        let unsent = self.changes.iter();
        let unsent = unsent.filter(|(_, entry)| entry.source == source && entry.left > 0);
        let mut unsent: Vec<Number> = unsent.map(|(number, _)| *number).collect();
        unsent.sort_unstable();
        let accounts = unsent
            .iter()
            .map(|number| self.changes[number].change.clone());
        let accounts: Vec<Arc<Change>> = accounts.collect();
        for number in unsent {
            self.give_up(number, &Why::NotSent);
        }
        for slot in again.into_iter().flat_map(|batch| batch.slots) {
            self.fail(&slot, &Why::NotSent, Effect::NotApplied);
            self.close_slot(&slot, now);
        }
        for change in accounts {
            self.activate(change.account(), now);
        }
        self.woken.insert(source);
    }

    /// Forgets a source that has ended and of which nothing is under way.
    pub fn close(&mut self, source: Source) {
        debug_assert_eq!(
            self.unsettled(source),
            0,
            "a source is closed when all is settled"
        );
        self.sources.remove(&source);
        self.woken.remove(&source);
    }

    /// The changes of a source that have their outcomes, in the order in which these became known.
    pub fn take_settled(&mut self, source: Source) -> VecDeque<Settled<R, E>> {
        std::mem::take(&mut self.of(source).settled)
    }

    /// Sources that have something to send or to take, since this was asked last.
    pub fn take_woken(&mut self) -> BTreeSet<Source> {
        std::mem::take(&mut self.woken)
    }

    /// Changes of a source that have not been sent in full.
    #[must_use]
    pub fn unsent(&self, source: Source) -> usize {
        self.sources.get(&source).map_or(0, |of| of.unsent)
    }

    /// Changes of a source that have no outcome yet.
    #[must_use]
    pub fn unsettled(&self, source: Source) -> usize {
        let of = self.sources.get(&source);
        of.map_or(0, |of| of.unsettled.total())
    }

    /// Requests of a source that were split, to find who is at fault.
    #[must_use]
    pub fn splits(&self, source: Source) -> u64 {
        self.sources.get(&source).map_or(0, |of| of.splits)
    }

    fn users_per_request(&self) -> usize {
        self.rules.limits.users_per_request.max(1)
    }

    fn tags_per_slot(&self) -> usize {
        self.rules.limits.tags_per_user_and_request.max(1)
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn of(&mut self, source: Source) -> &mut OfSource<R, E> {
        self.sources.get_mut(&source).expect(OPEN)
    }
}
