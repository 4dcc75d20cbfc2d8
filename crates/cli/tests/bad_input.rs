//! Files and settings that cannot be used: one sentence that says what is wrong and what to do, the documented exit
//! code, and nothing sent.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use stage::{Stage, run};

#[test]
fn a_file_that_cannot_be_imported_says_why_and_nothing_is_sent() {
    let stage = Stage::new();
    let zero_byte = format!("acc\0ount,tag\n{}", "x".repeat(100));
    for (content, sentence) in [
        (
            b"".as_slice(),
            "is empty: its first line must be the header account,tag or account,tags",
        ),
        (
            b"alice,vip\nbob,vip\n",
            "does not start with the header account,tag or account,tags: its first line is \"alice,vip\"",
        ),
        (
            b"account;tag\nalice;vip\n",
            "has semicolons between its fields: save it with commas",
        ),
        (
            b"account\ttag\nalice\tvip\n",
            "has tabs between its fields: save it with commas",
        ),
        (
            zero_byte.as_bytes(),
            "is not a text file: line 1 holds a zero byte",
        ),
        (b"\xff\xfea\0c\0", "is UTF-16 text: save it as UTF-8"),
        (
            b"\x89PNG\r\n\x1a\n\0\0",
            "is a picture: give a CSV file in UTF-8",
        ),
        (
            b"\x1f\x8b\x08\x00\xff\xff",
            "cannot be read: its gzip data is cut off: fetch the file again; nothing was sent",
        ),
    ] {
        stage.file("users.csv", content);
        let import = stage.run(&["import", "users.csv"]);
        import.refuses(2, &format!("imtag: users.csv {sentence}"));
    }
    // a demo says the same
    stage.file("users.csv", "account;tag\n");
    run(stage.bare(&["import", "--demo", "users.csv"])).refuses(2, "has semicolons");
    assert_eq!(stage.emulator.stats().arrivals(), 0);
}

#[test]
fn a_directory_a_missing_file_and_an_empty_input_are_said_to_be() {
    let stage = Stage::new();
    stage.run(&["import", "."]).refuses(
        2,
        "imtag: . is a folder: give a CSV file, or - for standard input",
    );
    stage.run(&["import", "none.csv"]).refuses(
        2,
        "imtag: none.csv cannot be read: No such file or directory",
    );
    stage
        .run(&["import", "-"])
        .refuses(2, "imtag: standard input is empty");
    let (exit, refused) = stage.json(&["import", "none.csv"]);
    assert_eq!(exit, Some(2));
    assert_eq!(refused["error"]["exit_code"], 2);
}

#[test]
fn all_missing_settings_are_named_at_once() {
    let stage = Stage::new();
    for arguments in [&["get", "alice"][..], &["import", "users.csv"]] {
        let ran = run(stage.bare(arguments));
        ran.refuses(3, "imtag: settings are missing:\n");
        for name in [
            "IMTAG_SDKAPPID",
            "IMTAG_IDENTIFIER",
            "IMTAG_SECRET_KEY or IMTAG_SECRET_KEY_FILE or IMTAG_USERSIG",
            "IMTAG_REGION or IMTAG_ENDPOINT",
        ] {
            ran.refuses(3, name);
        }
    }
    let json = run(stage.bare(&["get", "alice", "--json"])).json();
    assert_eq!(json["error"]["exit_code"], 3);
}

#[test]
fn wrong_settings_are_named_by_what_set_them() {
    let stage = Stage::new();
    for (flag, value, sentence) in [
        (
            "--region",
            "mars",
            "--region: unknown region \"mars\": use one of china, singapore, seoul",
        ),
        ("--sdkappid", "x", "--sdkappid: \"x\" is not an SDKAppID"),
        (
            "--endpoint",
            "http://example.com",
            "--endpoint: the endpoint \"http://example.com\" is plain HTTP to another machine",
        ),
        (
            "--ca-file",
            "none.pem",
            "--ca-file: the CA file none.pem cannot be read: No such file",
        ),
        (
            "--calls-per-second",
            "0",
            "--calls-per-second: 0 calls per second: set 0.001 to 100000, with at most three decimals, this process's \
             share of the app's quota",
        ),
        (
            "--calls-per-second",
            "-1",
            "--calls-per-second: -1 calls per second: set 0.001 to 100000",
        ),
        (
            "--secret-key-file",
            "none",
            "--secret-key-file: the file none cannot be read: No such file",
        ),
        (
            "--config",
            "none.toml",
            "the settings file none.toml cannot be read",
        ),
    ] {
        stage
            .run(&["get", "alice", flag, value])
            .refuses(3, sentence);
    }
    stage
        .run(&["get", "--fresh-start=yes", "alice"])
        .refuses(3, "imtag: --fresh-start: \"yes\" is neither true nor false");
    let mut command = stage.imtag(&["get", "alice"]);
    command.env("IMTAG_FRESH_START", "1");
    run(command).refuses(
        3,
        "imtag: IMTAG_FRESH_START: \"1\" is neither true nor false",
    );
    // what follows the flag is the account, and it wins over the variable
    let mut command = stage.imtag(&["get", "--fresh-start", "alice"]);
    command.env("IMTAG_FRESH_START", "1");
    assert_eq!(run(command).exit, Some(0));
    let mut command = stage.imtag(&["get", "alice"]);
    command.env("IMTAG_REGION", "singapore");
    run(command).refuses(
        3,
        "imtag: IMTAG_REGION and IMTAG_ENDPOINT are both set: keep one",
    );
    let mut command = stage.imtag(&["get", "alice"]);
    command.env("IMTAG_USERSIG", stage.usersig().expose());
    run(command).refuses(
        3,
        "IMTAG_SECRET_KEY and IMTAG_USERSIG are both set: keep one",
    );
}

