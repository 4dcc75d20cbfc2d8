//! The book: what has become of each user. A user is settled when all that was to be done is done, or when what was not
//! is listed with its reason; both go to the journal. What failed for the service's or the network's fault is held back: at
//! the end of the import it is listed too, and where the import ends early, the same command tries it again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use imtag_transport::{Blame, Change, ChangeCause, ChangeError, Effect, Operation};

use super::change::Op;
use super::disk::DiskError;
use super::failed::Failure;
use super::group::User;
use super::journal::{Journal, Kind, Opened, Settled};
use crate::reason::Reason;

/// Users whose failures are held back; those beyond are listed at once.
const HELD_AT_MOST: usize = 10_000;

pub(crate) struct Book {
    pub(crate) journal: Journal,
    pub(crate) settled: Settled,
    /// Users of whom something is under way.
    open: HashMap<u64, Open>,
    held: BTreeMap<u64, Vec<Undone>>,
    /// Users who are done, to be confirmed together.
    done: Vec<u64>,
}

/// What an import leaves behind.
pub(crate) struct Remains {
    pub(crate) settled: Settled,
    held: BTreeMap<u64, Vec<Undone>>,
}

impl Remains {
    /// What was held back of a user; nothing in it where only a part of what was to be done was given out.
    pub(crate) fn held(&self, position: u64) -> Option<&[Undone]> {
        self.held.get(&position).map(Vec::as_slice)
    }
}

#[derive(Default)]
struct Open {
    under_way: u8,
    /// All that is to be done for the user has been given out.
    whole: bool,
    undone: Vec<Undone>,
    /// Something was not sent, as the run ended.
    not_sent: bool,
    some_done: bool,
    /// What was added: where the clear before it was not done, it has to be done again after it.
    added: Option<Arc<Change>>,
}

/// What was not done for a user, or is not known to have been done.
pub(crate) struct Undone {
    pub(crate) account: String,
    pub(crate) op: Op,
    pub(crate) tags: Vec<String>,
    pub(crate) reason: Reason,
    pub(crate) effect: Effect,
    /// Whether it is the user's own fault, so that it fails again.
    final_: bool,
}

impl Undone {
    fn of(error: &ChangeError) -> Undone {
        Undone {
            account: error.account().to_owned(),
            op: op_of(error.operation()),
            tags: error.undone().to_vec(),
            reason: Reason::of_change(error),
            effect: error.effect(),
            final_: error.blame() == Blame::Users,
        }
    }

    /// As a line of the list. `tags` are its own.
    pub(crate) fn failure<'u>(&'u self, tags: &'u [&'u str]) -> Failure<'u> {
        Failure {
            account: &self.account,
            op: self.op,
            tags,
            reason: &self.reason,
            effect: self.effect,
        }
    }

    /// To add what has been added already, as a clear is to come first.
    fn again(added: &Change) -> Undone {
        Undone {
            account: added.account().to_owned(),
            op: Op::Add,
            tags: added.tags().to_vec(),
            reason: Reason::ours(
                "added, but what was to be cleared first is not".to_owned(),
                "import these lines again: they clear, and then add",
            ),
            effect: Effect::Applied,
            final_: true,
        }
    }
}

fn was_not_sent(error: &ChangeError) -> bool {
    matches!(error.cause(), ChangeCause::Ended(_)) && error.effect() == Effect::NotApplied
}

fn op_of(operation: Operation) -> Op {
    match operation {
        Operation::Remove => Op::Remove,
        Operation::Clear => Op::Clear,
        Operation::Add | Operation::Get => Op::Add,
    }
}

impl Book {
    pub(crate) fn of(opened: Opened) -> Book {
        Book {
            journal: opened.journal,
            settled: opened.settled,
            open: HashMap::new(),
            held: BTreeMap::new(),
            done: Vec::new(),
        }
    }

    /// A change of a user has been given out.
    pub(crate) fn given(&mut self, position: u64) {
        self.open.entry(position).or_default().under_way += 1;
    }

    /// All changes of a user have been given out.
    pub(crate) fn all_given(&mut self, position: u64) -> Result<(), DiskError> {
        if let Some(open) = self.open.get_mut(&position) {
            open.whole = true;
        }
        self.close_if_over(position)
    }

