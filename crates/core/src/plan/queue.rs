//! What a producer has to send in one form of request: an operation, of which adding has two, as the flag that replaces tags
//! is the request's. And when what waits is enough for a request.

use std::collections::VecDeque;
use std::time::Duration;

use super::accounts::Group;
use super::arena::ChangeId;
use super::batch::{Batch, Kind, Slot};
use super::lingering::{Enough, Lingering};
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
///
/// While faults are found, the accounts that passed lately are *proven*: they go apart, as most of the requests that hold
/// one of a hundred unknown accounts fail, and theirs do not. They have the first row, and fresh requests are one more of
/// those that share the turns beside them. Of these, the kind that has had no turn for the longest time has the next one.
///
/// ```text
/// 100 fresh users, 1 in 100 unknown      passes at 37 %, else about 9 more requests to find the unknown one
/// 100 proven users                       passes
/// 1, 2, 4 .. 100 fresh users             twice as many after a request that passed, half as many after one that failed:
/// + proven ones up to 100                about half of these pass, which tells the most; who rides and fails goes again
/// ```
///
/// Where a request of one fresh user fails, no proven ones ride with the next: the fresh are most likely at fault.
#[derive(Debug)]
pub(super) struct FormQueue {
    /// Changes of accounts of which nothing is known; also of all others, while no faults are found.
    pub(super) fresh: Lingering,
    /// Changes of accounts that passed lately, while faults are found.
    pub(super) proven: Lingering,
    /// The fresh users that share a request beside requests of proven ones: twice as many once they pass, half as many once
    /// they fail.
    fresh_at_once: usize,
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
    /// Accounts that are remembered as rejected in this form.
    pub(super) remembered: usize,
    turns: Turns,
    lately: Lately,
}

/// Which kinds of requests had their turns, to divide the quota between them.
#[derive(Debug, Default)]
struct Turns {
    /// Requests so far, and the number of the last one of each kind.
    all: u64,
    last: [u64; Kind::COUNT],
    /// Those of the first row since the last of the others, and the others since the last of the first row.
    first_row: usize,
    others: usize,
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

impl Turns {
    /// Requests since the last one of a kind.
    fn since(&self, kind: Kind) -> u64 {
        self.all - self.last[kind as usize]
    }
}

impl FormQueue {
    pub(super) fn new() -> FormQueue {
        FormQueue {
            fresh: Lingering::new(),
            proven: Lingering::new(),
            fresh_at_once: usize::MAX,
            suspects: SlotPacker::new(),
            suspects_at_once: 1,
            searches: VecDeque::new(),
            retry_queue: VecDeque::new(),
            blocked: 0,
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
        let (blocked, most) = (self.blocked, enough.users_per_request);
        let fresh_full = self.fresh.users() >= self.fresh_at_once(most);
        let fresh = fresh_full || self.fresh.is_enough(enough, blocked, now);
        let proven_full = self.proven.users() >= most;
        let proven = proven_full || self.proven.is_enough(enough, blocked, now);
        let (full, first_row) = if proven_full || (proven && !(fresh && self.rides())) {
            (proven_full, Some(Kind::Proven))
        } else {
            (fresh_full, fresh.then_some(Kind::Fresh))
        };

        let turns = &self.turns;
        let share = turns.first_row >= 3;
        let overdue = self.is_overdue(most, now);
        let beside = share || (!full && turns.others < 3);
        let may_search = first_row.is_none() || overdue || beside;
        let may_try_suspects = self.fresh.is_empty() && self.proven.is_empty()
            || (if full && !overdue {
                share
            } else {
                turns.since(Kind::Suspects) >= 3
            })
            || (first_row.is_none() && turns.next_suspects <= now);
        let others = [
            (
                Kind::Suspects,
                may_try_suspects && !self.suspects.is_empty(),
            ),
            (Kind::Search, may_search && !self.searches.is_empty()),
            (
                Kind::Fresh,
                first_row == Some(Kind::Proven) && fresh && beside && !overdue,
            ),
        ];
        let others = others.iter().filter(|(_, may)| *may).map(|(kind, _)| *kind);
        let next = others.min_by_key(|kind| turns.last[*kind as usize]);
        if let Some(kind) = next.or(first_row) {
            return Ok(kind);
        }
        let suspects = (!self.suspects.is_empty()).then_some(turns.next_suspects);
        let until = [&self.fresh, &self.proven].map(|it| it.until(enough.linger));
        let moments = until.into_iter().chain([again, suspects]).flatten();
        Err(moments.min())
    }

    /// How many fresh users share a request.
    fn fresh_at_once(&self, users_per_request: usize) -> usize {
        if self.proven.is_empty() {
            users_per_request
        } else {
            self.fresh_at_once.min(users_per_request)
        }
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
            Kind::Fresh | Kind::Proven | Kind::Suspects => None,
        }
    }

