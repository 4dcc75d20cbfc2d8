//! What a journal promises to an import, with real files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use imtag_transport::Effect;
use tempfile::TempDir;

use super::*;
use crate::import::failed::{Op, list};
use crate::output::Reason;

/// A folder with the files of an import in it.
pub(super) struct Place {
    folder: TempDir,
    pub(super) identity: Identity,
}

/// Journals of these tests are synced thousands of times, which a busy disk takes a minute for. What is synced, and when, is
/// held by the tests of `writer`.
fn in_memory() -> TempDir {
    let folder = tempfile::tempdir_in("/dev/shm");
    folder.or_else(|_| tempfile::tempdir()).unwrap()
}

impl Place {
    pub(super) fn new(users: u64) -> Place {
        Place {
            folder: in_memory(),
            identity: identity(users),
        }
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.folder.path().join("users.csv.journal")
    }

    pub(super) fn failed(&self) -> PathBuf {
        self.folder.path().join("users.csv.failed.ndjson")
    }

    pub(super) fn open(&self) -> Result<Opened, JournalError> {
        Journal::open(&self.journal(), &self.identity, &self.failed())
    }

    pub(super) fn refused(&self) -> String {
        self.open().err().unwrap().to_string()
    }

    /// The accounts in the list of who failed.
    pub(super) fn listed(&self) -> Vec<String> {
        let lines = list(&self.failed(), &[]).unwrap();
        lines.map(|line| line.unwrap().account).collect()
    }
}

pub(super) fn identity(users: u64) -> Identity {
    Identity {
        input: Fingerprint {
            digest: 77,
            bytes: 1_000,
        },
        users,
        facts: vec![("app".to_owned(), "1400000000".to_owned())],
    }
}

/// A user fails, whose account is the number.
pub(super) fn fail(journal: &Journal, user: u64) -> Result<(), DiskError> {
    let failure = Failure {
        account: &user.to_string(),
        op: Op::Add,
        tags: &["vip"],
        reason: &Reason::ours("it was refused".to_owned(), "ask why"),
        effect: Effect::NotApplied,
    };
    journal.failed(user, &[failure])
}

/// Ends a run that holds nobody back.
pub(super) fn close(journal: Journal) -> Result<bool, DiskError> {
    journal.close(|_| Ok(()))
}

/// The list of an earlier run.
pub(super) fn earlier() -> &'static str {
    "{\"account\":\"zoe\",\"op\":\"clear\",\"tags\":[],\"code\":null,\"reason\":\"no\",\"remedy\":\"ask\",\
     \"effect\":\"not applied\"}\n"
}

fn settled(opened: &Opened, users: u64) -> Vec<u64> {
    (0..users)
        .filter(|user| opened.settled.is_settled(*user))
        .collect()
}

#[test]
fn an_import_that_is_taken_up_knows_who_is_settled_and_what_was_counted() {
    let place = Place::new(1_000);
    let opened = place.open().unwrap();
    assert!(!opened.resumed);
    assert!(settled(&opened, 1_000).is_empty());
    let more = |requests| Counters {
        requests,
        retries: 1,
        splits: 2,
        elapsed: Duration::from_millis(1_500),
        resumes: 0,
    };
    let journal = opened.journal;
    journal.count(more(10));
    journal.done([5, 999, 4]).unwrap();
    journal.flush().unwrap();
    fail(&journal, 7).unwrap();
    journal.flush().unwrap();
    journal.count(more(20));
    close(journal).unwrap();

    let opened = place.open().unwrap();
    assert!(opened.resumed);
    assert_eq!(opened.torn, 0);
    assert_eq!(settled(&opened, 1_000), [4, 5, 7, 999]);
    assert_eq!((opened.settled.done(), opened.settled.failed()), (3, 1));
    let counted = Counters {
        requests: 30,
        retries: 2,
        splits: 4,
        elapsed: Duration::from_secs(3),
        resumes: 1,
    };
    assert_eq!(opened.journal.counters(), counted);
    drop(opened);
    assert_eq!(place.open().unwrap().journal.counters().resumes, 2);
    assert_eq!(place.listed(), ["7"]);
}

