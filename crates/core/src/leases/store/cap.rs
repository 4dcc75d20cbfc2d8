//! The cap of all processes together: the rule of the quota's cap, in milliseconds and with a longer wait after a cut.

/// A cap is counted in millionths of a slot.
const SLOT: u64 = 1_000_000;

/// By when growth makes up for any cut.
const RECOVERED: u64 = 84_000;

/// When growth begins to quicken.
const SLOW: u64 = 20_000;

/// How long it takes until all processes keep to a cut: they call the store every second, and what they have sent is on
/// its way. What is rejected of that makes no other cut.
const SETTLED: u64 = 2_000;

/// The last cut of one operation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cut {
    /// When it was; 0 if never.
    at: u64,
    /// What it left, in millionths of a slot.
    left: u64,
}

impl Cut {
    /// How many slots may be used: at least one.
    pub(super) fn cap(&self, slots: u64, now: u64) -> u64 {
        self.level(slots, now) / SLOT
    }

    /// A call that was sent at that moment was rejected. True if that takes a tenth of the cap.
    pub(super) fn cut(&mut self, slots: u64, sent: u64, now: u64) -> bool {
        let counts = self.at == 0 || sent > self.at + SETTLED;
        if counts {
            let left = (self.level(slots, now) / 10 * 9).max(SLOT);
            *self = Cut { at: now, left };
        }
        counts
    }

    fn level(&self, slots: u64, now: u64) -> u64 {
        if self.at == 0 {
            return slots * SLOT;
        }
        let t = (now - self.at).min(RECOVERED);
        let growth = if t <= SLOW {
            2 * t
        } else {
            // 10^9 of milliseconds cubed are a second cubed
            (t * t * t / 1_000_000_000 + 16_000) * 10 / 6
        };
        (self.left + slots * growth).min(slots * SLOT)
    }
}
