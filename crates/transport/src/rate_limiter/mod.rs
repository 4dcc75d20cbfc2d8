//! The quota of one operation, shared by all threads that call it: first come, first served. The rule is in core; this
//! adds the clock and the queue.
//!
//! ```text
//! acquire ──► Place in the queue ──► first, and the quota is ready ──► Permit ─┬─ answered
//!                                                                              ├─ withdrew: no byte was sent
//!                                                                              └─ abandoned, or dropped
//! ```

mod app_quota;

use std::collections::VecDeque;
use std::sync::MutexGuard;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use imtag_core::CallRate;
use imtag_core::quota::{Admission, Quota, Sent, Turn};

use crate::wait::{Lock, WaitEnd, WaitScope};

pub(crate) use app_quota::{AppQuota, QuotaKey};

pub(crate) struct RateLimiter {
    origin: Instant,
    state: Lock<State>,
}

struct State {
    quota: Quota,
    /// The threads that wait, the next one first. Only the first asks the quota; the others sleep.
    queue: VecDeque<(u64, Thread)>,
    next_place: u64,
    under_way: usize,
    /// When a call was last sent, or its permit handed back.
    last_used: Option<Duration>,
}

impl RateLimiter {
    /// `since`: from when on this process knows of all calls.
    pub(crate) fn new(calls_per_second: CallRate, since: Instant) -> RateLimiter {
        RateLimiter {
            origin: since,
            state: Lock::new(State {
                quota: Quota::new(calls_per_second, Duration::ZERO),
                queue: VecDeque::new(),
                next_place: 0,
                under_way: 0,
                last_used: None,
            }),
        }
    }

    /// Waits for a turn. Hand the permit back with what became of the call.
    pub(crate) fn acquire(&self, wait_scope: &WaitScope) -> Result<Permit<'_>, WaitEnd> {
        wait_scope.check()?;
        let place = Place::at_end(self);
        loop {
            let turn = self.state().turn_of(place.number, self.origin);
            let until = match turn {
                Some(Turn::Ready) => return Ok(self.send_at(self.now())),
                Some(Turn::WaitUntil(moment)) => self.origin + moment,
                Some(Turn::AwaitAnswer) | None => wait_scope.deadline,
            };
            wait_scope.park_until(until)?;
        }
    }

    /// The latest moment at which a call may have arrived: `now` while one is under way.
    pub(crate) fn last_used(&self, now: Instant) -> Option<Instant> {
        let state = self.state();
        if state.under_way > 0 {
            Some(now)
        } else {
            state.last_used.map(|moment| self.origin + moment)
        }
    }

    /// Stops holding calls back for what another process may have sent.
    pub(crate) fn release_start_slots(&self) {
        let mut state = self.state();
        state.quota.release_start_slots();
        state.wake_first();
    }

    /// A call is sent now, as the quota has said that it may be.
    fn send_at(&self, now: Duration) -> Permit<'_> {
        let mut state = self.state();
        state.under_way += 1;
        state.last_used = Some(now);
        Permit {
            limiter: self,
            sent: Some(state.quota.send(now)),
        }
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    /// What the quota says to the first in the queue; `None` for the others.
    fn turn_of(&mut self, place: u64, origin: Instant) -> Option<Turn> {
        let (first, _) = self.queue.front()?;
        (*first == place).then(|| self.quota.turn(origin.elapsed()))
    }

    fn wake_first(&self) {
        if let Some((_, thread)) = self.queue.front() {
            thread.unpark();
        }
    }
}

/// A place in the queue, until it is dropped.
struct Place<'l> {
    limiter: &'l RateLimiter,
    number: u64,
}

impl<'l> Place<'l> {
    fn at_end(limiter: &'l RateLimiter) -> Place<'l> {
        let mut state = limiter.state();
        let number = state.next_place;
        state.next_place += 1;
        state.queue.push_back((number, thread::current()));
        Place { limiter, number }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.limiter.state();
        state.queue.retain(|(number, _)| *number != self.number);
        state.wake_first();
    }
}

/// The right to send one call. If it is dropped (by a panic), the call counts as abandoned.
#[must_use]
pub(crate) struct Permit<'l> {
    limiter: &'l RateLimiter,
    sent: Option<Sent>,
}

