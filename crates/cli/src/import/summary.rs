//! The report of an import as text: figures first, then what failed, grouped by reason. A terminal is not a file, so
//! only some are named one by one; programs get all of them.

use std::io::{self, Write};

use imtag_transport::Effect;
use indexmap::IndexMap;

use super::report::Report;
use crate::output::Show;
use crate::reason::Reason;
use crate::shown::{Shown, count};

/// Bad rows, and accounts of users who failed, that are named.
const NAMED: usize = 20;

/// Users who failed for the same reason and with the same effect.
#[derive(Default)]
struct Group {
    users: usize,
    named: Vec<String>,
}

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
        self.bad_rows(out)?;
        self.failed_users(out)
    }
}

impl Report<'_> {
    fn figures(&self, out: &mut dyn Write) -> io::Result<()> {
        let rows = usize::try_from(self.rows).unwrap_or(usize::MAX);
        writeln!(
            out,
            "read      {}: {}, {} bad, {}",
            Shown(&self.file),
            count(rows, "row", "rows"),
            self.bad_rows,
            count(self.users, "user", "users")
        )?;
        let retries = usize::try_from(self.retries).unwrap_or(usize::MAX);
        writeln!(
            out,
            "sent      {} (no plan needs fewer than {}), {}, in {:.2} s: {:.1} % of the quota",
            count(self.requests, "request", "requests"),
            self.lower_bound,
            count(retries, "retry", "retries"),
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

    fn bad_rows(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.bad_rows == 0 {
            return Ok(());
        }
        let rows = count(self.bad_rows, "bad row was", "bad rows were");
        writeln!(out, "\n{rows} left out, and only these:")?;
        for row in self.bad_row_details.iter().take(NAMED) {
            writeln!(out, "  line {}: {}", row.line, Shown(&row.reason))?;
        }
        and_more(self.bad_rows, NAMED, out)
    }

    fn failed_users(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.users_failed == 0 {
            return Ok(());
        }
        let groups = self.grouped();
        let users = count(self.users_failed, "user", "users");
        writeln!(out, "\n{users} failed:")?;
        for ((reason, effect), group) in &groups {
            let users = count(group.users, "user", "users");
            writeln!(out, "  {users}, {effect}: {reason}")?;
            for account in &group.named {
                writeln!(out, "    {account}")?;
            }
        }
        let named = groups.values().map(|group| group.named.len()).sum();
        and_more(self.users_failed, named, out)
    }

    /// The users by reason and effect, the largest groups first. The names are shared out among them.
    fn grouped(&self) -> IndexMap<(&Reason, Effect), Group> {
        let mut groups: IndexMap<(&Reason, Effect), Group> = IndexMap::new();
        for user in self.failures.iter() {
            let group = groups.entry((user.reason, user.effect)).or_default();
            group.users += 1;
            if group.named.len() < NAMED {
                group.named.push(Shown(user.account).to_string());
            }
        }
        groups.sort_by(|_, one, _, other| other.users.cmp(&one.users));
        groups.truncate(NAMED);
        let of_each = (NAMED / groups.len().max(1)).max(1);
        for group in groups.values_mut() {
            group.named.truncate(of_each);
        }
        groups
    }
}

fn and_more(all: usize, named: usize, out: &mut dyn Write) -> io::Result<()> {
    match all.saturating_sub(named) {
        0 => Ok(()),
        more => writeln!(out, "  and {more} more: --json names them all"),
    }
}
