//! A model: random producers, changes, answers and times against a service that applies requests at any moment it may,
//! and against the rules, counted anew after every step.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::recount::tags_read;
use super::service::{Asked, Service, is_at_fault};
use super::*;
use crate::answer::AccountTags;

pub(super) const PRODUCERS: usize = 3;
/// More than a request takes, and a request takes more than are tested by both halves at once.
pub(super) const ACCOUNTS: usize = 9;
const USERS_PER_REQUEST: usize = 7;

#[derive(Debug, Clone)]
enum Step {
    /// A producer's change or get, and the time until its deadline, if it has one.
    Push(usize, Item, Option<u64>),
    /// A hot account: so many changes, by turns an add and a remove.
    Burst(usize, usize),
    Next(usize),
    Admit(usize, usize),
    /// The service carries out a request that is under way, or one that was abandoned.
    Arrive(usize),
    /// A request is settled: which, how, which of its accounts, and whether an attempt was abandoned.
    Settle(usize, u8, u8, bool),
    Withdraw(usize),
    /// A caller takes back what waits in a request for its turn.
    Recall(usize),
    Flushing(usize),
    Flush(usize),
    End(usize),
    /// The producer sends nothing for a while, or fails what is in no request.
    Pause(usize, bool),
    FailUnsent(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let push = (
        0..PRODUCERS,
        0..ACCOUNTS,
        0u8..7,
        0usize..12,
        prop_oneof![6 => 1usize..4, 1 => 4usize..26],
        prop::option::weighted(0.1, 0u64..60),
    );
    let push = push.prop_map(|(producer, account, kind, first, count, time)| {
        let (account, tags) = (format!("u{account}"), super::tags(first, count));
        let item = match kind {
            0..=1 => add(&account, tags).into(),
            2..=3 => remove(&account, tags).into(),
            4 => clear(&account).into(),
            5 => replace(&account, tags).into(),
            _ => get(&account).into(),
        };
        Step::Push(producer, item, time)
    });
    prop_oneof![
        8 => push,
        1 => (0..PRODUCERS, 9usize..14).prop_map(|(producer, count)| Step::Burst(producer, count)),
        8 => (0..PRODUCERS).prop_map(Step::Next),
        5 => (0..PRODUCERS, 0..Operation::ALL.len()).prop_map(|(producer, queue)| Step::Admit(producer, queue)),
        5 => any::<usize>().prop_map(Step::Arrive),
        6 => (any::<usize>(), 0u8..8, any::<u8>(), prop::bool::weighted(0.3))
            .prop_map(|(which, how, chosen, late)| Step::Settle(which, how, chosen, late)),
        1 => any::<usize>().prop_map(Step::Withdraw),
        3 => any::<usize>().prop_map(Step::Recall),
        1 => (0..PRODUCERS).prop_map(Step::Flushing),
        1 => (0..PRODUCERS).prop_map(Step::Flush),
        1 => prop::option::weighted(0.1, 0..PRODUCERS)
            .prop_map(|producer| producer.map_or(Step::Pass(1), Step::End)),
        1 => (0..PRODUCERS, prop::bool::weighted(0.3)).prop_map(|(producer, pause)| Step::Pause(producer, pause)),
        1 => prop::option::weighted(0.1, 0..PRODUCERS)
            .prop_map(|producer| producer.map_or(Step::Pass(1), Step::FailUnsent)),
        4 => prop_oneof![8 => 0u64..12, 8 => 0u64..300, 1 => 50_000u64..70_000].prop_map(Step::Pass),
    ]
}

pub(super) struct UnderWay {
    pub(super) batch: Batch,
    /// What is asked by it, once it has its turn in the quota: all but what was recalled until then.
    sent: Option<Asked>,
    /// An attempt of it has arrived.
    arrived: bool,
}

pub(super) struct World {
    pub(super) plan: Plan<usize, Failed>,
    pub(super) producers: Vec<ProducerId>,
    pub(super) now: Duration,
    pub(super) service: Service,
    pub(super) under_way: Vec<UnderWay>,
    /// Attempts that were abandoned, each with the time until which it may arrive.
    pub(super) late: Vec<(Duration, Asked)>,
    pub(super) pushed: Vec<(usize, Item, ChangeId)>,
    pub(super) withdrawn: BTreeSet<usize>,
    pub(super) settled: BTreeMap<usize, (Option<Failed>, Vec<usize>)>,
    /// Each with how many changes were pushed before it.
    pub(super) flushes: Vec<(usize, Flush, usize)>,
}

const POLICIES: [BatchPolicy; PRODUCERS] = [
    BatchPolicy {
        linger: Duration::from_millis(10),
        late_window: Duration::from_millis(200),
        capacity: 8,
        requests_at_once: 2,
        full_slot_is_enough: true,
        remember_rejected: false,
        probe_first: false,
    },
    BatchPolicy {
        linger: Duration::MAX,
        late_window: Duration::from_millis(100),
        capacity: 5,
        requests_at_once: 64,
        full_slot_is_enough: false,
        remember_rejected: true,
        probe_first: false,
    },
    BatchPolicy {
        linger: Duration::ZERO,
        late_window: Duration::from_millis(50),
        capacity: 1_000,
        requests_at_once: 64,
        full_slot_is_enough: false,
        remember_rejected: true,
        probe_first: true,
    },
];

impl World {
    /// `faults`: its batcher has found some, and sets apart the accounts that pass.
    fn new(faults: bool) -> World {
        let mut rules = TIMPUSH;
        rules.limits.users_per_request = USERS_PER_REQUEST;
        let mut plan = Plan::new(rules);
        plan.hash_mask = 3;
        let producers = POLICIES.map(|policy| plan.open(policy)).to_vec();
        for queue in &mut plan.producers[producers[0].0].queues {
            queue.note_settled(0, usize::from(faults));
        }
        World {
            plan,
            producers,
            now: Duration::ZERO,
            service: Service::default(),
            under_way: Vec::new(),
            late: Vec::new(),
            pushed: Vec::new(),
            withdrawn: BTreeSet::new(),
            settled: BTreeMap::new(),
            flushes: Vec::new(),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Push(producer, item, time) => self.push(producer, item, time),
            Step::Burst(producer, count) => {
                for at in 0..count {
                    let change = if at % 2 == 0 { add::<&str> } else { remove };
                    self.push(producer, change("u0", ["t0"]), None);
                }
            }
            Step::Next(producer) => {
                let _ = self.next(producer);
            }
            Step::Admit(producer, queue) => self.admit(producer, Operation::ALL[queue]),
            Step::Arrive(which) => self.arrive(which),
            Step::Settle(which, how, chosen, late) if !self.under_way.is_empty() => {
                let under_way = self.under_way.remove(which % self.under_way.len());
                // what has arrived is not said to be not applied
                let how = if under_way.arrived {
                    [1, 4, 6][how as usize % 3]
                } else {
                    how
                };
                if how < 6 {
                    self.plan.end_probing(under_way.batch.producer);
                }
                self.settle(under_way, how, chosen, late);
            }
            Step::Withdraw(which) if !self.pushed.is_empty() => {
                let which = which % self.pushed.len();
                if self.plan.withdraw(self.pushed[which].2, self.now) {
                    assert!(self.withdrawn.insert(which), "withdrawn twice");
                }
            }
            Step::Recall(which) if !self.pushed.is_empty() => {
                let which = which % self.pushed.len();
                let id = self.pushed[which].2;
                if self.plan.recall(id) {
                    assert!(self.withdrawn.insert(which), "recalled twice");
                    let of_change = |it: &&UnderWay| {
                        let parts = it.batch.slots.iter().flat_map(|slot| &slot.parts);
                        parts.into_iter().any(|part| part.id == id)
                    };
                    let mut its = self.under_way.iter().filter(of_change);
                    assert!(its.all(|it| it.sent.is_none()), "it was sent");
                }
            }
            Step::Settle(..) | Step::Withdraw(_) | Step::Recall(_) => {}
            Step::Flushing(producer) => {
                self.plan.set_flushing(self.producers[producer]);
            }
            Step::Flush(producer) => {
                let flush = self.plan.flush(self.producers[producer]);
                self.flushes.push((producer, flush, self.pushed.len()));
            }
            Step::End(producer) => self.plan.end(
                self.producers[producer],
                failed("ended", Effect::NotApplied),
                self.now,
            ),
            Step::Pause(producer, true) => self.plan.pause(self.producers[producer]),
            Step::Pause(producer, false) => self.plan.resume(self.producers[producer]),
            Step::FailUnsent(producer) => {
                self.plan.fail_unsent(
                    self.producers[producer],
                    failed("no thread", Effect::NotApplied),
                    self.now,
                );
            }
            Step::Pass(time) => self.pass(ms(time)),
        }
        self.check();
    }

