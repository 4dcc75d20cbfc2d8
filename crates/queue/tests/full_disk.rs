//! A disk that is full: posts are refused, what was accepted goes on, and all is well again once there is room.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use imtag_core::ChangeRequest;
use imtag_queue::{ChangeState, Limit, PauseReason, Refused};
use support::{Home, add, client, many, post, service, until};

/// A file system of a few megabytes, for those who may mount one.
struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    fn mount(mebibytes: u32) -> Option<SmallDisk> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={mebibytes}m");
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &size, "imtag-test"])
            .arg(folder.path());
        let is_mounted = mount.output().is_ok_and(|it| it.status.success());
        if !is_mounted {
            eprintln!("skipped: this user may not mount a file system");
        }
        is_mounted.then_some(SmallDisk { folder })
    }

    fn home(&self) -> Home {
        Home::at(self.folder.path().join("data"))
    }

    fn filler(&self) -> PathBuf {
        self.folder.path().join("filler")
    }

    /// Another program takes all that is left.
    fn fill(&self) {
        let mut filler = File::options()
            .create(true)
            .append(true)
            .open(self.filler())
            .unwrap();
        for size in [1 << 20, 4 << 10, 1] {
            while filler.write_all(&vec![1; size]).is_ok() {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("-l")
            .arg(self.folder.path())
            .status();
    }
}

/// A change of half a kilobyte.
fn long(user: u32) -> ChangeRequest {
    ChangeRequest::add(format!("u{user}"), (0..10).map(|nth| format!("{nth:050}")))
}

#[test]
fn on_a_full_disk_posts_are_refused_and_outcomes_are_written_and_it_goes_on_by_itself() {
    let Some(disk) = SmallDisk::mount(48) else {
        return;
    };
    let emulator = service().unknown_accounts(["eve"]).start().unwrap();
    let home = disk.home();
    let open = home.open();
    open.post(many(2_000)).wait().unwrap();
    disk.fill();
    let mut accepted = vec![open.accept([add("eve", "vip")])];
    let refused = loop {
        // the log has some space of its own
        match open.post(post((0..1_000).map(long))).wait() {
            Ok(more) => accepted.push(more.post),
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, Refused::Disk { .. }), "{refused}");
    assert!(refused.retry_after().is_some());
    let (before, posts) = (open.status(), accepted.len());
    assert!(posts < 40, "{posts}");
    open.send_by(client(&emulator));
    open.until_empty();
    let failures = open.failures(None, 10).wait().unwrap();
    assert_eq!(failures.len(), 1);
    let deleted = open.delete_failures(vec![failures[0].id]).wait();
    assert_eq!(deleted, Ok(1));
    drop(open);
    let open = home.open();
    assert_eq!((open.status().changes, open.status().failures), (0, 0));
    assert_eq!(before.changes, 2_001 + 1_000 * (posts as u64 - 1));
    open.send_by(client(&emulator));
    disk.free();
    let after = open.accept([add("bob", "late")]);
    open.settled(after).wait().unwrap();
    assert!(emulator.user("bob").contains("late"));
    until("the disk pauses nothing", || {
        let pauses = open.status().pauses;
        !pauses.iter().any(|it| it.reason == PauseReason::Disk)
    });
}

#[test]
fn on_a_full_disk_what_is_done_is_written_though_failures_have_no_room() {
    let Some(disk) = SmallDisk::mount(48) else {
        return;
    };
    let unknown = (0..8_000).map(|nth| format!("e{nth}"));
    let emulator = service().unknown_accounts(unknown).start().unwrap();
    let home = disk.home();
    let open = home.open();
    open.accept((0..8_000).map(|nth| add(&format!("e{nth}"), "vip")));
    let done = open.accept((0..50).map(|nth| add(&format!("u{nth}"), "vip")));
    disk.fill();
    open.send_by(client(&emulator));
    open.settled(done).wait().unwrap();
    until("the disk is a reason of the pause", || {
        let pauses = open.status().pauses;
        pauses.iter().any(|it| it.reason == PauseReason::Disk)
    });
    let status = open.status();
    assert!(status.changes > 0, "there was room for all failures");
    assert_eq!(status.changes + status.failures, 8_000);
    disk.free();
    open.until_empty();
    assert_eq!(
        (open.status().failures, open.status().counters.done),
        (8_000, 50)
    );
}

#[test]
fn what_others_need_of_the_disk_is_left_free() {
    let Some(disk) = SmallDisk::mount(64) else {
        return;
    };
    let mut home = disk.home();
    home.settings.min_free = 16 << 20;
    let open = home.open();
    let refused = loop {
        match open.post(many(10_000)).wait() {
            Ok(_) => {}
            Err(refused) => break refused,
        }
    };
    let limit = Limit::MinFree(16 << 20);
    assert_eq!(refused, Refused::Full { limit });
    let first = "1-0".parse().unwrap();
    assert_eq!(open.change(first).wait(), Ok(Some(ChangeState::Queued)));
}
