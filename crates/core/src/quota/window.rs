//! The calls that count beside those in flight, as they may have arrived in the last window or may arrive in it: answered
//! calls, abandoned calls, and what a killed predecessor may have sent.
//!
//! | call | counts until | example, with a window of 1 s |
//! |---|---|---|
//! | answered at A | A + window + margin − credit | at 2.040 s, with a credit of 40 ms: until 3.002 s |
//! | sent at S, abandoned at B | max(S + 2 s, B) + window | sent at 2.0 s, abandoned at 2.3 s: until 5.0 s |
//! | start slot i of 1..N−1 | start + 0.1 s + i · 1 s / N | slot 1 of 100: until 0.11 s after the start |
//!
//! - An **answered** call may have arrived as late as its answer. A faster answer lowers the credit at once, so each is
//!   judged at every look, not given an expiry when it comes in, and is dropped only when no credit could bring it
//!   back.
//! - An **abandoned** call may arrive long after its caller timed out, as a request can stall in a socket's buffer or a
//!   middlebox: two seconds after it was sent, or when it was abandoned if that is later.
//! - The **start slots** are for a client that is killed and resumed at once, which would otherwise bring up to 2N arrivals
//!   into one second. Slot 0 is free. For each of the predecessor's calls that leaves the window another slot is released, a
//!   tenth of a second later. The tenth is for calls that were still on their way, and for calls that were not evenly spread;
//!   spent little by little, as `i · 1.1 s / N`, it is missing when a process is back at once. The full quota is there after
//!   1.1 s. The first call of a process that is back at once may still be rejected, as it is one more than the full second
//!   before it; to hold that one too would make every start wait. So a process with N = 1 makes one call at each start, also
//!   if its window is longer than a second.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::num::NonZeroU32;
use std::time::Duration;

/// What part of the window the margin is: 2 ms of a second.
///
/// For what the measured round trip and the two clocks may be off. Without it a server clock
/// 100 ppm slow, whose second is longer than ours, rejects half of all calls; and one of 500 ppm
/// needs it even where there is no credit yet, or no round trip to speak of.
pub(crate) const MARGIN: u32 = 500;

/// How long after it was sent an abandoned call may arrive.
pub(crate) const LATEST_ARRIVAL: Duration = Duration::from_secs(2);

/// Over how long the start slots are released: what the service's pages count calls by.
const SECOND: Duration = Duration::from_secs(1);

/// How much later a start slot is released than an even predecessor's call leaves the window.
const LEAD: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Window {
    window: Duration,
    /// When answers came in, oldest first.
    answers: VecDeque<Duration>,
    /// When abandoned calls cease to count. A heap, as the one abandoned last is not always the last.
    releases: BinaryHeap<Reverse<Duration>>,
    start: Duration,
    /// Computed, not stored, as they are a straight line.
    start_slots: u32,
}

/// What counts at one moment.
pub(super) struct Look {
    pub(super) count: usize,
    /// When the first of them ceases to count.
    pub(super) next: Option<Duration>,
}

impl Window {
    pub(super) fn new(calls: NonZeroU32, window: Duration, start: Duration) -> Window {
        Window {
            window,
            answers: VecDeque::new(),
            releases: BinaryHeap::new(),
            start,
            start_slots: calls.get(),
        }
    }

    /// `now` is not before any earlier answer.
    pub(super) fn answered(&mut self, now: Duration) {
        self.answers.push_back(now);
    }

    pub(super) fn abandoned(&mut self, sent: Duration, now: Duration) {
        let arrival = now.max(sent.saturating_add(LATEST_ARRIVAL));
        let release = arrival.saturating_add(self.window);
        self.releases.push(Reverse(release));
    }

    /// Only slot 0 is left, which is free.
    pub(super) fn release_start_slots(&mut self) {
        self.start_slots = 1;
    }

    pub(super) fn look(&mut self, now: Duration, credit: Duration) -> Look {
        let longest = self.window + self.window / MARGIN;
        let until = |at: Duration, time: Duration| at.saturating_add(time);
        while let Some(true) = self.answers.front().map(|at| until(*at, longest) <= now) {
            self.answers.pop_front();
        }
        while let Some(true) = self.releases.peek().map(|release| release.0 <= now) {
            self.releases.pop();
        }
        let time = longest.saturating_sub(credit);
        let expired = self.answers.partition_point(|at| until(*at, time) <= now);
        let answer = self.answers.get(expired).map(|at| until(*at, time));
        let release = self.releases.peek().map(|release| release.0);
        let slots = self.start_slots - 1;
        let free = self.free_slots(now).min(slots);
        let events = [answer, release, self.slot_release(free + 1)];
        Look {
            // slots are a u32, and a usize is no smaller on any target with sockets
            count: self.answers.len() - expired + self.releases.len() + (slots - free) as usize,
            next: events.into_iter().flatten().min(),
        }
    }

    /// How many start slots have been released.
    fn free_slots(&self, now: Duration) -> u32 {
        let elapsed = now.saturating_sub(self.start).saturating_sub(LEAD);
        let slots = u128::from(self.start_slots);
        let free = elapsed.min(SECOND).as_nanos() * slots / SECOND.as_nanos();
        u32::try_from(free).unwrap_or(u32::MAX)
    }

    /// When a slot is released, if there is one of this number.
    fn slot_release(&self, slot: u32) -> Option<Duration> {
        if slot >= self.start_slots {
            return None;
        }
        let after = (SECOND.as_nanos() * u128::from(slot)).div_ceil(u128::from(self.start_slots));
        let after = LEAD + Duration::from_nanos(u64::try_from(after).ok()?);
        Some(self.start.saturating_add(after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What counts so many microseconds after the start at 7 s, and the next event.
    fn look(window: &mut Window, micros: u64) -> (usize, Option<u128>) {
        let start = Duration::from_secs(7);
        let look = window.look(start + Duration::from_micros(micros), Duration::ZERO);
        let after = |next: Duration| (next - start).as_nanos();
        (look.count, look.next.map(after))
    }

    fn started(calls: u32) -> Window {
        let calls = NonZeroU32::new(calls).expect("not zero");
        Window::new(calls, SECOND, Duration::from_secs(7))
    }

    #[test]
    fn one_call_may_go_at_once_and_after_a_tenth_of_a_second_another_each_n_th_of_one() {
        for (micros, held, next) in [
            (0, 99, Some(110_000_000)),
            (109_999, 99, Some(110_000_000)),
            (110_000, 98, Some(120_000_000)),
            (600_000, 49, Some(610_000_000)),
            (1_089_999, 1, Some(1_090_000_000)),
            (1_090_000, 0, None),
            (u64::MAX / 1_000, 0, None),
        ] {
            let looked = look(&mut started(100), micros);
            assert_eq!(looked, (held, next), "after {micros} µs");
        }
        assert_eq!(look(&mut started(1), 0), (0, None));
        let before_start = started(100).look(Duration::ZERO, Duration::ZERO);
        assert_eq!(before_start.count, 99);
        let mut released = started(100);
        released.release_start_slots();
        assert_eq!(look(&mut released, 0), (0, None));
    }

    #[test]
    fn a_slot_that_falls_between_two_nanoseconds_is_free_when_it_was_announced() {
        for calls in [3, 7, 99_999, 100_000] {
            let mut window = started(calls);
            let mut look = |now| window.look(now, Duration::ZERO);
            let next = look(Duration::from_secs(7)).next.expect("a slot is held");
            let slots = calls as usize - 1;
            assert_eq!(look(next - Duration::from_nanos(1)).count, slots);
            assert_eq!(look(next).count, slots - 1);
        }
    }
}
