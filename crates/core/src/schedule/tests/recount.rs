//! All that the schedule counts, counted anew from what is there; and what the service may hold in the end.

use std::collections::{BTreeMap, HashMap};

use super::model::{SOURCES, World};
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
        for source in 0..SOURCES {
            for settled in self.schedule.take_settled(self.sources[source]) {
                assert_eq!(self.pushed[settled.reply].0, source);
                assert!(!self.withdrawn.contains(&settled.reply));
                let before = self.settled.insert(settled.reply, settled.failed);
                assert!(before.is_none(), "settled twice");
            }
        }
        let schedule = &self.schedule;
        let mut behind: HashMap<(Source, Operation), usize> = HashMap::new();
        for (at, source) in self.sources.iter().enumerate() {
            let of_source = || schedule.changes.values().filter(|it| it.source == *source);
            let unsent = of_source().filter(|it| it.left > 0).count();
            let unsettled = of_source().count();
            assert_eq!(schedule.unsent(*source), unsent);
            assert_eq!(schedule.unsettled(*source), unsettled);
            let over =
                |reply: &usize| self.settled.contains_key(reply) || self.withdrawn.contains(reply);
            let pushed = (0..self.pushed.len()).filter(|reply| self.pushed[*reply].0 == at);
            assert_eq!(pushed.filter(|reply| !over(reply)).count(), unsettled);
            let taken = self.under_way.iter().filter(|it| it.0.source == *source);
            assert_eq!(schedule.sources[source].under_way, taken.count());
        }
        let waiting = self.sources.iter().flat_map(|source| {
            let lanes = schedule.sources[source].lanes.iter();
            lanes.flat_map(|lane| &lane.again)
        });
        let all: Vec<&Batch> = self
            .under_way
            .iter()
            .map(|it| &it.0)
            .chain(waiting)
            .collect();
        for (name, queue) in &schedule.accounts {
            let mut slots = all.iter().flat_map(|batch| {
                let slots = batch.slots().iter().filter(|it| it.account() == &**name);
                slots.map(|slot| (batch.source, batch.operation, slot))
            });
            assert_eq!(queue.under_way, slots.clone().count());
            // together are only slots of one kind of one source
            if let Some((source, operation, _)) = slots.next() {
                assert!(slots.all(|it| (it.0, it.1) == (source, operation)));
            }
            assert!(queue.waiting.iter().is_sorted());
            for (at, number) in queue.waiting.iter().enumerate() {
                let entry = &schedule.changes[number];
                assert!(entry.left > 0 && entry.change.account() == &**name);
                if at > 0 || !queue.active {
                    *behind
                        .entry((entry.source, entry.change.operation()))
                        .or_default() += 1;
                }
            }
        }
        for source in &self.sources {
            for operation in Operation::ALL {
                let lane = &schedule.sources[source].lanes[operation as usize];
                let counted = behind.get(&(*source, operation)).copied();
                assert_eq!(lane.behind, counted.unwrap_or(0));
                let active = schedule.accounts.values().filter(|it| it.active);
                let active = active.map(|it| &schedule.changes[&it.waiting[0]]);
                let active =
                    active.filter(|it| it.source == *source && it.change.operation() == operation);
                assert_eq!(lane.packer.users(), active.count());
            }
        }
        self.check_splits();
        self.check_flushes();
    }

    /// A flush waits for what was pushed before it, and for nothing else.
    fn check_flushes(&self) {
        for (source, flush, pushed) in &self.flushes {
            let before = self.pushed[..*pushed].iter().enumerate();
            let before = before.filter(|(_, pushed)| pushed.0 == *source);
            let left = before.filter(|(reply, _)| {
                !self.settled.contains_key(reply) && !self.withdrawn.contains(reply)
            });
            let (left, source) = (left.count(), self.sources[*source]);
            assert_eq!(self.schedule.unsettled_before(source, *flush), left);
            assert_eq!(self.schedule.is_flushed(source, *flush), left == 0);
        }
    }

    fn check_splits(&mut self) {
        for (source, known) in self.sources.iter().zip(&mut self.splits) {
            let splits = self.schedule.splits(*source);
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
                Operation::Clear => &all_tags,
                _ => change.tags(),
            };
            for (at, tag) in tags.iter().enumerate() {
                let clear = change.operation() == Operation::Clear;
                let undone = failed
                    .as_ref()
                    .filter(|it| clear || it.undone.contains(&at));
                let may = may.entry((change.account(), tag)).or_default();
                let (done, not) = match undone.map(|it| it.effect) {
                    None | Some(Effect::Applied) => (true, false),
                    Some(Effect::PossiblyApplied) => (true, true),
                    Some(Effect::NotApplied | Effect::NotRead) => (false, true),
                };
                let add = change.operation() == Operation::Add;
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
