//! What a caller is told of a user that failed: a code of the service, a sentence, the effect, and what to do.

use imtag_core::{Code, Effect, Scope, retry};
use imtag_local_server::BodyError;
use imtag_transport::{Cause, ChangeError, Phase};
use imtag_wire::{Advice, Refusal};

use crate::access;

/// There was no room in the app's quota: call again.
pub(crate) const TOO_FREQUENT: i32 = 60007;
/// The service did not answer.
pub(crate) const NO_ANSWER: i32 = 60008;

/// Why a user failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The service refused it, or the daemon did by the service's rules.
    Refused,
    /// The quota had no room for it until its time was up.
    Busy,
    /// Earlier calls were not settled until its time was up: one of its account, or, at a reload, any.
    Behind,
    /// The service cannot be reached, or did not answer.
    Away,
    /// The daemon is about to end.
    Closing,
}

/// A user that failed.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    pub(crate) code: i32,
    /// Why, in words.
    pub(crate) reason: String,
    pub(crate) effect: Effect,
    /// True if the service may have been asked and did not answer; of a change, if it may be applied.
    pub(crate) is_unanswered: bool,
    pub(crate) remedy: &'static str,
    /// True if it may be done when it is asked for again, a little later.
    pub(crate) retryable: bool,
    /// True if every user of the call fails alike: it is not about one account or tag.
    pub(crate) is_of_all: bool,
}

impl Failure {
    /// A mistake that is found before anything is sent.
    pub(crate) fn mistake(refusal: Refusal, not_done: Effect) -> Failure {
        let code = Code(refusal.code);
        let remedy = match refusal.code {
            // the client that the catalogue would have reported is the caller's own program
            60003 | 60015 | 90001 => "change the body: GET /openapi.json has its form",
            70402 => "correct what the text names",
            _ => code.remedy(),
        };
        Failure {
            kind: Kind::Refused,
            code: refusal.code,
            reason: refusal.text,
            effect: not_done,
            is_unanswered: false,
            remedy,
            retryable: retry::Failure::Refused(code).retryable(None),
            is_of_all: false,
        }
    }

    /// A user without a mistake, in a call that is refused for one of another's.
    pub(crate) fn beside(mistake: &Failure) -> Failure {
        let why = &mistake.reason;
        Failure {
            reason: format!("not sent, as another user of the call is at fault: {why}"),
            remedy: "call again without those at fault",
            retryable: true,
            ..mistake.clone()
        }
    }

    /// A caller that may not call: its own credentials are at fault.
    pub(crate) fn denied(refusal: Refusal) -> Failure {
        let remedy = access::remedy(&refusal);
        Failure {
            remedy,
            ..Failure::mistake(refusal, Effect::NotApplied)
        }
    }

    /// The daemon does not take calls yet.
    pub(crate) fn starting(not_done: Effect) -> Failure {
        Failure {
            kind: Kind::Closing,
            code: NO_ANSWER,
            reason: "the daemon starts, and takes no calls yet".to_owned(),
            effect: not_done,
            is_unanswered: false,
            remedy: "call again in a moment",
            retryable: true,
            is_of_all: false,
        }
    }

    /// Changes were held back until the time of the call was up.
    pub(crate) fn held_back(not_done: Effect) -> Failure {
        Failure {
            reason:
                "requests of the daemon before this one may still arrive, and could undo a change"
                    .to_owned(),
            ..Failure::starting(not_done)
        }
    }

    /// The calls of others take all the memory that there is for calls.
    pub(crate) fn no_room(not_done: Effect) -> Failure {
        Failure {
            reason: BodyError::NoRoom.to_string(),
            ..Failure::starting(not_done)
        }
    }

    /// The daemon's settings were read anew until the time of the call was up.
    pub(crate) fn reloading(not_done: Effect) -> Failure {
        Failure {
            kind: Kind::Behind,
            code: NO_ANSWER,
            reason: "the daemon was reading its settings anew until the time was up".to_owned(),
            effect: not_done,
            is_unanswered: false,
            remedy: "call again in a moment",
            retryable: true,
            is_of_all: true,
        }
    }

    /// Why a change or a get failed. `in_outage`: the service is away, as far as is known.
    pub(crate) fn new(error: &ChangeError, in_outage: bool) -> Failure {
        let refused = error.code();
        let kind = match error.cause() {
            _ if refused.is_some() => Kind::Refused,
            Cause::Closed => Kind::Closing,
            // its caller is answered while it still can be, as the daemon ends
            Cause::Abandoned if error.effect() != Effect::PossiblyApplied => Kind::Closing,
            _ if in_outage => Kind::Away,
            // it was in a request that failed, and had no turn again: 60007 would say that it is not applied
            _ if error.effect() == Effect::PossiblyApplied => Kind::Away,
            Cause::Behind { .. } => Kind::Behind,
            // in no request, or in one that had no turn, until its time was up
            Cause::Expired | Cause::Full => Kind::Busy,
            Cause::Timeout { phase } if phase.is_own_wait() => Kind::Busy,
            _ => Kind::Away,
        };
        let code = match (refused, kind) {
            (Some(code), _) => code.0,
            (None, Kind::Busy) => TOO_FREQUENT,
            (None, _) => NO_ANSWER,
        };
        let of_all = matches!(error.scope(), Scope::App | Scope::Service | Scope::Request);
        // the codes are those by which a caller's own credentials are refused
        let is_ours = refused.is_some() && error.scope() == Scope::App;
        let reason = match error.cause() {
            Cause::Abandoned => "the daemon ends, and this was not answered before".to_owned(),
            _ => error.reason(),
        };
        Failure {
            kind,
            code,
            reason: if is_ours {
                format!("the service refuses the daemon itself, and not its caller: {reason}")
            } else {
                reason
            },
            effect: error.effect(),
            is_unanswered: match error.effect() {
                Effect::NotRead => {
                    error.error().sent() > 0 || matches!(error.cause(), Cause::NotAnswered)
                }
                effect => effect == Effect::PossiblyApplied,
            },
            remedy: match kind {
                Kind::Busy => Code(TOO_FREQUENT).remedy(),
                _ if is_ours => {
                    "tell who runs the daemon: with its settings imtag doctor says what to do"
                }
                _ if is_late(error.cause()) => {
                    "try again; a call has 8 seconds at most, or less by its Imtag-Timeout"
                }
                _ => error.remedy(),
            },
            // a daemon that ends is started again
            retryable: kind == Kind::Closing || error.retryable(),
            is_of_all: refused.is_some() && of_all,
        }
    }

    pub(crate) fn advice(&self) -> Advice {
        Advice {
            effect: self.effect.name(),
            remedy: self.remedy,
            retryable: self.retryable,
        }
    }

    /// `reason (effect; remedy)`.
    pub(crate) fn sentence(&self) -> String {
        format!("{} ({}; {})", self.reason, self.effect, self.remedy)
    }
}

/// Its time was up, and no caller can allow more than the daemon does.
fn is_late(cause: &Cause) -> bool {
    match cause {
        Cause::Expired | Cause::NotAnswered => true,
        Cause::Timeout { phase } => !matches!(phase, Phase::Proxy | Phase::Tunnel),
        _ => false,
    }
}
