//! What of the queue is in memory at once, in bytes.

use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

/// A limit of bytes. A clone is the same one.
#[derive(Clone)]
pub(crate) struct ByteLimit(Arc<Inner>);

struct Inner {
    most: u64,
    state: Mutex<State>,
    /// Bytes are given back, or it is closed.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    taken: u64,
    is_closed: bool,
}

/// Bytes that are given back where this is dropped.
pub(crate) struct Taken {
    limit: ByteLimit,
    bytes: u64,
}

impl ByteLimit {
    pub(crate) fn new(most: u64) -> ByteLimit {
        ByteLimit(Arc::new(Inner {
            most,
            state: Mutex::default(),
            changed: Condvar::new(),
        }))
    }

    /// Takes bytes where there are so many, or where nothing is taken: what is larger than the limit goes alone.
    pub(crate) fn hold(&self, bytes: u64) -> Option<Taken> {
        self.take(bytes).then(|| Taken {
            limit: self.clone(),
            bytes,
        })
    }

    /// The same, for a caller who is to [give them back](ByteLimit::give_back). Returns whether there were so many.
    pub(crate) fn take(&self, bytes: u64) -> bool {
        self.0.state.lock().take(bytes, self.0.most)
    }

    /// Takes bytes as soon as there are so many. Returns false once it is closed.
    pub(crate) fn wait(&self, bytes: u64) -> bool {
        let mut state = self.0.state.lock();
        while !state.is_closed {
            if state.take(bytes, self.0.most) {
                return true;
            }
            self.0.changed.wait(&mut state);
        }
        false
    }

    pub(crate) fn give_back(&self, bytes: u64) {
        let mut state = self.0.state.lock();
        state.taken = state.taken.saturating_sub(bytes);
        drop(state);
        self.0.changed.notify_all();
    }

    /// Ends all waits.
    pub(crate) fn close(&self) {
        self.0.state.lock().is_closed = true;
        self.0.changed.notify_all();
    }
}

impl State {
    fn take(&mut self, bytes: u64, most: u64) -> bool {
        let after = self.taken.saturating_add(bytes);
        let fits = self.taken == 0 || after <= most;
        if fits {
            self.taken = after;
        }
        fits
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.limit.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn so_many_bytes_are_taken_at_once_and_what_is_larger_goes_alone() {
        let limit = ByteLimit::new(100);
        let first = limit.hold(60);
        assert!(first.is_some());
        assert!(limit.hold(41).is_none() && limit.hold(1_000).is_none());
        let second = limit.hold(40);
        assert!(second.is_some());
        drop(first);
        assert!(limit.hold(61).is_none(), "40 are taken");
        drop(second);
        let alone = limit.hold(1_000);
        assert!(alone.is_some() && limit.hold(1).is_none());
    }

    #[test]
    fn a_wait_ends_when_bytes_are_given_back_or_it_is_closed() {
        let limit = ByteLimit::new(100);
        assert!(limit.wait(100));
        thread::scope(|scope| {
            let waits = scope.spawn(|| limit.wait(1));
            limit.give_back(100);
            assert!(waits.join().unwrap_or(false));
            let waits = scope.spawn(|| limit.wait(100));
            limit.close();
            assert!(matches!(waits.join(), Ok(false)));
        });
    }
}
