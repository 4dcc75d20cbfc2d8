//! Lists that are not of this run alone: another import or a person writes them meanwhile, or the next run of the same
//! import does nothing. No list of who failed is lost in silence.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use std::fs;
use std::time::Duration;

use imtag_emulator::Fault;
use serde_json::{Value, json};
use stage::{ADD, EARLIER, FAILED_LIST as LIST, Stage, limited, run, users_with_tags};

const FILE: &str = "users.csv";

fn accounts(stage: &Stage, list: &str) -> Vec<String> {
    let list = fs::read_to_string(stage.home.path().join(list)).unwrap();
    let lines = list
        .lines()
        .map(|it| serde_json::from_str::<Value>(it).unwrap());
    lines
        .map(|it| it["account"].as_str().unwrap().to_owned())
        .collect()
}

fn two_files() -> Stage {
    let stage = Stage::with(|emulator| emulator.unknown_accounts(["nobody", "nowhere"]));
    stage.file("a.csv", "account,tag\nalice,vip\nnobody,vip\n");
    stage.file("b.csv", "account,tag\nbob,vip\nnowhere,vip\n");
    stage.file("well.csv", "account,tag\ncarol,vip\n");
    stage
}

/// What is said of a list that is not of this import.
const ANOTHERS: &str = "all was written by another import or program, and stays as it is: move it away, or give another \
     path (--failed), and run the same command again";

#[test]
fn a_second_import_with_one_of_the_lists_is_refused_before_it_sends_anything() {
    for earlier in [None, Some(""), Some(EARLIER)] {
        let stage = two_files();
        stage.file("b.csv", "account,tag\nbob,vip\n\nnowhere,vip\n,b\n");
        stage.file("bad.csv", "account,tag\nalice,vip\n,a\n");
        if let Some(earlier) = earlier {
            stage.file("all", earlier);
        }
        let b = ["import", "b.csv", "--failed", "all", "--bad-rows", "bad"];
        let ran = stage.run_while(&[&b[..], &["--json"]].concat(), || {
            let sent = stage.emulator.stats().arrivals();
            let failed = ["import", "a.csv", "--failed", "./all"];
            let bad_rows = ["import", "bad.csv", "--bad-rows", "bad"];
            for (import, file, flag) in [
                (failed, "./all", "--failed"),
                (bad_rows, "bad", "--bad-rows"),
            ] {
                let says = format!(
                    "imtag: {file} is held by another imtag: give another path ({flag}), or wait for its end and move it away\n"
                );
                for _ in 0..2 {
                    stage.run(&import).refuses(2, &says);
                }
            }
            // one that would write no list leaves it
            let well = ["import", "well.csv", "--bad-rows", "bad", "--dry-run"];
            assert_eq!(stage.run(&well).exit, Some(0));
            assert_eq!(stage.emulator.stats().arrivals(), sent);
        });
        let report = ran.json();
        assert_eq!(
            (ran.exit, &report["failed_list"], &report["bad_rows_list"]),
            (Some(1), &json!("all"), &json!("bad"))
        );
        assert_eq!(accounts(&stage, "all"), ["nowhere"]);
        let bad = fs::read_to_string(stage.home.path().join("bad")).unwrap();
        assert!(bad.starts_with("{\"line\":5,"), "{bad}");
        assert!(!stage.home.path().join("a.csv.journal").exists());
        let a = stage.run(&["import", "a.csv", "--failed", "all"]);
        assert_eq!(a.exit, Some(1), "{a:?}");
        assert_eq!(accounts(&stage, "all"), ["nobody"]);
    }
}

