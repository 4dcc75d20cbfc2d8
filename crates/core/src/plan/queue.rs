//! What one producer has to send: a queue for each operation, its counts, and the accounts that were rejected.
//!
//! A flush waits for the changes that came before it. They are counted by epoch, so that it looks at counts and at no
//! change. A flush ends the epoch: what came before it is of that epoch or an earlier one, what comes later of a later one.
//!
//! ```text
//! changes   a b c │ d e │ f        the first flush waits for a b c, the second for a b c d e
//! epoch       0      1     2
//! ```

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use super::ChangeId;
use super::batch::Batch;
use super::packer::SlotPacker;
use super::settle::{Fault, Settled};
use crate::catalogue::Scope;
use crate::operation::ChangeOperation;

/// When the changes of a producer go into requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchPolicy {
    /// How long a change waits for others to share its request; as long as it takes where it is `Duration::MAX`. Example, of
    /// 10 ms: an add comes at 1,000 ms, another at 1,006 ms, and both are sent at 1,010 ms. With 98 more they are sent
    /// at once.
    pub linger: Duration,
    /// How long an attempt whose answer is unknown may still arrive at the service. For so long the account's next change
    /// waits, if the attempt could undo it. Example, of 2 s: an add times out at 5 s, and a remove of the same account is
    /// there. The remove is sent at 7 s. [`LATE_WINDOW`](BatchPolicy::LATE_WINDOW) if nothing is set.
    pub late_window: Duration,
    /// Unsent changes that the producer holds at most. At that number, with no request under way, what is there is sent, as
    /// nothing more can come. Example, of 1,000: there are 990 changes of one account and 10 of others. They do not fill a
    /// request, and leave no space for more, so a request of 11 users is sent.
    pub capacity: usize,
    /// True if one user with a full slot is enough for a request.
    pub full_slot_is_enough: bool,
    /// True if accounts that the service rejects are remembered, and their later changes fail without being sent.
    pub remember_rejected: bool,
    /// True if one request goes alone until the first result is known, also after a [pause](super::Plan::pause): wrong
    /// credentials then cost one refusal, not one a thread.
    pub probe_first: bool,
}

impl BatchPolicy {
    /// The default late window. It is much longer than what the quota allows for an abandoned call (2 s): an attempt that
    /// arrives later than that costs one rejected call there, but here it would undo a change in silence.
    pub const LATE_WINDOW: Duration = Duration::from_secs(10);
}

/// The requests that go before the first result is known: one, and a second beside it once the first one is late.
#[derive(Debug, Default)]
pub(super) struct Probing {
    pub(super) begun: usize,
    pub(super) is_late: bool,
}

/// What is known of one producer.
#[derive(Debug)]
pub(super) struct Producer<R, E> {
    pub(super) policy: BatchPolicy,
    pub(super) queues: [OperationQueue<E>; ChangeOperation::ALL.len()],
    /// Changes with a slot that is in no request yet.
    pub(super) unsent: usize,
    /// Changes without an outcome.
    pub(super) unsettled: Unsettled,
    /// Batches that are taken and not settled.
    pub(super) under_way: usize,
    /// Why it has ended, if it has.
    pub(super) ended: Option<E>,
    /// While it is paused it sends nothing.
    pub(super) paused: bool,
    /// No result is known yet, and the policy has one request go first.
    pub(super) probing: Option<Probing>,
    /// True if changes do not wait for others to share their request.
    pub(super) flushing: bool,
    /// Requests that were split.
    pub(super) splits: u64,
    pub(super) settled: VecDeque<Settled<R, E>>,
    /// Until when attempts of a killed process before this one may arrive at the service.
    pub(super) predecessor_late_until: Duration,
}

