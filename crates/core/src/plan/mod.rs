//! The plan: which changes go into which request, and when an account's next change may be sent.
//!
//! Changes, and gets of tags, come from any number of *producers* (a bulk run, a batcher), each with requests of its own.
//! Accounts are shared by all producers.
//!
//! ```text
//! push ─► waiting ─► in packer ─► in a request ─► settled ─► taken by the producer
//!            │           │         │    ▲  │         ▲
//!            │           │         │    │  └─────────┤ answered: done, rejected or failed. An attempt that may arrive
//!            │           │         │    │            │ late holds the account's next change for the late window
//!            │           │         ▼    │            │
//!            │           │     waits to go again     │ left out, postponed, or a part of a request that failed
//!            │           │                           │
//!            ├───────────┼───────────────────────────┘ expired, previously rejected, or its producer ended
//!            └───────────┴─► withdrawn: no outcome. From a request that waits for its turn in the quota: recalled
//! ```
//!
//! | state | where it is | it leaves when |
//! |---|---|---|
//! | waiting | the account's queue (`accounts.rs`; itself it is an `Entry`, `item.rs`) | it is the first there, no slot of the account is in a request, and no late attempt can undo it |
//! | in packer | the producer's queue of its form (`queue.rs`): among the fresh ones, the proven or the suspects | there are 100 users or a full slot, the linger time is over, it came before a flush, or the producer is flushing; a suspect has its turn |
//! | in a request | a batch (`batch.rs`, formed in `form.rs`) | its producer settles the batch |
//! | waits to go again | a batch or a slot, in the producer's queue of its form | it is due, or has its turn |
//! | settled | the producer's list of outcomes (`item.rs`) | the producer takes it |
//!
//! A change of several slots is in the packer and in requests at once, until its last slot is taken.
//!
//! - The changes of an account are sent in the order in which they came, as an add that arrives after a later remove would
//!   undo it. The slots of *one* change may be in requests together, as may neighbours of the same operation that share a
//!   slot: their order makes no difference.
//! - A replace is an add to the service, and of the add's quota, in a *form* of its own, as the flag that replaces is the
//!   request's: a request holds only replaces or none. It is one slot whole, shares it with no other change, and is
//!   ordered and held by late attempts as an add and a remove at once.
//! - A get goes the same way, and reads where a change changes: it shares slots and requests, is looked for among those that
//!   failed, and is tried again. It has no order with changes. So the gets of a producer have accounts of their own
//!   (`activate.rs`): they wait for no change and no late window, and no change waits for them. A get that comes while one
//!   of its account is in a request waits for that answer and is sent anew, as a change may have been answered between.
//! - A request that fails without naming what is at fault holds a fault, which is looked for (`settle.rs`):
//!
//! ```text
//! 100 failed ─► 50 tested ─┬─ fail: they hold the fault, and so on; nothing is known of the other 50, which go back
//!                          └─ pass: the other 50 hold the fault, and so on
//! ```
//!
//! - An account that was found at fault is a suspect for a minute: its changes go in requests of their own. While faults are
//!   found, so do the changes of accounts that passed lately. Which of all these has its turn, `queue.rs` decides.
//! - Accounts that were rejected are remembered, where the producer asks for it.
//! - Of an account with many changes only the first few take part in the producer's capacity, so it stops no others.
//!
//! There is no clock and no lock here: `now` comes in, measured from any fixed origin.

mod accounts;
mod activate;
mod arena;
mod batch;
mod behind;
mod flush;
mod form;
mod item;
mod lingering;
mod packer;
mod producer;
mod proven;
mod queue;
mod recall;
mod settle;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::hash::RandomState;
use std::time::Duration;

use hashbrown::HashTable;

use crate::limits::Rules;
use crate::operation::Operation;
use crate::request::Form;
use accounts::AccountState;
use arena::{AccountId, Arena};
use batch::Kind;
use item::{Entry, slots};
use lingering::Enough;
use producer::{Probing, Producer, ReadyProducers};
use proven::Proven;

pub use arena::{ChangeId, ProducerId};
pub use batch::{Batch, Recalled};
pub use flush::Flush;
pub use item::{BatchResult, Behind, ChangeFailure, Item, Query, Settled};
pub use packer::lower_bound;
pub use producer::BatchPolicy;
pub use queue::Readiness;

