//! The quota of one operation, shared by all threads that call it: first come, first served. A call in the background lets a
//! few that come later go first.
//!
//! ```text
//!    ┌────── nobody waits, and the quota is ready ──────┐
//!    │                                                  ▼
//! acquire ──► in the queue ──► first, and it is ready ──► Permit ─┬─ answered
//!                                                                 ├─ withdrew: no byte was sent
//!                                                                 └─ abandoned, or dropped
//! ```
//!
//! Where nobody waits, a call takes the lock twice: for its permit, and to hand it back. The clock is read before the lock,
//! so threads may arrive in another order than their moments. The quota takes the latest moment that it has seen for an
//! earlier one, so it never counts fewer calls than there are.

use std::time::{Duration, Instant};

use imtag_core::CallRate;
use imtag_core::quota::{Admission, Quota, Sent, Turn};

use crate::wait::{Lock, Polled, WaitEnd, WaitPlace, WaitScope, Waiters, now};

pub(crate) struct RateLimiter {
    origin: Instant,
    state: Lock<State>,
}

struct State {
    quota: Quota,
    /// Only the first asks the quota; the others sleep.
    queue: Waiters,
    under_way: usize,
    /// When a call was last sent, or its permit handed back.
    last_used: Option<Duration>,
}

impl RateLimiter {
    /// `since`: from when on this process knows of all calls.
    pub(super) fn new(calls_per_second: CallRate, since: Instant) -> RateLimiter {
        RateLimiter {
            origin: since,
            state: Lock::new(State {
                quota: Quota::new(calls_per_second, Duration::ZERO),
                queue: Waiters::default(),
                under_way: 0,
                last_used: None,
            }),
        }
    }

    fn now(&self) -> Duration {
        now().saturating_duration_since(self.origin)
    }

    /// Waits for a turn. Hand the permit back with what became of the call.
    pub(crate) fn acquire(
        &self,
        wait_scope: &WaitScope,
        in_background: bool,
    ) -> Result<Permit<'_>, WaitEnd> {
        wait_scope.check()?;
        let place = WaitPlace::new(&self.state, |state| &mut state.queue);
        let mut place = place.in_background(in_background);
        wait_scope.wait_until(|| self.look(&mut place))
    }

    fn look(&self, place: &mut WaitPlace<'_, State>) -> Polled<Permit<'_>> {
        let now = self.now();
        let mut state = self.state.lock();
        if state.queue.len() > 0 {
            place.register(&mut state);
            if !place.is_first(&mut state) {
                return Polled::Pending;
            }
        }
        let wait = match state.quota.turn(now) {
            Turn::Ready => {
                let has_waited = place.is_registered(&mut state);
                place.leave(&mut state);
                let mut permit = self.send(&mut state, now);
                permit.has_waited = has_waited;
                return Polled::Ready(permit);
            }
            Turn::WaitUntil(moment) => Polled::WaitUntil(self.origin + moment),
            Turn::AwaitAnswer => Polled::Pending,
        };
        place.register(&mut state);
        wait
    }

    /// A call is sent now, as the quota has said that it may be.
    fn send(&self, state: &mut State, now: Duration) -> Permit<'_> {
        state.under_way += 1;
        state.last_used = state.last_used.max(Some(now));
        Permit {
            limiter: self,
            sent: Some(state.quota.send(now)),
            has_waited: false,
        }
    }

    /// The latest moment at which a call may have arrived: `now` while one is under way.
    pub(super) fn last_used(&self, now: Instant) -> Option<Instant> {
        let state = self.state.lock();
        if state.under_way > 0 {
            Some(now)
        } else {
            state.last_used.map(|moment| self.origin + moment)
        }
    }

    /// Calls go to another host from now on.
    pub(super) fn path_changed(&self) {
        let now = self.now();
        self.state.lock().quota.path_changed(now);
    }

    /// Stops holding calls back for what another process may have sent.
    pub(super) fn release_start_slots(&self) {
        let mut state = self.state.lock();
        state.quota.release_start_slots();
        state.queue.wake_first();
    }
}

/// The right to send one call. If it is dropped (by a panic), the call counts as abandoned.
#[must_use]
pub(crate) struct Permit<'l> {
    limiter: &'l RateLimiter,
    sent: Option<Sent>,
    /// There was no turn at once.
    pub(crate) has_waited: bool,
}

impl Permit<'_> {
    pub(crate) fn answered(mut self, admission: Admission) {
        self.hand_back(|quota, sent, now| quota.answered(sent, now, admission));
    }

    /// The call may arrive later, or may have: nothing is known of it.
    pub(crate) fn abandoned(self) {
        drop(self);
    }

    /// Not one byte of the call has left this machine.
    pub(crate) fn withdrew(mut self) {
        self.hand_back(|quota, sent, _| quota.withdrew(sent));
    }

    fn hand_back(&mut self, how: impl FnOnce(&mut Quota, Sent, Duration)) {
        self.hand_back_at(self.limiter.now(), how);
    }

    fn hand_back_at(&mut self, now: Duration, how: impl FnOnce(&mut Quota, Sent, Duration)) {
        let Some(sent) = self.sent.take() else {
            return;
        };
        let mut state = self.limiter.state.lock();
        state.under_way -= 1;
        state.last_used = state.last_used.max(Some(now));
        how(&mut state.quota, sent, now);
        state.queue.wake_first();
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.hand_back(Quota::abandoned);
    }
}

