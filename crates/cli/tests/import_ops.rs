//! Files that remove and clear, end to end; and the list of who failed, which is imported again as it is.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use std::io::Write;
use std::time::Duration;

use imtag_emulator::{Fault, Generation, Operation};
use serde_json::{Value, json};
use stage::{ADD, Stage, run_with_input, users_with_tags};

const REMOVE: (Operation, Generation) = (Operation::Remove, Generation::AllMemberPush);
const CLEAR: (Operation, Generation) = (Operation::Clear, Generation::AllMemberPush);
const LIST: &str = "users.csv.failed.ndjson";

fn list(stage: &Stage) -> Vec<Value> {
    let text = std::fs::read_to_string(stage.home.path().join(LIST)).unwrap();
    let lines = text.lines().map(serde_json::from_str);
    lines.map(Result::unwrap).collect()
}

/// `op` and `effect` of each line.
fn in_short(lines: &[Value]) -> Vec<(&str, &str)> {
    lines
        .iter()
        .map(|it| (it["op"].as_str().unwrap(), it["effect"].as_str().unwrap()))
        .collect()
}

/// Tags of a user, before the import that is looked at.
fn tagged(stage: &Stage, account: &str, tags: &[&str]) {
    let mut file = "account,tag\n".to_owned();
    tags.iter()
        .for_each(|tag| file += &format!("{account},{tag}\n"));
    let ran = run_with_input(stage.imtag(&["import", "-"]), file.as_bytes());
    assert_eq!(ran.exit, Some(0), "{ran:?}");
}

#[test]
fn rows_add_remove_and_clear_and_the_last_word_wins() {
    let stage = Stage::new();
    for account in ["alice", "bob", "carol", "dave"] {
        tagged(&stage, account, &["old", "kept"]);
    }
    let rows = concat!(
        "account,op,tag\n",
        "alice,remove,old\nalice,add,new\n",
        "bob,add,void\nbob,clear,\nbob,add,new\n",
        "carol,add,old\ncarol,remove,old\ncarol,remove,new\ncarol,add,new\n",
        "dave,clear,\n",
    );
    let rows = |packed: bool| {
        if packed {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(rows.as_bytes()).unwrap();
            gzip.finish().unwrap()
        } else {
            rows.as_bytes().to_vec()
        }
    };
    for packed in [true, false] {
        stage.file("users.csv", rows(packed));
        let (exit, report) = stage.json(&["import", "users.csv"]);
        assert_eq!((exit, &report["users_tagged"]), (Some(0), &json!(4)));
        assert_eq!(report["lower_bound"], 3);
        assert_eq!(stage.tags_of("alice"), ["kept", "new"]);
        assert_eq!(stage.tags_of("bob"), ["new"]);
        assert_eq!(stage.tags_of("carol"), ["kept", "new"]);
        assert_eq!(stage.tags_of("dave"), [""; 0]);
    }
}

#[test]
fn the_list_of_who_failed_is_imported_again_as_it_is() {
    let stage = Stage::new();
    tagged(&stage, "alice", &["old"]);
    stage.file(
        "users.csv",
        "account,op,tag\nalice,remove,old\nalice,add,new\nbob,add,new\n",
    );
    stage
        .emulator
        .fault(ADD, Fault::leave_out(["alice"], 90033));
    stage.emulator.fault(REMOVE, Fault::code(90033));
    let (exit, report) = stage.json(&["import", "users.csv"]);
    assert_eq!((exit, &report["users_failed"]), (Some(1), &json!(1)));
    let lines = list(&stage);
    assert_eq!(
        json!(lines),
        report["failures"],
        "the report and the list say the same"
    );
    assert_eq!(in_short(&lines)[0], ("remove", "possibly applied"));

    assert_eq!(stage.run(&["import", LIST]).exit, Some(0));
    assert_eq!(stage.tags_of("alice"), ["new"]);
    assert_eq!(stage.tags_of("bob"), ["new"]);
}

