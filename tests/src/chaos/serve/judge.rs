//! Compares what the service has, and what arrived there, with a simple model of what callers were told: all that was stored,
//! in the order of its ids, less what stands among the failures.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use imtag_emulator::Operation;

use super::super::failed::Effect;
use super::change::{Change, Kind, WILD};
use super::ledger::{Id, Ledger};
use super::record::{Arrival, Record};

/// The accounts of the service, with their tags.
pub(super) type Users = BTreeMap<String, BTreeSet<String>>;

/// When a change arrived: the number of the request, first and last.
#[derive(Debug, Clone, Copy)]
struct Seen {
    first: usize,
    last: usize,
    is_answered_well: bool,
}

pub(super) struct Judge<'j> {
    ledger: &'j Ledger,
    record: &'j Record,
    /// Of each account, in the order in which they are to be applied.
    accounts: BTreeMap<&'j str, Vec<(Id, &'j Change)>>,
    /// By the marks.
    seen: HashMap<u64, Seen>,
    wrong: Vec<String>,
}

/// What happened to an account: its changes in their order, and its requests.
pub(super) fn history(account: &str, ledger: &Ledger, record: &Record) -> String {
    let mut lines = vec![format!("{account}:")];
    for (post, stored) in &ledger.posts {
        let changes = stored.changes.iter().enumerate();
        for (nth, change) in changes.filter(|it| it.1.account == account) {
            let id = Id(*post, nth);
            let failed = ledger.failures.get(&id);
            let failed = failed.map_or(String::new(), |effect| format!(" failed: {effect:?}"));
            lines.push(format!(
                "  {post}-{nth} {:?} {:?}{failed}",
                change.kind, change.tags
            ));
        }
    }
    for (nth, arrival) in record.arrivals.iter().enumerate() {
        for (_, marks) in arrival.users.iter().filter(|it| it.0 == account) {
            let Arrival {
                at,
                operation,
                users,
                code,
                fault,
                ..
            } = arrival;
            let users = users.len();
            lines.push(format!(
                "  {nth} at {at:.3?} {operation:?} {marks:?} of {users} users: code {code:?}, fault {fault:?}"
            ));
        }
    }
    lines.join("\n")
}

/// All that is wrong, a sentence each.
pub(super) fn judge(ledger: &Ledger, record: &Record, users: &Users, quota: usize) -> Vec<String> {
    let mut accounts: BTreeMap<&str, Vec<(Id, &Change)>> = BTreeMap::new();
    for (post, stored) in &ledger.posts {
        for (nth, change) in stored.changes.iter().enumerate() {
            let changes = accounts.entry(&change.account).or_default();
            changes.push((Id(*post, nth), change));
        }
    }
    let mut judge = Judge {
        ledger,
        record,
        accounts,
        seen: HashMap::new(),
        wrong: ledger.wrong.clone(),
    };
    judge.arrivals();
    judge.outcomes();
    judge.order();
    judge.states(users);
    judge.quota(quota);
    judge.wrong
}

