//! The tracker: the state of each user who is being sent, and what becomes of those who are over.
//!
//! ```text
//!                      all changes applied ──────────────────────────► done     ──► journal
//! dispatched ──► over ┤
//! (in flight)         ├ one failed for good: the user's own fault ────► listed   ──► failed list, then journal
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

use imtag_transport::{Cause, ChangeError, ChangeOperation, ChangeRequest, Effect, Scope};

use super::disk::DiskError;
use super::failed_change::FailedChange;
use super::journal::{InDoubt, Journal, Kind, Opened, Settled};
use crate::import::group::User;
use crate::output::Reason;

/// The most users that are deferred; others are listed at once. An outage fails fewer: 512 requests of 100 users each.
const DEFERRED_AT_MOST: usize = 100_000;

pub(crate) struct Tracker {
    pub(crate) journal: Journal,
    pub(crate) settled: Settled,
    in_flight: HashMap<u64, TrackedUser>,
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
    pub(crate) pending: Vec<PendingChange>,
    /// True if a change is applied, or may be.
    is_touched: bool,
}

/// A change of a user that is not done. It is listed, or tried again by the next run.
pub(crate) struct PendingChange {
    change: FailedChange,
    state: PendingState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PendingState {
    /// The run ended before it was sent. Why is known when the import ends.
    NotSent,
    /// The app or its settings were refused, and nothing was applied before that.
    AppRefused,
    /// The service or the network failed.
    Retryable,
    /// It is the user's own fault, so that it would fail again.
    Final,
}

impl PendingChange {
    fn from_error(error: &ChangeError, op: ChangeOperation, earlier: Effect) -> PendingChange {
        let not_applied = error.effect() == Effect::NotApplied;
        let run_ended = matches!(error.cause(), Cause::Ended(_) | Cause::NoThread(_));
        let state = match error.scope() {
            _ if run_ended && not_applied => PendingState::NotSent,
            Scope::App if not_applied => PendingState::AppRefused,
            Scope::App | Scope::Service => PendingState::Retryable,
            Scope::Request | Scope::Account | Scope::Tag => PendingState::Final,
        };
        PendingChange {
            change: FailedChange {
                account: error.account().to_owned(),
                op,
                tags: error.undone().to_vec(),
                reason: if state == PendingState::NotSent {
                    Reason::ours("not sent".to_owned(), "import it again")
                } else {
                    Reason::from_error(error.error())
                },
                effect: error.effect().max(earlier),
            },
            state,
        }
    }

    /// The failed change, with why what was not sent was not.
    pub(crate) fn failed(&self, not_sent: &Reason) -> FailedChange {
        let mut change = self.change.clone();
        if self.state == PendingState::NotSent {
            change.reason = not_sent.clone();
        }
        change
    }

    fn was_sent(&self) -> bool {
        self.state != PendingState::NotSent
    }

    /// True for a failure that is more than a refusal of the app or its settings, which leaves the users as they were.
    pub(crate) fn is_more_than_refused(&self) -> bool {
        matches!(self.state, PendingState::Retryable | PendingState::Final)
    }
}

impl TrackedUser {
    /// True if a change has failed, and not only waits to be sent.
    pub(crate) fn has_failed(&self) -> bool {
        self.pending.iter().any(PendingChange::was_sent)
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
                    .push(PendingChange::from_error(&error, op, earlier));
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
        let has = |op| pending.iter().any(|it| it.change.op == op);
        let Some(added) = self.added.take().filter(|_| has(ChangeOperation::Clear)) else {
            return self;
        };
        let is_pending = |tag: &&String| {
            let mut adds = pending
                .iter()
                .filter(|it| it.change.op == ChangeOperation::Add);
            adds.any(|it| it.change.tags.contains(tag))
        };
        let tags: Vec<_> = added
            .tags()
            .iter()
            .filter(|it| !is_pending(it))
            .cloned()
            .collect();
        if !tags.is_empty() {
            pending.push(PendingChange {
                change: FailedChange {
                    account: added.account().to_owned(),
                    op: ChangeOperation::Add,
                    tags,
                    reason: Reason::ours(
                        "added, but what was to be cleared first is not".to_owned(),
                        "import these lines again: they clear, and then add",
                    ),
                    effect: Effect::Applied,
                },
                state: PendingState::Final,
            });
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
            in_flight: HashMap::new(),
            deferred: BTreeMap::new(),
            done: Vec::new(),
        }
    }

    /// Records that a change of a user was dispatched.
    pub(crate) fn dispatched(&mut self, position: u64) {
        self.in_flight.entry(position).or_default().unanswered += 1;
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
        let changes = user.changes().map(|(op, tags)| FailedChange {
            account: user.account.to_owned(),
            op,
            tags,
            reason: reason.clone(),
            effect: Effect::NotApplied,
        });
        let pending = changes.map(|change| PendingChange {
            change,
            state: PendingState::Final,
        });
        let refused = TrackedUser {
            pending: pending.collect(),
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
            let user = self.in_flight.entry(position).or_default();
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
        for (position, user) in self.in_flight {
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
        let user = self.in_flight.get(&position);
        if !user.is_some_and(TrackedUser::is_over) {
            return Ok(());
        }
        let user = self.in_flight.remove(&position).unwrap_or_default().close();
        let pending = &user.pending;
        if pending.is_empty() {
            self.done.push(position);
            return Ok(());
        }
        let has_room = self.deferred.len() < DEFERRED_AT_MOST;
        let is_deferred = |it: &PendingChange| match it.state {
            PendingState::NotSent => true,
            PendingState::AppRefused | PendingState::Retryable => has_room,
            PendingState::Final => false,
        };
        if pending.iter().any(is_deferred) {
            self.deferred.insert(position, user);
            return Ok(());
        }
        self.list(position, user)
    }

    /// Settles a user as failed. If the disk does not take the list any more, keeps what is known for the report.
    fn list(&mut self, position: u64, user: TrackedUser) -> Result<(), DiskError> {
        let changes: Vec<_> = user.pending.iter().map(|it| &it.change).collect();
        let listed = self.journal.failed(position, &changes);
        match &listed {
            Ok(()) => self.settled.add(position, Kind::Failed),
            Err(_) => drop(self.deferred.insert(position, user)),
        }
        listed
    }
}
