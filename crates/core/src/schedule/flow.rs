//! How a change gets from its account's queue into a request, and from there to its outcome.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::batch::{Batch, Part, Slot};
use super::{Bad, Concerns, Failed, Fault, LeftOut, Number, Schedule, Settled, Source, Why};
use crate::{Effect, Operation};

const KNOWN: &str = "a change is known until it is settled";

impl<R, E: Clone> Schedule<R, E> {
    /// Puts the next change of an account into its lane, if its turn has come.
    pub(super) fn activate(&mut self, account: &str, now: Duration) {
        loop {
            let Some(queue) = self.accounts.get_mut(account) else {
                return;
            };
            if queue.under_way > 0 || queue.active {
                return;
            }
            let Some(number) = queue.waiting.front().copied() else {
                match queue.remembered_until() {
                    until if until > now => drop(self.settling.insert((until, account.into()))),
                    _ => drop(self.accounts.remove(account)),
                }
                return;
            };
            let entry = self.changes.get(&number).expect(KNOWN);
            let (source, operation) = (entry.source, entry.change.operation());
            if let Some(bad) = self
                .sources
                .get(&source)
                .and_then(|of| of.bad_for(account, operation))
            {
                let why = Why::KnownBad(bad.why.clone());
                self.give_up(number, why);
                continue;
            }
            let safe_from = queue.safe_from(operation);
            if safe_from > now {
                self.settling.insert((safe_from, account.into()));
                return;
            }
            queue.active = true;
            let (left, came) = (entry.left, entry.came);
            let lane = &mut self.of(source).lanes[operation as usize];
            lane.behind -= 1;
            lane.put(number, left, came);
            self.woken.insert(source);
            return;
        }
    }

    /// Looks at the accounts whose settling time is over.
    pub(super) fn release(&mut self, now: Duration) {
        while let Some((moment, _)) = self.settling.first() {
            if *moment > now {
                return;
            }
            if let Some((_, account)) = self.settling.pop_first() {
                self.activate(&account, now);
            }
        }
    }

    /// Whether the changes that wait at the head of the account's queue fill a slot.
    pub(super) fn note_full_slot(&mut self, source: Source, account: &str) {
        let most = self.rules.limits.tags_per_user_and_request;
        let of = self.sources.get_mut(&source).expect(super::OPEN);
        let Some(queue) = self.accounts.get(account) else {
            return;
        };
        if !of.pace.full_slot_is_enough || !queue.active {
            return;
        }
        let mut tags = 0;
        let mut kind = None;
        for number in &queue.waiting {
            let entry = &self.changes[number];
            let operation = entry.change.operation();
            if entry.source != source || *kind.get_or_insert(operation) != operation {
                return;
            }
            tags += entry.change.tags().len();
            if tags >= most {
                of.lanes[operation as usize].full_slot = true;
                return;
            }
        }
    }

    /// Makes a request of a lane's next users; `None` where all of them turn out to be out of time.
    pub(super) fn deal(
        &mut self,
        source: Source,
        operation: Operation,
        now: Duration,
    ) -> Option<Batch> {
        let users_per_request = self.rules.limits.users_per_request.max(1);
        let dealt = self.of(source).lanes[operation as usize].deal(users_per_request, now);
        let mut batch = Batch {
            source,
            operation,
            slots: Vec::with_capacity(dealt.len()),
            tries: 0,
            effect: Effect::NotApplied,
            due: now,
            deadline: Duration::ZERO,
        };
        for number in dealt {
            let entry = self.changes.get(&number).expect(KNOWN);
            let untouched = entry.left == entry.change.slots(&self.rules);
            if untouched && entry.deadline <= now {
                let account = Arc::clone(&entry.change);
                self.give_up(number, Why::Expired);
                self.activate(account.account(), now);
                continue;
            }
            let slot = self.slot(number, &mut batch.deadline);
            batch.slots.push(slot);
        }
        if batch.slots.is_empty() {
            return None;
        }
        let of = self.of(source);
        of.under_way += 1;
        of.lanes[operation as usize].awaits_its_turn = true;
        Some(batch)
    }