impl Judge<'_> {
    /// Nothing arrived but what was stored, or is not known to be.
    fn arrivals(&mut self) {
        let stored = self.ledger.posts.values().flat_map(|post| &post.changes);
        let stored: HashMap<u64, &Change> = stored.filter_map(|it| Some((it.mark?, it))).collect();
        for (nth, arrival) in self.record.arrivals.iter().enumerate() {
            for (account, marks) in &arrival.users {
                for mark in marks {
                    match stored.get(mark) {
                        Some(change) if change.account == *account => {}
                        Some(change) => self.wrong.push(format!(
                            "the change {mark} of {} arrived for {account}",
                            change.account
                        )),
                        None if self.ledger.unknown.contains(mark) => {}
                        None => {
                            let why = self.ledger.refused.get(mark).map_or("", String::as_str);
                            let what = format!(
                                "{account}: the change {mark} arrived, and is not stored: {why}"
                            );
                            self.wrong.push(what);
                        }
                    }
                    let seen = self.seen.entry(*mark).or_insert(Seen {
                        first: nth,
                        last: nth,
                        is_answered_well: false,
                    });
                    seen.last = nth;
                    seen.is_answered_well |= arrival.code == Some(0);
                }
            }
        }
    }

    /// What is stored is done or has failed, and was told so.
    fn outcomes(&mut self) {
        for (account, changes) in &self.accounts {
            for (id, change) in changes {
                let has_failed = self.ledger.failures.contains_key(id);
                let is_answered_well = change
                    .mark
                    .is_none_or(|mark| self.seen.get(&mark).is_some_and(|it| it.is_answered_well));
                if !has_failed && !is_answered_well {
                    let what =
                        format!("{account}: {id:?} is neither applied nor among the failures");
                    self.wrong.push(what);
                }
                match self.ledger.outcomes.get(id) {
                    Some(is_done) if *is_done == has_failed => {
                        let told = if *is_done { "done" } else { "failed" };
                        let what = format!(
                            "{account}: {id:?} was said to be {told}, and failed: {has_failed}"
                        );
                        self.wrong.push(what);
                    }
                    _ => {}
                }
            }
        }
        let known = |id: &Id| {
            let post = self.ledger.posts.get(&id.0);
            post.is_some_and(|post| id.1 < post.changes.len())
        };
        // of posts without a key there may be more
        let unknown = self.ledger.failures.keys().filter(|id| !known(id)).count();
        if unknown > self.ledger.unknown.len() {
            self.wrong
                .push(format!("{unknown} failures are of no post"));
        }
    }

    /// A change arrives, first and last, after those before it that it would undo, or be undone by.
    fn order(&mut self) {
        for (account, changes) in &self.accounts {
            // of those so far that give tags, and of those that take tags away
            let mut latest: [Option<(Seen, Id)>; 2] = [None, None];
            for (id, change) in changes {
                let Some(seen) = change.mark.and_then(|mark| self.seen.get(&mark)) else {
                    continue;
                };
                let kind = change.kind;
                let is_of = [kind.gives(), kind.takes_away()];
                for other in [0, 1].into_iter().filter(|it| is_of[1 - it]) {
                    let Some((before, other)) = latest[other] else {
                        continue;
                    };
                    if before.first >= seen.first || before.last >= seen.last {
                        let what = format!(
                            "{account}: {id:?} ({kind:?}) arrived in {seen:?}, and those up to {other:?} in {before:?}"
                        );
                        self.wrong.push(what);
                    }
                }
                for latest in latest
                    .iter_mut()
                    .zip(is_of)
                    .filter(|it| it.1)
                    .map(|it| it.0)
                {
                    let before = latest.map_or(*seen, |it| it.0);
                    let first = before.first.max(seen.first);
                    let last = before.last.max(seen.last);
                    *latest = Some((
                        Seen {
                            first,
                            last,
                            ..*seen
                        },
                        *id,
                    ));
                }
            }
        }
    }

    /// Each account has the tags that its changes leave, one after the other.
    fn states(&mut self, users: &Users) {
        let none = BTreeSet::new();
        for (account, changes) in &self.accounts {
            let there = users.get(*account).unwrap_or(&none);
            let named = changes.iter().flat_map(|it| &it.1.tags);
            let named: BTreeSet<&String> = named.collect();
            if account.starts_with(WILD) {
                continue;
            }
            for tag in there.iter().filter(|tag| !named.contains(tag)) {
                self.wrong
                    .push(format!("{account}: has {tag}, which no change names"));
            }
            for tag in named {
                // if it may be away, and if it may be there
                let mut may = [true, false];
                let mut last = None;
                for (id, change) in changes {
                    let is_named = change.tags.contains(tag);
                    let is = match change.kind {
                        Kind::Add if is_named => true,
                        Kind::Remove if is_named => false,
                        Kind::Clear => false,
                        Kind::Replace => is_named,
                        Kind::Add | Kind::Remove => continue,
                    };
                    match self.ledger.failures.get(id) {
                        None | Some(Effect::Applied) => may = [!is, is],
                        Some(Effect::NotApplied) => continue,
                        Some(Effect::PossiblyApplied) => may[usize::from(is)] = true,
                    }
                    last = Some((id, change.kind));
                }
                let is = there.contains(tag);
                if !may[usize::from(is)] {
                    let what = format!(
                        "{account}: {tag} is there: {is}; the last that names it is {last:?}"
                    );
                    self.wrong.push(what);
                }
            }
        }
        let unknown = users
            .keys()
            .filter(|it| !self.accounts.contains_key(it.as_str()));
        for account in unknown.filter(|it| !it.starts_with(WILD)) {
            self.wrong
                .push(format!("{account}: has tags, and no change is of it"));
        }
    }

    fn quota(&mut self, quota: usize) {
        for operation in Operation::ALL {
            let most = self.record.busiest_second(operation);
            if most > quota {
                let what = format!(
                    "{most} calls of {operation:?} within a second, where {quota} are allowed"
                );
                self.wrong.push(what);
            }
        }
    }
}
