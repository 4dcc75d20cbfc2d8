//! What one producer has to send: a queue for each operation, its counts, and when what waits is enough for a request.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use hashbrown::HashTable;

use super::accounts::Group;
use super::arena::{AccountId, ChangeId};
use super::batch::{Batch, Kind, Slot};
use super::flush::Unsettled;
use super::item::Settled;
use super::packer::SlotPacker;
use crate::operation::Operation;

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
    /// Changes that the producer holds at most, and gets beside them. Of one account only the first
    /// [few](BatchPolicy::OF_ONE_ACCOUNT) that wait count, so an account with thousands of changes does not keep out all
    /// others. With those there are at most eight times as many: one account with more than that keeps out all others until
    /// its changes are fewer. What waits to be sent again counts too. At its capacity, with no request under way, what is
    /// there is sent, as nothing more can come. Example, of 20: there are two changes of each of 10 users. They do not fill
    /// a request, and leave no space for more, so a request of 10 users is sent.
    pub capacity: usize,
    /// Requests of one operation that are under way at most: each operation has a quota of its own, and one whose answers are
    /// slow leaves workers to the others. 0 counts as 1. A batch that is taken and never settled counts for ever.
    pub requests_at_once: usize,
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

    /// The changes of one account that count towards the capacity while they wait.
    pub const OF_ONE_ACCOUNT: usize = 8;
}

/// All that a producer holds, in capacities.
const CAPACITIES_AT_MOST: usize = 8;

/// The requests that go before the first result is known: one, and a second beside it once the first one is late.
#[derive(Debug, Default)]
pub(super) struct Probing {
    /// The plan's last request before it: those since then are of it.
    pub(super) after: u64,
    pub(super) begun: usize,
    pub(super) is_late: bool,
}

/// What a producer holds of changes, or of gets: they have quotas of their own, so neither takes the other's capacity.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Load {
    /// Those with a slot that is in no request yet.
    pub(super) unsent: usize,
    /// Those of them that count towards the capacity.
    pub(super) counted: usize,
    /// Slots that wait to be sent again.
    pub(super) again: usize,
}

fn is_get(operation: Operation) -> bool {
    operation == Operation::Get
}

/// What is known of one producer.
#[derive(Debug)]
pub(super) struct Producer<R, E> {
    pub(super) policy: BatchPolicy,
    pub(super) queues: [OperationQueue; Operation::ALL.len()],
    /// Of changes, and of gets.
    pub(super) held: [Load; 2],
    /// Where the operations are looked at first: behind the one that was taken last.
    pub(super) turn: usize,
    /// Changes without an outcome.
    pub(super) unsettled: Unsettled,
    /// Why it has ended, if it has.
    pub(super) ended: Option<E>,
    /// While it is paused it sends nothing, and until then no time of a change is up.
    pub(super) paused: Option<Duration>,
    /// How often it has paused.
    pub(super) pauses: u64,
    /// No result is known yet, and the policy has one request go first.
    pub(super) probing: Option<Probing>,
    /// True if changes do not wait for others to share their request, unless these are there and blocked.
    pub(super) flushing: bool,
    /// Requests that were split.
    pub(super) splits: u64,
    /// Requests that looked for a fault.
    pub(super) searches: u64,
    pub(super) settled: VecDeque<Settled<R, E>>,
    /// Accounts whose next change is its own and waits for a late window, by its end.
    pub(super) late_windows: BTreeSet<(Duration, AccountId)>,
    /// The accounts of its gets by their texts.
    pub(super) read_names: HashTable<AccountId>,
    /// Until when attempts of a killed process before this one may arrive at the service.
    pub(super) predecessor_late_until: Duration,
}

impl<R, E> Producer<R, E> {
    pub(super) fn new(policy: BatchPolicy) -> Producer<R, E> {
        Producer {
            policy,
            queues: std::array::from_fn(|_| OperationQueue::new()),
            held: [Load::default(); 2],
            turn: 0,
            unsettled: Unsettled::default(),
            ended: None,
            paused: None,
            pauses: 0,
            probing: policy.probe_first.then(Probing::default),
            flushing: false,
            splits: 0,
            searches: 0,
            settled: VecDeque::new(),
            late_windows: BTreeSet::new(),
            read_names: HashTable::new(),
            predecessor_late_until: Duration::ZERO,
        }
    }

    pub(super) fn queue(&mut self, operation: Operation) -> &mut OperationQueue {
        &mut self.queues[operation as usize]
    }

