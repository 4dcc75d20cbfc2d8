//! What an import writes, and what it leaves as it is: no file that imtag did not make is ever replaced or removed.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use imtag_emulator::Fault;
use rusqlite::Connection;
use stage::{ADD, KEY, Stage, limited, run, run_with_input};

const FILE: &str = "users.csv";
const ROWS: &str = "account,tag\nalice,vip\n";
const LIST: &str = "users.csv.failed.ndjson";
const JOURNAL: &str = "users.csv.journal";

/// All that is in the home directory: content, or where a link leads, by name.
fn all(stage: &Stage) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(stage.home.path()).unwrap();
    let entries = entries.map(|entry| {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        let content = if kind.is_symlink() {
            let to = fs::read_link(entry.path()).unwrap();
            to.into_os_string().into_encoded_bytes()
        } else if kind.is_file() {
            fs::read(entry.path()).unwrap()
        } else {
            Vec::new()
        };
        (entry.file_name().into_string().unwrap(), content)
    });
    entries.collect()
}

/// Runs an import that is refused with exit code 2 and these words, and has changed and sent nothing.
#[track_caller]
fn refused(stage: &Stage, arguments: &[&str], says: &str) {
    let before = all(stage);
    let arrivals = stage.emulator.stats().arrivals();
    stage
        .run(&[&["import", FILE], arguments].concat())
        .refuses(2, says);
    assert_eq!(all(stage), before, "{arguments:?}");
    assert_eq!(
        stage.emulator.stats().arrivals(),
        arrivals,
        "nothing is sent"
    );
}

/// A stage on which a user fails, and the list that says so.
fn with_list() -> (Stage, String) {
    let stage = Stage::new();
    stage.file(FILE, ROWS);
    leave_alice_out(&stage);
    assert_eq!(stage.run(&["import", FILE]).exit, Some(1));
    let list = fs::read_to_string(stage.home.path().join(LIST)).unwrap();
    assert_eq!(list.lines().count(), 1);
    (stage, list)
}

fn leave_alice_out(stage: &Stage) {
    stage
        .emulator
        .fault(ADD, Fault::leave_out(["alice"], 70107));
}

#[test]
fn a_file_that_imtag_did_not_make_is_neither_replaced_nor_removed() {
    let (stage, list) = with_list();
    fs::remove_file(stage.home.path().join(LIST)).unwrap();
    for (name, content) in [
        ("key", KEY),
        ("config.toml", "region = \"singapore\"\n"),
        ("b.csv", "account,tag\nbob,vip\n"),
        (
            "api.ndjson",
            "{\"To_Account\":\"bob\",\"Tags\":[\"vip\"]}\n",
        ),
        (
            "fields.ndjson",
            "{\"account\":\"bob\",\"tags\":[\"vip\"]}\n",
        ),
        ("followed", &format!("{list}call alice\n")),
        ("led", &format!("call alice\n{list}")),
        ("rewritten", &list.replace("\":", "\": ")),
        ("zeros", &"\0".repeat(4096)),
        ("open", "{"),
        // what a crash could leave of a file that is written in place
        ("i", "i"),
        ("imtag", "imtag"),
        ("zero", "\0"),
        ("note", "{\"account\":\"my notes"),
        (
            "row",
            "{\"account\":\"alice\",\"tags\":[\"vip\",\"beijing\"",
        ),
        ("torn", &list[..list.len() - 5]),
        ("line", "{\"line\":1"),
        ("blank", &format!("{list}\n{list}")),
        ("crlf", &list.replace('\n', "\r\n")),
        ("bom", &format!("\u{feff}{list}")),
        ("more", &list.replace("}\n", ",\"note\":\"call her\"}\n")),
        ("cut", &format!("{list}call alice")),
        ("long", &list.replace("alice", &"a".repeat(2 << 20))),
    ] {
        stage.file(name, content);
        for (flag, kind) in [
            ("--failed", "a list of failed users"),
            ("--journal", "a journal of an import"),
            ("--bad-rows", "a list of bad rows"),
        ] {
            let says = format!(
                "imtag: {name} is not {kind} that imtag made, and stays as it is: move it away, or give another path \
                 ({flag})"
            );
            refused(&stage, &[flag, name], &says);
        }
    }
    stage.file(LIST, "mine");
    refused(&stage, &[], "users.csv.failed.ndjson is not a list");
    stage.file(JOURNAL, "mine");
    refused(&stage, &[], "users.csv.journal is not a journal");
}

