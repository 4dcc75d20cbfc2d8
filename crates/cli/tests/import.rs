//! `import` against the emulator: what ends up there, what the report says of it, and how it ends. And `import --demo`, the
//! first command that a newcomer runs.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use std::time::Duration;

use imtag_emulator::{Fault, Generation, Operation};
use serde_json::{Value, json};
use stage::{ADD, Stage, gzip, run, run_with_input, users_with_tags};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/sample.csv");

fn accounts(report: &Value) -> Vec<&str> {
    let failures = report["failures"].as_array().unwrap();
    failures
        .iter()
        .map(|it| it["account"].as_str().unwrap())
        .collect()
}

#[test]
fn a_file_is_imported_whole_in_the_fewest_requests() {
    let stage = Stage::with(|emulator| emulator.tls(true));
    stage.file("users.csv", users_with_tags(250, 2));
    let (exit, report) = stage.json(&["import", "users.csv"]);
    assert_eq!(exit, Some(0));
    for (field, expected) in [
        ("file", json!("users.csv")),
        ("rows", json!(500)),
        ("bad_rows", json!(0)),
        ("users", json!(250)),
        ("requests", json!(3)),
        ("lower_bound", json!(3)),
        ("retries", json!(0)),
        ("quota_rejections", json!(0)),
        ("resumed", json!(0)),
        ("splits", json!(0)),
        ("users_tagged", json!(250)),
        ("users_failed", json!(0)),
        ("users_not_sent", json!(0)),
        ("quota_utilisation", json!(0.03)),
        ("above_alarm", json!(false)),
        ("ended_early", json!(null)),
        ("failures", json!([])),
        ("failures_by_reason", json!([])),
        ("failed_list", json!(null)),
        ("not_sent", json!([])),
        ("not_sent_by_reason", json!([])),
        ("bad_row_details", json!([])),
        ("bad_rows_by_reason", json!([])),
        ("bad_rows_list", json!(null)),
        ("joined_tags", json!(null)),
    ] {
        assert_eq!(report[field], expected, "{field}");
    }
    assert!(report["seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(report.as_object().unwrap().len(), 26, "{report}");
    assert_eq!(stage.emulator.users().len(), 250);
    assert_eq!(stage.tags_of("user0249"), ["tag0", "tag1"]);
    assert_eq!(stage.emulator.stats().arrivals(), 3);
}

#[test]
fn requests_that_are_rejected_as_too_frequent_are_counted_and_said_to_be() {
    let stage = Stage::new();
    stage.file("users.csv", users_with_tags(100, 1));
    let rejected = [60007, 60007].map(Fault::code);
    stage.emulator.faults(ADD, rejected.clone());
    let (exit, report) = stage.json(&["import", "users.csv"]);
    assert_eq!((exit, &report["quota_rejections"]), (Some(0), &json!(2)));
    assert_eq!(report["retries"], 2);
    stage.emulator.faults(ADD, rejected);
    let ran = stage.run(&["import", "users.csv"]);
    let says = "2 attempts were rejected as too frequent (60007): others use the app's quota, too; set each process's \
                share by --calls-per-second";
    let words: Vec<_> = ran.out.split_whitespace().collect();
    assert!(words.join(" ").contains(says), "{}", ran.out);
    assert!(ran.out.lines().all(|line| line.len() <= 80), "{}", ran.out);
}

#[test]
fn a_bad_row_is_named_and_left_out_and_the_good_ones_are_imported() {
    let stage = Stage::new();
    stage.file(
        "users.csv",
        "account,tags\nalice,vip;北京\nbob,\ncarol,\"a,b;c\"\n",
    );
    let ran = stage.run(&["import", "users.csv"]);
    assert_eq!((ran.exit, ran.err.as_str()), (Some(1), ""));
    let last = "1 bad row was left out, and only these:\n  \
                line 3: tag: empty, at least 1 byte (leave it out, or fill it)\n\
                users.csv.bad-rows.ndjson lists them all\n";
    assert!(ran.out.ends_with(last), "{}", ran.out);
    assert_eq!(stage.tags_of("alice"), ["vip", "北京"]);
    assert_eq!(stage.tags_of("bob"), [""; 0]);
    assert_eq!(stage.tags_of("carol"), ["a,b", "c"]);
}

#[test]
fn a_file_may_come_by_standard_input_and_nothing_but_the_report_goes_out() {
    let stage = Stage::new();
    let ran = run_with_input(
        stage.imtag(&["import", "-"]),
        users_with_tags(1, 1).as_bytes(),
    );
    assert_eq!((ran.exit, ran.err.as_str()), (Some(0), ""));
    assert!(
        ran.out
            .starts_with("read      standard input: 1 row, 0 bad, 1 user\n")
    );
    assert!(ran.out.ends_with("tagged    1 user, 0 failed\n"));
    assert!(!ran.out.contains('\u{1b}'), "colours or a bar in a pipe");
}

#[test]
fn a_header_alone_is_nothing_to_do() {
    let stage = Stage::new();
    stage.file("users.csv", "account,tag\n");
    let (exit, report) = stage.json(&["import", "users.csv"]);
    assert_eq!((exit, &report["requests"]), (Some(0), &json!(0)));
    assert_eq!(stage.emulator.stats().arrivals(), 0);
}

#[test]
fn a_user_with_more_tags_than_one_may_carry_is_named_and_not_half_tagged() {
    let stage = Stage::new();
    let mut content = users_with_tags(2, 100);
    content.push_str("user0001,one more\n");
    stage.file("users.csv", content);
    let (exit, report) = stage.json(&["import", "users.csv"]);
    assert_eq!((exit, &report["requests"]), (Some(1), &json!(10)));
    assert_eq!(accounts(&report), ["user0001"]);
    let failure = &report["failures"][0];
    assert_eq!(
        failure["reason"],
        "more than 100 distinct tags in the file, at most 100 a user"
    );
    assert_eq!(failure["effect"], "not applied");
    assert_eq!(failure["tags"].as_array().unwrap().len(), 101);
    assert_eq!(stage.tags_of("user0000").len(), 100);
    assert_eq!(stage.tags_of("user0001").len(), 0);
}

#[test]
fn users_left_out_of_a_partial_success_are_named_with_the_tags_that_they_lack() {
    let stage = Stage::new();
    stage.file("users.csv", users_with_tags(2, 12));
    let refused = Fault::leave_out(["user0001"], 70107).text("no such account");
    stage
        .emulator
        .faults(ADD, [Fault::delay(Duration::ZERO), refused]);
    let (exit, report) = stage.json(&["import", "users.csv"]);
    assert_eq!((exit, &report["requests"]), (Some(1), &json!(2)));
    assert_eq!(
        (&report["users_tagged"], &report["users_failed"]),
        (&json!(1), &json!(1))
    );
    let expected = json!([{
        "account": "user0001",
        "op": "add",
        "tags": ["tag10", "tag11"],
        "code": 70107,
        "reason": "no such account",
        "remedy": "import the account first, or let its user log in once",
        "effect": "not applied",
    }]);
    assert_eq!(report["failures"], expected);
    assert_eq!(stage.tags_of("user0000").len(), 12);
    assert_eq!(stage.tags_of("user0001").len(), 10);
}

#[test]
fn one_users_fault_is_found_and_fails_no_other_user() {
    let stage = Stage::with(|emulator| emulator.unknown_accounts(["user0150"]));
    stage.file("users.csv", users_with_tags(250, 1));
    let (exit, report) = stage.json(&["import", "users.csv"]);
    assert_eq!((exit, &report["users_failed"]), (Some(1), &json!(1)));
    assert_eq!(accounts(&report), ["user0150"]);
    assert_eq!(stage.emulator.users().len(), 249);
    assert_eq!(report["failures"][0]["effect"], "possibly applied");
    // 3 for all, and for the one of 100 at most both halves of 100, 50, 25, 13, 7, 4 and 2
    let splits = report["splits"].as_u64().unwrap();
    assert!((1..=7).contains(&splits), "{splits} splits of 100 users");
    let requests = report["requests"].as_u64().unwrap();
    assert!((10..=17).contains(&requests), "{requests} requests");

    let text = stage.run(&["import", "users.csv"]).out;
    let searched = " of them to find users at fault";
    assert!(text.contains(searched), "{text}");
    assert!(
        text.contains("possibly applied: 70107 \"the account was never imported\" (import"),
        "{text}"
    );
    assert_eq!(text.matches("\n    user").count(), 1);

    let timpush = ["import", "users.csv", "--generation", "timpush"];
    let (exit, report) = stage.json(&timpush);
    assert_eq!((exit, accounts(&report)), (Some(1), vec!["user0150"]));
    let timpush = (Operation::Add, Generation::Timpush);
    let arrivals = stage.emulator.stats().route(timpush).arrivals;
    assert_eq!(arrivals, 3, "these paths name the user at fault");
}

#[test]
fn every_field_of_the_report_is_promised_by_the_readme() {
    let readme = include_str!("../README.md");
    let stage = Stage::with(|emulator| emulator.unknown_accounts(["nobody"]));
    stage.file("users.csv", "account,tag\nalice,vip\nbob,\n");
    let (_, import) = stage.json(&["import", "users.csv", "--demo"]);
    let (_, get) = stage.json(&["get", "alice"]);
    let (_, add) = stage.json(&["add", "nobody", "vip"]);
    let objects = [
        &import,
        &import["read_back"],
        &import["bad_row_details"][0],
        &import["bad_rows_by_reason"][0],
        &get,
        &get["users"][0],
        &add["failures"][0],
    ];
    for object in objects {
        for field in object.as_object().unwrap().keys() {
            assert!(readme.contains(&format!("`{field}`")), "{field}");
        }
    }
}

#[test]
fn a_long_text_of_the_service_is_kept_in_part_in_report_and_list() {
    let stage = Stage::new();
    stage.file("users.csv", users_with_tags(40, 1));
    let all: Vec<String> = (0..40).map(|user| format!("user{user:04}")).collect();
    let long = "京".repeat(2_000);
    let refused = Fault::leave_out(all, 90048).text(long.as_str());
    stage.emulator.faults(ADD, vec![refused.clone(); 4]);
    let (exit, report) = stage.json(&["import", "users.csv"]);
    let kept = "京".repeat(341) + "…";
    assert_eq!(exit, Some(1));
    assert_eq!(report["failures_by_reason"][0]["reason"], kept);
    let list = std::fs::read_to_string(stage.home.path().join("users.csv.failed.ndjson")).unwrap();
    assert_eq!(list.lines().count(), 40);
    assert!(list.lines().all(|line| line.len() < 2048));
    // it is known as a list, and replaced
    stage.emulator.remove_faults();
    stage.emulator.faults(ADD, vec![refused; 4]);
    let ran = stage.run(&["import", "users.csv"]);
    assert_eq!(ran.exit, Some(1), "{ran:?}");
    let start = format!("90048 \"{}\"… (", "京".repeat(66));
    assert!(ran.out.contains(&start) && ran.out.len() < 4_000, "{ran:?}");

    let body = format!(
        "{{\"ActionStatus\":\"FAIL\",\"ErrorInfo\":\"{long}\",\"ErrorCode\":90048,\"RequestId\":\"{long}\"}}"
    );
    stage.emulator.remove_faults();
    stage.emulator.fault(ADD, Fault::answer(body));
    let (exit, report) = stage.json(&["add", "alice", "vip"]);
    assert_eq!(exit, Some(1));
    assert_eq!(report["request_id"], kept);
    assert_eq!(report["failures"][0]["reason"], kept);
}

#[test]
fn rows_add_remove_and_clear_and_the_last_word_wins() {
    let stage = Stage::new();
    let accounts = ["alice", "bob", "carol", "dave"];
    let before = accounts.map(|it| format!("{it},old\n{it},kept\n")).concat();
    stage.file("before.csv", format!("account,tag\n{before}"));
    assert_eq!(stage.run(&["import", "before.csv"]).exit, Some(0));
    let rows = concat!(
        "account,op,tag\n",
        "alice,remove,old\nalice,add,new\n",
        "bob,add,void\nbob,clear,\nbob,add,new\n",
        "carol,add,old\ncarol,remove,old\ncarol,remove,new\ncarol,add,new\n",
        "dave,clear,\n",
    );
    for file in [gzip(rows.as_bytes()), rows.as_bytes().to_vec()] {
        stage.file("users.csv", file);
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
fn the_sample_is_imported_and_read_back_equal_without_any_setting() {
    let stage = Stage::new();
    let ran = run(stage.bare(&["import", "--demo", SAMPLE]));
    // six rows of the sample are bad, one of each kind
    assert_eq!((ran.exit, ran.err.as_str()), (Some(1), ""));
    for part in [
        "demo      an emulator of the service at https://127.0.0.1:",
        ": 8006 rows, 6 bad, 2000 users\n",
        "sent      22 requests (no plan needs fewer than 22), 0 retries,\n          in ",
        "tagged    2000 users, 0 failed\n",
        "read back 2000 of 2000 users equal to the file, user by user (20 requests of\n          v4/all_member_push/im_get_tag)\n",
        "6 bad rows were left out, and only these:\n",
        "  line 669: account: empty",
    ] {
        assert!(ran.out.contains(part), "{part:?} is not in {}", ran.out);
    }
    let mut lines = ran.out.lines().filter(|line| !line.contains(SAMPLE));
    assert!(lines.all(|line| line.chars().count() <= 80), "{}", ran.out);
    assert_eq!(stage.emulator.stats().connections, 0);
}

#[test]
fn nothing_in_the_environment_matters_and_nothing_is_left_behind() {
    let stage = Stage::new();
    stage.file("users.csv", "account,tag\nalice,vip\n");
    let mut command = stage.imtag(&["import", "--demo", "users.csv", "--json"]);
    command
        .env("IMTAG_REGION", "mars")
        .env("IMTAG_SDKAPPID", "x");
    let ran = run(command);
    assert_eq!((ran.exit, ran.err.as_str()), (Some(0), ""));
    let report = ran.json();
    let read_back = &report["read_back"];
    assert_eq!(
        (&read_back["users"], &read_back["users_equal"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(read_back["differences"], json!([]));
    assert_eq!(stage.emulator.stats().connections, 0);
    let left: Vec<_> = std::fs::read_dir(stage.home.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "the temporary CA file is gone: {left:?}");
}