    /// Takes one slot each of the next users: the slots that came back, and the others' changes. And those who ride with
    /// them.
    pub(super) fn take_users(
        &mut self,
        kind: Kind,
        users_per_request: usize,
        now: Duration,
    ) -> [(Vec<Slot>, Vec<ChangeId>); 2] {
        let none = (Vec::new(), Vec::new());
        match kind {
            Kind::Suspects => {
                let taken = self.suspects.take_batch(self.suspects_at_once);
                [(Vec::new(), taken), none]
            }
            Kind::Proven => [self.proven.take(users_per_request, &[], now), none],
            _ => {
                let rides = self.rides();
                let fresh = self
                    .fresh
                    .take(self.fresh_at_once(users_per_request), &[], now);
                let left = users_per_request - fresh.0.len() - fresh.1.len();
                let riders = if rides {
                    self.proven.take(left, &fresh.0, now)
                } else {
                    none
                };
                [fresh, riders]
            }
        }
    }

    /// True if proven users fill up requests of fresh ones: half of these pass.
    fn rides(&self) -> bool {
        self.fresh_at_once > 1
    }

    /// Counts a request that is taken.
    pub(super) fn note_turn(&mut self, kind: Kind, now: Duration) {
        let leaves_proven = !self.proven.is_empty();
        let turns = &mut self.turns;
        turns.all += 1;
        turns.last[kind as usize] = turns.all;
        let is_first_row = match kind {
            Kind::Retry | Kind::Proven => true,
            Kind::Fresh => !leaves_proven,
            Kind::Search | Kind::Suspects => false,
        };
        (turns.first_row, turns.others) = if is_first_row {
            (turns.first_row + 1, 0)
        } else {
            (0, turns.others + 1)
        };
        if kind == Kind::Suspects {
            turns.next_suspects = now + SUSPECTS_PACE;
        }
    }

    /// Notes how so many fresh users fared that shared a request.
    pub(super) fn note_fresh(&mut self, passed: bool, users: usize) {
        self.fresh_at_once = if passed {
            self.fresh_at_once.max(2 * users)
        } else {
            self.fresh_at_once.min((users / 2).max(1))
        };
    }

    /// True if faults were found lately.
    pub(super) fn finds_faults(&self) -> bool {
        self.lately.at_fault > 0
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
            Group::Fresh => self.fresh.insert(id, slots, came),
            Group::Proven => self.proven.insert(id, slots, came),
            Group::Suspects => self.suspects.insert(id, slots),
        }
    }

    /// The changes of a group, where these wait for others to share their request.
    pub(super) fn lingering(&mut self, group: Group) -> Option<&mut Lingering> {
        match group {
            Group::Fresh => Some(&mut self.fresh),
            Group::Proven => Some(&mut self.proven),
            Group::Suspects => None,
        }
    }

    /// Removes a change that is in a packer.
    pub(super) fn remove(&mut self, group: Group, id: ChangeId) {
        match self.lingering(group) {
            Some(lingering) => lingering.remove(id),
            None => self.suspects.remove(id),
        }
    }

    /// Takes all that waits to be sent again.
    pub(super) fn take_again(&mut self) -> Vec<Slot> {
        let batches = self.retry_queue.drain(..).chain(self.searches.drain(..));
        let slots = batches.flat_map(|batch| batch.slots.into_iter().chain(batch.rest));
        let returned = [&mut self.fresh, &mut self.proven].map(|it| it.returned.drain(..));
        slots.chain(returned.into_iter().flatten()).collect()
    }
}
