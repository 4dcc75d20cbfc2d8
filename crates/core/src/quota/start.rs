//! The start slots: a process that begins does not know what its predecessor sent in the last
//! second.
//!
//! A client killed and resumed at once would otherwise bring up to 2N arrivals into one second. So
//! slot i of 0..N−1 is held until `start + i · 1.1 s / N`: the first call goes at once, and the
//! full quota is there after 1.1 s, by when all that the predecessor sent has left the window. The
//! slots are a straight line, and are computed, not stored.

use std::num::NonZeroU32;
use std::time::Duration;

/// Over what time the slots are released: a second for the window, and a tenth for calls that were
/// still on their way.
const SPREAD: Duration = Duration::from_millis(1_100);

/// The slots of one start.
#[derive(Debug)]
pub(super) struct StartSlots {
    slots: u32,
    start: Duration,
}

impl StartSlots {
    pub(super) fn new(calls_per_second: NonZeroU32, start: Duration) -> StartSlots {
        StartSlots {
            slots: calls_per_second.get(),
            start,
        }
    }

    pub(super) fn held(&self, now: Duration) -> usize {
        let last = self.slots - 1;
        // At most `last`, which is a u32; a usize is no smaller on any target with sockets.
        (last - self.released(now).min(last)) as usize
    }

    /// When the next slot is released.
    pub(super) fn next(&self, now: Duration) -> Option<Duration> {
        let slot = self.released(now) + 1;
        let after = (SPREAD.as_nanos() * u128::from(slot)).div_ceil(u128::from(self.slots));
        let after = Duration::from_nanos(u64::try_from(after).ok()?);
        (slot < self.slots).then(|| self.start.saturating_add(after))
    }

    /// The last slot released by now.
    fn released(&self, now: Duration) -> u32 {
        let elapsed = now.saturating_sub(self.start).min(SPREAD);
        let slot = elapsed.as_nanos() * u128::from(self.slots) / SPREAD.as_nanos();
        u32::try_from(slot).unwrap_or(self.slots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(calls_per_second: u32) -> StartSlots {
        let calls_per_second = NonZeroU32::new(calls_per_second).expect("not zero");
        StartSlots::new(calls_per_second, Duration::from_secs(7))
    }

    fn after(micros: u64) -> Duration {
        Duration::from_secs(7) + Duration::from_micros(micros)
    }

    #[test]
    fn one_call_may_go_at_once_and_another_each_n_th_of_the_spread() {
        let slots = slots(100);
        assert_eq!(
            (slots.held(after(0)), slots.next(after(0))),
            (99, Some(after(11_000)))
        );
        assert_eq!(slots.held(after(10_999)), 99);
        assert_eq!(
            (slots.held(after(11_000)), slots.next(after(11_000))),
            (98, Some(after(22_000)))
        );
        assert_eq!(
            (slots.held(after(1_088_999)), slots.next(after(1_088_999))),
            (1, Some(after(1_089_000)))
        );
        assert_eq!(
            (slots.held(after(1_089_000)), slots.next(after(1_089_000))),
            (0, None)
        );
        assert_eq!(
            (slots.held(Duration::MAX), slots.next(Duration::MAX)),
            (0, None)
        );
    }

    #[test]
    fn a_quota_of_one_holds_nothing() {
        assert_eq!(
            (slots(1).held(after(0)), slots(1).next(after(0))),
            (0, None)
        );
    }

    #[test]
    fn a_slot_that_falls_between_two_nanoseconds_is_free_when_it_was_announced() {
        for calls_per_second in [3, 7, 99_999, 100_000] {
            let slots = slots(calls_per_second);
            let next = slots.next(after(0)).expect("more than one slot");
            assert_eq!(slots.held(next), calls_per_second as usize - 2);
            assert_eq!(
                slots.held(next - Duration::from_nanos(1)),
                calls_per_second as usize - 1
            );
        }
    }

    #[test]
    fn a_clock_before_the_start_is_the_start() {
        assert_eq!(slots(100).held(Duration::ZERO), 99);
    }
}
