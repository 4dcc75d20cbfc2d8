//! Why rows and users are not done: of each reason how many there are, and the first ten. A report holds no more than
//! that, however many there are; the lists have all.

use std::hash::Hash;
use std::io::{self, Write};

use imtag_transport::Effect;
use indexmap::IndexMap;
use serde::{Serialize, Serializer};

use crate::import::state::failed_change::FailedChange;
use crate::output::{Shown, count, in_words};

/// Where the text of a line of a report begins, after its name.
pub(crate) const INDENT: usize = 10;

/// How many are named for a reason.
pub(crate) const NAMED: u64 = 10;

/// The most reasons that are kept apart. A service may put an account's name into each of its texts.
const REASONS: usize = 50;

/// What is named, by its reason.
pub(crate) type ByReason<K, T> = IndexMap<K, Group<T>>;

/// What is not done for the same reason.
#[derive(Debug)]
pub(crate) struct Group<T> {
    pub(crate) count: u64,
    /// Those that are named, at least one.
    pub(crate) named: Vec<T>,
}

/// The place of the group of a reason; of the one of all others, if this is one too many.
pub(crate) fn group<K: Eq + Hash, T>(groups: &mut ByReason<K, T>, reason: K, others: K) -> usize {
    let is_kept = groups.len() < REASONS || groups.contains_key(&reason);
    let entry = groups.entry(if is_kept { reason } else { others });
    let at = entry.index();
    entry.or_insert_with(|| Group {
        count: 0,
        named: Vec::new(),
    });
    at
}

/// Users by reason. The changes of those who are named are kept.
#[derive(Debug, Default)]
pub(crate) struct Reasons {
    groups: ByReason<Key, FailedChange>,
    /// The user whose changes are being added, and the groups that count this user already.
    account: String,
    counted: Vec<usize>,
}

/// A reason and an effect.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Code(i32, Effect),
    Text(String, Effect),
    Others(Effect),
}

impl Reasons {
    /// Adds a change. The changes of a user come one after the other; a user with several reasons counts for each.
    pub(crate) fn add(&mut self, change: FailedChange) {
        if self.account != change.account {
            change.account.clone_into(&mut self.account);
            self.counted.clear();
        }
        let effect = change.effect;
        let key = match change.code {
            Some(code) => Key::Code(code, effect),
            None => Key::Text(change.reason.clone(), effect),
        };
        let at = group(&mut self.groups, key, Key::Others(effect));
        let group = &mut self.groups[at];
        if !self.counted.contains(&at) {
            self.counted.push(at);
            group.count += 1;
        }
        if group.count <= NAMED {
            group.named.push(change);
        }
    }

    /// Sets the number of users of an effect of which only some are added.
    pub(crate) fn set_users(&mut self, effect: Effect, users: u64) {
        let mut groups = self.groups.values_mut();
        if let Some(group) = groups.find(|group| group.named[0].effect == effect) {
            group.count = users;
        }
    }

    /// The largest first.
    pub(crate) fn sort(&mut self) {
        let groups = &mut self.groups;
        groups.sort_by(|_, one, _, other| other.count.cmp(&one.count));
    }

    /// The users who are named, a line for each operation.
    pub(crate) fn examples<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.groups.values().flat_map(|group| &group.named))
    }

    /// How many users there are for each reason.
    pub(crate) fn counts<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Count<'a> {
            code: Option<i32>,
            reason: &'a str,
            remedy: &'a str,
            effect: &'static str,
            users: u64,
        }
        serializer.collect_seq(self.groups.iter().map(|(key, group)| {
            let (code, reason, remedy) = key.why(group);
            Count {
                code,
                reason,
                remedy,
                effect: group.named[0].effect.name(),
                users: group.count,
            }
        }))
    }

    /// The reasons as text, each with the users who are named.
    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        for (key, group) in &self.groups {
            let users = count(group.count, "user", "users");
            let (code, reason, remedy) = key.why(group);
            let why = in_words(code, reason, remedy);
            writeln!(out, "  {users}, {}: {why}", group.named[0].effect)?;
            let mut more = group.count;
            let named = &group.named;
            for changes in named.chunk_by(|one, next| one.account == next.account) {
                writeln!(out, "    {}", Shown(&changes[0].account))?;
                more -= 1;
            }
            if more > 0 {
                writeln!(out, "    and {more} more")?;
            }
        }
        Ok(())
    }
}

impl Key {
    /// Code, reason and remedy of a group: those of the first who is named, unless they differ.
    fn why<'g>(&self, group: &'g Group<FailedChange>) -> (Option<i32>, &'g str, &'g str) {
        let first = &group.named[0];
        match self {
            Key::Others(_) => (None, "other reasons", "see each user's own"),
            Key::Code(..) | Key::Text(..) => (first.code, &first.reason, &first.remedy),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imtag_core::ChangeOperation;

    fn add(reasons: &mut Reasons, account: &str, code: Option<i32>, reason: &str) {
        let change = (ChangeOperation::Add, vec!["vip".to_owned()]);
        let why = (reason.to_owned(), "do this".into());
        let mut change = FailedChange::with_reason(account, change, &why, Effect::NotApplied);
        change.code = code;
        reasons.add(change);
    }

    fn text(reasons: &Reasons) -> String {
        let mut text = Vec::new();
        reasons.write(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_user_counts_once_for_each_reason_and_texts_of_one_code_are_one() {
        let mut reasons = Reasons::default();
        add(&mut reasons, "bob", Some(70107), "no bob");
        add(&mut reasons, "bob", Some(70107), "no bob");
        add(&mut reasons, "bob", None, "time was up");
        add(&mut reasons, "eve", None, "time was up");
        for user in 0..11 {
            add(
                &mut reasons,
                &format!("u{user}"),
                Some(90048),
                &format!("no u{user}"),
            );
        }
        reasons.sort();
        let named: String = (0..10).map(|user| format!("    u{user}\n")).collect();
        assert_eq!(
            text(&reasons),
            format!(
                "  11 users, not applied: 90048 \"no u0\" (do this)\n{named}    and 1 more\n  \
                 2 users, not applied: time was up (do this)\n    bob\n    eve\n  \
                 1 user, not applied: 70107 \"no bob\" (do this)\n    bob\n"
            )
        );
    }

    #[test]
    fn reasons_beyond_the_fiftieth_go_together() {
        let mut reasons = Reasons::default();
        for nth in 0..70 {
            add(
                &mut reasons,
                &format!("user{nth}"),
                None,
                &format!("reason {nth}"),
            );
        }
        reasons.sort();
        let text = text(&reasons);
        let start = "  20 users, not applied: other reasons (see each user's own)\n    user50\n";
        assert!(text.starts_with(start), "{text}");
        assert_eq!(text.matches("not applied").count(), 51);
        let first = &reasons.groups[0].named[0];
        assert_eq!(first.reason, "reason 50", "each line has its own");
    }
}
