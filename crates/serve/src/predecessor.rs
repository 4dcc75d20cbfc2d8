//! What a daemon leaves to the next one on this host: for how long requests that nobody waits for any more may still arrive
//! at the service. Until then the next one holds changes back, as such a request could undo them. It is a file of one line.
//!
//! ```text
//! the file holds           when                                  what the next start does
//! nothing, or is missing   all was answered                      nothing
//! a moment                 some requests were not                holds changes back until then
//! `running`                the daemon runs, or it was killed     holds them back for the whole late window
//! ```
//!
//! A daemon has the file locked as long as it runs: one that starts beside it, while that answers what is under way, holds
//! changes back until the lock is free, and then reads what was left to it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

const RUNNING: &str = "running\n";
/// More is no moment.
const AT_MOST: u64 = 64;

/// What the daemon before this one left, and this one will leave.
#[derive(Debug)]
pub struct Predecessor {
    file: File,
}

/// The place of this daemon, until it ends.
#[derive(Debug)]
pub struct Successor {
    file: File,
}

impl Predecessor {
    /// Opens the file, which is made if there is none.
    ///
    /// # Errors
    /// Where the system denies it, or a link is there.
    pub fn open(path: &Path) -> io::Result<Predecessor> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(
                i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits())
                    .expect("they are low bits"),
            )
            .open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(Predecessor { file })
    }

    /// Takes its place, if it has ended: returns for how long its requests may arrive, of a window of so long.
    ///
    /// # Errors
    /// Where the file cannot be locked, read or written.
    pub fn succeed(
        self,
        late_window: Duration,
    ) -> io::Result<Result<(Successor, Duration), Predecessor>> {
        match flock(&self.file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => Ok(Err(self)),
            Err(error) => Err(error.into()),
            Ok(()) => self.take_over(late_window).map(Ok),
        }
    }

    /// The same, once it has ended.
    ///
    /// # Errors
    /// As there.
    pub fn wait_and_succeed(self, late_window: Duration) -> io::Result<(Successor, Duration)> {
        rustix::io::retry_on_intr(|| flock(&self.file, FlockOperation::LockExclusive))?;
        self.take_over(late_window)
    }

    fn take_over(mut self, late_window: Duration) -> io::Result<(Successor, Duration)> {
        let mut text = String::new();
        let read = (&mut self.file).take(AT_MOST).read_to_string(&mut text);
        let left = match read {
            Ok(_) => left(&text, late_window),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => late_window,
            Err(error) => return Err(error),
        };
        let mut file = self.file;
        write(&mut file, RUNNING)?;
        Ok((Successor { file }, left))
    }
}

/// How much of the late window is left of a moment, in milliseconds since the Unix epoch. A clock that was set back may say
/// more than that is.
fn left(text: &str, late_window: Duration) -> Duration {
    let text = text.trim_end();
    if text.is_empty() {
        return Duration::ZERO;
    }
    let Ok(until) = text.parse() else {
        return late_window;
    };
    Duration::from_millis(until)
        .saturating_sub(now())
        .min(late_window)
}

impl Successor {
    /// Leaves to the next one for how long from now on requests may arrive.
    ///
    /// # Errors
    /// Where the file cannot be written: it says then that the daemon was killed.
    pub fn leave(mut self, may_arrive_for: Duration) -> io::Result<()> {
        if may_arrive_for.is_zero() {
            return write(&mut self.file, "");
        }
        let until = (now() + may_arrive_for).as_millis() + 1;
        write(&mut self.file, &format!("{until}\n"))
    }
}

fn now() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
}

fn write(file: &mut File, text: &str) -> io::Result<()> {
    // what is cut off in between is no moment, and counts as the whole window
    file.rewind()?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(10);

    #[test]
    fn the_next_one_waits_for_what_was_left_and_for_all_of_it_after_a_kill() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("late");
        let succeed = || {
            let before = Predecessor::open(&path).unwrap();
            before.succeed(WINDOW).unwrap().unwrap()
        };
        let (first, left) = succeed();
        assert_eq!(left, Duration::ZERO, "none was before");
        drop(first); // it was killed
        let (second, left) = succeed();
        assert_eq!(left, WINDOW);
        second.leave(Duration::from_secs(7)).unwrap();
        let (third, left) = succeed();
        assert!(
            left > Duration::from_secs(4) && left < Duration::from_secs(8),
            "{left:?}"
        );
        third.leave(Duration::ZERO).unwrap();
        let (fourth, left) = succeed();
        assert_eq!(left, Duration::ZERO);
        fourth.leave(100 * WINDOW).unwrap();
        assert_eq!(succeed().1, WINDOW, "no clock makes it longer");
        for damaged in ["soon", "-1", "\u{e9}", "runni"] {
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(succeed().1, WINDOW, "{damaged}");
        }
    }

    #[test]
    fn one_that_starts_beside_another_waits_for_its_end() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("late");
        let open = || Predecessor::open(&path).unwrap();
        let (first, _) = open().succeed(WINDOW).unwrap().unwrap();
        let waits = open().succeed(WINDOW).unwrap().unwrap_err();
        let second = std::thread::spawn(move || waits.wait_and_succeed(WINDOW).unwrap());
        first.leave(Duration::ZERO).unwrap();
        assert_eq!(second.join().unwrap().1, Duration::ZERO);
    }

    #[test]
    fn a_link_is_not_followed() {
        let home = tempfile::tempdir().unwrap();
        let link = home.path().join("late");
        std::os::unix::fs::symlink(home.path().join("other"), &link).unwrap();
        Predecessor::open(&link).unwrap_err();
        assert!(!home.path().join("other").exists());
    }
}
