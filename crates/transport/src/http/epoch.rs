//! Which idle connections are still trusted. A connection that proves dead was seldom alone: a restart of the service, a
//! proxy or a NAT that forgot it took all that were idle with it. So the first death ends an epoch: what went idle in it,
//! or before, is not used again.
//!
//! ```text
//! answered ── idle in epoch e ──┬─ e is current ───► used again ─┬─ answered: idle in the current epoch
//!                               └─ e has ended ────► closed      └─ dead: e ends
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The current epoch of a client's connections. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Epoch(Arc<AtomicU64>);

impl Epoch {
    /// The epoch of a connection that goes idle now.
    pub(super) fn current(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// A connection that went idle in `epoch` proved dead. What went idle after an earlier death stays.
    pub(super) fn end(&self, epoch: u64) {
        self.0.fetch_max(epoch + 1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_ends_once_however_many_of_its_connections_die() {
        let epoch = Epoch::default();
        let its = epoch.clone();
        for _ in 0..3 {
            its.end(0);
        }
        assert_eq!(epoch.current(), 1);
        its.end(1);
        assert_eq!(epoch.current(), 2);
    }
}
