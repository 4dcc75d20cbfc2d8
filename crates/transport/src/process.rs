//! What the library needs of the process that hosts it: state that a forked child does not share, the process's age,
//! threads that take no signals, and random numbers.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::{SigSet, SigmaskHow};
use rand::TryRng;
use rand::rngs::SysRng;

/// Where this process' number is kept. It is 0 in a child until the child looks.
static KEPT: OnceLock<&'static AtomicU32> = OnceLock::new();

/// Keeps this process' number in `kept` from now on: to know it takes no system call then, of which a call would need one
/// or more. `kept` is 0 now, and the system sets it to 0 in each child that it forks, before the child runs: so it must lie
/// in memory that the kernel wipes on fork, unless the process never forks. A child that shares its parent's memory
/// (`vfork`, `CLONE_VM`) shares the number as well, and counts as its parent. To be called once in a process: a child whose
/// parent was forked in the middle of it asks the system, and a second call there would not return.
pub fn keep_process_id(kept: &'static AtomicU32) {
    let _ = KEPT.set(kept);
}

/// This process' number: as kept, if it is, so that it costs nothing to ask.
pub fn process_id() -> u32 {
    let Some(kept) = KEPT.get() else {
        return std::process::id();
    };
    let known = kept.load(Ordering::Relaxed);
    if known > 0 {
        return known;
    }
    let id = std::process::id();
    kept.store(id, Ordering::Relaxed);
    id
}

/// A `T` for each process, made on first use. After `fork()` a child has a copy of its parent's memory: sockets that both
/// would write to, and locks that a thread of the parent held and that no thread of the child releases. So a child makes
/// its own state, and neither touches nor drops its parent's.
///
/// The PID tells processes apart. A child with the PID of a process that it descends from is not noticed: of one that has
/// ended, or in a new PID namespace.
pub struct PerProcess<T> {
    first: OnceLock<Box<Node<T>>>,
}

struct Node<T> {
    process: u32,
    value: T,
    /// A child's value: rarely more than one.
    next: OnceLock<Box<Node<T>>>,
}

impl<T> PerProcess<T> {
    /// Without a value yet: for a static.
    #[must_use]
    pub const fn empty() -> PerProcess<T> {
        PerProcess {
            first: OnceLock::new(),
        }
    }

    /// Makes this process's value at once: a child that is forked later then finds no lock half taken.
    pub(crate) fn new(value: T) -> PerProcess<T> {
        let first = OnceLock::new();
        let node = Node {
            process: process_id(),
            value,
            next: OnceLock::new(),
        };
        first.get_or_init(|| Box::new(node));
        PerProcess { first }
    }

    /// This process' value.
    pub fn get(&self, make: impl Fn() -> T) -> &T {
        let process = process_id();
        let mut slot = &self.first;
        loop {
            if let Some(node) = slot.get() {
                if node.process == process {
                    return &node.value;
                }
                slot = &node.next;
                continue;
            }
            let node = Box::new(Node {
                process,
                value: make(),
                next: OnceLock::new(),
            });
            // made before it is set, so a fork is unlikely to find it half done; if another thread was faster, its
            // value counts
            drop(slot.set(node));
        }
    }
}

impl<T> Drop for PerProcess<T> {
    /// Drops this process' value, and leaks its parent's.
    fn drop(&mut self) {
        let process = process_id();
        let mut next = self.first.take();
        while let Some(mut node) = next {
            next = node.next.take();
            if node.process != process {
                Box::leak(node);
            }
        }
    }
}

/// How long this process has run at least. A supervisor starts a process after the one before it ended, so this process
/// knows of all its app's calls since its own start. `exec` keeps a process' start: in `sh -c 'a; exec b'`, `b` is as old
/// as the shell.
#[cfg(target_os = "linux")]
pub(crate) fn process_age() -> Option<Duration> {
    // read from files, as rustix's clock functions abort under valgrind
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    age_of(&stat, &uptime)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn process_age() -> Option<Duration> {
    None
}

/// The age by `/proc/self/stat` and `/proc/uptime`, which both count hundredths of a second. Within its hundredth the
/// process started at the end at the latest, so one is taken off.
#[cfg(any(target_os = "linux", test))]
fn age_of(stat: &str, uptime: &str) -> Option<Duration> {
    // the name in parentheses may hold blanks and parentheses
    let (_, fields) = stat.rsplit_once(')')?;
    let start: u64 = fields.split_whitespace().nth(19)?.parse().ok()?;
    let (seconds, hundredths) = uptime.split_whitespace().next()?.split_once('.')?;
    let seconds: u64 = seconds.parse().ok()?;
    let hundredths: u64 = (hundredths.len() == 2).then(|| hundredths.parse().ok())??;
    let up = seconds.checked_mul(100)?.checked_add(hundredths)?;
    let age = up.saturating_sub(start.saturating_add(1));
    Some(Duration::from_millis(age.saturating_mul(10)))
}

/// Starts a thread with all signals blocked: the host's signals go to the host's threads.
pub(crate) fn spawn_without_signals<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(run);
    before.thread_set_mask()?;
    spawned
}

