//! What goes wrong.

use std::time::Duration;

/// What goes wrong, and how often.
#[derive(Debug, Clone, Copy)]
pub(super) enum Trouble {
    /// A process is killed so often, and another one takes its place after a while.
    Kills { every: Duration, back: Duration },
    /// A process ends in order so often, and another one takes its place at once.
    Ends { every: Duration },
    /// A process stands still so often, for so long.
    Pauses { every: Duration, lasts: Duration },
    /// A process does not reach the store, so often, for so long; others do.
    CutOff { every: Duration, lasts: Duration },
    /// The store does not answer, so often, for so long.
    Away { every: Duration, lasts: Duration },
    /// The store takes in what it hears, and its answers come too late.
    Slow { every: Duration, lasts: Duration },
    /// The store loses all.
    Flush { every: Duration },
    /// A replica takes the store's place, and knows what the store knew so long ago at least.
    Failover { every: Duration, behind: Duration },
    /// The store's clock is set forward by an hour, and the next time back.
    Step { every: Duration },
    /// One message, or answer, in so many is lost.
    Lost { one_in: u64 },
    /// So many calls arrive that are no process' of these, so often.
    Strangers { every: Duration, calls: usize },
}

impl Trouble {
    /// How often, unless that depends on the messages.
    pub(super) fn every(self) -> Option<Duration> {
        match self {
            Trouble::Kills { every, .. }
            | Trouble::Ends { every }
            | Trouble::Pauses { every, .. }
            | Trouble::CutOff { every, .. }
            | Trouble::Away { every, .. }
            | Trouble::Slow { every, .. }
            | Trouble::Flush { every }
            | Trouble::Failover { every, .. }
            | Trouble::Step { every }
            | Trouble::Strangers { every, .. } => Some(every),
            Trouble::Lost { .. } => None,
        }
    }
}
