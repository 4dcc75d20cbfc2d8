//! What a journal promises to an import, with real files, and what a crash at any byte leaves of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::import::input::Fingerprint;
use crate::import::state::failed_change::tests::failed;
use crate::import::state::failed_list::read_list;

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
        let lines = read_list(&self.failed(), &[]).unwrap();
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
    journal.failed(user, &[failed(&user.to_string())])
}

/// Ends a run that leaves no user in doubt, and holds none back.
pub(super) fn close(journal: Journal) -> Result<bool, DiskError> {
    close_with(journal, InDoubt::none())
}

fn close_with(journal: Journal, in_doubt: InDoubt) -> Result<bool, DiskError> {
    journal.close(in_doubt, |_| Ok(()))
}

/// The list of an earlier run.
pub(crate) const EARLIER: &str = "{\"account\":\"zoe\",\"op\":\"clear\",\"tags\":[],\"code\":null,\
     \"reason\":\"no\",\"remedy\":\"ask\",\"effect\":\"not applied\"}\n";

fn settled(opened: &Opened) -> Vec<u64> {
    let users = 0..opened.settled.users();
    users.filter(|it| opened.settled.is_settled(*it)).collect()
}

#[test]
fn a_resumed_import_knows_who_is_settled_and_what_was_counted() {
    let place = Place::new(1_000);
    let opened = place.open().unwrap();
    assert!(!opened.resumed);
    assert!(settled(&opened).is_empty());
    let run = |requests| Counters {
        requests,
        retries: 1,
        splits: 2,
        elapsed: Duration::from_millis(1_500),
    };
    let mode = fs::metadata(place.journal()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let journal = opened.journal;
    journal.count(run(9));
    journal.done([5, 999, 4]).unwrap();
    journal.flush().unwrap();
    fail(&journal, 7).unwrap();
    journal.flush().unwrap();
    journal.count(run(10));
    close(journal).unwrap();

    let opened = place.open().unwrap();
    assert!(opened.resumed);
    assert_eq!(opened.torn, 0);
    assert_eq!(settled(&opened), [4, 5, 7, 999]);
    assert_eq!((opened.settled.done(), opened.settled.failed()), (3, 1));
    let counted = Counters {
        requests: 30,
        retries: 2,
        splits: 4,
        elapsed: Duration::from_secs(3),
    };
    assert_eq!(opened.journal.counters(), run(10));
    opened.journal.count(run(20));
    assert_eq!(opened.journal.counters(), counted);
    assert_eq!(place.listed(), ["7"]);
}

#[test]
fn an_end_without_a_settled_user_leaves_an_earlier_list_and_a_journal_only_of_who_is_in_doubt() {
    for in_doubt in [InDoubt::none(), InDoubt::from_users([2])] {
        let place = Place::new(10);
        for earlier in [Some(EARLIER), None] {
            match earlier {
                Some(list) => fs::write(place.failed(), list).unwrap(),
                None => fs::remove_file(place.failed()).unwrap(),
            }
            let journal = place.open().unwrap().journal;
            journal.count(Counters {
                requests: 1,
                ..Counters::default()
            });
            let stays = close_with(journal, in_doubt.clone()).unwrap();
            assert_eq!(
                (stays, place.journal().exists()),
                (!in_doubt.is_empty(), stays)
            );
            assert_eq!(fs::read_to_string(place.failed()).ok().as_deref(), earlier);
        }
    }
}

#[test]
fn a_journal_of_another_version_is_refused_and_stays() {
    let place = Place::new(4);
    let content = b"imtag journal\n\x09\0";
    fs::write(place.journal(), content).unwrap();
    let refused = place.refused();
    assert!(refused.contains("has format version 9"), "{refused}");
    assert_eq!(fs::read(place.journal()).unwrap(), content);
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
fn after_a_run_that_was_killed_any_user_may_be_in_doubt_and_after_one_that_ended_those_it_names() {
    for settles in [false, true] {
        let place = Place::new(4);
        let opened = place.open().unwrap();
        assert_eq!(opened.in_doubt, InDoubt::none());
        let journal = opened.journal;
        if settles {
            journal.done([0]).unwrap();
        }
        assert!(close_with(journal, InDoubt::from_users([2])).unwrap());
        let named = fs::read(place.journal()).unwrap();
        let opened = place.open().unwrap();
        assert_eq!(opened.resumed, settles);
        assert_eq!(opened.in_doubt, InDoubt::from_users([2]));
        drop(opened); // as a crash does
        let opened = place.open().unwrap();
        assert_eq!(opened.resumed, settles);
        assert_eq!(opened.in_doubt, InDoubt::AnyUser);
        drop(opened);
        // what is torn may be of a later run, which was killed
        fs::write(place.journal(), [&named[..], &[9]].concat()).unwrap();
        assert_eq!(place.open().unwrap().in_doubt, InDoubt::AnyUser);
    }
    for settles in [false, true] {
        let place = Place::new(4);
        let journal = place.open().unwrap().journal;
        if settles {
            journal.done([0]).unwrap();
        }
        close(journal).unwrap();
        let opened = place.open().unwrap();
        let expected = (settles, InDoubt::none());
        assert_eq!((opened.resumed, opened.in_doubt), expected);
    }
}

#[test]
fn empty_files_that_were_there_are_emptied_again_and_others_go_also_after_a_crash() {
    for (were_there, crash) in [(true, false), (true, true), (false, false), (false, true)] {
        let place = Place::new(4);
        if were_there {
            fs::write(place.journal(), "").unwrap();
            fs::write(place.failed(), "").unwrap();
        }
        let mut journal = place.open().unwrap().journal;
        if crash {
            drop(journal);
            journal = place.open().unwrap().journal;
            journal.done([3]).unwrap();
            drop(journal);
            journal = place.open().unwrap().journal;
        }
        journal.done(0..4).unwrap();
        journal.finish().unwrap();
        for path in [place.journal(), place.failed()] {
            let left = fs::read(path).ok();
            assert_eq!(left, were_there.then(Vec::new), "{crash}");
        }
    }
}

/// A journal of a run that settled no user, and left one user in doubt.
fn with_doubt(place: &Place) -> Vec<u8> {
    let journal = place.open().unwrap().journal;
    assert!(close_with(journal, InDoubt::from_users([2])).unwrap());
    fs::read(place.journal()).unwrap()
}

#[test]
fn a_run_that_is_refused_leaves_an_earlier_runs_doubt_as_it_was() {
    let place = Place::new(4);
    let before = with_doubt(&place);
    let nowhere = place.journal().with_file_name("nowhere").join("list");
    let note = place.journal().with_file_name("note");
    fs::write(&note, "mine").unwrap();
    let busy = place.journal().with_file_name("busy");
    let other = Journal::open(&busy.with_extension("journal"), &identity(4), &busy).unwrap();
    for users in [4, 5] {
        for list in [&nowhere, &note, &busy, &place.journal()] {
            let refused = Journal::open(&place.journal(), &identity(users), list);
            assert!(refused.is_err(), "{list:?}");
            let now = fs::read(place.journal()).unwrap();
            assert_eq!(now, before, "{users} {list:?}");
        }
    }
    drop(other);
    let opened = place.open().unwrap();
    assert_eq!(opened.in_doubt, InDoubt::from_users([2]));
}

#[test]
fn a_run_that_changes_nothing_leaves_an_earlier_runs_journal_as_it_was() {
    for torn in [false, true] {
        let mut place = Place::new(4);
        let mut before = with_doubt(&place);
        if torn {
            before.push(9);
            fs::write(place.journal(), &before).unwrap();
        }
        for users in [4, 5] {
            place.identity = identity(users);
            let opened = place.open().unwrap();
            // a number of another input, or before what is torn, says nothing of this input's users
            let expected = if users == 4 && !torn {
                InDoubt::from_users([2])
            } else {
                InDoubt::AnyUser
            };
            assert_eq!(opened.in_doubt, expected, "{users} {torn}");
            let journal = opened.journal;
            assert!(close_with(journal, opened.in_doubt).unwrap());
            assert_eq!(fs::read(place.journal()).unwrap(), before, "{users} {torn}");
        }
    }
}

const USERS: u64 = 3_000;

/// Who fails: every tenth.
fn fails(user: u64) -> bool {
    user % 10 == 3
}

/// The users in another order than that of the file.
fn order() -> impl Iterator<Item = u64> {
    (0..USERS).map(|nth| nth * 1_009 % USERS)
}

fn settle(journal: &Journal, user: u64) {
    if fails(user) {
        fail(journal, user).unwrap();
    } else {
        journal.done([user]).unwrap();
    }
}

/// The list holds exactly the users that the journal knows as failed.
fn assert_consistent(place: &Place, settled: &Settled) {
    let listed = place.listed();
    let mut distinct: Vec<u64> = listed.iter().map(|it| it.parse().unwrap()).collect();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), listed.len(), "no user is listed twice");
    let failed: Vec<u64> = (0..USERS)
        .filter(|user| fails(*user) && settled.is_settled(*user))
        .collect();
    assert_eq!(distinct, failed);
    assert_eq!(settled.failed(), failed.len() as u64);
}

