//! The retry rule: whether a failed attempt is made again, and when. It reads no clock and draws no random number: `now`
//! and `random` are passed in.
//!
//! ```text
//!            ┌─ at once, after a backoff, or after the quota's window ─┐
//!            ▼                                                         │ attempts, budget and time left
//! call ──► attempt ─┬─ failed: its class decides ──────────────────────┼─► stop, and why
//!            ▲      │                                                  │
//!            │      └─ answered                                        │ no answer
//!            └─ waits for the service, see `outage` ───────────────────┘
//! ```
//!
//! What an attempt gets decides, with backoffs of up to 100, 200, 400 … ms:
//!
//! | failure | the next attempt | counts | budget |
//! |---|---|---|---|
//! | an error inside the service ([`Backoff`](RetryClass::Backoff)) | after a backoff | yes | a retry |
//! | too frequent ([`AfterWindow`](RetryClass::AfterWindow)) | after 1 s and a backoff: the quota rule slows the call down, and the deadline ends it | no | – |
//! | the UserSig expired, 70001 ([`NewUserSig`](RetryClass::NewUserSig)) | at once, with a new one, and only once; none where the caller has no other | yes | – |
//! | account check failed ([`OnceLater`](RetryClass::OnceLater)) | after a backoff, and only once | yes | a retry |
//! | any other code ([`Never`](RetryClass::Never)) | none | | |
//! | no answer, or a gateway's | when the service is back, see [`outage`]; none where the policy is one attempt | no | – |
//! | a pooled connection that proved dead | at once, over a new one: it says nothing of the service | no | – |
//!
//! - A backoff has full jitter: it is anything from nothing to `first · 2ⁿ`, at most `longest`.
//! - A client has one [`RetryBudget`] for the retries of all its calls. Where the service answers with errors it runs dry,
//!   and the load on it goes back to one attempt a call; each success fills it again.
//! - A retry that could not start before the deadline is not waited for: the call fails at once.
//! - An account that a good answer left out is sent again by the same policy and budget, up to `max_attempts` times for
//!   any code that may be repeated ([`RetryPolicy::retry_left_out`]): the service answered, so "once" is of whole calls.

mod health;
pub mod outage;

use std::time::Duration;

use crate::catalogue::RetryClass;

pub use health::{RequestResult, RunEnd, RunHealth};

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
        budget: &mut RetryBudget,
        now: Duration,
        random: u64,
    ) -> Option<Duration> {
        let again = class != RetryClass::Never
            && tries < self.max_attempts
            && budget.take(RetryBudget::RETRY);
        again.then(|| now.saturating_add(self.backoff(tries, random)))
    }
}

/// The budget that all retries of a client share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryBudget {
    left: u32,
}

impl RetryBudget {
    /// A full budget holds this much: a hundred retries.
    const CAPACITY: u32 = 500;
    /// What a retry costs.
    const RETRY: u32 = 5;
    /// What a call that succeeds at its first attempt pays in.
    const SUCCESS: u32 = 1;

    /// A full budget.
    #[must_use]
    pub fn full() -> RetryBudget {
        RetryBudget {
            left: Self::CAPACITY,
        }
    }

    fn take(&mut self, cost: u32) -> bool {
        let left = self.left.checked_sub(cost);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }

    fn pay_in(&mut self, amount: u32) {
        self.left = (self.left + amount).min(Self::CAPACITY);
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
    /// Wait for the service, by the rule of [`outage`], and make another attempt.
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
        let at = match self.wait(class, random) {
            Ok(wait) => now.saturating_add(wait),
            Err(Stopped::AttemptsSpent) if self.waits_out(class) => return Decision::AwaitService,
            Err(stopped) => return Decision::Stop(stopped),
        };
        let cost = match class {
            // paid for in quota, as the service is well; or not the service's fault
            RetryClass::AfterWindow | RetryClass::NewUserSig => 0,
            _ => RetryBudget::RETRY,
        };
        if at >= deadline {
            Decision::Stop(Stopped::DeadlineTooNear)
        } else if budget.take(cost) {
            self.paid = cost;
            Decision::RetryAt(at)
        } else if self.waits_out(class) {
            Decision::AwaitService
        } else {
            Decision::Stop(Stopped::BudgetSpent)
        }
    }

