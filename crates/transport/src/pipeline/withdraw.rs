//! A caller that waits no longer. Its change is taken back if it is in no request yet; else it is possibly applied.
//!
//! ```text
//!             ┌─ in no request ─────────────────────► not sent: Expired, or Abandoned if cancelled
//! withdraw ───┤                 ┌─ cancelled ───────► possibly applied: Abandoned
//!             └─ in a request ──┤            ┌─ the request ends within 100 ms ──► its outcome
//!                               └─ time up ──┴─ it does not ─────────────────────► possibly applied: NotAnswered
//! ```

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use imtag_core::Change;
use imtag_core::plan::ChangeId;

use super::Guard;
use super::batcher::{Batcher, GRACE};
use super::outcome::{Delivery, Waiter};
use crate::error::{ChangeCause, ChangeError};
use crate::wait::WaitEnd;

/// The submitted changes of a batcher that have no outcome, by their callers' numbers.
#[derive(Debug, Default)]
pub(crate) struct Submitted {
    by_id: HashMap<u64, ChangeId>,
    /// Withdrawn while under way, as their callers' time was up. Each waits for its request until then, the next one first.
    late: VecDeque<(Instant, ChangeId)>,
    /// A change was refused because the batcher was full: a poll returns once there is capacity.
    pub(crate) refused: bool,
}

impl Submitted {
    /// Of two changes with one id, only the later one is found.
    pub(super) fn insert(&mut self, id: u64, number: ChangeId) {
        self.by_id.insert(id, number);
    }

    pub(super) fn remove(&mut self, id: u64) {
        self.by_id.remove(&id);
    }

    fn number(&self, id: u64) -> Option<ChangeId> {
        self.by_id.get(&id).copied()
    }

    /// Abandons a change at that moment, which is no earlier than any before.
    fn abandon_at(&mut self, moment: Instant, number: ChangeId) {
        self.late.push_back((moment, number));
    }

    /// When the next change is abandoned.
    fn next_abandoned(&self) -> Option<Instant> {
        self.late.front().map(|(moment, _)| *moment)
    }

    /// A change that is due to be abandoned.
    fn take_abandoned(&mut self, now: Instant) -> Option<ChangeId> {
        let (_, number) = *self.late.front().filter(|(moment, _)| *moment <= now)?;
        self.late.pop_front();
        Some(number)
    }
}

impl Batcher {
    /// Takes back a submitted change, by its number, for a caller that waits no longer. [`poll`](Batcher::poll) returns its
    /// outcome, once. A change that is in no request yet is not sent, and is *not applied*. One that is in a request may
    /// still be sent, or sent again, and is *possibly applied*. If the time is up, a request that ends at the same moment is
    /// waited for a little, as its outcome says more.
    ///
    /// Nothing happens if no change without an outcome has this number. If several have it, the last of them is taken back,
    /// or none.
    pub fn withdraw(&self, id: u64, why: WaitEnd) {
        let Some(mut inner) = self.session.lock() else {
            return;
        };
        let producer = self.session.producer;
        let Some(number) = inner.session(producer).submitted.number(id) else {
            return;
        };
        let Some((change, _)) = inner.plan.get_mut(number) else {
            return; // its outcome is about to be delivered
        };
        let change = change.clone();
        if self.take_back_in(&mut inner, number) {
            let result = Err(taken_back(&change, why));
            inner
                .session(producer)
                .complete(id, change.into_request(), result);
        } else {
            match why {
                WaitEnd::Cancelled => self.abandon_now(&mut inner, number, why),
                WaitEnd::TimedOut => {
                    let state = inner.session(producer);
                    state.submitted.abandon_at(Instant::now() + GRACE, number);
                }
            }
            inner.wake_waiters(producer);
        }
    }

    /// Abandons the changes whose callers' time was up, and whose requests have not ended since. Returns when the next one
    /// is due.
    pub(super) fn abandon_late(&self, inner: &mut Guard<'_>) -> Option<Instant> {
        let producer = self.session.producer;
        let now = Instant::now();
        while let Some(number) = inner.session(producer).submitted.take_abandoned(now) {
            self.abandon_now(inner, number, WaitEnd::TimedOut);
        }
        inner.session(producer).submitted.next_abandoned()
    }

    /// Completes a change under way as abandoned, unless it has its outcome. Its request's outcome is discarded later.
    fn abandon_now(&self, inner: &mut Guard<'_>, number: ChangeId, why: WaitEnd) {
        let Some((change, delivery)) = inner.plan.get_mut(number) else {
            return;
        };
        let Delivery::Poll(id) = *delivery else {
            return;
        };
        *delivery = Delivery::Discard;
        let change = change.clone();
        let result = Err(abandoned(&change, why));
        inner
            .session(self.session.producer)
            .complete(id, change.into_request(), result);
    }

    /// Takes a change back that is in no request yet.
    pub(super) fn take_back(&self, number: ChangeId) -> bool {
        let inner = self.session.lock();
        inner.is_some_and(|mut inner| self.take_back_in(&mut inner, number))
    }

    fn take_back_in(&self, inner: &mut Guard<'_>, number: ChangeId) -> bool {
        let now = inner.pipeline.now();
        let taken = inner.plan.withdraw(number, now);
        if taken {
            inner.session(self.session.producer).progress.failed += 1;
            inner.wake_waiters(self.session.producer); // there is capacity again
        }
        taken
    }

    /// The caller waits no longer: takes its change back, if it is in no request yet.
    pub(super) fn give_up(
        &self,
        change: &Change,
        number: ChangeId,
        waiter: &Waiter,
        why: WaitEnd,
    ) -> Result<(), ChangeError> {
        if self.take_back(number) {
            return Err(taken_back(change, why));
        }
        // the outcome may have come meanwhile
        waiter.take().unwrap_or_else(|| Err(abandoned(change, why)))
    }
}

/// The error of a change that is not sent, as its caller waits no longer.
pub(super) fn taken_back(change: &Change, why: WaitEnd) -> ChangeError {
    let cause = match why {
        WaitEnd::TimedOut => ChangeCause::Expired,
        WaitEnd::Cancelled => ChangeCause::Abandoned,
    };
    ChangeError::not_sent(change, cause)
}

/// The error of a change that may still be sent.
fn abandoned(change: &Change, why: WaitEnd) -> ChangeError {
    let cause = match why {
        WaitEnd::TimedOut => ChangeCause::NotAnswered,
        WaitEnd::Cancelled => ChangeCause::Abandoned,
    };
    ChangeError::not_sent(change, cause).possibly_applied()
}