    /// What it holds of changes or of gets.
    pub(super) fn held(&mut self, operation: Operation) -> &mut Load {
        &mut self.held[usize::from(is_get(operation))]
    }

    /// True if no batch of changes, or of gets, is taken and not settled.
    pub(super) fn is_quiet(&self, operation: Operation) -> bool {
        let queues = Operation::ALL.iter().zip(&self.queues);
        let mut its = queues.filter(|it| is_get(*it.0) == is_get(operation));
        its.all(|(_, queue)| queue.under_way == 0)
    }

    /// True if what is there is sent now, also where it is full and nothing under way would make space.
    pub(super) fn is_flushing(&self, operation: Operation) -> bool {
        self.flushing || (self.is_quiet(operation) && !self.has_capacity(operation))
    }

    pub(super) fn has_capacity(&self, operation: Operation) -> bool {
        let capacity = self.policy.capacity;
        let all = capacity.saturating_mul(CAPACITIES_AT_MOST);
        let held = &self.held[usize::from(is_get(operation))];
        held.counted + held.again < capacity && held.unsent + held.again < all
    }

    /// Counts a change off that has nothing to be sent any more.
    pub(super) fn all_sent(&mut self, operation: Operation, counts: bool) {
        let held = self.held(operation);
        held.unsent -= 1;
        held.counted -= usize::from(counts);
    }

    /// True if a request may be taken.
    pub(super) fn may_send(&self) -> bool {
        let probing = self.probing.as_ref();
        self.paused.is_none() && probing.is_none_or(|it| it.begun < 1 + usize::from(it.is_late))
    }

    /// Counts a request that is taken.
    pub(super) fn begins(&mut self, operation: Operation) {
        self.queue(operation).under_way += 1;
        if let Some(probing) = &mut self.probing {
            probing.begun += 1;
        }
    }

    /// Until when an attempt without an answer may arrive, from now on.
    pub(super) fn late_until(&self, now: Duration) -> Duration {
        now.saturating_add(self.policy.late_window)
    }
}

/// The changes of one producer and operation: what it sends, and in which turns.
///
/// ```text
///                     full         lingered, flushed     nothing ready                     overdue
/// fresh changes       3 of 4       at least 1 of 4       -                                 none
/// halves of splits    ┐            at most 3 of 4        all                               3 of 4
/// suspects            ┘ 1 of 4     at most 1 of 4        all; one each 40 ms while         1 of 4
///                                                        fresh changes linger
/// ```
///
/// Overdue: a half has waited for a second since its request failed, or more than four requests' worth of slots are in
/// halves. Nobody's time is to be up for the speed of others: the fresh ones wait then, and the capacity keeps more out.
/// The halves of the request that failed first go first.
///
/// A half holds up to 50 users who wait for the one among them, so where the fresh changes do not fill a request the halves
/// go first: the fresh ones join a later request, and no more requests are sent for that. Suspects are most likely at fault.
#[derive(Debug)]
pub(super) struct OperationQueue {
    /// Changes whose turn it is.
    pub(super) fresh: SlotPacker<ChangeId>,
    /// Slots that came back from a split untested, and go with the fresh changes.
    pub(super) returned: VecDeque<Slot>,
    /// Changes of accounts that failed a request lately.
    pub(super) suspects: SlotPacker<ChangeId>,
    /// The suspects that share a request. Most likely each is at fault again, so each goes alone. While they pass, more
    /// go together.
    suspects_at_once: usize,
    /// Batches that hold a fault that is looked for.
    pub(super) searches: VecDeque<Batch>,
    /// Batches to be sent again as they are, when they are due.
    pub(super) retry_queue: VecDeque<Batch>,
    /// Batches that are taken and not settled.
    pub(super) under_way: usize,
    /// Changes that wait for an earlier one of their account.
    pub(super) blocked: usize,
    /// The batch that is taken and not yet admitted by the quota. Until it is, no other is formed, so that changes that come
    /// meanwhile share a request.
    pub(super) awaiting_admission: Option<u64>,
    /// Since when it has held its oldest fresh user. After a full request the linger time of the users left begins anew,
    /// as others are coming in fast.
    pub(super) since: Option<Duration>,
    /// True if a fresh user has as many tags as a slot takes, so that a wait would add none.
    pub(super) full_slot: bool,
    /// True if a fresh user came before a flush: then none of the fresh waits for the linger time.
    pub(super) flushed: bool,
    /// Accounts that are remembered as rejected for this operation.
    pub(super) remembered: usize,
    turns: Turns,
    lately: Lately,
}

