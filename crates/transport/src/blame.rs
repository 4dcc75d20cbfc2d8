//! Whose fault a failed call is: the settings', the service's, or that of some user in it. It decides whether a run of
//! many calls goes on, and whether a request is split to find the one at fault.

use imtag_core::schedule::Concerns;
use imtag_core::{Code, Effect, RetryClass};

use crate::{Cause, Error};

/// Whose fault a failed call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The service does not let this app, identifier or key call at all, or the endpoint is not the service: the next
    /// call would end in the same way.
    Settings,
    /// The service or the network: the same call may succeed later.
    Service,
    /// What was asked for some account: other calls may well succeed.
    Users,
}

/// Refused for the form of this one request, before any account is looked at: says nothing of the app.
const OF_THE_REQUESTS_FORM: [Code; 3] = [Code(60003), Code(90018), Code(93000)];

/// The app has more active users than its plan allows. No page says when that is found, so the effect is open, but the
/// next call would be refused as well.
const OF_THE_PLAN: [Code; 2] = [Code(72000), Code(72002)];

/// The account is not there, or may not be made: no operation can succeed.
const OF_THE_ACCOUNT: [Code; 5] = [
    Code(70107),
    Code(70398),
    Code(90003),
    Code(90012),
    Code(90048),
];

/// What is wrong is one of the tags: other tags may well pass.
const OF_A_TAG: [Code; 6] = [
    Code(90020),
    Code(90032),
    Code(90033),
    Code(90034),
    Code(90035),
    Code(90040),
];

impl Blame {
    pub(crate) fn of(error: &Error) -> Blame {
        match error.cause() {
            Cause::Invalid(_) | Cause::Partial(_) => Blame::Users,
            Cause::Service { refusal, .. } => Blame::of_code(refusal.code),
            // also where it may come back: until the service has answered, all further calls would end so
            Cause::Credentials(_) => Blame::Settings,
            _ if error.retryable() => Blame::Service,
            // a certificate that does not fit, a redirect: the endpoint is wrong
            _ => Blame::Settings,
        }
    }

    /// The catalogue's columns say it: what is decided before any account is looked at, and would be decided so
    /// again, concerns the app as a whole.
    fn of_code(code: Code) -> Blame {
        match (code.retry(), code.effect()) {
            (RetryClass::Backoff | RetryClass::AfterWindow, _) => Blame::Service,
            (RetryClass::NewUserSig | RetryClass::OnceLater, _) => Blame::Settings,
            (RetryClass::Never, Effect::NotApplied) if !OF_THE_REQUESTS_FORM.contains(&code) => {
                Blame::Settings
            }
            (RetryClass::Never, _) if OF_THE_PLAN.contains(&code) => Blame::Settings,
            (RetryClass::Never, _) => Blame::Users,
        }
    }
}

/// What of an account that was refused with this code would be refused again.
pub(crate) fn concerns(code: Code) -> Concerns {
    if OF_THE_ACCOUNT.contains(&code) {
        Concerns::Account
    } else if OF_A_TAG.contains(&code) {
        Concerns::Tags
    } else {
        Concerns::Operation
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imtag_core::catalogue::CATALOGUE;

    fn codes_of(blame: Blame) -> Vec<i32> {
        let codes = CATALOGUE.iter().map(|entry| entry.code);
        codes
            .filter(|code| Blame::of_code(*code) == blame)
            .map(|code| code.0)
            .collect()
    }

    #[test]
    fn every_code_is_the_fault_of_the_settings_the_service_or_the_users() {
        assert_eq!(
            codes_of(Blame::Settings),
            [
                60002, 60004, 60005, 60006, 60009, 60010, 60012, 60016, 60017, 60020, 60021, 60025,
                60026, 60027, 60028, 70001, 70003, 70009, 70013, 70014, 70016, 70020, 70050, 70051,
                72000, 72002, 80005, 90009, 90045
            ]
        );
        assert_eq!(
            codes_of(Blame::Service),
            [
                60007, 60008, 60011, 60013, 60014, 60018, 60019, 70169, 70500, 90994, 90995, 91000
            ]
        );
        assert_eq!(
            codes_of(Blame::Users),
            [
                60003, 60015, 70107, 70398, 70402, 90001, 90003, 90012, 90018, 90020, 90032, 90033,
                90034, 90035, 90040, 90048, 93000
            ]
        );
    }

    #[test]
    fn a_code_says_what_would_be_refused_again() {
        let codes_that = |expected: Concerns| -> Vec<i32> {
            let codes = CATALOGUE.iter().map(|entry| entry.code);
            codes
                .filter(|code| Blame::of_code(*code) == Blame::Users)
                .filter(|code| concerns(*code) == expected)
                .map(|code| code.0)
                .collect()
        };
        assert_eq!(
            codes_that(Concerns::Account),
            [70107, 70398, 90003, 90012, 90048]
        );
        assert_eq!(
            codes_that(Concerns::Tags),
            [90020, 90032, 90033, 90034, 90035, 90040]
        );
        assert_eq!(
            codes_that(Concerns::Operation),
            [60003, 60015, 70402, 90001, 90018, 93000]
        );
    }

    #[test]
    fn a_code_that_no_page_names_stops_no_run() {
        assert_eq!(Blame::of_code(Code(12_345)), Blame::Users);
    }
}
