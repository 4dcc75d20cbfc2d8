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

/// Of those who failed for one reason so many are named; the list has all.
const NAMED: usize = 10;

/// Users who failed for the same reason and with the same effect.
#[derive(Default)]
struct Group {
    users: u64,
    /// The first of them.
    named: Vec<String>,
}

type Groups = IndexMap<(Reason, Effect), Group>;

impl Show for Report {
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

impl Report {
    fn figures(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "read      {}: {}, {} bad, {}",
            Shown(&self.file),
            count(self.rows, "row", "rows"),
            self.bad_rows,
            count(self.users, "user", "users")
        )?;
        if self.resumed > 0 {
            let users = count(self.resumed, "user was", "users were");
            writeln!(out, "resumed   {users} settled before")?;
        }
        writeln!(
            out,
            "sent      {} (no plan needs fewer than {}), {}, in {:.2} s: {:.1} % of the quota",
            count(self.requests, "request", "requests"),
            self.lower_bound,
            count(self.retries, "retry", "retries"),
            self.seconds,
            self.quota_utilisation * 100.0
        )?;
        if self.timpush_would_save > 0 {
            writeln!(
                out,
                "          {} of them to find users at fault, whom the timpush paths name",
                self.timpush_would_save
            )?;
        }
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
        for ((reason, effect), group) in &self.grouped()? {
            let users = count(group.users, "user", "users");
            writeln!(out, "  {users}, {effect}: {reason}")?;
            for account in &group.named {
                writeln!(out, "    {}", Shown(account))?;
            }
            match group.users - group.named.len() as u64 {
                0 => {}
                more => writeln!(out, "    and {more} more")?,
            }
        }
        self.what_next(out)
    }

    /// Where all are named, and how to go on.
    fn what_next(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.demo.is_some() {
            return Ok(());
        }
        if self.failures.remains.settled.failed() > 0 {
            let list = self.failures.list.display().to_string();
            writeln!(
                out,
                "{} lists who failed: mend it, and import it",
                Shown(&list)
            )?;
        }
        match self.failures.remains.settled.is_complete() {
            true => Ok(()),
            false => writeln!(out, "run the same command again to go on"),
        }
    }

    /// The users by reason and effect, the largest groups first. A user has as many lines as operations that were not
    /// done, one after the other, and counts once for a reason.
    fn grouped(&self) -> io::Result<Groups> {
        let mut groups = Groups::new();
        let mut last = (String::new(), None);
        self.failures.for_each(|failure| {
            let key = (failure.reason.clone(), failure.effect);
            if last.0 == failure.account && last.1.as_ref() == Some(&key) {
                return Ok(());
            }
            last = (failure.account.to_owned(), Some(key.clone()));
            let group = groups.entry(key).or_default();
            group.users += 1;
            if group.named.len() < NAMED {
                group.named.push(failure.account.to_owned());
            }
            Ok::<(), io::Error>(())
        })?;
        groups.sort_by(|_, one, _, other| other.users.cmp(&one.users));
        Ok(groups)
    }
}
