//! The connections of a listener, up to a bound; and who of them makes room for one that waits at it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// What a connection is in that may have to make room, or to end for a drain: those that are first go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// It has sent nothing since it was accepted.
    Silent,
    /// It has had its answer, and is kept for another request.
    Idle,
    /// It has sent a part: of a handshake, of a head.
    Unfinished,
}

impl Rank {
    /// For so long it may stay all the same: a program that opens a connection for each call would see the call fail, and
    /// what has begun is mostly a moment from its end.
    pub(crate) fn patience(self) -> Option<Duration> {
        match self {
            Rank::Silent => Some(Duration::from_millis(100)),
            Rank::Idle => None,
            Rank::Unfinished => Some(Duration::from_secs(1)),
        }
    }
}

/// The connections that a listener may have open.
#[derive(Debug)]
pub(crate) struct Slots {
    free: Arc<Semaphore>,
    room: Mutex<Room>,
}

#[derive(Debug, Default)]
struct Room {
    /// A connection waits for a slot, and nobody could be asked for one.
    is_wanted: bool,
    number: u64,
    /// Who can be asked, the first one first.
    standing: BTreeMap<(Rank, u64), Arc<Notify>>,
}

impl Room {
    fn ask(&mut self) {
        match self.standing.pop_first() {
            Some((_, first)) => first.notify_one(),
            None => self.is_wanted = true,
        }
    }
}

impl Slots {
    pub(crate) fn new(connections: usize) -> Slots {
        Slots {
            free: Arc::new(Semaphore::new(connections)),
            room: Mutex::default(),
        }
    }

    pub(crate) fn free(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free).try_acquire_owned().ok()
    }

    /// Asks for a slot, and waits for it; one at a time does.
    pub(crate) async fn freed(&self) -> OwnedSemaphorePermit {
        self.room.lock().ask();
        let slot = Arc::clone(&self.free).acquire_owned().await;
        self.room.lock().is_wanted = false;
        slot.expect("the slots are never closed")
    }

    /// Returns once this connection is to make room, after those that go before it. It is over with the future.
    pub(crate) async fn asked(&self, rank: Rank) {
        let notify = Arc::new(Notify::new());
        let key = {
            let mut room = self.room.lock();
            room.number += 1;
            let key = (rank, room.number);
            if std::mem::take(&mut room.is_wanted) {
                notify.notify_one();
            } else {
                room.standing.insert(key, Arc::clone(&notify));
            }
            key
        };
        let mut standing = Standing {
            slots: self,
            key,
            goes: false,
        };
        notify.notified().await;
        standing.goes = true;
    }
}

/// A connection that can be asked.
struct Standing<'s> {
    slots: &'s Slots,
    key: (Rank, u64),
    goes: bool,
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        let mut room = self.slots.room.lock();
        let was_asked = room.standing.remove(&self.key).is_none();
        // it has something to do meanwhile: another one makes room
        if was_asked && !self.goes {
            room.ask();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn is_ready(future: std::pin::Pin<&mut impl Future>) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        matches!(future.poll(&mut cx), Poll::Ready(_))
    }

    #[test]
    fn the_silent_go_before_the_idle_and_those_before_what_has_begun() {
        let slots = Slots::new(0);
        let mut begun = pin!(slots.asked(Rank::Unfinished));
        let mut idle = pin!(slots.asked(Rank::Idle));
        let mut idle_later = pin!(slots.asked(Rank::Idle));
        let mut silent = pin!(slots.asked(Rank::Silent));
        assert!(!is_ready(begun.as_mut()) && !is_ready(idle.as_mut()));
        assert!(!is_ready(idle_later.as_mut()) && !is_ready(silent.as_mut()));
        let asks = || assert!(!is_ready(pin!(slots.freed())));
        asks();
        assert!(is_ready(silent.as_mut()) && !is_ready(idle.as_mut()));
        asks();
        assert!(is_ready(idle.as_mut()) && !is_ready(idle_later.as_mut()));
        asks();
        assert!(is_ready(idle_later.as_mut()) && !is_ready(begun.as_mut()));
        asks();
        assert!(is_ready(begun.as_mut()));
    }

    #[test]
    fn one_that_is_asked_and_has_something_to_do_hands_the_wish_on() {
        let slots = Slots::new(0);
        assert!(!is_ready(pin!(slots.freed())));
        {
            // it hears the wish, and a request comes at the same moment
            let mut first = Box::pin(slots.asked(Rank::Idle));
            let mut next = pin!(slots.asked(Rank::Idle));
            slots.room.lock().is_wanted = false;
            assert!(!is_ready(first.as_mut()) && !is_ready(next.as_mut()));
            slots.room.lock().ask();
            drop(first);
            assert!(is_ready(next.as_mut()));
        }
        // nobody is left: the next one that comes is asked
        slots.room.lock().ask();
        assert!(is_ready(pin!(slots.asked(Rank::Silent))));
    }
}
