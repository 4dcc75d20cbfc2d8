//! The network between a client and the service: how long a call takes there, and its answer back.

use std::time::Duration;

use crate::random::Rng;

/// A path, as a scenario describes it. Service time counts as part of the way back: it lies after
/// the arrival.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path {
    /// The least that a call takes.
    pub(super) there: Duration,
    /// The least that an answer takes.
    pub(super) back: Duration,
    /// How much longer a round trip takes at most: half of it on each way, evenly drawn.
    pub(super) jitter: Duration,
    pub(super) trouble: Trouble,
}

/// What happens to some of the calls.
#[derive(Debug, Clone, Copy)]
pub(super) enum Trouble {
    None,
    /// One in a hundred is held up on the way there, for 0.1 to 0.8 s.
    StalledThere,
    /// One in a hundred answers is held up, for 0.1 to 0.8 s.
    StalledBack,
    /// The first hundred take 200 ms longer to arrive: connections are being set up.
    Cold,
    /// From the 300th second on the way there takes only so long.
    SuddenlyShort(Duration),
    /// Every other call goes by a path whose two ways are exchanged.
    TwoPaths,
}

impl Path {
    /// How long one call takes there, and its answer back.
    pub(super) fn draw(&self, rng: &mut Rng, call: usize, now: Duration) -> [Duration; 2] {
        let [mut there, mut back] = [self.there, self.back];
        match self.trouble {
            Trouble::StalledThere if rng.one_in(100) => there += stall(rng),
            Trouble::StalledBack if rng.one_in(100) => back += stall(rng),
            Trouble::Cold if call < 100 => there += Duration::from_millis(200),
            Trouble::SuddenlyShort(short) if now >= Duration::from_secs(300) => there = short,
            Trouble::TwoPaths if call % 2 == 1 => [there, back] = [back, there],
            _ => {}
        }
        [there, back].map(|way| way + rng.between(Duration::ZERO, self.jitter / 2))
    }
}

impl Rng {
    /// Evenly drawn from `from` up to and including `to`, which lie below the 584 years that fit.
    pub(super) fn between(&mut self, from: Duration, to: Duration) -> Duration {
        let span = u64::try_from(to.saturating_sub(from).as_nanos()).unwrap_or(u64::MAX - 1) + 1;
        from + Duration::from_nanos(self.below(span))
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

fn stall(rng: &mut Rng) -> Duration {
    rng.between(Duration::from_millis(100), Duration::from_millis(800))
}