    fn push(&mut self, producer: usize, item: impl Into<Item>, time: Option<u64>) {
        let item = item.into();
        let deadline = time.map_or(Duration::MAX, |time| self.now + ms(time));
        let (id, reply) = (self.producers[producer], self.pushed.len());
        let pushed = item.clone();
        let id = self.plan.push(id, pushed, reply, deadline, self.now);
        self.pushed.push((producer, item, id));
    }

    /// Time passes; what may arrive until then has arrived or never does.
    fn pass(&mut self, time: Duration) {
        self.now += time;
        let now = self.now;
        self.late.retain(|(until, _)| *until > now);
    }

    /// Whether there was something to send.
    fn next(&mut self, producer: usize) -> bool {
        match super::next(&mut self.plan, self.producers[producer], self.now) {
            Next::Send(batch) => {
                assert_eq!(batch.producer, self.producers[producer]);
                let users: BTreeSet<&str> = batch.slots.iter().map(Slot::account).collect();
                assert!((1..=USERS_PER_REQUEST).contains(&users.len()));
                let rest: BTreeSet<&str> = batch.rest.iter().map(Slot::account).collect();
                assert!(
                    users.is_disjoint(&rest) || users == rest,
                    "a change in two places"
                );
                for slot in &batch.slots {
                    let tags: Vec<&str> = slot.tags().collect();
                    let distinct: BTreeSet<&&str> = tags.iter().collect();
                    assert_eq!(distinct.len(), tags.len());
                    if batch.form == Form::Replace {
                        assert_eq!(slot.parts.len(), 1, "two replaces");
                        assert_eq!(tags.len(), slot.parts[0].item.tags().len(), "not whole");
                    } else {
                        assert!(tags.len() <= 10);
                    }
                    let has_tags = matches!(batch.form, Form::Add | Form::Remove | Form::Replace);
                    assert_eq!(tags.is_empty(), !has_tags);
                }
                self.under_way.push(UnderWay {
                    batch,
                    sent: None,
                    arrived: false,
                });
                true
            }
            Next::WaitUntil(moment) => {
                assert!(moment > self.now, "it is later than {moment:?}");
                false
            }
            Next::Wait => false,
        }
    }