#[test]
fn a_settings_file_is_read_where_the_flag_the_variable_or_home_has_it() {
    let stage = Stage::new();
    let settings = format!(
        "sdkappid = {}\nidentifier = \"administrator\"\nsecret_key_file = \"key\"\nendpoint = \"{}\"\n",
        stage.emulator.sdkappid(),
        stage.emulator.endpoint()
    );
    for folder in [".config/imtag", "elsewhere"] {
        stage.file(&format!("{folder}/config.toml"), &settings);
        let key = stage.file(&format!("{folder}/key"), stage::KEY);
        std::fs::set_permissions(key, PermissionsExt::from_mode(0o600)).unwrap();
    }
    let in_home = run(stage.bare(&["get", "alice"]));
    assert_eq!((in_home.exit, in_home.err.as_str()), (Some(0), ""));
    std::fs::remove_dir_all(stage.home.path().join(".config")).unwrap();
    assert_eq!(run(stage.bare(&["get", "alice"])).exit, Some(3));

    let flag = stage.bare(&["get", "alice", "--config", "elsewhere/config.toml"]);
    assert_eq!(run(flag).exit, Some(0));
    let mut variable = stage.bare(&["get", "alice"]);
    variable.env("IMTAG_CONFIG", "elsewhere/config.toml");
    assert_eq!(run(variable).exit, Some(0));
}

#[test]
fn a_settings_file_with_a_mistake_is_refused_without_showing_a_line_of_it() {
    let stage = Stage::new();
    let config = |text: &[u8]| {
        stage.file("config.toml", text);
        run(stage.bare(&["get", "alice", "--config", "config.toml"]))
    };
    config(b"regoin = \"china\"\n").refuses(
        3,
        "regoin in config.toml, line 1: no such setting: did you mean region?",
    );
    config(format!("secret_key = {}\n", stage::KEY).as_bytes())
        .refuses(3, "the settings file config.toml, line 1, is not TOML");
    config(b"sdkappid = true\n").refuses(
        3,
        "sdkappid in config.toml: it is neither a text nor a whole number",
    );
    // as PowerShell's `>` writes it
    config(b"\xff\xfer\0e\0").refuses(
        3,
        "the settings file config.toml cannot be read: stream did not contain valid UTF-8",
    );
}

#[test]
fn a_misspelt_variable_gets_a_warning_that_names_the_right_one() {
    let stage = Stage::new();
    let mut command = stage.imtag(&["get", "alice"]);
    command
        .env("IMTAG_REGOIN", "china")
        .env("IMTAG_SERVICE_PORT", "80");
    let ran = run(command);
    let warning = "imtag: warning: IMTAG_REGOIN is no setting: did you mean IMTAG_REGION?\n";
    assert_eq!((ran.exit, ran.err.as_str()), (Some(0), warning));
}

#[test]
fn a_variable_counts_as_not_set_where_it_is_empty_and_is_named_where_it_is_not_utf_8() {
    let stage = Stage::new();
    let mut command = stage.imtag(&["get", "alice"]);
    command
        .env("IMTAG_REGION", "")
        .env("IMTAG_USERSIG", "")
        .env("IMTAG_CONFIG", "");
    let ran = run(command);
    assert_eq!((ran.exit, ran.err.as_str()), (Some(0), ""));
    for (name, says) in [
        ("IMTAG_SDKAPPID", "imtag: IMTAG_SDKAPPID: it is not UTF-8"),
        (
            "IMTAG_SECRET_KEY",
            "imtag: IMTAG_SECRET_KEY: it is not UTF-8",
        ),
        (
            "IMTAG_CONFIG",
            "imtag: the settings file \u{fffd} cannot be read",
        ),
    ] {
        let of_bytes = OsStr::from_bytes(b"\xff");
        let mut command = stage.imtag(&["get", "alice"]);
        command.env(name, of_bytes);
        run(command).refuses(3, says);
        let mut command = stage.bare(&["explain", "70001"]);
        command.env(name, of_bytes);
        assert_eq!(run(command).exit, Some(0), "{name}");
    }
}

