//! The retry rule: whether a failed attempt is made again, and when. It reads no clock and draws no random number: `now`
//! and `random` are passed in.
//!
//! - Only what the catalogue, or the kind of a transport failure, allows is repeated ([`RetryClass`]).
//! - The wait is exponential backoff with full jitter: anything from nothing to `first · 2ⁿ`, at most `longest`.
//!   A call that came too fast waits for the window first, and costs neither an attempt nor the budget: the quota
//!   rule slows it down, and the deadline ends it.
//! - While the service does not answer, the call waits for it. These attempts are not counted and cost no budget: see
//!   [`outage`](crate::outage). A call whose policy is one attempt makes one.
//! - A client has one [`RetryBudget`] for the retries of all its calls. Where the service answers with errors it runs dry,
//!   and the load on it goes back to one attempt a call; each success fills it again.
//! - An attempt over a connection of the pool that proved dead is no attempt: it says nothing of the service, and is
//!   made again at once, over a new connection. So each is followed by one that counts.
//! - A retry that could not start before the deadline is not waited for: the call fails at once.

use std::time::Duration;

use crate::RetryClass;

/// How often and how long one call is retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts of a call at most, the first with it. Not counted are those that came too fast, those over a connection
    /// that proved dead, and those that nobody answered: an outage is waited out for up to half of the time that the call
    /// has left. With 1 it is not waited out, and nothing is tried again.
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
}

/// The budget that all retries of a client share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryBudget {
    left: u32,
    capacity: u32,
}

impl RetryBudget {
    /// A full budget holds this much: a hundred retries.
    pub const CAPACITY: u32 = 500;
    /// What a retry costs.
    const RETRY: u32 = 5;
    /// What a call that succeeds at its first attempt pays in.
    const SUCCESS: u32 = 1;

    /// A full budget.
    #[must_use]
    pub fn full() -> RetryBudget {
        RetryBudget {
            left: Self::CAPACITY,
            capacity: Self::CAPACITY,
        }
    }

    /// What is left of it.
    #[must_use]
    pub fn left(&self) -> u32 {
        self.left
    }

    /// Pays for a retry that no [`Retry`] decides on; false where too little is left.
    #[must_use]
    pub fn pay_for_retry(&mut self) -> bool {
        self.take(Self::RETRY)
    }

    fn take(&mut self, cost: u32) -> bool {
        match self.left.checked_sub(cost) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }

    fn pay_in(&mut self, amount: u32) {
        self.left = (self.left + amount).min(self.capacity);
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        RetryBudget::full()
    }
}

/// An attempt that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailedAttempt {
    /// With a failure of this class.
    Class(RetryClass),
    /// The service did not answer, or a gateway answered in its place.
    Unanswered,
    /// Over a connection of the pool that proved dead.
    StaleConnection,
}

/// What to do after an attempt that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Make another attempt at this time, no sooner.
    RetryAt(Duration),
    /// Wait for the service, by the rule of [`outage`](crate::outage), and make another attempt.
    AwaitService,
    /// Report the failure.
    Stop(Stopped),
}

/// Why there is no further attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// It would fail again.
    #[error("it would fail again")]
    Permanent,
    /// All attempts have been made.
    #[error("no attempt is left")]
    AttemptsSpent,
    /// Too much fails: the client's budget for retries has run dry.
    #[error("the client's retry budget is spent")]
    BudgetSpent,
    /// It could not start before the deadline.
    #[error("the deadline is too near for another attempt")]
    DeadlineTooNear,
    /// The service did not answer, or answered with errors only, for half of the time that the call had left.
    #[error("the service has been away, or has failed, for half of the call's time")]
    OutageTooLong,
}

/// The retries of one call.
///
/// ```
/// use std::time::Duration;
/// use imtag_core::{Code, retry::{Decision, FailedAttempt, Retry, RetryBudget, RetryPolicy, Stopped}};
///
/// let (now, deadline) = (Duration::ZERO, Duration::from_secs(10));
/// let (mut retry, mut budget) = (Retry::new(RetryPolicy::default()), RetryBudget::full());
/// let mut after = |code: i32| {
///     let attempt = FailedAttempt::Class(Code(code).retry());
///     retry.failed(attempt, &mut budget, now, deadline, u64::MAX)
/// };
/// // an error inside the service: again, after at most 100 ms; a tag that is too long: never
/// assert!(matches!(after(91000), Decision::RetryAt(at) if at <= Duration::from_millis(100)));
/// assert_eq!(after(90020), Decision::Stop(Stopped::Permanent));
/// ```
#[derive(Debug, Clone)]
pub struct Retry {
    policy: RetryPolicy,
    /// True if the call waits for a service that answers with errors as it does for one that does not answer.
    waits_out_errors: bool,
    /// Attempts that failed and are counted.
    failures: u32,
    /// Attempts that came too fast.
    too_fast: u32,
    /// The classes that are retried once, and have been.
    retried_once: Vec<RetryClass>,
    paid: u32,
}

