//! Users on the disk: rounds, full disks, resets, and files that are not as they were written.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use imtag_core::{Identifier, SdkAppId};

use crate::emulator::Emulator;
use crate::error::StartError;
use crate::folder::Owner;
use crate::rng::Draw;

use super::*;

type Plain = BTreeMap<String, Vec<String>>;

fn open(home: &Path) -> (Disk, Store) {
    let (mut disk, store) = Disk::open(Folder::open(home).unwrap()).unwrap();
    disk.begin().unwrap();
    (disk, store)
}

/// Every file of a folder.
fn files(home: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = fs::read_dir(home).unwrap().map(|it| it.unwrap().path());
    let files = files.filter(|it| it.is_file());
    files
        .map(|it| (it.clone(), fs::read(&it).unwrap()))
        .collect()
}

/// The folder as a kill would leave it now.
fn killed(home: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for (path, bytes) in files(home) {
        fs::write(copy.path().join(path.file_name().unwrap()), bytes).unwrap();
    }
    copy
}

/// The emulator refuses the folder, and leaves each byte of it.
fn refused_unchanged(home: &Path) -> DataError {
    let before = files(home);
    let refused = Emulator::builder().data(home).tls(true).start();
    let StartError::Data(error) = refused.unwrap_err() else {
        panic!("it is the folder");
    };
    assert!(files(home) == before, "{error}");
    error
}

fn owner() -> Owner {
    Owner {
        sdkappid: SdkAppId::new(7).unwrap(),
        identifier: Identifier::new("root").unwrap(),
    }
}

fn own(home: &Path) {
    Folder::open(home).unwrap().keep_owner(&owner()).unwrap();
}

fn refused(home: &Path) -> DataError {
    Disk::open(Folder::open(home).unwrap()).err().unwrap()
}

fn numbered(count: u32) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

fn plain(store: &Store) -> Plain {
    let users = store.users_after(None);
    users
        .map(|(account, tags)| {
            let mut tags: Vec<String> = tags.map(str::to_owned).collect();
            tags.sort_unstable();
            (account.to_owned(), tags)
        })
        .collect()
}

