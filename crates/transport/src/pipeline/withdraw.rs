//! A caller that waits no longer: its change is taken back where it is in no request yet, and else possibly applied.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use imtag_core::Change;
use imtag_core::plan::ChangeId;

use super::Guard;
use super::batcher::{Batcher, GRACE};
use super::outcome::{Delivery, Waiter};
use crate::error::{ChangeCause, ChangeError};
use crate::wait::WaitEnd;

/// The changes of a batcher that are polled for and have no outcome.
#[derive(Debug, Default)]
pub(crate) struct Submitted {
    by_id: HashMap<u64, ChangeId>,
    /// Withdrawn under way as their callers' time was up: each waits for its request until then, the next one first.
    late: VecDeque<(Instant, ChangeId)>,
    /// A change was refused as the batcher was full, and a thread that polls is to hear once there is capacity.
    pub(crate) refused: bool,
}

impl Submitted {
    /// Of two with one id, the earlier one cannot be found any more.
    pub(super) fn insert(&mut self, id: u64, number: ChangeId) {
        self.by_id.insert(id, number);
    }

    pub(super) fn remove(&mut self, id: u64) {
        self.by_id.remove(&id);
    }

    fn number(&self, id: u64) -> Option<ChangeId> {
        self.by_id.get(&id).copied()
    }

    /// Gives a change up at that moment, which is no earlier than any before.
    fn abandon_at(&mut self, moment: Instant, number: ChangeId) {
        self.late.push_back((moment, number));
    }

    /// When the next change is abandoned.
    fn next_abandoned(&self) -> Option<Instant> {
        self.late.front().map(|(moment, _)| *moment)
    }

    /// A change that is to be abandoned by now.
    fn take_abandoned(&mut self, now: Instant) -> Option<ChangeId> {
        let (_, number) = *self.late.front().filter(|(moment, _)| *moment <= now)?;
        self.late.pop_front();
        Some(number)
    }
}

impl Batcher {
    /// Takes back a change of [`submit`](Batcher::submit), by its number, for a caller that waits no longer. Its outcome
    /// comes by [`poll`](Batcher::poll), once, and says why: one that is in no request yet is not sent, and is *not
    /// applied*; one that is may be sent, or sent again, all the same, and is *possibly applied*. Where the time is up, a
    /// request that ends at the same moment is waited for a little, as its outcome says more.
    ///
    /// Nothing happens where no change without an outcome has this number. Where several have it, it is the last of
    /// them, or none.
    pub fn withdraw(&self, id: u64, why: WaitEnd) {
        let Some(mut inner) = self.session.lock() else {
            return;
        };
        let producer = self.session.producer;
        let Some(number) = inner.session(producer).submitted.number(id) else {
            return;
        };
        let Some((change, _)) = inner.plan.get_mut(number) else {
            return; // its outcome is about to be handed out
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

    /// Gives up the changes whose callers' time was up, and whose requests have not ended since; says when the next one
    /// is.
    pub(super) fn abandon_late(&self, inner: &mut Guard<'_>) -> Option<Instant> {
        let producer = self.session.producer;
        let now = Instant::now();
        while let Some(number) = inner.session(producer).submitted.take_abandoned(now) {
            self.abandon_now(inner, number, WaitEnd::TimedOut);
        }
        inner.session(producer).submitted.next_abandoned()
    }

    /// Tells of a change under way that it is abandoned, unless its outcome is there; nobody is told of that later.
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
        // it may have come meanwhile
        waiter.take().unwrap_or_else(|| Err(abandoned(change, why)))
    }
}

/// What is said of a change that is not sent, as its caller waits no longer.
pub(super) fn taken_back(change: &Change, why: WaitEnd) -> ChangeError {
    let cause = match why {
        WaitEnd::TimedOut => ChangeCause::Expired,
        WaitEnd::Cancelled => ChangeCause::Abandoned,
    };
    ChangeError::not_sent(change, cause)
}

/// What is said of one that may be sent all the same.
fn abandoned(change: &Change, why: WaitEnd) -> ChangeError {
    let cause = match why {
        WaitEnd::TimedOut => ChangeCause::NotAnswered,
        WaitEnd::Cancelled => ChangeCause::Abandoned,
    };
    ChangeError::not_sent(change, cause).possibly_applied()
}
