//! A journal that is cut, changed, crafted, of another program, or that the disk did not take: each time there are two
//! right outcomes. It is refused in a sentence, with nothing sent and nothing changed; or the import ends with each user
//! tagged or in the list. And the list of an import that was killed.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::Hasher;
use std::time::Duration;

use imtag_emulator::Fault;
use rusqlite::Connection;
use serde_json::{Value, json};
use stage::{
    ADD, EARLIER, FAILED_LIST as LIST, Stage, arrivals, kill, limited, recorded, run, signal,
    users_with_tags,
};
use twox_hash::XxHash3_64;

const FILE: &str = "users.csv";
const JOURNAL: &str = "users.csv.journal";
const LOG: &str = "users.csv.journal-wal";
const ROLLBACK: &str = "users.csv.journal-journal";
const USERS: usize = 400;

/// Who fails: every tenth.
fn failing() -> BTreeSet<String> {
    let users = (3..USERS).step_by(10);
    users.map(|user| format!("user{user:04}")).collect()
}

/// The service names in its answers who fails, as often as it is asked here.
fn leave_out(stage: &Stage) {
    let answer = Fault::leave_out(failing(), 70107);
    stage.emulator.faults(ADD, vec![answer; 50]);
}

/// An import that has ended, or was killed, with some users settled; and what there was then.
struct Begun {
    stage: Stage,
    journal: Vec<u8>,
    log: Option<Vec<u8>>,
    tagged: BTreeMap<String, BTreeSet<String>>,
}

impl Begun {
    fn new(is_killed: bool) -> Begun {
        Begun::with(&users_with_tags(USERS, 1), is_killed)
    }

    fn with(file: &str, is_killed: bool) -> Begun {
        let stage = Stage::new();
        leave_out(&stage);
        stage.file(FILE, file);
        let import = ["import", FILE, "--calls-per-second", "1"];
        let mut child = stage.imtag(&import).spawn().unwrap();
        arrivals(&stage, 1);
        recorded(&stage);
        if is_killed {
            kill(child);
        } else {
            signal(&child);
            child.wait().unwrap();
        }
        fs::remove_file(stage.home.path().join(LIST)).ok();
        let read = |name: &str| fs::read(stage.home.path().join(name)).ok();
        let (journal, log) = (read(JOURNAL).unwrap(), read(LOG));
        assert_eq!(log.is_some(), is_killed);
        let tagged = stage.emulator.users();
        Begun {
            stage,
            journal,
            log,
            tagged,
        }
    }

    /// Sets the stage as it was, with these files in place of the journal and its log.
    fn set(&self, journal: &[u8], log: Option<&[u8]>) {
        self.stage.emulator.reset().unwrap();
        leave_out(&self.stage);
        for (account, tags) in &self.tagged {
            self.stage.emulator.tag(account, tags.iter().cloned());
        }
        for name in [JOURNAL, LOG, ROLLBACK, LIST] {
            fs::remove_file(self.stage.home.path().join(name)).ok();
        }
        self.stage.file(JOURNAL, journal);
        if let Some(log) = log {
            self.stage.file(LOG, log);
        }
    }

