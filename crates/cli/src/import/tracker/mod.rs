//! The tracker: the state of each user. A user is settled when all changes are done, or when those that failed are in the
//! failed list with their reasons. Both go to the journal.
//!
//! ```text
//! dispatched ──► in flight ──► done ───────────────────────► journal
//!                   │
//!                   ├──► the user's own fault ──► listed ──► journal
//!                   └──► of the service, the network or the end of the run ──► deferred
//! ```
//!
//! Deferred users are listed when the import has run to its end. If it ended early, the same command tries them again.
//!
//! When an import is resumed, a run before it may have applied changes of users who are not settled: of those that it
//! left in doubt, or of any user if it was killed. A change of theirs that fails is *possibly applied* then, unless it was
//! never sent.
//!
//! A user can have a clear and tags to add. If the clear fails, all the tags are listed after it, also those that were
//! added, so that importing the list has the result of the file.

mod pending_change;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use imtag_transport::{ChangeError, ChangeRequest, Effect};

use super::disk::DiskError;
use super::group::User;
use super::input::change::Op;
use super::journal::{InDoubt, Journal, Kind, Opened, Settled};
use crate::output::Reason;
use pending_change::{PendingChange, op_of, was_not_sent};

/// The most users that are deferred; others are listed at once. An outage fails fewer: 512 requests of 100 users each.
const DEFERRED_AT_MOST: usize = 100_000;

pub(crate) struct Tracker {
    pub(crate) journal: Journal,
    pub(crate) settled: Settled,
    /// Users with changes under way, or not yet all dispatched.
    in_flight: HashMap<u64, InFlightUser>,
    deferred: BTreeMap<u64, Deferred>,
    /// Users who are done and not yet in the journal, to be written together.
    done: Vec<u64>,
    /// The unsettled users for which runs before this one may have done something.
    earlier: InDoubt,
}

/// The state that is left when an import ends, for the report and the next run.
pub(crate) struct Leftover {
    pub(crate) settled: Settled,
    deferred: BTreeMap<u64, Deferred>,
    /// The unsettled users for which runs before this one may have done something.
    earlier: InDoubt,
    /// Lines of failed users that could not be written to the list, as the disk took no more.
    pub(crate) unwritten_failures: Vec<u8>,
}

impl Leftover {
    /// Users who are not settled, and failed all the same: their failures are held back for the next run.
    pub(crate) fn held_back(&self) -> impl Iterator<Item = u64> + use<'_> {
        let failed = self.deferred.iter().filter(|(_, it)| it.has_failed());
        failed.map(|(position, _)| *position)
    }

    pub(crate) fn is_held_back(&self, position: u64) -> bool {
        let user = self.deferred.get(&position);
        user.is_some_and(Deferred::has_failed)
    }

    /// True if the run ended before a user had any outcome.
    pub(crate) fn is_not_sent(&self, position: u64) -> bool {
        !self.settled.is_settled(position) && !self.is_held_back(position)
    }

    /// What earlier runs may have done for a user who is not settled.
    pub(crate) fn earlier(&self, position: u64) -> Effect {
        self.earlier.effect(position)
    }

    /// The users, not settled when this run began, for which earlier runs may have done something.
    pub(crate) fn earlier_runs(&self) -> &InDoubt {
        &self.earlier
    }

    /// The unsettled users for which this run or one before it may have done something.
    pub(crate) fn in_doubt(&self) -> InDoubt {
        let InDoubt::Users(earlier) = &self.earlier else {
            return InDoubt::Everybody;
        };
        let earlier = earlier.iter().copied();
        let earlier = earlier.filter(|it| !self.settled.is_settled(*it));
        let touched = self.deferred.iter().filter(|(_, it)| it.is_touched);
        InDoubt::from_users(earlier.chain(touched.map(|(position, _)| *position)))
    }

    /// True if some deferred failure is more than a refusal of the app or its settings, which leaves the users as they
    /// were.
    pub(crate) fn has_more_than_refusals(&self) -> bool {
        let pending = self.deferred.values().flat_map(|it| &it.pending);
        let mut failed = pending.filter(|it| it.reason.is_some());
        failed.any(|it| !it.is_refusal)
    }

    /// What is known of a user who is not settled; `None` if no change was dispatched.
    pub(crate) fn deferred(&self, position: u64) -> Option<&Deferred> {
        self.deferred.get(&position)
    }
}