/// Which kinds of requests had their turns, to divide the quota between them.
#[derive(Debug, Default)]
struct Turns {
    /// Fresh ones since the last of the others, and the others since the last fresh one.
    fresh: usize,
    tests: usize,
    /// Requests since the last one of suspects.
    not_suspects: usize,
    /// The last of the others was one of suspects, and the next is a half, where both have a turn.
    suspects_last: bool,
    /// When suspects may go though fresh changes linger.
    next_suspects: Duration,
}

/// Of the fresh changes that were settled lately, how many were at fault.
#[derive(Debug, Default)]
struct Lately {
    settled: usize,
    at_fault: usize,
}

/// A quarter of 100 requests a second. Suspects that took the turn of each fresh request that is about to be ready would
/// take half of the quota.
const SUSPECTS_PACE: Duration = Duration::from_millis(40);

/// A search that has waited for so long, or so many requests' worth of slots in searches, keep fresh requests back. Else
/// faults could come in faster than they are found, and those who are in a request with one would wait until their time is
/// up. So the capacity fills, and the input is as fast as the search.
const SEARCH_WAITS: Duration = Duration::from_secs(1);
const SEARCHES_AT_MOST: usize = 4;

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

/// When a queue has enough for a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Enough {
    pub(super) users_per_request: usize,
    pub(super) linger: Duration,
    pub(super) flushing: bool,
    /// The requests that are under way at most.
    pub(super) requests_at_once: usize,
    /// What is blocked is not waited for, as nothing under way would unblock it.
    pub(super) quiet: bool,
}

impl OperationQueue {
    fn new() -> OperationQueue {
        OperationQueue {
            fresh: SlotPacker::new(),
            returned: VecDeque::new(),
            suspects: SlotPacker::new(),
            suspects_at_once: 1,
            searches: VecDeque::new(),
            retry_queue: VecDeque::new(),
            under_way: 0,
            blocked: 0,
            awaiting_admission: None,
            since: None,
            full_slot: false,
            flushed: false,
            remembered: 0,
            turns: Turns::default(),
            lately: Lately::default(),
        }
    }

    /// What the queue can send; else when it may have something.
    pub(super) fn ready(&self, enough: &Enough, now: Duration) -> Result<Kind, Option<Duration>> {
        if self.awaiting_admission.is_some() || self.under_way >= enough.requests_at_once {
            return Err(None);
        }
        let again = self.retry_queue.iter().map(|batch| batch.due).min();
        if again.is_some_and(|due| due <= now) {
            return Ok(Kind::Retry);
        }
        let users = self.fresh.users() + self.returned.len();
        let full = users >= enough.users_per_request;
        let lingers_until = self.since.map(|since| since.saturating_add(enough.linger));
        // at the end of the input a blocked change may still come and share the request; with nothing under way nothing would
        // unblock it. A caller that waits for a flush waits for no other request.
        let at_the_end = enough.flushing && (self.blocked == 0 || enough.quiet);
        let alone = users > 0 && (self.flushed || at_the_end);
        let lingered = lingers_until.is_some_and(|until| until <= now);
        // what came back has lingered before
        let came_back = !self.returned.is_empty();
        let fresh = full || self.full_slot || came_back || alone || lingered;

        let turns = &self.turns;
        let share = turns.fresh >= 3;
        let overdue = self.is_overdue(enough.users_per_request, now);
        let may_search = !fresh || share || overdue || (!full && turns.tests < 3);
        let may_try_suspects = users == 0
            || (if full && !overdue {
                share
            } else {
                turns.not_suspects >= 3
            })
            || (!fresh && turns.next_suspects <= now);
        let search = may_search && !self.searches.is_empty();
        let suspects = may_try_suspects && !self.suspects.is_empty();
        if suspects && (!search || !turns.suspects_last) {
            return Ok(Kind::Suspects);
        }
        if search {
            return Ok(Kind::Search);
        }
        if fresh {
            return Ok(Kind::Fresh);
        }
        let suspects = (!self.suspects.is_empty()).then_some(turns.next_suspects);
        let lingers_until = lingers_until.filter(|until| *until < Duration::MAX);
        Err([again, lingers_until, suspects].into_iter().flatten().min())
    }

    /// True if the searches do not keep up with the faults that come in.
    fn is_overdue(&self, users_per_request: usize, now: Duration) -> bool {
        let oldest = self.searches.front().map(|batch| batch.since);
        let slots = self.searches.iter().map(Batch::len).sum::<usize>();
        oldest.is_some_and(|since| since.saturating_add(SEARCH_WAITS) <= now)
            || slots > SEARCHES_AT_MOST * users_per_request
    }

