//! What all callers were told, and what of it cannot be.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::str::FromStr;

use serde_json::Value;

use super::super::failed::Effect;
use super::change::Change;

/// The id of a change, in the order of the queue: its post's, and its place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Id(pub(super) u64, pub(super) usize);

impl FromStr for Id {
    type Err = ();

    fn from_str(text: &str) -> Result<Id, ()> {
        let (post, index) = text.split_once('-').ok_or(())?;
        match (post.parse(), index.parse()) {
            (Ok(post), Ok(index)) => Ok(Id(post, index)),
            _ => Err(()),
        }
    }
}

/// A post that was answered with 202, or with outcomes.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) caller: u64,
    pub(super) changes: Vec<Change>,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) posts: BTreeMap<u64, Post>,
    /// Changes of posts that were refused for certain, and not posted again, with what was said.
    pub(super) refused: HashMap<u64, String>,
    /// Of posts without a key that had no answer.
    pub(super) unknown: BTreeSet<u64>,
    /// What was told to those who waited for it: true where a change is done.
    pub(super) outcomes: BTreeMap<Id, bool>,
    /// Each failure that was read, deleted since or not.
    pub(super) failures: BTreeMap<Id, Effect>,
    /// What broke a promise, a sentence each.
    pub(super) wrong: Vec<String>,
    pub(super) counts: BTreeMap<&'static str, u64>,
}

impl Ledger {
    pub(super) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    pub(super) fn counted(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or(0)
    }

    /// A caller's post is stored under this id. Each caller waits for that before its next post.
    pub(super) fn accept(&mut self, id: u64, caller: u64, changes: Vec<Change>) {
        let mut later = self.posts.range(id..);
        if let Some((other, _)) = later.find(|(_, post)| post.caller == caller) {
            let what = format!("caller {caller} has posted {id}, and before that {other}");
            self.wrong.push(what);
        } else if self.posts.contains_key(&id) {
            self.wrong.push(format!("the id {id} was given twice"));
        }
        self.posts.insert(id, Post { caller, changes });
    }

    /// Nothing of a post is stored, ever.
    pub(super) fn refuse(&mut self, changes: &[Change], why: &str) {
        let marks = changes.iter().filter_map(|change| change.mark);
        self.refused
            .extend(marks.map(|mark| (mark, why.to_owned())));
    }

    /// A line of outcomes, or of a change that is asked for.
    pub(super) fn outcome(&mut self, line: &Value) {
        let id = line["id"].as_str().unwrap_or_default().parse();
        match (id, line["state"].as_str()) {
            (Ok(id), Some("done")) => drop(self.outcomes.insert(id, true)),
            (Ok(id), Some("failed")) => drop(self.outcomes.insert(id, false)),
            (Ok(_), Some("queued" | "sending")) => {}
            _ => self.wrong.push(format!("no outcome: {line}")),
        }
    }

    /// Reads lines of failures; their ids.
    pub(super) fn fail(&mut self, lines: impl Iterator<Item = Value>) -> Vec<String> {
        let mut ids = Vec::new();
        for line in lines {
            let id = line["id"].as_str().unwrap_or_default();
            let effect = serde_json::from_value(line["effect"].clone());
            match (id.parse(), effect) {
                (Ok(at), Ok(effect)) => {
                    self.failures.insert(at, effect);
                    ids.push(id.to_owned());
                }
                _ => self.wrong.push(format!("no failure: {line}")),
            }
        }
        ids
    }

    pub(super) fn changes(&self) -> usize {
        self.posts.values().map(|post| post.changes.len()).sum()
    }
}
