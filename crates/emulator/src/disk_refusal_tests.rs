//! Folders of users that are refused, each left as it is: lost rows, damage, another's files, a second emulator.

use super::*;

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

/// As on a network file system: the folder has another inode, whose lock nobody holds. That of its files is held.
#[test]
fn where_folders_have_no_locks_a_second_emulator_is_refused_and_leaves_the_first_its_files() {
    for says in [None, Some("reset")] {
        let (home, mut disk, mut store) = in_use();
        if let Some(says) = says {
            fs::write(home.path().join(USERS_LAST), says).unwrap();
        }
        let folder = home.path().join("data");
        fs::create_dir(&folder).unwrap();
        for name in [USERS, USERS_LOG, USERS_LAST] {
            fs::rename(home.path().join(name), folder.join(name)).unwrap();
        }
        let error = refused_unchanged(&folder);
        assert!(
            matches!(error, DataError::Files(KeptFilesError::InUse { .. })),
            "{error}"
        );
        store.add_texts("later", &["x"]);
        disk.save(&mut store).unwrap();
        assert_eq!(plain(&open(killed(&folder).path()).1), plain(&store));
    }
}

#[test]
fn a_counter_without_a_number_is_refused_with_a_way_on() {
    let (home, users) = written();
    let counter = home.path().join(USERS_LAST);
    fs::write(&counter, "many").unwrap();
    let path = counter.to_str().unwrap();
    let says = format!(
        "{path} is damaged: restore the folder from a copy, or remove {path} to go on with the users that are there"
    );
    assert_eq!(refused_unchanged(home.path()).to_string(), says);
    fs::remove_file(&counter).unwrap();
    assert_eq!(plain(&open(home.path()).1), users);
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
        let of_another = matches!(error, DataError::Files(KeptFilesError::Foreign { .. }));
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
        assert!(matches!(
            refused(&data),
            DataError::Files(KeptFilesError::NoFile { .. })
        ));
        fs::remove_file(data.join(name)).unwrap();
    }
}