    /// The request of this operation that waits for its turn has it.
    fn admit(&mut self, producer: usize, operation: Operation) {
        let producer = self.producers[producer];
        let waits = self.under_way.iter().position(|it| {
            let its = (it.batch.producer, it.batch.operation());
            it.sent.is_none() && its == (producer, operation)
        });
        match waits {
            Some(at) => {
                let mut under_way = self.under_way.remove(at);
                self.send(&mut under_way);
                self.under_way.insert(at, under_way);
            }
            None => self.plan.admitted(producer, operation),
        }
    }

    /// A request has its turn, if it had none. Returns what is asked by it; nothing where all of it was recalled.
    fn send(&mut self, it: &mut UnderWay) -> Asked {
        let sent = it.sent.get_or_insert_with(|| {
            let recalled = self.plan.sends(&it.batch);
            let asked = Asked::from_batch(&it.batch, &recalled);
            assert_eq!(recalled.is_all(), asked.slots.is_empty());
            asked
        });
        sent.clone()
    }

    fn carry_out(&mut self, asked: &Asked) {
        for (account, tags) in &asked.slots {
            self.service.apply(asked.form, account, tags);
        }
    }

    fn arrive(&mut self, which: usize) {
        let all = self.under_way.len() + self.late.len();
        if all == 0 {
            return;
        }
        let which = which % all;
        let late = which.checked_sub(self.under_way.len());
        let asked = match late {
            Some(at) => self.late[at].1.clone(),
            None => {
                let mut under_way = self.under_way.remove(which);
                let asked = self.send(&mut under_way);
                // it refuses the whole; and of what was recalled nothing arrives
                let refuses = asked.at_fault().is_some() || asked.slots.is_empty();
                under_way.arrived |= !refuses;
                self.under_way.insert(which, under_way);
                if refuses {
                    return;
                }
                asked
            }
        };
        self.carry_out(&asked);
    }

