//! Changes that are held back, as requests that nobody waits for any more may still arrive at the service: what a daemon before
//! this one has sent, or its own batcher before this one. Such a request could undo a change that was answered.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Until when changes are held back; without an end where that is not known yet.
pub(crate) struct Hold(watch::Sender<Option<Instant>>);

impl Default for Hold {
    fn default() -> Hold {
        Hold(watch::Sender::new(Some(Instant::now())))
    }
}

impl Hold {
    /// Holds them back for so long from now on.
    pub(crate) fn hold(&self, time: Duration) {
        self.0.send_replace(Instant::now().checked_add(time));
    }

    /// True if they need not wait.
    pub(crate) fn is_over(&self) -> bool {
        is_over(*self.0.borrow())
    }

    /// For how long they are held back from now on, or so long at most.
    pub(crate) fn left(&self, most: Duration) -> Duration {
        let until = *self.0.borrow();
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        left.map_or(most, |left| left.min(most))
    }

    /// Waits until it is over, or until then. Returns whether it is over.
    pub(crate) async fn over(&self, deadline: Instant) -> bool {
        let mut hold = self.0.subscribe();
        loop {
            let until = *hold.borrow_and_update();
            if is_over(until) {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            let next = until.map_or(deadline, |until| until.min(deadline));
            tokio::select! {
                _ = hold.changed() => {}
                () = sleep_until(next) => {}
            }
        }
    }
}

fn is_over(until: Option<Instant>) -> bool {
    until.is_some_and(|until| until <= Instant::now())
}