#[test]
fn a_journal_that_ends_or_is_changed_at_any_byte_opens_with_the_list_that_goes_with_it() {
    let place = Place::new(USERS);
    let journal = place.open().unwrap().journal;
    let begun = fs::metadata(place.journal()).unwrap().len() as usize;
    let mut ends = vec![begun];
    for (nth, user) in order().take(30).enumerate() {
        settle(&journal, user);
        if nth % 10 == 9 {
            journal.flush().unwrap();
            ends.push(fs::metadata(place.journal()).unwrap().len() as usize);
        }
    }
    close(journal).unwrap();
    let (whole, list) = (
        fs::read(place.journal()).unwrap(),
        fs::read(place.failed()).unwrap(),
    );
    ends.push(whole.len());
    assert_eq!(ends.len(), 5, "the last ends the run");

    let check = |at: usize, content: &[u8], blocks: usize| {
        fs::write(place.journal(), content).unwrap();
        fs::write(place.failed(), &list).unwrap();
        let opened = place.open().unwrap();
        assert_eq!(opened.resumed, blocks > 0);
        let known: Vec<_> = order().take(10 * blocks.min(3)).collect();
        let settled = (0..USERS).filter(|it| opened.settled.is_settled(*it));
        assert!(settled.clone().all(|it| known.contains(&it)));
        assert_eq!(settled.count(), known.len());
        if blocks > 0 {
            assert_eq!(opened.torn, (content.len() - ends[blocks]) as u64);
            assert_consistent(&place, &opened.settled);
        }
        // and goes on: what is settled now is known the next time; not tried everywhere, as disks are slow
        if at % 8 != 0 {
            return;
        }
        let next = order().nth(100).unwrap();
        settle(&opened.journal, next);
        drop(opened);
        let opened = place.open().unwrap();
        assert!(opened.settled.is_settled(next));
        assert_consistent(&place, &opened.settled);
    };
    // a header comes to its path whole: what is less is not imtag's, and stays
    for length in 1..begun {
        fs::write(place.journal(), &whole[..length]).unwrap();
        place.refused();
        assert_eq!(fs::read(place.journal()).unwrap(), whole[..length]);
    }
    for length in [0].into_iter().chain(begun..whole.len()) {
        let blocks = ends.iter().filter(|end| **end <= length).count();
        check(length, &whole[..length], blocks.saturating_sub(1));
    }
    for at in begun..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 0x55;
        let blocks = ends.iter().filter(|end| **end <= at).count();
        check(at, &changed, blocks - 1);
    }
}