#[test]
fn a_flag_that_can_be_no_setting_is_a_mistake_of_the_command_line() {
    let stage = Stage::new();
    for (flag, value, says) in [
        ("--config", &b""[..], "error: --config names no file\n"),
        ("--region", b"\xff", "error: --region is not UTF-8\n"),
    ] {
        let mut command = stage.imtag(&["get", flag]);
        command.arg(OsStr::from_bytes(value)).arg("alice");
        run(command).refuses(2, says);
    }
}

#[test]
fn a_bare_command_shows_the_help_whatever_is_set() {
    let stage = Stage::new();
    let [set, bare] = [stage.imtag(&[]), stage.bare(&[])].map(run);
    assert!(
        set.exit == Some(2) && set.err.contains("Usage: imtag [OPTIONS] <COMMAND>\n"),
        "{set:?}"
    );
    assert_eq!(
        (set.exit, set.out, set.err),
        (bare.exit, bare.out, bare.err)
    );
}

#[test]
fn the_usage_below_a_mistake_names_no_setting_that_is_set() {
    let ran = run(Stage::new().imtag(&["get"]));
    let usage = "\n\nUsage: imtag get [OPTIONS] <ACCOUNT>...\n";
    assert!(ran.exit == Some(2) && ran.err.contains(usage), "{ran:?}");
}

#[test]
fn no_help_shows_what_a_variable_holds() {
    let stage = Stage::new();
    for arguments in [
        &["--help"][..],
        &["get", "--help"],
        &["import", "-h"],
        &["get"],
    ] {
        let mut command = stage.imtag(arguments);
        command
            .env("IMTAG_CONFIG", "xyzzy.toml")
            .env("IMTAG_SECRET_KEY_FILE", "xyzzy.key")
            .env("IMTAG_REGION", "xyzzy")
            .env("IMTAG_USERSIG", "xyzzy");
        let ran = run(command);
        let said = ran.out + &ran.err;
        assert!(said.contains("Usage: imtag"), "{said}");
        assert!(
            !said.contains("xyzzy") && !said.contains("127.0.0.1"),
            "{said}"
        );
    }
}

#[test]
fn a_secret_that_others_can_read_gets_a_warning_and_works() {
    let stage = Stage::new();
    let key = stage.file("key", stage::KEY);
    for (mode, warned) in [(0o644, true), (0o640, true), (0o600, false), (0o400, false)] {
        std::fs::set_permissions(&key, PermissionsExt::from_mode(mode)).unwrap();
        let mut command = stage.imtag(&["get", "alice", "--secret-key-file", "key"]);
        command.env_remove("IMTAG_SECRET_KEY");
        let ran = run(command);
        assert_eq!(ran.exit, Some(0), "{ran:?}");
        let warning = "imtag: warning: others can read key, which holds a secret: chmod 600 it\n";
        assert_eq!(ran.err, if warned { warning } else { "" });
    }
    let config = stage.file("config.toml", format!("secret_key = \"{}\"\n", stage::KEY));
    std::fs::set_permissions(&config, PermissionsExt::from_mode(0o644)).unwrap();
    let ran = run(stage.bare(&["get", "alice", "--config", "config.toml"]));
    ran.refuses(3, "warning: others can read config.toml");
}

#[test]
fn a_command_line_that_is_not_understood_is_a_usage_error_in_both_forms() {
    let stage = Stage::new();
    run(stage.bare(&[])).refuses(2, "Usage: imtag");
    run(stage.bare(&["add", "alice"])).refuses(2, "required arguments were not provided");
    run(stage.bare(&["explain", "many"])).refuses(2, "invalid value 'many'");
    run(stage.bare(&["import", "--demo", "x.csv", "--region", "china"]))
        .refuses(2, "leave --region out");
    let ran = run(stage.bare(&["add", "alice", "--json"]));
    assert_eq!(ran.exit, Some(2));
    assert_eq!(ran.json()["error"]["exit_code"], 2);
    for (mistyped, meant) in [
        (&["imprt", "x.csv"][..], "did you mean 'import'"),
        (
            &["get", "alice", "--regoin", "china"],
            "did you mean '--region'",
        ),
        (&["import", "--dry-rn", "x.csv"], "did you mean '--dry-run'"),
        (&["usersig", "--verfy"], "did you mean '--verify'"),
        (
            &["get", "alice", "--region", "singapor"],
            "use one of china, singapore, seoul",
        ),
        (
            &["get", "alice", "--generation", "timpsh"],
            "use all_member_push or timpush",
        ),
    ] {
        let ran = run(stage.bare(mistyped));
        assert!(ran.err.contains(meant), "{ran:?}");
        let mut mistyped = mistyped.to_vec();
        mistyped.push("--json");
        let said = run(stage.bare(&mistyped)).json()["error"]["message"].to_string();
        assert!(said.contains(meant), "{said}");
    }
    let ran = run(stage.bare(&["imprt", "x.csv", "--json"]));
    assert_eq!(
        ran.json()["error"]["message"],
        "unrecognized subcommand 'imprt'; did you mean 'import'"
    );
    let key = format!("--secret-key={}", stage::KEY);
    run(stage.bare(&["get", "alice", &key])).refuses(2, "unexpected argument '--secret-key'");
}
