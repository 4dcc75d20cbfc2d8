//! Events for logs, by the crate `tracing`: each where the thing is decided, once it is, and with no lock held, as what
//! listens is the host's. Where nobody listens an event is one look at a number: no clock is read, nothing is formatted.
//!
//! An event holds no text that the service, a gateway or a callback has written, as it may show an account, a tag or a
//! secret: it has the code, and what kind of failure it is ([`Cause::name`](crate::error::Cause::name)). The service's
//! number for the request is there, as its support asks for it, with any UserSig covered.

use std::time::Duration;

/// An event: `event!(debug, operation = "add", "attempt ended")`. What listens may panic: then this event is lost and nothing
/// else, as a call, a worker and a look-up have more to do after it.
macro_rules! event {
    ($level:ident, $($what:tt)+) => {
        drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            tracing::$level!(target: "imtag", $($what)+);
        })))
    };
}

pub(crate) use event;

/// A time as a field.
pub(crate) fn millis(time: Duration) -> f64 {
    time.as_micros() as f64 / 1_000.0
}
