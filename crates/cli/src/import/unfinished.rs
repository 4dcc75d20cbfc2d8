//! The users who are not done when an import ends, found again when they are asked for: those who failed for good are in
//! the list, those whose failures are held back and those who were not sent are in the file.

use std::path::Path;

use imtag_transport::Effect;

use super::failed::{self, FailedError, Failure};
use super::group::User;
use super::group::{CollectedRows, GroupError};
use super::journal::InDoubt;
use super::reasons::{NAMED, Reasons};
use super::report::ByReason;
use super::tracker::{Leftover, changes_of};
use crate::output::Reason;

/// Why the users who are not done cannot be named.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unnamed {
    #[error(transparent)]
    Group(#[from] GroupError),
    #[error(transparent)]
    List(#[from] FailedError),
}

pub(crate) struct Unfinished<'a> {
    pub(crate) list: &'a Path,
    pub(crate) collected: &'a mut CollectedRows,
    pub(crate) leftover: &'a Leftover,
    /// Why a user who was not sent was not.
    pub(crate) not_sent: &'a Reason,
}

impl Unfinished<'_> {
    pub(crate) fn by_reason(&mut self) -> Result<ByReason, Unnamed> {
        Ok(ByReason {
            failed: self.failed()?,
            not_sent: self.not_sent()?,
        })
    }

    /// Users who failed, by reason.
    fn failed(&mut self) -> Result<Reasons, Unnamed> {
        let mut reasons = Reasons::default();
        if self.leftover.settled.failed() > 0 {
            self.for_each_listed(|failure| reasons.add(failure))?;
        }
        self.for_each_held_back::<Unnamed>(|failure| {
            reasons.add(failure);
            Ok(())
        })?;
        reasons.sort();
        Ok(reasons)
    }

    /// Users without a failure, who were not all sent.
    fn not_sent(&mut self) -> Result<Reasons, Unnamed> {
        let mut reasons = Reasons::default();
        let leftover = self.leftover;
        let counts = count_not_sent(leftover);
        let mut left = counts.map(|(_, users)| users.min(NAMED));
        let mut users = self.collected.users();
        while left.iter().sum::<u64>() > 0 {
            let Some((position, user)) = users.next()? else {
                break;
            };
            let effect = leftover.earlier(position);
            let kind = counts.iter().position(|(it, _)| *it == effect);
            let left = &mut left[kind.unwrap_or_default()];
            if *left > 0 && leftover.is_not_sent(position) {
                *left -= 1;
                for_each_line(leftover, self.not_sent, position, &user, |failure| {
                    reasons.add(failure);
                    Ok::<(), Unnamed>(())
                })?;
            }
        }
        for (effect, users) in counts {
            reasons.set_users(effect, users);
        }
        reasons.sort();
        Ok(reasons)
    }

    /// Users who failed, and are tried again by the same command.
    pub(crate) fn for_each_held_back<E: From<GroupError>>(
        &mut self,
        mut each: impl FnMut(&Failure<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut users = self.collected.users();
        for held_back in self.leftover.held_back() {
            while let Some((position, user)) = users.next()? {
                if position == held_back {
                    for_each_line(self.leftover, self.not_sent, position, &user, &mut each)?;
                    break;
                }
            }
        }
        Ok(())
    }

    fn for_each_listed(&self, mut each: impl FnMut(&Failure<'_>)) -> Result<(), FailedError> {
        let mut users = 0;
        let mut last = String::new();
        for listed in failed::list(self.list, &self.leftover.unwritten_failures)? {
            let listed = listed?;
            listed.with_failure(&mut each);
            // the lines of a user stand together
            users += u64::from(last != listed.account);
            last = listed.account;
        }
        let expected = self.leftover.settled.failed();
        if users == expected {
            return Ok(());
        }
        Err(FailedError::NotWhole {
            path: self.list.to_owned(),
            listed: users,
            expected,
        })
    }
}

/// How many users were not sent, by what earlier runs may have done for them.
fn count_not_sent(leftover: &Leftover) -> [(Effect, u64); 2] {
    let settled = &leftover.settled;
    let unsettled = settled.users() - settled.done() - settled.failed();
    let all = unsettled - leftover.held_back().count() as u64;
    let in_doubt = match leftover.earlier_runs() {
        InDoubt::Everybody => all,
        InDoubt::Users(users) => {
            users.iter().filter(|it| leftover.is_not_sent(**it)).count() as u64
        }
    };
    [
        (Effect::NotApplied, all - in_doubt),
        (Effect::PossiblyApplied, in_doubt),
    ]
}

/// What is not done of a user who is not settled.
fn for_each_line<E>(
    leftover: &Leftover,
    not_sent: &Reason,
    position: u64,
    user: &User<'_>,
    mut each: impl FnMut(&Failure<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let deferred = leftover.deferred(position);
    for pending in deferred.map_or(&[][..], |deferred| &deferred.pending) {
        let tags: Vec<&str> = pending.tags.iter().map(String::as_str).collect();
        each(&pending.failure(&tags, not_sent))?;
    }
    for (op, tags) in changes_of(user) {
        if deferred.is_some_and(|deferred| !deferred.is_not_dispatched(op)) {
            continue;
        }
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        each(&Failure {
            account: user.account,
            op,
            tags: &tags,
            reason: not_sent,
            effect: leftover.earlier(position),
        })?;
    }
    Ok(())
}
