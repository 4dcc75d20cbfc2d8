//! The book: what has become of each user. A user is settled when all that was to be done is done, or when what was not
//! is listed with its reason; both go to the journal. What failed for the service's or the network's fault is held back: at
//! the end of the import it is listed too, and where the import ends early, the same command tries it again.
//!
//! Where an import is taken up, a run before it may have done something for users who are not settled: for those that
//! it left in doubt, or for any, where it was killed. What fails of theirs is *possibly applied* then, unless it is
//! never sent.
//!
//! A user who is to be cleared and then added to is listed so that the list does the same: where the clear is not done,
//! all that was to be added stands after it, done or not.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use imtag_transport::{Blame, Change, ChangeCause, ChangeError, Effect, Operation};

use super::change::Op;
use super::disk::DiskError;
use super::failed::Failure;
use super::group::User;
use super::journal::{InDoubt, Journal, Kind, Opened, Settled};
use crate::reason::Reason;

/// Users whose failures are held back; those beyond are listed at once. More than an outage can take along: a run has
/// at most 512 requests of 100 users under way.
const HELD_AT_MOST: usize = 100_000;

pub(crate) struct Book {
    pub(crate) journal: Journal,
    pub(crate) settled: Settled,
    /// Users of whom something is under way.
    open: HashMap<u64, Open>,
    left: BTreeMap<u64, Left>,
    /// Users who are done, to be confirmed together.
    done: Vec<u64>,
    /// The unsettled users for which runs before this one may have done something.
    earlier: InDoubt,
}

/// What an import leaves behind.
pub(crate) struct Remains {
    pub(crate) settled: Settled,
    left: BTreeMap<u64, Left>,
    /// The unsettled users for which runs before this one may have done something.
    earlier: InDoubt,
    /// Lines of users who are settled as failed, for which the list had no place.
    pub(crate) unlisted: Vec<u8>,
}

impl Remains {
    /// Users who are not settled, and failed all the same: their failures are held back for the next run.
    pub(crate) fn held_back(&self) -> impl Iterator<Item = u64> + use<'_> {
        let failed = self.left.iter().filter(|(_, left)| left.has_failed());
        failed.map(|(position, _)| *position)
    }

    pub(crate) fn is_held_back(&self, position: u64) -> bool {
        self.left.get(&position).is_some_and(Left::has_failed)
    }

    /// Whether nothing came of a user: the run ended before.
    pub(crate) fn is_not_sent(&self, position: u64) -> bool {
        !self.settled.is_settled(position) && !self.is_held_back(position)
    }

    /// What earlier runs may have done for a user who is not settled.
    pub(crate) fn earlier(&self, position: u64) -> Effect {
        self.earlier.effect(position)
    }

    /// The users, not settled when this run began, for which earlier runs may have done something.
    pub(crate) fn earlier_runs(&self) -> &InDoubt {
        &self.earlier
    }

    /// The unsettled users for which this run or one before it may have done something.
    pub(crate) fn in_doubt(&self) -> InDoubt {
        let InDoubt::Users(earlier) = &self.earlier else {
            return InDoubt::Everybody;
        };
        let earlier = earlier.iter().copied();
        let earlier = earlier.filter(|it| !self.settled.is_settled(*it));
        let touched = self.left.iter().filter(|(_, left)| left.is_touched);
        InDoubt::from_users(earlier.chain(touched.map(|(position, _)| *position)))
    }

    /// What is known of a user who is not settled; none where nothing was given out.
    pub(crate) fn left(&self, position: u64) -> Option<&Left> {
        self.left.get(&position)
    }
}

/// What is known of a user who is not settled: held back, or left to the next run.
#[derive(Default)]
pub(crate) struct Left {
    done: Ops,
    pub(crate) undone: Vec<Undone>,
    /// Something of it is done, or may be.
    is_touched: bool,
}

impl Left {
    /// Whether nothing is known of an operation: it was not given out before the import ended.
    pub(crate) fn is_unheard_of(&self, op: Op) -> bool {
        !self.done.has(op) && self.undone.iter().all(|it| it.op != op)
    }