/// Runs the import of `b.csv` again, which is refused each time, until the list in its way is elsewhere.
fn stays_each_time(stage: &Stage, list: &str) {
    let all = || fs::read_to_string(stage.home.path().join("all")).unwrap();
    let arrivals = stage.emulator.stats().arrivals();
    let import = ["import", "b.csv", "--failed", "all"];
    let same = ["import", "b.csv", "--failed", "./all"];
    for arguments in [import, import, same] {
        stage.run(&arguments).refuses(2, ANOTHERS);
        assert_eq!(all(), list);
    }
    assert_eq!(stage.emulator.stats().arrivals(), arrivals);
    fs::rename(
        stage.home.path().join("all"),
        stage.home.path().join("moved"),
    )
    .unwrap();
    let (exit, report) = stage.json(&import);
    assert_eq!((exit, &report["failed_list"]), (Some(1), &json!("all")));
    assert_eq!(accounts(stage, "all"), ["nowhere"]);
    assert!(!stage.home.path().join("b.csv.journal").exists());
}

#[test]
fn a_list_that_is_put_there_or_edited_during_an_import_stays_however_often_the_import_is_run_again()
{
    for (earlier, is_put) in [
        (None, true),
        (Some(""), false),
        (Some(EARLIER), true),
        (Some(EARLIER), false),
    ] {
        let stage = two_files();
        let all = stage.home.path().join("all");
        if let Some(earlier) = earlier {
            stage.file("all", earlier);
        }
        let others = EARLIER.replace("zoe", "amy");
        let put = || {
            if is_put {
                fs::rename(stage.file("new", &others), &all).unwrap();
            } else {
                stage.file("all", &others);
            }
        };
        let well = ["import", "well.csv", "--failed", "all"];
        let ran = stage.run_while(&well, put);
        assert_eq!(ran.exit, Some(0), "{ran:?}");
        assert_eq!(fs::read_to_string(&all).unwrap(), others);
        fs::remove_file(&all).unwrap();

        if let Some(earlier) = earlier {
            stage.file("all", earlier);
        }
        let b = ["import", "b.csv", "--failed", "all", "--json"];
        let ran = stage.run_while(&b, put);
        let report = ran.json();
        assert_eq!(
            (ran.exit, &report["users_failed"], &report["failed_list"]),
            (Some(4), &json!(1), &Value::Null),
            "{report}"
        );
        assert_eq!(report["ended_early"], json!(ANOTHERS));
        let listed = ["import", "b.csv", "--failed", "all", "--list-failed"];
        stage.run(&listed).refuses(2, ANOTHERS);
        stays_each_time(&stage, &others);
    }
}

#[test]
fn a_list_that_another_import_wrote_after_this_one_was_killed_stays() {
    for earlier in [None, Some(""), Some(EARLIER)] {
        let stage = two_files();
        if let Some(earlier) = earlier {
            stage.file("all", earlier);
        }
        stage.killed(&["import", "b.csv", "--failed", "all"]);
        let a = stage.run(&["import", "a.csv", "--failed", "all"]);
        assert_eq!(a.exit, Some(1), "{a:?}");
        assert_eq!(accounts(&stage, "all"), ["nobody"]);
        let of_a = fs::read_to_string(stage.home.path().join("all")).unwrap();
        stays_each_time(&stage, &of_a);
    }
}

#[test]
fn a_killed_import_that_was_copied_with_its_times_goes_on() {
    for earlier in [Some(EARLIER), None] {
        let stage = two_files();
        if let Some(earlier) = earlier {
            stage.file("all", earlier);
        }
        let import = ["import", "b.csv", "--failed", "all"];
        stage.killed(&import);
        let all = stage.home.path().join("all");
        let made = fs::metadata(&all).unwrap();
        let copy = stage.file("copy", earlier.unwrap_or_default());
        let copied = fs::File::options().write(true).open(&copy).unwrap();
        copied.set_modified(made.modified().unwrap()).unwrap();
        fs::rename(&copy, &all).unwrap();
        let (exit, report) = stage.json(&import);
        assert_eq!((exit, &report["failed_list"]), (Some(1), &json!("all")));
        assert_eq!(accounts(&stage, "all"), ["nowhere"]);
    }
}

