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
fn what_the_service_refuses_the_app_for() {
    for (code, check, exit, remedy) in [
        (90045, "plan", 3, "enable the Push service"),
        (
            60020,
            "plan",
            3,
            "in the console (sdkappid: IMTAG_SDKAPPID)",
        ),
        (80005, "plan", 3, "renew the plan"),
        (
            60021,
            "address",
            3,
            "ask the service's support to allow this machine's public address",
        ),
        (
            60010,
            "rights",
            3,
            "use an administrator as identifier (identifier: IMTAG_IDENTIFIER)",
        ),
        (90009, "rights", 3, "use an administrator"),
        (60006, "app", 3, "use the SDKAppID that the console shows"),
        (70003, "app", 3, "check SDKAppID, identifier and region"),
        (70398, "plan", 3, "raise the app's limit"),
        (12345, "service", 4, "the code is in no list"),
        (60003, "service", 4, "ask the service's support"),
        (90018, "service", 4, "ask the service's support"),
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
fn what_a_call_is_made_again_for_is_a_failure_only_if_it_stays() {
    for (fault, check, exit) in [
        (Fault::code(91000), "service", 4),
        (Fault::code(60004), "app", 3),
        (Fault::status(502), "service", 4),
        (Fault::cut_before(), "service", 4),
        (Fault::garbage(), "service", 4),
    ] {
        let stage = Stage::new();
        stage.emulator.fault(GET, fault.clone());
        let found = Diagnosis::new(&stage, unchanged);
        found.warns(check, "1 of 4 reads failed", "");
        assert_eq!(found.check("plan")["status"], "ok");
        assert_eq!(found.check("quota")["status"], "ok");

        stage.emulator.faults(GET, vec![fault; 4]);
        let found = Diagnosis::new(&stage, unchanged);
        found.names(check, exit, "4 of 4 reads failed", "");
        let says = format!("not known, as {check} failed");
        assert_eq!(found.check("plan")["detail"], says);
    }
}

#[test]
fn an_identifier_that_is_no_user_of_its_own_is_no_failure() {
    let stage = Stage::new();
    for code in [70107, 90003, 90012, 90048] {
        for fault in [Fault::code(code), Fault::leave_out(["administrator"], code)] {
            stage.emulator.faults(GET, vec![fault; 4]);
            let found = Diagnosis::new(&stage, unchanged);
            assert_eq!(found.ran.exit, Some(0), "{}", found.report);
            let detail = found.check("app")["detail"].as_str().unwrap();
            assert!(
                detail.contains("is no user that tags can be read of")
                    && detail.contains(&code.to_string()),
                "{detail}"
            );
        }
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
            &format!("set the generation {other} (generation: --generation)"),
        );
    }
    stage.emulator.fault(GET, Fault::code(60027));
    stage.emulator.fault(timpush, Fault::code(90045));
    let found = Diagnosis::new(&stage, unchanged);
    found.names(
        "product",
        3,
        "the paths of timpush: the service refused the request: 90045",
        "set the generation to timpush",
    );
    stage.emulator.fault(timpush, Fault::code(60027));
    stage.emulator.fault(GET, Fault::code(60027));
    let found = Diagnosis::new(&stage, |command| {
        command.env("IMTAG_GENERATION", "timpush");
    });
    found.names(
        "product",
        3,
        "the paths of all_member_push: the service refused the request: 60027",
        "use an app of the Push product, or ask the service's support which paths this app has (sdkappid: \
         IMTAG_SDKAPPID; generation: IMTAG_GENERATION)",
    );
}

#[test]
fn a_quota_that_others_use() {
    let stage = Stage::new();
    stage.emulator.fault(GET, Fault::code(60007));
    let found = Diagnosis::new(&stage, unchanged);
    found.warns(
        "quota",
        "1 of 4 reads refused, so others use the quota",
        "limit of tag calls cannot be raised (calls_per_second: IMTAG_CALLS_PER_SECOND, --calls-per-second, or the \
         settings file)",
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
    let json = |body: &str| Fault::answer(body.to_owned());
    for (fault, exit, detail) in [
        (Fault::status(404), 3, "HTTP status 404"),
        (
            Fault::redirect("http://login.example"),
            3,
            "HTTP status 302",
        ),
        (json("{\"error\": \"login first\"}"), 4, "not an answer"),
        (json("[1]"), 4, "not an answer"),
    ] {
        // a gateway may answer in the service's place once, but not again and again
        stage.emulator.faults(GET, vec![fault; 4]);
        let remedy = "what answers in the service's place: a captive portal, a gateway (endpoint: IMTAG_ENDPOINT)";
        Diagnosis::new(&stage, unchanged).names("service", exit, detail, remedy);
        stage.emulator.remove_faults();
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
        "allow more time by --timeout",
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
    assert_eq!(ran.exit, Some(130), "{ran:?}");
    assert_eq!(ran.err, "imtag: interrupted; nothing was changed\n");
}
