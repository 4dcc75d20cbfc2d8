//! What a file to import may be, how little memory it takes, and what a dry run says of it.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use serde_json::json;
use stage::{Stage, gzip, run, run_with_input};

#[test]
fn csv_and_ndjson_plain_and_packed_come_to_the_same_users() {
    let csv = "account,op,tags\nalice,,vip;ios\nbob,add,vip\n";
    let ndjson = concat!(
        "{\"To_Account\":\"alice\",\"Tags\":[\"vip\",\"ios\"]}\n",
        "{\"account\":\"bob\",\"op\":\"add\",\"tags\":[\"vip\"],\"code\":70107,\"reason\":\"r\",\"remedy\":\"m\",\"effect\":\"e\"}\n",
    );
    let stage = Stage::new();
    for text in [csv, ndjson] {
        let zstd = zstd::encode_all(text.as_bytes(), 3).unwrap();
        for bytes in [text.as_bytes().to_vec(), gzip(text.as_bytes()), zstd] {
            stage.emulator.reset().unwrap();
            // the name says nothing of what is in it
            stage.file("users.txt", &bytes);
            let ran = stage.run(&["import", "users.txt"]);
            assert_eq!((ran.exit, ran.err.as_str()), (Some(0), ""));
            assert_eq!(stage.tags_of("alice"), ["ios", "vip"]);
            assert_eq!(stage.tags_of("bob"), ["vip"]);
            let piped = run_with_input(stage.bare(&["import", "--dry-run", "-"]), &bytes);
            assert_eq!(piped.exit, Some(0), "{piped:?}");
        }
    }
}

#[test]
fn a_dry_run_says_what_there_is_to_do_in_the_readme_s_fields_and_needs_no_setting() {
    let stage = Stage::new();
    let mut file =
        "account,op,tag\nbob,clear,\nbob,add,new\ncarol,remove,old\ncarol,delete,x\n".to_owned();
    for tag in 0..101 {
        file += &format!("dave,add,tag{tag}\n");
    }
    for user in 0..150 {
        file += &format!("user{user},add,vip\n");
    }
    stage.file("users.csv", file);
    let ran = run(stage.bare(&["import", "--dry-run", "users.csv", "--json"]));
    assert_eq!((ran.exit, ran.err.as_str()), (Some(1), ""));
    let mut report = ran.json();
    let dave = &report["failures"][0];
    assert_eq!(
        (&dave["account"], &dave["effect"]),
        (&json!("dave"), &json!("not applied"))
    );
    assert_eq!(dave["tags"].as_array().unwrap().len(), 101);
    report["failures"] = json!(report["failures"].as_array().unwrap().len());
    let work = |users, tags, slots, lower_bound| json!({"users": users, "tags": tags, "slots": slots, "lower_bound": lower_bound});
    assert_eq!(
        report,
        json!({
            "dry_run": true,
            "file": "users.csv",
            "rows": 255,
            "bad_rows": 1,
            "users": 153,
            "users_failed": 1,
            "clear": work(1, 0, 1, 1),
            "remove": work(1, 1, 1, 1),
            "add": work(151, 151, 151, 2),
            "lower_bound": 4,
            "seconds_at_full_quota": 0.02,
            "failures": 1,
            "joined_tags": null,
            "bad_row_details": [{
                "line": 5,
                "reason": "op: \"delete\" is none of add, remove, clear (use one of them; nothing means add)",
            }],
            "bad_rows_by_reason": [{
                "reason": "op: \"delete\" is none of add, remove, clear (use one of them; nothing means add)",
                "rows": 1,
            }],
            "bad_rows_list": null,
        })
    );
    let text = run(stage.bare(&[
        "import",
        "--dry-run",
        "users.csv",
        "--calls-per-second",
        "1",
    ]))
    .out;
    for line in [
        "read      users.csv: 255 rows, 1 bad, 153 users\n",
        "clear:    all tags of 1 user, 1 request at least\n",
        "remove:   1 tag of 1 user, 1 request at least\n",
        "add:      151 tags of 151 users, 2 requests at least\n",
        "dry run   nothing was sent; at 1 call a second it takes 2.00 s\n",
        "\n1 user would fail:\n  1 user, not applied: more than 100 distinct tags in the file, at most 100 a user",
        "    dave\n",
    ] {
        assert!(text.contains(line), "{line:?} is not in {text}");
    }
    let readme = include_str!("../README.md");
    let fields = report.as_object().unwrap().keys();
    for field in fields.chain(report["add"].as_object().unwrap().keys()) {
        assert!(readme.contains(&format!("`{field}`")), "{field}");
    }
    assert_eq!(stage.emulator.stats().arrivals(), 0);
}

