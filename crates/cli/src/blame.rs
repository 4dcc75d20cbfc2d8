//! Whose fault a failed call is, which decides two things: the exit code, and whether an import goes on.
//!
//! - `Settings`: the service does not let this app, identifier or key call at all, or the endpoint is not the
//!   service. The next request would end in the same way.
//! - `Service`: the service or the network is at fault, and the same request may succeed later.
//! - `Users`: what was asked for some account. Other requests may well succeed.

use imtag_transport::{Cause, Code, Effect, Error, RetryClass};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    Settings,
    Service,
    Users,
}

/// Refused for the form of this one request, before any account is looked at: says nothing of the app.
const OF_THE_REQUESTS_FORM: [Code; 2] = [Code(60003), Code(90018)];

impl Blame {
    pub(crate) fn of(error: &Error) -> Blame {
        match error.cause() {
            Cause::Invalid(_) | Cause::Partial(_) => Blame::Users,
            Cause::Service { refusal, .. } => Blame::of_code(refusal.code),
            _ if error.retryable() => Blame::Service,
            Cause::Cancelled { .. } => Blame::Service,
            // no UserSig, a certificate that does not fit, a redirect: the endpoint or the credentials are wrong
            _ => Blame::Settings,
        }
    }

    /// The catalogue's columns say it: what is decided before any account is looked at, and would be decided so
    /// again, concerns the app as a whole.
    fn of_code(code: Code) -> Blame {
        match (code.retry(), code.effect()) {
            (RetryClass::Backoff | RetryClass::AfterWindow | RetryClass::AtOnce, _) => {
                Blame::Service
            }
            (RetryClass::NewUserSig | RetryClass::OnceLater, _) => Blame::Settings,
            (RetryClass::Never, Effect::NotApplied) if !OF_THE_REQUESTS_FORM.contains(&code) => {
                Blame::Settings
            }
            (RetryClass::Never, _) => Blame::Users,
        }
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
                90009, 90045
            ]
        );
        assert_eq!(
            codes_of(Blame::Service),
            [
                60007, 60008, 60011, 60013, 60014, 60018, 60019, 70169, 70500, 91000
            ]
        );
        assert_eq!(
            codes_of(Blame::Users),
            [
                60003, 60015, 70107, 70402, 90001, 90018, 90020, 90032, 90033, 90035, 90040
            ]
        );
    }

    #[test]
    fn a_code_that_no_page_names_stops_no_import() {
        assert_eq!(Blame::of_code(Code(12_345)), Blame::Users);
    }
}
