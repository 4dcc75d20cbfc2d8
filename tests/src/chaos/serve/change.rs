//! A change that a caller posts, and how the requests at the service are told to be of it: each but a clear has a tag that
//! no other change has, its *mark*.

use serde_json::{Value, json};

use super::super::failed::Op;
use crate::random::Rng;

/// What the service is asked for. `Replace` is the timpush paths' alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Add,
    Remove,
    Clear,
    Replace,
}

impl Kind {
    /// True if the one would undo the other, where they name the same tag.
    pub(super) fn takes_away(self) -> bool {
        self != Kind::Add
    }

    pub(super) fn gives(self) -> bool {
        matches!(self, Kind::Add | Kind::Replace)
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Add => "add",
            Kind::Remove => "remove",
            Kind::Clear => "clear",
            Kind::Replace => "replace",
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) kind: Kind,
    pub(super) account: String,
    pub(super) tags: Vec<String>,
    pub(super) mark: Option<u64>,
}

impl Change {
    /// A row, in one of the two forms that there are.
    pub(super) fn row(&self, rng: &mut Rng) -> Value {
        let op = self.kind.name();
        match (self.kind, rng.below(2)) {
            (Kind::Clear, _) => json!({"account": self.account, "op": op}),
            (_, 0) => json!({"account": self.account, "op": op, "tags": self.tags}),
            _ => json!({"To_Account": self.account, "op": op, "Tags": self.tags}),
        }
    }
}

/// The mark of the change that a request is of, where one of its tags is that.
pub(super) fn mark(op: Op, tag: &str) -> Option<u64> {
    let prefix = if op == Op::Add { "n" } else { "r" };
    tag.strip_prefix(prefix)?.parse().ok()
}

/// The accounts that a caller chooses from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Accounts {
    /// Of each caller alone.
    pub(super) own: u64,
    /// Of all callers.
    pub(super) shared: u64,
    /// Of all, and the service refuses many of their requests.
    pub(super) ghosts: u64,
}

/// Of posts without a key, which are not known to be stored where their answer is lost.
pub(super) const WILD: &str = "wild";
pub(super) const GHOST: &str = "ghost";
const WILD_ACCOUNTS: u64 = 5;
/// Tags that many changes name, so that their order shows.
const TAGS: u64 = 4;
/// More than one request of a user takes.
const MANY_TAGS: u64 = 23;
/// Marks of a caller.
const MARKS: u64 = 10_000_000;

/// Draws the changes of a caller.
pub(super) struct Drawer {
    pub(super) rng: Rng,
    caller: u64,
    accounts: Accounts,
    replaces: bool,
    marks: u64,
    /// An account with the mark of an add, which a later remove may name, too.
    added: Vec<(String, u64)>,
}

impl Drawer {
    pub(super) fn new(seed: u64, caller: u64, accounts: Accounts, replaces: bool) -> Drawer {
        Drawer {
            rng: Rng::new(seed ^ (caller + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            caller,
            accounts,
            replaces,
            marks: 0,
            added: Vec::new(),
        }
    }

    /// The changes of a post. They are of few accounts, some more than once.
    pub(super) fn changes(&mut self, count: u64, is_wild: bool) -> Vec<Change> {
        let accounts: Vec<String> = (0..count / 3 + 1).map(|_| self.account(is_wild)).collect();
        let changes = (0..count).map(|_| {
            let nth = self.rng.below(accounts.len() as u64);
            self.change(&accounts[usize::try_from(nth).unwrap_or(0)])
        });
        changes.collect()
    }

    fn account(&mut self, is_wild: bool) -> String {
        let Accounts {
            own,
            shared,
            ghosts,
        } = self.accounts;
        let rng = &mut self.rng;
        if is_wild {
            return format!("{WILD}{}", rng.below(WILD_ACCOUNTS));
        }
        match rng.below(100) {
            0..30 => format!("own{}-{}", self.caller, rng.below(own)),
            30..32 => format!("{GHOST}{}", rng.below(ghosts)),
            _ => format!("shared{}", rng.below(shared)),
        }
    }

    fn change(&mut self, account: &str) -> Change {
        let rng = &mut self.rng;
        let kind = match rng.below(20) {
            0..9 => Kind::Add,
            9..17 => Kind::Remove,
            17 if self.replaces => Kind::Replace,
            17..19 => Kind::Clear,
            _ => Kind::Add,
        };
        let mark = self.caller * MARKS + self.marks;
        self.marks += 1;
        let mut tags = Vec::new();
        if kind == Kind::Clear {
            return Change {
                kind,
                account: account.to_owned(),
                tags,
                mark: None,
            };
        }
        let prefix = if kind == Kind::Remove { 'r' } else { 'n' };
        tags.push(format!("{prefix}{mark}"));
        if kind == Kind::Remove {
            // what it undoes was posted before, here or at another caller's
            let mut given = self.added.iter().rev().filter(|it| it.0 == account).take(4);
            tags.extend(given.by_ref().map(|it| format!("n{}", it.1)));
        } else {
            self.added.push((account.to_owned(), mark));
            if self.added.len() > 1_000 {
                self.added.drain(..500);
            }
        }
        let few = 1 + rng.below(3);
        let count = if rng.below(30) == 0 && kind != Kind::Replace {
            MANY_TAGS
        } else {
            few
        };
        for nth in 0..count {
            let tag = if count == few {
                format!("t{}", rng.below(TAGS))
            } else {
                format!("t{nth}")
            };
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        Change {
            kind,
            account: account.to_owned(),
            tags,
            mark: Some(mark),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_known_by_its_mark_and_an_add_that_a_remove_undoes_is_not() {
        let accounts = Accounts {
            own: 2,
            shared: 3,
            ghosts: 1,
        };
        let mut drawer = Drawer::new(1, 3, accounts, true);
        let changes = drawer.changes(400, false);
        let kinds = [Kind::Add, Kind::Remove, Kind::Clear, Kind::Replace];
        for kind in kinds {
            assert!(changes.iter().any(|it| it.kind == kind), "{kind:?}");
        }
        for change in &changes {
            let op = match change.kind {
                Kind::Remove => Op::Remove,
                _ => Op::Add,
            };
            let marks: Vec<u64> = change.tags.iter().filter_map(|it| mark(op, it)).collect();
            assert_eq!(marks, Vec::from_iter(change.mark), "{change:?}");
        }
        assert!(changes.iter().any(|it| it.tags.len() > 20));
        let own = changes.iter().filter(|it| it.account.starts_with("own"));
        assert!(own.clone().count() > 50);
        assert!(own.into_iter().all(|it| it.account.starts_with("own3-")));
    }
}
