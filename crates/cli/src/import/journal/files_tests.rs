//! What a journal and its list leave of files that were there before.

use std::fs;

use super::tests::{Place, close, earlier, fail, identity};
use super::{InDoubt, Journal};

#[test]
fn empty_files_that_were_there_are_emptied_again_and_stay_also_after_a_crash() {
    let place = Place::new(4);
    for crash in [false, true] {
        fs::write(place.journal(), "").unwrap();
        fs::write(place.failed(), "").unwrap();
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
            assert_eq!(fs::read(path).unwrap(), b"", "{crash}");
        }
    }
}

#[test]
fn what_imtag_made_is_gone_at_the_end_also_after_a_crash() {
    let place = Place::new(4);
    drop(place.open().unwrap());
    assert_eq!(fs::read(place.failed()).unwrap(), b"");
    let journal = place.open().unwrap().journal;
    journal.done([3]).unwrap();
    drop(journal);
    let journal = place.open().unwrap().journal;
    journal.done(0..4).unwrap();
    journal.finish().unwrap();
    assert!(!place.journal().exists() && !place.failed().exists());
}

#[test]
fn what_stands_after_the_lines_of_a_killed_run_is_cut_where_imtag_wrote_it_and_refused_where_not() {
    let place = Place::new(4);
    let journal = place.open().unwrap().journal;
    fail(&journal, 3).unwrap();
    journal.flush().unwrap();
    drop(journal);
    let known = fs::read_to_string(place.failed()).unwrap();
    let followed = format!("{known}call user 3\n");
    fs::write(place.failed(), &followed).unwrap();
    let refused = place.refused();
    assert!(
        refused.contains("goes on with lines that imtag did not write"),
        "{refused}"
    );
    assert_eq!(fs::read_to_string(place.failed()).unwrap(), followed);
    fs::write(
        place.failed(),
        format!("{known}{}{{\"account\":\"e", earlier()),
    )
    .unwrap();
    assert!(place.open().is_ok());
    assert_eq!(fs::read_to_string(place.failed()).unwrap(), known);
}

/// A journal of a run that settled nobody, and left one user in doubt.
fn with_doubt(place: &Place) -> Vec<u8> {
    let mut journal = place.open().unwrap().journal;
    journal.leave_in_doubt(InDoubt::from_users([2]));
    assert!(close(journal).unwrap());
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
    assert!(opened.resumed_after_crash);
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
            let mut journal = opened.journal;
            journal.leave_in_doubt(opened.in_doubt);
            assert!(close(journal).unwrap());
            assert_eq!(fs::read(place.journal()).unwrap(), before, "{users} {torn}");
        }
    }
}

#[test]
fn a_list_that_is_named_on_going_on_stays_until_a_user_is_settled() {
    let place = Place::new(4);
    let journal = place.open().unwrap().journal;
    journal.done([0]).unwrap();
    close(journal).unwrap();
    let list = place.journal().with_file_name("other.failed.ndjson");
    fs::write(&list, earlier()).unwrap();
    let open = || Journal::open(&place.journal(), &place.identity, &list).unwrap();
    let opened = open();
    assert!(opened.resumed);
    close(opened.journal).unwrap();
    assert_eq!(fs::read_to_string(&list).unwrap(), earlier());
    let journal = open().journal;
    journal.done([1]).unwrap();
    close(journal).unwrap();
    assert!(!list.exists());
}
