//! The thread that writes the journal. What is confirmed is queued, and goes to the disk as one block half a second
//! after the first of it: the lines of who failed first, and when these are safe the block that counts them.
//!
//! ```text
//! confirm ──▶ queued ──▶ failed file, fdatasync ──▶ block, fdatasync ──▶ safe
//! ```
//!
//! A crash costs what is not safe. So that this is never more than two seconds of work, whatever the disk does,
//! confirming waits while the oldest that is not safe is two seconds old: an import is then as fast as its disk. It
//! also waits while very much is queued, which bounds memory.
//!
//! The disk's first error is returned to each caller from then on, and nothing is written after it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::block::Counters;
use super::files::Files;
use super::settled::Kind;
use crate::import::state::disk::DiskError;
use crate::import::state::failed_change::FailedChange;
use crate::import::state::own_list::write_line;

/// How long what is confirmed may wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Before it is on its way to the disk.
    pub(super) gather: Duration,
    /// Before it is safe; no more is taken then.
    pub(super) unsafe_at_most: Duration,
}

impl Pace {
    pub(super) const USUAL: Pace = Pace {
        gather: Duration::from_millis(500),
        unsafe_at_most: Duration::from_secs(2),
    };
}

/// The most that is queued: a few megabytes.
const USERS_AT_MOST: usize = 1 << 18;
const LINES_AT_MOST: usize = 4 << 20;

/// What was confirmed and is on its way.
#[derive(Default)]
struct Batch {
    done: Vec<u64>,
    failed: Vec<u64>,
    /// Of those who failed.
    lines: Vec<u8>,
    /// When the first of it was confirmed.
    since: Option<Instant>,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.done.len() + self.failed.len() >= USERS_AT_MOST || self.lines.len() >= LINES_AT_MOST
    }

    fn clear(&mut self) {
        self.done.clear();
        self.failed.clear();
        self.lines.clear();
        self.since = None;
    }
}

#[derive(Default)]
struct State {
    queued: Batch,
    /// When the first of what the thread is writing was confirmed.
    writing: Option<Instant>,
    /// Of the runs before this one.
    earlier: Counters,
    /// Of all runs.
    counters: Counters,
    /// True if the counters have changed since the last block.
    counted: bool,
    /// True if the journal has a block.
    begun: bool,
    /// True if a caller waits until all is safe.
    flush_requested: bool,
    closing: bool,
    broken: Option<DiskError>,
    /// Lines that the list did not take.
    unwritten_failures: Vec<u8>,
}

struct Shared {
    state: Mutex<State>,
    /// Wakes the thread.
    work: Condvar,
    /// Wakes callers that wait.
    safe: Condvar,
    pace: Pace,
}

/// The thread, and what it shares with its callers. It is started before any file is changed: it waits for its files,
/// and ends if none come.
pub(super) struct Writer {
    shared: Arc<Shared>,
    files: Option<mpsc::Sender<Files>>,
    thread: Option<JoinHandle<Option<Files>>>,
}

impl Writer {
    /// `path` is what an error names.
    pub(super) fn spawn(path: &Path, pace: Pace) -> Result<Writer, DiskError> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            work: Condvar::new(),
            safe: Condvar::new(),
            pace,
        });
        let its = Arc::clone(&shared);
        let (files, its_files) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || its_files.recv().ok().map(|files| its.run(files)))
            .map_err(DiskError::denied(path, "written by a thread"))?;
        Ok(Writer {
            shared,
            files: Some(files),
            thread: Some(thread),
        })
    }

    /// Gives the thread its files. `begun` is true if the journal has a block.
    pub(super) fn begin(self, files: Files, counters: Counters, begun: bool) -> Writer {
        {
            let mut state = self.shared.state();
            (state.earlier, state.counters) = (counters, counters);
            state.begun = begun;
        }
        if let Some(hand_over) = &self.files {
            let _ = hand_over.send(files); // the thread waits for them
        }
        self
    }

    pub(super) fn done(&self, positions: impl IntoIterator<Item = u64>) -> Result<(), DiskError> {
        let mut state = self.shared.state();
        for position in positions {
            state = self.shared.room(state)?;
            self.shared.gather(&mut state, position, Kind::Done);
        }
        Ok(())
    }

    pub(super) fn failed(&self, position: u64, changes: &[FailedChange]) -> Result<(), DiskError> {
        let mut state = self.shared.room(self.shared.state())?;
        for change in changes {
            write_line(change, &mut state.queued.lines);
        }
        self.shared.gather(&mut state, position, Kind::Failed);
        Ok(())
    }

    pub(super) fn count(&self, of_this_run: Counters) {
        let mut state = self.shared.state();
        state.counters = state.earlier + of_this_run;
        state.counted = true;
    }

    pub(super) fn counters(&self) -> Counters {
        self.shared.state().counters
    }

    pub(super) fn check(&self) -> Result<(), DiskError> {
        self.shared.state().broken.clone().map_or(Ok(()), Err)
    }

    /// Lines of failed users that are not in the list, once the disk has failed.
    pub(super) fn unwritten_failures(&self) -> Vec<u8> {
        let state = self.shared.state();
        match state.broken {
            Some(_) => [state.unwritten_failures.as_slice(), &state.queued.lines].concat(),
            None => Vec::new(),
        }
    }

    /// Waits until all that was confirmed is safe.
    pub(super) fn flush(&self) -> Result<(), DiskError> {
        let mut state = self.shared.state();
        while state.broken.is_none() && state.oldest().is_some() {
            if state.queued.since.is_some() {
                state.flush_requested = true;
                self.shared.work.notify_one();
            }
            self.shared.safe.wait(&mut state);
        }
        state.broken.clone().map_or(Ok(()), Err)
    }

    /// Writes what is left, and ends the thread. Returns the files, and true if the journal has a block.
    pub(super) fn end(mut self) -> Result<(Files, bool), DiskError> {
        let files = self.join();
        self.check()?;
        let begun = self.shared.state().begun;
        let files = files.expect("it is joined once, and is broken where it panicked");
        Ok((files, begun))
    }

    fn join(&mut self) -> Option<Files> {
        self.files = None; // ends a thread that still waits for them
        self.shared.state().closing = true;
        self.shared.work.notify_one();
        self.thread.take()?.join().ok()?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.join();
    }
}