    /// What is there: the length and a checksum of each file.
    fn files(&self) -> BTreeMap<String, (usize, u64)> {
        let entries = fs::read_dir(self.stage.home.path()).unwrap();
        let entries = entries.map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let content = fs::read(entry.path()).unwrap();
            (name, (content.len(), XxHash3_64::oneshot(&content)))
        });
        entries.collect()
    }

    /// Imports, and holds it to one of the two outcomes. Returns why it was refused, if it was.
    #[track_caller]
    fn outcome(&self, what: &str) -> Option<String> {
        let before = self.files();
        let ran = self.stage.run(&["import", FILE, "--json"]);
        if ran.exit == Some(2) {
            assert_eq!(
                self.files(),
                before,
                "{what}: it changed something: {ran:?}"
            );
            assert_eq!(self.stage.emulator.stats().arrivals(), 0, "{what}");
            assert_eq!(ran.err.lines().count(), 1, "{what}: {ran:?}");
            return Some(ran.err);
        }
        assert_eq!(ran.exit, Some(1), "{what}: {ran:?}");
        self.ended_well(&ran.json(), what);
        None
    }

    /// Each user is tagged or listed.
    #[track_caller]
    fn ended_well(&self, report: &Value, what: &str) {
        assert_eq!(
            (&report["users_tagged"], &report["users_failed"]),
            (&json!(360), &json!(40)),
            "{what}: {report}"
        );
        assert_eq!(self.stage.emulator.users().len(), 360, "{what}");
        let listed: BTreeSet<String> = self.stage.listed().into_iter().collect();
        assert_eq!(listed, failing(), "{what}");
        assert_eq!(self.stage.listed().len(), 40, "{what}");
        // one that was empty stays
        let journal = fs::metadata(self.stage.home.path().join(JOURNAL));
        assert!(journal.map_or(0, |it| it.len()) == 0, "{what}");
        assert!(!self.stage.home.path().join(LOG).exists(), "{what}");
    }

    /// Changes the journal by SQL, and returns why it is refused.
    fn after_sql(&self, sql: &str) -> String {
        self.set(&self.journal, self.log.as_deref());
        let journal = Connection::open(self.stage.home.path().join(JOURNAL)).unwrap();
        journal.execute_batch(sql).unwrap();
        drop(journal);
        self.outcome(sql).unwrap_or_else(|| panic!("{sql}"))
    }
}

#[test]
fn a_journal_cut_at_each_kilobyte_is_refused_or_goes_on_without_a_loss() {
    for is_killed in [true, false] {
        let begun = Begun::new(is_killed);
        for length in (0..begun.journal.len())
            .step_by(1024)
            .chain([1, 50, 100, 4097])
        {
            begun.set(&begun.journal[..length], begun.log.as_deref());
            begun.outcome(&format!("journal of {length} bytes, {is_killed}"));
        }
        let log = begun.log.as_deref().unwrap_or_default();
        for length in (0..log.len()).step_by(1024).chain([1, 31, 32, 50]) {
            if length < log.len() {
                begun.set(&begun.journal, Some(&log[..length]));
                begun.outcome(&format!("log of {length} bytes"));
            }
        }
    }
}

#[test]
fn a_journal_with_changed_bytes_is_refused_or_goes_on_without_a_loss() {
    for is_killed in [true, false] {
        let begun = Begun::new(is_killed);
        let log = begun.log.clone().unwrap_or_default();
        let journal = begun.journal.len();
        // some of each page, and more of those that a header has
        let places = (0..journal + log.len()).filter(|at| {
            let in_page = at % 4096;
            *at < 100 && at % 7 == 0 || in_page % 997 == 3 || in_page == 4095
        });
        let mut refused = 0;
        for at in places {
            for change in [&[0x55_u8][..], &[0xff; 9]] {
                let mut both = [&begun.journal[..], &log].concat();
                for (byte, change) in both[at..].iter_mut().zip(change) {
                    *byte ^= change;
                }
                let log = begun.log.is_some().then_some(&both[journal..]);
                begun.set(&both[..journal], log);
                let what = format!("{} bytes at {at} changed, {is_killed}", change.len());
                refused += usize::from(begun.outcome(&what).is_some());
            }
        }
        assert!(refused > 0);
    }
}

