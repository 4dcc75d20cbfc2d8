//! The users who are not done when an import ends, and what is written down of them.
//!
//! | user | known from | then |
//! |---|---|---|
//! | failed for good | the failed list | stays listed |
//! | failed, and is tried again by the same command (*held back*) | the tracker | listed until the next run |
//! | not sent, or not whole | the file | in no list: the same command sends the user |
//!
//! None of them is held in memory as text: the list and the file are read again.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use imtag_transport::Effect;

use super::group::User;
use super::group::{CollectedRows, GroupError};
use super::report::reasons::{NAMED, Reasons};
use super::state::disk::DiskError;
use super::state::failed_change::{FailedChange, Next, Why, count_users};
use super::state::failed_list::{FailedList, FailedListError, read_list};
use super::state::journal::{InDoubt, Journal, Settled};
use super::state::own_list::write_line;
use super::state::tracker::TrackedUser;

/// Lines that are written at once, in bytes.
const AT_ONCE: usize = 1 << 20;

/// Why the users who are not done cannot be named, or not written down.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LeftoverError {
    #[error(transparent)]
    Group(#[from] GroupError),
    #[error(transparent)]
    List(#[from] FailedListError),
}

impl From<DiskError> for LeftoverError {
    fn from(error: DiskError) -> LeftoverError {
        LeftoverError::List(error.into())
    }
}

pub(crate) struct Leftover<'a> {
    pub(crate) settled: Settled,
    /// What is known of users who are not settled. A user without a dispatched change is missing.
    pub(crate) unsettled: BTreeMap<u64, TrackedUser>,
    /// The unsettled users for which runs before this one may have done something.
    pub(crate) earlier: InDoubt,
    /// The failed list, and the lines for which the disk had no room.
    pub(crate) list: &'a Path,
    pub(crate) unwritten: Vec<u8>,
    /// Why a user who was not sent was not.
    pub(crate) not_sent: Why,
}

/// The users who are not done, by reason.
pub(crate) struct ByReason {
    pub(crate) failed: Reasons,
    pub(crate) not_sent: Reasons,
}

/// The files that a run leaves behind.
pub(crate) struct RemainingFiles {
    pub(crate) journal: bool,
    pub(crate) list: bool,
    /// The list is that of an earlier run: this one adds no user to it.
    pub(crate) earlier_list: bool,
}

