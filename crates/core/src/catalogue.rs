//! The error catalogue: for each code of the service its meaning, its remedy, whether to retry, the effect of a call that
//! got it, and what is at fault. One table; `docs/errors.md` is made from it.
//!
//! The effect: no page says whether a request that was answered FAIL changed some accounts all the same. A code is
//! *not applied* only if the service decides it on the request as a whole, before it looks at an account:
//!
//! | what is refused | not applied | possibly applied |
//! |---|---|---|
//! | URL, signature, app, plan, frequency | all codes but the two at the right | 72000, 72002: users are counted as they are met |
//! | the form of the request | 60003, it is no JSON; 90018, too many accounts; 93000, too long: known from the whole body | 60015, 70402, 90001: one account, tag or parameter in it, which may be met when those before it are done |
//! | an account, a tag | | all codes |
//! | nothing: the service failed | | all codes |
//!
//! To retry the same call is safe, as tags are a set: what must not happen is that it arrives after a later change of the
//! account, which the plan sees to.

use std::fmt;

use crate::operation::Operation;

/// What is known of an operation's effect on an account, in the order of how much may have happened. Of several attempts it
/// is the most that any may have done, their `max`.
///
/// Example: an add times out after it was sent, and its second attempt is answered by 70001, which is *not applied*. The add
/// is *possibly applied*, as the first attempt may have been carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Of a get, which has no effect on any account: its tags were not read.
    NotRead,
    /// The service did not carry it out.
    NotApplied,
    /// It may have been carried out, or may be yet: a timeout, a cut connection, a FAIL after sending.
    PossiblyApplied,
    /// It was carried out.
    Applied,
}

impl Effect {
    /// The effect of a failed `operation`: [`NotRead`](Effect::NotRead) for a get, which changes nothing.
    #[must_use]
    pub fn for_operation(self, operation: Operation) -> Effect {
        if operation == Operation::Get {
            Effect::NotRead
        } else {
            self
        }
    }

    /// The effect in words: `not applied`, `possibly applied`, `applied`, `not read`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Effect::NotApplied => "not applied",
            Effect::PossiblyApplied => "possibly applied",
            Effect::Applied => "applied",
            Effect::NotRead => "not read",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether a call that failed may be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RetryClass {
    /// It would fail again, as with 90020: a tag is too long.
    Never,
    /// It may succeed a little later, as with 91000: an error inside the service.
    Backoff,
    /// It came too fast, as with 60007: it may succeed once the window of the quota has passed.
    AfterWindow,
    /// One more attempt is worth it, as with 60004: the account or signature check failed.
    OnceLater,
    /// One more attempt is worth it with a new UserSig, as with 70001: the UserSig has expired.
    NewUserSig,
}

impl RetryClass {
    /// The class in words, as the documentation has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            RetryClass::Never => "no",
            RetryClass::Backoff => "yes",
            RetryClass::AfterWindow => "yes, after the window",
            RetryClass::OnceLater => "once, later",
            RetryClass::NewUserSig => "once, with a new UserSig",
        }
    }
}

/// What is at fault where a call is refused with a code, and so what would be refused again.
///
/// A bulk run ends at a code of the app, waits at one of the service, and splits a request that got any other until the
/// account or tag at fault is alone in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The app, its credentials, its plan or the endpoint: every call of this client.
    App,
    /// The service, now: the same call may succeed later.
    Service,
    /// This operation on some account of the request, or the request's form.
    Request,
    /// An account that is not there, or may not be made: every operation on it.
    Account,
    /// A tag: the same account may get other tags.
    Tag,
}

impl Scope {
    /// True if every other call of this client would fail now, too: the app or the service is at fault.
    #[must_use]
    pub fn is_of_all_calls(self) -> bool {
        matches!(self, Scope::App | Scope::Service)
    }
}

