//! The tally: what became of each slot, and from that of each user. A user is tagged when all slots are done; a user
//! of whom one slot failed has failed, with that slot's reason, and is *possibly applied* as soon as another slot
//! went through: some of the tags are there.

use std::collections::{HashMap, HashSet};

use imtag_transport::{Cause, Effect, Error};
use indexmap::IndexSet;

use super::plan::Plan;
use super::send::Sent;
use crate::reason::Reason;

/// Counts as results arrive.
pub(crate) struct Tally<'p> {
    plan: &'p Plan,
    /// By the number of the slot.
    done: Vec<bool>,
    failed: HashMap<usize, (usize, Effect)>,
    reasons: IndexSet<Reason>,
    /// Why slots that were never sent were not.
    not_sent: Reason,
    /// Why users are in no request.
    too_many_tags: Reason,
    /// Requests that were made.
    pub(crate) requests: usize,
    /// The same with retries.
    pub(crate) attempts: u64,
    /// Those of which a byte left this machine: what the quota may have been charged.
    pub(crate) charged: u64,
}

/// A user who is not tagged, or not in full.
#[derive(Debug)]
pub(crate) struct FailedUser<'t> {
    pub(crate) account: &'t str,
    /// The tags that are not known to be there.
    pub(crate) tags: Vec<&'t str>,
    pub(crate) reason: &'t Reason,
    pub(crate) effect: Effect,
}

impl<'p> Tally<'p> {
    pub(crate) fn new(plan: &'p Plan) -> Tally<'p> {
        Tally {
            plan,
            done: vec![false; plan.slots()],
            failed: HashMap::new(),
            reasons: IndexSet::new(),
            not_sent: Reason::ours("not sent".to_owned(), "import the file again"),
            too_many_tags: Reason::too_many_tags(&plan.rules().limits),
            requests: 0,
            attempts: 0,
            charged: 0,
        }
    }

    /// Says why what was not sent was not.
    pub(crate) fn not_sent(&mut self, reason: Reason) {
        self.not_sent = reason;
    }

    pub(crate) fn take(&mut self, sent: Sent) {
        let Sent {
            request,
            result,
            earlier,
        } = sent;
        let (attempts, charged) = match &result {
            Ok(outcome) => (outcome.attempts, outcome.sent),
            Err(error) => (error.attempts(), error.sent()),
        };
        let attempts = attempts + earlier.attempts;
        self.requests += usize::from(attempts > 0);
        self.attempts += u64::from(attempts);
        self.charged += u64::from(charged + earlier.sent);
        match result {
            Ok(_) => self.done(request, &HashSet::new()),
            Err(error) => self.failed(request, &error, earlier.effect),
        }
    }

    /// Requests that were sent again.
    pub(crate) fn retries(&self) -> u64 {
        self.attempts - self.requests as u64
    }

    /// Whether any slot is not done.
    pub(crate) fn unfinished(&self) -> bool {
        self.done.contains(&false)
    }

    /// All users who failed, in the order of the file.
    pub(crate) fn failures(&self) -> impl Iterator<Item = FailedUser<'_>> {
        (0..self.plan.groups().users()).filter_map(|user| self.failure(user))
    }

    fn done(&mut self, request: usize, but: &HashSet<&str>) {
        for slot in self.plan.slots_of(request) {
            if !but.contains(self.plan.groups().account(slot.user)) {
                self.done[self.plan.number_of(&slot)] = true;
            }
        }
    }

    /// `earlier` is the most that calls of the request before this one may have done.
    fn failed(&mut self, request: usize, error: &Error, earlier: Effect) {
        let Cause::Partial(partial) = error.cause() else {
            let reason = Reason::of_error(error);
            for slot in self.plan.slots_of(request) {
                self.note(slot.user, reason.clone(), error.effect().max(earlier));
            }
            return;
        };
        let users: HashMap<&str, usize> = self
            .plan
            .slots_of(request)
            .map(|slot| (self.plan.groups().account(slot.user), slot.user))
            .collect();
        for failure in &partial.failures {
            if let Some(user) = users.get(failure.account.as_str()) {
                let reason = Reason::of_refusal(&failure.refusal);
                self.note(*user, reason, failure.effect.max(earlier));
            }
        }
        let failed = partial.failures.iter();
        let failed = failed.map(|failure| failure.account.as_str()).collect();
        self.done(request, &failed);
    }

    /// A user's first reason stays: what came later may follow from it. The effect is the most that any slot had.
    fn note(&mut self, user: usize, reason: Reason, effect: Effect) {
        let (reason, _) = self.reasons.insert_full(reason);
        let noted = self.failed.entry(user).or_insert((reason, effect));
        noted.1 = noted.1.max(effect);
    }

    fn failure(&self, user: usize) -> Option<FailedUser<'_>> {
        let groups = self.plan.groups();
        let account = groups.account(user);
        let slots = self.plan.slots_of_user(user);
        if slots.is_empty() {
            return Some(FailedUser {
                account,
                tags: groups.tags(user, 0..groups.tag_count(user)).collect(),
                reason: &self.too_many_tags,
                effect: Effect::NotApplied,
            });
        }
        let done = &self.done[slots];
        if done.iter().all(|done| *done) {
            return None;
        }
        let some_done = done.iter().any(|done| *done);
        let (reason, effect) = match self.failed.get(&user) {
            Some((reason, effect)) => (&self.reasons[*reason], *effect),
            None => (&self.not_sent, Effect::NotApplied),
        };
        let not_done = done.iter().enumerate().filter(|(_, done)| !**done);
        Some(FailedUser {
            account,
            tags: not_done
                .flat_map(|(nth, _)| self.plan.tags_of_slot(user, nth))
                .collect(),
            reason,
            effect: match some_done {
                true => effect.max(Effect::PossiblyApplied),
                false => effect,
            },
        })
    }
}