#[cfg(test)]
impl RateLimiter {
    pub(super) fn start(&self) -> Instant {
        self.origin
    }

    /// What the quota says at a moment after the limiter's start.
    pub(super) fn turn_at(&self, moment: Duration) -> Turn {
        self.state.lock().quota.turn(moment)
    }

    pub(super) fn send_at(&self, moment: Duration) -> Permit<'_> {
        self.send(&mut self.state.lock(), moment)
    }
}

#[cfg(test)]
impl Permit<'_> {
    pub(super) fn answered_at(mut self, moment: Duration) {
        self.hand_back_at(moment, |quota, sent, now| {
            quota.answered(sent, now, Admission::Admitted);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;
    use crate::wait::{HostPoll, Interrupt, deadline_after};

    fn wait_scope(timeout: Duration) -> WaitScope {
        WaitScope::until(deadline_after(timeout))
    }

    fn rate(calls_per_second: f64) -> CallRate {
        CallRate::try_from(calls_per_second).unwrap()
    }

    fn one_a_second() -> RateLimiter {
        RateLimiter::new(rate(1.0), Instant::now())
    }

    #[test]
    fn a_wait_ends_at_its_deadline_and_leaves_the_queue() {
        let limiter = one_a_second();
        let _first = limiter.acquire(&wait_scope(Duration::MAX), false).unwrap();
        let waited = limiter
            .acquire(&wait_scope(Duration::from_millis(5)), false)
            .map(|_| ());
        assert_eq!(waited, Err(WaitEnd::TimedOut));
        assert!(limiter.state.lock().queue.len() == 0);
    }

    #[test]
    fn a_call_that_the_host_makes_while_its_thread_waits_does_not_wait_behind_itself() {
        let limiter: &'static RateLimiter = Box::leak(Box::new(one_a_second()));
        let first = limiter.acquire(&wait_scope(Duration::MAX), false).unwrap();
        let first = Lock::new(Some(first));
        let interrupt = Interrupt::new(move || {
            if let Some(first) = first.lock().take() {
                first.withdrew();
                let within = limiter.acquire(&wait_scope(Duration::from_secs(60)), false);
                within.unwrap().withdrew();
            }
            false
        });
        let mut polled = wait_scope(Duration::MAX);
        polled.host_poll = Some(HostPoll::new(&interrupt));
        limiter.acquire(&polled, false).unwrap().withdrew();
        assert_eq!(limiter.state.lock().queue.len(), 0);
    }

    #[test]
    fn a_call_keeps_its_place_when_the_host_calls_while_it_waits() {
        let limiter: &'static RateLimiter = Box::leak(Box::new(one_a_second()));
        let first = limiter.acquire(&wait_scope(Duration::MAX), false).unwrap();
        let (asked, called) = mpsc::channel();
        let interrupt = Interrupt::new(move || {
            let within = limiter.acquire(&wait_scope(Duration::from_millis(20)), false);
            let _ = asked.send(within.map(drop));
            false
        });
        let (done, order) = mpsc::channel();
        thread::scope(|scope| {
            let outer_done = done.clone();
            scope.spawn(move || {
                let mut polled = wait_scope(Duration::MAX);
                polled.host_poll = Some(HostPoll::new(&interrupt));
                let outer = limiter.acquire(&polled, false).unwrap();
                outer_done.send("outer").unwrap();
                outer.withdrew();
            });
            while limiter.state.lock().queue.len() == 0 {
                thread::yield_now();
            }
            scope.spawn(move || {
                let other = limiter.acquire(&wait_scope(Duration::MAX), false).unwrap();
                done.send("other").unwrap();
                other.withdrew();
            });
            while limiter.state.lock().queue.len() < 2 {
                thread::yield_now();
            }
            assert_eq!(called.recv().unwrap(), Err(WaitEnd::TimedOut));
            first.withdrew();
        });
        assert_eq!(order.iter().collect::<Vec<_>>(), ["outer", "other"]);
    }

    #[test]
    fn nine_calls_go_before_one_in_the_background_and_the_tenth_behind_it() {
        let limiter = &one_a_second();
        let first = limiter.acquire(&wait_scope(Duration::MAX), false).unwrap();
        let (done, order) = mpsc::channel();
        thread::scope(|scope| {
            for number in 0..11 {
                let done = done.clone();
                scope.spawn(move || {
                    let in_background = number == 0;
                    let permit = limiter.acquire(&wait_scope(Duration::MAX), in_background);
                    done.send(number).unwrap();
                    permit.unwrap().withdrew();
                });
                while limiter.state.lock().queue.len() <= number {
                    thread::yield_now();
                }
            }
            first.withdrew();
        });
        drop(done);
        let order: Vec<usize> = order.iter().collect();
        assert_eq!(order, [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 10]);
    }
}
