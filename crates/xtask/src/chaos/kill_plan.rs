//! The kill plan: when the import and the emulator are killed. The moments are spread over the import's progress, drawn from the seed.
//!
//! Progress is how many users have tags, of those who had none before: it survives every kill, and repeated work does
//! not move it.

use std::collections::VecDeque;
use std::time::Duration;

use super::file::Draw;

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
/// The most that the emulator is away.
const AWAY_MS: u64 = 2_000;

/// So many kills of the import, one right at its start, one near its end, and those of the emulator between them: one
/// for each five, and at least one.
pub(super) fn kills(seed: u64, imports: u32) -> VecDeque<Kill> {
    let mut draw = Draw {
        seed: !seed,
        drawn: 0,
    };
    let mut kills: Vec<Kill> = Vec::new();
    for nth in 0..imports {
        let is_last = nth > 0 && nth + 1 == imports;
        let at = match nth {
            0 => 0.0,
            // not later, as some users fail, and the rest goes in a moment
            _ if is_last => 0.95 + 0.03 * draw.share(),
            nth => (f64::from(nth) + draw.share()) / f64::from(imports),
        };
        let after = if is_last { AFTER_MS / 10 } else { AFTER_MS };
        kills.push(Kill {
            at,
            after: draw.milliseconds(after),
            victim: Victim::Import,
        });
    }
    for nth in 0..imports.div_ceil(5) {
        let at = (f64::from(nth) + draw.share()) / f64::from(imports.div_ceil(5));
        let away = draw.milliseconds(AWAY_MS);
        kills.push(Kill {
            at,
            after: draw.milliseconds(AFTER_MS),
            victim: Victim::Emulator(away),
        });
    }
    kills.sort_by(|one, next| one.at.total_cmp(&next.at));
    kills.into()
}

impl Draw {
    /// From 0 to 1.
    fn share(&mut self) -> f64 {
        #[allow(clippy::cast_precision_loss)] // a million is exact
        let share = self.below(1_000_000) as f64 / 1e6;
        share
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
        assert!(
            kills
                .iter()
                .zip(kills.iter().skip(1))
                .all(|(one, next)| one.at <= next.at)
        );
    }

    #[test]
    fn the_same_seed_kills_at_the_same_moments() {
        assert_eq!(kills(7, 5), kills(7, 5));
        assert_ne!(kills(7, 5), kills(8, 5));
    }
}