impl Permit<'_> {
    pub(crate) fn answered(mut self, admission: Admission) {
        let now = self.limiter.now();
        self.hand_back(now, |quota, sent, now| quota.answered(sent, now, admission));
    }

    pub(crate) fn abandoned(self) {
        drop(self);
    }

    /// Not one byte of the call has left this machine.
    pub(crate) fn withdrew(mut self) {
        let now = self.limiter.now();
        self.hand_back(now, |quota, sent, _| quota.withdrew(sent));
    }

    fn hand_back(&mut self, now: Duration, how: impl FnOnce(&mut Quota, Sent, Duration)) {
        let Some(sent) = self.sent.take() else {
            return;
        };
        let mut state = self.limiter.state();
        state.under_way -= 1;
        state.last_used = Some(now);
        how(&mut state.quota, sent, now);
        state.wake_first();
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.hand_back(self.limiter.now(), Quota::abandoned);
    }
}

#[cfg(test)]
impl RateLimiter {
    pub(crate) fn start(&self) -> Instant {
        self.origin
    }

    /// What the quota says at a moment after the limiter's start.
    pub(crate) fn turn_at(&self, moment: Duration) -> Turn {
        self.state().quota.turn(moment)
    }
}

#[cfg(test)]
impl Permit<'_> {
    pub(crate) fn answered_at(mut self, moment: Duration) {
        self.hand_back(moment, |quota, sent, now| {
            quota.answered(sent, now, Admission::Admitted);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::deadline_after;

    fn wait_scope(timeout: Duration) -> WaitScope {
        WaitScope::until(deadline_after(timeout))
    }

    fn rate(calls_per_second: f64) -> CallRate {
        CallRate::try_from(calls_per_second).unwrap()
    }

    fn one_a_second() -> RateLimiter {
        RateLimiter::new(rate(1.0), Instant::now())
    }

    /// What the quota says of a second call, beside one that is under way.
    fn turn_of_a_second_call(known_for: Duration) -> Turn {
        let since = Instant::now().checked_sub(known_for).unwrap();
        let limiter = RateLimiter::new(rate(100.0), since);
        let _first = limiter.acquire(&wait_scope(Duration::MAX)).unwrap();
        limiter.state().quota.turn(known_for)
    }

    #[test]
    fn a_second_call_waits_only_in_a_process_that_has_just_begun() {
        assert_eq!(turn_of_a_second_call(Duration::from_secs(2)), Turn::Ready);
        let slot = Turn::WaitUntil(Duration::from_millis(110));
        // an origin that is now: the clock has not come as far as the first slot
        let limiter = RateLimiter::new(rate(100.0), Instant::now() + Duration::from_secs(60));
        let _first = limiter.acquire(&wait_scope(Duration::MAX)).unwrap();
        assert_eq!(limiter.state().quota.turn(Duration::ZERO), slot);
    }

    #[test]
    fn a_withdrawn_call_frees_its_slot_at_once() {
        let limiter = one_a_second();
        limiter
            .acquire(&wait_scope(Duration::MAX))
            .unwrap()
            .withdrew();
        limiter
            .acquire(&wait_scope(Duration::MAX))
            .unwrap()
            .withdrew();
    }

    #[test]
    fn the_first_in_the_queue_goes_as_soon_as_a_permit_is_handed_back() {
        let limiter = one_a_second();
        let first = limiter.acquire(&wait_scope(Duration::MAX)).unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                limiter
                    .acquire(&wait_scope(Duration::MAX))
                    .map(Permit::withdrew)
            });
            while limiter.state().queue.is_empty() {
                thread::yield_now();
            }
            first.withdrew();
            assert!(waiting.join().unwrap().is_ok());
        });
    }

    #[test]
    fn a_wait_ends_at_its_deadline_and_leaves_the_queue() {
        let limiter = one_a_second();
        let _first = limiter.acquire(&wait_scope(Duration::MAX)).unwrap();
        let waited = limiter
            .acquire(&wait_scope(Duration::from_millis(5)))
            .map(|_| ());
        assert_eq!(waited, Err(WaitEnd::TimedOut));
        assert!(limiter.state().queue.is_empty());
    }
}
