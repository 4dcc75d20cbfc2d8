//! From when on this process knows what its app has sent: the quota's start slots are counted from there.
//!
//! A process that begins does not know what its predecessor sent in the last second, so its calls come one by one at
//! first. What it knows begins with the process, not with the client: a supervisor starts a process when the one before
//! it is gone. So a client of a process that has run for two seconds waits for nothing. Later than the process' start
//! begins what it knows
//! - after another client of the same app in this process: while that one lives, and when it was dropped, its calls
//!   arrive too;
//! - in a child of fork, whose start is the fork;
//! - where the start cannot be read (outside of Linux): with the client.
//!
//! `exec` keeps a process' start: `sh -c 'a; exec b'` makes `b` look as old as the shell. A program that is run so within
//! a second of other calls sets `fresh_start(false)`, as the command line does.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use imtag_core::SdkAppId;

use crate::process::PerProcess;

/// Longer than any start slot is held.
const ENOUGH: Duration = Duration::from_secs(2);

/// The apps that this process has, or had, a client of.
static APPS: PerProcess<Mutex<BTreeMap<u32, App>>> = PerProcess::empty();

#[derive(Debug, Default)]
struct App {
    clients: usize,
    /// When the last of them was dropped.
    ended: Option<Instant>,
}

/// A client, as long as it may send.
pub(crate) struct Registered {
    sdkappid: u32,
}

/// Notes a client of the app, and says from when on it knows what was sent.
pub(crate) fn register(sdkappid: SdkAppId, fresh_start: Option<bool>) -> (Instant, Registered) {
    let sdkappid = sdkappid.get();
    let now = Instant::now();
    let mut apps = apps();
    apps.retain(|_, app| app.clients > 0 || app.ended.is_some_and(|at| now - at < ENOUGH));
    let app = apps.entry(sdkappid).or_default();
    let other = if app.clients > 0 {
        Some(now)
    } else {
        app.ended
    };
    app.clients += 1;
    let since = since(now, fresh_start, process_age, other);
    (since, Registered { sdkappid })
}

impl Drop for Registered {
    fn drop(&mut self) {
        if let Some(app) = apps().get_mut(&self.sdkappid) {
            app.clients = app.clients.saturating_sub(1);
            app.ended = Some(Instant::now());
        }
    }
}

fn apps() -> MutexGuard<'static, BTreeMap<u32, App>> {
    let apps = APPS.get(Mutex::default);
    apps.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `other`: the last moment at which another client of this process may have sent.
fn since(
    now: Instant,
    fresh_start: Option<bool>,
    process_age: impl FnOnce() -> Option<Duration>,
    other: Option<Instant>,
) -> Instant {
    let age = match fresh_start {
        Some(true) => ENOUGH,
        Some(false) => Duration::ZERO,
        None => process_age().unwrap_or_default().min(ENOUGH),
    };
    let since = now.checked_sub(age).unwrap_or(now);
    other.map_or(since, |other| since.max(other))
}

/// How long this process has run at least.
#[cfg(target_os = "linux")]
fn process_age() -> Option<Duration> {
    use rustix::time::{ClockId, clock_gettime};

    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let up = clock_gettime(ClockId::Boottime);
    let up = Duration::new(up.tv_sec.try_into().ok()?, up.tv_nsec.try_into().ok()?);
    age_of(&stat, up, rustix::param::clock_ticks_per_second())
}

#[cfg(not(target_os = "linux"))]
fn process_age() -> Option<Duration> {
    None
}

/// Of `/proc/self/stat` and how long the machine has been up: the process began in a tick that has a number, and at its
/// end at the latest.
#[cfg(any(target_os = "linux", test))]
fn age_of(stat: &str, up: Duration, ticks_per_second: u64) -> Option<Duration> {
    // the name in parentheses may hold blanks and parentheses
    let (_, fields) = stat.rsplit_once(')')?;
    let start: u64 = fields.split_whitespace().nth(19)?.parse().ok()?;
    let nanos = (u128::from(start) + 1) * 1_000_000_000 / u128::from(ticks_per_second.max(1));
    Some(up.saturating_sub(Duration::from_nanos(nanos.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "77 (a ) b) S 1 77 77 0 -1 4194304 100 0 0 0 1 2 0 0 20 0 1 0 12345 1000 200 18446744073709551615";

    fn app(number: u32) -> SdkAppId {
        SdkAppId::new(number).unwrap()
    }

    #[test]
    fn a_process_is_as_old_as_its_start_and_never_older() {
        let up = Duration::from_millis(125_000);
        assert_eq!(age_of(STAT, up, 100), Some(Duration::from_millis(1_540)));
        let before = Duration::from_secs(1);
        assert_eq!(age_of(STAT, before, 100), Some(Duration::ZERO));
        for stat in [
            "",
            "77 (a",
            "77 (a) S 1 2",
            "77 (a) S 1 77 77 0 -1 0 0 0 0 0 0 0 0 0 0 0 0 0 x",
        ] {
            assert_eq!(age_of(stat, up, 100), None, "{stat}");
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
    fn what_is_known_begins_with_the_process_or_as_it_is_set_and_not_before_another_client_ended() {
        let now = Instant::now() + Duration::from_secs(60);
        let ago = |millis| now - Duration::from_millis(millis);
        let known = |fresh, age: Option<u64>, other: Option<u64>| {
            let age = age.map(Duration::from_millis);
            since(now, fresh, || age, other.map(ago))
        };
        for (fresh, age, other, expected) in [
            (None, Some(300), None, 300),
            (None, Some(1_000_000), None, 2_000),
            (None, None, None, 0),
            (None, Some(1_500), Some(400), 400),
            (None, Some(300), Some(400), 300),
            (None, Some(1_500), Some(0), 0),
            (Some(true), Some(0), None, 2_000),
            (Some(true), None, Some(100), 100),
            (Some(false), Some(1_500), None, 0),
        ] {
            let said = format!("{fresh:?} {age:?} {other:?}");
            assert_eq!(known(fresh, age, other), ago(expected), "{said}");
        }
    }

    #[test]
    fn a_client_of_the_same_app_is_known_while_it_lives_and_when_it_was_dropped() {
        let begun = Instant::now();
        let (alone, first) = register(app(4_000_000_001), Some(true));
        assert!(alone < begun);
        let (beside, second) = register(app(4_000_000_001), Some(true));
        assert!(beside >= begun);
        let (another_app, _other) = register(app(4_000_000_002), Some(true));
        assert!(another_app < begun);
        drop(first);
        let dropped = Instant::now();
        drop(second);
        let (after, _third) = register(app(4_000_000_001), Some(true));
        assert!(after >= dropped);
    }
}