    /// The next slot of a change, and the neighbours of the same kind that fit into it.
    fn slot(&mut self, number: Number, deadline: &mut Duration) -> Slot {
        let most = self.rules.limits.tags_per_user_and_request.max(1);
        let entry = self.changes.get_mut(&number).expect(KNOWN);
        let (source, operation) = (entry.source, entry.change.operation());
        let start = (entry.change.slots(&self.rules) - entry.left) * most;
        let end = entry.change.tags().len().min(start + most);
        entry.left -= 1;
        entry.under_way += 1;
        *deadline = entry.deadline.max(*deadline);
        let mut parts = vec![Part {
            number,
            change: Arc::clone(&entry.change),
            tags: start..end,
        }];
        let all_dealt = entry.left == 0;
        let of = self.sources.get_mut(&source).expect(super::OPEN);
        let queue = self
            .accounts
            .get_mut(parts[0].change.account())
            .expect(KNOWN);
        queue.under_way += 1;
        if !all_dealt {
            return Slot { parts };
        }
        queue.waiting.pop_front();
        queue.active = false;
        of.unsent -= 1;
        while let Some(next) = queue.waiting.front() {
            let entry = self.changes.get_mut(next).expect(KNOWN);
            let same = entry.source == source && entry.change.operation() == operation;
            if !same || !fits(&parts, entry.change.tags(), most) {
                break;
            }
            entry.left = 0;
            entry.under_way += 1;
            *deadline = entry.deadline.max(*deadline);
            parts.push(Part {
                number: *next,
                change: Arc::clone(&entry.change),
                tags: 0..entry.change.tags().len(),
            });
            queue.waiting.pop_front();
            of.unsent -= 1;
            of.lanes[operation as usize].behind -= 1;
        }
        Slot { parts }
    }

    pub(super) fn done(&mut self, batch: Batch, left_out: Vec<LeftOut<E>>, now: Duration) {
        let mut left_out: HashMap<String, LeftOut<E>> = left_out
            .into_iter()
            .map(|it| (it.account.clone(), it))
            .collect();
        let mut again: Vec<(Duration, Effect, Slot)> = Vec::new();
        let template = batch.of(Vec::new());
        for slot in batch.slots {
            let named = match left_out.is_empty() {
                true => None,
                false => left_out.remove(slot.account()),
            };
            match named {
                Some(LeftOut {
                    again_at: Some(at),
                    fault,
                    ..
                }) if !self.of(batch.source).ended => {
                    again.push((at, fault.effect, slot));
                }
                Some(named) => self.blame(&slot, named.fault, &template, now),
                None => {
                    let of = self.of(batch.source);
                    of.has_changed(slot.account(), batch.operation);
                    self.close_slot(&slot, now);
                }
            }
        }
        let Some(due) = again.iter().map(|(at, ..)| *at).max() else {
            return;
        };
        let effect = again.iter().map(|(_, effect, _)| *effect).max();
        let again = Batch {
            tries: batch.tries + 1,
            effect: template.effect.max(effect.unwrap_or(Effect::NotApplied)),
            due,
            ..template.of(again.into_iter().map(|(.., slot)| slot).collect())
        };
        self.again(again);
    }

    /// Splits a request, or finds the one at fault.
    pub(super) fn fault(&mut self, mut batch: Batch, fault: Fault<E>, now: Duration) {
        let ended = self.of(batch.source).ended;
        if batch.stands_alone() || ended {
            let template = batch.of(Vec::new());
            for slot in batch.slots {
                match ended {
                    false => self.blame(&slot, fault.clone(), &template, now),
                    true => {
                        let why = Why::Request(fault.why.clone());
                        self.fail(&slot, &why, fault.effect.max(template.effect));
                        self.close_slot(&slot, now);
                    }
                }
            }
            return;
        }
        batch.effect = batch.effect.max(fault.effect);
        self.of(batch.source).splits += 1;
        let halves = batch.halves();
        if halves[0].slots[0].account() == halves[1].slots[0].account() {
            let queue = self.accounts.get_mut(halves[0].slots[0].account());
            queue.expect(KNOWN).under_way += 1;
        }
        halves.into_iter().for_each(|half| self.again(half));
    }

    fn again(&mut self, batch: Batch) {
        let of = self.of(batch.source);
        of.under_way += 1;
        of.lanes[batch.operation as usize].again.push_back(batch);
    }

    /// Settles a slot whose account is at fault.
    fn blame(&mut self, slot: &Slot, fault: Fault<E>, batch: &Batch, now: Duration) {
        let why = Why::Request(fault.why.clone());
        self.fail(slot, &why, fault.effect.max(batch.effect));
        let of = self.of(batch.source);
        if of.pace.remembers && fault.concerns != Concerns::Tags {
            let bad = Bad {
                operation: batch.operation,
                fault,
            };
            of.bad.insert(slot.account().into(), bad);
            for part in &slot.parts {
                self.give_up(part.number, why.clone());
            }
        }
        self.close_slot(slot, now);
    }

