//! A caller that waits no longer. Its change is taken back if it was not sent yet, as it is in no request, or in one that has
//! had no turn in the quota; else it is possibly applied.
//!
//! ```text
//!             ┌─ not sent ──────────────────────────► not sent: Expired or Behind, or Abandoned if cancelled
//! withdraw ───┤                 ┌─ cancelled ───────► possibly applied: Abandoned
//!             └─ sent ──────────┤            ┌─ the request ends within 100 ms ──► its outcome
//!                               └─ time up ──┴─ it does not ─────────────────────► possibly applied: NotAnswered
//! ```

use std::time::Duration;

use imtag_core::Effect;
use imtag_core::plan::{Behind, ChangeId, Item, ProducerId};

use super::engine::State;
use super::outcome::Delivery;
use crate::error::{Cause, ChangeError};
use crate::wait::WaitEnd;

/// How long a caller whose time is up waits for a request that ends at the same deadline, whose outcome says more.
pub(crate) const GRACE: Duration = Duration::from_millis(100);

impl State {
    /// Withdraws a submitted change or get, by its caller's number. Its outcome is polled.
    pub(crate) fn withdraw(&mut self, producer: ProducerId, id: u64, why: WaitEnd, now: Duration) {
        let Some(number) = self.read(producer).submissions.by_id.get(&id).copied() else {
            return;
        };
        let Some((item, _)) = self.plan.get_mut(number) else {
            return;
        };
        let item = item.clone();
        if let Some(expired) = self.take_back(producer, number, now) {
            let result = Err(taken_back_as(&item, why, expired));
            let submissions = &mut self.session(producer).submissions;
            submissions.complete(id, item, result);
            return;
        }
        match why {
            WaitEnd::Cancelled => self.abandon_now(producer, number, why),
            WaitEnd::TimedOut => {
                let submissions = &mut self.session(producer).submissions;
                submissions.late.push_back((now + GRACE, number));
            }
        }
    }

    /// Takes a change back that is in no request yet, or in one that has had no turn in the quota. It has no outcome then;
    /// returned is why it fails if its time was up.
    pub(crate) fn take_back(
        &mut self,
        producer: ProducerId,
        number: ChangeId,
        now: Duration,
    ) -> Option<Cause> {
        // its account may be forgotten with it
        let behind = self.plan.behind(number, now);
        if self.plan.recall(number) {
            self.session(producer).progress.failed += 1;
            return Some(Cause::Expired);
        }
        if !self.plan.withdraw(number, now) {
            return None;
        }
        self.session(producer).progress.failed += 1;
        Some(match behind {
            None => Cause::Expired,
            Some(Behind::Unsettled) => Cause::Behind { late_for: None },
            Some(Behind::LateAttempt(until)) => Cause::Behind {
                late_for: Some(until.saturating_sub(now)),
            },
        })
    }

    /// Abandons the changes whose callers' time was up, and whose requests have not ended since. Returns when the next one
    /// is due.
    pub(crate) fn abandon_late(&mut self, producer: ProducerId, now: Duration) -> Option<Duration> {
        // a look that finds none must not touch the session
        loop {
            let next = self.read(producer).submissions.late.front().map(|it| it.0);
            if next.is_none_or(|moment| moment > now) {
                return next;
            }
            if let Some((_, number)) = self.session(producer).submissions.late.pop_front() {
                self.abandon_now(producer, number, WaitEnd::TimedOut);
            }
        }
    }

    /// Completes a change in a request as abandoned, unless it has its outcome.
    fn abandon_now(&mut self, producer: ProducerId, number: ChangeId, why: WaitEnd) {
        let Some((item, Delivery::Poll(id))) = self.plan.get_mut(number) else {
            return;
        };
        let (item, id) = (item.clone(), *id);
        self.disown(number);
        let result = Err(abandoned(&item, why));
        let submissions = &mut self.session(producer).submissions;
        submissions.complete(id, item, result);
    }

    /// The outcome of a change is of no interest any more: it is discarded, and no flush or close waits for it.
    pub(crate) fn disown(&mut self, number: ChangeId) {
        if let Some((_, delivery)) = self.plan.get_mut(number) {
            *delivery = Delivery::Discard;
        }
        self.plan.disown(number);
    }
}

/// The error of a change or a get that is not sent, as its caller waits no longer.
pub(crate) fn taken_back(item: &Item, why: WaitEnd) -> ChangeError {
    taken_back_as(item, why, Cause::Expired)
}

/// The same, of one that fails so if its time was up.
pub(crate) fn taken_back_as(item: &Item, why: WaitEnd, expired: Cause) -> ChangeError {
    let cause = match why {
        WaitEnd::TimedOut => expired,
        WaitEnd::Cancelled => Cause::Abandoned,
    };
    ChangeError::of_item(item, cause, Effect::NotApplied)
}

/// The error of a change or a get that may still be sent.
pub(crate) fn abandoned(item: &Item, why: WaitEnd) -> ChangeError {
    let cause = match why {
        WaitEnd::TimedOut => Cause::NotAnswered,
        WaitEnd::Cancelled => Cause::Abandoned,
    };
    ChangeError::of_item(item, cause, Effect::PossiblyApplied)
}
