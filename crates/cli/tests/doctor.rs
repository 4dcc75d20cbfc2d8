//! `imtag doctor` beside settings, credentials and clocks that are wrong: each is named by the one check that it fails, with
//! what to do, and nothing is changed.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

#[path = "stage/doctor.rs"]
mod diagnosis;
mod stage;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use diagnosis::{Diagnosis, unchanged};
use imtag_core::{Identifier, SdkAppId, SecretKey, UserSig};
use imtag_emulator::Fault;
use stage::{GET, KEY, Ran, Stage, run, signal, wait_until};

const DAY: Duration = Duration::from_secs(86_400);

/// A server that answers every request with this, and with a `Date` of its own.
fn answering(date: SystemTime, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let date = httpdate::fmt_http_date(date);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut request, mut piece) = (Vec::new(), [0; 4096]);
            while let Ok(read @ 1..) = stream.read(&mut piece) {
                request.extend_from_slice(&piece[..read]);
                if request.ends_with(b"]}") {
                    request.clear();
                    let length = body.len();
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                    );
                    drop(stream.write_all(answer.as_bytes()));
                    break;
                }
            }
        }
    });
    endpoint
}

fn usersig(identifier: &str, made: SystemTime) -> String {
    let key = SecretKey::new(KEY).unwrap();
    let app = SdkAppId::new(1_400_000_000).unwrap();
    let identifier = Identifier::new(identifier).unwrap();
    let made = made.duration_since(UNIX_EPOCH).unwrap();
    let usersig = UserSig::sign(&key, app, &identifier, DAY, made);
    usersig.expose().to_owned()
}

#[test]
fn the_app_and_its_credentials() {
    let stage = Stage::new();
    let found = Diagnosis::new(&stage, |command| {
        command.env("IMTAG_SECRET_KEY", "another-apps-key");
    });
    found.names(
        "app",
        3,
        "70009",
        "use the secret key of this very app (secret_key: IMTAG_SECRET_KEY; sdkappid: IMTAG_SDKAPPID; identifier",
    );

    let found = Diagnosis::new(&stage, |command| {
        command.env("IMTAG_SDKAPPID", "1400000001");
    });
    found.names(
        "app",
        3,
        "70020",
        "check the SDKAppID, and the region that the console shows for it (sdkappid: IMTAG_SDKAPPID)",
    );

    let now = SystemTime::now();
    let with = |usersig: String| {
        Diagnosis::new(&stage, move |command| {
            command
                .env_remove("IMTAG_SECRET_KEY")
                .env("IMTAG_USERSIG", &usersig);
        })
    };
    let good = with(usersig("administrator", now));
    assert_eq!(good.ran.exit, Some(0), "{}", good.report);
    let expired = with(usersig("administrator", now - 2 * DAY));
    expired.names(
        "credentials",
        3,
        "the UserSig has expired",
        "make a new UserSig",
    );
    let says = "not known, as credentials failed";
    assert_eq!(expired.check("app")["detail"], says);
    assert_eq!(expired.check("service")["status"], "ok");
    let others = with(usersig("someone", now));
    others.names(
        "credentials",
        3,
        "made for another identifier",
        "set the identifier that the UserSig was made for, or make one for this identifier (identifier: \
         IMTAG_IDENTIFIER; usersig: IMTAG_USERSIG)",
    );
    // one cause, one failed check, though the service answers by a code of its own
    let of_another_app = Diagnosis::new(&stage, |command| {
        command
            .env_remove("IMTAG_SECRET_KEY")
            .env("IMTAG_USERSIG", usersig("administrator", now))
            .env("IMTAG_SDKAPPID", "1400000001");
    });
    of_another_app.names(
        "credentials",
        3,
        "made for another SDKAppID",
        "set the SDKAppID that the UserSig was made for, or make one for this SDKAppID (sdkappid: IMTAG_SDKAPPID; \
         usersig: IMTAG_USERSIG)",
    );
    for check in ["region", "app", "quota"] {
        assert_eq!(of_another_app.check(check)["detail"], says, "{check}");
    }
    let cut = with(usersig("administrator", now)[..40].to_owned());
    cut.names(
        "credentials",
        3,
        "the UserSig is malformed",
        "copy the UserSig whole",
    );
}

