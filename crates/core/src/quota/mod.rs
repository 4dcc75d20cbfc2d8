//! The quota rule: when the next call may be sent, so that the app's quota is used in full and
//! never exceeded.
//!
//! The service counts the arrivals of each operation by itself, by a window that no page describes:
//! the calendar second of its clock, or a sliding one. What satisfies both is at most N arrivals in
//! *any* second. A process whose share is less than one call a second makes one in any 1 / rate
//! seconds: N is 1 then, and what is said here of a second is meant of that longer window. A client
//! sees no arrival. It knows only that a call arrived between its sending and its answer. So one may
//! be sent if and only if
//!
//! ```text
//! in flight + recent + held < floor(cap)
//! ```
//!
//! - **in flight**: sent, and neither answered nor abandoned; such a call may arrive at this very
//!   moment;
//! - **recent**: answered less than a window and a margin ago, less the credit for what the way
//!   back and the next way there surely take;
//! - **held**: abandoned, so that it may arrive late; or a start slot, for what a killed
//!   predecessor may have sent;
//! - **cap**: N, and less after the service has rejected a call for its frequency all the same.
//!
//! `window.rs` decides on recent and held, `credit.rs` and `cap.rs` on these two.
//!
//! ```text
//!              ┌─────── withdrew: it never left this machine ────────┐
//!              │                                                     ▼
//! turn ─ Ready ─ send ─► in flight ─ answered ─► recent ─ 1.002 s − credit ─► another may go
//!                            │                                              ▲
//!                            └─── abandoned ───► held ──── 1 s or more ─────┘
//! ```
//!
//! There is no clock here: `now` comes in, measured from any fixed origin of a clock that never
//! goes back, and the time to wait for goes out. All of it is integers, so that hours of traffic
//! run in virtual time, the same way every time: `cargo xtask quota` does so, and prints what the
//! rule reaches.

mod cap;
pub(crate) mod credit;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;
pub(crate) mod window;

use std::time::Duration;

use cap::Cap;
use credit::Credit;
use window::Window;

use crate::limits::CallRate;

/// The quota of one operation in this process, and the calls that use it.
///
/// Each operation has a quota of its own, as the service counts each by itself. The processes of an
/// app share the app's quota: each gets a part of it.
///
/// ```
/// use std::time::Duration;
/// use imtag_core::CallRate;
/// use imtag_core::quota::{Quota, Turn, Admission};
///
/// let now = Duration::ZERO;
/// let mut quota = Quota::new(CallRate::try_from(1.0)?, now);
/// assert_eq!(quota.turn(now), Turn::Ready);
/// let call = quota.send(now);
/// assert_eq!(quota.turn(now), Turn::AwaitAnswer);
///
/// let now = Duration::from_millis(20);
/// quota.answered(call, now, Admission::Admitted);
/// assert_eq!(quota.turn(now), Turn::WaitUntil(Duration::from_millis(1_022)));
/// # Ok::<(), imtag_core::InvalidCallRate>(())
/// ```
#[derive(Debug)]
pub struct Quota {
    /// The latest moment seen. Threads that read the clock one by one and arrive here in another
    /// order look like a clock that goes back; time stands still until it has caught up, which can
    /// only delay a call.
    latest: Duration,
    in_flight: usize,
    window: Window,
    credit: Credit,
    cap: Cap,
    /// How often the path to the service changed.
    path: u64,
}

/// A ticket for one call under way.
///
/// It goes back to the [`Quota`] it came from, by [`answered`](Quota::answered),
/// [`abandoned`](Quota::abandoned) or [`withdrew`](Quota::withdrew); one that is dropped counts as in
/// flight for ever.
#[derive(Debug)]
#[must_use = "a call that is never handed back counts as in flight for ever"]
pub struct Sent {
    at: Duration,
    /// Over which path: what a call over an earlier one took says nothing of this one.
    path: u64,
}

/// Whether a call may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// A call may be sent now.
    Ready,
    /// Ask again at this moment, which is after `now`, or at the next answer if that comes first.
    WaitUntil(Duration),
    /// Ask again when a call under way has been handed back: time alone changes nothing.
    AwaitAnswer,
}

/// What an answer says of the quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Any answer other than a rejection for frequency, be it a success or a failure.
    Admitted,
    /// Rejected for its frequency: 60007, 60011, 60018 or 60019.
    TooFrequent,
}

impl Quota {
    /// A quota of so many calls per second, by a process that knows nothing of what was sent before
    /// `start`.
    ///
    /// The first call may go at once; the full quota is reached after 1.1 s.
    #[must_use]
    pub fn new(calls_per_second: CallRate, start: Duration) -> Quota {
        let (calls, window) = (calls_per_second.calls(), calls_per_second.window());
        Quota {
            latest: start,
            in_flight: 0,
            window: Window::new(calls, window, start),
            credit: Credit::new(calls, start),
            cap: Cap::new(calls),
            path: 0,
        }
    }

    /// Decides whether a call may be sent now.
    ///
    /// Takes time logarithmic in the calls of the last window. A moment before the latest one seen
    /// counts as that one.
    #[must_use]
    pub fn turn(&mut self, now: Duration) -> Turn {
        let now = self.advance(now);
        let look = self.window.look(now, self.credit.get());
        if self.in_flight + look.count < self.cap.calls(now) {
            return Turn::Ready;
        }
        let event = look.next.into_iter().chain(self.cap.next(now)).min();
        event.map_or(Turn::AwaitAnswer, Turn::WaitUntil)
    }

    /// Releases the start slots: the caller knows that no other process sent a call in the last second.
    pub fn release_start_slots(&mut self) {
        self.window.release_start_slots();
    }

    /// Counts a call that is sent at `now`, for which the caller has just seen [`Turn::Ready`].
    pub fn send(&mut self, now: Duration) -> Sent {
        self.in_flight += 1;
        Sent {
            at: self.advance(now),
            path: self.path,
        }
    }

    /// Calls go to another host of the service from `now` on, and the way there may be shorter. So there is no credit
    /// until as many of them were answered as after a start, not even for what was answered before.
    pub fn path_changed(&mut self, now: Duration) {
        let now = self.advance(now);
        self.path += 1;
        self.credit.forget(now);
    }

    /// Counts the answer to a call; a rejection is one too.
    pub fn answered(&mut self, call: Sent, now: Duration, admission: Admission) {
        // Not the advanced time: should the clock have gone back, a round trip too short is on the
        // safe side.
        let round_trip = now.saturating_sub(call.at);
        let now = self.advance(now);
        self.end();
        self.window.answered(now);
        if call.path == self.path {
            self.credit.sample(round_trip, now);
        }
        if admission == Admission::TooFrequent {
            self.cap.cut(call.at, now);
        }
    }

    /// Abandons a call that may have arrived or may still arrive: it timed out, its connection was cut, or
    /// it was cancelled after a byte was written.
    pub fn abandoned(&mut self, call: Sent, now: Duration) {
        let now = self.advance(now);
        self.end();
        self.window.abandoned(call.at, now);
    }

    /// Takes back a call of which not one byte has left this machine: it counts as never sent.
    pub fn withdrew(&mut self, call: Sent) {
        let Sent { at: _, path: _ } = call;
        self.end();
    }

    fn advance(&mut self, now: Duration) -> Duration {
        self.latest = self.latest.max(now);
        self.latest
    }

    /// Saturates: a ticket of another quota is a mistake of the caller, but must not end the process.
    fn end(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }
}
