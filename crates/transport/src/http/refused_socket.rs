//! What an exchange does if this machine refuses a socket: it waits until another exchange of this client ends, and then
//! tries again, most likely over that one's connection.
//!
//! ```text
//! enter ──► exchange ─┬─ ended ──► leave, wake one that waits
//!            ▲        └─ a socket is refused ─┬─ others are under way ──► leave, wait for one to end ──┐
//!            │                                └─ none is ──► wait 50 ms; after a second: Final         │
//!            └─────────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! If no other exchange is under way, only other code of this process or machine can free a socket. So the exchange tries
//! for a second, and then fails with the refusal.

use std::time::{Duration, Instant};

use crate::wait::{Lock, Polled, WaitEnd, WaitPlace, WaitScope, Waiters};

/// The longest wait for another exchange to end. Other code may free a socket too, which wakes nobody here.
const OTHERS: Duration = Duration::from_secs(1);

/// How long to try again while no other exchange of this client is under way.
const ALONE: Duration = Duration::from_secs(1);

/// The pause between two of these tries.
const PAUSE: Duration = Duration::from_millis(50);

/// The exchanges of a client.
#[derive(Default)]
pub(super) struct Exchanges {
    state: Lock<State>,
}

#[derive(Default)]
struct State {
    under_way: usize,
    /// Of these, those whose sockets were refused.
    waiting: Waiters,
}

/// An exchange under way, until it is dropped.
pub(super) struct UnderWay<'e> {
    exchanges: &'e Exchanges,
    /// When the first socket was refused while no other exchange was under way.
    alone_since: Option<Instant>,
}

/// What an exchange does whose socket was refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    TryAgain,
    /// It fails: no connection of this client can come free.
    Final,
}

impl Exchanges {
    pub(super) fn enter(&self) -> UnderWay<'_> {
        self.state.lock().under_way += 1;
        UnderWay {
            exchanges: self,
            alone_since: None,
        }
    }
}

impl UnderWay<'_> {
    /// This machine refused a socket. Waits until it is worth another try.
    pub(super) fn refused(&mut self, wait_scope: &WaitScope) -> Result<Refused, WaitEnd> {
        let mut place = WaitPlace::new(&self.exchanges.state, |state| &mut state.waiting);
        let mut state = self.exchanges.state.lock();
        // those that wait have no connection that could come free
        if state.under_way - state.waiting.len() == 1 {
            drop(state);
            let since = *self.alone_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= ALONE {
                return Ok(Refused::Final);
            }
            wait_scope.sleep_until(Instant::now() + PAUSE)?;
            return Ok(Refused::TryAgain);
        }
        self.alone_since = None;
        place.register(&mut state);
        drop(state);
        let until = Instant::now() + OTHERS;
        wait_scope.wait_until(|| {
            let waits = place.is_registered(&mut self.exchanges.state.lock());
            if !waits || Instant::now() >= until {
                Polled::Ready(Refused::TryAgain)
            } else {
                Polled::WaitUntil(until)
            }
        })
    }
}

impl Drop for UnderWay<'_> {
    /// The exchange has ended, so its connection may be free; or its wait has, and it passes on that it was woken.
    fn drop(&mut self) {
        let mut state = self.exchanges.state.lock();
        state.under_way -= 1;
        state.waiting.release_first();
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::thread;

    use super::*;
    use crate::wait::{HostPoll, Interrupt, deadline_after};

    fn wait_scope(timeout: Duration) -> WaitScope {
        WaitScope::until(deadline_after(timeout))
    }

    #[test]
    fn a_refused_exchange_waits_for_another_to_end() {
        let exchanges = Exchanges::default();
        let (first, second) = (exchanges.enter(), exchanges.enter());
        thread::scope(|scope| {
            let third = scope.spawn(|| {
                let mut third = exchanges.enter();
                third.refused(&wait_scope(Duration::MAX))
            });
            while exchanges.state.lock().waiting.len() == 0 {
                thread::yield_now();
            }
            drop(first); // wakes it, long before it would try by itself
            assert_eq!(exchanges.state.lock().waiting.len(), 0);
            assert_eq!(third.join().unwrap(), Ok(Refused::TryAgain));
        });
        let mut fourth = exchanges.enter();
        let ended = fourth.refused(&wait_scope(Duration::ZERO));
        assert_eq!(ended, Err(WaitEnd::TimedOut));
        drop((second, fourth));
        assert_eq!(exchanges.state.lock().under_way, 0);
        assert_eq!(exchanges.state.lock().waiting.len(), 0);
    }

    #[test]
    fn a_refusal_without_other_exchanges_is_final_after_a_second() {
        let exchanges = Exchanges::default();
        let forever = wait_scope(Duration::MAX);
        let mut alone = exchanges.enter();
        assert_eq!(alone.refused(&forever), Ok(Refused::TryAgain));
        alone.alone_since = Instant::now().checked_sub(ALONE);
        assert_eq!(alone.refused(&forever), Ok(Refused::Final));
        alone.alone_since = None;
        let ended = alone.refused(&wait_scope(Duration::ZERO));
        assert_eq!(ended, Err(WaitEnd::TimedOut));
    }

    #[test]
    fn a_host_that_panics_while_its_exchange_waits_leaves_no_trace() {
        let exchanges = Exchanges::default();
        let _first = exchanges.enter();
        let mut polled = wait_scope(Duration::MAX);
        polled.host_poll = Some(HostPoll::new(&Interrupt::new(|| panic!("the host's"))));
        let panicked = catch_unwind(AssertUnwindSafe(|| exchanges.enter().refused(&polled)));
        assert!(panicked.is_err());
        let state = exchanges.state.lock();
        assert_eq!((state.under_way, state.waiting.len()), (1, 0));
    }
}