#[test]
fn a_clock_that_is_wrong_is_the_fault_of_all_that_follows_from_it() {
    const WELL: &str = r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","UserTags":[]}"#;
    const EXPIRED: &str = r#"{"ActionStatus":"FAIL","ErrorCode":70001,"ErrorInfo":"expired"}"#;
    let stage = Stage::new();
    let now = SystemTime::now();
    const WRONG_KEY: &str = r#"{"ActionStatus":"FAIL","ErrorCode":70009,"ErrorInfo":"no"}"#;
    let set = "set this machine's clock";
    let at = |endpoint: &str| {
        Diagnosis::new(&stage, |command| {
            command.env("IMTAG_ENDPOINT", endpoint);
        })
    };
    // what works is no failure
    let endpoint = answering(now + Duration::from_secs(595), WELL);
    at(&endpoint).warns("clock", "9 minutes behind the service's clock", set);
    let endpoint = answering(now + 8 * DAY - Duration::from_secs(5), EXPIRED);
    let found = at(&endpoint);
    found.names("clock", 3, "7 days behind the service's clock", set);
    assert_eq!(found.check("app")["detail"], "not known, as clock failed");
    // a wrong clock makes no key wrong
    let endpoint = answering(now + Duration::from_secs(595), WRONG_KEY);
    let found = at(&endpoint);
    found.names("app", 3, "70009", "use the secret key");
    assert_eq!(found.with_status("warning"), ["clock"]);
    // this clock is ahead, so what has expired by it has not
    let long_ago = now - 3 * DAY;
    let endpoint = answering(long_ago, WELL);
    let usersig = usersig("administrator", long_ago);
    let found = Diagnosis::new(&stage, |command| {
        command
            .env("IMTAG_ENDPOINT", &endpoint)
            .env_remove("IMTAG_SECRET_KEY")
            .env("IMTAG_USERSIG", &usersig);
    });
    found.warns("clock", "3 days ahead of the service's clock", set);
}

#[test]
fn a_usersig_that_the_service_accepts_is_no_failure_and_one_that_ends_soon_a_warning() {
    const WELL: &str = r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","UserTags":[]}"#;
    let stage = Stage::new();
    let now = SystemTime::now();
    let endpoint = answering(now, WELL);
    for (made, detail) in [
        (
            now - 2 * DAY,
            "the UserSig has expired; the service accepts it all the same",
        ),
        (
            now + Duration::from_secs(600) - DAY,
            "a UserSig for this app and identifier, valid for 9 minutes more",
        ),
    ] {
        let found = Diagnosis::new(&stage, |command| {
            command
                .env("IMTAG_ENDPOINT", &endpoint)
                .env_remove("IMTAG_SECRET_KEY")
                .env("IMTAG_USERSIG", usersig("administrator", made));
        });
        let remedy = "make a new UserSig, valid for 24 hours or more (usersig: IMTAG_USERSIG)";
        found.warns("credentials", detail, remedy);
    }
}

