//! What a failure of an attempt, a call or a change says: of its effect, of what is at fault, and whether the same call may
//! succeed later. The transport describes what happened by a [`Failure`]; what follows from it is decided here.

use crate::catalogue::{Code, Effect, RetryClass, Scope};

/// What happened to an attempt, a call or a change that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The service refused the whole request with a code.
    Refused(Code),
    /// The service did it for some of the accounts only.
    Partial {
        /// A code of an account that was left out may be retried.
        retryable: bool,
    },
    /// Nobody answered: the network failed, or a gateway answered in the service's place.
    Unanswered,
    /// No answer came in the attempt's time.
    Silent,
    /// This machine had no file, port, memory or thread for a connection.
    NoSocket,
    /// It was not sent, for what may pass on this machine: its time was up while it waited for a free connection, say; no
    /// thread could be started; its batcher was full, or its bulk run ended.
    NotSent,
    /// It met a connection of the pool that proved dead.
    StaleConnection,
    /// The service answered with JSON that is none of its answers.
    NotUnderstood,
    /// The same to a get: the data of one of its users is what cannot be read, or is too long beside that of others.
    Unreadable,
    /// It was answered with success, but by a page or in an encoding that the service never uses.
    Page,
    /// The endpoint looks like another service, by its status or certificate.
    WrongEndpoint,
    /// There is no UserSig: the callback that makes it failed.
    NoUserSig,
    /// It was cancelled.
    Cancelled,
    /// The request breaks limits.
    Invalid,

    // of changes only
    /// The service left the account out of a request that it did for others.
    LeftOut(Code),
    /// It was given to what is closed, or to another process.
    Closed,
}

/// What the failure of an attempt means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meaning {
    /// What is known of its effect, if any of it was sent.
    pub effect: Effect,
    /// If it was sent, it may still have its effect later: what was refused for now may still be running at the service.
    pub may_arrive_late: bool,
    /// It is an answer of the service.
    pub is_answer: bool,
    /// Whether the call may be made again, by the code that refused it.
    pub refused_as: Option<RetryClass>,
}

impl Failure {
    /// What it means of an attempt that failed like this.
    #[must_use]
    pub fn meaning(self) -> Meaning {
        let meaning = |effect, may_arrive_late, is_answer| Meaning {
            effect,
            may_arrive_late,
            is_answer,
            refused_as: None,
        };
        match self {
            Failure::Refused(code) => Meaning {
                effect: code.effect(),
                may_arrive_late: code.effect() == Effect::PossiblyApplied
                    && code.retry() != RetryClass::Never,
                is_answer: true,
                refused_as: Some(code.retry()),
            },
            Failure::Unanswered
            | Failure::Silent
            | Failure::NoSocket
            | Failure::StaleConnection
            | Failure::NotUnderstood
            | Failure::Page
            | Failure::WrongEndpoint
            | Failure::Cancelled => meaning(Effect::PossiblyApplied, true, false),
            Failure::Unreadable => meaning(Effect::PossiblyApplied, false, true),
            // the service says so of each account left out
            Failure::Partial { .. } => meaning(Effect::NotApplied, false, true),
            // the same, or it was never sent
            Failure::LeftOut(_)
            | Failure::NotSent
            | Failure::NoUserSig
            | Failure::Invalid
            | Failure::Closed => meaning(Effect::NotApplied, false, false),
        }
    }

    /// True if the service was asked, and nobody or something else answered in its place.
    #[must_use]
    pub fn is_unanswered(self) -> bool {
        matches!(
            self,
            Failure::Unanswered
                | Failure::Silent
                | Failure::NotUnderstood
                | Failure::Page
                | Failure::WrongEndpoint
        )
    }

    /// Whether the same call or change may succeed later as it is. Not after an expired UserSig: what could be had of a
    /// new one has been tried. `stopped`: why there was no further attempt, where one failed.
    #[must_use]
    pub fn retryable(self, stopped: Option<Stopped>) -> bool {
        match self {
            Failure::Invalid | Failure::Closed => false,
            Failure::Refused(code) => {
                !matches!(code.retry(), RetryClass::Never | RetryClass::NewUserSig)
            }
            Failure::LeftOut(code) => code.retry() != RetryClass::Never,
            Failure::Partial { retryable } => retryable,
            Failure::WrongEndpoint => waited_for_the_service(stopped),
            _ => true,
        }
    }

    /// What is at fault; the service where none is known.
    #[must_use]
    pub fn scope(self, stopped: Option<Stopped>) -> Scope {
        match self {
            Failure::Invalid => Scope::Request,
            Failure::Partial { .. } | Failure::Unreadable => Scope::Account,
            Failure::Refused(code) => code.scope(),
            // others in the request were done
            Failure::LeftOut(code) if code.scope().is_of_all_calls() => Scope::Account,
            Failure::LeftOut(code) => code.scope(),
            // it may come back, but all further calls end like this until the service has answered
            Failure::NoUserSig => Scope::App,
            Failure::WrongEndpoint if !waited_for_the_service(stopped) => Scope::App,
            _ => Scope::Service,
        }
    }

    /// True if the service had answered before, so that a gateway answered in its place.
    #[must_use]
    pub fn is_of_a_gateway(self, stopped: Option<Stopped>) -> bool {
        matches!(self, Failure::Page | Failure::WrongEndpoint) && waited_for_the_service(stopped)
    }
}