    /// Queues a part of a request that failed, behind those of requests that failed before it.
    pub(super) fn insert_search(&mut self, batch: Batch) {
        let at = self.searches.partition_point(|it| it.since <= batch.since);
        self.searches.insert(at, batch);
    }

    /// Takes a batch that was formed before.
    pub(super) fn take_formed(&mut self, kind: Kind, now: Duration) -> Option<Batch> {
        match kind {
            Kind::Retry => {
                let due = self.retry_queue.iter().position(|batch| batch.due <= now)?;
                self.retry_queue.remove(due)
            }
            Kind::Search => self.searches.pop_front(),
            Kind::Fresh | Kind::Suspects => None,
        }
    }

    /// Takes one slot each of the next users, with the slots that came back.
    pub(super) fn take_users(
        &mut self,
        kind: Kind,
        users_per_request: usize,
        now: Duration,
    ) -> (Vec<Slot>, Vec<ChangeId>) {
        if kind == Kind::Suspects {
            return (Vec::new(), self.suspects.take_batch(self.suspects_at_once));
        }
        self.full_slot = false;
        let mut slots: Vec<Slot> = Vec::new();
        for _ in 0..self.returned.len().min(users_per_request) {
            let Some(slot) = self.returned.pop_front() else {
                break;
            };
            // two slots of an account may have come back, and a request has an account once
            if slots.iter().any(|it| it.account == slot.account) {
                self.returned.push_back(slot);
            } else {
                slots.push(slot);
            }
        }
        let taken = self.fresh.take_batch(users_per_request - slots.len());
        if self.fresh.is_empty() {
            self.since = None;
            self.flushed = false;
        } else if slots.len() + taken.len() >= users_per_request {
            self.since = Some(now);
        }
        (slots, taken)
    }

    /// Counts a request that is taken.
    pub(super) fn note_turn(&mut self, kind: Kind, now: Duration) {
        let turns = &mut self.turns;
        turns.not_suspects += 1;
        match kind {
            Kind::Fresh | Kind::Retry => (turns.fresh, turns.tests) = (turns.fresh + 1, 0),
            Kind::Search | Kind::Suspects => (turns.fresh, turns.tests) = (0, turns.tests + 1),
        }
        if kind == Kind::Search {
            turns.suspects_last = false;
        }
        if kind == Kind::Suspects {
            turns.suspects_last = true;
            turns.not_suspects = 0;
            turns.next_suspects = now + SUSPECTS_PACE;
        }
    }

    /// Notes how suspects fared.
    pub(super) fn note_suspects(&mut self, passed: bool, users_per_request: usize) {
        self.suspects_at_once = if passed {
            (2 * self.suspects_at_once).min(users_per_request)
        } else {
            1
        };
    }

    /// Notes that fresh changes are settled.
    pub(super) fn note_settled(&mut self, settled: usize, at_fault: usize) {
        let lately = &mut self.lately;
        lately.settled += settled;
        lately.at_fault += at_fault;
        if lately.settled > 2_000 {
            lately.settled /= 2;
            lately.at_fault /= 2;
        }
    }

    /// True if among so many users there is hardly one at fault, by what was settled lately.
    pub(super) fn most_likely_good(&self, users: usize) -> bool {
        2 * users * self.lately.at_fault <= self.lately.settled
    }

    /// Adds a change whose turn it is.
    pub(super) fn insert(&mut self, group: Group, id: ChangeId, slots: usize, came: Duration) {
        match group {
            Group::Fresh => {
                self.fresh.insert(id, slots);
                self.since = Some(self.since.map_or(came, |since| since.min(came)));
            }
            Group::Suspects => self.suspects.insert(id, slots),
        }
    }

    /// Removes a change that is in a packer.
    pub(super) fn remove(&mut self, group: Group, id: ChangeId) {
        if group == Group::Suspects {
            return self.suspects.remove(id);
        }
        self.fresh.remove(id);
        if self.fresh.is_empty() {
            self.since = None;
            self.full_slot = false;
            self.flushed = false;
        }
    }

    /// Takes all that waits to be sent again.
    pub(super) fn take_again(&mut self) -> Vec<Slot> {
        let batches = self.retry_queue.drain(..).chain(self.searches.drain(..));
        let slots = batches.flat_map(|batch| batch.slots.into_iter().chain(batch.rest));
        slots.chain(self.returned.drain(..)).collect()
    }
}
