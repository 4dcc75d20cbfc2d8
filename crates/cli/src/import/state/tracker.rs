//! The tracker: the state of each user who is being sent, and what becomes of those who are over.
//!
//! ```text
//!                      all changes applied ──────────────────────────► done     ──► journal
//! dispatched ──► over ┤
//! (under way)         ├ one failed for good: the user's own fault ────► listed   ──► failed list, then journal
//!                     └ one failed by the service, the network or the end of the run ──► deferred
//! ```
//!
//! A user is *over* when all changes are dispatched and each has its outcome. *Settled* are those who are done or listed.
//! Deferred users are listed when the import has run to its end; if it ended early, the same command tries them again.
//!
//! When an import is resumed, a run before it may have applied changes of users who are not settled: of those that it
//! left in doubt, or of any user if it was killed. A change of theirs that fails is *possibly applied* then, unless it was
//! never sent.
//!
//! A user can have a clear and tags to add. If the clear fails, all the tags are listed after it, also those that were
//! added, so that importing the list has the result of the file. Example: `clear`, `add a`, `add b` of a user, where the
//! clear fails and `b` too, are listed as `clear`, `add b`, `add a`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use imtag_transport::{ChangeError, ChangeOperation, ChangeRequest, Effect};

use super::disk::DiskError;
use super::failed_change::{FailedChange, Next, Why};
use super::journal::{InDoubt, Journal, Kind, Opened, Settled};
use crate::import::group::User;

/// The most users that are deferred; others are listed at once. An outage hardly fails more: it ends what is under way, which
/// is at most 1,024 requests of 100 users each, and up to 600 calls a second at most 900.
const DEFERRED_AT_MOST: usize = 100_000;

pub(crate) struct Tracker {
    pub(crate) journal: Journal,
    pub(crate) settled: Settled,
    under_way: HashMap<u64, TrackedUser>,
    deferred: BTreeMap<u64, TrackedUser>,
    /// Users who are done and not yet in the journal, to be written together.
    done: Vec<u64>,
    /// The unsettled users for which runs before this one may have done something.
    earlier: InDoubt,
}

/// What a run knows of a user who is not settled.
#[derive(Default)]
pub(crate) struct TrackedUser {
    /// The operations that have their outcome, by their numbers.
    answered: [bool; 3],
    /// Changes that were dispatched and have no outcome yet.
    unanswered: u8,
    /// True once all changes of the user have been dispatched.
    all_dispatched: bool,
    /// The change that adds tags, applied or not.
    added: Option<Arc<ChangeRequest>>,
    /// The changes that are not done.
    pub(crate) pending: Vec<FailedChange>,
    /// True if a change is applied, or may be.
    is_touched: bool,
}

impl TrackedUser {
    /// True if a change has failed, and not only waits to be sent.
    pub(crate) fn has_failed(&self) -> bool {
        self.pending.iter().any(|it| it.next != Next::NotSent)
    }

    pub(crate) fn is_touched(&self) -> bool {
        self.is_touched
    }

    /// True if the import ended before this operation had an outcome: it was not dispatched.
    pub(crate) fn is_unanswered(&self, op: ChangeOperation) -> bool {
        !self.answered[op as usize]
    }

    fn is_over(&self) -> bool {
        self.all_dispatched && self.unanswered == 0
    }

    fn take(
        &mut self,
        change: Arc<ChangeRequest>,
        result: Result<(), ChangeError>,
        earlier: Effect,
    ) {
        self.unanswered -= 1;
        let op = change.operation();
        self.answered[op as usize] = true;
        match result {
            Ok(()) => self.is_touched = true,
            Err(error) => {
                let in_part = error.undone().len() < change.tags().len();
                self.is_touched |= in_part || error.effect() != Effect::NotApplied;
                self.pending
                    .push(FailedChange::from_error(error, op, earlier));
            }
        }
        if op == ChangeOperation::Add {
            self.added = Some(change);
        }
    }

