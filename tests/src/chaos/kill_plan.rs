//! The kill plan: when the import and the emulator are killed. The moments are drawn from the seed, and spread over the
//! import's progress.
//!
//! Progress is how many users have tags, of those who had none before: it survives every kill, and repeated work does
//! not move it.

use std::collections::VecDeque;
use std::time::Duration;

use crate::random::Rng;

/// The process that is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Victim {
    Import,
    /// For so long it is away.
    Emulator(Duration),
}

/// A kill: at this progress, from 0 to 1, and so long after.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Kill {
    pub(super) at: f64,
    pub(super) after: Duration,
    pub(super) victim: Victim,
}

/// The most that a kill comes after its progress is reached.
const AFTER_MS: u64 = 250;
/// The last progress of a kill: some users fail, and the rest goes in a moment.
const LATEST: f64 = 0.98;
/// The most that the emulator is away.
const AWAY_MS: u64 = 2_000;

/// So many kills of the import, one right at its start, one near its end, and those of the emulator between them: one
/// for each five, and at least one.
pub(super) fn kills(seed: u64, imports: u32) -> VecDeque<Kill> {
    let mut rng = Rng::new(!seed);
    let spread =
        |rng: &mut Rng, nth: u32, count: u32| (f64::from(nth) + rng.share()) / f64::from(count);
    let mut kills: Vec<Kill> = Vec::new();
    for nth in 0..imports {
        let (at, after) = if nth == 0 {
            (0.0, AFTER_MS)
        } else if nth + 1 == imports {
            (LATEST - 0.03 + 0.03 * rng.share(), AFTER_MS / 10)
        } else {
            (spread(&mut rng, nth, imports), AFTER_MS)
        };
        let after = rng.milliseconds(after);
        kills.push(Kill {
            at,
            after,
            victim: Victim::Import,
        });
    }
    for nth in 0..imports.div_ceil(5) {
        let at = spread(&mut rng, nth, imports.div_ceil(5)).min(LATEST);
        let victim = Victim::Emulator(rng.milliseconds(AWAY_MS));
        let after = rng.milliseconds(AFTER_MS);
        kills.push(Kill { at, after, victim });
    }
    kills.sort_by(|one, next| one.at.total_cmp(&next.at));
    kills.into()
}

impl Rng {
    /// From 0 to 1.
    fn share(&mut self) -> f64 {
        self.below(1_000_000) as f64 / 1e6
    }

    fn milliseconds(&mut self, most: u64) -> Duration {
        Duration::from_millis(self.below(most + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_are_spread_from_the_start_to_the_end_and_hit_both() {
        let kills = kills(7, 20);
        let of_import = |kill: &&Kill| kill.victim == Victim::Import;
        let imports: Vec<f64> = kills.iter().filter(of_import).map(|kill| kill.at).collect();
        assert_eq!(imports.len(), 20);
        assert_eq!(kills.len(), 24);
        assert!(imports[0] == 0.0 && imports[19] >= 0.95);
        for (nth, at) in imports[1..19].iter().enumerate() {
            let (from, to) = ((nth + 1) as f64 / 20.0, (nth + 2) as f64 / 20.0);
            assert!((from..to).contains(at), "{nth}: {at}");
        }
        // a later one may find all done
        assert!(
            self::kills(39_348_571, 21)
                .iter()
                .all(|kill| kill.at <= 0.98)
        );
        assert!(kills.iter().is_sorted_by(|one, next| one.at <= next.at));
    }

    #[test]
    fn the_same_seed_kills_at_the_same_moments() {
        assert_eq!(kills(7, 5), kills(7, 5));
        assert_ne!(kills(7, 5), kills(8, 5));
    }
}