/// What is wrong with a UserSig, or with the URL that carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UserSigFault {
    /// It has expired.
    Expired,
    /// It was made with another key.
    WrongKey,
    /// It is cut, or was made for another app or identifier.
    WrongParts,
    /// The service does not say what.
    Unclear,
}

/// An error code of the service.
///
/// ```
/// use imtag_core::{Code, Effect, RetryClass};
///
/// let too_frequent = Code(60007);
/// assert_eq!(too_frequent.retry(), RetryClass::AfterWindow);
/// assert_eq!(too_frequent.effect(), Effect::NotApplied);
/// assert!(too_frequent.entry().is_some());
/// // a code that no page names is permanent, and says nothing of its effect
/// assert_eq!(Code(1).retry(), RetryClass::Never);
/// assert_eq!(Code(1).effect(), Effect::PossiblyApplied);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub i32);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A row of the catalogue.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// The code.
    pub code: Code,
    /// What it means.
    pub meaning: &'static str,
    /// What the caller can do.
    pub remedy: &'static str,
    /// Whether the call may be made again.
    pub retry: RetryClass,
    /// What is known of the effect.
    pub effect: Effect,
    /// What is at fault.
    pub scope: Scope,
    /// What is wrong with the UserSig, where the code says so.
    pub usersig_fault: Option<UserSigFault>,
}

impl Entry {
    const fn usersig(self, fault: UserSigFault) -> Entry {
        Entry {
            usersig_fault: Some(fault),
            ..self
        }
    }
}

impl Code {
    /// The code's row, or `None` for a code that no page names.
    #[must_use]
    pub fn entry(self) -> Option<&'static Entry> {
        CATALOGUE
            .binary_search_by_key(&self, |entry| entry.code)
            .ok()
            .map(|index| &CATALOGUE[index])
    }

    /// Whether a call that got this code may be made again. A code that no page names is permanent.
    #[must_use]
    pub fn retry(self) -> RetryClass {
        self.entry().map_or(RetryClass::Never, |entry| entry.retry)
    }

    /// What is known of the effect of a call that got this code.
    #[must_use]
    pub fn effect(self) -> Effect {
        self.entry()
            .map_or(Effect::PossiblyApplied, |entry| entry.effect)
    }

    /// What is at fault. For a code that no page names it is the request: it ends no run, and what caused it is found.
    #[must_use]
    pub fn scope(self) -> Scope {
        self.entry().map_or(Scope::Request, |entry| entry.scope)
    }

    /// What is wrong with the UserSig, where a code says so.
    #[must_use]
    pub fn usersig_fault(self) -> Option<UserSigFault> {
        self.entry().and_then(|entry| entry.usersig_fault)
    }

    /// What the caller can do.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        self.entry().map_or(
            "the code is in no list of the service: look at its text, or ask the service's support",
            |entry| entry.remedy,
        )
    }
}

const fn entry(
    code: i32,
    retry: RetryClass,
    effect: Effect,
    scope: Scope,
    meaning: &'static str,
    remedy: &'static str,
) -> Entry {
    Entry {
        code: Code(code),
        meaning,
        remedy,
        retry,
        effect,
        scope,
        usersig_fault: None,
    }
}

use Effect::{NotApplied, PossiblyApplied};
use RetryClass::{AfterWindow, Backoff, Never, NewUserSig, OnceLater};
use Scope::{Account, App, Request, Service, Tag};
use UserSigFault::{Expired, Unclear, WrongKey, WrongParts};

