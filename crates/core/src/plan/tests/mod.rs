//! Scenarios of the plan in virtual time. A [`Rig`] is a plan and its clock. Requests and outcomes are written out as text,
//! so that each test shows what is sent and what is reported.

mod accounts;
mod endings;
mod expiry;
mod faults;
mod gets;
mod model;
mod pauses;
mod proven;
mod queues;
mod rates;
mod recount;
mod replaces;
mod service;
mod splits;
mod unknown;

use super::accounts::Group;
use super::batch::Slot;
use super::producer::Load;
use super::settle::SUSPECT_FOR;
use super::*;
use crate::catalogue::Effect;
use crate::change::Change;
use crate::limits::{Limits, Rules};
use crate::operation::{Generation, Operation};
use std::collections::BTreeSet;
use std::time::Duration;

use crate::catalogue::Scope;
use crate::change::ChangeRequest;

const LATE_WINDOW: Duration = Duration::from_secs(2);

/// Rules by which tags can be replaced.
const TIMPUSH: Rules = Rules {
    limits: Limits::DOCUMENTED,
    generation: Generation::Timpush,
};

const POLICY: BatchPolicy = BatchPolicy {
    linger: Duration::from_millis(10),
    late_window: LATE_WINDOW,
    capacity: 1_000,
    requests_at_once: 64,
    full_slot_is_enough: true,
    remember_rejected: true,
    probe_first: false,
};

fn add<T: AsRef<str>>(account: &str, tags: impl IntoIterator<Item = T>) -> Change {
    checked(ChangeRequest::add(account, tags))
}

fn remove<T: AsRef<str>>(account: &str, tags: impl IntoIterator<Item = T>) -> Change {
    checked(ChangeRequest::remove(account, tags))
}

fn clear(account: &str) -> Change {
    checked(ChangeRequest::clear(account))
}

fn replace<T: AsRef<str>>(account: &str, tags: impl IntoIterator<Item = T>) -> Change {
    let replace = ChangeRequest::replace(account, tags);
    replace.check(&TIMPUSH).unwrap()
}

fn get(account: &str) -> Query {
    Query::new(account, &Rules::default()).unwrap()
}