impl<R, E> Producer<R, E> {
    pub(super) fn new(policy: BatchPolicy) -> Producer<R, E> {
        Producer {
            policy,
            queues: std::array::from_fn(|_| OperationQueue::default()),
            unsent: 0,
            unsettled: Unsettled::default(),
            under_way: 0,
            ended: None,
            paused: false,
            probing: policy.probe_first.then(Probing::default),
            flushing: false,
            splits: 0,
            settled: VecDeque::new(),
            predecessor_late_until: Duration::ZERO,
        }
    }

    pub(super) fn queue(&mut self, operation: ChangeOperation) -> &mut OperationQueue<E> {
        &mut self.queues[operation as usize]
    }

    /// True if what is there is sent now, also where it is full and nothing under way would make space.
    pub(super) fn is_flushing(&self) -> bool {
        self.flushing || (self.under_way == 0 && self.unsent >= self.policy.capacity)
    }

    /// True if a request may be taken.
    pub(super) fn may_send(&self) -> bool {
        let probing = self.probing.as_ref();
        !self.paused && probing.is_none_or(|it| it.begun < 1 + usize::from(it.is_late))
    }

    /// Counts a request that is taken.
    pub(super) fn begins(&mut self) {
        self.under_way += 1;
        if let Some(probing) = &mut self.probing {
            probing.begun += 1;
        }
    }

    /// Why this operation on an account would be rejected again.
    pub(super) fn rejection(&self, account: &str, operation: ChangeOperation) -> Option<&Fault<E>> {
        let of_account = |fault: &&Fault<E>| fault.scope == Scope::Account;
        let mut queues = self.queues.iter();
        self.queues[operation as usize]
            .rejected
            .get(account)
            .or_else(|| queues.find_map(|queue| queue.rejected.get(account).filter(of_account)))
    }

    /// Notes that an operation has changed an account: another one that was rejected before may pass now.
    pub(super) fn note_changed(&mut self, account: &str, operation: ChangeOperation) {
        for other in ChangeOperation::ALL {
            let rejected = &mut self.queue(other).rejected;
            if other != operation && !rejected.is_empty() {
                rejected.remove(account);
            }
        }
    }

    /// Until when an attempt without an answer may arrive, from now on.
    pub(super) fn late_until(&self, now: Duration) -> Duration {
        now.saturating_add(self.policy.late_window)
    }
}

/// The changes of one producer and operation.
#[derive(Debug)]
pub(super) struct OperationQueue<E> {
    /// Changes whose turn it is.
    pub(super) packer: SlotPacker<ChangeId>,
    /// Batches to be sent again, or the halves of split ones.
    pub(super) retry_queue: VecDeque<Batch>,
    /// Changes that wait for an earlier one of their account.
    pub(super) blocked: usize,
    /// The batch that is taken and not yet admitted by the quota. Until it is, no other is formed, so that changes that come
    /// meanwhile share a request.
    pub(super) awaiting_admission: Option<u64>,
    /// Since when the packer has held its oldest user. After a full request the linger time of the users left begins anew,
    /// as others are coming in fast.
    pub(super) since: Option<Duration>,
    /// True if a user in the packer has as many tags as a slot takes, so that a wait would add none.
    pub(super) full_slot: bool,
    /// Accounts that this operation was rejected for, with why.
    pub(super) rejected: HashMap<Box<str>, Fault<E>>,
}

/// What can be sent at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// A request.
    Ready,
    /// Nothing before then.
    NotBefore(Duration),
    /// Nothing, unless something happens.
    Idle,
}

impl<E> Default for OperationQueue<E> {
    fn default() -> OperationQueue<E> {
        OperationQueue {
            packer: SlotPacker::new(),
            retry_queue: VecDeque::new(),
            blocked: 0,
            awaiting_admission: None,
            since: None,
            full_slot: false,
            rejected: HashMap::new(),
        }
    }
}