#[test]
fn both_files_are_for_their_owner_alone() {
    let place = Place::new(10);
    let opened = place.open().unwrap();
    for path in [place.journal(), place.failed()] {
        let mode = fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    drop(opened);
}

#[test]
fn a_second_import_on_a_journal_is_told_which_process_has_it() {
    let place = Place::new(10);
    let opened = place.open().unwrap();
    let refused = place.refused();
    let process = std::process::id();
    let starts = format!("another import (process {process}) is at work with ");
    assert!(refused.starts_with(&starts), "{refused}");
    opened.journal.done(0..10).unwrap();
    close(opened.journal).unwrap();
    assert!(place.open().is_ok());
}

#[test]
fn a_changed_input_or_setting_is_not_taken_for_what_was_begun() {
    let mut place = Place::new(10);
    let journal = place.open().unwrap().journal;
    journal.done([1]).unwrap();
    close(journal).unwrap();
    let before = fs::read(place.journal()).unwrap();
    place.identity.input.digest += 1;
    place.identity.facts[0].1 = "1500000000".to_owned();
    let refused = place.refused();
    let wanted = "is the journal of another import, as the content of the input has changed, app was 1400000000 and \
                  is 1500000000 now: give what that import was begun with, or delete the journal to begin afresh";
    assert!(refused.ends_with(wanted), "{refused}");
    assert_eq!(fs::read(place.journal()).unwrap(), before);
}

#[test]
fn a_journal_in_which_nobody_is_settled_is_anybodys() {
    let mut place = Place::new(10);
    drop(place.open().unwrap());
    assert!(place.journal().exists(), "as a crash leaves it");
    place.identity = identity(2_000);
    let opened = place.open().unwrap();
    assert!(!opened.resumed);
    opened.journal.done([1_999]).unwrap();
    close(opened.journal).unwrap();
    assert_eq!(settled(&place.open().unwrap(), 2_000), [1_999]);
}

#[test]
fn a_run_that_settles_nobody_leaves_things_as_they_were() {
    let place = Place::new(10);
    fs::write(place.failed(), earlier()).unwrap();
    let journal = place.open().unwrap().journal;
    journal.count(Counters {
        requests: 1,
        ..Counters::default()
    });
    close(journal).unwrap();
    assert!(!place.journal().exists());
    let list = fs::read_to_string(place.failed()).unwrap();
    assert_eq!(list, earlier());
    fs::remove_file(place.failed()).unwrap();
    close(place.open().unwrap().journal).unwrap();
    assert!(!place.failed().exists());
}

#[test]
fn an_import_that_ends_leaves_the_list_of_who_failed_and_no_journal() {
    let place = Place::new(4);
    fs::write(place.failed(), earlier()).unwrap();
    let journal = place.open().unwrap().journal;
    fail(&journal, 3).unwrap();
    fail(&journal, 1).unwrap();
    journal.done([0, 2]).unwrap();
    journal.finish().unwrap();
    assert!(!place.journal().exists());
    assert_eq!(place.listed(), ["3", "1"]);
    let journal = place.open().unwrap().journal;
    journal.done(0..4).unwrap();
    journal.finish().unwrap();
    assert!(!place.failed().exists(), "nobody failed this time");
}

#[test]
fn no_other_file_is_taken_for_a_journal_or_harmed() {
    let place = Place::new(4);
    for (content, says) in [
        (
            &b"account,tag\nbob,vip\n"[..],
            "is not a journal of an import",
        ),
        (b"imtag journal\n\x09\0", "has format version 9"),
    ] {
        fs::write(place.journal(), content).unwrap();
        let refused = place.refused();
        assert!(refused.contains(says), "{refused}");
        assert_eq!(fs::read(place.journal()).unwrap(), content);
    }
    fs::remove_file(place.journal()).unwrap();
    fs::create_dir(place.journal()).unwrap();
    assert!(place.refused().contains("is a folder"));
}

#[test]
fn a_folder_that_takes_no_file_is_named_before_anything_is_sent() {
    let place = Place::new(4);
    let nowhere = Path::new("/no such folder/users.csv.journal");
    let refused = Journal::open(nowhere, &place.identity, &place.failed());
    let text = refused.err().unwrap().to_string();
    assert!(
        text.starts_with("/no such folder/users.csv.journal cannot be opened: "),
        "{text}"
    );
    assert!(
        text.ends_with("; make its folder, or give another path"),
        "{text}"
    );

    let refused = Journal::open(&place.journal(), &place.identity, Path::new("/dev/full"));
    let text = refused.err().unwrap().to_string();
    let says = "/dev/full is a device, and a list of failed users needs a file";
    assert!(text.starts_with(says), "{text}");
    assert!(!place.journal().exists());
}

#[test]
fn one_file_cannot_be_both() {
    let place = Place::new(4);
    let refused = Journal::open(&place.failed(), &place.identity, &place.failed());
    let text = refused.err().unwrap().to_string();
    assert!(
        text.contains("cannot be the journal and the list"),
        "{text}"
    );
}

#[test]
fn a_list_of_failed_users_that_is_gone_is_not_gone_on_without() {
    let place = Place::new(4);
    let journal = place.open().unwrap().journal;
    fail(&journal, 3).unwrap();
    close(journal).unwrap();
    fs::remove_file(place.failed()).unwrap();
    let refused = place.refused();
    let says = "does not start with the failed users that this import has listed so far";
    assert!(refused.contains(says), "{refused}");
}

#[test]
fn a_run_that_was_killed_or_left_requests_on_their_way_is_taken_up_and_one_that_ended_is_not() {
    let place = Place::new(4);
    let opened = place.open().unwrap();
    assert!(!opened.resumed_after_crash);
    drop(opened);
    let opened = place.open().unwrap();
    assert!(
        opened.resumed_after_crash && !opened.resumed,
        "killed before the first was settled"
    );
    let mut journal = opened.journal;
    journal.leave_in_doubt(InDoubt::from_users([2]));
    assert!(close(journal).unwrap());
    let opened = place.open().unwrap();
    assert!(opened.resumed_after_crash && !opened.resumed);
    assert!(!close(opened.journal).unwrap());
    assert!(!place.open().unwrap().resumed_after_crash);
}

#[test]
fn a_run_that_ended_says_who_is_in_doubt_and_after_one_that_was_killed_all_are() {
    for settles in [false, true] {
        let place = Place::new(4);
        let opened = place.open().unwrap();
        assert_eq!(opened.in_doubt, InDoubt::nobody());
        let mut journal = opened.journal;
        if settles {
            journal.done([0]).unwrap();
        }
        journal.leave_in_doubt(InDoubt::from_users([2]));
        assert!(close(journal).unwrap());
        let opened = place.open().unwrap();
        assert_eq!(opened.in_doubt, InDoubt::from_users([2]));
        drop(opened); // as a crash does
        assert_eq!(place.open().unwrap().in_doubt, InDoubt::Everybody);
    }
}

#[test]
fn what_is_torn_may_be_of_a_run_that_was_killed() {
    let place = Place::new(4);
    let journal = place.open().unwrap().journal;
    journal.done([0]).unwrap();
    close(journal).unwrap();
    let mut bytes = fs::read(place.journal()).unwrap();
    bytes.push(9);
    fs::write(place.journal(), bytes).unwrap();
    assert_eq!(place.open().unwrap().in_doubt, InDoubt::Everybody);
}

#[test]
fn an_earlier_runs_list_stays_where_only_doubt_is_noted_down() {
    let place = Place::new(4);
    fs::write(place.failed(), earlier()).unwrap();
    let mut journal = place.open().unwrap().journal;
    journal.leave_in_doubt(InDoubt::from_users([2]));
    assert!(close(journal).unwrap());
    let list = fs::read_to_string(place.failed()).unwrap();
    assert_eq!(list, earlier());
}