#[test]
fn an_empty_list_that_a_killed_import_made_goes_and_one_of_a_person_stays() {
    for list in ["all", "mine"] {
        let stage = two_files();
        stage.killed(&["import", "well.csv", "--failed", "all"]);
        let mine = stage.file("mine", "");
        let ran = stage.run(&["import", "well.csv", "--failed", list]);
        assert_eq!(ran.exit, Some(0), "{ran:?}");
        assert_eq!(stage.home.path().join("all").exists(), list == "mine");
        assert_eq!(fs::read(mine).unwrap(), b"");
    }
}

#[test]
fn a_kill_between_the_removal_of_the_log_and_that_of_the_journal_sends_nothing_again() {
    for earlier in [None, Some(""), Some(EARLIER)] {
        let stage = two_files();
        if let Some(earlier) = earlier {
            stage.file("all", earlier);
        }
        let journal = stage.home.path().join("b.csv.journal");
        let kept = stage.home.path().join("kept");
        let import = ["import", "b.csv", "--failed", "all", "--json"];
        // a second name, under which stays what the journal is when it loses its own
        let ran = stage.run_while(&import, || fs::hard_link(&journal, &kept).unwrap());
        assert_eq!(ran.exit, Some(1), "{ran:?}");
        assert!(!journal.exists());
        fs::rename(kept, &journal).unwrap();
        let sent = stage.emulator.stats().arrivals();
        let ran = stage.run(&import);
        let report = ran.json();
        assert_eq!(
            (ran.exit, &report["resumed"], &report["failed_list"]),
            (Some(1), &json!(2), &json!("all")),
            "{report}"
        );
        assert_eq!(stage.emulator.stats().arrivals(), sent);
        assert_eq!(accounts(&stage, "all"), ["nowhere"]);
        assert!(!journal.exists());
    }
}

#[test]
fn an_import_that_is_refused_for_its_journal_or_failed_list_leaves_the_list_of_bad_rows() {
    let stage = two_files();
    let bad_row = "account,tag\nalice,vip\n,a\n";
    stage.file("a.csv", bad_row);
    let import = stage.at_work(&["import", "a.csv"]);
    let says = format!(
        "imtag: another import (process {}) is at work with a.csv.journal: ",
        import.id()
    );
    stage.run(&["import", "a.csv"]).refuses(2, &says);
    let other = ["import", "a.csv", "--bad-rows", "other"];
    stage.run(&other).refuses(2, &says);
    assert!(!stage.home.path().join("other").exists());
    stage::kill(import);

    let earlier = "{\"line\":4,\"reason\":\"no\"}\n";
    let bad = stage.file("bad", earlier);
    stage.file("mine", "mine");
    for rows in [bad_row, "account,tag\nalice,vip\n"] {
        stage.file("a.csv", rows);
        for (flag, says) in [
            ("--journal", "mine is not a journal of an import"),
            ("--failed", "mine is not a list of failed users"),
        ] {
            let import = ["import", "a.csv", "--bad-rows", "bad", flag, "mine"];
            stage.run(&import).refuses(2, says);
            assert_eq!(fs::read_to_string(&bad).unwrap(), earlier);
        }
    }
    // nor does a list of bad rows that is refused leave a failed list
    stage.file("a.csv", bad_row);
    let import = ["import", "a.csv", "--bad-rows", "mine", "--failed", "all"];
    stage
        .run(&import)
        .refuses(2, "mine is not a list of bad rows");
    assert!(!stage.home.path().join("all").exists());
}

#[test]
fn a_list_of_bad_rows_that_another_program_replaced_is_not_named_as_this_ones() {
    let stage = two_files();
    stage.file("a.csv", "account,tag\nalice,vip\n,a\n");
    let a = ["import", "a.csv", "--bad-rows", "bad", "--json"];
    let others = "{\"line\":4,\"reason\":\"no\"}\n";
    for others in [Some(others), None] {
        let bad = stage.home.path().join("bad");
        let ran = stage.run_while(&a, || {
            match others {
                Some(others) => fs::rename(stage.file("new", others), &bad),
                None => fs::remove_file(&bad),
            }
            .unwrap();
        });
        let of_a = ran.json();
        assert_eq!((ran.exit, &of_a["bad_rows"]), (Some(1), &json!(1)));
        assert_eq!(of_a["bad_rows_list"], Value::Null);
        assert_eq!(fs::read_to_string(&bad).ok().as_deref(), others);
    }
}

