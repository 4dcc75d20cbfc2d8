//! Why users are not done: for each reason how many users, and the first ten with all that is known. A report holds no
//! more than that, however many users there are; the list has all.

use std::io::{self, Write};

use imtag_transport::Effect;
use indexmap::IndexMap;
use serde::{Serialize, Serializer};

use crate::import::state::failed_change::FailedChange;
use crate::output::{Shown, count, in_words};

/// Where the text of a line of a report begins, after its name.
pub(crate) const INDENT: usize = 10;

/// Users that are named for a reason.
pub(crate) const NAMED: u64 = 10;

/// The most reasons that are kept apart. A service may put an account's name into each of its texts.
const REASONS: usize = 50;

/// Users by reason.
#[derive(Debug, Default)]
pub(crate) struct Reasons {
    groups: IndexMap<Key, ReasonGroup>,
    /// The user whose changes are being added, and the groups that count this user already.
    account: String,
    counted: Vec<Key>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Code(i32, Effect),
    Text(String, Effect),
    Others(Effect),
}

/// Users who are not done for the same reason and with the same effect.
#[derive(Debug, Default)]
pub(crate) struct ReasonGroup {
    pub(crate) users: u64,
    /// The changes of those who are named, at least one.
    pub(crate) lines: Vec<FailedChange>,
}

impl Reasons {
    /// Adds a change. The changes of a user come one after the other; a user with several reasons counts for each.
    pub(crate) fn add(&mut self, change: FailedChange) {
        if self.account != change.account {
            change.account.clone_into(&mut self.account);
            self.counted.clear();
        }
        let key = self.key(&change);
        let group = self.groups.entry(key.clone()).or_default();
        if !self.counted.contains(&key) {
            self.counted.push(key);
            group.users += 1;
        }
        if group.users <= NAMED {
            group.lines.push(change);
        }
    }

    /// Sets the number of users of an effect of which only some are added.
    pub(crate) fn set_users(&mut self, effect: Effect, users: u64) {
        let mut groups = self.groups.values_mut();
        if let Some(group) = groups.find(|group| group.lines[0].effect == effect) {
            group.users = users;
        }
    }

    fn key(&self, change: &FailedChange) -> Key {
        let key = match change.code {
            Some(code) => Key::Code(code, change.effect),
            None => Key::Text(change.reason.clone(), change.effect),
        };
        if self.groups.len() < REASONS || self.groups.contains_key(&key) {
            key
        } else {
            Key::Others(change.effect)
        }
    }

    /// The largest first.
    pub(crate) fn sort(&mut self) {
        let groups = &mut self.groups;
        groups.sort_by(|_, one, _, other| other.users.cmp(&one.users));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &ReasonGroup> {
        self.groups.values()
    }

    /// The users who are named, a line for each operation.
    pub(crate) fn examples<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().flat_map(|group| &group.lines))
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
                effect: group.lines[0].effect.name(),
                users: group.users,
            }
        }))
    }

    /// The reasons as text, each with the users who are named.
    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        for (key, group) in &self.groups {
            let users = count(group.users, "user", "users");
            let (code, reason, remedy) = key.why(group);
            let why = in_words(code, reason, remedy);
            writeln!(out, "  {users}, {}: {why}", group.lines[0].effect)?;
            let mut more = group.users;
            for account in group.accounts() {
                writeln!(out, "    {}", Shown(account))?;
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
    fn why<'g>(&self, group: &'g ReasonGroup) -> (Option<i32>, &'g str, &'g str) {
        let first = &group.lines[0];
        match self {
            Key::Others(_) => (None, "other reasons", "see each user's own"),
            Key::Code(..) | Key::Text(..) => (first.code, &first.reason, &first.remedy),
        }
    }
}

impl ReasonGroup {
    /// The users who are named.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = &str> {
        let chunks = self.lines.chunk_by(|one, next| one.account == next.account);
        chunks.map(|lines| lines[0].account.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imtag_core::ChangeOperation;

    fn add(
        reasons: &mut Reasons,
        account: &str,
        op: ChangeOperation,
        (code, reason): &(Option<i32>, String),
    ) {
        let change = (op, vec!["vip".to_owned()]);
        let why = (reason.clone(), "do this".into());
        let mut change = FailedChange::not_sent(account, change, &why, Effect::NotApplied);
        change.code = *code;
        reasons.add(change);
    }

    fn refused(text: &str) -> (Option<i32>, String) {
        (Some(70107), text.to_owned())
    }

    fn ours(text: String) -> (Option<i32>, String) {
        (None, text)
    }

    #[test]
    fn ten_users_are_named_with_all_their_lines_and_all_are_counted_once() {
        let mut reasons = Reasons::default();
        for user in 0..1_000 {
            // a service that names the account in its text
            let refused = refused(&format!("user{user} was never imported"));
            for op in [ChangeOperation::Remove, ChangeOperation::Add] {
                add(&mut reasons, &format!("user{user}"), op, &refused);
            }
        }
        let groups: Vec<_> = reasons.iter().collect();
        assert_eq!((groups.len(), groups[0].users), (1, 1_000));
        assert_eq!(groups[0].lines.len(), 20);
        let named: Vec<_> = groups[0].accounts().collect();
        assert_eq!((named.len(), named[0], named[9]), (10, "user0", "user9"));
        assert_eq!(groups[0].lines[0].reason, "user0 was never imported");
    }

    #[test]
    fn a_user_with_two_reasons_counts_for_each() {
        let mut reasons = Reasons::default();
        let ours = ours("time was up".to_owned());
        add(&mut reasons, "bob", ChangeOperation::Remove, &refused("no"));
        add(&mut reasons, "bob", ChangeOperation::Add, &ours);
        add(&mut reasons, "eve", ChangeOperation::Add, &ours);
        reasons.sort();
        let users: Vec<_> = reasons.iter().map(|group| group.users).collect();
        assert_eq!(users, [2, 1]);
    }

    #[test]
    fn reasons_beyond_the_fiftieth_go_together() {
        let mut reasons = Reasons::default();
        for nth in 0..70 {
            let reason = ours(format!("reason {nth}"));
            add(
                &mut reasons,
                &format!("user{nth}"),
                ChangeOperation::Add,
                &reason,
            );
        }
        reasons.sort();
        let (key, first) = reasons.groups.first().unwrap();
        assert_eq!((reasons.iter().count(), first.users), (51, 20));
        let why = (None, "other reasons", "see each user's own");
        assert_eq!(key.why(first), why);
        assert_eq!(first.lines[0].reason, "reason 50", "each line has its own");
    }
}
