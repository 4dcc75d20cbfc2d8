//! The report of an import: what was read, what was sent, how many users failed or were not sent, and why; as one JSON
//! object for programs, and as text for people: figures first, then the reasons, then what to do next. It is bounded: of
//! each reason ten are named, and the lists have all.

pub(super) mod dry_run;
mod meter;
pub(super) mod progress;
pub(super) mod read_back;
pub(super) mod reasons;
pub(super) mod totals;

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use imtag_core::CallRate;
use serde::{Serialize, Serializer};

use super::bad_rows::BadRows;
use super::input::JoinedTags;
use super::state::failed_change::Why;
use crate::exit::Exit;
use crate::output::{Show, Shown, count, wrapped};
use read_back::ReadBack;
use reasons::{INDENT, Reasons};
use totals::write_read;

/// How the sending ended, and what follows for the user of the command: each end has its own advice, and none says to run
/// the same command again where that would end in the same way.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    AllSent,
    Interrupted,
    /// The service refuses the app, its credentials or its settings, or the endpoint is not the service.
    Refused {
        why: String,
        remedy: Cow<'static, str>,
    },
    /// The service or the network was unavailable, with the last failure.
    Unavailable(String),
    /// This machine denies what the import needs.
    Denied(String),
}

impl Ended {
    /// Records that this machine denies what is needed to end well.
    fn denied(&mut self, denied: &impl std::fmt::Display) {
        match self {
            Ended::AllSent | Ended::Interrupted => *self = Ended::Denied(denied.to_string()),
            // it is said already
            Ended::Denied(_) => {}
            Ended::Refused { why, .. } | Ended::Unavailable(why) => {
                *why = format!("{why}; and {denied}");
            }
        }
    }

    /// The value, or what stands for one where this machine denies it.
    pub(crate) fn or_denied<T: Default, E: std::fmt::Display>(
        &mut self,
        result: Result<T, E>,
    ) -> T {
        result.unwrap_or_else(|denied| {
            self.denied(&denied);
            T::default()
        })
    }

    /// The exit code of an import that ended so; `None` if it depends on the users.
    fn exit(&self) -> Option<Exit> {
        match self {
            Ended::AllSent => None,
            Ended::Interrupted => Some(Exit::Interrupted),
            Ended::Refused { .. } => Some(Exit::Settings),
            Ended::Unavailable(_) | Ended::Denied(_) => Some(Exit::Unavailable),
        }
    }

    /// Why not all was sent.
    fn sentence(&self) -> Option<&str> {
        match self {
            Ended::AllSent => None,
            Ended::Interrupted => Some("interrupted"),
            Ended::Refused { why, .. } | Ended::Unavailable(why) | Ended::Denied(why) => Some(why),
        }
    }

    /// Why a user who was not sent was not, and what to do.
    pub(crate) fn not_sent(&self) -> Why {
        let (reason, remedy) = match self {
            Ended::AllSent => ("not sent", "run the same command again".into()),
            Ended::Interrupted => ("not sent: interrupted", "run the same command again".into()),
            Ended::Refused { remedy, .. } => (
                "not sent: the service refused what was sent before",
                remedy.clone(),
            ),
            Ended::Unavailable(_) => (
                "not sent: the service or the network was unavailable",
                "run the same command again when it is back".into(),
            ),
            Ended::Denied(_) => (
                "not sent: this machine denied what the import needs",
                "fix that, and run the same command again".into(),
            ),
        };
        (reason.to_owned(), remedy)
    }

    /// What to do about users who are not done. `journal` is the one that stays, if one does.
    fn advice(&self, journal: Option<&str>) -> String {
        let resumes = match journal {
            Some(journal) => format!(": it resumes from {journal}"),
            None => String::new(),
        };
        match self {
            Ended::AllSent | Ended::Interrupted => {
                format!("run the same command again{resumes}")
            }
            Ended::Unavailable(_) => {
                format!("run the same command again when the service is back{resumes}")
            }
            Ended::Denied(_) => {
                format!("when that is fixed, run the same command again{resumes}")
            }
            Ended::Refused { remedy, .. } => match journal {
                None => format!("first: {remedy}; then import the file"),
                Some(journal) => format!(
                    "first: {remedy}; then import the file: it resumes from {journal}, and if SDKAppID, endpoint or \
                     generation change, delete that first"
                ),
            },
        }
    }
}

