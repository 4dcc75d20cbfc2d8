//! What the thread promises, with disks that fail, are slow, or log what is done to them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::block::Counters;
use super::files::Files;
use super::tests::{close, fail};
use super::writer::{Pace, Writer};
use super::{Journal, header};
use crate::import::state::disk::Medium;
use crate::import::state::disk::tests::{Log, Small};
use crate::import::state::failed_list::FailedList;

const AT_ONCE: Pace = Pace {
    gather: Duration::ZERO,
    unsafe_at_most: Duration::from_secs(3_600),
};

/// Writes only when it must.
const LATE: Pace = Pace {
    gather: Duration::from_secs(3_600),
    unsafe_at_most: Duration::from_secs(3_600),
};

fn on(journal: impl Medium + 'static, failed: impl Medium + 'static, pace: Pace) -> Journal {
    let files = Files {
        path: PathBuf::from("users.journal"),
        journal: Box::new(journal),
        stays_empty: false,
        end: header::AT_MOST as u64,
        failed: FailedList::on(Path::new("users.failed"), failed),
    };
    Journal {
        writer: Writer::spawn(&files.path.clone(), pace).unwrap().begin(
            files,
            Counters::default(),
            true,
        ),
        before: None,
    }
}

/// A journal and a list with room for so many bytes, and the log of both.
fn with_room(journal: usize, failed: usize, pace: Pace) -> (Journal, Log) {
    let log = Log::default();
    let small = |name, room| Small {
        name,
        room,
        log: Arc::clone(&log),
    };
    let journal = on(small("journal", journal), small("failed", failed), pace);
    (journal, log)
}

fn no_list() -> Small {
    Small {
        name: "failed",
        room: 0,
        log: Log::default(),
    }
}

#[test]
fn who_failed_is_safe_in_the_list_before_the_journal_counts_them() {
    let (journal, log) = with_room(1_000, 1_000, LATE);
    journal.done([1]).unwrap();
    fail(&journal, 2).unwrap();
    journal.flush().unwrap();
    let all = log.lock().unwrap().join(", ");
    assert_eq!(
        all,
        "failed cut 0, failed append, failed sync, journal append, journal sync"
    );
}

#[test]
fn a_full_disk_stops_the_import_with_path_and_remedy_and_nothing_is_written_after_it() {
    for (journal, failed, path) in [(10, 1_000, "users.journal"), (1_000, 10, "users.failed")] {
        let (journal, log) = with_room(journal, failed, AT_ONCE);
        fail(&journal, 1).unwrap();
        let full = journal.flush().unwrap_err().to_string();
        let wanted = format!(
            "{path} cannot be written: no storage space; make room for it, and run the same command again: what was \
             confirmed is not repeated"
        );
        assert_eq!(full, wanted);
        let writes = log.lock().unwrap().len();
        assert_eq!(journal.done([2]).unwrap_err().to_string(), wanted);
        assert_eq!(fail(&journal, 3).unwrap_err().to_string(), wanted);
        assert_eq!(journal.check().unwrap_err().to_string(), wanted);
        assert_eq!(close(journal).unwrap_err().to_string(), wanted);
        assert_eq!(log.lock().unwrap().len(), writes);
    }
}

/// Tells when it syncs, and waits there until it is let on.
struct Slow {
    syncs: Arc<Mutex<Vec<()>>>,
    wait: Receiver<()>,
}

impl Medium for Slow {
    fn append(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.wait.recv().unwrap();
        self.syncs.lock().unwrap().push(());
        Ok(())
    }

    fn cut(&mut self, _: u64) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn no_more_is_confirmed_while_the_disk_is_too_far_behind() {
    let syncs = Arc::default();
    let (go_on, wait) = channel();
    let slow = Slow {
        syncs: Arc::clone(&syncs),
        wait,
    };
    let pace = Pace {
        gather: Duration::ZERO,
        unsafe_at_most: Duration::ZERO,
    };
    let journal = on(slow, no_list(), pace);
    journal.done([1]).unwrap();
    let let_on = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // time for the second to come through, if it did not wait
            std::thread::sleep(Duration::from_millis(50));
            let_on.store(true, Ordering::SeqCst);
            go_on.send(()).unwrap();
            go_on.send(()).unwrap();
        });
        journal.done([2]).unwrap();
        assert!(let_on.load(Ordering::SeqCst), "the first is not safe yet");
        journal.flush().unwrap();
    });
    assert_eq!(syncs.lock().unwrap().len(), 2);
}

#[test]
fn what_is_gathered_is_bounded_however_rarely_it_is_written() {
    let (journal, log) = with_room(1 << 30, 0, LATE);
    journal.done(0..1_000_000).unwrap();
    journal.flush().unwrap();
    let appends = log
        .lock()
        .unwrap()
        .iter()
        .filter(|it| *it == "journal append")
        .count();
    assert!((4..=8).contains(&appends), "{appends} blocks");
}

#[test]
fn what_was_confirmed_or_counted_last_is_written_when_the_journal_is_dropped() {
    for settles in [true, false] {
        let (journal, log) = with_room(1_000, 0, LATE);
        if settles {
            journal.done([1]).unwrap();
        } else {
            journal.count(Counters {
                requests: 1,
                ..Counters::default()
            });
        }
        drop(journal);
        assert_eq!(log.lock().unwrap().last().unwrap(), "journal sync");
    }
}

#[test]
fn no_caller_waits_for_a_thread_that_panicked() {
    let (_, wait) = channel(); // on which it cannot wait, and so panics
    let slow = Slow {
        syncs: Arc::default(),
        wait,
    };
    let journal = on(slow, no_list(), AT_ONCE);
    journal.done([1]).unwrap();
    let error = journal.flush().unwrap_err().to_string();
    assert!(
        error.contains("the thread that writes it panicked"),
        "{error}"
    );
    assert!(close(journal).is_err());
}

#[test]
fn lines_that_the_list_did_not_take_come_back_and_no_others() {
    let (journal, _) = with_room(1_000, 200, LATE);
    fail(&journal, 1).unwrap();
    journal.flush().unwrap();
    assert_eq!(journal.unwritten_failures(), b"", "it is in the list");
    fail(&journal, 2).unwrap();
    journal.flush().unwrap_err();
    let lines = String::from_utf8(journal.unwritten_failures()).unwrap();
    assert!(lines.starts_with("{\"account\":\"2\","), "{lines}");
    assert_eq!(lines.matches('\n').count(), 1, "{lines}");

    // where it is the journal that failed, the lines are in the list
    let (journal, _) = with_room(10, 1_000, LATE);
    fail(&journal, 1).unwrap();
    journal.flush().unwrap_err();
    assert_eq!(journal.unwritten_failures(), b"");
}