    /// Notes what went wrong with the tags of a slot.
    pub(super) fn fail(&mut self, slot: &Slot, why: &Why<E>, effect: Effect) {
        for part in &slot.parts {
            let entry = self.changes.get_mut(&part.number).expect(KNOWN);
            entry.note(why, effect, part.tags.clone());
        }
    }

    /// Sends no more of a change: what is left of it has failed.
    pub(super) fn give_up(&mut self, number: Number, why: Why<E>) {
        let Some(entry) = self.changes.get(&number) else {
            return;
        };
        if entry.left == 0 {
            return;
        }
        let most = self.rules.limits.tags_per_user_and_request.max(1);
        let start = (entry.change.slots(&self.rules) - entry.left) * most;
        let rest = start..entry.change.tags().len();
        self.drop_unsent(number);
        let entry = self.changes.get_mut(&number).expect(KNOWN);
        entry.note(&why, Effect::NotApplied, rest);
        self.settle_if_over(number);
    }

    /// Takes what has not been sent of a change out of queue and deck.
    pub(super) fn drop_unsent(&mut self, number: Number) {
        let entry = self.changes.get_mut(&number).expect(KNOWN);
        entry.left = 0;
        let of = self.sources.get_mut(&entry.source).expect(super::OPEN);
        let lane = &mut of.lanes[entry.change.operation() as usize];
        of.unsent -= 1;
        let queue = self.accounts.get_mut(entry.change.account()).expect(KNOWN);
        let is_front = queue.waiting.front() == Some(&number);
        queue.waiting.retain(|other| *other != number);
        if is_front && queue.active {
            queue.active = false;
            lane.remove(number);
        } else {
            lane.behind -= 1;
        }
    }

    pub(super) fn close_slot(&mut self, slot: &Slot, now: Duration) {
        for part in &slot.parts {
            self.changes.get_mut(&part.number).expect(KNOWN).under_way -= 1;
            self.settle_if_over(part.number);
        }
        let queue = self.accounts.get_mut(slot.account()).expect(KNOWN);
        queue.under_way -= 1;
        self.activate(slot.account(), now);
    }

    fn settle_if_over(&mut self, number: Number) {
        let entry = &self.changes[&number];
        if entry.left > 0 || entry.under_way > 0 {
            return;
        }
        let entry = self.changes.remove(&number).expect(KNOWN);
        let of = self.sources.get_mut(&entry.source).expect(super::OPEN);
        of.unsettled -= 1;
        of.settled.push_back(Settled {
            reply: entry.reply,
            change: entry.change,
            failed: entry.failed,
        });
        self.woken.insert(entry.source);
    }
}

impl<R, E> super::Entry<R, E>
where
    E: Clone,
{
    fn note(&mut self, why: &Why<E>, effect: Effect, tags: std::ops::Range<usize>) {
        let failed = self.failed.get_or_insert_with(|| Failed {
            why: why.clone(),
            effect,
            undone: Vec::new(),
        });
        failed.effect = failed.effect.max(effect);
        failed.undone.extend(tags);
    }
}

impl<R, E> super::OfSource<R, E> {
    /// What an account did wrong before that this operation would do again.
    fn bad_for(&self, account: &str, operation: Operation) -> Option<&Fault<E>> {
        let bad = self.bad.get(account)?;
        let again = bad.fault.concerns == Concerns::Account || bad.operation == operation;
        again.then_some(&bad.fault)
    }

    /// An account was changed: what it could not take before by other operations it may take now.
    fn has_changed(&mut self, account: &str, operation: Operation) {
        if self
            .bad
            .get(account)
            .is_some_and(|bad| bad.operation != operation)
        {
            self.bad.remove(account);
        }
    }
}

/// Whether a whole change fits into a slot beside what is there.
fn fits(parts: &[Part], tags: &[String], most: usize) -> bool {
    let held = |tag: &str| parts.iter().any(|part| part.tags().any(|it| it == tag));
    let new = tags.iter().filter(|tag| !held(tag)).count();
    let mut distinct: Vec<&str> = parts.iter().flat_map(Part::tags).collect();
    distinct.sort_unstable();
    distinct.dedup();
    distinct.len() + new <= most
}