impl<E> OperationQueue<E> {
    /// Decides what the queue can send. `quiet`: no batch of the producer is under way.
    pub(super) fn poll_ready(
        &mut self,
        policy: &BatchPolicy,
        users_per_request: usize,
        flushing: bool,
        quiet: bool,
        now: Duration,
    ) -> Readiness {
        if self.awaiting_admission.is_some() {
            return Readiness::Idle;
        }
        let again = self.retry_queue.iter().map(|batch| batch.due).min();
        if again.is_some_and(|due| due <= now) {
            return Readiness::Ready;
        }
        let Some(since) = self.since else {
            return again.map_or(Readiness::Idle, Readiness::NotBefore);
        };
        let lingers_until = since.saturating_add(policy.linger);
        // a blocked change may still come and share the request; with nothing under way nothing would unblock it
        let alone = flushing && (self.blocked == 0 || quiet);
        let enough = self.packer.users() >= users_per_request;
        if enough || self.full_slot || alone || lingers_until <= now {
            return Readiness::Ready;
        }
        match again {
            Some(again) => Readiness::NotBefore(again.min(lingers_until)),
            None if lingers_until == Duration::MAX => Readiness::Idle,
            None => Readiness::NotBefore(lingers_until),
        }
    }

    /// Takes a batch that is due to be sent again.
    pub(super) fn take_retry(&mut self, now: Duration) -> Option<Batch> {
        let due = self.retry_queue.iter().position(|batch| batch.due <= now)?;
        let batch = self.retry_queue.remove(due)?;
        self.awaiting_admission = Some(batch.id);
        Some(batch)
    }

    /// Takes one slot each of the users of a request.
    pub(super) fn take_batch(&mut self, users_per_request: usize, now: Duration) -> Vec<ChangeId> {
        self.full_slot = false;
        let taken = self.packer.take_batch(users_per_request);
        if self.packer.is_empty() {
            self.since = None;
        } else if taken.len() >= users_per_request {
            self.since = Some(now);
        }
        taken
    }

    /// Adds a change whose turn it is.
    pub(super) fn insert(&mut self, id: ChangeId, slots: usize, came: Duration) {
        self.packer.insert(id, slots);
        self.since = Some(self.since.map_or(came, |since| since.min(came)));
    }

    /// Removes a change that is in the packer.
    pub(super) fn remove(&mut self, id: ChangeId) {
        self.packer.remove(id);
        if self.packer.is_empty() {
            self.since = None;
            self.full_slot = false;
        }
    }
}

/// A flush of a producer: it is over when every change that came before it has its outcome.
#[derive(Debug, Clone, Copy)]
pub struct Flush(Epoch);

/// How many flushes came before.
pub(super) type Epoch = u64;

/// How many changes of a producer have no outcome.
#[derive(Debug, Default)]
pub(super) struct Unsettled {
    epoch: Epoch,
    total: usize,
    /// Holds no zeros: as many epochs as have such changes.
    by_epoch: BTreeMap<Epoch, usize>,
}

impl Unsettled {
    /// Counts a change, and returns its epoch.
    pub(super) fn add(&mut self) -> Epoch {
        self.total += 1;
        *self.by_epoch.entry(self.epoch).or_default() += 1;
        self.epoch
    }

    /// Counts a change off, by its epoch: it has its outcome, or was withdrawn.
    pub(super) fn remove(&mut self, epoch: Epoch) {
        self.total -= 1;
        if let Some(count) = self.by_epoch.get_mut(&epoch) {
            *count -= 1;
            if *count == 0 {
                self.by_epoch.remove(&epoch);
            }
        }
    }

    pub(super) fn total(&self) -> usize {
        self.total
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.total == 0 && self.by_epoch.is_empty()
    }

    pub(super) fn flush(&mut self) -> Flush {
        self.epoch += 1;
        Flush(self.epoch - 1)
    }

    pub(super) fn is_over(&self, flush: Flush) -> bool {
        let oldest = self.by_epoch.first_key_value();
        oldest.is_none_or(|(epoch, _)| *epoch > flush.0)
    }

    pub(super) fn left_of(&self, flush: Flush) -> usize {
        self.by_epoch
            .range(..=flush.0)
            .map(|(_, count)| count)
            .sum()
    }
}