/// Changes of many producers, on their way into requests.
#[derive(Debug)]
pub struct Plan<R, E> {
    rules: Rules,
    /// The number of the last batch.
    batches: u64,
    changes: Arena<Entry<R, E>>,
    accounts: Arena<AccountState<E>>,
    /// The accounts of changes by their texts, for what is pushed. A table and no map, as an account holds its text and the
    /// hash of it: an account is hashed once, when it is pushed, and neither hashed nor compared when it is forgotten.
    names: HashTable<AccountId>,
    /// The hash has a key, as callers choose the accounts.
    hash_key: RandomState,
    /// The bits of a hash that are used: few in the model, so that many accounts have one hash.
    #[cfg(test)]
    hash_mask: u64,
    /// Accounts without changes that have a late window, by its end: then they are forgotten.
    remembered: BTreeSet<(Duration, AccountId)>,
    /// Accounts that failed a request, by when that is forgotten.
    suspects: VecDeque<(Duration, AccountId)>,
    /// Accounts that passed lately, since faults are found.
    proven: Proven,
    producers: Arena<Producer<R, E>>,
    /// Producers with a request to send or an outcome to take, since they were last asked for.
    ready_producers: ReadyProducers,
}

impl<R, E: ChangeFailure> Plan<R, E> {
    /// An empty plan, for requests by these rules.
    #[must_use]
    pub fn new(rules: Rules) -> Plan<R, E> {
        Plan {
            rules,
            batches: 0,
            changes: Arena::new(),
            accounts: Arena::new(),
            names: HashTable::new(),
            hash_key: RandomState::new(),
            #[cfg(test)]
            hash_mask: u64::MAX,
            remembered: BTreeSet::new(),
            suspects: VecDeque::new(),
            proven: Proven::default(),
            producers: Arena::new(),
            ready_producers: ReadyProducers::default(),
        }
    }

    /// Makes a producer.
    pub fn open(&mut self, policy: BatchPolicy) -> ProducerId {
        ProducerId(self.producers.insert(Producer::new(policy)))
    }

    /// Says that the producer repeats the changes of a process that was killed, whose attempts may still arrive. They are
    /// the same changes, so the first one of an account may go at once. Until the late window from now on is over, each
    /// request is settled as if an attempt of it might arrive late.
    pub fn after_crash(&mut self, producer: ProducerId, now: Duration) {
        let state = self.state(producer);
        state.predecessor_late_until = state.late_until(now);
    }

    /// Sets how many [requests](BatchPolicy::requests_at_once) of one operation are under way at most.
    pub fn set_requests_at_once(&mut self, producer: ProducerId, requests: usize) {
        self.state(producer).policy.requests_at_once = requests;
        self.ready_producers.insert(producer);
    }

    /// Until when an attempt of a change may arrive that is waited for no more, also one of another producer. A request of
    /// this one that is under way counts as if it were given up now. It looks at all accounts.
    #[must_use]
    pub fn late_until(&self, producer: ProducerId, now: Duration) -> Duration {
        let known = self.accounts.iter().map(|(_, it)| it.late_until()).max();
        let state = self.producers.get(producer.0);
        let under_way = state.filter(|state| !state.is_quiet(Operation::Add));
        let given_up = under_way.map(|state| state.late_until(now));
        known.max(given_up).unwrap_or_default()
    }

    /// Adds a change or a get, which was checked by the plan's rules when it was made.
    ///
    /// # Panics
    /// Where the producer has been closed.
    pub fn push(
        &mut self,
        producer: ProducerId,
        item: impl Into<Item>,
        reply: R,
        deadline: Duration,
        now: Duration,
    ) -> ChangeId {
        let item = item.into();
        let account = self.account(producer, &item);
        let waiting = self.accounts[account].waiting.len();
        let counts = waiting < BatchPolicy::OF_ONE_ACCOUNT;
        let state = &mut self.producers[producer.0];
        state.queue(item.form()).blocked += 1;
        let held = state.held(item.operation());
        held.unsent += 1;
        held.counted += usize::from(counts);
        let entry = Entry {
            producer,
            account,
            reply,
            left: slots(&item, self.rules.limits.tags_per_user_and_request.max(1)),
            item,
            under_way: 0,
            sent: false,
            recalled: false,
            deadline,
            came: now,
            epoch: Some(state.unsettled.add()),
            counts,
            failure: None,
            undone: Vec::new(),
            read: None,
        };
        state.paused = state.paused.map(|until| until.min(deadline));
        let (ended, may_fill_slot) = (state.ended.clone(), state.policy.full_slot_is_enough);
        let id = ChangeId(self.changes.insert(entry));
        self.accounts[account].waiting.push_back(id);
        if let Some(cause) = ended {
            self.fail_rest(id, &cause);
        }
        if waiting == 0 {
            self.activate(account, now);
        } else if may_fill_slot {
            self.note_full_slot(account);
        }
        // also if it waits for its account: it may have filled a slot, or reached the capacity
        self.ready_producers.insert(producer);
        id
    }

    /// A change that has no outcome yet, and what its producer gave with it, which may be replaced.
    pub fn get_mut(&mut self, id: ChangeId) -> Option<(&Item, &mut R)> {
        let entry = self.changes.get_mut(id.0)?;
        (!entry.recalled).then_some((&entry.item, &mut entry.reply))
    }

