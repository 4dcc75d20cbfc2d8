//! What a journal and its list leave of files that were there before.

use std::fs;

use super::tests::{Place, earlier, fail};

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