#[test]
fn settings_that_are_missing_misspelt_or_wrong() {
    let stage = Stage::new();
    let found = Diagnosis::new(&stage, |command| {
        command
            .env_remove("IMTAG_SDKAPPID")
            .env("IMTAG_SDKAPID", "1");
    });
    found.names(
        "settings",
        3,
        "set IMTAG_SDKAPPID or --sdkappid",
        "correct the name that is misspelt",
    );
    let detail = found.check("settings")["detail"].as_str().unwrap();
    assert!(detail.starts_with("IMTAG_SDKAPID is no setting: did you mean IMTAG_SDKAPPID?\n"));
    assert_eq!(found.with_status("skipped").len(), 14);

    stage.file(
        ".config/imtag/config.toml",
        "generation = \"timpush\"\nregoin = \"tokyo\"\n",
    );
    let found = Diagnosis::new(&stage, unchanged);
    found.names(
        "settings",
        3,
        "line 2: no such setting: did you mean region?",
        "correct the name that is misspelt",
    );
    let found = Diagnosis::new(&stage, |command| {
        command.env_remove("IMTAG_SDKAPPID");
    });
    let detail = found.check("settings")["detail"].as_str().unwrap();
    let [misspelt, missing] =
        ["did you mean region?", "set IMTAG_SDKAPPID"].map(|it| detail.find(it).unwrap());
    assert!(misspelt < missing, "{detail}");
    stage.file(".config/imtag/config.toml", "generation = timpush");
    let found = Diagnosis::new(&stage, unchanged);
    let remedy = "name a settings file that can be read, or correct this one (config: IMTAG_CONFIG, --config";
    found.names("settings", 3, "is not TOML", remedy);

    let profiles = "[profile.live]\nsdkappid = 1\n[profile.test]\nregion = \"tokyo\"\n";
    stage.file(".config/imtag/config.toml", profiles);
    let found = Diagnosis::new(&stage, |command| {
        command.env_remove("IMTAG_SDKAPPID");
    });
    found.names(
        "settings",
        3,
        "config.toml has profiles, and none was asked for: live, test",
        "ask for a profile, such as --profile live or IMTAG_PROFILE=live",
    );
    let found = Diagnosis::new(&stage, |command| {
        command.args(["--profile", "prod"]);
    });
    let remedy = "ask for a profile that there is, or write this one into the settings file (profile: --profile)";
    found.names("settings", 3, "has live, test", remedy);
    // a URL that cannot be used may hold a password
    for (setting, url) in [
        ("spare_endpoint", "https://me:hush-hush@h.example"),
        ("region", "me:hush-hush@h.example:1"),
        ("endpoint", "ftp://me:hush-hush@h.example"),
        ("ca_file", "me:hush-hush@h.example:1"),
        ("fresh_start", "http://me:hush-hush@h.example"),
    ] {
        let variable = format!("IMTAG_{}", setting.to_uppercase());
        let found = Diagnosis::new(&stage, |command| {
            command.env(&variable, url);
        });
        let rows = found.report["settings"].as_array().unwrap();
        let row = rows.iter().find(|it| it["setting"] == setting).unwrap();
        assert!(row["value"].is_null(), "{row}");
        let shown = found.ran.out + &found.ran.err;
        assert!(!shown.contains("hush-hush"), "{shown}");
    }
    assert_eq!(stage.emulator.stats().connections, 0);
}

#[test]
fn a_profile_whose_app_the_environment_replaces_gets_a_warning() {
    let stage = Stage::new();
    let profile = "[profile.test]\nidentifier = \"administrator\"\nsdkappid = 7\nsecret_key_file = \"k\"\nregion = \
                   \"tokyo\"\ncalls_per_second = 9\n[profile.rate]\ncalls_per_second = 9\n";
    stage.file(".config/imtag/config.toml", profile);
    let warning = "the profile test gives sdkappid, secret_key_file, region, but the environment wins: unset \
                   IMTAG_SDKAPPID, IMTAG_SECRET_KEY, IMTAG_ENDPOINT to call its app";
    let asked = |command: &mut std::process::Command, by_flag: bool| {
        if by_flag {
            command.args(["--profile", "test"]);
        } else {
            command.env("IMTAG_PROFILE", "test");
        }
        command.env("IMTAG_CALLS_PER_SECOND", "8");
    };
    for by_flag in [true, false] {
        let found = Diagnosis::new(&stage, |command| asked(command, by_flag));
        found.warns("settings", warning, "correct it if it is a mistake");
        let mut command = stage.imtag(&["get", "alice"]);
        asked(&mut command, by_flag);
        let ran = run(command);
        assert_eq!(ran.err, format!("imtag: warning: {warning}\n"));
        assert_eq!(ran.exit, Some(0));
    }
    // none where flags say so, nor where the profile says nothing of the app
    for arguments in [&["--profile", "rate"][..], &[]] {
        let ran = stage.run(&[&["get", "alice"], arguments].concat());
        assert_eq!((ran.exit, ran.err.as_str()), (Some(0), ""));
    }
}

