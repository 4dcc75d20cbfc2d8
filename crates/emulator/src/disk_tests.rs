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
    for gone in [None, Some(USERS_LOG), Some(USERS)] {
        let step = killed(begun.path());
        fs::write(step.path().join(USERS_LAST), "reset").unwrap();
        let _ = gone.map(|name| fs::remove_file(step.path().join(name)).unwrap());
        assert!(plain(&open(step.path()).1).is_empty(), "{gone:?}");
        assert!(plain(&open(step.path()).1).is_empty(), "{gone:?}");
    }
}

/// A database with some users, closed; and what they have.
fn written() -> (tempfile::TempDir, Plain) {
    let (home, _, store) = in_use();
    let users = plain(&store);
    (home, users)
}

#[test]
fn a_damaged_cut_or_missing_log_is_refused_with_a_way_on_and_a_change_without_an_answer_is_not() {
    let (home, mut disk, mut store) = in_use();
    let killed = killed(home.path());
    let log = killed.path().join(USERS_LOG);
    let right = fs::read(&log).unwrap();
    let lost = || {
        let error = refused_unchanged(killed.path());
        let DataError::Lost { lost, .. } = error else {
            panic!("{error}");
        };
        lost
    };
    for at in (0..1000).step_by(7).chain((1000..right.len()).step_by(997)) {
        let mut wrong = right.clone();
        wrong[at] ^= 0x55;
        fs::write(&log, &wrong).unwrap();
        assert!((1..=39).contains(&lost()), "{at} of {}", right.len());
    }
    fs::write(&log, &right[..right.len() - 1]).unwrap();
    assert_eq!(lost(), 1);
    fs::remove_file(&log).unwrap();
    assert_eq!(lost(), 39);
    let path = killed.path().to_str().unwrap();
    let says = format!(
        "{path}/users.db lacks the last 39 of its rows of users, which {path}/users.last counts: \
         restore the folder from a copy, or remove {path}/users.last to go on without them"
    );
    assert_eq!(refused_unchanged(killed.path()).to_string(), says);
    // The way on.
    let mut wrong = right.clone();
    wrong[right.len() / 2] ^= 0x55;
    fs::write(&log, &wrong).unwrap();
    fs::remove_file(killed.path().join(USERS_LAST)).unwrap();
    let (mut again, mut some) = open(killed.path());
    assert!((10..39).contains(&some.users()), "{}", some.users());
    some.add_texts("new", &["x"]);
    again.save(&mut some).unwrap();
    drop(again);
    assert_eq!(plain(&open(killed.path()).1), plain(&some));
    fs::remove_file(killed.path().join(USERS)).unwrap();
    let error = refused_unchanged(killed.path());
    assert!(matches!(error, DataError::Damaged { .. }), "{error}");
    // A kill in the middle of a change, before its answer.
    let (users, before) = (plain(&store), self::killed(home.path()));
    store.add_texts("last", &["x"]);
    disk.save(&mut store).unwrap();
    let grown = fs::read(home.path().join(USERS_LOG)).unwrap();
    for length in (right.len()..grown.len()).step_by(997) {
        let killed = self::killed(before.path());
        fs::write(killed.path().join(USERS_LOG), &grown[..length]).unwrap();
        assert_eq!(plain(&open(killed.path()).1), users, "{length}");
    }
}

#[test]
fn a_reader_after_a_kill_costs_nothing() {
    let (home, _disk, store) = in_use();
    let killed = killed(home.path());
    let reader = Connection::open(killed.path().join(USERS)).unwrap();
    let count = "SELECT count(*) FROM users";
    let count: u32 = reader.query_row(count, [], |row| row.get(0)).unwrap();
    reader.close().unwrap();
    assert_eq!(count, 39);
    assert!(!killed.path().join(USERS_LOG).exists());
    let emulator = Emulator::builder().data(killed.path()).start().unwrap();
    assert_eq!(emulator.users().len(), store.users());
}

#[test]
fn a_first_start_that_failed_at_any_file_is_no_obstacle_to_the_next() {
    let home = tempfile::tempdir().unwrap();
    let folder = Folder::open(home.path()).unwrap();
    // What it lacks is made by the next one.
    let (disk, _) = Disk::open(folder).unwrap();
    disk.folder.keep_owner(&owner()).unwrap();
    drop(disk);
    let whole = files(home.path());
    assert_eq!(whole.len(), 3, "{:?}", whole.keys());
    let start = |home: &Path| Emulator::builder().data(home).tls(true).start();
    start(killed(home.path()).path()).unwrap();
    let begun = tempfile::tempdir().unwrap();
    fs::write(begun.path().join(USERS_LAST), "reset").unwrap();
    start(begun.path()).unwrap();
}

#[test]
fn a_database_of_another_program_is_left_as_it_is() {
    for with_owner in [false, true] {
        let home = tempfile::tempdir().unwrap();
        let db = Connection::open(home.path().join(USERS)).unwrap();
        let theirs = "PRAGMA journal_mode = WAL; CREATE TABLE users(id INTEGER PRIMARY KEY, users BLOB); \
                      INSERT INTO users VALUES (1, 'theirs')";
        db.execute_batch(theirs).unwrap();
        let killed = killed(home.path());
        fs::remove_file(killed.path().join("users.db-shm")).unwrap();
        if with_owner {
            own(killed.path());
        }
        let error = refused_unchanged(killed.path());
        let of_emulator = matches!(error, DataError::Damaged { .. });
        assert_eq!(of_emulator, with_owner, "{error}");
        let of_another = matches!(error, DataError::Foreign { .. });
        assert_eq!(of_another, !with_owner, "{error}");
    }
}

