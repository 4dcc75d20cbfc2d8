//! A service for the tests: it holds tags, and rejects requests with an account or a tag at fault.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

#[derive(Debug, Default)]
pub(super) struct Service {
    pub(super) tags: BTreeMap<String, BTreeSet<String>>,
}

impl Service {
    pub(super) fn apply(&mut self, operation: Operation, account: &str, tags: &[String]) {
        let held = self.tags.entry(account.to_owned()).or_default();
        match operation {
            Operation::Add => held.extend(tags.iter().cloned()),
            Operation::Remove => held.retain(|tag| !tags.contains(tag)),
            Operation::Clear => held.clear(),
            Operation::Get => {}
        }
    }
}

/// What is asked of the service by one request.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) operation: Operation,
    pub(super) slots: Vec<(String, Vec<String>)>,
}

impl Asked {
    pub(super) fn from_batch(batch: &Batch) -> Asked {
        let slots = batch.slots.iter().map(|slot| {
            let tags = slot.tags().map(str::to_owned).collect();
            (slot.account().to_owned(), tags)
        });
        Asked {
            operation: batch.operation(),
            slots: slots.collect(),
        }
    }

    pub(super) fn at_fault(&self) -> Option<Scope> {
        let mut slots = self.slots.iter();
        slots.find_map(|(account, tags)| is_at_fault(self.operation, account, tags))
    }
}

/// `u3` is at fault when it is added to or read, and tag `t5` whenever it is removed.
pub(super) fn is_at_fault(operation: Operation, account: &str, tags: &[String]) -> Option<Scope> {
    let tag = tags.iter().any(|tag| tag == "t5");
    match operation {
        Operation::Add | Operation::Get if account == "u3" => Some(Scope::Request),
        Operation::Remove if tag => Some(Scope::Tag),
        _ => None,
    }
}

/// Sends all there is, one request after the other; one is refused if `at_fault` says so of one of its slots.
/// Answers with the number of requests.
pub(super) fn run(rig: &mut Rig, scope: Scope, at_fault: impl Fn(&Slot) -> bool) -> u64 {
    let mut requests = 0;
    while let Next::Send(batch) = rig.next() {
        rig.plan.admitted(rig.producer, batch.operation());
        requests += 1;
        if batch.slots.iter().any(&at_fault) {
            rig.settle(batch, bad(scope));
        } else {
            rig.done(batch);
        }
    }
    requests
}
