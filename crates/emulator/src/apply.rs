//! What a request does to the users, and which of them it fails: the rules that differ between the generations.
//!
//! `timpush` does what it can and names the rest in its `ErrorList`. The older routes answer FAIL when one user
//! fails, and change nobody; the service's pages do not say the latter, so an option turns it round. A mistake in the
//! form of one user's entry fails the request as a whole on both.

use std::collections::{BTreeSet, HashSet};

use imtag_core::{Generation, Limits, Operation};

use crate::body::{Job, User};
use crate::refusal::Refusal;
use crate::route::Route;
use crate::store::Store;

/// How the emulator decides what the service's pages leave open.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    pub(crate) limits: Limits,
    /// Accounts that count as never imported.
    pub(crate) unknown_accounts: HashSet<String>,
    /// Whether a FAIL for one user of an older route leaves the others changed.
    pub(crate) fail_changes_some: bool,
    /// Whether `random` must be a number of 32 bits.
    pub(crate) strict_random: bool,
}

/// What came of a request that was not refused as a whole.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    /// What the users carry, in the order of the request; only for get.
    pub(crate) read: Vec<(String, BTreeSet<String>)>,
    /// The accounts that were left out, each with its reason.
    pub(crate) failed: Vec<(String, Refusal)>,
}

/// Accounts that a fault leaves out, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    pub(crate) accounts: BTreeSet<String>,
    pub(crate) refusal: Option<Refusal>,
}

impl LeftOut {
    fn reason(&self, account: &str) -> Option<Refusal> {
        self.refusal
            .clone()
            .filter(|_| self.accounts.contains(account))
    }
}

/// Applies a job at once: the caller holds the store's lock.
pub(crate) fn apply(
    store: &mut Store,
    rules: &Rules,
    route: Route,
    job: Job,
    left_out: &LeftOut,
) -> Result<Applied, Refusal> {
    let partial = route.generation == Generation::Timpush;
    let all_or_nothing = !partial && !rules.fail_changes_some;
    let check = |store: &Store, user: &User| {
        if rules.unknown_accounts.contains(&user.account) {
            return Some(Refusal::new(70107, "the account was never imported"));
        }
        let adds = route.operation == Operation::Add;
        let generation = route.generation;
        adds.then(|| too_many_tags(store, &rules.limits, generation, user, job.replace))
            .flatten()
    };

    let mut applied = Applied::default();
    let mut users = Vec::with_capacity(job.users.len());
    for user in job.users {
        match left_out.reason(&user.account) {
            Some(reason) => applied.failed.push((user.account, reason)),
            None => users.push(user),
        }
    }
    if partial || all_or_nothing {
        refuse_for(users.iter().find_map(|user| user.mistake.clone()))?;
    }
    if all_or_nothing {
        refuse_for(users.iter().find_map(|user| check(store, user)))?;
    }
    let mut first_failure = None;
    for user in users {
        // All or nothing: every user was checked, and as each is there once, none makes another one's check fail.
        let unchecked = !all_or_nothing;
        let failure = user.mistake.clone();
        match failure.or_else(|| unchecked.then(|| check(store, &user)).flatten()) {
            None => carry_out(store, route.operation, job.replace, user, &mut applied),
            Some(refusal) if partial => applied.failed.push((user.account, refusal)),
            Some(refusal) => first_failure = first_failure.or(Some(refusal)),
        }
    }
    refuse_for(first_failure)?;
    Ok(applied)
}

fn refuse_for(failure: Option<Refusal>) -> Result<(), Refusal> {
    failure.map_or(Ok(()), Err)
}

fn too_many_tags(
    store: &Store,
    limits: &Limits,
    generation: Generation,
    user: &User,
    replace: bool,
) -> Option<Refusal> {
    let most = limits.tags_per_user;
    // A replacement was held to the same limit when the body was read.
    let after = store.tags_after_adding(&user.account, &user.tags);
    if !replace && after > most {
        let text = format!("the user would have {after} tags, at most {most}");
        return Some(Refusal::new(90033, text));
    }
    if generation == Generation::AllMemberPush {
        return None;
    }
    let most = limits.tags_per_app;
    let after = store.app_tags_after(&user.account, &user.tags, replace);
    // Adding what is there already is no error, even where the older routes have filled the app past the limit.
    if after > most && after > store.app_tags() {
        let text = format!("the app would have {after} tags, at most {most}");
        return Some(Refusal::new(90033, text));
    }
    None
}

fn carry_out(
    store: &mut Store,
    operation: Operation,
    replace: bool,
    user: User,
    applied: &mut Applied,
) {
    match operation {
        Operation::Add if replace => store.replace(&user.account, user.tags),
        Operation::Add => store.add(&user.account, user.tags),
        Operation::Remove => store.remove(&user.account, &user.tags),
        Operation::Clear => store.clear(&user.account),
        Operation::Get => {
            let tags = store.tags(&user.account).cloned().unwrap_or_default();
            applied.read.push((user.account, tags));
        }
    }
}

#[cfg(test)]
#[path = "apply_tests.rs"]
mod tests;