#[test]
fn each_setting_says_where_it_comes_from() {
    let stage = Stage::new();
    let file = "region = \"tokyo\"\ngeneration = \"timpush\"\nspare_endpoint = \"https://own.example\"\n\
                [profile.live]\ncalls_per_second = 50\n";
    let path = stage
        .file(".config/imtag/config.toml", file)
        .display()
        .to_string();
    let found = Diagnosis::new(&stage, |command| {
        command
            .env("IMTAG_PROFILE", "live")
            .env("IMTAG_PROXY", "http://me:hush-hush@p:1")
            .args(["--fresh-start"]);
    });
    assert_eq!(found.ran.exit, Some(0), "{}", found.report);
    let row = |name: &str| {
        let rows = found.report["settings"].as_array().unwrap();
        let row = rows.iter().find(|it| it["setting"] == name)?;
        let value = row["value"].as_str().map(str::to_owned);
        Some((value, row["from"].as_str().unwrap().to_owned()))
    };
    let set = |value: &str, from: &str| Some((Some(value.to_owned()), from.to_owned()));
    let secret = |from: &str| Some((None, from.to_owned()));
    assert_eq!(row("secret_key"), secret("IMTAG_SECRET_KEY"));
    assert_eq!(row("proxy"), secret("IMTAG_PROXY"));
    assert_eq!(row("sdkappid"), set("1400000000", "IMTAG_SDKAPPID"));
    assert_eq!(row("fresh_start"), set("true", "--fresh-start"));
    assert_eq!(
        row("generation"),
        set("timpush", &format!("{path}, line 2"))
    );
    let not_asked = Diagnosis::new(&stage, unchanged);
    let rows = not_asked.report["settings"].as_array().unwrap();
    let profile = rows.iter().find(|it| it["setting"] == "profile").unwrap();
    assert_eq!(profile["value"], "none; the file has live");
    let in_profile = format!("[profile.live] of {path}, line 5");
    assert_eq!(row("calls_per_second"), set("50", &in_profile));
    assert_eq!(row("profile"), set("live", "IMTAG_PROFILE"));
    let unused = format!("{path}, line 1; not used, as IMTAG_ENDPOINT is set");
    assert_eq!(row("region"), set("tokyo", &unused));
    let own = format!("default; {path}, line 3 is not used, as IMTAG_ENDPOINT is set");
    assert_eq!(row("spare_endpoint"), set("none", &own));
    assert_eq!(row("roots"), set("built-in", "default"));
    assert_eq!(row("below_alarm"), None);
    assert_eq!(row("usersig"), None);
    assert!(!found.ran.out.contains("hush-hush"));
}

#[test]
fn ctrl_c_ends_it_whatever_it_waits_for() {
    let stage = Stage::new();
    stage
        .emulator
        .fault(GET, Fault::delay(Duration::from_secs(300)));
    let child = stage
        .imtag(&["doctor", "--timeout", "300"])
        .spawn()
        .unwrap();
    wait_until("nothing arrives", || stage.emulator.stats().in_flight > 0);
    signal(&child);
    let ran = Ran::from_output(child.wait_with_output().unwrap());
    assert_eq!(ran.exit, Some(130), "{ran:?}");
    assert_eq!(ran.err, "imtag: interrupted; nothing was changed\n");
}
#[test]
fn each_line_is_written_as_soon_as_it_is_known() {
    let stage = Stage::new();
    let never = Fault::delay(Duration::from_secs(300));
    stage.emulator.fault(GET, never);
    let mut child = stage
        .imtag(&["doctor", "--timeout", "300"])
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let lines = lines.map(Result::unwrap);
    let checks = lines.filter(|line| !line.starts_with(' '));
    let checks = checks.map(|line| line.split_whitespace().nth(1).unwrap().to_owned());
    let known = ["settings", "credentials", "dns", "proxy", "tcp", "tls"];
    // there is no answer yet
    assert_eq!(checks.take(6).collect::<Vec<_>>(), known);
    signal(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
