//! The attempts of one call: whether a failed one is made again, and when.

use std::time::Duration;

use super::failure::{Failure, Stopped};
use super::policy::{RetryBudget, RetryPolicy};
use crate::catalogue::RetryClass;

/// What to do after an attempt that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Make another attempt at this time, no sooner.
    RetryAt(Duration),
    /// Make another attempt now, as if this one had not been made.
    RetryAtOnce,
    /// Wait for the service, by the rule of [`outage`](super::outage), and make another attempt.
    AwaitService {
        /// True if no one answered, so that other calls wait, too.
        unanswered: bool,
    },
    /// Report the failure.
    Stop(Stopped),
}

/// What else is known when an attempt has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The service has answered a call of this client.
    pub service_has_answered: bool,
    /// The caller has another UserSig, or can make one.
    pub has_other_usersig: bool,
    /// The caller searches the request for the user at fault, in smaller ones.
    pub is_searched: bool,
}

/// The attempts of one call.
#[derive(Debug, Clone, Default)]
pub struct Retry {
    policy: RetryPolicy,
    /// It belongs to a bulk run, which has many calls to lose: it waits out more failures.
    in_run: bool,
    /// An attempt got no answer in its time.
    was_silent: bool,
    /// Attempts that failed and are counted.
    failures: u32,
    /// Attempts that came too fast.
    too_fast: u32,
    /// The classes that are retried once, and have been.
    retried_once: Vec<RetryClass>,
    paid: u32,
}

impl Retry {
    /// A call that has not failed yet; `in_run`: it belongs to a bulk run.
    #[must_use]
    pub fn new(policy: RetryPolicy, in_run: bool) -> Retry {
        Retry {
            policy,
            in_run,
            ..Retry::default()
        }
    }

    /// How long the next attempt may take if its caller sets no time for it, where that is less than `left`, the time that
    /// the call has left.
    #[must_use]
    pub fn attempt_time(&self, left: Duration) -> Option<Duration> {
        (self.waits_out_outages() && !self.was_silent).then_some(left / 2)
    }

    /// False if the waits for a turn in the quota, which other processes of the app may use, and for a free connection,
    /// where this machine refuses more, are no part of the call's time.
    #[must_use]
    pub fn counts_waits(&self) -> bool {
        !self.in_run
    }

    /// Decides after an attempt that failed. `now` and `deadline` are times since one origin; `random` is drawn
    /// anew for each decision.
    pub fn failed(
        &mut self,
        failure: Failure,
        known: Known,
        budget: &RetryBudget,
        now: Duration,
        deadline: Duration,
        random: u64,
    ) -> Decision {
        self.was_silent |= matches!(failure, Failure::Silent | Failure::NotSent);
        let class = self.class(failure, known);
        let class = match class {
            Some(RetryClass::Never) => return Decision::Stop(Stopped::Permanent),
            _ if now >= deadline => return Decision::Stop(Stopped::DeadlineTooNear),
            Some(class) => class,
            None if failure == Failure::StaleConnection => return Decision::RetryAtOnce,
            None if !self.waits_out_outages() => return Decision::Stop(Stopped::AttemptsSpent),
            None => {
                let unanswered = failure != Failure::NoSocket;
                return Decision::AwaitService { unanswered };
            }
        };
        // a service that answers with errors is waited for like one that does not answer, but by this call alone
        let waits_out_errors =
            self.in_run && known.service_has_answered && self.waits_out_outages();
        let await_service = (waits_out_errors && class == RetryClass::Backoff)
            .then_some(Decision::AwaitService { unanswered: false });
        let at = match self.wait(class, random) {
            Ok(wait) => now.saturating_add(wait),
            Err(stopped) => return await_service.unwrap_or(Decision::Stop(stopped)),
        };
        let cost = match class {
            // paid for in quota, as the service is well; or not the service's fault
            RetryClass::AfterWindow | RetryClass::NewUserSig => 0,
            _ if failure == Failure::Unreadable => 0,
            _ => RetryBudget::RETRY,
        };
        if at >= deadline {
            Decision::Stop(Stopped::DeadlineTooNear)
        } else if budget.take(cost) {
            self.paid = cost;
            Decision::RetryAt(at)
        } else {
            await_service.unwrap_or(Decision::Stop(Stopped::BudgetSpent))
        }
    }

    /// With one attempt no outage is waited out.
    fn waits_out_outages(&self) -> bool {
        self.policy.max_attempts > 1
    }