/// As programs read it: why not all was sent, or null.
impl Serialize for Ended {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.sentence().serialize(serializer)
    }
}

/// What an import did. The names of the fields are a promise to programs: see the README.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) file: String,
    pub(crate) rows: u64,
    pub(crate) bad_rows: u64,
    pub(crate) users: u64,
    /// Users settled by earlier runs of the same import.
    pub(crate) resumed: u64,
    pub(crate) requests: u64,
    pub(crate) lower_bound: u64,
    pub(crate) retries: u64,
    /// Attempts of this run that the service rejected as too frequent: others use the quota, too.
    pub(crate) quota_rejections: u64,
    pub(crate) splits: u64,
    pub(crate) users_tagged: u64,
    pub(crate) users_failed: u64,
    pub(crate) users_not_sent: u64,
    pub(crate) seconds: f64,
    pub(crate) quota_utilisation: f64,
    pub(crate) above_alarm: bool,
    /// The first line for people.
    #[serde(skip)]
    pub(crate) demo: Option<String>,
    #[serde(rename = "ended_early")]
    pub(crate) ended: Ended,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) read_back: Option<ReadBack>,
    #[serde(flatten)]
    pub(crate) undone: Undone,
    #[serde(flatten)]
    pub(crate) left_out: BadRows,
    pub(crate) joined_tags: Option<JoinedTags>,
    /// The list of an earlier run: it stays, as no user of this one is listed.
    #[serde(skip)]
    pub(crate) earlier_list: Option<PathBuf>,
    /// The journal, if the import can be resumed.
    #[serde(skip)]
    pub(crate) journal: Option<PathBuf>,
    /// Requests that the search for users at fault took, and that the `timpush` paths would not need.
    #[serde(skip)]
    pub(crate) timpush_would_save: u64,
}

/// The users who are not done, by reason.
#[derive(Default)]
pub(crate) struct Undone {
    pub(crate) failed: Reasons,
    pub(crate) not_sent: Reasons,
    /// The list of all who failed, if there is one.
    pub(crate) list: Option<PathBuf>,
}

impl Serialize for Undone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a> {
            #[serde(serialize_with = "Reasons::examples")]
            failures: &'a Reasons,
            #[serde(serialize_with = "Reasons::counts")]
            failures_by_reason: &'a Reasons,
            failed_list: Option<String>,
            #[serde(serialize_with = "Reasons::examples")]
            not_sent: &'a Reasons,
            #[serde(serialize_with = "Reasons::counts")]
            not_sent_by_reason: &'a Reasons,
        }
        let fields = Fields {
            failures: &self.failed,
            failures_by_reason: &self.failed,
            failed_list: self.list.as_ref().map(|it| it.display().to_string()),
            not_sent: &self.not_sent,
            not_sent_by_reason: &self.not_sent,
        };
        fields.serialize(serializer)
    }
}

impl Show for Report {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if let Some(demo) = &self.demo {
            writeln!(out, "{}", wrapped(demo, INDENT))?;
        }
        self.figures(out)?;
        if let Some(read_back) = &self.read_back {
            read_back.write(out)?;
        }
        if let Some(why) = self.ended.sentence() {
            writeln!(out, "ended early: {}", Shown(why))?;
        }
        self.left_out.write(out)?;
        self.undone(out)?;
        self.what_next(out)
    }

    fn tells_of_a_change(&self) -> bool {
        true
    }
}

impl Report {
    pub(crate) fn exit(&self) -> Exit {
        match self.ended.exit() {
            Some(exit) => exit,
            None if self.all_done() => Exit::Done,
            None => Exit::SomeFailed,
        }
    }

    fn all_done(&self) -> bool {
        if self.read_back.as_ref().is_some_and(|it| !it.is_equal()) {
            return false;
        }
        self.bad_rows == 0 && self.users_tagged == self.users
    }