fn checked(request: ChangeRequest) -> Change {
    request.check(&Rules::default()).unwrap()
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// `count` tags, from `t{from}` on.
fn tags(from: usize, count: usize) -> Vec<String> {
    (from..from + count).map(|tag| format!("t{tag}")).collect()
}

/// Why a change is not done, as these tests say it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Failed {
    why: Why,
    effect: Effect,
    scope: Scope,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Why {
    Request(&'static str),
    PreviouslyRejected(&'static str),
    Expired,
}

impl ChangeFailure for Failed {
    fn effect(&self) -> Effect {
        self.effect
    }

    fn set_effect(&mut self, effect: Effect) {
        self.effect = effect;
    }

    fn scope(&self) -> Scope {
        self.scope
    }

    fn expired() -> Failed {
        Failed {
            why: Why::Expired,
            ..fault(Scope::Service)
        }
    }

    fn rejected_before(&self) -> Failed {
        let Why::Request(why) = self.why else {
            panic!("{self:?} rejects no account");
        };
        Failed {
            why: Why::PreviouslyRejected(why),
            ..self.clone()
        }
    }
}

fn failed(why: &'static str, effect: Effect) -> Failed {
    Failed {
        why: Why::Request(why),
        effect,
        scope: Scope::Service,
    }
}

fn fault(scope: Scope) -> Failed {
    Failed {
        scope,
        ..failed("bad", Effect::NotApplied)
    }
}

type LeftOut = (String, Failed, Option<Duration>);

/// The result of a request that holds what is at fault, without a name.
fn bad(scope: Scope) -> BatchResult<Failed> {
    BatchResult::Ambiguous(fault(scope))
}

fn left_out(account: &str, scope: Scope, again_at: Option<Duration>) -> LeftOut {
    (account.to_owned(), fault(scope), again_at)
}

fn done(left_out: Vec<LeftOut>) -> BatchResult<Failed> {
    BatchResult::Done {
        left_out,
        read: vec![],
    }
}

/// What a producer does now.
#[derive(Debug)]
enum Next {
    Send(Batch),
    WaitUntil(Duration),
    Wait,
}

/// As a worker does: takes what is ready, or looks how long to wait.
fn next<R, E: ChangeFailure>(plan: &mut Plan<R, E>, producer: ProducerId, now: Duration) -> Next {
    if let Some(batch) = plan.take(producer, now) {
        let accounts: BTreeSet<&str> = batch.slots.iter().map(Slot::account).collect();
        assert_eq!(accounts.len(), batch.slots.len(), "an account twice");
        return Next::Send(batch);
    }
    match plan.poll(producer, now) {
        Readiness::NotBefore(moment) => Next::WaitUntil(moment),
        Readiness::Idle => Next::Wait,
        Readiness::Ready => panic!("it was not taken"),
    }
}

/// A request in words: `add u:a,b v:c`; of replaces `replace u:a`.
fn text(batch: &Batch) -> String {
    let slots = batch.slots.iter().map(|slot| {
        let tags: Vec<&str> = slot.tags().collect();
        format!(" {}:{}", slot.account(), tags.join(","))
    });
    let form = match batch.form {
        Form::Replace => "replace",
        form => form.operation().name(),
    };
    format!("{form}{}", slots.collect::<String>())
}

struct Rig {
    plan: Plan<u32, Failed>,
    producer: ProducerId,
    now: Duration,
    pushed: u32,
}

/// The result of a request that goes again at once.
fn postponed(effect: Effect) -> BatchResult<Failed> {
    BatchResult::Postponed {
        effect,
        again_at: Duration::ZERO,
    }
}

impl Rig {
    /// With one producer, of this policy.
    fn with_policy(policy: BatchPolicy) -> Rig {
        let mut plan = Plan::new(Rules::default());
        let producer = plan.open(policy);
        Rig {
            plan,
            producer,
            now: ms(1_000),
            pushed: 0,
        }
    }

    fn new() -> Rig {
        Rig::with_policy(POLICY)
    }

    /// With one producer, whose policy differs so from the usual.
    fn with(differs: impl FnOnce(&mut BatchPolicy)) -> Rig {
        let mut policy = POLICY;
        differs(&mut policy);
        Rig::with_policy(policy)
    }

    /// With a producer that flushes.
    fn flushing() -> Rig {
        let mut rig = Rig::new();
        rig.flush();
        rig
    }

    /// Pushes a change; its reply is how many were pushed before it.
    fn push(&mut self, item: impl Into<Item>) -> ChangeId {
        self.push_until(item, Duration::MAX)
    }

    fn push_until(&mut self, item: impl Into<Item>, deadline: Duration) -> ChangeId {
        self.pushed += 1;
        let (producer, reply) = (self.producer, self.pushed - 1);
        self.plan.push(producer, item, reply, deadline, self.now)
    }

    /// Adds a tag to each of these users.
    fn push_users(&mut self, name: &str, numbers: std::ops::Range<usize>) {
        for number in numbers {
            self.push(add(&format!("{name}{number}"), ["a"]));
        }
    }

    fn push_by(&mut self, producer: ProducerId, item: impl Into<Item>) -> ChangeId {
        let own = std::mem::replace(&mut self.producer, producer);
        let id = self.push(item);
        self.producer = own;
        id
    }

    fn flush(&mut self) {
        self.plan.set_flushing(self.producer);
    }

    fn next_by(&mut self, producer: ProducerId) -> Next {
        next(&mut self.plan, producer, self.now)
    }

    fn next(&mut self) -> Next {
        self.next_by(self.producer)
    }

    fn poll(&mut self) -> Readiness {
        self.plan.poll(self.producer, self.now)
    }

    /// The next request, which awaits its admission.
    #[track_caller]
    fn form_by(&mut self, producer: ProducerId) -> Batch {
        let Next::Send(batch) = self.next_by(producer) else {
            panic!("nothing to send: {:#?}", self.plan);
        };
        batch
    }

    #[track_caller]
    fn form(&mut self) -> Batch {
        self.form_by(self.producer)
    }

    /// The next request, which is admitted at once.
    #[track_caller]
    fn take_by(&mut self, producer: ProducerId) -> Batch {
        let batch = self.form_by(producer);
        self.plan.admitted(producer, batch.operation());
        batch
    }

    #[track_caller]
    fn take(&mut self) -> Batch {
        self.take_by(self.producer)
    }

    /// Requests are to be there, of these words.
    #[track_caller]
    fn sends<const N: usize>(&mut self, words: [&str; N]) -> [Batch; N] {
        let batches = words.map(|words| {
            let batch = self.take();
            assert_eq!(text(&batch), words);
            batch
        });
        assert!(!matches!(self.next(), Next::Send(_)), "one more");
        batches
    }

    /// Requests of these words are sent and done, one after the other.
    #[track_caller]
    fn does<const N: usize>(&mut self, words: [&str; N]) {
        for words in words {
            let [batch] = self.sends([words]);
            self.done(batch);
        }
    }

    #[track_caller]
    fn waits(&mut self) {
        let next = self.next();
        assert!(matches!(next, Next::Wait), "{next:?}");
    }

    #[track_caller]
    fn waits_until(&mut self, moment: Duration) {
        match self.next() {
            Next::WaitUntil(until) => assert_eq!(until, moment),
            next => panic!("{next:?}"),
        }
    }

    fn settle(&mut self, batch: Batch, result: BatchResult<Failed>) {
        self.plan.settle(batch, result, false, self.now);
    }

    fn done(&mut self, batch: Batch) {
        self.settle(batch, done(vec![]));
    }

    fn fails(&mut self, batch: Batch, why: &'static str, effect: Effect) {
        self.settle(batch, BatchResult::Failed(failed(why, effect)));
    }

    fn end(&mut self) {
        let cause = failed("ended", Effect::NotApplied);
        self.plan.end(self.producer, cause, self.now);
    }

    /// An attempt of it was abandoned before it was done.
    fn done_late(&mut self, batch: Batch) {
        self.plan.settle(batch, done(vec![]), true, self.now);
    }

    /// The outcomes of a producer since the last look: `0 done`, `0 read Some(["a"])`, or
    /// `1 Request("bad") not applied [0, 1]`.
    fn outcomes_by(&mut self, producer: ProducerId) -> Vec<String> {
        let settled = self.plan.take_settled(producer);
        let words = settled.map(|settled| match settled.failure {
            None if settled.item.operation() == Operation::Get => {
                format!("{} read {:?}", settled.reply, settled.read)
            }
            None => format!("{} done", settled.reply),
            Some(failure) => format!(
                "{} {:?} {} {:?}",
                settled.reply, failure.why, failure.effect, settled.undone
            ),
        });
        words.collect()
    }

    fn outcomes(&mut self) -> Vec<String> {
        self.outcomes_by(self.producer)
    }

    /// How many slots each of the requests has that are to be sent again, with those of its other half.
    fn waiting_slots(&self) -> Vec<usize> {
        let queues = self.plan.producers[self.producer.0].queues.iter();
        let again = queues.flat_map(|queue| queue.retry_queue.iter().chain(&queue.searches));
        again.map(Batch::len).collect()
    }

    /// Nothing is kept when all is over, and what is remembered for a while is forgotten.
    #[track_caller]
    fn is_empty(&mut self) {
        self.now += SUSPECT_FOR;
        let producers = self.plan.producers.iter().map(|it| ProducerId(it.0));
        for producer in producers.collect::<Vec<_>>() {
            self.plan.poll(producer, self.now);
        }
        assert_empty(&self.plan);
    }
}

#[track_caller]
fn assert_empty<R, E: Clone + std::fmt::Debug>(plan: &Plan<R, E>) {
    assert_eq!(plan.changes.len(), 0);
    let kept = plan.accounts.iter().map(|it| it.1);
    let kept = kept.filter(|account| account.rejected.is_empty());
    assert_eq!(kept.count(), 0);
    let readers = plan.producers.iter().map(|it| it.1.read_names.len());
    let names = plan.names.len() + readers.sum::<usize>();
    assert_eq!(plan.accounts.len(), names);
    assert!(plan.remembered.is_empty() && plan.suspects.is_empty());
    for (_, state) in plan.producers.iter() {
        assert_eq!(state.held, [Load::default(); 2]);
        assert!(state.unsettled.is_empty() && state.late_windows.is_empty());
        for queue in &state.queues {
            assert!(queue.fresh.is_empty() && queue.proven.is_empty());
            assert!(queue.suspects.is_empty());
            assert!(queue.retry_queue.is_empty() && queue.searches.is_empty());
            assert!(queue.fresh.returned.is_empty() && queue.proven.returned.is_empty());
            assert_eq!(queue.blocked, 0);
        }
        for under_way in &state.under_way {
            assert!(under_way.batches == 0 && under_way.awaiting_admission.is_none());
        }
    }
}
