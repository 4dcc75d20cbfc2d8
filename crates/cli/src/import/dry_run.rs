//! A dry run: what there is to do for a file, and how long that takes at the full quota. Users who would be left out
//! are named as an import names them.

use std::io::{self, Write};
use std::path::Path;

use imtag_core::CallRate;
use imtag_transport::Effect;
use serde::Serialize;

use super::Read;
use super::bad_rows;
use super::failed::Failure;
use super::group::{CollectedRows, GroupError};
use super::input::JoinedTags;
use super::input::change::Op;
use super::reasons::Reasons;
use super::report::LeftOut;
use super::summary::{write_left_out, write_reasons};
use super::totals::{OperationTotals, Totals, has_too_many_tags};
use crate::exit::{CommandError, Exit};
use crate::output::{Output, Reason, Show, Shown, count};

/// What a dry run says. The names of the fields are a promise to programs: see the README.
#[derive(Serialize)]
struct DryRun {
    dry_run: bool,
    file: String,
    rows: u64,
    bad_rows: u64,
    users: u64,
    users_failed: u64,
    clear: OperationTotals,
    remove: OperationTotals,
    add: OperationTotals,
    lower_bound: u64,
    seconds_at_full_quota: f64,
    #[serde(serialize_with = "Reasons::examples")]
    failures: Reasons,
    #[serde(flatten)]
    left_out: LeftOut,
    joined_tags: Option<JoinedTags>,
    #[serde(skip)]
    totals: Totals,
    #[serde(skip)]
    calls_per_second: CallRate,
}

impl Read {
    /// Says what would be sent. All bad rows go into `list`, where one is asked for.
    pub(crate) fn show(
        mut self,
        calls_per_second: CallRate,
        list: Option<&Path>,
        output: Output,
    ) -> Result<Exit, CommandError> {
        let list = match list {
            Some(list) => bad_rows::list::write(list, &mut self.bad_rows)?.then_some(list),
            None => None,
        };
        let totals = self.totals;
        let failed = totals.users_with_too_many_tags;
        let too_many_tags = Reason::too_many_tags(&self.rules.limits);
        let failures = match failed {
            0 => Reasons::default(), // nobody need be looked for
            _ => failures(&mut self.collected, &self.rules.limits, &too_many_tags)
                .map_err(super::ReadError::from)?,
        };
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
            failures,
            left_out: LeftOut {
                kinds: self.bad_rows.into_kinds(),
                list: list.map(Path::to_owned),
            },
            joined_tags: self.joined_tags,
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

/// Users who would not be sent.
fn failures(
    collected: &mut CollectedRows,
    limits: &imtag_core::Limits,
    reason: &Reason,
) -> Result<Reasons, GroupError> {
    let mut reasons = Reasons::default();
    let mut users = collected.users();
    while let Some((_, user)) = users.next()? {
        if has_too_many_tags(&user, limits) {
            let tags: Vec<&str> = user.add.iter().collect();
            reasons.add(&Failure {
                account: user.account,
                op: Op::Add,
                tags: &tags,
                reason,
                effect: Effect::NotApplied,
            });
        }
    }
    Ok(reasons)
}

/// Each operation has a quota of its own, so that they go on side by side.
fn seconds(totals: &Totals, calls_per_second: CallRate) -> f64 {
    #[allow(clippy::cast_precision_loss)] // no import makes 2^52 requests
    let requests = totals.longest_operation() as f64;
    super::rounded(requests / calls_per_second.admitted_per_second())
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
            count(self.calls_per_second.admitted_per_second(), "call", "calls"),
            self.seconds_at_full_quota
        )?;
        write_left_out(&self.left_out, out)?;
        self.failed_users(out)
    }
}

impl DryRun {
    fn failed_users(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.users_failed == 0 {
            return Ok(());
        }
        let users = count(self.users_failed, "user", "users");
        writeln!(out, "\n{users} would fail:")?;
        write_reasons(&self.failures, out)
    }
}
