//! How a change gets from its account's queue into a request.

use std::sync::Arc;
use std::time::Duration;

use super::batch::{Batch, Part, Slot};
use super::{Number, Schedule, Source, Why};
use crate::{Change, Effect, Operation};

pub(super) const KNOWN: &str = "a change is known until it is settled, and its account";

impl<R, E: Clone> Schedule<R, E> {
    /// Puts the next change of an account into its lane, if its turn has come.
    pub(super) fn activate(&mut self, account: &str, now: Duration) {
        while let Some(queue) = self.accounts.get_mut(account) {
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
            let of = self.sources.get_mut(&source).expect(super::OPEN);
            if let Some(bad) = of.bad_for(account, operation) {
                let why = Why::KnownBad(bad.why.clone());
                self.give_up(number, &why);
                continue;
            }
            let safe_from = queue.safe_from(operation);
            if safe_from > now {
                self.settling.insert((safe_from, account.into()));
                self.woken.insert(source); // it is to look again then
                return;
            }
            queue.active = true;
            let is_shared = queue.waiting.len() > 1;
            let lane = of.lane(operation);
            lane.behind -= 1;
            lane.put(number, entry.left, entry.came);
            self.woken.insert(source);
            if is_shared {
                self.note_full_slot(account);
            }
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

    /// Whether the changes at the head of the account's queue fill its next slot.
    pub(super) fn note_full_slot(&mut self, account: &str) {
        let most = self.tags_per_slot();
        let Some(queue) = self.accounts.get(account).filter(|queue| queue.active) else {
            return;
        };
        let first = &self.changes[&queue.waiting[0]];
        let of = self.sources.get_mut(&first.source).expect(super::OPEN);
        let lane = of.lanes.get_mut(first.change.operation() as usize);
        let lane = lane.expect("each operation has a lane");
        if !of.pace.full_slot_is_enough || lane.full_slot {
            return;
        }
        let mut tags: Vec<&str> = Vec::new();
        // changes that bring nothing new are not looked through without end
        for number in queue.waiting.iter().take(2 * most) {
            let entry = &self.changes[number];
            let same = entry.source == first.source
                && entry.change.operation() == first.change.operation();
            if !same {
                return;
            }
            let rest = &entry.change.tags()[entry.rest(most)];
            let new = rest.iter().map(String::as_str);
            new.for_each(|tag| {
                if tags.len() < most && !tags.contains(&tag) {
                    tags.push(tag);
                }
            });
            if tags.len() == most {
                lane.full_slot = true;
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
        let users_per_request = self.users_per_request();
        let dealt = self.of(source).lane(operation).deal(users_per_request, now);
        let mut slots = Vec::with_capacity(dealt.len());
        let mut deadline = Duration::ZERO;
        for number in dealt {
            if self.expires(number, now) {
                continue;
            }
            slots.push(self.slot(number, &mut deadline, now));
        }
        if slots.is_empty() {
            return None;
        }
        let batch = Batch {
            number: self.number(),
            source,
            operation,
            slots,
            tries: 0,
            due: now,
            deadline,
        };
        let of = self.of(source);
        of.under_way += 1;
        of.lane(operation).awaits_its_turn = Some(batch.number);
        Some(batch)
    }

    /// Gives a change up that has been dealt, but is out of time and has not been sent in part.
    fn expires(&mut self, number: Number, now: Duration) -> bool {
        let entry = self.changes.get(&number).expect(KNOWN);
        if entry.deadline > now || !entry.is_untouched(self.tags_per_slot()) {
            return false;
        }
        let (source, change) = (entry.source, Arc::clone(&entry.change));
        if entry.left == 1 {
            // it is in the packer no more
            self.accounts.get_mut(change.account()).expect(KNOWN).active = false;
            self.of(source).lane(change.operation()).behind += 1;
        }
        self.give_up(number, &Why::Expired);
        self.activate(change.account(), now);
        true
    }

    /// The next slot of a change, and the neighbours of the same kind that fit into it.
    fn slot(&mut self, number: Number, deadline: &mut Duration, now: Duration) -> Slot {
        let most = self.tags_per_slot();
        let entry = self.changes.get_mut(&number).expect(KNOWN);
        let (source, change) = (entry.source, Arc::clone(&entry.change));
        let rest = entry.rest(most);
        entry.left -= 1;
        entry.under_way += 1;
        *deadline = entry.deadline.max(*deadline);
        let part = Part {
            number,
            change: Arc::clone(&change),
            tags: rest.start..rest.end.min(rest.start + most),
        };
        let mut shared = Shared::of(part);
        let left = entry.left;
        let queue = self.accounts.get_mut(change.account()).expect(KNOWN);
        queue.under_way += 1;
        if left > 0 {
            let full = rest.len() >= 2 * most;
            let of = self.of(source);
            let at_once = full && of.pace.full_slot_is_enough;
            of.lane(change.operation()).full_slot |= at_once;
            return shared.slot;
        }
        queue.waiting.pop_front();
        queue.active = false;
        self.of(source).unsent -= 1;
        while let Some(next) = self.neighbour(&change, source) {
            let entry = self.changes.get_mut(&next).expect(KNOWN);
            if entry.deadline <= now {
                self.give_up(next, &Why::Expired);
                continue;
            }
            if !shared.takes(&entry.change, most) {
                break;
            }
            entry.left = 0;
            entry.under_way += 1;
            *deadline = entry.deadline.max(*deadline);
            shared.slot.parts.push(Part {
                number: next,
                change: Arc::clone(&entry.change),
                tags: 0..entry.change.tags().len(),
            });
            let queue = self.accounts.get_mut(change.account()).expect(KNOWN);
            queue.waiting.pop_front();
            let of = self.of(source);
            of.unsent -= 1;
            of.lane(change.operation()).behind -= 1;
        }
        shared.slot
    }

    /// The account's next change, if it is of the same kind.
    fn neighbour(&self, change: &Change, source: Source) -> Option<Number> {
        let next = self.accounts.get(change.account())?.waiting.front()?;
        let entry = &self.changes[next];
        let same = entry.source == source && entry.change.operation() == change.operation();
        same.then_some(*next)
    }
}

/// A slot that others may share.
struct Shared {
    slot: Slot,
    /// Its tags, each once, by part and position; none before somebody asks.
    tags: Vec<(usize, usize)>,
}

impl Shared {
    fn of(part: Part) -> Shared {
        Shared {
            slot: Slot {
                parts: vec![part],
                effect: Effect::NotApplied,
            },
            tags: Vec::new(),
        }
    }

    fn holds(&self, tag: &str) -> bool {
        let parts = &self.slot.parts;
        let mut tags = self.tags.iter();
        tags.any(|(part, at)| parts[*part].tags()[*at] == tag)
    }

    /// Whether a whole change fits beside what is there; if so it is to be put in.
    fn takes(&mut self, change: &Change, most: usize) -> bool {
        if self.tags.is_empty() {
            let first = &self.slot.parts[0];
            self.tags = (0..first.tags().len()).map(|at| (0, at)).collect();
        }
        let tags = change.tags().iter().enumerate();
        let new = tags.filter(|(_, tag)| !self.holds(tag));
        let new: Vec<(usize, usize)> = new.map(|(at, _)| (self.slot.parts.len(), at)).collect();
        let fits = self.tags.len() + new.len() <= most;
        if fits {
            self.tags.extend(new);
        }
        fits
    }
}