#[test]
fn a_crafted_journal_is_refused_in_a_sentence() {
    let begun = Begun::new(false);
    let damaged = "imtag: users.csv.journal is damaged: delete it, and users.csv.journal-wal if that is there, to begin \
                   the import afresh\n";
    for sql in [
        "CREATE TRIGGER t AFTER INSERT ON facts BEGIN DELETE FROM users; END",
        "CREATE VIEW v AS SELECT * FROM facts",
        "CREATE TABLE more(a)",
        "CREATE INDEX i ON failed(lines)",
        "ALTER TABLE failed ADD COLUMN more TEXT",
        "DROP TABLE held_back",
        "DROP TABLE failed; CREATE VIEW failed AS SELECT 1 AS id, 'x' AS lines, 1 AS checksum",
        "DELETE FROM failed",
        "DELETE FROM users",
        "DELETE FROM facts",
        "INSERT INTO failed SELECT id + 100, lines, checksum FROM failed",
        "INSERT INTO held_back SELECT * FROM failed",
        "UPDATE failed SET lines = replace(lines, 'user', 'User')",
        "UPDATE users SET bits = zeroblob(length(bits))",
        "UPDATE users SET bits = zeroblob(100000000)",
        "UPDATE users SET id = -1",
        "UPDATE facts SET facts = '{}'",
        "UPDATE facts SET id = 2",
        "INSERT INTO facts SELECT 2, facts, checksum FROM facts",
        "PRAGMA encoding = 'UTF-16'; VACUUM; UPDATE facts SET checksum = 0",
    ] {
        assert_eq!(begun.after_sql(sql), damaged, "{sql}");
    }
    for (sql, says) in [
        (
            "PRAGMA user_version = 9",
            "has format version 9, and this imtag knows version 5",
        ),
        (
            "PRAGMA application_id = 1",
            "is not a journal of an import that imtag made, and stays as it is",
        ),
    ] {
        let refused = begun.after_sql(sql);
        assert!(refused.contains(says), "{refused}");
    }
}

/// Writes other facts, with the checksum that goes with them.
fn forge(begun: &Begun, forged: &[(&str, Value)]) {
    begun.set(&begun.journal, begun.log.as_deref());
    let journal = Connection::open(begun.stage.home.path().join(JOURNAL)).unwrap();
    let facts = "SELECT facts FROM facts";
    let facts: String = journal.query_row(facts, [], |row| row.get(0)).unwrap();
    let mut facts: Value = serde_json::from_str(&facts).unwrap();
    for (field, value) in forged {
        facts.pointer_mut(field).unwrap().clone_from(value);
    }
    let mut checksum = XxHash3_64::with_seed(1);
    checksum.write(b"facts");
    checksum.write(facts.to_string().as_bytes());
    let update = "UPDATE facts SET facts = ?1, checksum = ?2";
    let checksum = i64::from_ne_bytes(checksum.finish().to_ne_bytes());
    let updated = journal.execute(update, rusqlite::params![facts.to_string(), checksum]);
    assert_eq!(updated, Ok(1));
}

#[test]
fn facts_that_are_forged_with_their_checksum_make_no_panic_and_take_no_memory() {
    let begun = Begun::new(false);
    let most = u64::MAX;
    for forged in [
        ("/identity/users", 1 << 60),
        ("/users_done", most),
        ("/users_failed", most),
        ("/users_held_back", 1),
        ("/users_done", 0),
        ("/users/count", 0),
    ] {
        forge(&begun, &[(forged.0, json!(forged.1))]);
        assert!(begun.outcome(forged.0).is_some(), "{forged:?}");
    }
    let settings: Vec<_> = (0..60_000).map(|it| (format!("s{it}"), "x")).collect();
    let long = "x".repeat(1 << 20);
    for (field, value) in [
        ("/identity/settings", json!(settings)),
        ("/identity/settings/0/1", json!(long)),
        ("/identity/digest", json!(long)),
    ] {
        forge(&begun, &[(field, value)]);
        let says = "imtag: users.csv.journal is damaged: delete it, and users.csv.journal-wal if that is there, to begin the \
                    import afresh\n";
        assert_eq!(begun.outcome(field).as_deref(), Some(says));
    }
    forge(&begun, &[]);
    assert_eq!(begun.outcome("not changed"), None);
    let counters = [
        "/counters/requests",
        "/counters/retries",
        "/counters/elapsed/secs",
    ];
    forge(&begun, &counters.map(|counter| (counter, json!(most))));
    assert_eq!(begun.outcome("counters"), None);
}

