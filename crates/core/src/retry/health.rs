//! A bulk run's circuit breaker: it ends the run early if all further requests would fail in the same way.
//!
//! ```text
//!            first result                 20 failures in a row, none answered between
//! one under way ──┬──► many under way ──────────────────────────────────────────────► Unavailable
//!                 │         └─ the app, its credentials or the endpoint refused ────► Refused
//!                 └─ it is tried again ──► two under way ─┬─ a result ──► many under way
//!                                                         └─ an outage waited out for both ──► Unavailable
//! ```
//!
//! - One request goes first: wrong credentials then cost one refusal, not one a thread. If it must be tried again, a
//!   second one goes beside it: if something on the way rejects the first alone, the answer to the second shows it.
//! - A failure of the service or the network counts only if no other request was answered while it was under way. Each
//!   was tried for as long as an outage is waited out.
//! - Once the service has answered, what looks like a wrong endpoint (a gateway's status, a certificate) is an outage.

use std::time::Duration;

use super::failure::{Failure, Stopped};
use crate::catalogue::Scope;

/// So many failures of the service or the network in a row end a run.
const IN_A_ROW: usize = 20;

/// Between a request of a run that pauses and the same again: twice as long each time, so that a run with one request does
/// not pause for a short fault.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Why a run ends early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// The app, its credentials or the endpoint are at fault.
    Refused,
    /// The service or the network became unavailable.
    Unavailable,
}

/// The results of a run's requests so far.
#[derive(Debug, Clone, Default)]
pub struct RunHealth {
    failed_in_a_row: usize,
    answers: u64,
    /// Requests whose outage lasted too long, before any request was answered.
    waited_out: usize,
    result_is_known: bool,
}

impl RunHealth {
    /// How many requests of this run the service has answered.
    #[must_use]
    pub fn answers(&self) -> u64 {
        self.answers
    }

    /// True once a second request may go beside the first: the first waited out an outage. It may also go once the first
    /// is tried again.
    #[must_use]
    pub fn first_is_late(&self) -> bool {
        self.waited_out > 0
    }

    /// True once any number of requests may go: a result is known, other than that the first waited out an outage.
    #[must_use]
    pub fn result_is_known(&self) -> bool {
        self.result_is_known
    }

    /// After how long a request that failed goes again in a run that pauses, as all others would fail too; `None` if it
    /// does not. It goes as often as what would pause the run: if others are answered meanwhile, something on the way
    /// rejects this request alone.
    #[must_use]
    pub fn again_after(scope: Scope, postponed: usize) -> Option<Duration> {
        let doubled = 1 << postponed.min(10);
        let wait = FIRST_WAIT.saturating_mul(doubled).min(LONGEST_WAIT);
        (scope.is_of_all_calls() && postponed < IN_A_ROW).then_some(wait)
    }