/// 64 random bits, from the operating system each time: a forked child has no generator whose state it would share with
/// its parent.
pub(crate) fn random_u64() -> u64 {
    SysRng.try_next_u64().unwrap_or_else(|_| from_clock())
}

/// Random numbers without a system call: SplitMix64, whose steps any thread may take. It visits all 2⁶⁴ states before it
/// repeats one, so no number of one generator comes twice in that time. No number is a secret: who sees one knows the
/// next. It belongs into what is kept [`PerProcess`]: a forked child makes its own, with a seed of its own.
pub(crate) struct Random(AtomicU64);

impl Random {
    /// One that the system has seeded.
    pub(crate) fn seeded() -> Random {
        Random(AtomicU64::new(random_u64()))
    }

    pub(crate) fn next_u64(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let state = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Where the system has no random numbers. No use is a secret; the numbers only have to differ.
fn from_clock() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let mut hasher = RandomState::new().build_hasher();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    hasher.write_u128(now.unwrap_or_default().as_nanos());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use nix::sys::signal::Signal;

    use super::*;

    #[test]
    fn a_number_that_is_kept_is_looked_up_again_where_it_was_wiped() {
        static KEPT: AtomicU32 = AtomicU32::new(0);
        keep_process_id(&KEPT);
        for _ in 0..2 {
            assert_eq!(process_id(), std::process::id());
            assert_eq!(KEPT.load(Ordering::Relaxed), std::process::id());
            KEPT.store(0, Ordering::Relaxed); // as the kernel does in a child
        }
    }

    #[test]
    fn a_process_keeps_the_value_it_has() {
        let state = PerProcess::new(1);
        assert_eq!(*state.get(|| 2), 1);
    }

    #[test]
    fn what_another_process_made_is_passed_by() {
        let mut state = PerProcess::new("the parent's");
        // as a child finds it: the same memory under another number
        let mut parent = state.first.take().unwrap();
        parent.process = parent.process.wrapping_add(1);
        let state = PerProcess {
            first: OnceLock::from(parent),
        };
        assert_eq!(*state.get(|| "the child's"), "the child's");
        assert_eq!(*state.get(|| "another"), "the child's");
    }

    /// The numbers of the generator's authors, of the seed 1234567.
    #[test]
    fn random_numbers_are_those_of_splitmix64() {
        let random = Random(AtomicU64::new(1_234_567));
        assert_eq!(
            [(); 3].map(|()| random.next_u64()),
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn generators_differ_by_their_seed() {
        let [one, other] = [(); 2].map(|()| Random::seeded().next_u64());
        assert_ne!(one, other);
    }

    const STAT: &str = "77 (a ) b) S 1 77 77 0 -1 4194304 100 0 0 0 1 2 0 0 20 0 1 0 12345 1000 200 18446744073709551615";

    #[test]
    fn a_process_is_as_old_as_its_start_and_never_older() {
        for (uptime, expected) in [
            ("125.00 759.64\n", 1_540),
            ("124.05 0.00\n", 590),
            ("123.46 0.00\n", 0),
            ("1.00 0.00\n", 0),
        ] {
            let age = age_of(STAT, uptime);
            assert_eq!(age, Some(Duration::from_millis(expected)), "{uptime}");
        }
        for stat in [
            "",
            "77 (a",
            "77 (a) S 1 2",
            "77 (a) S 1 77 77 0 -1 0 0 0 0 0 0 0 0 0 0 0 0 0 x",
        ] {
            assert_eq!(age_of(stat, "125.00 759.64\n"), None, "{stat}");
        }
        for uptime in ["", "125", "125.0 1.0", "x.00 1.00", "125.xx 1.00"] {
            assert_eq!(age_of(STAT, uptime), None, "{uptime}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_age_of_this_process_grows_with_it() {
        let begun = Instant::now();
        let before = process_age().unwrap();
        while begun.elapsed() < Duration::from_millis(30) {
            std::hint::spin_loop();
        }
        let after = process_age().unwrap();
        assert!(
            after >= before + Duration::from_millis(10),
            "{before:?} {after:?}"
        );
        assert!(after < Duration::from_secs(24 * 3_600));
    }

    #[test]
    fn a_thread_takes_none_of_the_hosts_signals() {
        let before = SigSet::thread_get_mask().unwrap();
        let its = spawn_without_signals("imtag-test", || SigSet::thread_get_mask().unwrap());
        let its = its.unwrap().join().unwrap();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGUSR1] {
            assert!(its.contains(signal), "{signal}");
        }
        assert_eq!(SigSet::thread_get_mask().unwrap(), before);
    }
}