    /// Has a producer flush from now on: its changes wait for no others to share their request, except that as long as a
    /// request is under way those that wait for an earlier one of their account are waited for, for the linger time.
    pub fn set_flushing(&mut self, producer: ProducerId) {
        self.state(producer).flushing = true;
        self.ready_producers.insert(producer);
    }

    /// What a producer can send now, without taking it.
    pub fn poll(&mut self, producer: ProducerId, now: Duration) -> Readiness {
        match self.ready(producer, now) {
            Ok(_) => Readiness::Ready,
            Err(Some(moment)) => Readiness::NotBefore(moment),
            Err(None) => Readiness::Idle,
        }
    }

    /// Takes the request that is ready; `None` if none is, or if all of its changes have expired.
    pub fn take(&mut self, producer: ProducerId, now: Duration) -> Option<Batch> {
        while let Ok((form, kind)) = self.ready(producer, now) {
            if let Some(batch) = self.form_batch(producer, form, kind, now) {
                self.batches += 1;
                let state = &mut self.producers[producer.0];
                state.begins(form, self.batches);
                state.searches += u64::from(kind == Kind::Search);
                state.queue(form).note_turn(kind, now);
                return Some(Batch {
                    id: self.batches,
                    ..batch
                });
            }
        }
        None
    }

    /// The form of a request to send, and what it is made of; else when there may be one.
    fn ready(
        &mut self,
        producer: ProducerId,
        now: Duration,
    ) -> Result<(Form, Kind), Option<Duration>> {
        self.pass(producer, now);
        if let Some(until) = self.producers[producer.0].paused {
            let until = if until <= now {
                self.expire(producer, now)
            } else {
                until
            };
            return Err((until < Duration::MAX).then_some(until));
        }
        let users_per_request = self.users_per_request();
        let state = &mut self.producers[producer.0];
        let mut until = state.late_windows.first().map(|(moment, _)| *moment);
        if !state.may_send() {
            return Err(None);
        }
        for operation in state.in_turn() {
            if !state.has_turn(operation) {
                continue;
            }
            let enough = Enough {
                users_per_request,
                linger: state.policy.linger,
                flushing: state.is_flushing(operation),
                quiet: state.is_quiet(operation),
            };
            for form in state.under_way(operation).forms_in_turn(operation) {
                match state.queue(form).ready(&enough, now) {
                    Ok(kind) => return Ok((form, kind)),
                    Err(moment) => until = until.into_iter().chain(moment).min(),
                }
            }
        }
        Err(until)
    }

    /// Says that the first request of a producer that [probes](BatchPolicy::probe_first) is late: a second one may go beside
    /// it. If something on the way rejects the first alone, the answer to the second shows it.
    pub fn probe_is_late(&mut self, producer: ProducerId) {
        if let Some(probing) = &mut self.state(producer).probing {
            probing.is_late = true;
            self.ready_producers.insert(producer);
        }
    }

    /// Says that nothing is known by how a request ended: it is as if it had not begun, and another may go first.
    pub fn probe_again(&mut self, batch: &Batch) {
        let probing = self.state(batch.producer).probing.as_mut();
        if let Some(probing) = probing.filter(|it| batch.id > it.after) {
            probing.begun = probing.begun.saturating_sub(1);
        }
    }

    /// Says that a result is known: the producer sends as many requests at once as it has.
    pub fn end_probing(&mut self, producer: ProducerId) {
        self.state(producer).probing = None;
        self.ready_producers.insert(producer);
    }

    /// Has a producer send nothing until it is [resumed](Plan::resume). It loses nothing: its changes keep their order and
    /// late windows, later changes of their accounts wait behind them, and requests that fail meanwhile can be
    /// [postponed](BatchResult::Postponed). A change whose time is up fails as expired, as no request gives it an
    /// outcome.
    pub fn pause(&mut self, producer: ProducerId) {
        let state = self.state(producer);
        state.paused = Some(Duration::ZERO);
        state.pauses += 1;
        self.ready_producers.insert(producer);
    }

    /// Ends a pause.
    pub fn resume(&mut self, producer: ProducerId) {
        let after = self.batches;
        let state = self.state(producer);
        state.paused = None;
        state.probing = state.policy.probe_first.then(|| Probing {
            after,
            ..Probing::default()
        });
        self.ready_producers.insert(producer);
    }

    /// True if the producer takes one more change, or one more get.
    #[must_use]
    pub fn has_capacity(&self, producer: ProducerId, operation: Operation) -> bool {
        let state = self.producers.get(producer.0);
        state.is_some_and(|state| state.has_capacity(operation))
    }

    /// Says that the quota admitted the request of this operation that was taken last, so that another may be formed.
    /// Without this call it may once the request is settled.
    pub fn admitted(&mut self, producer: ProducerId, operation: Operation) {
        self.state(producer).under_way(operation).awaiting_admission = None;
        self.ready_producers.insert(producer);
    }