impl Leftover<'_> {
    /// Users with a change that failed.
    pub(crate) fn users_failed(&self) -> u64 {
        self.settled.failed() + self.held_back().count() as u64
    }

    /// Users who failed and are not settled, in the order of the file.
    fn held_back(&self) -> impl Iterator<Item = u64> {
        let failed = self.unsettled.iter().filter(|(_, it)| it.has_failed());
        failed.map(|(position, _)| *position)
    }

    fn is_not_sent(&self, position: u64) -> bool {
        let user = self.unsettled.get(&position);
        !self.settled.is_settled(position) && !user.is_some_and(TrackedUser::has_failed)
    }

    pub(crate) fn by_reason(
        &self,
        collected: &mut CollectedRows,
    ) -> Result<ByReason, LeftoverError> {
        Ok(ByReason {
            failed: self.failed(collected)?,
            not_sent: self.not_sent(collected)?,
        })
    }

    fn failed(&self, collected: &mut CollectedRows) -> Result<Reasons, LeftoverError> {
        let mut reasons = Reasons::default();
        self.for_each_listed(|change| reasons.add(change))?;
        self.for_each_held_back(collected, |change| {
            reasons.add(change);
            Ok(())
        })?;
        reasons.sort();
        Ok(reasons)
    }

    /// Names the first users of each effect, and counts the others.
    fn not_sent(&self, collected: &mut CollectedRows) -> Result<Reasons, LeftoverError> {
        let mut reasons = Reasons::default();
        let counts = self.count_not_sent();
        let mut left = counts.map(|(_, users)| users.min(NAMED));
        let mut users = collected.users();
        while left.iter().sum::<u64>() > 0 {
            let Some((position, user)) = users.next()? else {
                break;
            };
            let effect = self.earlier.effect(position);
            let kind = counts.iter().position(|(it, _)| *it == effect);
            let left = &mut left[kind.unwrap_or_default()];
            if *left > 0 && self.is_not_sent(position) {
                *left -= 1;
                for change in self.changes_left(position, &user) {
                    reasons.add(change);
                }
            }
        }
        for (effect, users) in counts {
            reasons.set_users(effect, users);
        }
        reasons.sort();
        Ok(reasons)
    }

    /// The number of users who were not sent, by what earlier runs may have done for them.
    fn count_not_sent(&self) -> [(Effect, u64); 2] {
        let unsettled = self.settled.users() - self.settled.count();
        let all = unsettled - self.held_back().count() as u64;
        let in_doubt = match &self.earlier {
            InDoubt::AnyUser => all,
            InDoubt::Users(users) => {
                users.iter().filter(|it| self.is_not_sent(**it)).count() as u64
            }
        };
        [
            (Effect::NotApplied, all - in_doubt),
            (Effect::PossiblyApplied, in_doubt),
        ]
    }

    fn for_each_listed(&self, mut each: impl FnMut(FailedChange)) -> Result<(), FailedListError> {
        let expected = self.settled.failed();
        if expected == 0 {
            return Ok(()); // a list that is there is an earlier import's
        }
        let mut listed = 0;
        let mut last = String::new();
        for change in read_list(self.list, &self.unwritten)? {
            let change = change?;
            // the lines of a user stand together
            if change.account != last {
                last.clone_from(&change.account);
                listed += 1;
            }
            each(change);
        }
        if listed == expected {
            return Ok(());
        }
        Err(FailedListError::NotWhole {
            path: self.list.to_owned(),
            listed,
            expected,
        })
    }

    fn for_each_held_back(
        &self,
        collected: &mut CollectedRows,
        mut each: impl FnMut(FailedChange) -> Result<(), LeftoverError>,
    ) -> Result<(), LeftoverError> {
        let mut users = collected.users();
        for held_back in self.held_back() {
            while let Some((position, user)) = users.next()? {
                if position == held_back {
                    self.changes_left(position, &user)
                        .into_iter()
                        .try_for_each(&mut each)?;
                    break;
                }
            }
        }
        Ok(())
    }

    /// What is not done of a user who is not settled.
    fn changes_left(&self, position: u64, user: &User<'_>) -> Vec<FailedChange> {
        let known = self.unsettled.get(&position);
        let pending = known.map_or(&[][..], |known| &known.pending).iter();
        let mut left: Vec<_> = pending.map(|it| self.with_reason(it)).collect();
        for (op, tags) in user.changes() {
            if known.is_none_or(|known| known.is_unanswered(op)) {
                let effect = self.earlier.effect(position);
                left.push(FailedChange::not_sent(
                    user.account,
                    (op, tags),
                    &self.not_sent,
                    effect,
                ));
            }
        }
        left
    }

    /// A failed change, with why it was not sent, if it was not.
    fn with_reason(&self, change: &FailedChange) -> FailedChange {
        if change.next != Next::NotSent {
            return change.clone();
        }
        let what = (change.op, change.tags.clone());
        FailedChange::not_sent(&change.account, what, &self.not_sent, change.effect)
    }

    /// The accounts in the failed list.
    pub(crate) fn failed_accounts(&self) -> Result<HashSet<String>, FailedListError> {
        if self.settled.failed() == 0 {
            return Ok(HashSet::new()); // a list that is there is an earlier import's
        }
        let listed = read_list(self.list, &self.unwritten)?;
        listed.map(|change| Ok(change?.account)).collect()
    }

    /// Closes both files: the journal names the users who are in doubt, or is removed if all are settled, and the list
    /// gets those who are held back. What the disk does not take is done again by the next run.
    pub(crate) fn close(
        &self,
        journal: Journal,
        collected: &mut CollectedRows,
        app_refused: bool,
    ) -> (RemainingFiles, Result<(), LeftoverError>) {
        let mut remaining = RemainingFiles {
            journal: !self.settled.is_complete(),
            list: self.settled.failed() > count_users(&self.unwritten) as u64,
            earlier_list: false,
        };
        if self.settled.is_complete() {
            let finished = journal.finish();
            remaining.journal = finished.is_err();
            return (remaining, finished.map_err(LeftoverError::from));
        }
        let (list, earlier_list) = (&mut remaining.list, &mut remaining.earlier_list);
        let closed = journal.close(self.in_doubt(), |file| {
            // a mere refusal of the app or its settings replaces no earlier list
            if !app_refused || file.is_of_this_run() || self.has_more_than_refusals() {
                self.add_held_back(file, collected)?;
                *list |= self.held_back().next().is_some();
            }
            *earlier_list = !file.is_of_this_run();
            Ok(())
        });
        let closed = closed.map(|stays| remaining.journal = stays);
        (remaining, closed)
    }

    /// The unsettled users for which this run or one before it may have done something.
    fn in_doubt(&self) -> InDoubt {
        let InDoubt::Users(earlier) = &self.earlier else {
            return InDoubt::AnyUser;
        };
        let earlier = earlier.iter().filter(|it| !self.settled.is_settled(**it));
        let touched = self.unsettled.iter().filter(|(_, it)| it.is_touched());
        InDoubt::from_users(
            earlier
                .chain(touched.map(|(position, _)| position))
                .copied(),
        )
    }

    fn has_more_than_refusals(&self) -> bool {
        let mut pending = self.unsettled.values().flat_map(|it| &it.pending);
        pending.any(|it| matches!(it.next, Next::Again | Next::Listed))
    }

    fn add_held_back(
        &self,
        file: &mut FailedList,
        collected: &mut CollectedRows,
    ) -> Result<(), LeftoverError> {
        let mut lines = Vec::new();
        self.for_each_held_back(collected, |change| {
            write_line(&change, &mut lines);
            if lines.len() >= AT_ONCE {
                file.append(&lines)?;
                lines.clear();
            }
            Ok(())
        })?;
        if !lines.is_empty() {
            file.append(&lines)?;
        }
        Ok(())
    }
}