    fn settle(&mut self, mut under_way: UnderWay, how: u8, chosen: u8, late: bool) {
        // it may end before its turn, and then is not applied
        let is_before_turn = matches!(how, 0 | 7) && under_way.sent.is_none() && chosen % 3 > 0;
        let (mut asked, how) = if is_before_turn {
            if chosen % 3 == 1 {
                let _ = self.plan.sends(&under_way.batch);
            }
            let asked = Asked::from_batch(&under_way.batch, &Recalled::default());
            (asked, how)
        } else {
            match self.send(&mut under_way) {
                asked if asked.slots.is_empty() => (asked, 0),
                asked => (asked, how),
            }
        };
        let mut batch = under_way.batch;
        if chosen % 2 == 0 {
            self.plan.drop_recalled(&mut batch, self.now);
        }
        let at_fault = asked.at_fault();
        let producer = self.producers.iter().position(|it| *it == batch.producer);
        let producer = producer.expect("a producer of the world");
        let chosen: Vec<bool> = (0..8).map(|bit| chosen & (1 << bit) != 0).collect();
        let mut result = match (how, at_fault) {
            (0, _) => BatchResult::Failed(failed("down", Effect::NotApplied)),
            (1, _) => {
                self.apply_some(&asked, &chosen);
                BatchResult::Failed(failed("lost", Effect::PossiblyApplied))
            }
            (6, _) => {
                self.apply_some(&asked, &chosen);
                postponed(Effect::PossiblyApplied)
            }
            (7, _) => postponed(Effect::NotApplied),
            (2, Some(scope)) => {
                let mut left_out = Vec::new();
                for (account, tags) in &asked.slots {
                    match is_at_fault(asked.form, account, tags) {
                        Some(_) => left_out.push(super::left_out(account, scope, None)),
                        None => self.service.apply(asked.form, account, tags),
                    }
                }
                done(left_out)
            }
            (_, Some(scope)) => bad(scope),
            (2..=3, None) => {
                let mut left_out = Vec::new();
                for ((account, tags), chosen) in asked.slots.iter().zip(chosen) {
                    let again_at = Some(self.now + ms(7));
                    if chosen && batch.tries() < 3 {
                        left_out.push(super::left_out(account, Scope::Account, again_at));
                    } else {
                        self.service.apply(asked.form, account, tags);
                    }
                }
                done(left_out)
            }
            (_, None) => {
                self.carry_out(&asked);
                done(vec![])
            }
        };
        if let (Form::Get, BatchResult::Done { left_out, read }) = (asked.form, &mut result) {
            let accounts = asked.slots.iter().map(|(account, _)| account);
            let accounts = accounts.filter(|account| left_out.iter().all(|it| it.0 != **account));
            read.extend(accounts.filter_map(|account| {
                let (account, tags) = (account.clone(), tags_read(account)?);
                Some(AccountTags { account, tags })
            }));
        }
        // what fails as not applied is not carried out late either
        let late = late && how > 0 && how < 7 && !matches!(&result, BatchResult::Ambiguous(_));
        if late {
            if let BatchResult::Done { left_out, .. } = &result {
                let done = |account: &str| left_out.iter().all(|it| it.0 != account);
                asked.slots.retain(|(account, _)| done(account));
            }
            let until = self.now + POLICIES[producer].late_window;
            self.late.push((until, asked));
        }
        self.plan.settle(batch, result, late, self.now);
    }

    fn apply_some(&mut self, asked: &Asked, chosen: &[bool]) {
        for ((account, tags), chosen) in asked.slots.iter().zip(chosen) {
            if *chosen {
                self.service.apply(asked.form, account, tags);
            }
        }
    }

    /// Everything is answered until nothing is left.
    fn finish(&mut self) {
        for producer in self.producers.clone() {
            self.plan.resume(producer);
            self.plan.end_probing(producer);
            self.plan.set_flushing(producer);
        }
        for _ in 0..20_000 {
            for producer in 0..PRODUCERS {
                for operation in Operation::ALL {
                    self.admit(producer, operation);
                }
                while self.next(producer) {
                    let under_way = self.under_way.pop().expect("it was just taken");
                    self.settle(under_way, 4, 0, false);
                    self.check();
                }
            }
            while let Some(under_way) = self.under_way.pop() {
                self.settle(under_way, 4, 0, false);
                self.check();
            }
            if self.plan.changes.len() == 0 && self.late.is_empty() {
                break;
            }
            self.pass(ms(5));
        }
        self.pass(SUSPECT_FOR);
        for producer in 0..PRODUCERS {
            let _ = self.next(producer);
        }
        self.check();
        assert_empty(&self.plan);
        assert_eq!(self.settled.len() + self.withdrawn.len(), self.pushed.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_service_ends_as_the_outcomes_say_whatever_happens_in_whatever_order(
        faults in any::<bool>(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut world = World::new(faults);
        steps.into_iter().for_each(|step| world.step(step));
        world.finish();
        world.compare();
    }
}