#[test]
fn rows_of_another_import_are_no_rows_of_this_one() {
    let begun = Begun::new(false);
    let other = Begun::with(&users_with_tags(300, 2), false);
    let path = other.stage.home.path().join(JOURNAL);
    let other = path.display();
    for table in ["users", "failed", "facts"] {
        let refused = begun.after_sql(&format!(
            "ATTACH '{other}' AS other; REPLACE INTO main.{table} SELECT * FROM other.{table};"
        ));
        assert!(refused.contains("users.csv.journal is "), "{refused}");
    }
}

#[test]
fn what_another_program_or_an_earlier_imtag_wrote_is_refused_by_name_and_stays() {
    let begun = Begun::new(true);
    let foreign = begun.stage.home.path().join("other.db");
    let other = Connection::open(&foreign).unwrap();
    let create = "PRAGMA journal_mode = WAL; CREATE TABLE t(a); INSERT INTO t VALUES ('mine')";
    other.execute_batch(create).unwrap();
    let log = fs::read(foreign.with_extension("db-wal")).unwrap();
    drop(other);
    let database = fs::read(&foreign).unwrap();
    fs::remove_file(&foreign).unwrap();
    let earlier = b"imtag journal\n\x03\0\x01\0\0\0\x20\0\0\0";
    let is_not = "users.csv.journal is not a journal of an import that imtag made, and stays as it is: move it away, or give another path (--journal)";
    let damaged = "users.csv.journal is damaged: delete it";
    let no_log = "users.csv.journal-wal is not SQLite's log of a journal that imtag made, and stays as it is: move it away, or give another path (--journal)";
    for (journal, its_log, says) in [
        (&database[..], None, is_not),
        (
            &earlier[..],
            None,
            "users.csv.journal is a journal of an earlier version of imtag: resume the import with the imtag that began it, or delete the journal to begin afresh",
        ),
        (&begun.journal, Some(&b"mine"[..]), no_log),
        (b"", Some(b"mine"), no_log),
        (&begun.journal, Some(&log), damaged),
    ] {
        begun.set(journal, its_log);
        let refused = begun.outcome(says).unwrap();
        assert!(refused.contains(says), "{refused}");
    }
    begun.set(&begun.journal, begun.log.as_deref());
    begun.stage.file(ROLLBACK, "mine");
    let refused = begun.outcome(ROLLBACK).unwrap();
    assert!(
        refused
            .contains("users.csv.journal-journal is not SQLite's rollback file of a journal that"),
        "{refused}"
    );
    // where the journal was deleted, its log is no journal
    for journal in [None, Some(&b""[..])] {
        begun.set(journal.unwrap_or_default(), begun.log.as_deref());
        if journal.is_none() {
            fs::remove_file(begun.stage.home.path().join(JOURNAL)).unwrap();
        }
        let (exit, report) = begun.stage.json(&["import", FILE]);
        assert_eq!((exit, &report["resumed"]), (Some(1), &json!(0)));
        assert!(!begun.stage.home.path().join(LOG).exists());
    }
}

#[test]
fn an_import_killed_at_any_moment_loses_no_user_and_lists_each_who_failed_once() {
    let stage = Stage::new();
    leave_out(&stage);
    stage.file(FILE, users_with_tags(USERS, 1));
    let begun = Begun {
        stage,
        journal: Vec::new(),
        log: None,
        tagged: BTreeMap::new(),
    };
    // milliseconds after the start: while it reads, while it opens the journal, while it commits, while it ends
    for wait in [5, 20, 30, 40, 60, 90, 300, 500, 550, 600, 900, 1_100] {
        let mut import = begun
            .stage
            .imtag(&["import", FILE, "--calls-per-second", "3"]);
        let child = import.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(wait)); // the moment itself
        kill(child);
    }
    let (_, report) = begun.stage.json(&["import", FILE]);
    begun.ended_well(&report, "killed");
}

