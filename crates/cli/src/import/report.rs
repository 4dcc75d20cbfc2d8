//! The report of an import, as data: what was read, what was sent, and who failed and why. `summary` makes the text
//! of it; programs get it whole, one failure after the other as it is written.

use serde::{Serialize, Serializer};

use super::bad_rows::BadRows;
use super::course::End;
use super::read_back::ReadBack;
use super::tally::{FailedUser, Tally};
use crate::exit::Exit;

/// What an import did. The names of the fields are a promise to programs: see the README.
#[derive(Serialize)]
pub(crate) struct Report<'t> {
    pub(crate) file: String,
    pub(crate) rows: u64,
    pub(crate) bad_rows: u64,
    pub(crate) users: usize,
    pub(crate) requests: usize,
    pub(crate) lower_bound: usize,
    pub(crate) retries: u64,
    pub(crate) users_tagged: usize,
    pub(crate) users_failed: usize,
    pub(crate) seconds: f64,
    pub(crate) quota_utilisation: f64,
    /// Shown first, to people.
    #[serde(skip)]
    pub(crate) demo: Option<String>,
    /// Why it ended before all was sent.
    pub(crate) ended_early: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) read_back: Option<ReadBack>,
    pub(crate) failures: Failures<'t>,
    pub(crate) bad_row_details: BadRows,
    #[serde(skip)]
    pub(crate) ended: Ended,
}

/// How the sending ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    AllSent,
    Interrupted,
    Early(End),
}

/// The users who failed, worked out when they are asked for.
pub(crate) struct Failures<'t>(pub(crate) &'t Tally<'t>);

#[derive(Serialize)]
pub(super) struct Failure<'t> {
    pub(super) account: &'t str,
    pub(super) tags: Vec<&'t str>,
    pub(super) code: Option<i32>,
    pub(super) reason: &'t str,
    pub(super) remedy: &'t str,
    pub(super) effect: &'static str,
}

impl Failures<'_> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = FailedUser<'_>> {
        self.0.failures()
    }
}

impl Serialize for Failures<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq;
        let mut list = serializer.serialize_seq(None)?;
        for user in self.iter() {
            list.serialize_element(&Failure {
                account: user.account,
                tags: user.tags,
                code: user.reason.code,
                reason: &user.reason.reason,
                remedy: &user.reason.remedy,
                effect: user.effect.name(),
            })?;
        }
        list.end()
    }
}

impl Report<'_> {
    pub(crate) fn exit(&self) -> Exit {
        match &self.ended {
            Ended::Interrupted => Exit::Interrupted,
            Ended::Early(End::Refused(_)) => Exit::Settings,
            Ended::Early(End::GaveOut(_)) => Exit::GaveOut,
            Ended::AllSent if self.all_done() => Exit::Done,
            Ended::AllSent => Exit::SomeFailed,
        }
    }

    fn all_done(&self) -> bool {
        if self.read_back.as_ref().is_some_and(|it| !it.is_equal()) {
            return false;
        }
        self.bad_rows == 0 && self.users_failed == 0
    }
}
