//! Lists that are not of this run alone: another import or a person writes them meanwhile, or the next run of the same
//! import does nothing. No list of who failed is lost in silence.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use std::fs;
use std::time::Duration;

use imtag_emulator::Fault;
use serde_json::{Value, json};
use stage::{
    ADD, EARLIER, FAILED_LIST as LIST, Ran, Stage, limited, run, users_with_tags, wait_until,
};

const FILE: &str = "users.csv";

/// Runs an import, and does something while its first request is under way.
fn import_while(stage: &Stage, arguments: &[&str], meanwhile: impl FnOnce()) -> Ran {
    let unheard = Fault::delay(Duration::from_secs(600));
    stage.emulator.fault(ADD, unheard);
    let arrived = stage.emulator.stats().arrivals();
    let child = stage.imtag(arguments).spawn().unwrap();
    wait_until("nothing is sent", || {
        stage.emulator.stats().arrivals() > arrived
    });
    meanwhile();
    // it sends again, and is heard
    stage.emulator.disconnect();
    Ran::from_output(child.wait_with_output().unwrap())
}

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

#[test]
fn of_two_imports_with_one_list_the_second_to_end_keeps_its_failed_users_for_another() {
    for earlier in [None, Some(""), Some(EARLIER)] {
        let stage = two_files();
        if let Some(earlier) = earlier {
            stage.file("all", earlier);
        }
        let b = ["import", "b.csv", "--failed", "all", "--json"];
        let ran = import_while(&stage, &b, || {
            let a = stage.run(&["import", "a.csv", "--failed", "all"]);
            assert_eq!(a.exit, Some(1), "{a:?}");
        });
        let report = ran.json();
        assert_eq!(ran.exit, Some(4), "{report}");
        assert_eq!(
            (&report["users_failed"], &report["failed_list"]),
            (&json!(1), &Value::Null)
        );
        assert_eq!(
            report["ended_early"],
            json!(
                "all was written by another program meanwhile, and stays as it is: move it away, or give another path \
                 (--failed), and run the same command again"
            )
        );
        assert_eq!(accounts(&stage, "all"), ["nobody"]);
        let again = ["import", "b.csv", "--failed", "of_b"];
        let (exit, report) = stage.json(&again);
        assert_eq!((exit, &report["failed_list"]), (Some(1), &json!("of_b")));
        assert_eq!(accounts(&stage, "of_b"), ["nowhere"]);
        assert_eq!(accounts(&stage, "all"), ["nobody"]);
        assert!(!stage.home.path().join("b.csv.journal").exists());
    }
}

#[test]
fn an_import_without_failures_removes_no_list_that_another_one_wrote_meanwhile() {
    for earlier in [None, Some(EARLIER)] {
        let stage = two_files();
        if let Some(earlier) = earlier {
            stage.file("all", earlier);
        }
        let well = ["import", "well.csv", "--failed", "all"];
        let ran = import_while(&stage, &well, || {
            let a = stage.run(&["import", "a.csv", "--failed", "all"]);
            assert_eq!(a.exit, Some(1), "{a:?}");
        });
        assert_eq!(ran.exit, Some(0), "{ran:?}");
        assert_eq!(accounts(&stage, "all"), ["nobody"]);
    }
}

#[test]
fn a_list_that_a_person_edits_during_the_import_stays_and_the_next_run_writes_its_own() {
    let stage = two_files();
    stage.file("all", EARLIER);
    let edited = EARLIER.replace("zoe", "amy");
    let arguments = ["import", "a.csv", "--failed", "all"];
    let ran = import_while(&stage, &arguments, || {
        stage.file("all", &edited);
    });
    assert_eq!(ran.exit, Some(4), "{ran:?}");
    let all = stage.home.path().join("all");
    assert_eq!(fs::read_to_string(&all).unwrap(), edited);
    fs::rename(&all, stage.home.path().join("moved")).unwrap();
    let (exit, report) = stage.json(&arguments);
    assert_eq!((exit, &report["failed_list"]), (Some(1), &json!("all")));
    assert_eq!(accounts(&stage, "all"), ["nobody"]);
}

#[test]
fn a_list_of_bad_rows_that_another_import_replaced_is_not_named_as_this_ones() {
    let stage = two_files();
    stage.file("a.csv", "account,tag\nalice,vip\n,a\n");
    stage.file("b.csv", "account,tag\nbob,vip\n\n,b\n");
    let a = ["import", "a.csv", "--bad-rows", "bad", "--json"];
    let mut of_b = Value::Null;
    let ran = import_while(&stage, &a, || {
        of_b = stage.json(&["import", "b.csv", "--bad-rows", "bad"]).1;
    });
    let of_a = ran.json();
    assert_eq!((ran.exit, &of_a["bad_rows"]), (Some(1), &json!(1)));
    assert_eq!(of_a["bad_rows_list"], Value::Null);
    assert_eq!(of_b["bad_rows_list"], json!("bad"));
    let list = fs::read_to_string(stage.home.path().join("bad")).unwrap();
    assert!(list.starts_with("{\"line\":4,"), "{list}");
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
    for _ in 0..2 {
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
    let unheard = Fault::delay(Duration::from_secs(600));
    stage.emulator.fault(ADD, unheard);
    let arrived = stage.emulator.stats().arrivals();
    let mut child = stage.imtag(&["import", FILE]).spawn().unwrap();
    wait_until("nothing is sent", || {
        stage.emulator.stats().arrivals() > arrived
    });
    child.kill().unwrap();
    child.wait().unwrap();
    nothing_is_lost(&stage, &list);
    stage.emulator.remove_faults();
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
