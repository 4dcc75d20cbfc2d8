//! Files and settings that cannot be used: one sentence that says what is wrong and what to do, the documented exit
//! code, and nothing sent.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use stage::{Stage, gzip, run, run_with_input};

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
        ran.refuses(3, "imtag: settings are missing:\n  set IMTAG_SDKAPPID or ");
        assert_eq!(ran.err.matches("\n  set IMTAG_").count(), 4, "{ran:?}");
    }
    let json = run(stage.bare(&["get", "alice", "--json"])).json();
    assert_eq!(json["error"]["exit_code"], 3);
}

#[test]
fn no_time_that_the_command_line_takes_is_too_long() {
    let stage = Stage::new();
    stage.file("users.csv", "account,tag\nalice,vip\n");
    for command in [
        &["doctor"][..],
        &["get", "alice"],
        &["clear", "--yes", "alice"],
        &["import", "users.csv"],
        &["import", "--demo", "users.csv"],
    ] {
        for (time, exit) in [
            ("1e19", 0),
            ("1.8446744073709550e19", 0),
            ("1e20", 2),
            ("nan", 2),
            ("inf", 2),
            ("-1", 2),
            ("0", 2),
        ] {
            let timeout = format!("--timeout={time}");
            let ran = stage.run(&[command, &[&timeout]].concat());
            assert_eq!(ran.exit, Some(exit), "{command:?} {time}: {ran:?}");
        }
    }
    let seconds = u64::MAX.to_string();
    let usersig = stage.run(&["usersig", "--expire", &seconds]).out;
    let mut doctor = stage.imtag(&["doctor"]);
    doctor
        .env_remove("IMTAG_SECRET_KEY")
        .env("IMTAG_USERSIG", usersig.trim());
    let ran = run(doctor);
    assert_eq!(ran.exit, Some(0), "{ran:?}");
}

