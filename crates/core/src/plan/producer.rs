//! What one producer has: its policy, what it holds, what is under way of each operation, and a queue for each form of
//! request (`queue.rs`).

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use hashbrown::HashTable;

use super::arena::AccountId;
use super::arena::ProducerId;
use super::flush::Unsettled;
use super::item::Settled;
use super::queue::FormQueue;
use crate::operation::Operation;
use crate::request::Form;

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

/// The order in which the operations are looked at, from the one behind that which was taken last: where workers are few, none
/// starves another. An add often waits for a clear or remove of its account, and then shares a
/// request with the other adds; hardly ever the other way round.
const IN_TURN: [Operation; Operation::ALL.len()] = [
    Operation::Clear,
    Operation::Remove,
    Operation::Add,
    Operation::Get,
];

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

/// What is under way of one operation, which has a quota of its own, whatever the forms of its requests are.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    /// Batches that are taken and not settled.
    pub(super) batches: usize,
    /// The batch that is taken and not yet admitted by the quota. Until it is, no other is formed, so that changes that come
    /// meanwhile share a request.
    pub(super) awaiting_admission: Option<u64>,
    /// The form that was taken last.
    last: Option<Form>,
}

impl UnderWay {
    /// The forms of its operation in the order in which they are looked at: that which was taken last is the last.
    pub(super) fn forms_in_turn(&self, operation: Operation) -> impl Iterator<Item = Form> + use<> {
        let forms = Form::of_operation(operation);
        let last = forms.iter().position(|it| Some(*it) == self.last);
        let turn = last.map_or(0, |last| last + 1);
        (turn..turn + forms.len()).map(|at| forms[at % forms.len()])
    }

    /// Counts a batch that is settled.
    pub(super) fn settled(&mut self, batch: u64) {
        self.batches -= 1;
        self.awaiting_admission.take_if(|it| *it == batch);
    }
}

fn is_get(operation: Operation) -> bool {
    operation == Operation::Get
}

/// What is known of one producer.
#[derive(Debug)]
pub(super) struct Producer<R, E> {
    pub(super) policy: BatchPolicy,
    /// In the order of [`Form::ALL`].
    pub(super) queues: [FormQueue; Form::ALL.len()],
    /// In the order of [`Operation::ALL`].
    pub(super) under_way: [UnderWay; Operation::ALL.len()],
    /// Of changes, and of gets.
    pub(super) held: [Load; 2],
    /// Where the operations are looked at first: behind the one that was taken last.
    turn: usize,
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
    /// Changes that were recalled from requests which hold them still.
    pub(super) recalled: usize,
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
            queues: std::array::from_fn(|_| FormQueue::new()),
            under_way: Default::default(),
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
            recalled: 0,
            late_windows: BTreeSet::new(),
            read_names: HashTable::new(),
            predecessor_late_until: Duration::ZERO,
        }
    }

    pub(super) fn queue(&mut self, form: Form) -> &mut FormQueue {
        &mut self.queues[form as usize]
    }

    /// What is under way of an operation.
    pub(super) fn under_way(&mut self, operation: Operation) -> &mut UnderWay {
        &mut self.under_way[operation as usize]
    }

    /// The operations in the order in which they are looked at.
    pub(super) fn in_turn(&self) -> impl Iterator<Item = Operation> + use<R, E> {
        let turn = self.turn;
        (turn..turn + IN_TURN.len()).map(|at| IN_TURN[at % IN_TURN.len()])
    }

    /// What it holds of changes or of gets.
    pub(super) fn held(&mut self, operation: Operation) -> &mut Load {
        &mut self.held[usize::from(is_get(operation))]
    }

    /// True if no batch of changes, or of gets, is taken and not settled.
    pub(super) fn is_quiet(&self, operation: Operation) -> bool {
        let all = Operation::ALL.iter().zip(&self.under_way);
        let mut its = all.filter(|it| is_get(*it.0) == is_get(operation));
        its.all(|(_, under_way)| under_way.batches == 0)
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

    /// True if a request of this operation may be taken, as far as those before it are concerned.
    pub(super) fn has_turn(&self, operation: Operation) -> bool {
        let under_way = &self.under_way[operation as usize];
        under_way.awaiting_admission.is_none()
            && under_way.batches < self.policy.requests_at_once.max(1)
    }

    /// True if a request may be taken.
    pub(super) fn may_send(&self) -> bool {
        let probing = self.probing.as_ref();
        self.paused.is_none() && probing.is_none_or(|it| it.begun < 1 + usize::from(it.is_late))
    }

    /// Counts a request that is taken.
    pub(super) fn begins(&mut self, form: Form, batch: u64) {
        let operation = form.operation();
        let its = IN_TURN.iter().position(|it| *it == operation);
        self.turn = its.map_or(0, |its| its + 1);
        let under_way = self.under_way(operation);
        under_way.batches += 1;
        under_way.awaiting_admission = Some(batch);
        under_way.last = Some(form);
        if let Some(probing) = &mut self.probing {
            probing.begun += 1;
        }
    }

    /// Until when an attempt without an answer may arrive, from now on.
    pub(super) fn late_until(&self, now: Duration) -> Duration {
        now.saturating_add(self.policy.late_window)
    }
}

/// A set of producers, of which a step touches one or a few: so they stand in a list that keeps its memory, the least first.
#[derive(Debug, Default)]
pub(super) struct ReadyProducers(Vec<ProducerId>);

impl ReadyProducers {
    pub(super) fn insert(&mut self, producer: ProducerId) {
        if let Err(at) = self.0.binary_search(&producer) {
            self.0.insert(at, producer);
        }
    }

    pub(super) fn remove(&mut self, producer: ProducerId) {
        self.0.retain(|it| *it != producer);
    }

    pub(super) fn pop_first(&mut self) -> Option<ProducerId> {
        (!self.0.is_empty()).then(|| self.0.remove(0))
    }
}
