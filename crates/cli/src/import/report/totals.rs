//! The work of a file, in figures: users, tags, slots and requests. All users are read once to count them, before
//! anything is sent.

use std::io::{self, Write};

use imtag_core::plan::lower_bound;
use imtag_core::{ChangeOperation, Generation, Limits, Operation, Rules};
use imtag_transport::Effect;
use serde::Serialize;

use super::reasons::Reasons;
use crate::import::group::{CollectedRows, GroupError, Interner, TagList, User};
use crate::import::state::failed_change::{FailedChange, Why};
use crate::output::{Shown, count};

/// The work of a file. The names of the fields are a promise to programs: see the README.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Totals {
    /// Distinct accounts in the good rows.
    pub(crate) users: u64,
    /// Users with more tags to add than a user may carry. Nothing of them is sent, and no other figure counts them.
    pub(crate) users_failed: u64,
    /// The first of them.
    #[serde(skip)]
    pub(crate) failures: Reasons,
    pub(crate) clear: OperationTotals,
    pub(crate) remove: OperationTotals,
    pub(crate) add: OperationTotals,
    /// On the timpush paths, true if the tags to add are more than an app may have.
    #[serde(skip)]
    pub(crate) too_many_tags_of_the_app: bool,
}

/// The work of one operation.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct OperationTotals {
    pub(crate) users: u64,
    /// Tags of all users together. 0 for a clear.
    pub(crate) tags: u64,
    /// Places in requests: a user takes one for each 10 tags (the documented limit).
    pub(crate) slots: u64,
    /// The fewest requests that can do it.
    pub(crate) lower_bound: u64,
    /// The most slots of one user.
    #[serde(skip)]
    longest: u64,
}

impl Totals {
    pub(crate) fn count_users(
        collected: &mut CollectedRows,
        rules: &Rules,
    ) -> Result<Totals, GroupError> {
        let mut totals = Totals::default();
        let why = too_many_tags(&rules.limits);
        let mut distinct = Interner::default();
        let most = rules.limits.tags_per_app;
        let mut users = collected.users();
        while let Some((_, user)) = users.next()? {
            totals.users += 1;
            if has_too_many_tags(&user, &rules.limits) {
                totals.users_failed += 1;
                let tags = user.add.iter().map(str::to_owned).collect();
                let change = (ChangeOperation::Add, tags);
                let (account, effect) = (user.account, Effect::NotApplied);
                let failed = FailedChange::with_reason(account, change, &why, effect);
                totals.failures.add(failed);
                continue;
            }
            totals.count(&user, &rules.limits);
            if rules.generation == Generation::Timpush && distinct.len() <= most {
                for tag in user.add.iter() {
                    // a text is always taken
                    let _ = distinct.number(tag.as_bytes(), most + 1);
                }
            }
        }
        totals.too_many_tags_of_the_app = distinct.len() > most;
        for operation in [&mut totals.clear, &mut totals.remove, &mut totals.add] {
            operation.lower_bound = lower_bound(operation.slots, operation.longest, &rules.limits);
        }
        Ok(totals)
    }

    fn count(&mut self, user: &User<'_>, limits: &Limits) {
        if user.clear {
            self.clear.count(0, 1);
        }
        for (operation, tags) in [(&mut self.remove, &user.remove), (&mut self.add, &user.add)] {
            operation.count_tags(tags, limits);
        }
    }

    /// The operations that the file has, in the order in which they are made for a user.
    pub(crate) fn operations(&self) -> impl Iterator<Item = (Operation, OperationTotals)> {
        let operations = [
            (Operation::Clear, self.clear),
            (Operation::Remove, self.remove),
            (Operation::Add, self.add),
        ];
        operations.into_iter().filter(|(_, it)| it.slots > 0)
    }

    /// The fewest requests that can do it.
    pub(crate) fn lower_bound(&self) -> u64 {
        self.operations().map(|(_, it)| it.lower_bound).sum()
    }

    /// The most requests of one operation. Each operation has a quota of its own, so the longest decides the time.
    pub(crate) fn longest_operation(&self) -> u64 {
        let each = self.operations().map(|(_, it)| it.lower_bound);
        each.max().unwrap_or(0)
    }
}

/// Such a user is not sent, as imtag cannot choose which tags to leave out.
pub(crate) fn has_too_many_tags(user: &User<'_>, limits: &Limits) -> bool {
    user.add.len() > limits.tags_per_user
}

/// Why nothing is sent of such a user.
pub(crate) fn too_many_tags(limits: &Limits) -> Why {
    let most = limits.tags_per_user;
    let why = format!("more than {most} distinct tags in the file, at most {most} a user");
    let remedy = "keep those that matter; nothing of the user was sent";
    (why, remedy.into())
}

impl OperationTotals {
    fn count_tags(&mut self, tags: &TagList<'_>, limits: &Limits) {
        let slots = tags.len().div_ceil(limits.tags_per_user_and_request.max(1));
        if slots > 0 {
            self.count(tags.len() as u64, slots as u64);
        }
    }

    fn count(&mut self, tags: u64, slots: u64) {
        self.users += 1;
        self.tags += tags;
        self.slots += slots;
        self.longest = self.longest.max(slots);
    }
}

/// The first line of a report: what the file held.
pub(super) fn write_read(
    out: &mut dyn Write,
    file: &str,
    rows: u64,
    bad_rows: u64,
    users: u64,
) -> io::Result<()> {
    let (rows, users) = (count(rows, "row", "rows"), count(users, "user", "users"));
    let file = Shown(file);
    writeln!(out, "read      {file}: {rows}, {bad_rows} bad, {users}")
}