    fn waits_out(&self, class: RetryClass) -> bool {
        self.waits_out_errors && class == RetryClass::Backoff
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
            return Ok(RetryPolicy::WINDOW + self.policy.backoff(self.too_fast, random));
        }
        let is_once = matches!(class, RetryClass::NewUserSig | RetryClass::OnceLater);
        if class == RetryClass::Never || (is_once && self.retried_once.contains(&class)) {
            return Err(Stopped::Permanent);
        }
        if is_once {
            self.retried_once.push(class);
        }
        self.failures += 1;
        if self.failures >= self.policy.max_attempts {
            Err(Stopped::AttemptsSpent)
        } else if class == RetryClass::NewUserSig {
            Ok(Duration::ZERO)
        } else {
            Ok(self.policy.backoff(self.failures, random))
        }
    }
}

#[cfg(test)]
mod tests {
    //! Scenarios as tables: what the attempts of a call get, the exact waits, and what is left of the budget.

    use super::*;
    use crate::catalogue::Code;

    const HALF: u64 = 1 << 63;
    /// A wait for the service, in place of a time.
    const SERVICE: u128 = u128::MAX;
    const LONG: Duration = Duration::from_secs(3600);
    const DEFAULT: RetryPolicy = RetryPolicy {
        max_attempts: 4,
        first_backoff: Duration::from_millis(100),
        longest_backoff: Duration::from_secs(5),
    };

    /// What one attempt gets.
    #[derive(Clone, Copy)]
    enum Gets {
        Success,
        Code(i32),
        Nothing,
        StaleConnection,
    }
    use Gets::{Nothing, StaleConnection, Success};

    /// Plays a call at virtual time 0 and returns its waits in milliseconds and its end.
    fn play(
        policy: RetryPolicy,
        in_run: bool,
        attempts: &[Gets],
        budget: &mut RetryBudget,
        deadline: Duration,
    ) -> (Vec<u128>, Option<Stopped>) {
        let mut retry = Retry::new(policy);
        retry.wait_out_errors(in_run);
        let mut now = Duration::ZERO;
        let mut waits = Vec::new();
        for attempt in attempts {
            let failed = match *attempt {
                Success => {
                    retry.succeeded(budget);
                    return (waits, None);
                }
                Gets::Code(code) => FailedAttempt::Class(Code(code).retry()),
                Nothing => FailedAttempt::Unanswered,
                StaleConnection => FailedAttempt::StaleConnection,
            };
            match retry.failed(failed, budget, now, deadline, HALF) {
                Decision::RetryAt(at) => {
                    waits.push((at - now).as_millis());
                    now = at;
                }
                Decision::AwaitService => waits.push(SERVICE),
                Decision::Stop(stopped) => return (waits, Some(stopped)),
            }
        }
        panic!("the scenario ends before the call does");
    }

