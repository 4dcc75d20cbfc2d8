//! The report of an import, as data: what was read, what was sent, and how many failed or were not sent, and why. It is
//! bounded: of each reason ten are named, and the lists have all. `summary` makes the text of it.

use std::path::PathBuf;

use serde::ser::Error;
use serde::{Serialize, Serializer};

use super::bad_rows::Kinds;
use super::ended::Ended;
use super::input::JoinedTags;
use super::read_back::ReadBack;
use super::reasons::Reasons;
use super::unfinished::Unnamed;
use crate::exit::Exit;

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
    pub(crate) splits: u64,
    pub(crate) users_tagged: u64,
    pub(crate) users_failed: u64,
    pub(crate) users_not_sent: u64,
    pub(crate) seconds: f64,
    pub(crate) quota_utilisation: f64,
    /// Shown first, to people.
    #[serde(skip)]
    pub(crate) demo: Option<String>,
    /// Why it ended before all was sent.
    pub(crate) ended_early: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) read_back: Option<ReadBack>,
    #[serde(flatten)]
    pub(crate) undone: UndoneUsers,
    #[serde(flatten)]
    pub(crate) left_out: LeftOut,
    pub(crate) joined_tags: Option<JoinedTags>,
    #[serde(skip)]
    pub(crate) ended: Ended,
    /// The list of an earlier run, which stays, as no user of this one is listed.
    #[serde(skip)]
    pub(crate) earlier_list: Option<PathBuf>,
    /// The journal, where the import can be gone on with.
    #[serde(skip)]
    pub(crate) journal: Option<PathBuf>,
    /// Requests that a search for users at fault took and the `timpush` paths would not have.
    #[serde(skip)]
    pub(crate) timpush_would_save: u64,
}

/// The users who are not done, by reason; or why they cannot be told.
pub(crate) struct UndoneUsers {
    pub(crate) by_reason: Result<ByReason, Unnamed>,
    /// The list of all who failed, where there is one.
    pub(crate) list: Option<PathBuf>,
}

pub(crate) struct ByReason {
    pub(crate) failed: Reasons,
    pub(crate) not_sent: Reasons,
}

impl Serialize for UndoneUsers {
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
        let ByReason { failed, not_sent } = self.by_reason.as_ref().map_err(S::Error::custom)?;
        let fields = Fields {
            failures: failed,
            failures_by_reason: failed,
            failed_list: self.list.as_ref().map(|it| it.display().to_string()),
            not_sent,
            not_sent_by_reason: not_sent,
        };
        fields.serialize(serializer)
    }
}

/// The rows that were left out, by reason, and the list of all of them, where there is one.
pub(crate) struct LeftOut {
    pub(crate) kinds: Kinds,
    pub(crate) list: Option<PathBuf>,
}

impl Serialize for LeftOut {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a> {
            #[serde(serialize_with = "Kinds::examples")]
            bad_row_details: &'a Kinds,
            #[serde(serialize_with = "Kinds::counts")]
            bad_rows_by_reason: &'a Kinds,
            bad_rows_list: Option<String>,
        }
        let fields = Fields {
            bad_row_details: &self.kinds,
            bad_rows_by_reason: &self.kinds,
            bad_rows_list: self.list.as_ref().map(|it| it.display().to_string()),
        };
        fields.serialize(serializer)
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
}