#[test]
fn where_the_clear_failed_the_list_clears_and_then_adds_all_again() {
    let stage = Stage::new();
    tagged(&stage, "user0000", &["old"]);
    let adds = users_with_tags(1, 15)
        .replace("account,tag\n", "")
        .replace(',', ",add,");
    stage.file(
        "users.csv",
        format!("account,op,tag\nuser0000,clear,\n{adds}"),
    );
    // the clear fails, one of the two adds is done, the other is not
    stage
        .emulator
        .fault(CLEAR, Fault::leave_out(["user0000"], 90033));
    let second_fails = [
        Fault::delay(Duration::ZERO),
        Fault::leave_out(["user0000"], 90033),
    ];
    stage.emulator.faults(ADD, second_fails);
    let (exit, _) = stage.json(&["import", "users.csv"]);
    assert_eq!(exit, Some(1));
    assert_eq!(stage.tags_of("user0000").len(), 11, "the old one, and ten");
    let lines = list(&stage);
    let expected = [
        ("clear", "not applied"),
        ("add", "not applied"),
        ("add", "applied"),
    ];
    assert_eq!(in_short(&lines), expected);

    stage.emulator.remove_faults();
    let (exit, report) = stage.json(&["import", LIST]);
    assert_eq!((exit, &report["users_tagged"]), (Some(0), &json!(1)));
    let tags = stage.tags_of("user0000");
    assert_eq!(tags.len(), 15, "{tags:?}");
    assert!(!tags.contains(&"old".to_owned()));
}

#[test]
fn a_list_is_never_written_over_by_its_own_import() {
    let stage = Stage::with(|emulator| emulator.unknown_accounts(["user0000"]));
    let first = run_with_input(
        stage.imtag(&["import", "-"]),
        users_with_tags(2, 1).as_bytes(),
    );
    assert_eq!(first.exit, Some(1), "{first:?}");
    let list = stage.home.path().join("imtag-stdin.failed.ndjson");
    let before = std::fs::read(&list).unwrap();
    let mut again = stage.imtag(&["import", "-"]);
    again.stdin(std::fs::File::open(&list).unwrap());
    let says = "imtag-stdin.failed.ndjson is the file to import: give another path (--failed)";
    stage::run(again).refuses(2, says);
    assert_eq!(std::fs::read(&list).unwrap(), before);
}

#[test]
fn an_earlier_list_is_named_and_stays_until_the_first_user_of_the_next_import_is_settled() {
    let stage = Stage::new();
    stage.file("users.csv", users_with_tags(1, 1));
    let earlier = "{\"account\":\"zoe\",\"op\":\"clear\",\"tags\":[],\"code\":null,\"reason\":\"no\",\
                   \"remedy\":\"ask\",\"effect\":\"not applied\"}\n";
    let path = stage.file(LIST, earlier);
    let mut command = stage.imtag(&["import", "users.csv"]);
    command.env("IMTAG_SECRET_KEY", "another-apps-key");
    let ran = stage::run(command);
    assert_eq!(ran.exit, Some(3), "{ran:?}");
    let says = "\nusers.csv.failed.ndjson lists who failed in an earlier run, and stays\n";
    assert!(ran.out.contains(says), "{ran:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), earlier);
    assert_eq!(stage.run(&["import", "users.csv"]).exit, Some(0));
    assert!(!path.exists());
}

#[test]
fn journal_and_list_lie_where_they_are_wanted() {
    let stage = Stage::with(|emulator| emulator.unknown_accounts(["user0000"]));
    stage.file("users.csv", users_with_tags(1, 1));
    stage.file("kept/nothing", "");
    let import = [
        "import",
        "users.csv",
        "--journal",
        "kept/j",
        "--failed",
        "kept/f",
    ];
    let ran = stage.run(&import);
    assert_eq!(ran.exit, Some(1));
    assert!(
        ran.out
            .contains("kept/f lists who failed: correct a copy, and import that\n"),
        "{ran:?}"
    );
    assert!(stage.home.path().join("kept/f").exists());
    assert!(!stage.home.path().join("kept/j").exists(), "it is done");
    assert!(!stage.home.path().join(LIST).exists());
}

#[test]
fn of_many_who_failed_ten_are_named_in_text_and_all_in_the_list() {
    let stage = Stage::new();
    stage.file("users.csv", users_with_tags(13, 1));
    let all = (0..13).map(|user| format!("user{user:04}"));
    stage.emulator.fault(ADD, Fault::leave_out(all, 90033));
    let ran = stage.run(&["import", "users.csv"]);
    assert_eq!(ran.exit, Some(1));
    assert_eq!(ran.out.matches("\n    user").count(), 10, "{}", ran.out);
    assert!(ran.out.contains("\n    and 3 more\n"), "{}", ran.out);
    assert_eq!(list(&stage).len(), 13);
}