impl State {
    /// When the oldest that is not safe was confirmed.
    fn oldest(&self) -> Option<Instant> {
        self.writing.or(self.queued.since)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Waits until more may be confirmed.
    fn room<'s>(
        &self,
        mut state: MutexGuard<'s, State>,
    ) -> Result<MutexGuard<'s, State>, DiskError> {
        loop {
            if let Some(broken) = &state.broken {
                return Err(broken.clone());
            }
            let old = |since: Instant| since.elapsed() >= self.pace.unsafe_at_most;
            if !state.queued.is_full() && !state.oldest().is_some_and(old) {
                return Ok(state);
            }
            self.safe.wait(&mut state);
        }
    }

    fn gather(&self, state: &mut State, position: u64, kind: Kind) {
        let queued = &mut state.queued;
        match kind {
            Kind::Done => queued.done.push(position),
            Kind::Failed => queued.failed.push(position),
        }
        let first = queued.since.is_none();
        if first {
            queued.since = Some(Instant::now());
        }
        if first || queued.is_full() {
            self.work.notify_one();
        }
    }

    /// The thread.
    fn run(&self, mut files: Files) -> Files {
        let _on_panic = RecordPanic {
            shared: self,
            path: files.path.clone(),
        };
        let mut batch = Batch::default();
        while let Some(counters) = self.next(&mut batch) {
            let Batch {
                done,
                failed,
                lines,
                ..
            } = &mut batch;
            let written = files.write(&counters, done, failed, lines);
            if written.is_err() {
                self.state().unwritten_failures = std::mem::take(lines);
            }
            batch.clear();
            if !self.record_block(written) {
                break;
            }
        }
        files
    }

    /// Waits for what is to be written, and takes it; `None` at the end.
    fn next(&self, batch: &mut Batch) -> Option<Counters> {
        let mut state = self.state();
        loop {
            let age = state.queued.since.map(|since| since.elapsed());
            let rest = age.map(|age| self.pace.gather.saturating_sub(age));
            let now = state.flush_requested || state.closing || state.queued.is_full();
            match rest {
                Some(rest) if rest.is_zero() || now => break,
                Some(rest) => {
                    self.work.wait_for(&mut state, rest);
                }
                // no user is settled since the last block, but the counters belong to those before
                None if state.closing && state.counted && state.begun => break,
                None if state.closing => return None,
                None => self.work.wait(&mut state),
            }
        }
        std::mem::swap(&mut state.queued, batch);
        state.writing = batch.since;
        state.counted = false;
        state.flush_requested = false;
        // what was queued has left room
        self.safe.notify_all();
        Some(state.counters)
    }

    /// Records what became of a block, and wakes callers; false if it is the last.
    fn record_block(&self, written: Result<(), DiskError>) -> bool {
        let mut state = self.state();
        state.writing = None;
        match written {
            Ok(()) => state.begun = true,
            Err(error) => state.broken = Some(error),
        }
        self.safe.notify_all();
        state.broken.is_none()
    }
}

/// Ends the wait of other threads when the writing thread panics.
struct RecordPanic<'s> {
    shared: &'s Shared,
    path: PathBuf,
}

impl Drop for RecordPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let error = std::io::Error::other("the thread that writes it panicked");
            let broken = DiskError::denied(&self.path, "written")(error);
            self.shared.record_block(Err(broken));
        }
    }
}
