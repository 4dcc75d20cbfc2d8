//! A dry run: what there is to do for a file, and how long that takes at the full quota. Users who would be left out
//! are named as an import names them.

use std::cell::RefCell;
use std::io::{self, Write};

use imtag_transport::Effect;
use serde::ser::{Error, SerializeSeq};
use serde::{Serialize, Serializer};

use super::Read;
use super::bad_rows::BadRows;
use super::change::Op;
use super::failed::Failure;
use super::group::User;

use super::summary::write_bad_rows;
use super::totals::{OfOperation, Totals, has_too_many_tags};
use super::users::{Gathered, GroupError};
use crate::exit::Exit;
use crate::failure::CommandError;
use crate::output::{Output, Show};
use crate::reason::Reason;
use crate::shown::{Shown, count};

/// What a dry run says. The names of the fields are a promise to programs: see the README.
#[derive(Serialize)]
struct DryRun {
    dry_run: bool,
    file: String,
    rows: u64,
    bad_rows: u64,
    users: u64,
    users_failed: u64,
    clear: OfOperation,
    remove: OfOperation,
    add: OfOperation,
    lower_bound: u64,
    seconds_at_full_quota: f64,
    failures: Failures,
    bad_row_details: BadRows,
    #[serde(skip)]
    totals: Totals,
    #[serde(skip)]
    calls_per_second: u32,
}

/// Users of whom nothing would be sent, found again when they are asked for.
struct Failures {
    gathered: RefCell<Gathered>,
    limits: imtag_core::Limits,
    /// How many there are.
    users: u64,
}

impl Read {
    /// Says what would be sent.
    pub(crate) fn show(self, calls_per_second: u32, output: Output) -> Result<Exit, CommandError> {
        let totals = self.totals;
        let failed = totals.users_with_too_many_tags;
        let report = DryRun {
            dry_run: true,
            file: self.file,
            rows: self.rows,
            bad_rows: self.bad_rows.count(),
            users: totals.users,
            users_failed: failed,
            clear: totals.clear,
            remove: totals.remove,
            add: totals.add,
            lower_bound: totals.lower_bound(),
            seconds_at_full_quota: seconds(&totals, calls_per_second),
            failures: Failures {
                gathered: RefCell::new(self.gathered),
                limits: self.rules.limits,
                users: failed,
            },
            bad_row_details: self.bad_rows,
            totals,
            calls_per_second,
        };
        output.show(&report)?;
        Ok(match report.bad_rows + failed {
            0 => Exit::Done,
            _ => Exit::SomeFailed,
        })
    }
}

/// Each operation has a quota of its own, so that they go on side by side.
fn seconds(totals: &Totals, calls_per_second: u32) -> f64 {
    #[allow(clippy::cast_precision_loss)] // no import makes 2^52 requests
    let requests = totals.longest_operation() as f64;
    super::rounded(requests / f64::from(calls_per_second))
}

impl Failures {
    fn for_each<E: From<GroupError>>(
        &self,
        mut take: impl FnMut(&User<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.users == 0 {
            return Ok(()); // nobody need be looked for
        }
        let mut gathered = self.gathered.borrow_mut();
        let mut users = gathered.users();
        while let Some((_, user)) = users.next()? {
            if has_too_many_tags(&user, &self.limits) {
                take(&user)?;
            }
        }
        Ok(())
    }
}

impl Serialize for Failures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// A serializer's error cannot be made of any other, but for its text.
        struct Failed<E>(E);
        impl<E: Error> From<GroupError> for Failed<E> {
            fn from(error: GroupError) -> Failed<E> {
                Failed(E::custom(error))
            }
        }
        let reason = Reason::too_many_tags(&self.limits);
        let mut list = serializer.serialize_seq(None)?;
        self.for_each(|user| {
            let tags: Vec<&str> = user.add.iter().collect();
            let failure = Failure {
                account: user.account,
                op: Op::Add,
                tags: &tags,
                reason: &reason,
                effect: Effect::NotApplied,
            };
            list.serialize_element(&failure).map_err(Failed)
        })
        .map_err(|failed| failed.0)?;
        list.end()
    }
}

impl Show for DryRun {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "read      {}: {}, {} bad, {}",
            Shown(&self.file),
            count(self.rows, "row", "rows"),
            self.bad_rows,
            count(self.users, "user", "users")
        )?;
        for (operation, it) in self.totals.operations() {
            let users = count(it.users, "user", "users");
            let what = match it.tags {
                0 => format!("all tags of {users}"),
                tags => format!("{} of {users}", count(tags, "tag", "tags")),
            };
            let name = format!("{operation}:");
            let requests = count(it.lower_bound, "request", "requests");
            writeln!(out, "{name:<9} {what}, {requests} at least")?;
        }
        writeln!(
            out,
            "dry run   nothing was sent; at {} a second it takes {:.2} s",
            count(self.calls_per_second, "call", "calls"),
            self.seconds_at_full_quota
        )?;
        write_bad_rows(&self.bad_row_details, out)?;
        self.failed_users(out)
    }
}

impl DryRun {
    fn failed_users(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.users_failed == 0 {
            return Ok(());
        }
        let users = count(self.users_failed, "user", "users");
        let reason = Reason::too_many_tags(&self.failures.limits);
        writeln!(out, "\n{users} would fail: {reason}")?;
        self.failures
            .for_each(|user| writeln!(out, "    {}", Shown(user.account)))
    }
}