#[test]
fn own_data_that_are_refused_stay_as_they_are() {
    let home = tempfile::tempdir().unwrap();
    let (mut disk, mut store) = open(home.path());
    store.add_texts("a", &["x"]);
    disk.save(&mut store).unwrap();
    let bad = "INSERT INTO users(users) VALUES (x'00')";
    disk.db().unwrap().execute_batch(bad).unwrap();
    let in_log = killed(home.path());
    drop(disk);
    for folder in [&in_log, &home] {
        own(folder.path());
        let error = refused_unchanged(folder.path());
        assert!(matches!(error, DataError::Damaged { .. }), "{error}");
    }
    let (home, _) = written();
    for (name, text) in [
        ("users.db-journal", "theirs"),
        ("ca.pem", "theirs"),
        ("secret-key", ""),
    ] {
        fs::write(home.path().join(name), text).unwrap();
        let error = refused_unchanged(home.path()).to_string();
        assert!(error.contains(name.trim_end_matches("-journal")), "{error}");
        fs::remove_file(home.path().join(name)).unwrap();
    }
}

#[test]
fn a_changed_byte_is_refused_or_changes_nothing() {
    let (home, users) = written();
    let path = home.path().join(USERS);
    let right = fs::read(&path).unwrap();
    let mut refusals = 0;
    for at in (0..100).chain((100..right.len()).step_by(211)) {
        let mut wrong = right.clone();
        wrong[at] ^= 1 << (at % 8);
        fs::write(&path, &wrong).unwrap();
        match Disk::open(Folder::open(home.path()).unwrap()) {
            Ok((_, store)) => assert_eq!(plain(&store), users, "{at}"),
            Err(error) => {
                assert!(error.to_string().contains("users.db"), "{error}");
                refusals += 1;
            }
        }
    }
    assert!(refusals > 50, "{refusals}");
}

#[test]
fn a_file_that_was_cut_or_is_anothers_is_refused() {
    let (home, _) = written();
    let path = home.path().join(USERS);
    let right = fs::read(&path).unwrap();
    let damaged = "users.db is damaged: restore the folder from a copy";
    for length in (0..right.len()).step_by(1024) {
        fs::write(&path, &right[..length]).unwrap();
        let error = refused(home.path()).to_string();
        assert!(error.contains(damaged), "{length}: {error}");
    }
    fs::write(&path, "a text of somebody's").unwrap();
    assert!(refused(home.path()).to_string().contains(damaged));
    fs::remove_file(&path).unwrap();
    // Each row of the view is another megabyte, for ever.
    let endless = "PRAGMA application_id = 1768780901; \
                   CREATE VIEW users AS WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) \
                   SELECT id, zeroblob(1000000) AS users, 0 AS checksum FROM n";
    Connection::open(&path)
        .unwrap()
        .execute_batch(endless)
        .unwrap();
    let error = refused(home.path());
    let why = error.source().unwrap().to_string();
    assert_eq!(why, "it is no database of an emulator's users");
}

#[test]
fn rows_that_were_not_written_so_are_refused() {
    let packed = |text: &str| zstd::encode_all(text.as_bytes(), 1).unwrap();
    for (users, why) in [
        (
            rusqlite::types::Value::from("{}".to_owned()),
            "Invalid type",
        ),
        (b"{}".to_vec().into(), "Unknown frame descriptor"),
        (Vec::new().into(), "incomplete frame"),
        (
            packed("{").into(),
            "EOF while parsing an object at line 1 column 1",
        ),
        (packed("[1]").into(), "a row has no users"),
        (
            packed(&format!("{{{}}}", " ".repeat(32 << 20))).into(),
            "a row is longer than any request",
        ),
        (packed(r#"{"a":["t",1]}"#).into(), "a row has no users"),
    ] {
        let (home, _) = written();
        let db = Connection::open(home.path().join(USERS)).unwrap();
        db.execute("UPDATE users SET users = ?1 WHERE id = 7", [users])
            .unwrap();
        db.close().unwrap();
        let error = refused(home.path());
        assert!(matches!(error, DataError::Damaged { .. }), "{error}");
        assert_eq!(error.source().unwrap().to_string(), why);
    }
}

#[test]
fn no_link_is_followed_out_of_the_folder() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    // A link to the folder itself is the caller's own.
    let link = home.path().join("link");
    symlink(&data, &link).unwrap();
    open(&data);
    open(&link);
    let mine = home.path().join("mine");
    fs::rename(data.join(USERS), &mine).unwrap();
    for name in [USERS, USERS_LOG] {
        symlink(&mine, data.join(name)).unwrap();
        assert!(matches!(refused(&data), DataError::NoFile { .. }));
        fs::remove_file(data.join(name)).unwrap();
    }
}
