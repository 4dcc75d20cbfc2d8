//! Which calls failed since the last answer. Where one caller fails, something on the way may reject its request; where
//! two fail, it is an outage.

use std::time::Duration;

use super::Caller;

/// The last failure, and the last one of another caller.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    last: Option<(Caller, Duration)>,
    other: Option<Duration>,
}

impl Evidence {
    /// An attempt of `caller` failed that was started then.
    pub(super) fn failed(&mut self, caller: Caller, started: Duration) {
        if let Some((last, at)) = self.last
            && last != caller
        {
            self.other = Some(at);
        }
        self.last = Some((caller, started));
    }

    /// Whether two callers failed.
    pub(super) fn is_outage(&self) -> bool {
        self.other.is_some()
    }

    /// Whether two callers failed with attempts that were started then or later.
    pub(super) fn is_outage_since(&self, moment: Duration) -> bool {
        self.other.is_some_and(|started| started >= moment)
            && self.last.is_some_and(|(_, started)| started >= moment)
    }
}