    fn figures(&self, out: &mut dyn Write) -> io::Result<()> {
        write_read(out, &self.file, self.rows, self.bad_rows, self.users)?;
        if self.resumed > 0 {
            let users = count(self.resumed, "user was", "users were");
            writeln!(out, "resumed   {users} settled before")?;
        }
        let sent = format!(
            "sent      {} (no plan needs fewer than {}), {},",
            count(self.requests, "request", "requests"),
            self.lower_bound,
            count(self.retries, "retry", "retries"),
        );
        writeln!(out, "{}", wrapped(sent, INDENT))?;
        writeln!(
            out,
            "          in {:.2} s: {:.1} % of the quota",
            self.seconds,
            self.quota_utilisation * 100.0
        )?;
        if self.quota_rejections > 0 && self.demo.is_none() {
            let rejected = format!(
                "          {} rejected as too frequent (60007): others use the app's quota, too; \
                 set each process's share by --calls-per-second",
                count(self.quota_rejections, "attempt was", "attempts were")
            );
            writeln!(out, "{}", wrapped(rejected, INDENT))?;
        }
        if self.above_alarm && self.demo.is_none() {
            let alarm = format!(
                "          faster than {} a second, which sets off the service's alarm (a webhook, if the app has one): \
                 --below-alarm does not",
                count(f64::from(CallRate::below_alarm()), "call", "calls")
            );
            writeln!(out, "{}", wrapped(alarm, INDENT))?;
        }
        if self.timpush_would_save > 0 {
            let split = format!(
                "          {} of them to find users at fault, which the timpush paths name",
                self.timpush_would_save
            );
            writeln!(out, "{}", wrapped(split, INDENT))?;
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
        if self.users_failed > 0 {
            let users = count(self.users_failed, "user", "users");
            writeln!(out, "\n{users} failed:")?;
            self.undone.failed.write(out)?;
        }
        if self.users_not_sent > 0 {
            let users = count(self.users_not_sent, "user was", "users were");
            writeln!(out, "\n{users} not sent:")?;
            self.undone.not_sent.write(out)?;
        }
        Ok(())
    }

    /// Which files name all users, and how to go on.
    fn what_next(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.demo.is_some() {
            return Ok(());
        }
        let is_over = self.journal.is_none() && self.ended == Ended::AllSent;
        if let Some(list) = &self.undone.list {
            let what = if is_over {
                "lists who failed: correct a copy, and import that"
            } else {
                "lists who failed so far"
            };
            writeln!(out, "{} {what}", shown(list))?;
        }
        if let Some(list) = &self.earlier_list {
            writeln!(
                out,
                "{} lists who failed in an earlier run, and stays",
                shown(list)
            )?;
        }
        if is_over {
            return Ok(());
        }
        let journal = self.journal.as_deref().map(shown);
        writeln!(out, "{}", self.ended.advice(journal.as_deref()))
    }
}

/// The time at the start of a run that its first calls, which go one by one, cost in all.
const SLOW_START: f64 = 0.5;

/// True if so many calls in so many seconds mean that some second had more than the service raises no alarm for.
pub(super) fn is_above_alarm(rate: CallRate, sent: u64, seconds: f64) -> bool {
    let most = CallRate::below_alarm();
    #[allow(clippy::cast_precision_loss)] // no import makes 2^52 requests
    let is_faster = sent as f64 > f64::from(most) * (seconds - SLOW_START).max(1.0);
    rate > most && is_faster
}

fn shown(path: &Path) -> String {
    Shown(&path.display().to_string()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_above_the_alarm_where_some_second_had_more_than_80_calls() {
        let full = CallRate::default();
        for (rate, sent, seconds, expected) in [
            (full, 80, 0.2, false),
            (full, 81, 0.9, true),
            (full, 140, 1.9, true),
            (full, 9_900, 100.0, true),
            // slowed down by the service, the network or this machine
            (full, 5_000, 100.0, false),
            (CallRate::below_alarm(), 9_900, 100.0, false),
        ] {
            assert_eq!(
                is_above_alarm(rate, sent, seconds),
                expected,
                "{sent} in {seconds} s"
            );
        }
    }

    #[test]
    fn only_an_end_that_the_same_command_overcomes_advises_it() {
        let refused = Ended::Refused {
            why: "60026".to_owned(),
            remedy: "choose the right region".into(),
        };
        let why = || "why".to_owned();
        for (ended, advice) in [
            (Ended::Interrupted, "run the same command again"),
            (
                Ended::Unavailable(why()),
                "run the same command again when the service is back",
            ),
            (
                Ended::Denied(why()),
                "when that is fixed, run the same command again",
            ),
            (
                refused,
                "first: choose the right region; then import the file",
            ),
        ] {
            assert_eq!(ended.advice(None), advice);
            let left = ended.advice(Some("a.journal"));
            assert!(
                left.starts_with(&format!("{advice}: it resumes from a.journal")),
                "{left}"
            );
        }
    }
}
