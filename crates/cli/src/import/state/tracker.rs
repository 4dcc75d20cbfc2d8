//! The tracker: the state of each user who is being sent, and what becomes of those who are over.
//!
//! ```text
//!                      all changes applied ──────────────────────────► done     ──► store
//! dispatched ──► over ┤
//! (under way)         ├ one failed by the service, the network, a refusal of the app, or the end of the run ─► deferred
//!                     └ all that failed would fail again: the fault is in the user's data ─► failed ──► store
//! ```
//!
//! Beyond 100,000 deferred users a failure settles the user at once.
//!
//! A user is *over* when no change is under way and none is to be dispatched. *Settled* are those who are done or failed.
//! Deferred users count as failed when the import has run to its end; if it ended early, the same command tries them
//! again. Those of them with a failed change are *held back*; the others were not sent, or not whole.
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

use super::failed_change::{FailedChange, Next, Why};
use super::store::Store;
use crate::import::group::User;
use crate::ownership::UnusableFile;

/// The most users that are deferred; others are listed at once. An outage hardly fails more: it fails what is under way when
/// it ends the run, which is at most 1,024 requests of 100 users each (900 requests at up to 600 calls a second).
const DEFERRED_AT_MOST: usize = 100_000;

pub(crate) struct Tracker {
    pub(crate) store: Store,
    under_way: HashMap<u64, TrackedUser>,
    /// In the order of the file.
    deferred: BTreeMap<u64, TrackedUser>,
}

/// What a run knows of a user who is not settled.
#[derive(Default)]
struct TrackedUser {
    /// Changes that were dispatched and have no outcome yet.
    unanswered: u8,
    /// True once no change of the user is to be dispatched any more.
    all_dispatched: bool,
    /// The change that adds tags, applied or not.
    added: Option<Arc<ChangeRequest>>,
    /// The changes that are not done.
    pending: Vec<FailedChange>,
    /// True if a change is applied, or may be.
    is_touched: bool,
}

impl TrackedUser {
    /// True if a change has failed, and not only waits to be sent.
    fn has_failed(&self) -> bool {
        self.pending.iter().any(|it| it.next != Next::NotSent)
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
            pending.push(FailedChange::with_reason(
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
    pub(crate) fn new(store: Store) -> Tracker {
        Tracker {
            store,
            under_way: HashMap::new(),
            deferred: BTreeMap::new(),
        }
    }

    /// Records that a change of a user was dispatched.
    pub(crate) fn dispatched(&mut self, position: u64) {
        self.under_way.entry(position).or_default().unanswered += 1;
    }

    /// Records that no more changes of a user are dispatched, as the run has ended before `left`, if that is not empty.
    pub(crate) fn all_dispatched(
        &mut self,
        position: u64,
        user: &User<'_>,
        left: impl IntoIterator<Item = (ChangeOperation, Vec<String>)>,
    ) -> Result<(), UnusableFile> {
        let effect = self.store.effect(position);
        let tracked = self.under_way.entry(position).or_default();
        let left = left.into_iter();
        let left = left.map(|change| FailedChange::not_sent(user.account, change, effect));
        tracked.pending.extend(left);
        tracked.all_dispatched = true;
        self.close_if_over(position)
    }

    /// Settles a user as failed without sending anything.
    pub(crate) fn refuse(
        &mut self,
        position: u64,
        user: &User<'_>,
        why: &Why,
    ) -> Result<(), UnusableFile> {
        let failed =
            |change| FailedChange::with_reason(user.account, change, why, Effect::NotApplied);
        let changes: Vec<_> = user.changes().map(failed).collect();
        self.store.failed(position, &changes)
    }

    /// Records the outcomes of changes. It records all of them, even if the disk takes no more.
    pub(crate) fn take(
        &mut self,
        outcomes: impl IntoIterator<Item = (u64, Arc<ChangeRequest>, Result<(), ChangeError>)>,
    ) -> Result<(), UnusableFile> {
        let mut taken = Ok(());
        for (position, change, result) in outcomes {
            let user = self.under_way.entry(position).or_default();
            user.take(change, result, self.store.effect(position));
            taken = taken.and(self.close_if_over(position));
        }
        taken
    }

    /// Settles all deferred users as failed, when the import has run to its end.
    pub(crate) fn settle_deferred(&mut self) -> Result<(), UnusableFile> {
        let mut settled = Ok(());
        for (position, user) in std::mem::take(&mut self.deferred) {
            settled = settled.and(self.store.failed(position, &user.pending));
        }
        settled
    }

    /// Says of the changes that were not sent why, once that is known.
    pub(crate) fn say_why(&mut self, (reason, remedy): &Why) {
        let pending = self
            .deferred
            .values_mut()
            .flat_map(|user| &mut user.pending);
        for change in pending.filter(|it| it.next == Next::NotSent) {
            change.code = None;
            change.reason.clone_from(reason);
            change.remedy.clone_from(remedy);
        }
    }

    /// Writes down the users who are held back: all of them, as `take`. `replaces` as for `Store::hold_back`.
    pub(crate) fn hold_back(&mut self, replaces: bool) -> Result<(), UnusableFile> {
        let mut held_back = Ok(());
        for user in self.deferred.values().filter(|user| user.has_failed()) {
            held_back = held_back.and(self.store.hold_back(&user.pending, replaces));
        }
        held_back
    }

    /// True if something else than a refusal of the app held a user back.
    pub(crate) fn has_more_than_refusals(&self) -> bool {
        let mut pending = self.deferred.values().flat_map(|it| &it.pending);
        pending.any(|it| matches!(it.next, Next::Again | Next::Listed))
    }

    /// The changes of users who were dispatched, and not sent, or not whole.
    pub(crate) fn not_sent(&self) -> impl Iterator<Item = &[FailedChange]> {
        let users = self.deferred.values().filter(|user| !user.has_failed());
        users.map(|user| user.pending.as_slice())
    }

    /// The number of users who were not sent, or not whole, by what earlier runs may have done for them.
    pub(crate) fn count_not_sent(&self) -> [(Effect, u64); 2] {
        let users = &self.store.users;
        let mut all = users.users() - users.settled();
        let mut in_doubt = self.store.users_in_doubt();
        for (position, _) in self.deferred.iter().filter(|(_, user)| user.has_failed()) {
            all -= 1;
            in_doubt -= u64::from(self.store.effect(*position) == Effect::PossiblyApplied);
        }
        [
            (Effect::NotApplied, all - in_doubt),
            (Effect::PossiblyApplied, in_doubt),
        ]
    }

    /// Ends the tracking. The store names the users that this run may have changed.
    pub(crate) fn close(mut self) -> Store {
        let touched = self.deferred.iter().filter(|(_, user)| user.is_touched);
        self.store
            .add_in_doubt(touched.map(|(position, _)| *position));
        self.store
    }

    fn close_if_over(&mut self, position: u64) -> Result<(), UnusableFile> {
        let user = self.under_way.get(&position);
        if !user.is_some_and(TrackedUser::is_over) {
            return Ok(());
        }
        let user = self.under_way.remove(&position).unwrap_or_default().close();
        let pending = &user.pending;
        if pending.is_empty() {
            self.store.done(position);
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
        self.store.failed(position, pending)
    }
}