/// A wrong endpoint is waited for only once the service has answered there.
fn waited_for_the_service(stopped: Option<Stopped>) -> bool {
    matches!(
        stopped,
        Some(Stopped::OutageTooLong | Stopped::DeadlineTooNear)
    )
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

#[cfg(test)]
mod tests {
    use super::Effect::{NotApplied, PossiblyApplied};
    use super::Failure::*;
    use super::*;

    #[test]
    fn each_failure_says_its_effect_whether_it_may_arrive_late_what_is_at_fault_and_if_it_may_succeed_later()
     {
        let waited = Some(Stopped::OutageTooLong);
        type Row = (Failure, Option<Stopped>, Effect, bool, Scope, bool);
        #[rustfmt::skip]
        let table: &[Row] = &[
            // failure                     stopped  effect           late   at fault         retryable
            (Refused(Code(60007)),         None,    NotApplied,      false, Scope::Service,  true),
            (Refused(Code(91000)),         None,    PossiblyApplied, true,  Scope::Service,  true),
            (Refused(Code(60004)),         None,    NotApplied,      false, Scope::App,      true),
            (Refused(Code(70001)),         None,    NotApplied,      false, Scope::App,      false),
            (Refused(Code(90001)),         None,    PossiblyApplied, false, Scope::Request,  false),
            (Refused(Code(70107)),         None,    PossiblyApplied, false, Scope::Account,  false),
            (Refused(Code(90020)),         None,    PossiblyApplied, false, Scope::Tag,      false),
            (Refused(Code(1)),             None,    PossiblyApplied, false, Scope::Request,  false),
            (Partial { retryable: true },  None,    NotApplied,      false, Scope::Account,  true),
            (Partial { retryable: false }, None,    NotApplied,      false, Scope::Account,  false),
            (Unanswered,                   None,    PossiblyApplied, true,  Scope::Service,  true),
            (Silent,                       None,    PossiblyApplied, true,  Scope::Service,  true),
            (NoSocket,                     None,    PossiblyApplied, true,  Scope::Service,  true),
            (StaleConnection,              None,    PossiblyApplied, true,  Scope::Service,  true),
            (NotUnderstood,                None,    PossiblyApplied, true,  Scope::Service,  true),
            (Unreadable,                   None,    PossiblyApplied, false, Scope::Account,  true),
            (Page,                         None,    PossiblyApplied, true,  Scope::Service,  true),
            (WrongEndpoint,                None,    PossiblyApplied, true,  Scope::App,      false),
            (WrongEndpoint,                waited,  PossiblyApplied, true,  Scope::Service,  true),
            (NoUserSig,                    None,    NotApplied,      false, Scope::App,      true),
            (NoUserSig,                    waited,  NotApplied,      false, Scope::App,      true),
            (Cancelled,                    None,    PossiblyApplied, true,  Scope::Service,  true),
            (Invalid,                      None,    NotApplied,      false, Scope::Request,  false),
            (LeftOut(Code(91000)),         None,    NotApplied,      false, Scope::Account,  true),
            (LeftOut(Code(90009)),         None,    NotApplied,      false, Scope::Account,  false),
            (LeftOut(Code(90048)),         None,    NotApplied,      false, Scope::Account,  false),
            (LeftOut(Code(90020)),         None,    NotApplied,      false, Scope::Tag,      false),
            (NotSent,                      None,    NotApplied,      false, Scope::Service,  true),
            (Closed,                       None,    NotApplied,      false, Scope::Service,  false),
        ];
        for (failure, stopped, effect, late, scope, retryable) in table {
            let meaning = failure.meaning();
            assert_eq!(meaning.effect, *effect, "{failure:?}");
            assert_eq!(meaning.may_arrive_late, *late, "{failure:?}");
            assert_eq!(failure.scope(*stopped), *scope, "{failure:?}");
            assert_eq!(failure.retryable(*stopped), *retryable, "{failure:?}");
        }
    }

    #[test]
    fn only_the_service_itself_answers_and_its_code_says_if_the_call_may_be_made_again() {
        let says = |failure: Failure| (failure.meaning().is_answer, failure.meaning().refused_as);
        assert_eq!(
            says(Refused(Code(60007))),
            (true, Some(RetryClass::AfterWindow))
        );
        assert_eq!(
            says(Refused(Code(70001))),
            (true, Some(RetryClass::NewUserSig))
        );
        assert_eq!(says(Partial { retryable: true }), (true, None));
        assert_eq!(says(Unreadable), (true, None));
        let left_out = LeftOut(Code(91000));
        for other in [
            Unanswered,
            NotUnderstood,
            Page,
            WrongEndpoint,
            NoUserSig,
            left_out,
        ] {
            assert_eq!(says(other), (false, None), "{other:?}");
        }
    }

    #[test]
    fn a_gateway_answers_in_the_place_of_a_service_that_was_waited_for() {
        let is = |failure: Failure, stopped| failure.is_of_a_gateway(stopped);
        for failure in [Page, WrongEndpoint] {
            assert!(is(failure, Some(Stopped::OutageTooLong)));
            assert!(is(failure, Some(Stopped::DeadlineTooNear)));
            assert!(!is(failure, Some(Stopped::Permanent)) && !is(failure, None));
        }
        assert!(!is(NotUnderstood, Some(Stopped::OutageTooLong)));
    }
}