fn rows(disk: &mut Disk) -> (i64, u32) {
    let rows = "SELECT ifnull(min(id), 0), count(*) FROM users";
    let db = disk.db().unwrap();
    let rows = db.query_row(rows, [], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap()
}

fn pages(disk: &mut Disk, most: u32) {
    let pragma = format!("PRAGMA max_page_count = {most}");
    let db = disk.db().unwrap();
    db.query_row(&pragma, [], |_| Ok(())).unwrap();
}

/// An emulator's folder in use, with users 1 to 39 and as many rows; and the users.
fn in_use() -> (tempfile::TempDir, Disk, Store) {
    let home = tempfile::tempdir().unwrap();
    let (mut disk, mut store) = open(home.path());
    disk.folder.keep_owner(&owner()).unwrap();
    for user in 1..40 {
        store.add_texts(&format!("user{user}"), &numbered(user));
        disk.save(&mut store).unwrap();
    }
    (home, disk, store)
}

/// Users come, change and go, some of them at the borders of blocks; and all of them go in the end.
#[test]
fn what_was_saved_is_read_and_what_is_outdated_does_not_pile_up() {
    let home = tempfile::tempdir().unwrap();
    let (mut disk, mut store) = open(home.path());
    let mut draw = Draw(7);
    let mut draw = |below| draw.below(below);
    let long = "标\"\\\n".repeat(50);
    for step in 0..600 {
        for _ in 0..20 {
            let account = format!("user{}{}", draw(500), if draw(9) == 0 { &long } else { "" });
            let tags: Vec<_> = (0..draw(8))
                .map(|_| format!("{} {long}", draw(20)))
                .collect();
            store.replace_texts(&account, &tags);
        }
        disk.save(&mut store).unwrap();
        if step % 200 == 199 {
            let expected = plain(&store);
            drop(disk);
            (disk, store) = open(home.path());
            assert_eq!(plain(&store), expected);
        }
    }
    let (first, count) = rows(&mut disk);
    assert!(first > 500 && count < 200, "{first} {count}");
    let users = plain(&store);
    for account in users.keys() {
        store.replace_texts(account, &[""; 0]);
        disk.save(&mut store).unwrap();
    }
    drop(disk);
    assert!(plain(&open(home.path()).1).is_empty());
}

#[test]
fn what_a_full_disk_keeps_back_is_saved_once_there_is_room() {
    let home = tempfile::tempdir().unwrap();
    let (mut disk, mut store) = open(home.path());
    store.add_texts("a", &["x"]);
    disk.save(&mut store).unwrap();
    pages(&mut disk, 2);
    store.add_texts("b", &numbered(5_000));
    for _ in 0..2 {
        let error = disk.save(&mut store).unwrap_err();
        assert_eq!(error.to_string(), "database or disk is full");
    }
    pages(&mut disk, 1_000);
    store.add_texts("c", &["z"]);
    disk.save(&mut store).unwrap();
    let expected = plain(&store);
    assert_eq!(expected.len(), 3);
    drop(disk);
    assert_eq!(plain(&open(home.path()).1), expected);
}

#[test]
fn more_than_a_row_holds_is_kept_in_several() {
    let home = tempfile::tempdir().unwrap();
    let (mut disk, mut store) = open(home.path());
    for account in ["a", "b", "c"] {
        store.add_texts(account, &[account.repeat(11 << 20)]);
    }
    disk.save(&mut store).unwrap();
    drop(disk);
    assert_eq!(open(home.path()).1.users(), 3);
}

#[test]
fn a_reset_that_the_disk_does_not_take_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (mut disk, mut store) = open(home.path());
    store.add_texts("before", &["x"]);
    disk.save(&mut store).unwrap();
    // One takes no mark; the other takes it, and cannot bring it to the disk.
    for file in ["/dev/full", "/dev/null"] {
        let file = File::options().read(true).write(true).open(file).unwrap();
        let right = disk.counter.replace(file);
        let error = disk.reset().unwrap_err().to_string();
        assert!(error.starts_with("cannot write "), "{error}");
        disk.counter.replace(right);
        store.add_texts("after", &["y"]);
        disk.save(&mut store).unwrap();
        let users: Vec<_> = plain(&open(killed(home.path()).path()).1)
            .into_keys()
            .collect();
        assert_eq!(users, ["after", "before"]);
    }
}

#[test]
fn a_reset_that_fails_after_a_full_disk_loses_no_row() {
    let (home, mut disk, mut store) = in_use();
    pages(&mut disk, 2);
    store.add_texts("late", &numbered(5_000));
    disk.save(&mut store).unwrap_err();
    let null = File::options().read(true).write(true).open("/dev/null");
    let right = disk.counter.replace(null.unwrap());
    disk.reset().unwrap_err();
    disk.counter.replace(right);
    assert_eq!(disk.last, 39);
    let _ = disk.counter.write(disk.last);
    assert_eq!(open(killed(home.path()).path()).1.users(), 39);
}

#[test]
fn an_empty_database_is_used_also_where_its_mark_cannot_be_brought_to_the_disk() {
    let home = tempfile::tempdir().unwrap();
    let (mut disk, mut store) = open(home.path());
    let log = home.path().join(USERS_LOG);
    fs::remove_file(&log).unwrap();
    fs::create_dir(&log).unwrap();
    disk.reset().unwrap();
    let null = File::options().read(true).write(true).open("/dev/null");
    let right = disk.counter.replace(null.unwrap());
    // The mark of the first one stays.
    disk.reset().unwrap();
    fs::remove_dir(&log).unwrap();
    store.add_texts("a", &["x"]);
    disk.save(&mut store).unwrap();
    disk.counter.replace(right);
    store.add_texts("b", &["x"]);
    disk.save(&mut store).unwrap();
    assert_eq!(plain(&open(killed(home.path()).path()).1), plain(&store));
}

