//! What becomes of a change.

use std::time::{Duration, SystemTime};

use imtag_core::Effect;
use imtag_rows::FailureLine;

use crate::codec::{Damaged, Reader, Writer};
use crate::id::ChangeId;

/// What is known of a change that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeState {
    /// It waits.
    Queued,
    /// It is in the client's pipeline, and so perhaps on its way.
    Sending,
    /// The service has made it.
    Done,
    /// The service rejects it: it is not done, and not tried again.
    Failed(Box<Failure>),
    /// It failed, and its failure was deleted as one that is taken care of.
    FailureDeleted,
    /// It was deleted before it was sent.
    Deleted,
}

/// A change that failed, until it is deleted as one that is taken care of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The change.
    pub id: ChangeId,
    /// When that became known, by the clock of the machine; to the millisecond.
    pub at: SystemTime,
    /// What failed and why, as a line that is a row again.
    pub line: FailureLine,
}

/// Which changes are deleted before they are sent: those for which all is true that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Filter {
    /// It is of this account.
    pub account: Option<String>,
    /// It has this tag, perhaps among others, which are not sent either.
    pub tag: Option<String>,
    /// It was accepted so long ago. A step of the machine's clock while the queue is open makes none older; between two
    /// openings it cannot be told from time that passed.
    pub older_than: Option<Duration>,
}

/// What a purge did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Purged {
    /// So many changes that waited were looked at.
    pub looked_at: u64,
    /// So many changes were deleted.
    pub deleted: u64,
    /// So many more are meant, and stay, as they are under way.
    pub under_way: u64,
}

impl Filter {
    /// True if the texts of a change are meant.
    pub(crate) fn means(&self, account: &str, tags: &[&str]) -> bool {
        let is_of = self.account.as_ref().is_none_or(|it| it == account);
        let has = |tag: &String| tags.contains(&tag.as_str());
        is_of && self.tag.as_ref().is_none_or(has)
    }

    /// True if every change of old enough a post is meant.
    pub(crate) fn means_all(&self) -> bool {
        self.account.is_none() && self.tag.is_none()
    }
}

/// What became of a change in the pipeline.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    Done,
    Failed(Box<Failure>),
}

/// An outcome on its way to the store.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) id: ChangeId,
    /// A number that the account has alone, or with few others.
    pub(crate) account: u64,
    pub(crate) outcome: Outcome,
}

const EFFECTS: [Effect; 3] = [Effect::NotApplied, Effect::PossiblyApplied, Effect::Applied];

impl Failure {
    pub(crate) fn encoded(&self) -> Vec<u8> {
        let line = &self.line;
        let mut writer = Writer::new();
        writer.change(line.op, &line.account, line.tags.iter().map(String::as_str));
        let effect = EFFECTS.iter().position(|it| *it == line.effect);
        writer.byte(effect.and_then(|it| u8::try_from(it).ok()).unwrap_or(1));
        writer.byte(u8::from(line.code.is_some()));
        writer.number(u32::from_ne_bytes(line.code.unwrap_or(0).to_ne_bytes()));
        writer.text(&line.reason);
        writer.text(&line.remedy);
        writer.finish()
    }

    pub(crate) fn read(id: ChangeId, at: SystemTime, bytes: &[u8]) -> Result<Failure, Damaged> {
        let mut reader = Reader::new(bytes)?;
        let (op, account, tags) = reader.change()?;
        let effect = EFFECTS.get(usize::from(reader.byte()?)).ok_or(Damaged)?;
        let has_code = reader.byte()? == 1;
        let code = i32::from_ne_bytes(reader.number()?.to_ne_bytes());
        let line = FailureLine {
            account: account.to_owned(),
            op,
            tags: tags.into_iter().map(str::to_owned).collect(),
            code: has_code.then_some(code),
            reason: reader.text()?.to_owned(),
            remedy: reader.text()?.to_owned().into(),
            effect: *effect,
        };
        reader.finish()?;
        Ok(Failure { id, at, line })
    }
}

#[cfg(test)]
mod tests {
    use imtag_core::ChangeOperation;

    use super::*;
    use crate::id::PostId;

    #[test]
    fn a_failure_is_read_as_it_was_written() {
        let line = FailureLine {
            account: "bob".to_owned(),
            op: ChangeOperation::Remove,
            tags: vec!["vip".to_owned(), "北京".to_owned()],
            code: Some(70107),
            reason: "no such account".to_owned(),
            remedy: "import the account first".into(),
            effect: Effect::NotApplied,
        };
        let (id, at) = (PostId::from_row(12).change(3), SystemTime::UNIX_EPOCH);
        let mut failure = Failure { id, at, line };
        for (code, effect) in [
            (Some(70107), Effect::NotApplied),
            (Some(-1), Effect::PossiblyApplied),
            (None, Effect::Applied),
        ] {
            (failure.line.code, failure.line.effect) = (code, effect);
            let bytes = failure.encoded();
            let read = |bytes| Failure::read(failure.id, failure.at, bytes);
            assert_eq!(read(&bytes).as_ref(), Ok(&failure));
            assert_eq!(read(&bytes[..bytes.len() - 1]), Err(Damaged));
        }
    }
}
