//! Ends the wait for what is under way of a session that ends: of the one that ends now, or of all from now on.

use std::sync::Arc;

use imtag_transport::CancelToken;
use parking_lot::Mutex;

/// A clone hurries the same sessions.
#[derive(Clone, Default)]
pub(super) struct Hurry(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Of the wait that was begun last.
    wait: CancelToken,
    is_for_good: bool,
}

impl Hurry {
    /// A wait begins, which ends where this is cancelled.
    pub(super) fn wait(&self) -> CancelToken {
        let mut state = self.0.lock();
        state.wait = CancelToken::new();
        if state.is_for_good {
            state.wait.cancel();
        }
        state.wait.clone()
    }

    /// Ends the wait, if there is one.
    pub(super) fn now(&self) {
        self.0.lock().wait.cancel();
    }

    /// Ends it, and each that begins later.
    pub(super) fn for_good(&self) {
        let mut state = self.0.lock();
        state.is_for_good = true;
        state.wait.cancel();
    }

    pub(super) fn is_for_good(&self) -> bool {
        self.0.lock().is_for_good
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wait_is_hurried_or_each_from_now_on() {
        let hurry = Hurry::default();
        hurry.now();
        let first = hurry.wait();
        assert!(!first.is_cancelled());
        hurry.now();
        assert!(first.is_cancelled() && !hurry.is_for_good());
        let second = hurry.wait();
        assert!(!second.is_cancelled());
        hurry.for_good();
        assert!(second.is_cancelled() && hurry.wait().is_cancelled() && hurry.is_for_good());
    }
}