/// What is known of a user who is not settled.
#[derive(Default)]
pub(crate) struct Deferred {
    done: Ops,
    pub(crate) pending: Vec<PendingChange>,
    /// True if a change is applied, or may be.
    is_touched: bool,
}

impl Deferred {
    /// True if the import ended before this operation was dispatched.
    pub(crate) fn is_not_dispatched(&self, op: Op) -> bool {
        !self.done.has(op) && self.pending.iter().all(|it| it.op != op)
    }

    fn has_failed(&self) -> bool {
        self.pending.iter().any(|it| it.reason.is_some())
    }
}

/// A set of operations.
#[derive(Debug, Default, Clone, Copy)]
struct Ops(u8);

impl Ops {
    fn add(&mut self, op: Op) {
        self.0 |= 1 << op as u8;
    }

    fn has(self, op: Op) -> bool {
        self.0 & 1 << op as u8 != 0
    }
}

#[derive(Default)]
struct InFlightUser {
    /// Changes that were dispatched and have no outcome yet.
    unsettled: u8,
    /// True once all changes of the user have been dispatched.
    all_dispatched: bool,
    /// True if a change was not sent, as the run ended.
    not_sent: bool,
    known: Deferred,
    /// The change that adds tags, applied or not.
    added: Option<Arc<ChangeRequest>>,
}

impl InFlightUser {
    fn is_over(&self) -> bool {
        self.all_dispatched && self.unsettled == 0
    }

    fn take(
        &mut self,
        change: Arc<ChangeRequest>,
        result: Result<(), ChangeError>,
        earlier: Effect,
    ) {
        self.unsettled -= 1;
        let op = op_of(change.operation().into());
        match result {
            Ok(()) => {
                self.known.done.add(op);
                self.known.is_touched = true;
            }
            Err(error) => {
                let in_part = error.undone().len() < change.tags().len();
                self.known.is_touched |= in_part || error.effect() != Effect::NotApplied;
                self.not_sent |= was_not_sent(&error);
                let pending = PendingChange::from_error(&error, earlier);
                self.known.pending.push(pending);
            }
        }
        if op == Op::Add {
            self.added = Some(change);
        }
    }

    /// What is known once no change is under way.
    fn close(mut self) -> Deferred {
        let pending = &mut self.known.pending;
        if let Some(added) = &self.added {
            if pending.iter().any(|it| it.op == Op::Clear) {
                pending.extend(PendingChange::add_again(added, pending));
            }
        }
        self.known
    }
}

impl Tracker {
    pub(crate) fn new(opened: Opened) -> Tracker {
        Tracker {
            earlier: opened.in_doubt,
            journal: opened.journal,
            settled: opened.settled,
            in_flight: HashMap::new(),
            deferred: BTreeMap::new(),
            done: Vec::new(),
        }
    }

    /// Records that a change of a user was dispatched.
    pub(crate) fn dispatched(&mut self, position: u64) {
        self.in_flight.entry(position).or_default().unsettled += 1;
    }

    /// Records that all changes of a user were dispatched.
    pub(crate) fn all_dispatched(&mut self, position: u64) -> Result<(), DiskError> {
        self.in_flight.entry(position).or_default().all_dispatched = true;
        self.close_if_over(position)
    }

    /// Settles a user as failed without sending anything.
    pub(crate) fn refuse(
        &mut self,
        position: u64,
        user: &User<'_>,
        reason: &Reason,
    ) -> Result<(), DiskError> {
        let pending = changes_of(user).map(|(op, tags)| PendingChange {
            account: user.account.to_owned(),
            op,
            tags,
            reason: Some(reason.clone()),
            effect: Effect::NotApplied,
            final_: true,
            is_refusal: false,
        });
        let known = Deferred {
            pending: pending.collect(),
            ..Deferred::default()
        };
        self.list(position, known)
    }

