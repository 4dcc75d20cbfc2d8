//! The start slots: a process that begins does not know what its predecessor sent in the last
//! second.
//!
//! A client killed and resumed at once would otherwise bring up to 2N arrivals into one second. So
//! slot 0 is free at once, and slot i of 1..N−1 is held until `start + 0.1 s + i · 1 s / N`: for
//! each of the predecessor's calls that leaves the window a slot is released, a tenth of a second
//! later. The tenth is for calls that were still on their way, and for calls that were not evenly
//! spread; spent little by little, as `i · 1.1 s / N`, it is missing when a process is back at once.
//! The full quota is there after 1.1 s.
//!
//! The first call of a process back at once may still be rejected, as it is one more than the full
//! second before it; to hold that one too would make every start wait. So a process whose window is longer than a
//! second, as its N is 1, makes one call at each start. The slots are a straight
//! line, and are computed, not stored.

use std::num::NonZeroU32;
use std::time::Duration;

/// The window of the service's count; its documentation says "calls per second".
const SECOND: Duration = Duration::from_secs(1);

/// How much later each slot but the first is released than an even predecessor's calls leave the
/// window.
const LEAD: Duration = Duration::from_millis(100);

/// The slots of one start.
#[derive(Debug)]
pub(super) struct StartSlots {
    slots: u32,
    start: Duration,
}

impl StartSlots {
    pub(super) fn new(calls: NonZeroU32, start: Duration) -> StartSlots {
        StartSlots {
            slots: calls.get(),
            start,
        }
    }

    pub(super) fn held(&self, now: Duration) -> usize {
        let last = self.slots - 1;
        // At most `last`, which is a u32; a usize is no smaller on any target with sockets.
        (last - self.released(now).min(last)) as usize
    }

    /// Releases all slots: there is but slot 0 now, which is free.
    pub(super) fn release(&mut self) {
        self.slots = 1;
    }

    /// When the next slot is released.
    pub(super) fn next(&self, now: Duration) -> Option<Duration> {
        let slot = self.released(now) + 1;
        let after = (SECOND.as_nanos() * u128::from(slot)).div_ceil(u128::from(self.slots));
        let after = LEAD + Duration::from_nanos(u64::try_from(after).ok()?);
        (slot < self.slots).then(|| self.start.saturating_add(after))
    }

    /// The last slot released by now.
    fn released(&self, now: Duration) -> u32 {
        let elapsed = now.saturating_sub(self.start).saturating_sub(LEAD);
        let slot = elapsed.min(SECOND).as_nanos() * u128::from(self.slots) / SECOND.as_nanos();
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
    fn one_call_may_go_at_once_and_after_a_tenth_of_a_second_another_each_n_th_of_one() {
        let slots = slots(100);
        for (now, held, next) in [
            (0, 99, Some(110_000)),
            (109_999, 99, Some(110_000)),
            (110_000, 98, Some(120_000)),
            (600_000, 49, Some(610_000)),
            (1_089_999, 1, Some(1_090_000)),
            (1_090_000, 0, None),
            (u64::MAX / 1_000, 0, None),
        ] {
            let looked = (slots.held(after(now)), slots.next(after(now)));
            assert_eq!(looked, (held, next.map(after)), "after {now} µs");
        }
        assert_eq!(slots.held(Duration::MAX), 0);
        assert_eq!(slots.next(Duration::MAX), None);
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
    fn released_slots_are_held_no_more() {
        let mut slots = slots(100);
        slots.release();
        assert_eq!((slots.held(after(0)), slots.next(after(0))), (0, None));
    }

    #[test]
    fn a_clock_before_the_start_is_the_start() {
        assert_eq!(slots(100).held(Duration::ZERO), 99);
    }
}