/// An import of 6,000 users: 200 are done, and many are listed in an outage. Returns that list.
fn cut_short(stage: &Stage) -> Vec<u8> {
    stage.file(FILE, users_with_tags(6_000, 1));
    let mut faults = vec![Fault::delay(Duration::ZERO); 2];
    faults.extend(vec![Fault::code(91000); 2_000]);
    stage.emulator.faults(ADD, faults);
    let (exit, report) = stage.json(&["import", FILE, "--timeout", "1"]);
    assert_eq!(
        (exit, &report["users_tagged"]),
        (Some(4), &json!(200)),
        "{report}"
    );
    assert!(report["users_failed"].as_u64().unwrap() > 1_000);
    stage.emulator.remove_faults();
    fs::read(stage.home.path().join(LIST)).unwrap()
}

/// Holds the list, and that which is written from the journal, to what the run before left.
fn nothing_is_lost(stage: &Stage, list: &[u8]) {
    assert!(fs::read(stage.home.path().join(LIST)).unwrap() == list);
    let listed = stage.run(&["import", FILE, "--list-failed", "--failed", "again"]);
    assert_eq!(listed.exit, Some(0), "{listed:?}");
    assert!(fs::read(stage.home.path().join("again")).unwrap() == list);
}

#[test]
fn a_resumed_import_that_is_refused_or_killed_before_it_settles_a_user_costs_no_list() {
    let stage = Stage::new();
    let list = cut_short(&stage);
    let mut refused = stage.imtag(&["import", FILE, "--json"]);
    refused.env("IMTAG_SECRET_KEY", "0".repeat(64));
    for is_there in [true, false] {
        if !is_there {
            fs::remove_file(stage.home.path().join(LIST)).unwrap();
        }
        let ran = run(limited(&refused, "true"));
        let report = ran.json();
        assert_eq!(
            (ran.exit, &report["resumed"], &report["failed_list"]),
            (Some(3), &json!(200), &Value::Null),
            "{report}"
        );
        // of this run are those of the request that was refused
        let (failed, not_sent) = (&report["users_failed"], &report["users_not_sent"]);
        assert_eq!(
            failed.as_u64().unwrap() + not_sent.as_u64().unwrap(),
            5_800,
            "{report}"
        );
        nothing_is_lost(&stage, &list);
    }
    stage.killed(&["import", FILE]);
    nothing_is_lost(&stage, &list);
    // a crash comes between the list and the journal, which then does not know the list, or while the list is written
    for length in [list.len(), list.len() / 2] {
        let written = stage.file("new", &list[..length]);
        fs::rename(written, stage.home.path().join(LIST)).unwrap();
        assert_eq!(run(limited(&refused, "true")).exit, Some(3));
    }
    let (exit, report) = stage.json(&["import", FILE]);
    assert_eq!((exit, &report["users_tagged"]), (Some(0), &json!(6_000)));
    assert!(!stage.home.path().join(LIST).exists());
}

#[test]
fn a_resumed_import_that_settles_a_user_lists_those_of_the_run_before_no_more() {
    let stage = Stage::new();
    cut_short(&stage);
    // one more request is done, and then the app is refused
    let faults = [Fault::delay(Duration::ZERO), Fault::code(70009)];
    stage.emulator.faults(ADD, faults);
    let (exit, report) = stage.json(&["import", FILE, "--calls-per-second", "1"]);
    assert_eq!(exit, Some(3), "{report}");
    assert!(report["users_tagged"].as_u64().unwrap() > 200, "{report}");
    assert_eq!(report["users_failed"], json!(100));
    assert_eq!(stage.listed().len(), 100);
    let list = fs::read(stage.home.path().join(LIST)).unwrap();
    nothing_is_lost(&stage, &list);
}