    fn has_failed(&self) -> bool {
        self.undone.iter().any(|it| it.reason.is_some())
    }
}

/// Some of the operations.
#[derive(Debug, Default, Clone, Copy)]
struct Ops(u8);

impl Ops {
    fn add(&mut self, op: Op) {
        self.0 |= 1 << op as u8;
    }

    fn has(self, op: Op) -> bool {
        self.0 & 1 << op as u8 != 0
    }
}

#[derive(Default)]
struct Open {
    under_way: u8,
    /// All that is to be done for the user has been given out.
    whole: bool,
    /// Something was not sent, as the run ended.
    not_sent: bool,
    known: Left,
    /// What was to be added.
    added: Option<Arc<Change>>,
}

impl Open {
    fn is_over(&self) -> bool {
        self.whole && self.under_way == 0
    }

    fn take(&mut self, change: Arc<Change>, result: Result<(), ChangeError>, earlier: Effect) {
        self.under_way -= 1;
        let op = op_of(change.operation());
        match result {
            Ok(()) => {
                self.known.done.add(op);
                self.known.is_touched = true;
            }
            Err(error) => {
                let in_part = error.undone().len() < change.tags().len();
                self.known.is_touched |= in_part || error.effect() != Effect::NotApplied;
                self.not_sent |= was_not_sent(&error);
                self.known.undone.push(Undone::of(&error, earlier));
            }
        }
        if op == Op::Add {
            self.added = Some(change);
        }
    }

    /// What is known once all is over.
    fn close(mut self) -> Left {
        let undone = &mut self.known.undone;
        if let Some(added) = &self.added {
            if undone.iter().any(|it| it.op == Op::Clear) {
                undone.extend(Undone::again(added, undone));
            }
        }
        self.known
    }
}

/// What was not done for a user, or is not known to have been done.
pub(crate) struct Undone {
    pub(crate) account: String,
    pub(crate) op: Op,
    pub(crate) tags: Vec<String>,
    /// None where it was not sent, as the run ended.
    pub(crate) reason: Option<Reason>,
    pub(crate) effect: Effect,
    /// Whether it is the user's own fault, so that it fails again.
    final_: bool,
}

impl Undone {
    fn of(error: &ChangeError, earlier: Effect) -> Undone {
        Undone {
            account: error.account().to_owned(),
            op: op_of(error.operation()),
            tags: error.undone().to_vec(),
            reason: (!was_not_sent(error)).then(|| Reason::of_change(error)),
            effect: error.effect().max(earlier),
            final_: error.blame() == Blame::Users,
        }
    }

    /// As a line of the list. `tags` are its own; `not_sent` is why what was not sent was not.
    pub(crate) fn failure<'u>(&'u self, tags: &'u [&'u str], not_sent: &'u Reason) -> Failure<'u> {
        Failure {
            account: &self.account,
            op: self.op,
            tags,
            reason: self.reason.as_ref().unwrap_or(not_sent),
            effect: self.effect,
        }
    }

    /// To add what has been added already, as a clear is to come first.
    fn again(added: &Change, undone: &[Undone]) -> Option<Undone> {
        let is_done = |tag: &&String| {
            let mut adds = undone.iter().filter(|it| it.op == Op::Add);
            !adds.any(|it| it.tags.contains(tag))
        };
        let tags: Vec<String> = added.tags().iter().filter(is_done).cloned().collect();
        (!tags.is_empty()).then(|| Undone {
            account: added.account().to_owned(),
            op: Op::Add,
            tags,
            reason: Some(Reason::ours(
                "added, but what was to be cleared first is not".to_owned(),
                "import these lines again: they clear, and then add",
            )),
            effect: Effect::Applied,
            final_: true,
        })
    }
}