    /// Begins a flush of a producer: it is over once every change that came before it has its outcome. From now on these do
    /// not wait for others to share their request, also if nobody waits for the flush. Later changes do.
    pub fn flush(&mut self, producer: ProducerId) -> Flush {
        self.ready_producers.insert(producer);
        let state = self.state(producer);
        for queue in &mut state.queues {
            for its in [&mut queue.fresh, &mut queue.proven] {
                its.flushed = !its.is_empty();
            }
        }
        state.unsettled.flush()
    }

    /// True if every change that came before a flush has its outcome. Costs the same however many changes there are.
    #[must_use]
    pub fn is_flushed(&self, producer: ProducerId, flush: Flush) -> bool {
        let state = self.producers.get(producer.0);
        state.is_none_or(|state| state.unsettled.is_over(flush))
    }

    /// How many changes that came before a flush have no outcome yet.
    #[must_use]
    pub fn unsettled_before(&self, producer: ProducerId, flush: Flush) -> usize {
        let state = self.producers.get(producer.0);
        state.map_or(0, |state| state.unsettled.left_of(flush))
    }

    /// Forgets a producer that has ended and has no request under way.
    pub fn close(&mut self, producer: ProducerId) {
        debug_assert_eq!(
            self.unsettled(producer),
            0,
            "a producer is closed when all is settled"
        );
        if let Some(state) = self.producers.remove(producer.0) {
            if state.queues.iter().any(|queue| queue.remembered > 0) {
                self.forget_rejected(producer);
            }
        }
        self.ready_producers.remove(producer);
    }

    /// Forgets which accounts a producer that is closed was rejected for.
    fn forget_rejected(&mut self, producer: ProducerId) {
        for (id, account) in self.accounts.iter_mut() {
            let before = account.rejected.len();
            account.rejected.retain(|it| it.producer != producer);
            if account.rejected.len() < before {
                // it is looked at next, and forgotten unless there is more to it
                self.remembered.insert((Duration::ZERO, id));
            }
        }
    }

    /// The changes of a producer that have their outcomes, in the order in which these became known. The plan forgets all
    /// of them at once: what is left in the iterator is dropped with it.
    #[must_use = "the outcomes that are not taken from it are dropped"]
    pub fn take_settled(
        &mut self,
        producer: ProducerId,
    ) -> impl ExactSizeIterator<Item = Settled<R, E>> {
        self.state(producer).settled.drain(..)
    }

    /// Has a producer [returned](Plan::next_ready_producer), where the plan does not see by itself that something happened.
    pub fn touch(&mut self, producer: ProducerId) {
        self.ready_producers.insert(producer);
    }

    /// One of the producers that had something to send or to take since they were last returned.
    pub fn next_ready_producer(&mut self) -> Option<ProducerId> {
        self.ready_producers.pop_first()
    }

    /// Changes of a producer that have no outcome yet.
    #[must_use]
    pub fn unsettled(&self, producer: ProducerId) -> usize {
        let state = self.producers.get(producer.0);
        state.map_or(0, |state| state.unsettled.total())
    }

    /// Changes and gets of a producer that are in no request yet, or not in full.
    #[must_use]
    pub fn queued(&self, producer: ProducerId) -> usize {
        let state = self.producers.get(producer.0);
        state.map_or(0, |state| state.held.iter().map(|held| held.unsent).sum())
    }

    /// Requests of a producer that are taken and not settled.
    #[must_use]
    pub fn requests_under_way(&self, producer: ProducerId) -> usize {
        let state = self.producers.get(producer.0);
        state.map_or(0, |state| state.under_way.iter().map(|it| it.batches).sum())
    }

    /// When the oldest change or get of a producer came that has no outcome yet. It looks at all that the plan holds.
    #[must_use]
    pub fn oldest(&self, producer: ProducerId) -> Option<Duration> {
        let its = self.changes.iter().map(|(_, entry)| entry);
        let its = its.filter(|it| it.producer == producer && it.epoch.is_some());
        its.map(|entry| entry.came).min()
    }

    /// Requests of a producer that were split to find what is at fault, and those that were made to find it.
    #[must_use]
    pub fn searched(&self, producer: ProducerId) -> (u64, u64) {
        let state = self.producers.get(producer.0);
        state.map_or((0, 0), |state| (state.splits, state.searches))
    }

    fn users_per_request(&self) -> usize {
        self.rules.limits.users_per_request.max(1)
    }

    fn tags_per_slot(&self) -> usize {
        self.rules.limits.tags_per_user_and_request.max(1)
    }

    fn state(&mut self, producer: ProducerId) -> &mut Producer<R, E> {
        &mut self.producers[producer.0]
    }
}