/// All codes that the service's pages name, in ascending order.
#[rustfmt::skip]
pub const CATALOGUE: &[Entry] = &[
    entry(60002, Never, NotApplied, App, "the URL is not understood", "check the endpoint: its host and path"),
    entry(60003, Never, NotApplied, Request, "the JSON is not understood", "report it as a bug of the client, with the request"),
    entry(60004, OnceLater, NotApplied, App, "the account or signature check failed", "check identifier and UserSig; try again later").usersig(Unclear),
    entry(60005, OnceLater, NotApplied, App, "the account or signature check failed", "check identifier and UserSig; try again later").usersig(Unclear),
    entry(60006, Never, NotApplied, App, "the SDKAppID is invalid", "use the SDKAppID that the console shows"),
    entry(60007, AfterWindow, NotApplied, Service, "the frequency of this API is exceeded", "slow down, or set calls per second to this process's share of the app's quota; the limit of tag calls cannot be raised"),
    entry(60008, Backoff, PossiblyApplied, Service, "the service timed out, or the HTTP format is wrong", "try again"),
    entry(60009, Never, NotApplied, App, "there is no such resource", "check the endpoint and the generation of paths"),
    entry(60010, Never, NotApplied, App, "the call needs an app administrator", "use an administrator as identifier"),
    entry(60011, AfterWindow, NotApplied, Service, "the frequency of the SDKAppID is exceeded", "slow down"),
    entry(60012, Never, NotApplied, App, "the SDKAppID is missing", "set the SDKAppID"),
    entry(60013, Backoff, PossiblyApplied, Service, "the service could not parse its own answer", "try again"),
    entry(60014, Backoff, PossiblyApplied, Service, "the check of the accounts timed out", "try again"),
    entry(60015, Never, PossiblyApplied, Request, "an account is not a string", "report it as a bug of the client, with the request"),
    entry(60016, Never, NotApplied, App, "the SDKAppID is disabled", "ask the service's support"),
    entry(60017, Never, NotApplied, App, "the request is disabled", "ask the service's support"),
    entry(60018, AfterWindow, NotApplied, Service, "the calls are too frequent", "slow down"),
    entry(60019, AfterWindow, NotApplied, Service, "the calls are too frequent", "slow down"),
    entry(60020, Never, NotApplied, App, "the app has no valid plan, or its account is in arrears", "renew the plan in the console"),
    entry(60021, Never, NotApplied, App, "the caller's IP address is not allowed", "ask the service's support"),
    entry(60025, Never, NotApplied, App, "sdkappid, identifier, usersig or contenttype is wrong in the URL", "check SDKAppID, identifier and UserSig").usersig(Unclear),
    entry(60026, Never, NotApplied, App, "the host does not belong to the app's data centre", "set the region that the console shows for the app"),
    entry(60027, Never, NotApplied, App, "the app was made as a Push app, and the path is of another product", "set the generation to timpush, whose paths very likely are the Push product's; or use an app of the chat product"),
    entry(60028, Never, NotApplied, App, "the trial app is past its request volume of 24 hours", "wait a day, or buy a plan"),
    entry(70001, NewUserSig, NotApplied, App, "the UserSig has expired", "make a new UserSig, valid for 24 hours or more").usersig(Expired),
    entry(70003, Never, NotApplied, App, "the UserSig is illegal", "make the UserSig anew; it may have been cut").usersig(WrongParts),
    entry(70009, Never, NotApplied, App, "the UserSig does not verify", "use the secret key of this very app").usersig(WrongKey),
    entry(70013, Never, NotApplied, App, "the identifier differs from the UserSig's", "make the UserSig for this identifier").usersig(WrongParts),
    entry(70014, Never, NotApplied, App, "the SDKAppID differs from the UserSig's", "make the UserSig for this app").usersig(WrongParts),
    entry(70016, Never, NotApplied, App, "the app's key is unknown", "set the region that the console shows for the app"),
    entry(70020, Never, NotApplied, App, "the SDKAppID is unknown", "check the SDKAppID, and the region that the console shows for it"),
    entry(70050, Never, NotApplied, App, "the UserSig fails, and too often", "check the UserSig, and call again after a minute").usersig(Unclear),
    entry(70051, Never, NotApplied, App, "the account is on the blocklist", "ask the service's support"),
    entry(70107, Never, PossiblyApplied, Account, "an account was never imported", "import the account first, or let its user log in once"),
    entry(70169, Backoff, PossiblyApplied, Service, "a timeout inside the service", "try again"),
    entry(70398, Never, PossiblyApplied, Account, "there are more accounts than the app may have", "delete accounts that are not needed, or raise the app's limit in the console"),
    entry(70402, Never, PossiblyApplied, Request, "a parameter is illegal", "look at the text for which"),
    entry(70500, Backoff, PossiblyApplied, Service, "an error inside the service", "try again"),
    entry(72000, Never, PossiblyApplied, App, "the daily active users are above the app's free quota", "upgrade the plan in the console"),
    entry(72002, Never, PossiblyApplied, App, "the monthly active users are above the app's free quota", "upgrade the plan in the console"),
    entry(80005, Never, NotApplied, App, "the service is deactivated: the plan has expired, or the account is in arrears", "renew the plan in the console"),
    entry(90001, Never, PossiblyApplied, Request, "the body is not valid for this call", "look at the text for which part; if none is yours, report it as a bug of the client"),
    entry(90003, Never, PossiblyApplied, Account, "To_Account is missing, or names an unknown account", "import the account first"),
    entry(90009, Never, NotApplied, App, "the call needs the rights of an app administrator", "use an administrator as identifier"),
    entry(90012, Never, PossiblyApplied, Account, "an account is not registered", "import the account first"),
    entry(90018, Never, NotApplied, Request, "more accounts than allowed", "at most 100 accounts a request"),
    entry(90020, Never, PossiblyApplied, Tag, "a tag is longer than 50 bytes", "shorten the tag"),
    entry(90032, Never, PossiblyApplied, Tag, "more than 10 tags for a user", "split them into several requests"),
    entry(90033, Never, PossiblyApplied, Tag, "an attribute is invalid", "look at the text for which"),
    entry(90034, Never, PossiblyApplied, Tag, "a tag is longer than 50 bytes", "shorten the tag"),
    entry(90035, Never, PossiblyApplied, Tag, "the tag is already used for the other kind of account (UserID or RegistrationID)", "use another tag"),
    entry(90040, Never, PossiblyApplied, Tag, "a tag is empty", "leave the empty tag out"),
    entry(90045, Never, NotApplied, App, "the push and tag feature is not enabled for the app", "enable the Push service in the console; the plans are Free Trial, Standard, Pro, Pro Plus and Enterprise (Premium is an old name)"),
    entry(90048, Never, PossiblyApplied, Account, "an account does not exist", "check that the account was not deleted, and import it"),
    entry(90994, Backoff, PossiblyApplied, Service, "an internal error of the service", "try again"),
    entry(90995, Backoff, PossiblyApplied, Service, "an internal error of the service", "try again"),
    entry(91000, Backoff, PossiblyApplied, Service, "an internal error of the service", "try again"),
    entry(93000, Never, NotApplied, Request, "the JSON of the body is too long", "send fewer users or tags a request"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_in_ascending_order_and_complete() {
        assert!(CATALOGUE.windows(2).all(|pair| pair[0].code < pair[1].code));
        assert_eq!(CATALOGUE.len(), 58);
        for entry in CATALOGUE {
            assert!(!entry.meaning.is_empty() && !entry.remedy.is_empty());
            assert_eq!(entry.code.entry(), Some(entry));
        }
    }

    #[test]
    fn what_may_be_repeated_is_what_the_documentation_says() {
        let codes = |class| -> Vec<i32> {
            let entries = CATALOGUE.iter().filter(|entry| entry.retry == class);
            entries.map(|entry| entry.code.0).collect()
        };
        assert_eq!(
            codes(Backoff),
            [60008, 60013, 60014, 70169, 70500, 90994, 90995, 91000]
        );
        assert_eq!(codes(AfterWindow), [60007, 60011, 60018, 60019]);
        assert_eq!(codes(OnceLater), [60004, 60005]);
        assert_eq!(codes(NewUserSig), [70001]);
    }

    #[test]
    fn every_code_is_the_fault_of_the_app_the_service_the_request_an_account_or_a_tag() {
        let codes = |scope| -> Vec<i32> {
            let entries = CATALOGUE.iter().filter(|entry| entry.scope == scope);
            entries.map(|entry| entry.code.0).collect()
        };
        assert_eq!(
            codes(App),
            [
                60002, 60004, 60005, 60006, 60009, 60010, 60012, 60016, 60017, 60020, 60021, 60025,
                60026, 60027, 60028, 70001, 70003, 70009, 70013, 70014, 70016, 70020, 70050, 70051,
                72000, 72002, 80005, 90009, 90045
            ]
        );
        assert_eq!(
            codes(Service),
            [
                60007, 60008, 60011, 60013, 60014, 60018, 60019, 70169, 70500, 90994, 90995, 91000
            ]
        );
        assert_eq!(codes(Request), [60003, 60015, 70402, 90001, 90018, 93000]);
        assert_eq!(codes(Account), [70107, 70398, 90003, 90012, 90048]);
        assert_eq!(codes(Tag), [90020, 90032, 90033, 90034, 90035, 90040]);
    }

    #[test]
    fn what_is_refused_before_an_account_is_looked_at_is_not_applied_and_all_else_possibly() {
        for entry in CATALOGUE {
            let refused_as_a_whole = match entry.scope {
                App => ![72000, 72002].contains(&entry.code.0),
                Service => entry.retry == AfterWindow,
                Request => [60003, 90018, 93000].contains(&entry.code.0),
                Account | Tag => false,
            };
            let effect = if refused_as_a_whole {
                NotApplied
            } else {
                PossiblyApplied
            };
            assert_eq!(entry.effect, effect, "{}", entry.code);
        }
    }

    #[test]
    fn what_is_at_fault_in_a_usersig_is_known_of_nine_codes() {
        let codes = |fault| -> Vec<i32> {
            let codes = CATALOGUE.iter().map(|entry| entry.code);
            let of_fault = codes.filter(|code| code.usersig_fault() == fault);
            of_fault.map(|code| code.0).collect()
        };
        assert_eq!(codes(Some(Expired)), [70001]);
        assert_eq!(codes(Some(WrongKey)), [70009]);
        assert_eq!(codes(Some(WrongParts)), [70003, 70013, 70014]);
        assert_eq!(codes(Some(Unclear)), [60004, 60005, 60025, 70050]);
        assert_eq!(codes(None).len(), 58 - 9);
    }

    #[test]
    fn an_unknown_code_is_permanent_and_possibly_applied_and_ends_no_run() {
        for code in [Code(12345), Code(-1), Code(i32::MAX)] {
            assert_eq!(code.entry(), None);
            assert_eq!(code.retry(), Never);
            assert_eq!(code.effect(), PossiblyApplied);
            assert_eq!(code.scope(), Request);
            assert_eq!(code.usersig_fault(), None);
            assert!(code.remedy().contains("in no list"));
        }
    }

    #[test]
    fn a_get_that_failed_is_not_read_and_any_other_operation_has_its_effect() {
        let effects = [NotApplied, PossiblyApplied, Effect::Applied];
        for effect in effects {
            assert_eq!(effect.for_operation(Operation::Get), Effect::NotRead);
            for operation in [Operation::Add, Operation::Remove, Operation::Clear] {
                assert_eq!(effect.for_operation(operation), effect);
            }
        }
    }

    #[test]
    fn effects_are_ordered_by_how_much_may_have_happened() {
        let effects = [
            Effect::NotRead,
            NotApplied,
            PossiblyApplied,
            Effect::Applied,
        ];
        assert!(effects.is_sorted());
        assert_eq!(Effect::NotRead.max(NotApplied), NotApplied);
    }
}