#[test]
fn wrong_settings_are_named_by_what_set_them() {
    let stage = Stage::new();
    for (flag, value, sentence) in [
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
            "-1",
            "--calls-per-second: -1 calls per second: set 0.001 to 100000, with at most three decimals, this process's \
             share of the app's quota",
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
        (
            "--fresh-start=yes",
            "bob",
            "imtag: --fresh-start: \"yes\" is neither true nor false",
        ),
    ] {
        stage
            .run(&["get", "alice", flag, value])
            .refuses(3, sentence);
    }
    let with = |name: &str, value: &str, arguments: &[&str]| {
        let mut command = stage.imtag(arguments);
        command.env(name, value);
        run(command)
    };
    let get = ["get", "alice"];
    with("IMTAG_FRESH_START", "1", &get).refuses(
        3,
        "imtag: IMTAG_FRESH_START: \"1\" is neither true nor false",
    );
    // what follows the flag is the account, and it wins over the variable
    let fresh = ["get", "--fresh-start", "alice"];
    assert_eq!(with("IMTAG_FRESH_START", "1", &fresh).exit, Some(0));
    with("IMTAG_REGION", "singapore", &get).refuses(
        3,
        "imtag: IMTAG_REGION and IMTAG_ENDPOINT are both set: keep one",
    );
    with("IMTAG_USERSIG", stage.usersig().expose(), &get).refuses(
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
    for folder in [".config/imtag", "elsewhere", "~/.config/imtag"] {
        stage.file(&format!("{folder}/config.toml"), &settings);
        let key = stage.file(&format!("{folder}/key"), stage::KEY);
        std::fs::set_permissions(key, PermissionsExt::from_mode(0o600)).unwrap();
    }
    let in_home = run(stage.bare(&["get", "alice"]));
    assert_eq!((in_home.exit, in_home.err.as_str()), (Some(0), ""));
    std::fs::remove_dir_all(stage.home.path().join(".config")).unwrap();
    assert_eq!(run(stage.bare(&["get", "alice"])).exit, Some(3));

    // a folder `~` where the program runs is no home
    let mut homeless = stage.bare(&["get", "alice"]);
    homeless.env_remove("HOME");
    run(homeless).refuses(3, "set IMTAG_SDKAPPID");

    let flag = stage.bare(&["get", "alice", "--config", "elsewhere/config.toml"]);
    assert_eq!(run(flag).exit, Some(0));
    let mut variable = stage.bare(&["get", "alice"]);
    variable.env("IMTAG_CONFIG", "elsewhere/config.toml");
    assert_eq!(run(variable).exit, Some(0));
}

#[test]
fn a_profile_is_asked_for_by_the_flag_or_the_variable_and_must_be_there() {
    let stage = Stage::new();
    let settings = format!(
        "identifier = \"administrator\"\nregion = \"china\"\n\n\
         [profile.here]\nsdkappid = {}\nsecret_key = \"{}\"\nendpoint = \"{}\"\n\n\
         [profile.away]\nsdkappid = 1\n",
        stage.emulator.sdkappid(),
        stage::KEY,
        stage.emulator.endpoint()
    );
    let without = |profile: &str| {
        run(stage.bare(&["get", "alice", "--profile", profile, "--json"])).json()["error"]["message"]
            .to_string()
    };
    let path = stage.home.path().join(".config/imtag/config.toml");
    let path = path.display();
    assert_eq!(
        without("here"),
        format!(
            "\"there is no profile \\\"here\\\": there is no settings file: write {path}, or name one with IMTAG_CONFIG\""
        )
    );
    let file = stage.file(".config/imtag/config.toml", &settings);
    std::fs::set_permissions(file, PermissionsExt::from_mode(0o600)).unwrap();
    let flag = run(stage.bare(&["get", "alice", "--profile", "here"]));
    assert_eq!((flag.exit, flag.err.as_str()), (Some(0), ""));
    let mut variable = stage.bare(&["get", "alice"]);
    variable.env("IMTAG_PROFILE", "here");
    assert_eq!(run(variable).exit, Some(0));
    let mut both = stage.bare(&["get", "alice", "--profile", "here"]);
    both.env("IMTAG_PROFILE", "away");
    assert_eq!(run(both).exit, Some(0));

    assert_eq!(
        without("her"),
        format!("\"there is no profile \\\"her\\\": {path} has away, here\"")
    );
    run(stage.bare(&["get", "alice", "--profile", "away"])).refuses(
        3,
        &format!(
            "imtag: a setting is missing: set IMTAG_SECRET_KEY or IMTAG_SECRET_KEY_FILE or IMTAG_USERSIG or \
             --secret-key-file, or secret_key or secret_key_file or usersig in [profile.away] of {path} ("
        ),
    );
}

#[test]
fn a_settings_file_with_a_mistake_is_refused_without_showing_a_line_of_it() {
    let stage = Stage::new();
    let config = |text: &[u8]| {
        stage.file("config.toml", text);
        run(stage.bare(&["get", "alice", "--config", "config.toml"]))
    };
    config(format!("secret_key = {}\n", stage::KEY).as_bytes())
        .refuses(3, "the settings file config.toml, line 1, is not TOML");
    run(stage.bare(&["get", "alice", "--config", "/dev/zero"])).refuses(
        3,
        "the settings file /dev/zero cannot be read: it has more than 1 MiB",
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
        ("--profile", b"", "error: --profile names no profile\n"),
        ("--region", b"\xff", "error: --region is not UTF-8\n"),
        (
            "--proxy",
            b"http://me:hush@proxy:3128",
            "error: --proxy holds a password, which every process of this machine can read here: set IMTAG_PROXY, or \
             proxy in the settings file\n",
        ),
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

/// Files, and what is said of each after its name.
const REFUSED: [(&[u8], &str); 8] = [
    (
        b"account,tag\nalice,\xb1\xb1\xbe\xa9\nbob,vip\n",
        "is not UTF-8 in line 2, and a file has one encoding; it is probably GBK or GB18030",
    ),
    (
        b"{\"To_Account\":\"alice\",\"Tags\":[\"vip\"]}\n{\"To_Account\":\"bob\",\"Tags\":[\"\xb1\xb1\xbe\xa9\"]}\n",
        "is not UTF-8 in line 2, and a file has one encoding; it is probably GBK or GB18030",
    ),
    (
        b"a\0c\0c\0o\0u\0n\0t\0,\0t\0a\0g\0\n\0",
        "is UTF-16LE text: save it as UTF-8, or convert it with iconv -f UTF-16LE -t UTF-8",
    ),
    (
        b"account,tag\nalice,v\0ip\n",
        "is not a text file: line 2 holds a zero byte",
    ),
    (
        b"account,tag\nalice,vip\nbob,\"gold\ncarol,x\n",
        "ends within quotes that open in line 3",
    ),
    (
        b"account,tag\nalice,vip\ntag,account\nvip,bob\n",
        "has another header in line 3 (tag,account)",
    ),
    (
        b"[{\"To_Account\":\"alice\",\"Tags\":[\"vip\"]}]\n",
        "is a JSON array: write an object a line (jq -c '.[]')",
    ),
    (
        b"PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0[Content_Types].xml",
        "is an Excel workbook: export it as CSV UTF-8, and import that",
    ),
];

#[test]
fn a_refused_file_says_the_same_packed_piped_dry_and_in_a_demo_and_nothing_is_sent() {
    let stage = Stage::new();
    for (bytes, sentence) in REFUSED {
        for packed in [
            bytes.to_vec(),
            gzip(bytes),
            zstd::encode_all(bytes, 3).unwrap(),
        ] {
            stage.file("users.csv", &packed);
            let said = format!("imtag: users.csv {sentence}");
            stage.run(&["import", "users.csv"]).refuses(2, &said);
            for how in ["--dry-run", "--demo"] {
                run(stage.bare(&["import", how, "users.csv"])).refuses(2, &said);
            }
            let piped = run_with_input(stage.imtag(&["import", "-"]), &packed);
            piped.refuses(2, &format!("imtag: standard input {sentence}"));
        }
    }
    assert_eq!(stage.emulator.stats().arrivals(), 0);
    let left = std::fs::read_dir(stage.home.path()).unwrap();
    let left: Vec<_> = left.map(|it| it.unwrap().file_name()).collect();
    assert_eq!(left, ["users.csv"], "no journal and no list");
}

#[test]
fn a_refused_file_names_itself_in_json_too_and_steers_no_terminal() {
    let stage = Stage::new();
    let name = "a\u{1b}[2J.csv";
    stage.file(name, "alice\u{1b}[2J,vip\n");
    stage.run(&["import", name]).refuses(
        2,
        "imtag: a\\u{1b}[2J.csv does not start with the header account,tag or account,tags: its first line is \
         \"alice\\u{1b}[2J,vip\"\n",
    );
    let (exit, refused) = stage.json(&["import", name]);
    assert_eq!(exit, Some(2));
    assert_eq!(refused["error"]["exit_code"], 2);
}