    /// Records the result of a request: `None` if it was done, else how and why it failed in the end. `answers_before`: the
    /// [`answers`](RunHealth::answers) when it began. Returns why the run ends, if it does.
    pub fn record(
        &mut self,
        failed: Option<(Failure, Option<Stopped>)>,
        answers_before: u64,
    ) -> Option<RunEnd> {
        let (scope, stopped, said_by_service) = match failed {
            None => (Scope::Request, None, true),
            // a cancel says nothing about the service
            Some((Failure::Cancelled, _)) => {
                self.result_is_known = true;
                return None;
            }
            Some((failure, stopped)) => {
                (failure.scope(stopped), stopped, failure.meaning().is_answer)
            }
        };
        let waited_out = stopped == Some(Stopped::OutageTooLong) && self.answers == 0;
        self.waited_out += usize::from(waited_out);
        self.result_is_known |= !waited_out || self.waited_out > 1;
        match scope {
            Scope::Request | Scope::Account | Scope::Tag => {
                self.failed_in_a_row = 0;
                self.answers += 1;
                None
            }
            // once it has answered others, only the service itself can say that the app is at fault
            Scope::App if said_by_service || self.answers == 0 => Some(RunEnd::Refused),
            Scope::App | Scope::Service => {
                // if others are answered, something on the way rejects this request alone
                self.failed_in_a_row += usize::from(self.answers == answers_before);
                let is_away = waited_out && self.waited_out > 1;
                (is_away || self.failed_in_a_row >= IN_A_ROW).then_some(RunEnd::Unavailable)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Code;

    type Result = Option<(Failure, Option<Stopped>)>;

    const DONE: Result = None;
    const CANCELLED: Result = Some((Failure::Cancelled, None));
    const UNANSWERED: Result = Some((Failure::Unanswered, None));
    const WAITED_OUT: Result = Some((Failure::Unanswered, Some(Stopped::OutageTooLong)));

    const fn refused(code: i32) -> Result {
        Some((Failure::Refused(Code(code)), Some(Stopped::Permanent)))
    }

    /// None was answered while the request was under way.
    fn note(health: &mut RunHealth, result: Result) -> Option<RunEnd> {
        let answers = health.answers();
        health.record(result, answers)
    }

    #[test]
    fn what_all_others_would_fail_for_goes_again_until_it_would_pause_a_run() {
        let millis =
            |postponed| RunHealth::again_after(Scope::Service, postponed).map(|it| it.as_millis());
        let waits = [0, 1, 2, 3, 4, 19, 20].map(millis);
        let wanted = [
            Some(100),
            Some(200),
            Some(400),
            Some(800),
            Some(1_000),
            Some(1_000),
            None,
        ];
        assert_eq!(waits, wanted);
        assert!(RunHealth::again_after(Scope::App, 19).is_some());
        for scope in [Scope::Request, Scope::Account, Scope::Tag] {
            assert!(RunHealth::again_after(scope, 0).is_none());
        }
    }

    #[test]
    fn one_refusal_of_the_app_ends_a_run() {
        let mut health = RunHealth::default();
        assert_eq!(note(&mut health, DONE), None);
        assert_eq!(note(&mut health, refused(70009)), Some(RunEnd::Refused));
    }

    #[test]
    fn a_missing_usersig_or_a_wrong_endpoint_ends_a_run_until_the_service_has_answered() {
        for failure in [Failure::NoUserSig, Failure::WrongEndpoint] {
            let failed = Some((failure, Some(Stopped::Permanent)));
            let end = note(&mut RunHealth::default(), failed);
            assert_eq!(end, Some(RunEnd::Refused));
            let mut health = RunHealth::default();
            assert_eq!(note(&mut health, DONE), None);
            for _ in 0..19 {
                assert_eq!(note(&mut health, failed), None);
            }
            assert_eq!(note(&mut health, failed), Some(RunEnd::Unavailable));
        }
    }

    #[test]
    fn twenty_failures_of_the_service_in_a_row_end_a_run_and_nineteen_do_not() {
        let mut health = RunHealth::default();
        let unreadable = Some((Failure::Unreadable, Some(Stopped::Permanent)));
        let answers = [DONE, refused(70107), refused(90020), refused(1), unreadable];
        for answer in answers {
            assert_eq!(note(&mut health, answer), None);
            for _ in 0..19 {
                assert_eq!(note(&mut health, UNANSWERED), None);
            }
        }
        assert_eq!(note(&mut health, UNANSWERED), Some(RunEnd::Unavailable));
    }

    #[test]
    fn failures_of_requests_during_which_others_were_answered_do_not_end_a_run() {
        let mut health = RunHealth::default();
        for _ in 0..30 {
            assert_eq!(health.record(DONE, 0), None);
        }
        for _ in 0..30 {
            assert_eq!(health.record(UNANSWERED, 0), None);
        }
    }

    #[test]
    fn cancelled_requests_do_not_end_a_run() {
        let mut health = RunHealth::default();
        for _ in 0..30 {
            assert_eq!(note(&mut health, CANCELLED), None);
        }
        assert_eq!(health.answers(), 0);
    }

    #[test]
    fn two_requests_that_waited_out_an_outage_end_a_run_that_was_never_answered() {
        let mut health = RunHealth::default();
        assert_eq!(note(&mut health, UNANSWERED), None);
        assert_eq!(note(&mut health, WAITED_OUT), None);
        assert_eq!(note(&mut health, WAITED_OUT), Some(RunEnd::Unavailable));
        let mut health = RunHealth::default();
        assert_eq!(note(&mut health, DONE), None);
        for _ in 0..19 {
            assert_eq!(note(&mut health, WAITED_OUT), None);
        }
    }

    /// What may go: `late` a second one, `known` any number.
    fn allows(results: &[Result]) -> (bool, bool) {
        let mut health = RunHealth::default();
        for result in results {
            assert_eq!(note(&mut health, *result), None);
        }
        (health.first_is_late(), health.result_is_known())
    }

    #[test]
    fn any_number_of_requests_goes_after_any_result_other_than_the_first_that_waited_out() {
        assert_eq!(allows(&[]), (false, false));
        for result in [DONE, CANCELLED, UNANSWERED, refused(91000), refused(90020)] {
            assert_eq!(allows(&[result]), (false, true), "{result:?}");
            assert_eq!(allows(&[WAITED_OUT, result]), (true, true), "{result:?}");
        }
        assert_eq!(allows(&[WAITED_OUT]), (true, false));
    }
}
