//! Random sequences under random faults: what the tests of them have in common.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use imtag_emulator::Fault;
use imtag_transport::{Code, Effect};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;

pub(crate) const USERS: [&str; 5] = ["u0", "u1", "u2", "用户3", "u4"];

/// What happened, and how often: a test in which nothing goes wrong would prove nothing.
#[derive(Default)]
pub(crate) struct Seen(BTreeMap<&'static str, usize>);

impl Seen {
    pub(crate) fn add(&mut self, what: &'static str, times: usize) {
        *self.0.entry(what).or_default() += times;
    }

    pub(crate) fn add_all(&mut self, other: Seen) {
        for (what, times) in other.0 {
            self.add(what, times);
        }
    }

    /// Each of these happened more often than that.
    #[track_caller]
    pub(crate) fn assert_more_than(&self, expected: &[(&str, usize)]) {
        println!("{:?}", self.0);
        for (what, times) in expected {
            let seen = self.0.get(what).copied().unwrap_or_default();
            assert!(seen > *times, "{what}: {:?}", self.0);
        }
    }
}

/// Runs seeds on so many threads. Most of a seed is waiting, so many run side by side, each with an emulator of its own.
pub(crate) fn seeds(count: u64, threads: usize, run: impl Fn(u64, &mut Seen) + Sync) -> Seen {
    let next = AtomicU64::new(0);
    let all = Mutex::new(Seen::default());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut seen = Seen::default();
                let take = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|it| *it < count);
                while let Some(seed) = take() {
                    run(seed, &mut seen);
                }
                all.lock().unwrap().add_all(seen);
            });
        }
    });
    all.into_inner().unwrap()
}

pub(crate) fn any_of<T: Copy>(rng: &mut ChaCha8Rng, values: &[T]) -> T {
    values[rng.random_range(0..values.len())]
}

/// A fault of any kind: of one of these accounts or codes, or an answer that is late by this time.
pub(crate) fn any_fault(
    rng: &mut ChaCha8Rng,
    accounts: &[&'static str],
    codes: &[i32],
    late: Duration,
) -> Fault {
    let fault = match rng.random_range(0..12) {
        0 => Fault::cut_before(),
        1 => Fault::cut_after(),
        2 => Fault::status(any_of(rng, &[502, 429])),
        3 => Fault::garbage(),
        4 => Fault::truncated(),
        5 | 6 => Fault::delay(late),
        7 => return Fault::leave_out([any_of(rng, accounts)], 70107),
        8 => return Fault::leave_out([any_of(rng, accounts)], 91000),
        _ => {
            let code = any_of(rng, codes);
            if Code(code).effect() == Effect::NotApplied {
                // decided before any user is looked at: never after the effect
                return Fault::code(code);
            }
            Fault::code(code)
        }
    };
    if rng.random_bool(0.4) {
        fault.after_effect()
    } else {
        fault
    }
}
