//! What a request does to the users, and which of them it fails: the rules that differ between the generations.
//!
//! ```text
//!                      a mistake in a user's entry     a user that cannot be changed
//! timpush              the request fails               the user is named in ErrorList, the others are changed
//! all_member_push      the request fails               the request fails
//!   fail_changes_some  the request fails, and the others are changed, either way
//! ```
//!
//! Where a request fails, nobody is changed, unless the last row says otherwise: the service's pages do not say which
//! it is on the older routes, so it is an option.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};

use imtag_core::{Generation, Limits, Operation};
use imtag_wire::{Answer, Failed, Job, Refusal, Route, User, UserTags};

use crate::store::Store;
use crate::tags::TagId;

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

/// Accounts that a fault leaves out, and why.
pub(crate) type LeftOut<'a> = (&'a BTreeSet<String>, Refusal);

/// Applies a job in one step: the caller holds the store's lock, and [sweeps](Store::sweep) afterwards.
pub(crate) fn apply(
    store: &mut Store,
    rules: &Rules,
    route: Route,
    job: Job<'_>,
    left_out: Option<LeftOut<'_>>,
) -> Result<Answer, Refusal> {
    let partial = route.generation == Generation::Timpush;
    let all_or_nothing = !partial && !rules.fail_changes_some;
    let check = |store: &mut Store, user: &User<'_>, tags: &[TagId]| {
        if rules.unknown_accounts.contains(&*user.account) {
            return Some(Refusal::new(70107, "the account was never imported"));
        }
        let adds = route.operation == Operation::Add;
        let account = &user.account;
        adds.then(|| too_many_tags(store, &rules.limits, route, account, tags, job.replace))
            .flatten()
    };

    let mut answer = Answer::ok(route.operation == Operation::Get);
    let mut users = Vec::with_capacity(job.users.len());
    for user in job.users {
        match &left_out {
            Some((accounts, why)) if accounts.contains(&*user.account) => {
                let failed = Failed::new(user.account.into_owned(), why.clone());
                answer.error_list.push(failed);
            }
            _ => users.push(user),
        }
    }
    if partial || all_or_nothing {
        let mut mistakes = users.iter().map(|user| &user.mistake);
        if let Some(refusal) = mistakes.find_map(Clone::clone) {
            return Err(refusal);
        }
    }
    store.prefetch(users.iter().map(|user| &*user.account));
    // The tags' numbers, in one list again.
    let (mut ids, mut of_user) = (Vec::with_capacity(job.tags.len()), Vec::new());
    for user in &mut users {
        let tags = &job.tags[user.tags.clone()];
        match route.operation {
            Operation::Add => store.intern(tags, &mut of_user),
            _ => store.lookup(tags, &mut of_user),
        }
        user.tags = ids.len()..ids.len() + of_user.len();
        ids.extend_from_slice(&of_user);
    }
    if all_or_nothing {
        let failed = users
            .iter()
            .find_map(|user| check(store, user, &ids[user.tags.clone()]));
        if let Some(refusal) = failed {
            return Err(refusal);
        }
    }
    let mut first_failure = None;
    for user in users {
        let tags = &ids[user.tags.clone()];
        let refusal = match &user.mistake {
            Some(mistake) => Some(mistake.clone()),
            // Every user was checked, and as each is there once, none makes another one's check fail.
            None if all_or_nothing => None,
            None => check(store, &user, tags),
        };
        let account = user.account;
        match refusal {
            None => carry_out(
                store,
                route.operation,
                job.replace,
                account,
                tags,
                &mut answer,
            ),
            Some(refusal) if partial => {
                let failed = Failed::new(account.into_owned(), refusal);
                answer.error_list.push(failed);
            }
            Some(refusal) => first_failure = first_failure.or(Some(refusal)),
        }
    }
    first_failure.map_or(Ok(answer), Err)
}

fn too_many_tags(
    store: &mut Store,
    limits: &Limits,
    route: Route,
    account: &str,
    tags: &[TagId],
    replace: bool,
) -> Option<Refusal> {
    let refused = |who: &str, after: usize, most: usize| {
        let text = format!("the {who} would have {after} tags, at most {most}");
        Some(Refusal::new(90033, text))
    };
    // A replacement was held to the same limit when the body was read.
    if !replace {
        let most = limits.tags_per_user;
        let after = store.user_tags_after(account, tags);
        if after > most {
            return refused("user", after, most);
        }
    }
    if route.generation == Generation::AllMemberPush {
        return None;
    }
    let most = limits.tags_per_app;
    let after = store.app_tags_after(account, tags, replace);
    // Adding what is there already is no error, even where the older routes have filled the app past the limit.
    if after > most && after > store.app_tags() {
        return refused("app", after, most);
    }
    None
}

fn carry_out(
    store: &mut Store,
    operation: Operation,
    replace: bool,
    account: Cow<'_, str>,
    tags: &[TagId],
    answer: &mut Answer,
) {
    match operation {
        Operation::Add if replace => store.replace(&account, tags),
        Operation::Add => store.add(&account, tags),
        Operation::Remove => store.remove(&account, tags),
        Operation::Clear => store.replace(&account, &[]),
        Operation::Get => answer.user_tags.get_or_insert_default().push(UserTags {
            tags: store.tags(&account).cloned().collect(),
            account: account.into_owned(),
        }),
    }
}

#[cfg(test)]
#[path = "apply_model.rs"]
mod tests;
