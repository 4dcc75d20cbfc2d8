//! How many exchanges may run at once. There is no limit until this machine refuses a socket. Then the limit is the number
//! that have one; the others wait for one of these to end and reuse its connection.
//!
//! ```text
//! no limit ── a socket is refused ──▶ limit: those under way ── a second without a refusal ──▶ one more
//!                                         ▲                                                      │
//!                                         └──────────────── a socket is refused ─────────────────┘
//! ```
//!
//! Where no other exchange runs, only other code of this process or machine can free a socket: the exchange tries again
//! for a second, and then fails with the refusal.

use std::sync::MutexGuard;
use std::thread::Thread;
use std::time::{Duration, Instant};

use crate::wait::{Lock, WaitEnd, WaitScope, wait_once};

/// After so long without a refusal, one more is tried.
const GROWS_AFTER: Duration = Duration::from_secs(1);

/// How long to try again where no other exchange of this client runs.
const ALONE: Duration = Duration::from_secs(1);

/// The pause between two of these tries.
const PAUSE: Duration = Duration::from_millis(50);

pub(super) struct Slots {
    state: Lock<State>,
    /// After so long without a refusal, one more is tried.
    grows_after: Duration,
}

impl Default for Slots {
    fn default() -> Self {
        Slots::growing_after(GROWS_AFTER)
    }
}

#[derive(Default)]
struct State {
    active: usize,
    limit: Option<Limit>,
    waiting: Vec<Thread>,
}

#[derive(Clone, Copy)]
struct Limit {
    slots: usize,
    /// When it was set, or has grown.
    since: Instant,
}

/// The right to make an exchange, until it is dropped.
pub(super) struct Slot<'s> {
    slots: &'s Slots,
    /// When the first socket was refused while no other exchange ran.
    alone_since: Option<Instant>,
}

/// What an exchange does whose socket was refused.
pub(super) enum Refused {
    TryAgain,
    /// It fails: no connection of this client can come free.
    Final,
}

impl Slots {
    fn growing_after(grows_after: Duration) -> Slots {
        Slots {
            state: Lock::default(),
            grows_after,
        }
    }

    /// Waits for a slot.
    pub(super) fn acquire(&self, wait_scope: &WaitScope) -> Result<Slot<'_>, WaitEnd> {
        self.wait(wait_scope)?;
        Ok(Slot {
            slots: self,
            alone_since: None,
        })
    }

    fn wait(&self, wait_scope: &WaitScope) -> Result<(), WaitEnd> {
        loop {
            let mut state = self.state();
            let active = state.active;
            let now = Instant::now();
            if let Some(limit) = state.limit.as_mut().filter(|it| active >= it.slots) {
                let grows = limit.since + self.grows_after;
                if now < grows {
                    wait_once(&mut state.waiting);
                    drop(state);
                    wait_scope.park_until(grows)?;
                    continue;
                }
                limit.slots += 1;
                limit.since = now;
            }
            state.active += 1;
            return Ok(());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    /// An exchange has ended, or waits for another to end.
    fn leave(&mut self) {
        self.active -= 1;
        for thread in self.waiting.drain(..) {
            thread.unpark();
        }
    }
}

impl Slot<'_> {
    /// This machine refused a socket. Waits until it is worth another try.
    pub(super) fn refused(&mut self, wait_scope: &WaitScope) -> Result<Refused, WaitEnd> {
        let alone = {
            let mut state = self.slots.state();
            let others = state.active - 1;
            state.limit = Some(Limit {
                slots: others.max(1),
                since: Instant::now(),
            });
            if others > 0 {
                state.leave();
            }
            others == 0
        };
        if !alone {
            self.alone_since = None;
            return match self.slots.wait(wait_scope) {
                Ok(()) => Ok(Refused::TryAgain),
                Err(stop) => {
                    self.slots.state().active += 1; // which is given back on drop
                    Err(stop)
                }
            };
        }
        let since = *self.alone_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= ALONE {
            return Ok(Refused::Final);
        }
        wait_scope.sleep_until(Instant::now() + PAUSE)?;
        Ok(Refused::TryAgain)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.slots.state().leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::deadline_after;
    use std::thread;

    fn wait_scope(timeout: Duration) -> WaitScope {
        WaitScope::until(deadline_after(timeout))
    }

    #[test]
    fn after_a_refusal_as_many_go_on_as_are_under_way_and_the_others_wait_for_one_to_end() {
        // it is not the time that lets it go on
        let slots = Slots::growing_after(Duration::from_secs(3_600));
        let forever = wait_scope(Duration::MAX);
        let first = slots.acquire(&forever).unwrap();
        let second = slots.acquire(&forever).unwrap();
        thread::scope(|scope| {
            let third = scope.spawn(|| {
                let mut third = slots.acquire(&forever).unwrap();
                let again = third.refused(&forever).unwrap();
                assert!(matches!(again, Refused::TryAgain));
                slots.state().active
            });
            while slots.state().limit.is_none() {
                thread::yield_now();
            }
            assert_eq!(slots.state().limit.unwrap().slots, 2);
            while slots.state().waiting.is_empty() {
                thread::yield_now();
            }
            drop(first);
            assert_eq!(third.join().unwrap(), 2);
        });
        drop(second);
        assert_eq!(slots.state().active, 0);
    }

    #[test]
    fn a_limit_grows_by_one_after_a_second_without_a_refusal() {
        let slots = Slots::default();
        let forever = wait_scope(Duration::MAX);
        let _first = slots.acquire(&forever).unwrap();
        slots.state().limit = Some(Limit {
            slots: 1,
            since: Instant::now().checked_sub(GROWS_AFTER).unwrap(),
        });
        let _second = slots.acquire(&forever).unwrap();
        assert_eq!(slots.state().limit.unwrap().slots, 2);
        slots.state().limit.as_mut().unwrap().since += Duration::from_secs(3_600);
        let third = slots.acquire(&wait_scope(Duration::from_millis(1)));
        assert!(matches!(third, Err(WaitEnd::TimedOut)));
        assert_eq!(slots.state().active, 2);
    }

    #[test]
    fn a_refusal_that_nothing_of_ours_can_end_is_final_after_a_while() {
        let slots = Slots::default();
        let forever = wait_scope(Duration::MAX);
        let mut slot = slots.acquire(&forever).unwrap();
        assert!(matches!(slot.refused(&forever), Ok(Refused::TryAgain)));
        slot.alone_since = Instant::now().checked_sub(ALONE);
        assert!(matches!(slot.refused(&forever), Ok(Refused::Final)));
        let soon = wait_scope(Duration::ZERO);
        slot.alone_since = None;
        assert!(matches!(slot.refused(&soon), Err(WaitEnd::TimedOut)));
        drop(slot);
        assert_eq!(slots.state().active, 0);
    }
}
