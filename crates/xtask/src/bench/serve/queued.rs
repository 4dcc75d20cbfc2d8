//! A queue of millions: what it takes, how soon it is there again after a kill, and what is left of its file once it is empty.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::daemon::{Daemon, Program};
use super::disk::{FULL, WithQueue, post};
use crate::Error;
use crate::bench::options::Options;
use crate::bench::report::{Table, per_second};

/// Usually, and in a quick run.
const CHANGES: [u64; 2] = [10_000_000, 1_000_000];
const CALLERS: usize = 4;
/// After a start its memory grows as it sends.
const SENDS: Duration = Duration::from_secs(5);
/// A file that is as small as this is small enough.
const SMALL: f64 = (64 << 20) as f64;
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(20);

pub(super) fn queued(programs: &[Program], options: &Options) -> Result<Table, Error> {
    let changes = CHANGES[usize::from(options.quick)];
    let title = format!(
        "{changes} changes in posts of {FULL} by {CALLERS} callers; then a kill -9, a start, and all are deleted"
    );
    let columns = [
        ("changes", "a second"),
        ("memory", "MiB"),
        ("peak", "MiB"),
        ("start", "ms"),
        ("peak", "MiB then"),
        ("file", "MiB"),
        ("deleted", "in s"),
        ("64 MiB", "s later"), // of the file
        ("file", "MiB at last"),
    ];
    let mut table = Table::new(&title, &columns);
    for program in programs {
        eprintln!("{}: {changes} changes", program.0);
        let mut queue = WithQueue::start(program, None)?;
        table.row(program.0, &figures(&mut queue.daemon, changes)?);
    }
    Ok(table)
}

fn figures(daemon: &mut Daemon, changes: u64) -> Result<Vec<f64>, Error> {
    let waiting = |daemon: &Daemon| daemon.figure("imtag_queue_changes");
    let file = |daemon: &Daemon| daemon.figure("imtag_queue_file_bytes");
    let (next, began) = (AtomicU64::new(0), Instant::now());
    thread::scope(|scope| {
        let its = &*daemon;
        let fill = || {
            let numbers = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
            let mut numbers = numbers.take_while(|number| number * FULL < changes);
            numbers.all(|number| its.post(&post(number, FULL)))
        };
        let callers = [(); CALLERS].map(|()| scope.spawn(fill));
        callers.map(|it| it.join().unwrap_or(false))
    })
    .into_iter()
    .all(|is_stored| is_stored)
    .then_some(())
    .ok_or("a post was refused")?;
    let posted = per_second(changes, began.elapsed());
    // what was sent meanwhile
    while waiting(daemon)? < changes as f64 {
        daemon.post(&post(next.fetch_add(1, Ordering::Relaxed), FULL));
    }
    let [memory, peak] = [daemon.memory()?, daemon.peak_memory()?];
    let start = daemon.killed_and_started()?;
    thread::sleep(SENDS);
    let peak_then = daemon.peak_memory()?;
    let large = file(daemon)?;
    let began = Instant::now();
    daemon.empty();
    let until = |holds: &dyn Fn() -> Result<bool, Error>| -> Result<f64, Error> {
        let began = Instant::now();
        while !holds()? {
            if began.elapsed() > PATIENCE {
                return Ok(f64::INFINITY);
            }
            thread::sleep(LOOK);
        }
        Ok(began.elapsed().as_secs_f64())
    };
    until(&|| Ok(waiting(daemon)? == 0.0))?;
    let deleted = began.elapsed().as_secs_f64();
    let small_after = until(&|| Ok(file(daemon)? <= SMALL))?;
    thread::sleep(Duration::from_secs(1));
    Ok(vec![
        posted,
        memory,
        peak,
        1e3 * start.as_secs_f64(),
        peak_then,
        mib(large),
        deleted,
        small_after,
        mib(file(daemon)?),
    ])
}

fn mib(bytes: f64) -> f64 {
    bytes / f64::from(1 << 20)
}