    /// Records the outcomes of changes. It records all of them, even if the disk takes no more.
    pub(crate) fn take(
        &mut self,
        settled: impl IntoIterator<Item = (u64, Arc<ChangeRequest>, Result<(), ChangeError>)>,
    ) -> Result<(), DiskError> {
        let mut taken = Ok(());
        for (position, change, result) in settled {
            let user = self.in_flight.entry(position).or_default();
            user.take(change, result, self.earlier.effect(position));
            taken = taken.and(self.close_if_over(position));
        }
        taken.and(self.confirm())
    }

    /// Lists all deferred users, when the import has run to its end.
    pub(crate) fn list_deferred(&mut self) -> Result<(), DiskError> {
        let mut listed = Ok(());
        for (position, known) in std::mem::take(&mut self.deferred) {
            listed = listed.and(self.list(position, known));
        }
        listed
    }

    /// Ends the tracking: returns the journal, and what the report needs.
    pub(crate) fn close(mut self) -> (Journal, Leftover) {
        // changes of these users were not dispatched
        for (position, user) in self.in_flight {
            self.deferred.insert(position, user.close());
        }
        let leftover = Leftover {
            settled: self.settled,
            deferred: self.deferred,
            earlier: self.earlier,
            unwritten_failures: Vec::new(),
        };
        (self.journal, leftover)
    }

    /// Writes the users who are done to the journal.
    fn confirm(&mut self) -> Result<(), DiskError> {
        let done = std::mem::take(&mut self.done);
        for position in &done {
            self.settled.add(*position, Kind::Done);
        }
        if done.is_empty() {
            return Ok(());
        }
        self.journal.done(done)
    }

    fn close_if_over(&mut self, position: u64) -> Result<(), DiskError> {
        let user = self.in_flight.get(&position);
        if !user.is_some_and(InFlightUser::is_over) {
            return Ok(());
        }
        let user = self.in_flight.remove(&position).unwrap_or_default();
        let ended_before_sending = user.not_sent;
        let known = user.close();
        let is_final = known.pending.iter().all(|it| it.final_);
        if known.pending.is_empty() {
            self.done.push(position);
        } else if ended_before_sending || !is_final && self.deferred.len() < DEFERRED_AT_MOST {
            self.deferred.insert(position, known);
        } else {
            return self.list(position, known);
        }
        Ok(())
    }

    /// Settles a user as failed. If the disk does not take the list any more, keeps what is known for the report.
    fn list(&mut self, position: u64, known: Deferred) -> Result<(), DiskError> {
        // only a change that the next run sends has no reason
        let none = Reason::ours("not sent".to_owned(), "import it again");
        let tags = known.pending.iter();
        let tags: Vec<Vec<&str>> = tags
            .map(|it| it.tags.iter().map(String::as_str).collect())
            .collect();
        let failures = known.pending.iter().zip(&tags);
        let failures: Vec<_> = failures.map(|(it, tags)| it.failure(tags, &none)).collect();
        let listed = self.journal.failed(position, &failures);
        match &listed {
            Ok(()) => self.settled.add(position, Kind::Failed),
            Err(_) => drop(self.deferred.insert(position, known)),
        }
        listed
    }
}

/// The changes of a user, in the order in which they are sent.
pub(crate) fn changes_of<'u>(
    user: &'u User<'_>,
) -> impl Iterator<Item = (Op, Vec<String>)> + use<'u> {
    let owned = |tags: &super::group::TagList<'_>| tags.iter().map(str::to_owned).collect();
    let clear = user.clear.then(|| (Op::Clear, Vec::new()));
    let remove = (user.remove.len() > 0).then(|| (Op::Remove, owned(&user.remove)));
    let add = (user.add.len() > 0).then(|| (Op::Add, owned(&user.add)));
    clear.into_iter().chain(remove).chain(add)
}
