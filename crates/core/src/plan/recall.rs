//! What a caller takes back: a change that is in no request, and one in a request that waits for its turn in the quota. Nothing
//! of it was sent.
//!
//! ```text
//! taken ──► waits for its turn ──► admitted: what was recalled is left out ──► sent ──► settled
//!                    │                                                                   ▲
//!                    └─ ended before its turn: nothing was sent ─────────────────────────┘
//! ```

use std::mem;
use std::time::Duration;

use super::Plan;
use super::arena::ChangeId;
use super::batch::{Batch, Part, Recalled};
use super::item::{ChangeFailure, Entry};

impl<R, E: ChangeFailure> Plan<R, E> {
    /// Takes a change out, unless a part of it has been in a request. Returns true if it did; the change has no outcome then.
    pub fn withdraw(&mut self, id: ChangeId, now: Duration) -> bool {
        let tags_per_slot = self.tags_per_slot();
        let entry = self.changes.get(id.0);
        let Some(entry) = entry.filter(|entry| entry.is_untouched(tags_per_slot)) else {
            return false;
        };
        let account = entry.account;
        self.count_off(id);
        self.drop_unsent(id);
        self.remove(id);
        self.activate(account, now);
        true
    }

    /// Removes a change that is over. Its account shares its text no longer, as that would keep all texts of the change for
    /// as long as others of the account come.
    pub(super) fn remove(&mut self, id: ChangeId) -> Option<Entry<R, E>> {
        let entry = self.changes.remove(id.0)?;
        let account = &mut self.accounts[entry.account];
        if std::ptr::eq(account.text(), entry.item.account()) {
            match account.waiting.first() {
                Some(next) => account.share_text(&self.changes[next.0].item),
                None if account.under_way > 0 => account.keep_text_alone(),
                None => {} // it is activated next, which forgets it or keeps its text alone
            }
        }
        Some(entry)
    }

    /// Says that a request has its turn in the quota and is sent now: it is [admitted](Plan::admitted), and no more is recalled
    /// from it. Returns what is not to be sent with it.
    pub fn sends(&mut self, batch: &Batch) -> Recalled {
        self.admitted(batch.producer, batch.operation());
        self.note_sent(batch)
    }

    /// Notes that no more is recalled from a request.
    fn note_sent(&mut self, batch: &Batch) -> Recalled {
        let mut recalled = Recalled {
            changes: Vec::new(),
            is_all: true,
        };
        for part in batch.slots.iter().flat_map(|slot| &slot.parts) {
            let entry = &mut self.changes[part.id.0];
            if entry.recalled {
                recalled.changes.push(part.id);
            } else {
                entry.sent = true;
                recalled.is_all = false;
            }
        }
        recalled.changes.sort_unstable();
        recalled
    }

    /// Recalls a change from the request that waits for its turn in the quota. Returns true if it did: nothing of the change
    /// was sent, nothing will be, and it has no outcome. Use it only where each request is
    /// [said to be sent](Plan::sends), and is sent without what was recalled.
    pub fn recall(&mut self, id: ChangeId) -> bool {
        let entry = self.changes.get(id.0);
        let Some(entry) = entry.filter(|it| it.under_way > 0 && !it.sent && !it.recalled) else {
            return false;
        };
        let (producer, left) = (entry.producer, entry.left);
        self.count_off(id);
        if left > 0 {
            self.drop_unsent(id);
        }
        self.changes[id.0].recalled = true;
        self.state(producer).recalled += 1;
        true
    }

    /// Takes what was recalled out of a request that had its turn, or is over.
    pub fn drop_recalled(&mut self, batch: &mut Batch, now: Duration) {
        let state = self.state(batch.producer);
        if state.under_way(batch.operation()).awaiting_admission == Some(batch.id) {
            let _ = self.note_sent(batch); // it had no turn
        }
        if self.state(batch.producer).recalled == 0 {
            return;
        }
        for mut slot in mem::take(&mut batch.slots) {
            let is_recalled = |part: &Part| self.changes[part.id.0].recalled;
            let (recalled, parts) = slot.parts.into_iter().partition(is_recalled);
            slot.parts = recalled;
            if parts.is_empty() {
                self.close_slot(&slot, now);
                continue;
            }
            self.close_parts(&slot);
            slot.parts = parts;
            batch.slots.push(slot);
        }
    }
}
