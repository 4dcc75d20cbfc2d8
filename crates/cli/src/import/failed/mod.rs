//! Who failed: `FILE.failed.ndjson`, one JSON object a line, which can be imported again as it is. `file` writes it,
//! `list` reads it back for the report, neither holds it.
//!
//! - It holds accounts and tags, and so is for its owner's eyes: mode 0600.
//! - Each line is on the disk for good before the journal counts the user as failed, and the journal knows how long
//!   the file was then: see `journal`. A run that is resumed cuts what stands after that, as those users are
//!   done again, and goes on from there. So each user is listed once, through any number of crashes.
//! - No other file is ever written: see `ownership`. A list is known by its lines, each as it is written here.
//! - An earlier list is replaced when the first user of the new run is settled, or held back where it ends early. A
//!   wrong key or a refused setting costs no list.
//! - A run that ends early adds the users whose failures are held back: the list names all who failed. They are cut off
//!   when the import is resumed.
//! - A run that no user failed in leaves no file behind.

mod file;
mod list;

use std::path::PathBuf;

use imtag_transport::Effect;
use serde::{Serialize, Serializer};

pub(crate) use file::{FailedFile, LIST, Mark};
pub(crate) use list::{Listed, count_users, list};

use super::disk::DiskError;
pub(crate) use super::input::change::Op;
use super::lock::StateFileError;
use crate::output::{Reason, count};

/// One line: what was not done for a user, or is not known to have been done. The names of the fields are a promise
/// to programs, and those of the report's `failures`.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Failure<'a> {
    pub(crate) account: &'a str,
    pub(crate) op: Op,
    /// None for a clear.
    pub(crate) tags: &'a [&'a str],
    #[serde(flatten)]
    pub(crate) reason: &'a Reason,
    #[serde(serialize_with = "by_name")]
    pub(crate) effect: Effect,
}

// serde hands a reference out
#[allow(clippy::trivially_copy_pass_by_ref)]
fn by_name<S: Serializer>(effect: &Effect, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(effect.name())
}

impl Failure<'_> {
    /// The same line, to keep.
    pub(crate) fn to_listed(self) -> Listed {
        Listed {
            account: self.account.to_owned(),
            op: self.op,
            tags: self.tags.iter().map(|tag| (*tag).to_owned()).collect(),
            reason: self.reason.clone(),
            effect: self.effect,
        }
    }

    /// Appends the line to a text.
    pub(crate) fn write(&self, text: &mut Vec<u8>) {
        serde_json::to_writer(&mut *text, self)
            .expect("a Vec takes all that is written to it, and every key is a string");
        text.push(b'\n');
    }
}

/// A list of failed users that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FailedError {
    #[error(transparent)]
    File(#[from] StateFileError),
    /// When a run is resumed: what follows its lines is no line.
    #[error(
        "{} goes on with lines that imtag did not write: move them to another file, and run the same command again",
        path.display()
    )]
    Followed { path: PathBuf },
    /// When a run is resumed: what it wrote is gone.
    #[error(
        "{} does not start with the failed users that this import has listed so far: put it back as it was, or \
         delete {} to import the whole file again",
        path.display(),
        journal.display()
    )]
    NotAsWritten { path: PathBuf, journal: PathBuf },
    /// On reading it back: somebody has changed it meanwhile.
    #[error(
        "{} lists {}, not the {expected} who failed: it was changed or removed; import the whole file again",
        path.display(),
        count(*listed, "user", "users")
    )]
    NotWhole {
        path: PathBuf,
        listed: u64,
        expected: u64,
    },
    #[error("line {line} of {} is not as it was written ({problem})", path.display())]
    Line {
        path: PathBuf,
        line: u64,
        problem: String,
    },
}

impl From<DiskError> for FailedError {
    fn from(error: DiskError) -> FailedError {
        FailedError::File(error.into())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn reason() -> Reason {
        Reason {
            code: Some(70107),
            reason: "no such account".to_owned(),
            remedy: "import the account first".into(),
        }
    }

    #[test]
    fn a_line_has_the_fields_of_the_report_and_the_operation() {
        let mut text = Vec::new();
        let reason = reason();
        let failure = Failure {
            account: "bob \"b\"",
            op: Op::Remove,
            tags: &["a", "北京"],
            reason: &reason,
            effect: Effect::NotApplied,
        };
        failure.write(&mut text);
        let ours = Reason::ours("time was up".to_owned(), "try again");
        Failure {
            account: "eve",
            op: Op::Clear,
            tags: &[],
            reason: &ours,
            effect: Effect::PossiblyApplied,
        }
        .write(&mut text);
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "{\"account\":\"bob \\\"b\\\"\",\"op\":\"remove\",\"tags\":[\"a\",\"北京\"],\"code\":70107,\
             \"reason\":\"no such account\",\"remedy\":\"import the account first\",\"effect\":\"not applied\"}\n\
             {\"account\":\"eve\",\"op\":\"clear\",\"tags\":[],\"code\":null,\
             \"reason\":\"time was up\",\"remedy\":\"try again\",\"effect\":\"possibly applied\"}\n"
        );
    }
}
