//! A service for the tests: it holds tags, and rejects requests with an account or a tag at fault.

use std::collections::{BTreeMap, BTreeSet};

use super::super::batch::Part;
use super::*;

#[derive(Debug, Default)]
pub(super) struct Service {
    pub(super) tags: BTreeMap<String, BTreeSet<String>>,
}

impl Service {
    pub(super) fn apply(&mut self, form: Form, account: &str, tags: &[String]) {
        let held = self.tags.entry(account.to_owned()).or_default();
        match form {
            Form::Add => held.extend(tags.iter().cloned()),
            Form::Replace => *held = tags.iter().cloned().collect(),
            Form::Remove => held.retain(|tag| !tags.contains(tag)),
            Form::Clear => held.clear(),
            Form::Get => {}
        }
    }
}

/// What is asked of the service by one request.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) form: Form,
    pub(super) slots: Vec<(String, Vec<String>)>,
}

impl Asked {
    /// By a request without what was recalled of it.
    pub(super) fn from_batch(batch: &Batch, recalled: &Recalled) -> Asked {
        let slots = batch.slots.iter().filter_map(|slot| {
            let left = |part: &&Part| !recalled.has(part);
            let _ = slot.parts.iter().find(left)?;
            let tags = slot.parts.iter().filter(left).flat_map(Part::tags);
            let tags: BTreeSet<String> = tags.map(str::to_owned).collect();
            Some((slot.account().to_owned(), tags.into_iter().collect()))
        });
        Asked {
            form: batch.form,
            slots: slots.collect(),
        }
    }

    pub(super) fn at_fault(&self) -> Option<Scope> {
        let mut slots = self.slots.iter();
        slots.find_map(|(account, tags)| is_at_fault(self.form, account, tags))
    }
}

/// `u3` is at fault when it is added to or read, `u4` when its tags are replaced, and tag `t5` whenever it is removed or
/// replaces others.
pub(super) fn is_at_fault(form: Form, account: &str, tags: &[String]) -> Option<Scope> {
    let tag = tags.iter().any(|tag| tag == "t5");
    match form {
        Form::Add | Form::Get if account == "u3" => Some(Scope::Request),
        Form::Replace if account == "u4" => Some(Scope::Request),
        Form::Remove | Form::Replace if tag => Some(Scope::Tag),
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