#[test]
fn a_disk_that_is_full_at_any_moment_loses_no_user_and_no_list() {
    let begun = Begun::new(true);
    for blocks in (0..120).step_by(7) {
        begun.set(&begun.journal, begun.log.as_deref());
        let list = begun.stage.run(&["import", FILE, "--list-failed"]);
        assert_eq!(list.exit, Some(0), "{list:?}");
        let import = begun.stage.imtag(&["import", FILE, "--json"]);
        let ran = run(limited(&import, &format!("ulimit -f {blocks}")));
        let what = format!("{blocks}: {ran:?}");
        assert!(ran.exit == Some(4) || ran.exit == Some(1), "{what}");
        if ran.exit == Some(4) {
            let text = format!("{}{}", ran.out, ran.err);
            assert!(text.contains("cannot be written: "), "{what}");
            assert!(text.contains("run the same command again"), "{what}");
        }
        let (_, report) = begun.stage.json(&["import", FILE]);
        if ran.exit == Some(4) {
            begun.ended_well(&report, &what);
        }
    }
}

#[test]
fn the_list_of_an_import_that_was_killed_is_written_without_settings_and_sends_nothing() {
    let begun = Begun::new(true);
    let list = |arguments: &[&str]| {
        run(begun
            .stage
            .bare(&[&["import", "--list-failed", FILE], arguments].concat()))
    };
    let before = begun.files();
    begun.stage.file(LIST, EARLIER);
    list(&[]).refuses(
        2,
        "users.csv.failed.ndjson was written by another import or program",
    );
    assert_eq!(begun.files()[LIST].0, EARLIER.len());
    fs::remove_file(begun.stage.home.path().join(LIST)).unwrap();
    let ran = list(&[]);
    let listed = begun.stage.listed();
    assert!(!listed.is_empty() && listed.iter().all(|it| failing().contains(it)));
    let failed = listed.len();
    let says = format!("users.csv.failed.ndjson lists the {failed} users who failed so far\n");
    assert_eq!((ran.exit, ran.out), (Some(0), says));
    let ran = list(&["--failed", "other", "--json"]);
    let says = json!({"users_failed": failed, "failed_list": "other"});
    assert_eq!(ran.json(), says);
    let lists = [LIST, "other"].map(|name| fs::read(begun.stage.home.path().join(name)).unwrap());
    assert_eq!(lists[0], lists[1]);
    for name in [LIST, "other"] {
        fs::remove_file(begun.stage.home.path().join(name)).unwrap();
    }
    assert_eq!(begun.files(), before, "the journal is as it was");
    list(&["--failed", FILE]).refuses(2, "users.csv is the file to import");
    begun.stage.file("mine", "mine");
    list(&["--failed", "mine"]).refuses(2, "mine is not a list of failed users");
    let says = "none is not there: no import is to be resumed, so there are no users to list";
    list(&["--journal", "none"]).refuses(2, says);

    let import = begun.stage.at_work(&["import", FILE]);
    let says = format!(
        "another import (process {}) is at work with users.csv.journal",
        import.id()
    );
    list(&[]).refuses(2, &says);
    kill(import);
    assert_eq!(
        begun.stage.listed(),
        listed,
        "it is written when an import goes on"
    );
}

#[test]
fn the_list_of_a_run_that_ended_has_those_held_back_also_when_it_is_written_again() {
    let stage = Stage::new();
    stage.file(FILE, users_with_tags(100, 1));
    stage.emulator.faults(ADD, vec![Fault::cut_after(); 2_000]);
    let (exit, _) = stage.json(&["import", FILE, "--timeout", "1"]);
    assert_eq!(exit, Some(4));
    let list = stage.home.path().join(LIST);
    let before = fs::read(&list).unwrap();
    fs::remove_file(&list).unwrap();
    let ran = run(stage.bare(&["import", "--list-failed", FILE]));
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    assert!(fs::read(&list).unwrap() == before);
}
