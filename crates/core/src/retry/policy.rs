//! How often and after what wait calls are retried, and accounts that an answer left out; and the budget for it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::catalogue::RetryClass;

/// How often and how long one call is retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts of a call at most, the first with it. Not counted are those that came too fast, those over a connection
    /// that proved dead, and those that nobody answered: an outage is waited out for up to half of the time that the call
    /// has left. With 1 an outage is not waited out, and only what came too fast or met a dead connection is tried again.
    pub max_attempts: u32,
    /// The longest that the wait before the second attempt can be.
    pub first_backoff: Duration,
    /// The longest that any wait can be.
    pub longest_backoff: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy {
            max_attempts: 4,
            first_backoff: Duration::from_millis(100),
            longest_backoff: Duration::from_secs(5),
        }
    }
}

impl RetryPolicy {
    /// The quota's window, which a call that came too fast waits for.
    pub const WINDOW: Duration = Duration::from_secs(1);

    /// The wait after `failures` failures: the fraction `random` / 2⁶⁴ of the longest wait.
    #[must_use]
    pub fn backoff(&self, failures: u32, random: u64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let longest = self
            .first_backoff
            .saturating_mul(1 << doublings)
            .min(self.longest_backoff);
        let longest = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
        let nanos = (u128::from(longest) * u128::from(random)) >> 64;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// When an account that a good answer left out is sent again, if at all. `tries`: how often it has been left out, now
    /// included. It pays for the retry.
    pub fn retry_left_out(
        &self,
        class: RetryClass,
        tries: u32,
        budget: &RetryBudget,
        now: Duration,
        random: u64,
    ) -> Option<Duration> {
        let again = class != RetryClass::Never
            && tries < self.max_attempts
            && budget.take(RetryBudget::RETRY);
        again.then(|| now.saturating_add(self.backoff(tries, random)))
    }
}

/// The budget that all retries of a client share. Its threads need no lock: it is one number, which they change in turn.
#[derive(Debug)]
pub struct RetryBudget {
    left: AtomicU32,
}

impl RetryBudget {
    /// A full budget holds this much: a hundred retries.
    const CAPACITY: u32 = 500;
    /// What a retry costs.
    pub(super) const RETRY: u32 = 5;
    /// What a call that succeeds at its first attempt pays in.
    pub(super) const SUCCESS: u32 = 1;

    /// A full budget.
    #[must_use]
    pub fn full() -> RetryBudget {
        RetryBudget::with(Self::CAPACITY)
    }

    pub(super) fn with(left: u32) -> RetryBudget {
        RetryBudget {
            left: AtomicU32::new(left),
        }
    }

    pub(super) fn take(&self, cost: u32) -> bool {
        self.change(|left| left.checked_sub(cost))
    }

    /// Writes nothing while the budget is full, as it is where calls succeed: threads then only read it.
    pub(super) fn pay_in(&self, amount: u32) {
        self.change(|left| (left < Self::CAPACITY).then(|| Self::CAPACITY.min(left + amount)));
    }

    /// Changes what is left, unless `how` says to leave it.
    fn change(&self, how: impl Fn(u32) -> Option<u32>) -> bool {
        // it guards nothing else, so no order is needed
        let changed = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, how);
        changed.is_ok()
    }
}

#[cfg(test)]
impl RetryBudget {
    pub(super) fn left(&self) -> u32 {
        self.left.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Code;

    #[test]
    fn threads_take_no_more_than_there_is_and_pay_in_no_more_than_it_holds() {
        let budget = RetryBudget::full();
        let taken = AtomicU32::new(0);
        let on_threads = |act: &(dyn Fn() + Sync)| {
            std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(act))));
        };
        on_threads(&|| {
            for _ in 0..100 {
                taken.fetch_add(u32::from(budget.take(3)), Ordering::Relaxed);
            }
        });
        assert_eq!((taken.into_inner(), budget.left()), (166, 2));
        on_threads(&|| (0..100).for_each(|_| budget.pay_in(1)));
        assert_eq!(budget.left(), 402);
        on_threads(&|| (0..100).for_each(|_| budget.pay_in(1)));
        assert_eq!(budget.left(), 500);
    }

    const HALF: u64 = 1 << 63;
    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn the_jitter_is_full_from_nothing_to_the_whole_backoff() {
        let policy = RetryPolicy::default();
        for (failures, random, micros) in [
            (1, 0, 0),
            (1, HALF, 50_000),
            (1, u64::MAX, 99_999),
            (6, HALF, 1_600_000),
            (7, HALF, 2_500_000),
            (u32::MAX, HALF, 2_500_000),
        ] {
            assert_eq!(policy.backoff(failures, random).as_micros(), micros);
        }
    }

    #[test]
    fn an_account_left_out_is_sent_again_as_often_as_a_call_is_tried_while_the_budget_lasts() {
        let policy = RetryPolicy::default();
        let budget = RetryBudget::with(14);
        let again = |code: i32, tries| {
            let class = Code(code).retry();
            let at = policy.retry_left_out(class, tries, &budget, LONG, HALF);
            at.map(|at| (at - LONG).as_millis())
        };
        assert_eq!(again(90048, 1), None);
        assert_eq!(again(91000, 4), None);
        assert_eq!(
            [1, 3].map(|tries| again(91000, tries)),
            [Some(50), Some(200)]
        );
        assert_eq!(again(91000, 1), None, "the budget is spent");
    }

    #[test]
    fn a_policy_of_any_numbers_is_taken() {
        let policy = RetryPolicy {
            max_attempts: u32::MAX,
            first_backoff: Duration::MAX,
            longest_backoff: Duration::MAX,
        };
        assert_eq!(policy.backoff(u32::MAX, HALF).as_secs(), 9_223_372_036);
        assert!(policy.backoff(1, u64::MAX) > Duration::from_secs(18_446_744_072));
    }
}
