//! `imtag doctor` beside settings, clocks and answers that are wrong: each is named by the one check that it fails, with
//! what to do, and nothing is changed.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

#[path = "stage/doctor.rs"]
mod diagnosis;
mod stage;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use diagnosis::{Diagnosis, unchanged};
use imtag_core::{Identifier, SdkAppId, SecretKey, UserSig};
use imtag_emulator::{Fault, Generation, Operation};
use stage::{GET, KEY, Ran, Stage, signal, wait_until};

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
    found.names("app", 3, "70009", "use the secret key of this very app");

    let found = Diagnosis::new(&stage, |command| {
        command.env("IMTAG_SDKAPPID", "1400000001");
    });
    found.names("app", 3, "70020", "check the SDKAppID");

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
        "for the identifier that is set",
    );
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
    for (ahead, body, detail) in [
        (Duration::from_secs(600), WELL, "behind the service's clock"),
        (8 * DAY, EXPIRED, "7 days behind the service's clock"),
    ] {
        let endpoint = answering(now + ahead - Duration::from_secs(5), body);
        let found = Diagnosis::new(&stage, |command| {
            command.env("IMTAG_ENDPOINT", &endpoint);
        });
        found.names("clock", 3, detail, "set this machine's clock");
    }
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
    found.names(
        "clock",
        3,
        "3 days ahead of the service's clock",
        "set this machine's clock",
    );
}

#[test]
fn what_the_service_refuses_the_app_for() {
    for (code, check, exit, remedy) in [
        (90045, "plan", 3, "enable the Push service"),
        (60020, "plan", 3, "renew the plan"),
        (80005, "plan", 3, "renew the plan"),
        (60021, "address", 3, "ask the service's support"),
        (60010, "rights", 3, "use an administrator"),
        (90009, "rights", 3, "use an administrator"),
        (60006, "app", 3, "use the SDKAppID that the console shows"),
        (70003, "app", 3, "check SDKAppID, identifier and region"),
        (91000, "service", 4, "try again"),
        (12345, "service", 1, "the code is in no list"),
    ] {
        let stage = Stage::new();
        stage
            .emulator
            .fault(GET, Fault::code(code).text("so \u{1b}[2J it is"));
        let found = Diagnosis::new(&stage, unchanged);
        found.names(check, exit, &code.to_string(), remedy);
        assert_eq!(stage.emulator.stats().arrivals(), 1);
    }
}

#[test]
fn the_other_generation_is_tried_where_the_product_is_another() {
    let stage = Stage::new();
    let timpush = (Operation::Get, Generation::Timpush);
    for (set, target, other) in [
        ("all_member_push", GET, "timpush"),
        ("timpush", timpush, "all_member_push"),
    ] {
        stage.emulator.fault(target, Fault::code(60027));
        let found = Diagnosis::new(&stage, |command| {
            command.args(["--generation", set]);
        });
        let answers = format!("the paths of {other} answer well");
        found.names(
            "product",
            3,
            &answers,
            &format!("set the generation {other}: IMTAG_GENERATION"),
        );
    }
    stage.emulator.fault(GET, Fault::code(60027));
    stage.emulator.fault(timpush, Fault::code(90045));
    let found = Diagnosis::new(&stage, unchanged);
    found.names(
        "product",
        3,
        "the paths of timpush: the service refused the request: 90045",
        "timpush",
    );
}

#[test]
fn a_quota_that_others_use() {
    let stage = Stage::new();
    stage.emulator.fault(GET, Fault::code(60007));
    let found = Diagnosis::new(&stage, unchanged);
    found.names(
        "quota",
        4,
        "1 of 4 reads refused, so others use the quota",
        "slow down",
    );
    assert_eq!(found.check("plan")["status"], "ok");

    stage.emulator.faults(GET, vec![Fault::code(60011); 4]);
    let found = Diagnosis::new(&stage, unchanged);
    found.names("quota", 4, "4 of 4 reads refused", "slow down");
    assert_eq!(found.check("plan")["detail"], "not known, as quota failed");
    assert_eq!(stage.emulator.stats().arrivals(), 8);
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
        "set or correct",
    );
    let detail = found.check("settings")["detail"].as_str().unwrap();
    assert!(detail.contains("IMTAG_SDKAPID is no setting: did you mean IMTAG_SDKAPPID?"));
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
        "set or correct",
    );
    stage.file(".config/imtag/config.toml", "generation = timpush");
    let found = Diagnosis::new(&stage, unchanged);
    found.names("settings", 3, "is not TOML", "set or correct");
    assert_eq!(stage.emulator.stats().connections, 0);
}

#[test]
fn an_answer_that_is_none_of_the_services() {
    let stage = Stage::new();
    for (fault, exit, detail) in [
        (Fault::garbage(), 4, "not an answer"),
        (Fault::status(502), 4, "HTTP status 502"),
        (Fault::status(404), 3, "HTTP status 404"),
        (
            Fault::cut_before(),
            4,
            "the network failed while waiting for the answer",
        ),
    ] {
        stage.emulator.fault(GET, fault);
        Diagnosis::new(&stage, unchanged).names("service", exit, detail, "");
    }
    // never an answer at all
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let found = Diagnosis::new(&stage, |command| {
        command
            .env("IMTAG_ENDPOINT", &endpoint)
            .args(["--timeout", "0.5"]);
    });
    found.names(
        "service",
        4,
        "time is up while waiting for the answer",
        "allow more time",
    );
}

#[test]
fn each_setting_says_where_it_comes_from() {
    let stage = Stage::new();
    let file =
        "region = \"tokyo\"\ngeneration = \"timpush\"\n[profile.live]\ncalls_per_second = 50\n";
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
    let in_profile = format!("[profile.live] of {path}, line 4");
    assert_eq!(row("calls_per_second"), set("50", &in_profile));
    let unused = format!("{path}, line 1; not used, as IMTAG_ENDPOINT is set");
    assert_eq!(row("region"), set("tokyo", &unused));
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
    ran.refuses(130, "interrupted; nothing was changed");
}
