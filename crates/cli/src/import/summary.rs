//! The report of an import as text: figures first, then what failed, grouped by reason. Each is named, however many
//! they are: the run is over, and nobody could ask for the rest later.

use std::io::{self, Write};

use imtag_transport::Effect;
use indexmap::IndexMap;

use super::bad_rows::BadRows;
use super::report::Report;
use crate::output::Show;
use crate::reason::Reason;
use crate::shown::{Shown, count};

/// All rows that were left out.
pub(super) fn write_bad_rows(rows: &BadRows, out: &mut dyn Write) -> io::Result<()> {
    if rows.count() == 0 {
        return Ok(());
    }
    let left_out = count(rows.count(), "bad row was", "bad rows were");
    writeln!(out, "\n{left_out} left out, and only these:")?;
    rows.for_each(|row| writeln!(out, "  line {}: {}", row.line, Shown(&row.reason)))
}

/// Users who failed for the same reason and with the same effect.
type Groups<'r> = IndexMap<(&'r Reason, Effect), Vec<&'r str>>;

impl Show for Report<'_> {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if let Some(demo) = &self.demo {
            writeln!(out, "{demo}")?;
        }
        self.figures(out)?;
        if let Some(read_back) = &self.read_back {
            read_back.write(out)?;
        }
        if let Some(why) = &self.ended_early {
            writeln!(out, "ended early: {}", Shown(why))?;
        }
        write_bad_rows(&self.bad_row_details, out)?;
        self.failed_users(out)
    }
}

impl Report<'_> {
    fn figures(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "read      {}: {}, {} bad, {}",
            Shown(&self.file),
            count(self.rows, "row", "rows"),
            self.bad_rows,
            count(self.users, "user", "users")
        )?;
        writeln!(
            out,
            "sent      {} (no plan needs fewer than {}), {}, in {:.2} s: {:.1} % of the quota",
            count(self.requests, "request", "requests"),
            self.lower_bound,
            count(self.retries, "retry", "retries"),
            self.seconds,
            self.quota_utilisation * 100.0
        )?;
        writeln!(
            out,
            "tagged    {}, {} failed",
            count(self.users_tagged, "user", "users"),
            self.users_failed
        )
    }

    fn failed_users(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.users_failed == 0 {
            return Ok(());
        }
        let users = count(self.users_failed, "user", "users");
        writeln!(out, "\n{users} failed:")?;
        for ((reason, effect), accounts) in &self.grouped() {
            let users = count(accounts.len(), "user", "users");
            writeln!(out, "  {users}, {effect}: {reason}")?;
            for account in accounts {
                writeln!(out, "    {}", Shown(account))?;
            }
        }
        Ok(())
    }

    /// The users by reason and effect, the largest groups first.
    fn grouped(&self) -> Groups<'_> {
        let mut groups = Groups::new();
        for user in self.failures.iter() {
            let group = groups.entry((user.reason, user.effect)).or_default();
            group.push(user.account);
        }
        groups.sort_by(|_, one, _, other| other.len().cmp(&one.len()));
        groups
    }
}