    #[test]
    fn each_failure_waits_and_pays_as_its_kind_says() {
        use Gets::Code;
        use Stopped::*;
        type Row<'a> = (&'a str, &'a [Gets], &'a [u128], Option<Stopped>, u32);
        #[rustfmt::skip]
        let table: &[Row] = &[
            // what happens                      attempts                                       waits (ms)         end
            // budget
            ("success pays in, to the brim",     &[Success],                                    &[],               None, 500),
            ("a success refunds the retry",      &[Code(91000), Success],                       &[50],             None, 500),
            ("only the last retry is refunded",  &[Code(91000), Code(70500), Success],          &[50, 100],        None, 495),
            ("waits double, four attempts",      &[Code(91000); 4],                             &[50, 100, 200],   Some(AttemptsSpent), 485),
            ("an outage costs time alone",       &[Nothing, Nothing, Nothing, Nothing, Nothing, Success],
                                                                         &[SERVICE; 5],                            None, 500),
            ("and leaves all attempts",          &[Nothing, Code(91000), Nothing, Code(91000), Code(91000), Nothing, Code(91000)],
                                                                         &[SERVICE, 50, SERVICE, 100, 200, SERVICE], Some(AttemptsSpent), 485),
            ("a permanent code stops",           &[Code(90001)],                                &[],               Some(Permanent), 500),
            ("an unknown code stops",            &[Code(12345)],                                &[],               Some(Permanent), 500),
            ("too fast waits for the window",    &[Code(60007), Success],                       &[1050],           None, 500),
            ("too fast costs no attempt",        &[Code(60007), Code(60011), Code(60018), Code(60019), Code(60007), Code(91000), Success],
                                                                         &[1050, 1100, 1200, 1400, 1800, 50],      None, 500),
            ("expired: a new UserSig, once",     &[Code(70001), Success],                       &[0],              None, 500),
            ("expired again stops",              &[Code(70001), Code(70001)],                   &[0],              Some(Permanent), 500),
            ("check failed: once, later",        &[Code(60004), Success],                       &[50],             None, 500),
            ("check failed again stops",         &[Code(60005), Code(60004)],                   &[50],             Some(Permanent), 495),
            ("a dead connection: at once",       &[StaleConnection, Success],                        &[0],              None, 500),
            ("dead connections cost no attempt", &[StaleConnection, Code(91000), StaleConnection, Code(91000), StaleConnection, Code(91000), StaleConnection, Success],
                                                                         &[0, 50, 0, 100, 0, 200, 0],              None, 490),
            ("nor do they add one",              &[StaleConnection, Code(91000), Code(91000), Code(91000), Code(91000)],
                                                                         &[0, 50, 100, 200],                       Some(AttemptsSpent), 485),
        ];
        for (what, attempts, waits, end, left) in table {
            let mut budget = RetryBudget::full();
            let played = play(DEFAULT, false, attempts, &mut budget, LONG);
            assert_eq!(played, (waits.to_vec(), *end), "{what}");
            assert_eq!(budget.left, *left, "{what}");
        }
    }

    #[test]
    fn the_jitter_is_full_from_nothing_to_the_whole_backoff() {
        assert_eq!(RetryPolicy::default(), DEFAULT);
        for (failures, random, micros) in [
            (1, 0, 0),
            (1, HALF, 50_000),
            (1, u64::MAX, 99_999),
            (6, HALF, 1_600_000),
            (7, HALF, 2_500_000),
            (u32::MAX, HALF, 2_500_000),
        ] {
            assert_eq!(DEFAULT.backoff(failures, random).as_micros(), micros);
        }
    }

    #[test]
    fn an_account_left_out_is_sent_again_as_often_as_a_call_is_tried_while_the_budget_lasts() {
        let policy = RetryPolicy::default();
        let mut budget = RetryBudget { left: 14 };
        let mut again = |code: i32, tries| {
            let class = Code(code).retry();
            let at = policy.retry_left_out(class, tries, &mut budget, LONG, HALF);
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

    #[test]
    fn a_retry_that_cannot_start_before_the_deadline_is_not_waited_for_nor_paid() {
        let mut budget = RetryBudget::full();
        let (errors, deadline) = ([Gets::Code(91000); 2], Duration::from_millis(150));
        let played = play(DEFAULT, false, &errors, &mut budget, deadline);
        assert_eq!(played, (vec![50], Some(Stopped::DeadlineTooNear)));
        assert_eq!(budget.left, 495);
    }

    #[test]
    fn where_the_service_answers_with_errors_the_budget_runs_dry_and_successes_fill_it_again() {
        let mut budget = RetryBudget::full();
        let mut call = |attempts: &[Gets]| {
            let played = play(DEFAULT, false, attempts, &mut budget, LONG);
            (played, budget.left)
        };
        let errors = [Gets::Code(91000); 4];
        let retries: usize = (0..1_000).map(|_| call(&errors).0.0.len()).sum();
        assert_eq!(retries, 100);
        let spent = Some(Stopped::BudgetSpent);
        assert_eq!(call(&errors), ((vec![], spent), 0));
        (1..=7).for_each(|left| assert_eq!(call(&[Success]), ((vec![], None), left)));
        assert_eq!(call(&errors), ((vec![50], spent), 2));
    }

    #[test]
    fn a_call_of_one_attempt_makes_one_whatever_happens_and_one_more_after_a_dead_connection() {
        let policy = RetryPolicy {
            max_attempts: 1,
            ..DEFAULT
        };
        let spent = Some(Stopped::AttemptsSpent);
        for (attempts, waits) in [
            (&[Nothing][..], vec![]),
            (&[Gets::Code(91000)], vec![]),
            (&[StaleConnection, Nothing], vec![0]),
        ] {
            let played = play(policy, false, attempts, &mut RetryBudget::full(), LONG);
            assert_eq!(played, (waits, spent));
        }
    }

    #[test]
    fn a_call_of_a_run_waits_for_a_service_that_answers_with_errors_once_no_retry_is_left() {
        let error = Gets::Code(91000);
        let errors = [error, error, error, error, error, Success];
        let permanent = Some(Stopped::Permanent);
        for (attempts, left, waits, end) in [
            (&errors[..], 500, vec![50, 100, 200, SERVICE, SERVICE], None),
            (&[error, Success], 4, vec![SERVICE], None),
            (&[Gets::Code(90001)], 500, vec![], permanent),
        ] {
            let played = play(DEFAULT, true, attempts, &mut RetryBudget { left }, LONG);
            assert_eq!(played, (waits, end));
        }
    }
}
