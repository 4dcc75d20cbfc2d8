//! Accounts in the plan: when an account's next change may be sent, and when an account is forgotten.
//!
//! The gets of a producer have accounts of their own: they wait for no change and no other producer, and no change waits for
//! them.

use std::collections::BTreeSet;
use std::hash::BuildHasher;
use std::time::Duration;

use super::Plan;
use super::accounts::{AccountState, Group};
use super::arena::{AccountId, ProducerId};
use super::item::{ChangeFailure, Item};

impl<R, E: ChangeFailure> Plan<R, E> {
    /// The account of a producer's item, which is made if there is none.
    pub(super) fn account(&mut self, producer: ProducerId, item: &Item) -> AccountId {
        let hash = self.hash(item.account());
        let (names, reader) = match item {
            Item::Change(_) => (&mut self.names, None),
            Item::Get(_) => (&mut self.producers[producer.0].read_names, Some(producer)),
        };
        let accounts = &mut self.accounts;
        let its = |id: &AccountId| accounts[*id].text() == item.account();
        if let Some(account) = names.find(hash, its) {
            return *account;
        }
        let account = accounts.insert(AccountState::new(item, hash, reader));
        names.insert_unique(hash, account, |id| accounts[*id].hash);
        account
    }

    /// The hash of an account's text.
    pub(super) fn hash(&self, text: &str) -> u64 {
        let hash = self.hash_key.hash_one(text);
        #[cfg(test)]
        let hash = hash & self.hash_mask;
        hash
    }

    /// Moves the next change of an account into the packer of its form's queue, if its turn has come.
    pub(super) fn activate(&mut self, id: AccountId, now: Duration) {
        while let Some(account) = self.accounts.get_mut(id) {
            if account.under_way > 0 || account.active.is_some() {
                return;
            }
            let Some(next) = account.waiting.first() else {
                return self.forget(id, now);
            };
            let entry = &self.changes[next.0];
            let (producer, form) = (entry.producer, entry.item.form());
            if let Some(failure) = account.rejection(producer, form) {
                let failure = failure.rejected_before();
                self.fail_rest(next, &failure);
                continue;
            }
            if entry.deadline <= now {
                self.fail_rest(next, &E::expired());
                continue;
            }
            self.ready_producers.insert(producer);
            let safe_from = account.safe_from(form);
            if safe_from > now {
                // its producer's next wait must end with the late window
                let state = &mut self.producers[producer.0];
                state.late_windows.insert((safe_from, id));
                return;
            }
            let queue = self.producers[producer.0].queue(form);
            let group = if account.suspect_until > now {
                Group::Suspects
            } else if self.proven.contains(account.hash) && queue.finds_faults() {
                Group::Proven
            } else {
                Group::Fresh
            };
            account.active = Some(group);
            let state = &mut self.producers[producer.0];
            let epoch = entry.epoch;
            let flushed = epoch.is_some_and(|epoch| state.unsettled.has_flushed(epoch));
            let queue = state.queue(form);
            queue.blocked -= 1;
            queue.insert(group, next, entry.left, entry.came);
            if let Some(lingering) = queue.lingering(group) {
                lingering.flushed |= flushed;
            }
            if state.policy.full_slot_is_enough {
                self.note_full_slot(id);
            }
            return;
        }
    }

    /// Forgets an account without changes, unless something is remembered of it.
    fn forget(&mut self, id: AccountId, now: Duration) {
        let Some(account) = self.accounts.get_mut(id) else {
            return;
        };
        if !account.waiting.is_empty() || account.under_way > 0 {
            return;
        }
        let late_until = account.late_until();
        if late_until > now {
            account.keep_text_alone();
            self.remembered.insert((late_until, id));
        } else if account.suspect_until > now || !account.rejected.is_empty() {
            account.keep_text_alone();
        } else {
            let names = match account.reader {
                None => Some(&mut self.names),
                // it may be closed by now
                Some(producer) => {
                    let state = self.producers.get_mut(producer.0);
                    state.map(|state| &mut state.read_names)
                }
            };
            let found = names.map(|names| names.find_entry(account.hash, |it| *it == id));
            if let Some(Ok(found)) = found {
                found.remove();
            }
            self.accounts.remove(id);
        }
    }

    /// Activates a producer's accounts whose late window is over, and forgets what was remembered for long enough.
    pub(super) fn pass(&mut self, producer: ProducerId, now: Duration) {
        while let Some(account) = pop_over(&mut self.producers[producer.0].late_windows, now) {
            self.activate(account, now);
        }
        while let Some(account) = pop_over(&mut self.remembered, now) {
            self.forget(account, now);
        }
        while self.suspects.front().is_some_and(|it| it.0 <= now) {
            if let Some((_, account)) = self.suspects.pop_front() {
                self.forget(account, now);
            }
        }
    }

    /// Notes in the form's queue if the changes at the head of the account's queue fill its next slot.
    pub(super) fn note_full_slot(&mut self, account: AccountId) {
        let most = self.tags_per_slot();
        let account = &self.accounts[account];
        let Some(group) = account.active else {
            return;
        };
        let Some(first) = account.waiting.first() else {
            return;
        };
        let first = &self.changes[first.0];
        let state = &mut self.producers[first.producer.0];
        let is_enough = state.policy.full_slot_is_enough;
        let Some(its) = state.queue(first.item.form()).lingering(group) else {
            return;
        };
        if !is_enough || its.full_slot {
            return;
        }
        let mut tags: Vec<&str> = Vec::new();
        // bounded, as any number of changes may bring no new tag
        for id in account.waiting.iter().take(2 * most) {
            let entry = &self.changes[id.0];
            if !entry.commutes_with(first) {
                return;
            }
            for tag in entry.item.tags().within(entry.rest(most)) {
                if tags.len() < most && !tags.contains(&tag) {
                    tags.push(tag);
                }
            }
            if tags.len() == most {
                its.full_slot = true;
                return;
            }
        }
    }
}

/// Takes an account whose time is over.
fn pop_over(times: &mut BTreeSet<(Duration, AccountId)>, now: Duration) -> Option<AccountId> {
    times.first().filter(|(until, _)| *until <= now)?;
    times.pop_first().map(|(_, account)| account)
}
