//! How long this process has run. A supervisor starts a process after the one before it ended, so this process knows of all
//! its app's calls since its own start.
//!
//! `exec` keeps a process' start: in `sh -c 'a; exec b'`, `b` is as old as the shell.

use std::time::Duration;

/// How long this process has run at least.
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

/// Of `/proc/self/stat` and `/proc/uptime`, which both count hundredths of a second. The process began in a hundredth
/// that has a number, and at its end at the latest.
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

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

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
}
