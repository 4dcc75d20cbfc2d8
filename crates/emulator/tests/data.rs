//! Data that last: what is there after the end of an emulator, and what is refused at the start. That it outlasts
//! `kill -9` is tested with the real process, in `imtag-cli`.

#![allow(clippy::unwrap_used)] // all of it is test code

mod caller;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use caller::{ADD, Caller, GET, TIMPUSH_ADD, accounts, tags};
use imtag_core::{SdkAppId, SecretKey};
use imtag_emulator::{
    Builder, DataError, Emulator, Fault, Generation, KeptFilesError, Operation, StartError,
};
use serde_json::json;
use tempfile::TempDir;

fn builder(folder: &TempDir) -> Builder {
    Emulator::builder()
        .data(folder.path())
        .calls_per_second(100_000)
}

fn start(folder: &TempDir) -> Emulator {
    builder(folder).start().unwrap()
}

fn refused(builder: Builder) -> DataError {
    match builder.start().unwrap_err() {
        StartError::Data(error) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn everything_that_was_answered_is_there_after_the_end() {
    let folder = TempDir::new().unwrap();
    let emulator = builder(&folder).fail_changes_some(true).start().unwrap();
    let mut caller = Caller::new(&emulator);
    let body = tags(&[("用户", &["标", "a"]), ("b", &["t"])]);
    assert_eq!(caller.code(ADD, body), 0);
    let body = tags(&[("cleared", &["t"]), ("less", &["x", "y"])]);
    assert_eq!(caller.code(ADD, body), 0);
    let replaced = json!({"UserTags": [{"To_Account": "b", "Tags": ["new"]}], "Replace": 1});
    assert_eq!(caller.code(TIMPUSH_ADD, replaced), 0);
    let remove = (Operation::Remove, Generation::AllMemberPush);
    assert_eq!(caller.code(remove, tags(&[("less", &["x"])])), 0);
    let clear = (Operation::Clear, Generation::AllMemberPush);
    assert_eq!(caller.code(clear, accounts(&["cleared"])), 0);
    // Those that a failed request changed, too.
    let body = tags(&[("in part", &["t"]), ("c", &[&"x".repeat(51)])]);
    assert_eq!(caller.code(ADD, body), 90020);
    // An effect without an answer is one too.
    emulator.fault(ADD, Fault::cut_after());
    caller.call(ADD, tags(&[("unheard", &["t"])])).unwrap_err();
    emulator.tag("in process", ["t"]);
    let users = emulator.users();
    assert_eq!(users.len(), 6);
    drop(emulator);

    let emulator = start(&folder);
    assert_eq!(emulator.users(), users);
    let mut caller = Caller::new(&emulator);
    let read = caller.call(GET, accounts(&["用户"])).unwrap().json();
    assert_eq!(read["UserTags"][0]["Tags"], json!(["a", "标"]));
    assert_eq!(emulator.stats().users_changed, 0, "counts are of this run");
}

#[test]
fn app_key_and_authority_come_back_and_are_shown_to_nobody() {
    let folder = TempDir::new().unwrap();
    let seven = SdkAppId::new(7).unwrap();
    let first = builder(&folder).app(seven).identifier("root").tls(true);
    let first = first.start().unwrap();
    let query = caller::query(&first);
    let file = first.secret_key_file().unwrap().to_owned();
    drop(first);
    let key = fs::read_to_string(&file).unwrap();
    for name in ["secret-key", "ca-key.pem", "emulator.json"] {
        let file = fs::metadata(folder.path().join(name)).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600, "{name}");
    }
    let again = start(&folder);
    let target = format!("/v4/timpush/get_tag?{query}");
    let body = accounts(&["a"]).to_string();
    let mut caller = Caller::new(&again);
    let answer = caller.request("POST", &target, &body);
    assert_eq!(answer.unwrap().code(), 0, "a UserSig of before passes");
    assert_eq!((again.sdkappid(), again.identifier()), (seven, "root"));
    drop(again);

    let given = SecretKey::new("key-of-the-teams-vault").unwrap();
    let again = builder(&folder).secret_key(given).start().unwrap();
    assert_eq!(again.secret_key_file(), None);
    assert_eq!(fs::read_to_string(&file).unwrap(), key);
    drop(again);

    let other_app = builder(&folder).app(SdkAppId::new(8).unwrap());
    for other in [other_app, builder(&folder).identifier("other")] {
        let error = refused(other).to_string();
        let own = "are of SDKAppID 7 and identifier \"root\": set these or none";
        assert!(error.contains(own), "{error}");
    }
}

#[test]
fn a_second_emulator_on_the_same_data_is_refused_until_the_first_has_stopped() {
    let folder = TempDir::new().unwrap();
    let first = start(&folder);
    first.tag("a", ["t"]);
    let error = refused(builder(&folder));
    assert!(
        matches!(error, DataError::Files(KeptFilesError::InUse { .. })),
        "{error}"
    );
    first.stop();
    let second = start(&folder);
    assert_eq!(second.users(), first.users());
}
