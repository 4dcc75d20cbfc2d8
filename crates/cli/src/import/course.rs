//! Whether an import goes on. It ends early where every further request would end in the same way:
//!
//! - at the first answer that refuses the app, its credentials or the endpoint as such;
//! - when so many requests in a row met no service, each for as long as an outage is borne with (`send`).
//!
//! Once the service has answered, what only looks like a wrong endpoint (a status of a gateway, a certificate) is an
//! outage like any other.

use std::sync::{Mutex, MutexGuard, PoisonError};

use imtag_transport::{Cause, Error, Outcome};

use crate::blame::Blame;

/// Requests in a row that may fail for the service or the network. Each has been tried for as long as an outage is
/// borne with.
const IN_A_ROW: usize = 20;

/// Why an import ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// The app is not let in, with what the service said.
    Refused(String),
    /// The service or the network gave out, with the last failure.
    GaveOut(String),
}

/// What has come of the requests so far, for all workers.
#[derive(Debug, Default)]
pub(crate) struct Course(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failed_in_a_row: usize,
    any_answered: bool,
    last_failure: String,
    end: Option<End>,
}

impl Course {
    /// Whether another request is to be sent.
    pub(crate) fn goes_on(&self) -> bool {
        self.state().end.is_none()
    }

    pub(crate) fn note(&self, result: &Result<Outcome, Error>) {
        match result {
            Ok(_) => self.note_blame(None, String::new),
            Err(error) => {
                let said_by_the_service = matches!(error.cause(), Cause::Service { .. });
                let blame = match Blame::of(error) {
                    Blame::Settings if !said_by_the_service && self.any_answered() => {
                        Blame::Service
                    }
                    blame => blame,
                };
                self.note_blame(Some(blame), || error.to_string());
            }
        }
    }

    /// Whether the service has answered any request of this import.
    pub(crate) fn any_answered(&self) -> bool {
        self.state().any_answered
    }

    fn note_blame(&self, blame: Option<Blame>, sentence: impl FnOnce() -> String) {
        let mut state = self.state();
        match blame {
            None | Some(Blame::Users) => {
                state.failed_in_a_row = 0;
                state.any_answered = true;
            }
            Some(Blame::Settings) => {
                state.end.get_or_insert(End::Refused(sentence()));
            }
            Some(Blame::Service) => {
                state.failed_in_a_row += 1;
                state.last_failure = sentence();
                if state.failed_in_a_row >= IN_A_ROW {
                    let last = state.last_failure.clone();
                    state.end.get_or_insert(End::GaveOut(last));
                }
            }
        }
    }

    /// Why it ended, once all is over. Where no request was answered at all, few as they may have been, the service
    /// gave out as well.
    pub(crate) fn end(self) -> Option<End> {
        let state = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let none_answered = !state.any_answered && state.failed_in_a_row > 0;
        state
            .end
            .or_else(|| none_answered.then_some(End::GaveOut(state.last_failure)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(blames: &[Option<Blame>]) -> Course {
        let course = Course::default();
        for blame in blames {
            course.note_blame(*blame, || format!("{blame:?}"));
        }
        course
    }

    #[test]
    fn one_refusal_of_the_app_ends_it() {
        let course = course(&[None, Some(Blame::Settings)]);
        assert!(!course.goes_on());
        assert_eq!(
            course.end(),
            Some(End::Refused("Some(Settings)".to_owned()))
        );
    }

    #[test]
    fn twenty_failures_of_the_service_in_a_row_end_it_and_nineteen_do_not() {
        let mut blames = vec![None];
        blames.extend([Some(Blame::Service); 19]);
        assert!(course(&blames).goes_on());
        assert_eq!(course(&blames).end(), None);
        blames.push(Some(Blame::Service));
        assert!(!course(&blames).goes_on());
        blames[10] = None;
        assert!(course(&blames).goes_on());
    }

    #[test]
    fn a_failure_that_is_a_users_counts_as_an_answer() {
        let mut blames = [Some(Blame::Service); 30];
        blames[15] = Some(Blame::Users);
        assert!(course(&blames).goes_on());
    }

    #[test]
    fn a_service_that_never_answered_gave_out() {
        let course = course(&[Some(Blame::Service), Some(Blame::Service)]);
        assert!(course.goes_on());
        assert_eq!(course.end(), Some(End::GaveOut("Some(Service)".to_owned())));
        assert_eq!(Course::default().end(), None);
    }
}
