//! The report of an import, as data: what was read, what was sent, and who failed and why. `summary` makes the text
//! of it; programs get it whole, one failure after the other as it is written.

use std::cell::RefCell;
use std::path::PathBuf;

use serde::ser::{Error, SerializeSeq};
use serde::{Serialize, Serializer};

use super::bad_rows::BadRows;
use super::book::{Remains, changes_of};
use super::disk::DiskError;
use super::failed::{self, FailedError, Failure};
use super::read_back::ReadBack;
use super::users::{Gathered, GroupError};
use crate::exit::Exit;
use crate::reason::Reason;

/// What an import did. The names of the fields are a promise to programs: see the README.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) file: String,
    pub(crate) rows: u64,
    pub(crate) bad_rows: u64,
    pub(crate) users: u64,
    /// Users whom earlier runs of the same import had settled.
    pub(crate) resumed: u64,
    pub(crate) requests: u64,
    pub(crate) lower_bound: u64,
    pub(crate) retries: u64,
    pub(crate) splits: u64,
    pub(crate) users_tagged: u64,
    pub(crate) users_failed: u64,
    pub(crate) seconds: f64,
    pub(crate) quota_utilisation: f64,
    /// Shown first, to people.
    #[serde(skip)]
    pub(crate) demo: Option<String>,
    /// Why it ended before all was sent.
    pub(crate) ended_early: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) read_back: Option<ReadBack>,
    pub(crate) failures: Failures,
    pub(crate) bad_row_details: BadRows,
    #[serde(skip)]
    pub(crate) ended: Ended,
    /// Requests that a search for users at fault took and the `timpush` paths would not have.
    #[serde(skip)]
    pub(crate) timpush_would_save: u64,
}

/// How the sending ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    AllSent,
    Interrupted,
    /// The app is not let in, with what was said.
    Refused(String),
    /// The service or the network gave out, with the last failure.
    GaveOut(String),
    /// This machine denies what is needed.
    Stopped(String),
}

/// The users who are not done, found again when they are asked for: the list of those who failed, and after it, where the
/// import ended early, those who are left.
pub(crate) struct Failures {
    pub(crate) list: PathBuf,
    pub(crate) gathered: RefCell<Gathered>,
    pub(crate) remains: Remains,
    /// Why who was not sent was not.
    pub(crate) not_sent: Reason,
}

/// Why the users who are not done cannot be named.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unnamed {
    #[error(transparent)]
    Group(#[from] GroupError),
    #[error(transparent)]
    List(#[from] FailedError),
}

impl From<Unnamed> for std::io::Error {
    fn from(error: Unnamed) -> std::io::Error {
        std::io::Error::other(error)
    }
}

impl Failures {
    /// # Errors
    /// Where the list or the temporary file cannot be read, or with the first of `each`.
    pub(crate) fn for_each<E: From<Unnamed>>(
        &self,
        mut each: impl FnMut(&Failure<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let settled = &self.remains.settled;
        if settled.failed() > 0 {
            self.for_each_listed(&mut each)?;
        }
        match settled.is_complete() {
            true => Ok(()),
            false => self.for_each_left(each),
        }
    }

    fn for_each_listed<E: From<Unnamed>>(
        &self,
        mut each: impl FnMut(&Failure<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut users = 0;
        let mut last = String::new();
        let list = failed::list(&self.list, &self.remains.unlisted);
        for listed in list.map_err(Unnamed::from)? {
            let listed = listed.map_err(Unnamed::from)?;
            let tags: Vec<&str> = listed.tags.iter().map(String::as_str).collect();
            each(&Failure {
                account: &listed.account,
                op: listed.op,
                tags: &tags,
                reason: &listed.reason,
                effect: listed.effect,
            })?;
            // the lines of a user stand together
            users += u64::from(last != listed.account);
            last = listed.account;
        }
        let expected = self.remains.settled.failed();
        if users == expected {
            return Ok(());
        }
        let path = self.list.clone();
        Err(Unnamed::List(FailedError::NotWhole {
            path,
            listed: users,
            expected,
        })
        .into())
    }

    fn for_each_left<E: From<Unnamed>>(
        &self,
        mut each: impl FnMut(&Failure<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut gathered = self.gathered.borrow_mut();
        let mut users = gathered.users();
        while let Some((position, user)) = users.next().map_err(Unnamed::from)? {
            if self.remains.settled.is_settled(position) {
                continue;
            }
            let left = self.remains.left(position);
            for undone in left.map_or(&[][..], |left| &left.undone) {
                let tags: Vec<&str> = undone.tags.iter().map(String::as_str).collect();
                each(&undone.failure(&tags, &self.not_sent))?;
            }
            for (op, tags) in changes_of(&user) {
                if left.is_some_and(|left| !left.is_unheard_of(op)) {
                    continue;
                }
                let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
                each(&Failure {
                    account: user.account,
                    op,
                    tags: &tags,
                    reason: &self.not_sent,
                    effect: self.remains.earlier,
                })?;
            }
        }
        Ok(())
    }
}

impl Serialize for Failures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// A serializer's error cannot be made of any other, but for its text.
        struct Failed<E>(E);
        impl<E: Error> From<Unnamed> for Failed<E> {
            fn from(error: Unnamed) -> Failed<E> {
                Failed(E::custom(error))
            }
        }
        let mut list = serializer.serialize_seq(None)?;
        self.for_each(|failure| list.serialize_element(failure).map_err(Failed))
            .map_err(|failed| failed.0)?;
        list.end()
    }
}

impl Report {
    pub(crate) fn exit(&self) -> Exit {
        match &self.ended {
            Ended::Interrupted => Exit::Interrupted,
            Ended::Refused(_) => Exit::Settings,
            Ended::GaveOut(_) | Ended::Stopped(_) => Exit::GaveOut,
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

impl Ended {
    /// This machine denies what is needed to end well.
    pub(crate) fn denied(&mut self, denied: &DiskError) {
        match self {
            Ended::AllSent | Ended::Interrupted => *self = Ended::Stopped(denied.to_string()),
            // it is said already
            Ended::Stopped(_) => {}
            Ended::Refused(why) | Ended::GaveOut(why) => *why = format!("{why}; and {denied}"),
        }
    }

    pub(crate) fn sentence(&self) -> Option<String> {
        match self {
            Ended::AllSent => None,
            Ended::Interrupted => Some("interrupted".to_owned()),
            Ended::Refused(why) | Ended::GaveOut(why) | Ended::Stopped(why) => Some(why.clone()),
        }
    }

    /// Why what was not sent was not.
    pub(crate) fn not_sent(&self) -> Reason {
        let (reason, remedy) = match self {
            Ended::AllSent => ("not sent", "run the same command again"),
            Ended::Interrupted => (
                "not sent: interrupted",
                "run the same command again: it goes on",
            ),
            Ended::Refused(_) => (
                "not sent: the service does not let this app in",
                "mend the settings, and run the same command again",
            ),
            Ended::GaveOut(_) => (
                "not sent: the service or the network gave out",
                "run the same command again when it is back: it goes on",
            ),
            Ended::Stopped(_) => (
                "not sent: this machine denies what the import needs",
                "mend it, and run the same command again: it goes on",
            ),
        };
        Reason::ours(reason.to_owned(), remedy)
    }
}