impl Retry {
    /// A call that has not failed yet.
    #[must_use]
    pub fn new(policy: RetryPolicy) -> Retry {
        Retry {
            policy,
            waits_out_errors: false,
            failures: 0,
            too_fast: 0,
            retried_once: Vec::new(),
            paid: 0,
        }
    }

    /// Sets what the call does when the service answers with errors and no retry is left: with `true` it waits for the
    /// service as if it did not answer, with `false` it fails. A bulk run sets it, as it has many calls to lose.
    pub fn wait_out_errors(&mut self, wait: bool) {
        self.waits_out_errors = wait;
    }

    /// Decides after an attempt that failed. `now` and `deadline` are times since one origin; `random` is drawn
    /// anew for each decision.
    pub fn failed(
        &mut self,
        attempt: FailedAttempt,
        budget: &mut RetryBudget,
        now: Duration,
        deadline: Duration,
        random: u64,
    ) -> Decision {
        let class = match attempt {
            _ if now >= deadline => return Decision::Stop(Stopped::DeadlineTooNear),
            FailedAttempt::StaleConnection => return Decision::RetryAt(now),
            FailedAttempt::Unanswered if self.policy.max_attempts > 1 => {
                return Decision::AwaitService;
            }
            FailedAttempt::Unanswered => return Decision::Stop(Stopped::AttemptsSpent),
            FailedAttempt::Class(class) => class,
        };
        match self.retry_at(class, budget, now, deadline, random) {
            Ok(at) => Decision::RetryAt(at),
            Err(Stopped::AttemptsSpent | Stopped::BudgetSpent)
                if self.waits_out_errors && class == RetryClass::Backoff =>
            {
                Decision::AwaitService
            }
            Err(stopped) => Decision::Stop(stopped),
        }
    }

    fn retry_at(
        &mut self,
        class: RetryClass,
        budget: &mut RetryBudget,
        now: Duration,
        deadline: Duration,
        random: u64,
    ) -> Result<Duration, Stopped> {
        let at = now.saturating_add(self.wait(class, random)?);
        if at >= deadline {
            return Err(Stopped::DeadlineTooNear);
        }
        let cost = cost(class);
        if !budget.take(cost) {
            return Err(Stopped::BudgetSpent);
        }
        self.paid = cost;
        Ok(at)
    }

    /// Pays the budget for a call that succeeded: what its last retry cost, or a little for none.
    pub fn succeeded(&self, budget: &mut RetryBudget) {
        let retried = self.failures + self.too_fast > 0;
        budget.pay_in(if retried {
            self.paid
        } else {
            RetryBudget::SUCCESS
        });
    }

    fn wait(&mut self, class: RetryClass, random: u64) -> Result<Duration, Stopped> {
        if class == RetryClass::AfterWindow {
            self.too_fast += 1;
            let jitter = self.policy.backoff(self.too_fast, random);
            return Ok(RetryPolicy::WINDOW + jitter);
        }
        self.failures += 1;
        let wait = match class {
            RetryClass::Never => return Err(Stopped::Permanent),
            RetryClass::NewUserSig if self.is_first_of(class) => Duration::ZERO,
            RetryClass::OnceLater if self.is_first_of(class) => {
                self.policy.backoff(self.failures, random)
            }
            RetryClass::NewUserSig | RetryClass::OnceLater => return Err(Stopped::Permanent),
            RetryClass::Backoff | RetryClass::AfterWindow => {
                self.policy.backoff(self.failures, random)
            }
        };
        if self.failures < self.policy.max_attempts {
            Ok(wait)
        } else {
            Err(Stopped::AttemptsSpent)
        }
    }

    fn is_first_of(&mut self, class: RetryClass) -> bool {
        let first = !self.retried_once.contains(&class);
        self.retried_once.push(class);
        first
    }
}

fn cost(class: RetryClass) -> u32 {
    match class {
        // paid for in quota: the service is well, and the rule slows down by itself
        RetryClass::AfterWindow => 0,
        // not the service's fault
        RetryClass::NewUserSig => 0,
        _ => RetryBudget::RETRY,
    }
}

#[cfg(test)]
#[path = "retry_tests.rs"]
mod tests;
