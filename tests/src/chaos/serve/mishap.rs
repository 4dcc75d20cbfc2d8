//! What happens to the daemon, its machine and the service, and when: all drawn from the seed.

use std::collections::VecDeque;
use std::time::Duration;

use crate::random::Rng;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mishap {
    /// `kill -9`, and a start after so long.
    Kill(Duration),
    /// SIGTERM, and a start at once.
    End,
    /// SIGHUP.
    Reload,
    /// SIGSTOP, and SIGCONT after so long.
    Stop(Duration),
    /// The clock goes so many seconds back, or again as far forth.
    Clock(i64),
    /// The disk is full for so long; where it is true, the daemon is killed meanwhile.
    FullDisk(Duration, bool),
    /// The service answers nothing but 502 for so long.
    Away(Duration),
    /// The key is wrong for so long.
    WrongKey(Duration),
    /// The operator pauses the queue, over a kill.
    Pause(Duration),
    /// The service closes all connections.
    Disconnect,
}

/// A mishap once so much of all is stored, from 0 to 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    pub(super) at: f64,
    pub(super) mishap: Mishap,
}

/// After the last of all others.
const LATEST: f64 = 0.95;
const HOUR: i64 = 3_600;

/// All of them, in their order: so many kills among them, the last of which comes when all is stored. A start that does not
/// know how the life before ended sends nothing for ten seconds, so in a short run they come late.
pub(super) fn mishaps(seed: u64, kills: u32, long: bool) -> VecDeque<Due> {
    let mut rng = Rng::new(!seed);
    let mut ms = |least: u64, most: u64| Duration::from_millis(least + rng.below(most - least + 1));
    let away = if long { (2_000, 20_000) } else { (300, 700) };
    let full = if long { (1_000, 5_000) } else { (300, 600) };
    let others = if long { 4 } else { 1 };
    let (stops, stopped) = if long { (3, 30_000) } else { (1, 1_200) };
    let starts = [
        (1..kills).map(|_| Mishap::Kill(ms(0, 500))).collect(),
        vec![Mishap::End; others],
        (0..others)
            .map(|nth| Mishap::FullDisk(ms(full.0, full.1), nth % 2 == 1))
            .collect(),
        (0..others.div_ceil(2))
            .map(|_| Mishap::Pause(ms(full.0, full.1)))
            .collect(),
    ];
    let without_a_start = [
        vec![Mishap::Stop(Duration::from_millis(stopped)); stops],
        vec![Mishap::Clock(-HOUR), Mishap::Clock(HOUR)],
        vec![Mishap::Disconnect; others],
        vec![Mishap::Reload; others],
        (0..others)
            .map(|_| Mishap::Away(ms(away.0, away.1)))
            .collect(),
        (0..others.div_ceil(2))
            .map(|_| Mishap::WrongKey(ms(full.0, full.1)))
            .collect(),
    ];
    let (first_start, last_other) = if long { (0.0, LATEST) } else { (0.6, 0.6) };
    let mut dues = Vec::new();
    let mut spread = |mishaps: Vec<Mishap>, from: f64, to: f64| {
        let each = (to - from) / mishaps.len() as f64;
        for (mishap, nth) in mishaps.into_iter().zip(0..) {
            let share = rng.below(1_000_000) as f64 / 1e6;
            let at = from + (f64::from(nth) + share) * each;
            dues.push(Due { at, mishap });
        }
    };
    for mishaps in starts {
        spread(mishaps, first_start, LATEST);
    }
    for mishaps in without_a_start {
        spread(mishaps, 0.0, last_other);
    }
    dues.sort_by(|one, next| one.at.total_cmp(&next.at));
    dues.push(Due {
        at: 1.0,
        mishap: Mishap::Kill(Duration::ZERO),
    });
    dues.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_happens_in_the_order_of_the_seed_and_the_last_is_a_kill() {
        for (long, kills, stops) in [(false, 3, 1), (true, 20, 3)] {
            let all = mishaps(7, kills, long);
            assert!(all.iter().is_sorted_by(|one, next| one.at <= next.at));
            let count = |is: fn(&Mishap) -> bool| all.iter().filter(|it| is(&it.mishap)).count();
            assert_eq!(count(|it| matches!(it, Mishap::Kill(_))), kills as usize);
            assert_eq!(count(|it| matches!(it, Mishap::Stop(_))), stops);
            let others = [
                count(|it| *it == Mishap::End),
                count(|it| *it == Mishap::Reload),
                count(|it| matches!(it, Mishap::Away(_))),
                count(|it| matches!(it, Mishap::FullDisk(..))),
                count(|it| matches!(it, Mishap::WrongKey(_))),
                count(|it| matches!(it, Mishap::Pause(_))),
            ];
            assert!(others.iter().all(|it| *it > 0), "{others:?}");
            let clock: i64 = all
                .iter()
                .map(|it| match it.mishap {
                    Mishap::Clock(seconds) => seconds,
                    _ => 0,
                })
                .sum();
            assert_eq!(clock, 0);
            assert_eq!(all.back().unwrap().at, 1.0);
        }
    }
}
