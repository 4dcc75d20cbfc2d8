//! All that the plan counts, counted anew from what is there; and what the service may hold in the end.

use std::collections::{BTreeMap, HashMap};

use super::model::{PRODUCERS, World};
use super::*;

/// What may be true of one tag of one account, by all changes in their order.
#[derive(Debug, Clone, Copy, Default)]
struct May {
    held: bool,
    free: bool,
}

impl World {
    /// All that can be counted anew.
    pub(super) fn check(&mut self) {
        for producer in 0..PRODUCERS {
            for settled in self.plan.take_settled(self.producers[producer]) {
                assert_eq!(self.pushed[settled.reply].0, producer);
                assert!(!self.withdrawn.contains(&settled.reply));
                let before = self.settled.insert(settled.reply, settled.failure);
                assert!(before.is_none(), "settled twice");
            }
        }
        let plan = &self.plan;
        let mut blocked: HashMap<(ProducerId, ChangeOperation), usize> = HashMap::new();
        for (at, producer) in self.producers.iter().enumerate() {
            let of_producer = || plan.changes.values().filter(|it| it.producer == *producer);
            let unsent = of_producer().filter(|it| it.left > 0).count();
            let unsettled = of_producer().count();
            assert_eq!(plan.unsent(*producer), unsent);
            assert_eq!(plan.unsettled(*producer), unsettled);
            let over =
                |reply: &usize| self.settled.contains_key(reply) || self.withdrawn.contains(reply);
            let pushed = (0..self.pushed.len()).filter(|reply| self.pushed[*reply].0 == at);
            assert_eq!(pushed.filter(|reply| !over(reply)).count(), unsettled);
            let taken = self
                .under_way
                .iter()
                .filter(|it| it.0.producer == *producer);
            assert_eq!(plan.producers[producer].under_way, taken.count());
        }
        let waiting = self.producers.iter().flat_map(|producer| {
            let queues = plan.producers[producer].queues.iter();
            queues.flat_map(|queue| &queue.retry_queue)
        });
        let all: Vec<&Batch> = self
            .under_way
            .iter()
            .map(|it| &it.0)
            .chain(waiting)
            .collect();
        for (name, account_queue) in &plan.accounts {
            let mut slots = all.iter().flat_map(|batch| {
                let slots = batch.slots.iter().filter(|it| it.account() == &**name);
                slots.map(|slot| (batch.producer, batch.operation, slot))
            });
            assert_eq!(account_queue.under_way, slots.clone().count());
            // together are only slots of one kind of one producer
            if let Some((producer, operation, _)) = slots.next() {
                assert!(slots.all(|it| (it.0, it.1) == (producer, operation)));
            }
            assert!(account_queue.waiting.iter().is_sorted());
            for (at, id) in account_queue.waiting.iter().enumerate() {
                let entry = &plan.changes[id];
                assert!(entry.left > 0 && entry.change.account() == &**name);
                if at > 0 || !account_queue.active {
                    *blocked
                        .entry((entry.producer, entry.change.operation()))
                        .or_default() += 1;
                }
            }
        }
        for producer in &self.producers {
            for operation in ChangeOperation::ALL {
                let queue = &plan.producers[producer].queues[operation as usize];
                let counted = blocked.get(&(*producer, operation)).copied();
                assert_eq!(queue.blocked, counted.unwrap_or(0));
                let active = plan.accounts.values().filter(|it| it.active);
                let active = active.map(|it| &plan.changes[&it.waiting[0]]);
                let active = active
                    .filter(|it| it.producer == *producer && it.change.operation() == operation);
                assert_eq!(queue.packer.users(), active.count());
            }
        }
        self.check_splits();
        self.check_flushes();
    }

    /// A flush waits for what was pushed before it, and for nothing else.
    fn check_flushes(&self) {
        for (producer, flush, pushed) in &self.flushes {
            let before = self.pushed[..*pushed].iter().enumerate();
            let before = before.filter(|(_, pushed)| pushed.0 == *producer);
            let left = before.filter(|(reply, _)| {
                !self.settled.contains_key(reply) && !self.withdrawn.contains(reply)
            });
            let (left, producer) = (left.count(), self.producers[*producer]);
            assert_eq!(self.plan.unsettled_before(producer, *flush), left);
            assert_eq!(self.plan.is_flushed(producer, *flush), left == 0);
        }
    }

    fn check_splits(&mut self) {
        for (producer, known) in self.producers.iter().zip(&mut self.splits) {
            let splits = self.plan.splits(*producer);
            assert!(splits >= *known);
            *known = splits;
        }
    }

    /// The service holds what the changes in their order, and what is said of them, allow.
    pub(super) fn compare(&self) {
        let mut may: BTreeMap<(&str, &str), May> = BTreeMap::new();
        let all_tags = super::tags(0, 40);
        for account in ["u0", "u1", "u2", "u3"] {
            for tag in &all_tags {
                let free = May {
                    held: false,
                    free: true,
                };
                may.insert((account, tag), free);
            }
        }
        for (reply, (_, change, _)) in self.pushed.iter().enumerate() {
            let Some(failed) = self.settled.get(&reply) else {
                continue;
            };
            let tags: &[String] = match change.operation() {
                ChangeOperation::Clear => &all_tags,
                _ => change.tags(),
            };
            for (at, tag) in tags.iter().enumerate() {
                let clear = change.operation() == ChangeOperation::Clear;
                let undone = failed
                    .as_ref()
                    .filter(|it| clear || it.undone.contains(&at));
                let may = may.entry((change.account(), tag)).or_default();
                let (done, not) = match undone.map(|it| it.effect) {
                    None | Some(Effect::Applied) => (true, false),
                    Some(Effect::PossiblyApplied) => (true, true),
                    Some(Effect::NotApplied | Effect::NotRead) => (false, true),
                };
                let add = change.operation() == ChangeOperation::Add;
                let before = *may;
                may.held = (done && add) || (not && before.held);
                may.free = (done && !add) || (not && before.free);
            }
        }
        for ((account, tag), may) in may {
            let held = self.service.tags.get(account);
            let held = held.is_some_and(|tags| tags.contains(tag));
            let allowed = if held { may.held } else { may.free };
            assert!(allowed, "{account} {tag} {held}: {:#?}", self.pushed);
        }
    }
}