#[test]
fn no_link_device_pipe_or_folder_is_written_through() {
    let (stage, _) = with_list();
    let path = |name: &str| stage.home.path().join(name);
    symlink(LIST, path("link")).unwrap();
    symlink("nowhere", path("dangling")).unwrap();
    fs::create_dir(path("folder")).unwrap();
    symlink("link", path("chain")).unwrap();
    let is_pipe = rustix::fs::mkfifoat(rustix::fs::CWD, path("pipe"), 0o600.into());
    is_pipe.unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
    for (name, says) in [
        ("chain", "chain is a link, and imtag writes "),
        ("pipe", "pipe is a pipe, and "),
        ("socket", "socket is a socket, and "),
        ("link", "link is a link, and imtag writes "),
        ("dangling", "dangling is a link, and imtag writes "),
        ("folder", "folder is a folder, and "),
        ("/dev/full", "/dev/full is a device, and "),
        ("/dev/stdout", "/dev/stdout is a "),
        ("-", "- is no path for a "),
    ] {
        for flag in ["--failed", "--journal", "--bad-rows"] {
            refused(&stage, &[flag, name], says);
        }
    }
    fs::rename(path(LIST), path("mine")).unwrap();
    symlink("mine", path(LIST)).unwrap();
    refused(&stage, &[], "users.csv.failed.ndjson is a link");
    fs::remove_file(path(LIST)).unwrap();
    symlink("mine", path(JOURNAL)).unwrap();
    refused(&stage, &[], "users.csv.journal is a link");
    fs::remove_file(path(JOURNAL)).unwrap();
    fs::hard_link(path("mine"), path(LIST)).unwrap();
    refused(&stage, &[], "users.csv.failed.ndjson has a second name");
}

#[test]
fn one_path_for_two_files_is_refused() {
    let (stage, list) = with_list();
    stage.file("list", &list);
    symlink(".", stage.home.path().join("here")).unwrap();
    for path in ["x", "./x", "here/x"] {
        for (flags, says) in [
            (
                ["--failed", path, "--journal", "x"],
                "x cannot be both a journal of an import and a list of failed users: give another path (--journal or --failed)",
            ),
            (
                ["--journal", "x", "--bad-rows", path],
                "x cannot be both a journal of an import and a list of bad rows: give another path (--journal or --bad-rows)",
            ),
            (
                ["--failed", "x", "--bad-rows", path],
                "x cannot be both a list of failed users and a list of bad rows: give another path (--failed or --bad-rows)",
            ),
        ] {
            refused(&stage, &flags, says);
        }
    }
    // nor is one of the names that SQLite takes
    for (ending, name) in [
        ("wal", "log"),
        ("journal", "rollback file"),
        ("shm", "shared memory"),
    ] {
        let path = format!("{JOURNAL}-{ending}");
        for (flag, list) in [("--failed", "failed users"), ("--bad-rows", "bad rows")] {
            let says = format!(
                "{path} cannot be both SQLite's {name} of a journal and a list of {list}: give another path (--journal \
                 or {flag})"
            );
            refused(&stage, &[flag, &path], &says);
        }
    }
    // a folder on the way may be a link
    leave_alice_out(&stage);
    let linked = ["import", FILE, "--journal", "here/j", "--failed", "here/f"];
    assert_eq!(stage.run(&linked).exit, Some(1));
    assert!(stage.home.path().join("f").exists());
    refused(
        &stage,
        &["--failed", FILE],
        "users.csv is the file to import",
    );
    // a list that is imported is no list to write
    let import = |list| stage.run(&["import", "list", "--failed", list]).exit;
    assert_eq!((import("list"), import("list2")), (Some(2), Some(0)));
    let piped = stage.imtag(&["import", "-", "--failed", "list"]);
    let piped = run_with_input(piped, list.as_bytes());
    assert_eq!(piped.exit, Some(0), "a pipe has no name");
}

#[test]
fn a_list_that_is_imported_has_a_list_of_its_own() {
    let (stage, list) = with_list();
    leave_alice_out(&stage);
    assert_eq!(stage.run(&["import", LIST]).exit, Some(1));
    let path = stage
        .home
        .path()
        .join("users.csv.failed.ndjson.failed.ndjson");
    assert_eq!(fs::read_to_string(path).unwrap(), list);
    assert_eq!(
        fs::read_to_string(stage.home.path().join(LIST)).unwrap(),
        list
    );
}

