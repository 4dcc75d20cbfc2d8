//! Which idle connections are still trusted. A connection is seldom dead alone: a restart of the service or a proxy, or a
//! NAT that forgot it, ends all idle connections. So the first dead one ends an epoch: a connection that went idle in it
//! or before is not used again.
//!
//! ```text
//! answered ── idle in epoch e ──┬─ e is current ───► used again ─┬─ answered: idle in the current epoch
//!                               └─ e has ended ────► closed      └─ dead: e ends
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The current epoch of a client's connections. Clones share one state.
#[derive(Debug, Clone, Default)]
pub(super) struct Epoch(Arc<AtomicU64>);

impl Epoch {
    /// The epoch of a connection that goes idle now.
    pub(super) fn current(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// A connection that went idle in `epoch` is dead. Connections of a later epoch stay.
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