    /// Nothing is sent of a user.
    pub(crate) fn refuse(
        &mut self,
        position: u64,
        user: &User<'_>,
        reason: &Reason,
    ) -> Result<(), DiskError> {
        let list = |op, tags| Undone {
            account: user.account.to_owned(),
            op,
            tags,
            reason: reason.clone(),
            effect: Effect::NotApplied,
            final_: true,
        };
        let changes = changes_of(user).map(|(op, tags)| list(op, tags));
        self.list(position, &changes.collect::<Vec<_>>())
    }

    /// Takes what became of changes.
    pub(crate) fn take(
        &mut self,
        settled: impl IntoIterator<Item = (u64, Arc<Change>, Result<(), ChangeError>)>,
    ) -> Result<(), DiskError> {
        for (position, change, result) in settled {
            let open = self.open.entry(position).or_default();
            open.under_way -= 1;
            match result {
                Err(error) if was_not_sent(&error) => open.not_sent = true,
                Err(error) => open.undone.push(Undone::of(&error)),
                Ok(()) => {
                    open.some_done = true;
                    open.added = (change.operation() == Operation::Add).then_some(change);
                }
            }
            self.close_if_over(position)?;
        }
        let done = std::mem::take(&mut self.done);
        done.iter()
            .for_each(|position| self.settled.add(*position, Kind::Done));
        match done.is_empty() {
            true => Ok(()),
            false => self.journal.done(done),
        }
    }

    /// The import goes no further, and was not ended early: whoever is held back is listed.
    pub(crate) fn list_held(&mut self) -> Result<(), DiskError> {
        for (position, undone) in std::mem::take(&mut self.held) {
            self.list(position, &undone)?;
        }
        Ok(())
    }

    /// The import has ended: hands the journal back, and keeps what the report needs.
    pub(crate) fn close(mut self) -> (Journal, Remains) {
        // of these something was to follow that was not given out
        for (position, open) in self.open {
            if open.some_done || !open.undone.is_empty() {
                self.held.insert(position, open.undone);
            }
        }
        let remains = Remains {
            settled: self.settled,
            held: self.held,
        };
        (self.journal, remains)
    }

    fn close_if_over(&mut self, position: u64) -> Result<(), DiskError> {
        let over = |open: &Open| open.whole && open.under_way == 0;
        if !self.open.get(&position).is_some_and(over) {
            return Ok(());
        }
        let Open {
            mut undone,
            added,
            not_sent,
            some_done,
            ..
        } = self.open.remove(&position).unwrap_or_default();
        if not_sent {
            // the user is left to the next run
            if some_done || !undone.is_empty() {
                self.held.insert(position, undone);
            }
            return Ok(());
        }
        if undone.is_empty() {
            self.done.push(position);
            return Ok(());
        }
        if let (Some(added), true) = (added, undone.iter().any(|it| it.op == Op::Clear)) {
            undone.push(Undone::again(&added));
        }
        if undone.iter().all(|it| it.final_) || self.held.len() >= HELD_AT_MOST {
            return self.list(position, &undone);
        }
        self.held.insert(position, undone);
        Ok(())
    }

    fn list(&mut self, position: u64, undone: &[Undone]) -> Result<(), DiskError> {
        let tags: Vec<Vec<&str>> = undone
            .iter()
            .map(|it| it.tags.iter().map(String::as_str).collect())
            .collect();
        let failures = undone.iter().zip(&tags).map(|(it, tags)| it.failure(tags));
        let failures: Vec<_> = failures.collect();
        self.settled.add(position, Kind::Failed);
        self.journal.failed(position, &failures)
    }
}

/// What is to be done for a user, in its order.
pub(crate) fn changes_of<'u>(
    user: &'u User<'_>,
) -> impl Iterator<Item = (Op, Vec<String>)> + use<'u> {
    let owned = |tags: &super::group::TagList<'_>| tags.iter().map(str::to_owned).collect();
    let clear = user.clear.then(|| (Op::Clear, Vec::new()));
    let remove = (user.remove.len() > 0).then(|| (Op::Remove, owned(&user.remove)));
    let add = (user.add.len() > 0).then(|| (Op::Add, owned(&user.add)));
    clear.into_iter().chain(remove).chain(add)
}
