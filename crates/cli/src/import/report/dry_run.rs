//! A dry run: what there is to do for a file, and how long that takes at the full quota. Users who would be left out
//! are named as an import names them.

use std::io::{self, Write};

use imtag_core::CallRate;
use serde::Serialize;

use super::reasons::Reasons;
use super::totals::{Totals, write_read};
use crate::exit::Exit;
use crate::import::bad_rows::BadRows;
use crate::import::input::JoinedTags;
use crate::output::Show;
use crate::output::count;

/// What a dry run says. The names of the fields are a promise to programs: see the README.
#[derive(Serialize)]
pub(crate) struct DryRun {
    pub(crate) dry_run: bool,
    pub(crate) file: String,
    pub(crate) rows: u64,
    pub(crate) bad_rows: u64,
    #[serde(flatten)]
    pub(crate) totals: Totals,
    pub(crate) lower_bound: u64,
    pub(crate) seconds_at_full_quota: f64,
    /// Users who would not be sent.
    #[serde(serialize_with = "Reasons::examples")]
    pub(crate) failures: Reasons,
    #[serde(flatten)]
    pub(crate) left_out: BadRows,
    pub(crate) joined_tags: Option<JoinedTags>,
    #[serde(skip)]
    pub(crate) calls_per_second: CallRate,
}

impl DryRun {
    pub(crate) fn exit(&self) -> Exit {
        match self.bad_rows + self.totals.users_failed {
            0 => Exit::Done,
            _ => Exit::SomeFailed,
        }
    }
}

impl Show for DryRun {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let users = self.totals.users;
        write_read(out, &self.file, self.rows, self.bad_rows, users)?;
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
        self.left_out.write(out)?;
        if self.totals.users_failed > 0 {
            let users = count(self.totals.users_failed, "user", "users");
            writeln!(out, "\n{users} would fail:")?;
            self.failures.write(out)?;
        }
        Ok(())
    }
}
