//! What a producer has to send in one form of request: an operation, of which adding has two, as the flag that replaces tags
//! is the request's. And when what waits is enough for a request.

use std::collections::VecDeque;
use std::time::Duration;

use super::accounts::Group;
use super::arena::ChangeId;
use super::batch::{Batch, Kind, Slot};
use super::packer::SlotPacker;

/// The changes of one producer that go in one form of request: what it sends, and in which turns.
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
pub(super) struct FormQueue {
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
    /// Changes that wait for an earlier one of their account.
    pub(super) blocked: usize,
    /// Since when it has held its oldest fresh user. After a full request the linger time of the users left begins anew,
    /// as others are coming in fast.
    pub(super) since: Option<Duration>,
    /// True if a fresh user has as many tags as a slot takes, so that a wait would add none.
    pub(super) full_slot: bool,
    /// True if a fresh user came before a flush: then none of the fresh waits for the linger time.
    pub(super) flushed: bool,
    /// Accounts that are remembered as rejected in this form.
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
    /// What is blocked is not waited for, as nothing under way would unblock it.
    pub(super) quiet: bool,
}

impl FormQueue {
    pub(super) fn new() -> FormQueue {
        FormQueue {
            fresh: SlotPacker::new(),
            returned: VecDeque::new(),
            suspects: SlotPacker::new(),
            suspects_at_once: 1,
            searches: VecDeque::new(),
            retry_queue: VecDeque::new(),
            blocked: 0,
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