fn was_not_sent(error: &ChangeError) -> bool {
    let of_the_run = matches!(
        error.cause(),
        ChangeCause::Ended(_) | ChangeCause::NoThread(_)
    );
    of_the_run && error.effect() == Effect::NotApplied
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
            earlier: opened.in_doubt,
            journal: opened.journal,
            settled: opened.settled,
            open: HashMap::new(),
            left: BTreeMap::new(),
            done: Vec::new(),
        }
    }

    /// A change of a user has been given out.
    pub(crate) fn given(&mut self, position: u64) {
        self.open.entry(position).or_default().under_way += 1;
    }

    /// All changes of a user have been given out.
    pub(crate) fn all_given(&mut self, position: u64) -> Result<(), DiskError> {
        self.open.entry(position).or_default().whole = true;
        self.close_if_over(position)
    }

    /// Nothing is sent of a user.
    pub(crate) fn refuse(
        &mut self,
        position: u64,
        user: &User<'_>,
        reason: &Reason,
    ) -> Result<(), DiskError> {
        let undone = changes_of(user).map(|(op, tags)| Undone {
            account: user.account.to_owned(),
            op,
            tags,
            reason: Some(reason.clone()),
            effect: Effect::NotApplied,
            final_: true,
        });
        let known = Left {
            undone: undone.collect(),
            ..Left::default()
        };
        self.list(position, known)
    }

    /// Takes what became of changes: of all of them, also where the disk takes no more.
    pub(crate) fn take(
        &mut self,
        settled: impl IntoIterator<Item = (u64, Arc<Change>, Result<(), ChangeError>)>,
    ) -> Result<(), DiskError> {
        let mut taken = Ok(());
        for (position, change, result) in settled {
            let open = self.open.entry(position).or_default();
            open.take(change, result, self.earlier.effect(position));
            taken = taken.and(self.close_if_over(position));
        }
        taken.and(self.confirm())
    }

    /// The import goes no further, and was not ended early: whoever is held back is listed.
    pub(crate) fn list_held(&mut self) -> Result<(), DiskError> {
        let mut listed = Ok(());
        for (position, known) in std::mem::take(&mut self.left) {
            listed = listed.and(self.list(position, known));
        }
        listed
    }

    /// The import has ended: hands the journal back, and keeps what the report needs.
    pub(crate) fn close(mut self) -> (Journal, Remains) {
        // of these something was to follow that was not given out
        for (position, open) in self.open {
            self.left.insert(position, open.close());
        }
        let remains = Remains {
            settled: self.settled,
            left: self.left,
            earlier: self.earlier,
            unlisted: Vec::new(),
        };
        (self.journal, remains)
    }

    /// Confirms who is done.
    fn confirm(&mut self) -> Result<(), DiskError> {
        let done = std::mem::take(&mut self.done);
        for position in &done {
            self.settled.add(*position, Kind::Done);
        }
        if done.is_empty() {
            return Ok(());
        }
        self.journal.done(done)
    }

    fn close_if_over(&mut self, position: u64) -> Result<(), DiskError> {
        if !self.open.get(&position).is_some_and(Open::is_over) {
            return Ok(());
        }
        let open = self.open.remove(&position).unwrap_or_default();
        let is_left_to_the_next_run = open.not_sent;
        let known = open.close();
        let is_final = known.undone.iter().all(|it| it.final_);
        if known.undone.is_empty() {
            self.done.push(position);
        } else if is_left_to_the_next_run || !is_final && self.left.len() < HELD_AT_MOST {
            self.left.insert(position, known);
        } else {
            return self.list(position, known);
        }
        Ok(())
    }

    /// Settles a user as failed; where the disk does not take the list any more, what is known is kept for the report.
    fn list(&mut self, position: u64, known: Left) -> Result<(), DiskError> {
        // only what is left to the next run has no reason
        let none = Reason::ours("not sent".to_owned(), "import it again");
        let tags = known.undone.iter();
        let tags: Vec<Vec<&str>> = tags
            .map(|it| it.tags.iter().map(String::as_str).collect())
            .collect();
        let failures = known.undone.iter().zip(&tags);
        let failures: Vec<_> = failures.map(|(it, tags)| it.failure(tags, &none)).collect();
        let listed = self.journal.failed(position, &failures);
        match &listed {
            Ok(()) => self.settled.add(position, Kind::Failed),
            Err(_) => drop(self.left.insert(position, known)),
        }
        listed
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
