//! `import --demo`, the first command that a newcomer runs.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use serde_json::json;
use stage::{Stage, run};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/sample.csv");

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