#[test]
fn a_reset_that_is_marked_is_done_whatever_fails_then() {
    let home = tempfile::tempdir().unwrap();
    let start = || Emulator::builder().data(home.path()).start();
    let emulator = start().unwrap();
    emulator.tag("before", ["x"]);
    let log = home.path().join(USERS_LOG);
    fs::rename(&log, home.path().join("log")).unwrap();
    fs::create_dir(&log).unwrap();
    emulator.reset().unwrap();
    emulator.tag("after", ["y"]);
    let names = |emulator: &Emulator| emulator.users().into_keys().collect::<Vec<_>>();
    assert_eq!(names(&emulator), ["after"]);
    let begun = killed(home.path());
    fs::remove_dir(&log).unwrap();
    emulator.tag("later", ["y"]);
    drop(emulator);
    assert_eq!(names(&start().unwrap()), ["after", "later"]);
    let begun = Emulator::builder().data(begun.path()).start().unwrap();
    assert!(begun.users().is_empty());
}

#[test]
fn a_reset_is_done_once_it_is_answered_also_on_a_full_disk() {
    let home = tempfile::tempdir().unwrap();
    let (mut disk, mut store) = open(home.path());
    store.add_texts("before", &["x"]);
    disk.save(&mut store).unwrap();
    pages(&mut disk, 2);
    store.add_texts("b", &numbered(5_000));
    disk.save(&mut store).unwrap_err();
    let begun = killed(home.path());
    disk.reset().unwrap();
    assert_eq!(fs::metadata(home.path().join(USERS)).unwrap().len(), 8192);
    assert!(plain(&open(killed(home.path()).path()).1).is_empty());
    let mut store = Store::default();
    store.unsaved = Some(Vec::new());
    store.add_texts("after", &["y"]);
    disk.save(&mut store).unwrap();
    let users: Vec<_> = plain(&open(killed(home.path()).path()).1)
        .into_keys()
        .collect();
    assert_eq!(users, ["after"]);
    // A kill at each step of it.
    let step = |done: &dyn Fn(&Path)| {
        let step = killed(begun.path());
        fs::write(step.path().join(USERS_LAST), "reset").unwrap();
        done(step.path());
        assert!(plain(&open(step.path()).1).is_empty());
        assert!(plain(&open(step.path()).1).is_empty());
    };
    let remove = |home: &Path, name| fs::remove_file(home.join(name)).unwrap();
    step(&|_| {});
    step(&|home| remove(home, USERS_LOG));
    step(&|home| {
        [USERS_LOG, USERS]
            .into_iter()
            .for_each(|it| remove(home, it));
    });
    step(&|home| {
        remove(home, USERS_LOG);
        fs::write(home.join(USERS), image().unwrap()).unwrap();
    });
}

#[test]
fn a_first_start_that_failed_at_any_file_is_no_obstacle_to_the_next() {
    let home = tempfile::tempdir().unwrap();
    let start = |home: &Path| Emulator::builder().data(home).tls(true).start();
    let _running = start(home.path()).unwrap();
    // In the order in which they are made; users.last has its number once the log is there.
    let made = [
        (USERS_LAST, "reset"),
        (USERS, "reset"),
        (USERS_LOG, "reset"),
        ("emulator.json", "0"),
        ("secret-key", "0"),
        ("ca-key.pem", "0"),
        ("ca.pem", "0"),
    ];
    let whole = killed(home.path());
    assert_eq!(files(whole.path()).len(), made.len());
    let begun = tempfile::tempdir().unwrap();
    fs::write(begun.path().join(".new-x"), "cut").unwrap();
    for (name, says) in made {
        fs::copy(whole.path().join(name), begun.path().join(name)).unwrap();
        fs::write(begun.path().join(USERS_LAST), says).unwrap();
        let begun = killed(begun.path());
        start(begun.path()).unwrap().tag("a", ["x"]);
        assert_eq!(start(begun.path()).unwrap().users().len(), 1, "{name}");
    }
}

#[path = "disk_refusal_tests.rs"]
mod refusals;
