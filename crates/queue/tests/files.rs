//! What a queue's file may be.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};

use imtag_queue::OpenError;
use support::{Home, many};

/// Refused, and left as it was.
fn refused(home: &Home) -> OpenError {
    let read = || {
        let names = fs::read_dir(home.path()).unwrap();
        let mut files: Vec<_> = names
            .map(|it| it.unwrap())
            .map(|it| (it.file_name(), fs::read(it.path()).unwrap()))
            .filter(|(name, _)| !name.to_string_lossy().ends_with("-wal"))
            .collect();
        files.sort();
        files
    };
    let before = read();
    let error = home.try_open().err().expect("it is refused");
    assert_eq!(read(), before);
    error
}

fn with_one_post() -> Home {
    let home = Home::new();
    let open = home.open();
    open.post(many(3)).wait().unwrap();
    drop(open);
    home
}

#[test]
fn a_later_format_and_another_programs_file_are_refused_by_name_and_stay() {
    let home = with_one_post();
    let path = home.path().join("queue.sqlite");
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&2_i32.to_be_bytes(), 60).unwrap();
    let error = refused(&home);
    assert!(
        matches!(error, OpenError::Format { format: 2, .. }),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("is a queue of format 2, and this imtag knows format 1")
    );
    file.write_all_at(&0x1234_i32.to_be_bytes(), 68).unwrap();
    let error = refused(&home);
    assert!(matches!(error, OpenError::Foreign(_)), "{error}");
    assert!(!error.is_denied());
    fs::write(&path, "dear diary").unwrap();
    assert!(matches!(refused(&home), OpenError::Foreign(_)));
    fs::write(home.path().join("queue.sqlite-journal"), "x").unwrap();
    assert!(matches!(refused(&home), OpenError::Foreign(_)));
}

#[test]
fn a_second_daemon_and_another_process_with_the_file_are_refused() {
    let home = Home::new();
    let open = home.open();
    let error = home.try_open().err().unwrap();
    assert!(
        error
            .to_string()
            .starts_with("another daemon uses the data in"),
        "{error}"
    );
    assert!(error.is_denied());
    open.post(many(1)).wait().unwrap();
}

#[test]
fn no_link_is_followed_and_files_are_for_their_owner_alone() {
    let home = with_one_post();
    let path = home.path().join("queue.sqlite");
    let open = home.open();
    for name in ["queue.sqlite", "queue.sqlite-wal"] {
        let mode = fs::metadata(home.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{name}");
    }
    drop(open);
    let elsewhere = home.path().join("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    symlink(&elsewhere, &path).unwrap();
    assert!(matches!(refused(&home), OpenError::Files(_)));
    fs::remove_file(&path).unwrap();
    fs::rename(&elsewhere, &path).unwrap();
    symlink("/dev/null", home.path().join("queue.sqlite-wal")).unwrap();
    assert!(home.try_open().is_err());
}

#[test]
fn a_log_without_its_file_is_not_taken_for_that_of_the_next() {
    let home = Home::new();
    let open = home.open();
    open.post(many(3)).wait().unwrap();
    let killed = home.killed();
    fs::remove_file(killed.path().join("queue.sqlite")).unwrap();
    assert_eq!(killed.open().status().changes, 0);
}