    /// What is known once no change is under way. After a clear that failed, the tags that are applied already are added
    /// once more.
    fn close(mut self) -> TrackedUser {
        let pending = &mut self.pending;
        let has = |op| pending.iter().any(|it| it.op == op);
        let Some(added) = self.added.take().filter(|_| has(ChangeOperation::Clear)) else {
            return self;
        };
        let is_pending = |tag: &&str| {
            let mut adds = pending.iter().filter(|it| it.op == ChangeOperation::Add);
            adds.any(|it| it.tags.iter().any(|its| its == tag))
        };
        let tags: Vec<_> = added
            .tags()
            .filter(|it| !is_pending(it))
            .map(str::to_owned)
            .collect();
        if !tags.is_empty() {
            let why = (
                "added, but what was to be cleared first is not".to_owned(),
                "import these lines again: they clear, and then add".into(),
            );
            let added_again = (ChangeOperation::Add, tags);
            pending.push(FailedChange::not_sent(
                added.account(),
                added_again,
                &why,
                Effect::Applied,
            ));
        }
        self
    }
}

impl Tracker {
    pub(crate) fn new(opened: Opened) -> Tracker {
        Tracker {
            earlier: opened.in_doubt,
            journal: opened.journal,
            settled: opened.settled,
            under_way: HashMap::new(),
            deferred: BTreeMap::new(),
            done: Vec::new(),
        }
    }

    /// Records that a change of a user was dispatched.
    pub(crate) fn dispatched(&mut self, position: u64) {
        self.under_way.entry(position).or_default().unanswered += 1;
    }

    /// Records that all changes of a user were dispatched.
    pub(crate) fn all_dispatched(&mut self, position: u64) -> Result<(), DiskError> {
        self.under_way.entry(position).or_default().all_dispatched = true;
        self.close_if_over(position)
    }

    /// Settles a user as failed without sending anything.
    pub(crate) fn refuse(
        &mut self,
        position: u64,
        user: &User<'_>,
        why: &Why,
    ) -> Result<(), DiskError> {
        let failed = |change| FailedChange::not_sent(user.account, change, why, Effect::NotApplied);
        let refused = TrackedUser {
            pending: user.changes().map(failed).collect(),
            ..TrackedUser::default()
        };
        self.list(position, refused)
    }

    /// Records the outcomes of changes. It records all of them, even if the disk takes no more.
    pub(crate) fn take(
        &mut self,
        outcomes: impl IntoIterator<Item = (u64, Arc<ChangeRequest>, Result<(), ChangeError>)>,
    ) -> Result<(), DiskError> {
        let mut taken = Ok(());
        for (position, change, result) in outcomes {
            let user = self.under_way.entry(position).or_default();
            user.take(change, result, self.earlier.effect(position));
            taken = taken.and(self.close_if_over(position));
        }
        taken.and(self.confirm())
    }

    /// Lists all deferred users, when the import has run to its end.
    pub(crate) fn list_deferred(&mut self) -> Result<(), DiskError> {
        let mut listed = Ok(());
        for (position, user) in std::mem::take(&mut self.deferred) {
            listed = listed.and(self.list(position, user));
        }
        listed
    }

    /// Ends the tracking: the journal, who is settled, what is known of each user who is not, and the users that
    /// earlier runs left in doubt.
    pub(crate) fn close(mut self) -> (Journal, Settled, BTreeMap<u64, TrackedUser>, InDoubt) {
        // changes of these users were not dispatched
        for (position, user) in self.under_way {
            self.deferred.insert(position, user.close());
        }
        (self.journal, self.settled, self.deferred, self.earlier)
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
        let user = self.under_way.get(&position);
        if !user.is_some_and(TrackedUser::is_over) {
            return Ok(());
        }
        let user = self.under_way.remove(&position).unwrap_or_default().close();
        let pending = &user.pending;
        if pending.is_empty() {
            self.done.push(position);
            return Ok(());
        }
        let has_room = self.deferred.len() < DEFERRED_AT_MOST;
        let is_deferred = |it: &FailedChange| match it.next {
            Next::NotSent => true,
            Next::AppRefused | Next::Again => has_room,
            Next::Listed => false,
        };
        if pending.iter().any(is_deferred) {
            self.deferred.insert(position, user);
            return Ok(());
        }
        self.list(position, user)
    }

    /// Settles a user as failed. If the disk does not take the list any more, keeps what is known for the report.
    fn list(&mut self, position: u64, user: TrackedUser) -> Result<(), DiskError> {
        let listed = self.journal.failed(position, &user.pending);
        match &listed {
            Ok(()) => self.settled.add(position, Kind::Failed),
            Err(_) => drop(self.deferred.insert(position, user)),
        }
        listed
    }
}
