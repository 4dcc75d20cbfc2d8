//! What a post costs the disk, counted by `strace`: a commit is one sync, of the content alone; and callers that post at once
//! share it, on a disk whose sync takes 20 ms.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::fs;
use std::process::Command;
use std::thread;

use support::{Home, many};

/// Set for the process that is watched: to how many callers it has.
const CALLERS: &str = "IMTAG_TEST_CALLERS";

/// A file that nobody has: the attempt to open it marks a place in the trace.
const MARK: &str = "/imtag-test-mark";

/// Of each caller, one after the other.
const POSTS: usize = 25;

/// Not a test of its own: what the watched process runs.
#[test]
fn watched_posts() {
    let Some(callers) = std::env::var_os(CALLERS) else {
        return;
    };
    let callers: usize = callers.to_str().unwrap().parse().unwrap();
    let home = Home::new();
    let open = home.open();
    let mark = || assert!(fs::File::open(MARK).is_err());
    let rounds = |posts: usize| {
        thread::scope(|scope| {
            for _ in 0..callers {
                scope.spawn(|| {
                    for _ in 0..posts {
                        open.post(many(100)).wait().unwrap();
                    }
                });
            }
        });
    };
    // how many callers there are, and how long a sync takes, is seen by then
    rounds(3);
    mark();
    rounds(POSTS);
    mark();
}

/// The system calls between the marks.
fn watch(callers: usize, sync_micros: u32) -> Vec<String> {
    let trace = tempfile::NamedTempFile::new().unwrap();
    let delay = format!("inject=fsync,fdatasync:delay_exit={sync_micros}");
    let watched = Command::new("strace")
        .args(["-f", "-qq", "-e"])
        .arg("trace=fsync,fdatasync,ftruncate,open,openat")
        .args(["-e", &delay, "-o"])
        .arg(trace.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "watched_posts"])
        .env(CALLERS, callers.to_string())
        .output()
        .unwrap();
    assert!(watched.status.success(), "{watched:?}");
    let trace = fs::read_to_string(trace.path()).unwrap();
    let mut parts = trace.split(MARK);
    let lines = parts.nth(1).unwrap().lines();
    let calls = lines.filter_map(|line| line.split_once(' ')?.1.trim_start().split_once('('));
    // the second line of one that another thread interrupts begins with "<..."
    let names = calls.map(|(name, _)| name.to_owned());
    names.filter(|name| !name.starts_with('<')).collect()
}

fn has_strace() -> bool {
    let is_there = Command::new("strace").arg("-V").output().is_ok();
    if !is_there {
        assert!(
            std::env::var_os("CI").is_none(),
            "strace is missing: cargo xtask test installs it"
        );
        println!("skipped: strace is missing: cargo xtask test installs it");
    }
    is_there
}

#[test]
fn a_commit_is_one_sync_of_the_content_alone() {
    if !has_strace() {
        return;
    }
    let calls = watch(1, 1);
    let count = |name: &str| calls.iter().filter(|it| *it == name).count();
    assert_eq!(count("fdatasync"), POSTS, "{calls:?}");
    for none in ["fsync", "ftruncate"] {
        assert_eq!(count(none), 0, "{none}: {calls:?}");
    }
}

#[test]
fn callers_that_post_at_once_share_a_slow_sync() {
    if !has_strace() {
        return;
    }
    let calls = watch(4, 20_000);
    let syncs = calls.iter().filter(|it| it.ends_with("sync")).count();
    // all four in each; one that comes late now and then
    assert!((POSTS..=POSTS * 8 / 5).contains(&syncs), "{syncs}");
}