    /// How a failed attempt is retried; `None` if nothing of the service was heard.
    fn class(&self, failure: Failure, known: Known) -> Option<RetryClass> {
        let answered = known.service_has_answered;
        Some(match failure {
            Failure::Unanswered
            | Failure::Silent
            | Failure::NoSocket
            | Failure::StaleConnection => return None,
            // before the service has answered it may be a wrong endpoint indeed
            Failure::WrongEndpoint | Failure::Page if answered && self.waits_out_outages() => {
                return None;
            }
            Failure::Refused(code) => match code.retry() {
                RetryClass::NewUserSig if !known.has_other_usersig => RetryClass::Never,
                class => class,
            },
            Failure::NoUserSig if self.in_run && answered => RetryClass::Backoff,
            Failure::NotUnderstood | Failure::Page | Failure::NotSent => RetryClass::Backoff,
            Failure::Unreadable if !known.is_searched => RetryClass::OnceLater,
            Failure::Unreadable
            | Failure::Partial { .. }
            | Failure::WrongEndpoint
            | Failure::NoUserSig
            | Failure::Cancelled
            | Failure::Invalid
            | Failure::LeftOut(_)
            | Failure::Closed => RetryClass::Never,
        })
    }

    /// Pays the budget for a call that succeeded: what its last retry cost, or a little for none.
    pub fn succeeded(&self, budget: &RetryBudget) {
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
        if is_once && self.retried_once.contains(&class) {
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

    /// What one attempt gets; `None` is success.
    type Gets = Option<Failure>;

    const fn code(code: i32) -> Gets {
        Some(Failure::Refused(Code(code)))
    }
    const NOTHING: Gets = Some(Failure::Unanswered);
    const STALE: Gets = Some(Failure::StaleConnection);
    const SUCCESS: Gets = None;
    const KNOWN: Known = Known {
        service_has_answered: true,
        has_other_usersig: true,
        is_searched: false,
    };

    /// Plays a call at virtual time 0 and returns its waits in milliseconds and its end.
    fn play(
        policy: RetryPolicy,
        in_run: bool,
        attempts: &[Gets],
        budget: &RetryBudget,
        deadline: Duration,
    ) -> (Vec<u128>, Option<Stopped>) {
        let mut retry = Retry::new(policy, in_run);
        let mut now = Duration::ZERO;
        let mut waits = Vec::new();
        for attempt in attempts {
            let Some(failure) = *attempt else {
                retry.succeeded(budget);
                return (waits, None);
            };
            match retry.failed(failure, KNOWN, budget, now, deadline, HALF) {
                Decision::RetryAt(at) => {
                    waits.push((at - now).as_millis());
                    now = at;
                }
                Decision::RetryAtOnce => waits.push(0),
                Decision::AwaitService { .. } => waits.push(SERVICE),
                Decision::Stop(stopped) => return (waits, Some(stopped)),
            }
        }
        panic!("the scenario ends before the call does");
    }

    #[test]
    fn each_failure_waits_and_pays_as_its_kind_says() {
        use Stopped::*;
        type Row<'a> = (&'a str, &'a [Gets], &'a [u128], Option<Stopped>, u32);
        #[rustfmt::skip]
        let table: &[Row] = &[
            // what happens                      attempts                                       waits (ms)         end
            // budget
            ("success pays in, to the brim",     &[SUCCESS],                                    &[],               None, 500),
            ("a success refunds the retry",      &[code(91000), SUCCESS],                       &[50],             None, 500),
            ("only the last retry is refunded",  &[code(91000), code(70500), SUCCESS],          &[50, 100],        None, 495),
            ("waits double, four attempts",      &[code(91000); 4],                             &[50, 100, 200],   Some(AttemptsSpent), 485),
            ("an outage costs time alone",       &[NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, SUCCESS],
                                                                         &[SERVICE; 5],                            None, 500),
            ("and leaves all attempts",          &[NOTHING, code(91000), NOTHING, code(91000), code(91000), NOTHING, code(91000)],
                                                                         &[SERVICE, 50, SERVICE, 100, 200, SERVICE], Some(AttemptsSpent), 485),
            ("a permanent code stops",           &[code(90001)],                                &[],               Some(Permanent), 500),
            ("an unknown code stops",            &[code(12345)],                                &[],               Some(Permanent), 500),
            ("too fast waits for the window",    &[code(60007), SUCCESS],                       &[1050],           None, 500),
            ("too fast costs no attempt",        &[code(60007), code(60011), code(60018), code(60019), code(60007), code(91000), SUCCESS],
                                                                         &[1050, 1100, 1200, 1400, 1800, 50],      None, 500),
            ("expired: a new UserSig, once",     &[code(70001), SUCCESS],                       &[0],              None, 500),
            ("expired again stops",              &[code(70001), code(70001)],                   &[0],              Some(Permanent), 500),
            ("check failed: once, later",        &[code(60004), SUCCESS],                       &[50],             None, 500),
            ("check failed again stops",         &[code(60005), code(60004)],                   &[50],             Some(Permanent), 495),
            ("unreadable: once, and free",       &[Some(Failure::Unreadable); 2],               &[50],             Some(Permanent), 500),
            ("a dead connection: at once",       &[STALE, SUCCESS],                        &[0],              None, 500),
            ("dead connections cost no attempt", &[STALE, code(91000), STALE, code(91000), STALE, code(91000), STALE, SUCCESS],
                                                                         &[0, 50, 0, 100, 0, 200, 0],              None, 490),
            ("nor do they add one",              &[STALE, code(91000), code(91000), code(91000), code(91000)],
                                                                         &[0, 50, 100, 200],                       Some(AttemptsSpent), 485),
        ];
        for (what, attempts, waits, end, left) in table {
            let budget = RetryBudget::full();
            let played = play(DEFAULT, false, attempts, &budget, LONG);
            assert_eq!(played, (waits.to_vec(), *end), "{what}");
            assert_eq!(budget.left(), *left, "{what}");
        }
    }

    /// What a failure leads to in a call and in a bulk run: before the service has answered, and after.
    fn decisions(policy: RetryPolicy, failure: Failure, has_other_usersig: bool) -> [Decision; 4] {
        let cases = [(false, false), (false, true), (true, false), (true, true)];
        cases.map(|(in_run, service_has_answered)| {
            let known = Known {
                service_has_answered,
                has_other_usersig,
                ..KNOWN
            };
            let (mut retry, budget) = (Retry::new(policy, in_run), RetryBudget::full());
            retry.failed(failure, known, &budget, Duration::ZERO, LONG, HALF)
        })
    }

    #[test]
    fn each_failure_is_tried_again_as_the_table_says() {
        use Failure::*;
        let backoff = Decision::RetryAt(Duration::from_millis(50));
        let window = Decision::RetryAt(Duration::from_millis(1_050));
        let at_once = Decision::RetryAt(Duration::ZERO);
        let service = Decision::AwaitService { unanswered: true };
        let alone = Decision::AwaitService { unanswered: false };
        let never = Decision::Stop(Stopped::Permanent);
        #[rustfmt::skip]
        let table = [
            // failure                     a call: before, after an answer; a run: before, after
            (Refused(Code(91000)),         [backoff, backoff, backoff, backoff]),
            (Refused(Code(60007)),         [window, window, window, window]),
            (Refused(Code(70001)),         [at_once, at_once, at_once, at_once]),
            (Refused(Code(60004)),         [backoff, backoff, backoff, backoff]),
            (Refused(Code(90001)),         [never, never, never, never]),
            (Partial { retryable: true },  [never, never, never, never]),
            (Unanswered,                   [service, service, service, service]),
            (Silent,                       [service, service, service, service]),
            (NoSocket,                     [alone, alone, alone, alone]),
            (WrongEndpoint,                [never, service, never, service]),
            (Page,                         [backoff, service, backoff, service]),
            (NotUnderstood,                [backoff, backoff, backoff, backoff]),
            (Unreadable,                   [backoff, backoff, backoff, backoff]),
            (NotSent,                      [backoff, backoff, backoff, backoff]),
            (StaleConnection,              [Decision::RetryAtOnce; 4]),
            (NoUserSig,                    [never, never, never, backoff]),
            (Cancelled,                    [never, never, never, never]),
            (Invalid,                      [never, never, never, never]),
        ];
        for (failure, expected) in table {
            assert_eq!(decisions(DEFAULT, failure, true), expected, "{failure:?}");
        }
        let expired = Refused(Code(70001));
        assert_eq!(decisions(DEFAULT, expired, false), [never; 4]);
        let searched = Known {
            is_searched: true,
            ..KNOWN
        };
        let budget = RetryBudget::full();
        let of_many =
            Retry::new(DEFAULT, false).failed(Unreadable, searched, &budget, LONG, LONG, HALF);
        assert_eq!(of_many, never);
        let once = RetryPolicy {
            max_attempts: 1,
            ..DEFAULT
        };
        assert_eq!(decisions(once, WrongEndpoint, true), [never; 4]);
        let spent = Decision::Stop(Stopped::AttemptsSpent);
        assert_eq!(decisions(once, Page, true), [spent; 4]);
        assert_eq!(decisions(once, Unanswered, true), [spent; 4]);
    }

    #[test]
    fn a_failure_that_would_come_again_is_permanent_also_at_the_deadline() {
        let after = |failure| {
            let mut retry = Retry::new(DEFAULT, false);
            let known = Known {
                service_has_answered: false,
                ..KNOWN
            };
            retry.failed(failure, known, &RetryBudget::full(), LONG, LONG, HALF)
        };
        let permanent = Decision::Stop(Stopped::Permanent);
        assert_eq!(after(Failure::WrongEndpoint), permanent);
        assert_eq!(after(Failure::Refused(Code(90001))), permanent);
        let too_near = Decision::Stop(Stopped::DeadlineTooNear);
        for failure in [Failure::Unanswered, Failure::StaleConnection, Failure::Page] {
            assert_eq!(after(failure), too_near);
        }
    }

    #[test]
    fn an_attempt_has_half_of_the_time_left_until_one_was_silent() {
        let once = RetryPolicy {
            max_attempts: 1,
            ..DEFAULT
        };
        assert_eq!(Retry::new(once, false).attempt_time(LONG), None);
        let after = |failure| {
            let mut retry = Retry::new(DEFAULT, false);
            retry.failed(
                failure,
                KNOWN,
                &RetryBudget::full(),
                Duration::ZERO,
                LONG,
                HALF,
            );
            retry.attempt_time(LONG)
        };
        for failure in [Failure::Unanswered, Failure::Refused(Code(91000))] {
            assert_eq!(after(failure), Some(LONG / 2));
        }
        assert_eq!([Failure::Silent, Failure::NotSent].map(after), [None; 2]);
    }

    #[test]
    fn only_a_bulk_run_waits_for_the_quota_and_a_connection_however_long() {
        assert!(Retry::new(DEFAULT, false).counts_waits());
        assert!(!Retry::new(DEFAULT, true).counts_waits());
    }

    #[test]
    fn a_retry_that_cannot_start_before_the_deadline_is_not_waited_for_nor_paid() {
        let budget = RetryBudget::full();
        let (errors, deadline) = ([code(91000); 2], Duration::from_millis(150));
        let played = play(DEFAULT, false, &errors, &budget, deadline);
        assert_eq!(played, (vec![50], Some(Stopped::DeadlineTooNear)));
        assert_eq!(budget.left(), 495);
    }

    #[test]
    fn where_the_service_answers_with_errors_the_budget_runs_dry_and_successes_fill_it_again() {
        let budget = RetryBudget::full();
        let call = |attempts: &[Gets]| {
            let played = play(DEFAULT, false, attempts, &budget, LONG);
            (played, budget.left())
        };
        let errors = [code(91000); 4];
        let retries: usize = (0..1_000).map(|_| call(&errors).0.0.len()).sum();
        assert_eq!(retries, 100);
        let spent = Some(Stopped::BudgetSpent);
        assert_eq!(call(&errors), ((vec![], spent), 0));
        (1..=7).for_each(|left| assert_eq!(call(&[SUCCESS]), ((vec![], None), left)));
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
            (&[NOTHING][..], vec![]),
            (&[code(91000)], vec![]),
            (&[STALE, NOTHING], vec![0]),
        ] {
            let played = play(policy, false, attempts, &RetryBudget::full(), LONG);
            assert_eq!(played, (waits, spent));
        }
    }

    #[test]
    fn a_call_of_a_run_waits_for_a_service_that_answers_with_errors_once_no_retry_is_left() {
        let error = code(91000);
        let errors = [error, error, error, error, error, SUCCESS];
        let permanent = Some(Stopped::Permanent);
        for (attempts, left, waits, end) in [
            (&errors[..], 500, vec![50, 100, 200, SERVICE, SERVICE], None),
            (&[error, SUCCESS], 4, vec![SERVICE], None),
            (&[code(90001)], 500, vec![], permanent),
        ] {
            let played = play(DEFAULT, true, attempts, &RetryBudget::with(left), LONG);
            assert_eq!(played, (waits, end));
        }
    }
}
