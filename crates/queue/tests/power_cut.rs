//! A power cut: of what was written after the last sync, any part may be on the disk. What was answered is there all the same,
//! and what was not is there whole or not at all.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::fs;
use std::path::Path;

use imtag_core::ChangeRequest;
use imtag_queue::Filter;
use support::{Home, Open, post};

/// What a disk writes at once.
const SECTOR: usize = 512;
/// Enough that the log is brought into the file.
const ROUNDS: usize = 50;
const CHANGES: u64 = 6_000;

/// Numbers that are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = next.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// The file and its log, once all that was asked for is answered.
struct Files {
    file: Vec<u8>,
    log: Vec<u8>,
}

impl Files {
    fn read(folder: &Path) -> Files {
        let read = |name| fs::read(folder.join(name)).unwrap();
        Files {
            file: read("queue.sqlite"),
            log: read("queue.sqlite-wal"),
        }
    }
}

/// The old content with some sectors of the new one: the first ones, or any.
fn torn(numbers: &mut Numbers, old: &[u8], new: &[u8]) -> Vec<u8> {
    let length = old.len().max(new.len());
    let mut torn = old.to_vec();
    torn.resize(length, 0);
    let differs = |at: &usize| {
        let end = (at + SECTOR).min(new.len());
        *at < end && new[*at..end] != torn[*at..end]
    };
    let sectors: Vec<usize> = (0..length).step_by(SECTOR).filter(differs).collect();
    let all = sectors.len() as u64;
    // all of them, or all but the last, would rarely be drawn
    let first = match numbers.below(3) {
        0 => all,
        1 => all.saturating_sub(1),
        _ => numbers.below(all + 1),
    };
    let is_in_order = numbers.below(3) > 0;
    for (nth, at) in (0..).zip(sectors) {
        let is_written = if is_in_order {
            nth < first
        } else {
            numbers.below(2) == 0
        };
        if is_written {
            let end = (at + SECTOR).min(new.len());
            torn[at..end].copy_from_slice(&new[at..end]);
        }
    }
    torn
}

/// How many changes wait in a queue of these files.
fn after_a_cut(home: &Home, file: &[u8], log: &[u8]) -> u64 {
    let cut = home.killed();
    fs::write(cut.path().join("queue.sqlite"), file).unwrap();
    fs::write(cut.path().join("queue.sqlite-wal"), log).unwrap();
    let open = cut.open();
    let waiting = open.status().changes;
    // it goes on
    open.accept([ChangeRequest::clear("bob")]);
    assert_eq!(open.status().changes, waiting + 1);
    drop(open);
    assert_eq!(cut.open().status().changes, waiting + 1);
    waiting
}

/// Posts some changes, or deletes some that wait, which takes several commits; true if it was a post.
fn step(numbers: &mut Numbers, open: &Open) -> bool {
    if numbers.below(4) == 0 {
        let mut filter = Filter::default();
        filter.account = Some(format!("u{}", numbers.below(20)));
        open.purge(filter).wait().unwrap();
        return false;
    }
    let tag = |numbers: &mut Numbers| format!("{:050}", numbers.below(1_000));
    let count = numbers.below(CHANGES) + 1;
    let changes: Vec<ChangeRequest> = (0..count)
        .map(|_| {
            let user = format!("u{}", numbers.below(20));
            ChangeRequest::add(user, [tag(numbers), tag(numbers), tag(numbers)])
        })
        .collect();
    open.post(post(changes)).wait().unwrap();
    true
}

#[test]
fn what_was_answered_is_there_after_a_power_cut_at_any_moment_and_the_rest_whole_or_not_at_all() {
    let (home, mut numbers) = (Home::new(), Numbers(1));
    let open = home.open();
    let (mut files, mut waiting) = (Files::read(home.path()), 0);
    let (mut new, mut old, mut brought_in) = (0, 0, 0);
    for _ in 0..ROUNDS {
        let (before, waited) = (files, waiting);
        let is_post = step(&mut numbers, &open);
        (files, waiting) = (Files::read(home.path()), open.status().changes);
        // the log is synced before the answer, and before any of it is brought into the file
        let log = torn(&mut numbers, &before.log, &files.log);
        let found = after_a_cut(&home, &before.file, &log);
        let is_whole = found == waited || found == waiting;
        let is_part = !is_post && (waiting..waited).contains(&found);
        assert!(is_whole || is_part, "{found}: {waited} {waiting}");
        new += u32::from(found == waiting);
        old += u32::from(found == waited);
        if files.file != before.file {
            brought_in += 1;
            let file = torn(&mut numbers, &before.file, &files.file);
            assert_eq!(after_a_cut(&home, &file, &files.log), waiting);
        }
    }
    assert!(
        new > 2 && old > 5 && brought_in > 0,
        "{new} {old} {brought_in}"
    );
}
