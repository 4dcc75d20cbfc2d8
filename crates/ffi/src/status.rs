//! The numbers that functions return. Their values never change; new ones may be added, so treat one that you do not know
//! as a failure.

use imtag_core::{Effect, RetryClass};
use imtag_transport::{Cause, RunError};

/// How a call ended: one of `IM_OK` to `IM_NO_THREAD`.
pub type im_status = i32;

/// Done, for every account.
pub const IM_OK: im_status = 0;
/// Done for some accounts only: `im_error_failure_...` names each of the others; the result says what was done.
pub const IM_PARTIAL: im_status = 1;
/// The request breaks limits, and nothing was sent: `im_error_violation_...` names each violation.
pub const IM_INVALID: im_status = 2;
/// The call itself is wrong (a NULL, an impossible length, a handle in use). Nothing was sent.
pub const IM_MISUSE: im_status = 3;
/// No client can be made with these settings.
pub const IM_SETTINGS: im_status = 4;
/// There is no UserSig. Earlier attempts may have been sent with one that had expired: see `im_error_effect`.
pub const IM_CREDENTIALS: im_status = 5;
/// The service refused the whole request: `im_error_code` is its code.
pub const IM_SERVICE: im_status = 6;
/// An HTTP status other than 200: the answer is not the service's own.
pub const IM_HTTP_STATUS: im_status = 7;
/// The time ran out.
pub const IM_TIMEOUT: im_status = 8;
/// The call or the change was cancelled.
pub const IM_CANCELLED: im_status = 9;
/// The network failed, or the proxy on the way to the service.
pub const IM_NETWORK: im_status = 10;
/// The server could not prove that it is the one that was called, or TLS failed otherwise.
pub const IM_TLS: im_status = 11;
/// The answer is not one of the service's.
pub const IM_NOT_UNDERSTOOD: im_status = 12;
/// A defect of the library itself: please report its message.
pub const IM_DEFECT: im_status = 13;
/// The batcher is full, and set to fail then. The change was not taken.
pub const IM_FULL: im_status = 14;
/// The bulk run is finished, or the batcher closed. The change was not taken.
pub const IM_CLOSED: im_status = 15;
/// The system has no thread to send with: a limit of threads or memory is reached.
pub const IM_NO_THREAD: im_status = 16;

/// What is known of the effect on an account: one of `IM_NOT_APPLIED` to `IM_NOT_READ`.
pub type im_effect = i32;

/// The service did not carry it out.
pub const IM_NOT_APPLIED: im_effect = 0;
/// The service may have carried it out, or may do so later: a timeout, a cut connection, a refusal after sending.
pub const IM_POSSIBLY_APPLIED: im_effect = 1;
/// The service carried it out.
pub const IM_APPLIED: im_effect = 2;
/// For a get, which has no effect on any account: its tags were not read.
pub const IM_NOT_READ: im_effect = 3;

/// Whether to retry a call that the service refused with a code: one of `IM_RETRY_NEVER` to `IM_RETRY_NEW_USERSIG`. The
/// library has already retried it as far as the deadline allowed.
pub type im_retry = i32;

/// It would fail again.
pub const IM_RETRY_NEVER: im_retry = 0;
/// It may succeed at once or a little later.
pub const IM_RETRY_BACKOFF: im_retry = 1;
/// The calls came too fast: it may succeed once the second that the quota counts is over.
pub const IM_RETRY_AFTER_WINDOW: im_retry = 2;
/// One more try is worth it.
pub const IM_RETRY_ONCE_LATER: im_retry = 3;
/// One more try with a new UserSig is worth it.
pub const IM_RETRY_NEW_USERSIG: im_retry = 4;

pub(crate) fn status_of(cause: &Cause) -> im_status {
    match cause {
        Cause::Partial { .. } => IM_PARTIAL,
        Cause::Invalid(_) => IM_INVALID,
        Cause::Credentials(_) => IM_CREDENTIALS,
        Cause::Service { .. } | Cause::LeftOut { .. } | Cause::RefusedBefore(_) => IM_SERVICE,
        Cause::Encoded { status: 200, .. } => IM_NOT_UNDERSTOOD,
        Cause::HttpStatus { .. } | Cause::Encoded { .. } => IM_HTTP_STATUS,
        Cause::Timeout { .. } | Cause::Expired | Cause::Behind { .. } | Cause::NotAnswered => {
            IM_TIMEOUT
        }
        Cause::Cancelled { .. } | Cause::Abandoned | Cause::Ended(RunError::Cancelled) => {
            IM_CANCELLED
        }
        Cause::Network { .. } | Cause::Proxy { .. } => IM_NETWORK,
        Cause::Tls(_) => IM_TLS,
        Cause::NotUnderstood(_) => IM_NOT_UNDERSTOOD,
        Cause::Ended(RunError::Refused(error) | RunError::Unavailable(error)) => {
            status_of(error.cause())
        }
        Cause::Full => IM_FULL,
        Cause::Closed => IM_CLOSED,
        Cause::Forked | Cause::Ended(RunError::Forked) => IM_MISUSE,
        Cause::NoThread(_) => IM_NO_THREAD,
        // a defect, and a cause that this version of the interface has no status for
        _ => IM_DEFECT,
    }
}

pub(crate) fn effect_of(effect: Effect) -> im_effect {
    match effect {
        Effect::NotApplied => IM_NOT_APPLIED,
        Effect::PossiblyApplied => IM_POSSIBLY_APPLIED,
        Effect::Applied => IM_APPLIED,
        Effect::NotRead => IM_NOT_READ,
    }
}

pub(crate) fn retry_of(class: RetryClass) -> im_retry {
    match class {
        RetryClass::Never => IM_RETRY_NEVER,
        RetryClass::Backoff => IM_RETRY_BACKOFF,
        RetryClass::AfterWindow => IM_RETRY_AFTER_WINDOW,
        RetryClass::OnceLater => IM_RETRY_ONCE_LATER,
        RetryClass::NewUserSig => IM_RETRY_NEW_USERSIG,
    }
}
