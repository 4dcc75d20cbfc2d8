//! The report of an import as text: figures first, then what failed and what was not sent, grouped by reason, and what to
//! do next. Ten are named for each reason; the lists have all.

use std::io::{self, Write};

use super::bad_rows::Kinds;
use super::reasons::Reasons;
use super::report::{ByReason, LeftOut, Report};
use crate::output::{Show, Shown, count};

/// The rows that were left out, and where all of them are listed.
pub(super) fn write_left_out(left_out: &LeftOut, out: &mut dyn Write) -> io::Result<()> {
    let rows: u64 = left_out.kinds.iter().map(|kind| kind.rows).sum();
    if rows == 0 {
        return Ok(());
    }
    let rows = count(rows, "bad row was", "bad rows were");
    writeln!(out, "\n{rows} left out, and only these:")?;
    write_kinds(&left_out.kinds, out)?;
    match &left_out.list {
        Some(list) => writeln!(out, "{} lists them all", Shown(&list.display().to_string())),
        None => Ok(()),
    }
}

fn write_kinds(kinds: &Kinds, out: &mut dyn Write) -> io::Result<()> {
    for kind in kinds.iter() {
        for row in &kind.named {
            writeln!(out, "  line {}: {}", row.line, Shown(&row.reason))?;
        }
        match kind.rows - kind.named.len() as u64 {
            0 => {}
            more => writeln!(out, "  and {more} more like these")?,
        }
    }
    Ok(())
}

pub(super) fn write_reasons(reasons: &Reasons, out: &mut dyn Write) -> io::Result<()> {
    for group in reasons.iter() {
        let users = count(group.users, "user", "users");
        writeln!(out, "  {users}, {}: {}", group.effect, group.reason)?;
        let mut more = group.users;
        for account in group.accounts() {
            writeln!(out, "    {}", Shown(account))?;
            more -= 1;
        }
        if more > 0 {
            writeln!(out, "    and {more} more")?;
        }
    }
    Ok(())
}

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
        write_left_out(&self.left_out, out)?;
        self.undone(out)?;
        self.what_next(out)
    }

    fn tells_of_a_change(&self) -> bool {
        true
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
                "          {} of them to find users at fault, which the timpush paths name",
                self.timpush_would_save
            )?;
        }
        let not_sent = match self.users_not_sent {
            0 => String::new(),
            users => format!(", {users} not sent"),
        };
        writeln!(
            out,
            "tagged    {}, {} failed{not_sent}",
            count(self.users_tagged, "user", "users"),
            self.users_failed
        )
    }

    fn undone(&self, out: &mut dyn Write) -> io::Result<()> {
        let by_reason = self.undone.by_reason.as_ref();
        let ByReason { failed, not_sent } =
            by_reason.map_err(|error| io::Error::other(error.to_string()))?;
        if self.users_failed > 0 {
            let users = count(self.users_failed, "user", "users");
            writeln!(out, "\n{users} failed:")?;
            write_reasons(failed, out)?;
        }
        if self.users_not_sent > 0 {
            let users = count(self.users_not_sent, "user was", "users were");
            writeln!(out, "\n{users} not sent:")?;
            write_reasons(not_sent, out)?;
        }
        Ok(())
    }

    /// Where all are named, and how to go on.
    fn what_next(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.demo.is_some() {
            return Ok(());
        }
        let is_over = self.journal.is_none() && self.ended_early.is_none();
        if let Some(list) = &self.undone.list {
            let list = list.display().to_string();
            let what = if is_over {
                "lists who failed: correct a copy, and import that"
            } else {
                "lists who failed so far"
            };
            writeln!(out, "{} {what}", Shown(&list))?;
        }
        if let Some(list) = &self.earlier_list {
            let list = list.display().to_string();
            writeln!(
                out,
                "{} lists who failed in an earlier run, and stays",
                Shown(&list)
            )?;
        }
        if is_over {
            return Ok(());
        }
        let journal = self.journal.as_ref().map(|it| it.display().to_string());
        let journal = journal.map(|it| Shown(&it).to_string());
        writeln!(out, "{}", self.ended.advice(journal.as_deref()))
    }
}