#[test]
fn on_timpush_a_thousand_distinct_tags_pass_and_one_more_is_said_before_anything_is_sent() {
    let stage = Stage::new();
    let file = |tags: usize| -> String {
        let rows = (0..tags).map(|tag| format!("user{},tag{tag}\n", tag / 50));
        std::iter::once("account,tag\n".to_owned())
            .chain(rows)
            .collect()
    };
    stage.file("users.csv", file(1_000));
    let import = ["import", "users.csv", "--generation", "timpush"];
    assert_eq!(stage.run(&import).exit, Some(0));
    stage.emulator.reset().unwrap();
    stage.file("users.csv", file(1_001));
    stage.run(&import).refuses(
        2,
        "users.csv adds more than 1000 distinct tags, at most 1000 an app on the timpush paths",
    );
    assert_eq!(stage.emulator.stats().arrivals(), 0);
    assert_eq!(
        stage.run(&["import", "users.csv"]).exit,
        Some(0),
        "on the other paths none counts them"
    );
}

/// Rows that take more than half of the least memory that there can be, which are few where accounts are long.
fn rows_of_ten_mebibytes() -> String {
    let rows = (0..10_000).map(|row| format!("{:01024},tag{}\n", row % 5_000, row % 7));
    std::iter::once("account,tag\n".to_owned())
        .chain(rows)
        .collect()
}

#[test]
fn what_does_not_fit_into_memory_is_grouped_all_the_same_and_leaves_no_file() {
    let stage = Stage::new();
    stage.file("users.csv", rows_of_ten_mebibytes());
    let dry_run = |memory| {
        let import = [
            "import",
            "--dry-run",
            "users.csv",
            "--json",
            "--memory",
            memory,
        ];
        let mut command = stage.bare(&import);
        command.env("IMTAG_GENERATION", "timpush");
        run(command)
    };
    let (few, many) = (dry_run("16M"), dry_run("1G"));
    assert_eq!((few.exit, few.err.as_str()), (Some(0), ""));
    assert_eq!(few.out, many.out);
    assert_eq!(few.json()["add"]["tags"], 10_000);
    let left: Vec<_> = std::fs::read_dir(stage.home.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn a_folder_that_takes_no_temporary_file_is_an_error_of_this_machine_and_nothing_is_sent() {
    let stage = Stage::new();
    stage.file("users.csv", rows_of_ten_mebibytes());
    let import = |file| {
        let import = ["import", file, "--memory", "16M", "--temp-dir", "nowhere"];
        let mut command = stage.imtag(&import);
        command.env("IMTAG_GENERATION", "timpush");
        run(command)
    };
    import("users.csv").refuses(4, "imtag: rows of the file cannot be kept in nowhere: ");
    assert_eq!(stage.emulator.stats().arrivals(), 0);
    // what fits into memory needs none
    stage.file("few.csv", "account,tag\nalice,vip\n");
    assert_eq!(import("few.csv").exit, Some(0));
}

#[test]
fn too_little_memory_is_a_usage_error() {
    let stage = Stage::new();
    run(stage.bare(&["import", "users.csv", "--memory", "15M"])).refuses(2, "16M at least");
    run(stage.bare(&["import", "users.csv", "--memory", "much"])).refuses(2, "such as 64M");
}

#[test]
fn tags_that_look_joined_by_another_separator_are_imported_and_warned_of_once() {
    let stage = Stage::new();
    stage.file(
        "users.csv",
        "account,tags\nalice,vip;ios\nbob,\"vip,beijing\"\ncarol,vip|beijing\n",
    );
    let warning = "imtag: warning: 2 rows (the first in line 3) with ',', '|' in the tags were taken for one tag each: \
                   tags are separated by ;\n";
    let ran = stage.run(&["import", "users.csv", "--json"]);
    assert_eq!((ran.exit, ran.err.as_str()), (Some(0), warning));
    let joined = json!({"rows": 2, "first_line": 3, "separators": [",", "|"]});
    assert_eq!(ran.json()["joined_tags"], joined);
    assert_eq!(stage.tags_of("bob"), ["vip,beijing"]);
    assert_eq!(stage.tags_of("carol"), ["vip|beijing"]);
    let dry = run(stage.bare(&["import", "--dry-run", "users.csv", "--json"]));
    assert_eq!((dry.exit, dry.err.as_str()), (Some(0), warning));
    assert_eq!(dry.json()["joined_tags"], joined);
}
