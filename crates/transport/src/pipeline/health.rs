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

use std::sync::Arc;

use imtag_core::Scope;
use imtag_core::retry::Stopped;

use crate::call::Outcome;
use crate::error::{Cause, Error, RunError};

/// So many failures of the service or the network in a row end a run.
const IN_A_ROW: usize = 20;

/// The results of a run's requests so far.
#[derive(Debug, Default)]
pub(crate) struct RunHealth {
    failed_in_a_row: usize,
    answers: u64,
    /// Requests whose outage lasted too long, before any request was answered.
    waited_out: usize,
    begun: usize,
    /// The first request had to be tried again.
    pub(crate) is_late: bool,
    /// A result is known, other than that the first request waited out an outage.
    pub(crate) is_heard: bool,
    last_failure: Option<Arc<Error>>,
}

impl RunHealth {
    /// How many requests of this run the service has answered.
    pub(crate) fn answers(&self) -> u64 {
        self.answers
    }

    /// True if another request may be begun.
    pub(crate) fn may_begin(&self) -> bool {
        self.is_heard || self.begun < 1 + usize::from(self.is_late)
    }

    /// Records that a request is begun.
    pub(crate) fn begins(&mut self) {
        self.begun += 1;
    }

    /// Records that a request has its result; call it after `record`.
    pub(crate) fn has_result(&mut self) {
        let undecided = self.answers == 0 && self.waited_out == 1;
        self.is_late |= undecided;
        self.is_heard |= !undecided;
    }

    /// Records the result of a request. `answers_before`: the answers when it began. Returns why the run ends, if it does.
    pub(crate) fn record(
        &mut self,
        result: Result<&Outcome, &Arc<Error>>,
        answers_before: u64,
    ) -> Option<RunError> {
        let Err(error) = result else {
            self.answered();
            return None;
        };
        match self.scope(error) {
            Scope::Request | Scope::Account | Scope::Tag => self.answered(),
            Scope::App => return Some(RunError::Refused(Arc::clone(error))),
            // a cancel says nothing about the service
            Scope::Service if matches!(error.cause(), Cause::Cancelled { .. }) => {}
            Scope::Service => {
                // if others are answered, something on the way rejects this request alone
                self.failed_in_a_row += usize::from(self.answers == answers_before);
                self.last_failure = Some(Arc::clone(error));
                let too_long = error.stopped() == Some(Stopped::OutageTooLong);
                self.waited_out += usize::from(self.answers == 0 && too_long);
                let away = self.answers == 0 && self.waited_out >= 2;
                if away || self.failed_in_a_row >= IN_A_ROW {
                    return Some(RunError::Unavailable(Arc::clone(error)));
                }
            }
        }
        None
    }

    /// What is at fault in a failure. Once the service has answered, the app or endpoint is only if the service says so.
    pub(crate) fn scope(&self, error: &Error) -> Scope {
        let said_by_the_service = matches!(error.cause(), Cause::Service { .. });
        match error.scope() {
            Scope::App if !said_by_the_service && self.answers > 0 => Scope::Service,
            scope => scope,
        }
    }

    /// Why the run ended, once all is over. If no request was answered, however few there were, the service became
    /// unavailable too.
    pub(crate) fn end(&self) -> Option<RunError> {
        let last = self.last_failure.as_ref()?;
        (self.answers == 0).then(|| RunError::Unavailable(Arc::clone(last)))
    }

    fn answered(&mut self) {
        self.failed_in_a_row = 0;
        self.answers += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imtag_core::{Code, Operation, Refusal};

    fn failure(cause: Cause) -> Arc<Error> {
        Arc::new(Error::of_one_attempt(Operation::Add, cause))
    }

    fn refused(code: i32) -> Arc<Error> {
        failure(Cause::Service {
            refusal: Refusal {
                code: Code(code),
                text: String::new(),
            },
            request_id: None,
        })
    }

    fn gateway(status: u16) -> Arc<Error> {
        failure(Cause::HttpStatus {
            status,
            start: String::new(),
        })
    }

    /// None was answered while the request was under way.
    fn note(health: &mut RunHealth, result: Result<&Outcome, &Arc<Error>>) -> Option<RunError> {
        let answers = health.answers();
        health.record(result, answers)
    }

    #[test]
    fn one_refusal_of_the_app_ends_a_run() {
        let mut health = RunHealth::default();
        assert!(note(&mut health, Ok(&Outcome::default())).is_none());
        let end = note(&mut health, Err(&refused(70009)));
        assert!(matches!(end, Some(RunError::Refused(_))));
    }

    #[test]
    fn a_missing_usersig_ends_a_run_until_the_service_has_answered() {
        let sealed = failure(Cause::Credentials("sealed".into()));
        let mut health = RunHealth::default();
        let end = note(&mut health, Err(&sealed));
        assert!(matches!(end, Some(RunError::Refused(_))));
        let mut health = RunHealth::default();
        assert!(note(&mut health, Ok(&Outcome::default())).is_none());
        assert!(note(&mut health, Err(&sealed)).is_none());
    }

    #[test]
    fn twenty_failures_of_the_service_in_a_row_end_a_run_and_nineteen_do_not() {
        let mut health = RunHealth::default();
        for answer in [Ok(Outcome::default()), Err(refused(70107))] {
            assert!(note(&mut health, answer.as_ref()).is_none());
            for _ in 0..19 {
                assert!(note(&mut health, Err(&gateway(502))).is_none());
            }
        }
        let end = note(&mut health, Err(&gateway(502)));
        assert!(matches!(end, Some(RunError::Unavailable(_))));
    }

    #[test]
    fn failures_of_requests_during_which_others_were_answered_do_not_end_a_run() {
        let mut health = RunHealth::default();
        for _ in 0..30 {
            assert!(health.record(Ok(&Outcome::default()), 0).is_none());
        }
        for _ in 0..30 {
            assert!(health.record(Err(&gateway(502)), 0).is_none());
        }
    }

    #[test]
    fn what_looks_like_a_wrong_endpoint_is_an_outage_once_the_service_was_there() {
        let mut health = RunHealth::default();
        let end = note(&mut health, Err(&gateway(404)));
        assert!(matches!(end, Some(RunError::Refused(_))));
        let mut health = RunHealth::default();
        assert!(note(&mut health, Ok(&Outcome::default())).is_none());
        assert!(note(&mut health, Err(&gateway(404))).is_none());
    }

    #[test]
    fn a_service_that_never_answered_is_unavailable() {
        let mut health = RunHealth::default();
        assert!(note(&mut health, Err(&gateway(502))).is_none());
        let mut waited_out = gateway(502);
        Arc::get_mut(&mut waited_out).unwrap().stopped = Some(Stopped::OutageTooLong);
        assert!(note(&mut health, Err(&waited_out)).is_none());
        let end = note(&mut health, Err(&waited_out));
        assert!(matches!(end, Some(RunError::Unavailable(_))));
        let mut health = RunHealth::default();
        assert!(note(&mut health, Err(&refused(91000))).is_none());
        assert!(matches!(health.end(), Some(RunError::Unavailable(_))));
        assert!(RunHealth::default().end().is_none());
    }
}
