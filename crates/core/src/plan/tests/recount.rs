//! All that the plan counts, counted anew from what is there; and what the service may hold in the end.

use std::collections::{BTreeMap, HashMap};

use super::model::{ACCOUNTS, PRODUCERS, World};
use super::*;

/// What may be true of one tag of one account, by all changes in their order.
#[derive(Debug, Clone, Copy, Default)]
struct May {
    held: bool,
    free: bool,
}

/// A get is never possibly applied, and has read its own account's tags; a change has read nothing.
fn check_outcome(settled: &Settled<usize, Failed>) {
    let is_get = settled.item.operation() == Operation::Get;
    match &settled.failure {
        None if is_get => {
            let account = settled.item.account();
            assert_eq!(settled.read.as_deref(), tags_read(account).as_ref());
        }
        failure => {
            assert_eq!(settled.read, None);
            let not_read = failure.as_ref().map(|it| it.effect == Effect::NotRead);
            assert_eq!(not_read.unwrap_or(false), is_get);
        }
    }
}

/// What the service answers to a get of an account: of one that it does not name, nothing.
pub(super) fn tags_read(account: &str) -> Option<Vec<String>> {
    (account != "u8").then(|| vec![format!("tag of {account}")])
}

impl World {
    /// All that can be counted anew.
    pub(super) fn check(&mut self) {
        for producer in 0..PRODUCERS {
            for settled in self.plan.take_settled(self.producers[producer]) {
                assert_eq!(self.pushed[settled.reply].0, producer);
                assert!(!self.withdrawn.contains(&settled.reply));
                check_outcome(&settled);
                let outcome = (settled.failure, settled.undone);
                let before = self.settled.insert(settled.reply, outcome);
                assert!(before.is_none(), "settled twice");
            }
        }
        let plan = &self.plan;
        let queues = |producer: &ProducerId| plan.producers[producer.0].queues.iter();
        let mut blocked: HashMap<(ProducerId, Form), usize> = HashMap::new();
        for (at, producer) in self.producers.iter().enumerate() {
            let changes = || plan.changes.iter().map(|it| it.1);
            let of_producer = || changes().filter(|it| it.producer == *producer);
            let unsettled = of_producer().filter(|it| !it.recalled).count();
            let recalled = of_producer().filter(|it| it.recalled).count();
            assert_eq!(plan.producers[producer.0].recalled, recalled);
            for (held, gets) in plan.producers[producer.0].held.iter().zip([false, true]) {
                let its =
                    || of_producer().filter(|it| (it.item.operation() == Operation::Get) == gets);
                let unsent = || its().filter(|it| it.left > 0);
                let counted = unsent().filter(|it| it.counts).count();
                assert_eq!((held.unsent, held.counted), (unsent().count(), counted));
            }
            assert_eq!(plan.unsettled(*producer), unsettled);
            let over =
                |reply: &usize| self.settled.contains_key(reply) || self.withdrawn.contains(reply);
            let pushed = (0..self.pushed.len()).filter(|reply| self.pushed[*reply].0 == at);
            assert_eq!(pushed.filter(|reply| !over(reply)).count(), unsettled);
            let taken = self.under_way.iter();
            let taken = taken.filter(|it| it.batch.producer == *producer);
            let taken: Vec<Operation> = taken.map(|it| it.batch.operation()).collect();
            let counted = plan.producers[producer.0].under_way.iter();
            for (counted, operation) in counted.zip(Operation::ALL) {
                let taken = taken.iter().filter(|it| **it == operation);
                assert_eq!(counted.batches, taken.count());
            }
        }
        let waiting = self.producers.iter().flat_map(queues);
        let waiting = waiting.flat_map(|queue| queue.retry_queue.iter().chain(&queue.searches));
        let under_way = self.under_way.iter().map(|it| &it.batch);
        let all: Vec<&Batch> = under_way.chain(waiting).collect();
        let mut returned = Vec::new();
        for producer in &self.producers {
            for (queue, form) in queues(producer).zip(Form::ALL) {
                let slots = queue.fresh.returned.iter().chain(&queue.proven.returned);
                returned.extend(slots.map(|slot| (*producer, form, slot)));
            }
        }
        for (id, account_queue) in plan.accounts.iter() {
            let names = match account_queue.reader {
                None => &plan.names,
                Some(producer) => &plan.producers[producer.0].read_names,
            };
            let text = account_queue.text();
            assert_eq!(account_queue.hash, plan.hash(text));
            let found = names.find(account_queue.hash, |it| plan.accounts[*it].text() == text);
            assert_eq!(found, Some(&id));
            let of_reader = plan.accounts.iter();
            let of_reader = of_reader.filter(|it| it.1.reader == account_queue.reader);
            assert_eq!(names.len(), of_reader.count());
            // texts are shared with nothing that is over
            let mut own = plan.changes.iter().map(|it| &it.1.item);
            let shares = own.any(|item| std::ptr::eq(item.account(), text));
            assert!(shares || account_queue.has_text_alone());
            // a producer's gets wait for nothing but each other
            let reads = |producer, form| match account_queue.reader {
                None => form != Form::Get,
                Some(reader) => (producer, form) == (reader, Form::Get),
            };
            let slots = all.iter().flat_map(|batch| {
                let slots = batch.slots.iter().chain(&batch.rest);
                slots.map(|slot| (batch.producer, batch.form, slot))
            });
            let slots = slots.chain(returned.iter().copied());
            let mut slots = slots.filter(|it| it.2.account == id);
            assert_eq!(account_queue.under_way, slots.clone().count());
            // together are only slots of one kind of one producer, and no two replaces
            if let Some((producer, form, _)) = slots.next() {
                assert!(reads(producer, form));
                assert!(slots.all(|it| (it.0, it.1) == (producer, form) && form != Form::Replace));
            }
            // what waits for a late window alone is looked at by its own producer
            let next = account_queue.waiting.first();
            let idle = account_queue.under_way == 0 && account_queue.active.is_none();
            if let Some(next) = next.filter(|_| idle) {
                let producer = plan.changes[next.0].producer;
                let mut late_windows = plan.producers[producer.0].late_windows.iter();
                assert!(late_windows.any(|it| it.1 == id), "nobody looks at it");
            }
            assert!(account_queue.waiting.iter().is_sorted());
            for (at, id) in account_queue.waiting.iter().enumerate() {
                let entry = &plan.changes[id.0];
                assert!(entry.left > 0);
                assert_eq!(entry.item.account(), account_queue.text());
                assert!(reads(entry.producer, entry.item.form()));
                if at > 0 || account_queue.active.is_none() {
                    *blocked
                        .entry((entry.producer, entry.item.form()))
                        .or_default() += 1;
                }
            }
        }
        for producer in &self.producers {
            for form in Form::ALL {
                let queue = &plan.producers[producer.0].queues[form as usize];
                let counted = blocked.get(&(*producer, form)).copied();
                assert_eq!(queue.blocked, counted.unwrap_or(0));
                let active = |group| {
                    let accounts = plan.accounts.iter().map(|it| it.1);
                    let active = accounts.filter(move |it| it.active == Some(group));
                    let active = active.map(|it| &plan.changes[it.waiting.first().unwrap().0]);
                    active.filter(move |it| (it.producer, it.item.form()) == (*producer, form))
                };
                assert_eq!(queue.suspects.users(), active(Group::Suspects).count());
                let unsettled = &plan.producers[producer.0].unsettled;
                for (group, its) in [(Group::Fresh, &queue.fresh), (Group::Proven, &queue.proven)] {
                    let returned = its.returned.len();
                    assert_eq!(its.users() - returned, active(group).count());
                    assert!(!its.flushed || its.users() > returned);
                    let mut epochs = active(group).filter_map(|it| it.epoch);
                    let of_a_flush = epochs.any(|epoch| unsettled.has_flushed(epoch));
                    assert!(its.flushed || !of_a_flush);
                }
                let rejected = plan.accounts.iter().flat_map(|it| &it.1.rejected);
                let rejected = rejected.filter(|it| (it.producer, it.form) == (*producer, form));
                assert_eq!(queue.remembered, rejected.count());
            }
            let again = queues(producer).map(|queue| {
                let batches = queue.retry_queue.iter().chain(&queue.searches);
                let returned = queue.fresh.returned.len() + queue.proven.returned.len();
                batches.map(Batch::len).sum::<usize>() + returned
            });
            let held = plan.producers[producer.0].held.iter();
            let held: usize = held.map(|held| held.again).sum();
            assert_eq!(held, again.sum::<usize>());
        }
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

    /// The service holds what the changes in their order, and what is said of them, allow.
    pub(super) fn compare(&self) {
        let mut may: BTreeMap<(&str, &str), May> = BTreeMap::new();
        let all_tags = super::tags(0, 40);
        let accounts: Vec<String> = (0..ACCOUNTS).map(|it| format!("u{it}")).collect();
        for account in &accounts {
            for tag in &all_tags {
                let free = May {
                    held: false,
                    free: true,
                };
                may.insert((account.as_str(), tag), free);
            }
        }
        for (reply, (_, item, _)) in self.pushed.iter().enumerate() {
            let Some((failed, undone)) = self.settled.get(&reply) else {
                continue;
            };
            // these are of all tags of a user, and done or undone whole
            let of_all = matches!(item.form(), Form::Clear | Form::Replace);
            let tags: Vec<&str> = if of_all {
                let none_or_all = [0, item.tags().len()][usize::from(failed.is_some())];
                assert_eq!(undone.len(), none_or_all);
                all_tags.iter().map(String::as_str).collect()
            } else {
                item.tags().collect()
            };
            for (at, tag) in tags.into_iter().enumerate() {
                let failed = failed.as_ref().filter(|_| of_all || undone.contains(&at));
                let may = may.entry((item.account(), tag)).or_default();
                let (done, not) = match failed.map(|it| it.effect) {
                    None | Some(Effect::Applied) => (true, false),
                    Some(Effect::PossiblyApplied) => (true, true),
                    Some(Effect::NotApplied | Effect::NotRead) => (false, true),
                };
                let add = match item.form() {
                    Form::Replace => item.tags().any(|it| it == tag),
                    form => form == Form::Add,
                };
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
