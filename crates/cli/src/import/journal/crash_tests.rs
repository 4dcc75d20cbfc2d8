//! A crash at any byte, and `kill -9` at any moment.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::tests::{Place, close, fail, identity};
use super::*;

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
    assert_eq!(distinct.len(), listed.len(), "nobody is listed twice");
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

/// Names the folder to the process that `kill_9_at_any_moment…` starts.
const FOLDER: &str = "IMTAG_TEST_JOURNAL_FOLDER";

/// Says after each hundred users which are safe. Run by the test below, as a process of its own.
#[test]
#[ignore = "the other half of the test below"]
fn a_process_to_be_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let folder = Path::new(&folder);
    let pace = Pace {
        gather: Duration::ZERO,
        ..Pace::USUAL
    };
    let opened = Journal::open_at(
        &folder.join("users.csv.journal"),
        &identity(USERS),
        &folder.join("users.csv.failed.ndjson"),
        pace,
    );
    let Opened {
        journal, settled, ..
    } = opened.unwrap();
    let mut since = Vec::new();
    for user in order().filter(|user| !settled.is_settled(*user)) {
        settle(&journal, user);
        since.push(user.to_string());
        if since.len() == 20 {
            journal.flush().unwrap();
            say(&format!("safe {}", since.join(" ")));
            since.clear();
        }
    }
    close(journal).unwrap();
    say("all");
}

fn say(line: &str) {
    // a line of its own, whatever the test harness writes
    write!(std::io::stdout(), "\n{line}\n").unwrap();
}

#[test]
fn kill_9_at_any_moment_loses_nobody_who_was_safe_and_lists_nobody_twice() {
    let place = Place::new(USERS);
    let mut safe: Vec<u64> = Vec::new();
    let mut kills = 0;
    for run in 0.. {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture"])
            .arg("import::journal::crash_tests::a_process_to_be_killed")
            .env(FOLDER, place.journal().parent().unwrap())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut batches = 0;
        let mut all = false;
        for line in lines.map(Result::unwrap) {
            all |= line == "all";
            if let Some(users) = line.strip_prefix("safe ") {
                safe.extend(users.split(' ').map(|user| user.parse::<u64>().unwrap()));
                batches += 1;
            }
            // of some it is the harness that has said the first line; what it says before it dies is read too
            if batches == run % 8 {
                process.kill().unwrap();
            }
        }
        process.wait().unwrap();
        if all {
            break;
        }
        kills += 1;
        let opened = place.open().unwrap();
        for user in &safe {
            assert!(opened.settled.is_settled(*user), "user {user} was safe");
        }
        assert_consistent(&place, &opened.settled);
    }
    assert!(kills >= 10, "{kills} kills");
    let opened = place.open().unwrap();
    assert!(opened.settled.is_complete());
    assert_consistent(&place, &opened.settled);
    opened.journal.finish().unwrap();
    assert_eq!(place.listed().len() as u64, USERS / 10);
}