#[test]
fn an_earlier_list_of_imtag_s_own_is_replaced_and_goes_when_no_user_fails() {
    let (stage, list) = with_list();
    stage.file("bob.csv", "account,tag\nbob,vip\n");
    stage.emulator.fault(ADD, Fault::leave_out(["bob"], 70107));
    assert_eq!(
        stage.run(&["import", "bob.csv", "--failed", LIST]).exit,
        Some(1)
    );
    let path = stage.home.path().join(LIST);
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        list.replace("alice", "bob")
    );
    // cut short, as a full disk leaves it
    fs::write(&path, format!("{list}{}", &list[..40])).unwrap();
    assert_eq!(stage.run(&["import", FILE]).exit, Some(0));
    assert!(!path.exists());
}

#[test]
fn an_empty_file_that_was_there_is_written_and_never_removed() {
    let (stage, list) = with_list();
    stage.file("failed", "");
    stage.file("journal", "");
    let import = ["import", FILE, "--failed", "failed", "--journal", "journal"];
    assert_eq!(stage.run(&import).exit, Some(0));
    let empty = |name: &str| fs::read(stage.home.path().join(name)).unwrap().is_empty();
    assert!(empty("failed") && empty("journal"));
    leave_alice_out(&stage);
    assert_eq!(stage.run(&import).exit, Some(1));
    let written = fs::read_to_string(stage.home.path().join("failed")).unwrap();
    assert_eq!(written, list);
    assert!(empty("journal"));
    let mode = fs::metadata(stage.home.path().join("failed"))
        .unwrap()
        .mode();
    assert_eq!(mode & 0o777, 0o600, "it had another");
    // a kill comes before the journal says that it was empty
    stage.killed(&import);
    let journal = Connection::open(stage.home.path().join("journal")).unwrap();
    journal.execute_batch("DELETE FROM facts").unwrap();
    drop(journal);
    assert!(!empty("journal"));
    fs::write(stage.home.path().join("failed"), "").unwrap();
    assert_eq!(stage.run(&import).exit, Some(0));
    assert!(empty("failed") && empty("journal"));
}

#[test]
fn what_is_put_in_the_list_s_place_meanwhile_stays() {
    let (stage, _) = with_list();
    let path = stage.home.path().join(LIST);
    // written by an editor in place, and then by one that renames
    let ran = stage.run_while(&["import", FILE], || fs::write(&path, "mine").unwrap());
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    fs::remove_file(&path).unwrap();
    let journal = stage.home.path().join(JOURNAL);
    let ran = stage.run_while(&["import", FILE], || {
        for path in [&path, &journal] {
            let beside = path.with_extension("new");
            fs::write(&beside, "mine").unwrap();
            fs::rename(beside, path).unwrap();
        }
    });
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    assert_eq!(fs::read_to_string(&journal).unwrap(), "mine");
}

#[test]
fn what_holds_accounts_is_for_its_owner_alone_whatever_the_umask() {
    for umask in ["000", "077", "777"] {
        let stage = Stage::new();
        stage.file(FILE, ROWS);
        leave_alice_out(&stage);
        let import = stage.imtag(&["import", FILE]);
        let ran = run(limited(&import, &format!("umask {umask}")));
        assert_eq!(ran.exit, Some(1), "{umask}");
        let list = fs::metadata(stage.home.path().join(LIST)).unwrap();
        assert_eq!(list.permissions().mode() & 0o777, 0o600, "{umask}");
    }
}

#[test]
fn a_journal_that_others_could_read_is_private_before_it_holds_an_account() {
    let stage = Stage::new();
    stage.file(FILE, ROWS);
    let files = ["users.csv.journal", "users.csv.journal-wal"].map(|it| stage.home.path().join(it));
    stage.file("users.csv.journal", "");
    // an empty file, and then the journal of an import that was killed
    for _ in 0..2 {
        for file in files.iter().filter(|it| it.exists()) {
            fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
        }
        stage.killed(&["import", FILE]);
        for file in &files {
            let mode = fs::metadata(file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", file.display());
        }
    }
}

#[test]
fn a_demo_and_a_dry_run_write_nothing_beside_the_file() {
    let stage = Stage::new();
    stage.file(FILE, ROWS);
    stage.file(LIST, "mine");
    stage.file(JOURNAL, "mine");
    stage.file("b.csv", "mine");
    let before = all(&stage);
    for mode in ["--demo", "--dry-run"] {
        for flags in [&[][..], &["--failed", "b.csv", "--journal", "b.csv"]] {
            let arguments = [&["import", mode, FILE], flags].concat();
            assert_eq!(run(stage.bare(&arguments)).exit, Some(0), "{arguments:?}");
            assert_eq!(all(&stage), before);
        }
    }
}
