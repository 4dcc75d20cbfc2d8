//! Where changes that last are kept while they are measured: on a disk, also on one that is slow. And what a caller could do
//! instead of a post: append it to a file, and sync that.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::daemon::{Daemon, Program, Setup, account, far};
use crate::Error;
use crate::bench::callers::{Called, call_for};
use crate::bench::languages::missing;
use crate::cargo::root;
use crate::install::build::target;
use crate::program::output;
use crate::scene::CALLS_PER_SECOND;

/// As `slow_disk.c` has it.
const SLOW_SYNC: Duration = Duration::from_millis(20);

/// A folder on the disk of what is built: that of temporary files may be in memory.
pub(super) fn folder() -> Result<TempDir, Error> {
    let target = target()?;
    Ok(tempfile::Builder::new()
        .prefix("bench")
        .tempdir_in(target)?)
}

/// What makes syncs slow: a library to be preloaded, in a folder. Else why there is none.
pub(super) fn slow_disk(folder: &Path) -> Result<PathBuf, String> {
    if let Some(why) = missing("C") {
        return Err(format!("slow disk: {why}"));
    }
    let library = folder.join("slow_disk.so");
    let mut gcc = Command::new("gcc");
    gcc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library);
    gcc.arg(root().join("tests/bench/slow_disk.c"));
    let compiled = output(&mut gcc).map_err(|why| format!("slow disk: {why}"));
    compiled.map(|_| library)
}

/// A daemon with an empty queue, before an emulator as far away as a service.
pub(super) struct WithQueue {
    pub(super) daemon: Daemon,
    // removed after it
    _data: TempDir,
}

impl WithQueue {
    pub(super) fn start(program: &Program, preload: Option<&Path>) -> Result<WithQueue, Error> {
        let data = folder()?;
        let setup = Setup {
            data: Some(data.path()),
            preload,
            ..Setup::with_quota(CALLS_PER_SECOND)
        };
        Ok(WithQueue {
            daemon: Daemon::start(&program.1, far()?, &setup)?,
            _data: data,
        })
    }

    /// The same with so many changes, which it sends.
    pub(super) fn with_changes(program: &Program, changes: u64) -> Result<WithQueue, Error> {
        let queue = WithQueue::start(program, None)?;
        for number in 0..changes.div_ceil(FULL) {
            if !queue.daemon.post(&post(number, FULL)) {
                return Err("a post was refused".into());
            }
        }
        Ok(queue)
    }
}

/// Changes of a full post.
pub(super) const FULL: u64 = 10_000;

/// Posts that were made before they are measured.
pub(super) struct Posts(Vec<String>);

impl Posts {
    pub(super) fn new(posts: u64, changes: u64) -> Posts {
        Posts((0..posts).map(|number| post(number, changes)).collect())
    }

    pub(super) fn at_turn(&self, caller: u64, turn: u64) -> &str {
        &self.0[(caller * 20 + turn) as usize % self.0.len()]
    }
}

/// A post of so many changes, each of another user than those of posts of other numbers.
pub(super) fn post(number: u64, changes: u64) -> String {
    let users = number * changes..(number + 1) * changes;
    let row = |user| {
        format!(
            "{{\"To_Account\":\"{}\",\"Tags\":[\"vip\",\"beijing\"]}}\n",
            account(user)
        )
    };
    users.map(row).collect()
}

/// Each caller appends posts to a file of its own, and syncs it: on a slow disk, that takes at least as long as there.
pub(super) fn append_and_sync(
    time: Duration,
    callers: u64,
    is_slow: bool,
    posts: &Posts,
) -> Result<Called, Error> {
    let folder = folder()?;
    let files = (0..callers).map(|caller| File::create(folder.path().join(caller.to_string())));
    let files: Vec<File> = files.collect::<Result<_, _>>()?;
    call_for(time, callers, |caller, turn| {
        let mut file = &files[caller as usize];
        let written = file.write_all(posts.at_turn(caller, turn).as_bytes());
        let synced = Instant::now() + SLOW_SYNC;
        let is_done = written.and_then(|()| file.sync_data()).is_ok();
        if is_slow {
            thread::sleep(synced.saturating_duration_since(Instant::now()));
        }
        is_done.into()
    })
}
