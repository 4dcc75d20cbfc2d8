//! `imtag doctor` beside what the service answers: each refusal is named by the one check that it fails, with what
//! to do; one with which tags can be read all the same is a warning, or none.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

#[path = "stage/doctor.rs"]
mod diagnosis;
mod stage;

use std::net::TcpListener;
use std::time::Duration;

use diagnosis::{Diagnosis, unchanged};
use imtag_emulator::{Fault, Generation, Operation, ProbabilisticFault};
use stage::{GET, Stage};

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
        (70003, "app", 3, "check SDKAppID, identifier and secret key"),
        (70398, "plan", 3, "raise the app's limit"),
        (12345, "service", 3, "the code is in no list"),
        (60003, "service", 4, "ask the service's support"),
        (90018, "service", 4, "ask the service's support"),
        (
            60002,
            "service",
            3,
            "check the endpoint: its host and path (endpoint: IMTAG_ENDPOINT)",
        ),
        (
            70016,
            "app",
            3,
            "the console shows for the app (endpoint: IMTAG_ENDPOINT; sdkappid: IMTAG_SDKAPPID)",
        ),
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
fn an_answer_has_as_long_as_an_attempt_of_a_call() {
    for (millis, is_well) in [(300, true), (1_500, false)] {
        let stage = Stage::new();
        let slow = Fault::delay(Duration::from_millis(millis));
        let slow = ProbabilisticFault::new(slow, 1.0).unwrap();
        stage.emulator.add_standing(slow);
        let found = Diagnosis::new(&stage, |command| {
            command.args(["--timeout", "2"]);
        });
        if is_well {
            assert_eq!(found.ran.exit, Some(0), "{}", found.report);
            assert_eq!(found.with_status("warning"), [""; 0]);
        } else {
            let remedy = "allow more time by --timeout";
            found.names("service", 4, "2 of 2 reads failed: time is up", remedy);
        }
        let tagged = stage.run(&["--timeout", "2", "add", "alice", "vip"]);
        assert_eq!(tagged.exit, found.ran.exit, "{}", tagged.err);
    }
    // silence once
    let stage = Stage::new();
    stage
        .emulator
        .fault(GET, Fault::delay(Duration::from_secs(600)));
    let found = Diagnosis::new(&stage, |command| {
        command.args(["--timeout", "2"]);
    });
    found.warns(
        "service",
        "1 of 2 reads failed: time is up",
        "allow more time",
    );
}

#[test]
fn a_refusal_of_some_reads_is_a_failure_as_no_call_repeats_it() {
    let stage = Stage::new();
    let well = Fault::delay(Duration::from_millis(1));
    let refused = [70009, 60010, 60020].map(Fault::code);
    let all = [vec![well.clone()], refused.into()].concat();
    stage.emulator.faults(GET, all);
    let found = Diagnosis::new(&stage, unchanged);
    let remedy = "use the secret key of this very app";
    found.names("app", 3, "3 of 4 reads refused: ", remedy);
    assert_eq!(found.check("plan")["status"], "ok");
    assert_eq!(
        found.check("quota")["detail"],
        "4 reads, none too frequent; what changes tags has a quota of its own"
    );
    stage.emulator.faults(
        GET,
        vec![well.clone(), well.clone(), well, Fault::code(60026)],
    );
    let found = Diagnosis::new(&stage, unchanged);
    found.names("region", 3, "1 of 4 reads refused: ", "");
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
    stage.emulator.fault(GET, Fault::code(60027));
    stage.emulator.fault(timpush, Fault::code(60027));
    let found = Diagnosis::new(&stage, unchanged);
    found.names(
        "product",
        3,
        "the paths of timpush: the service refused the request: 60027",
        "use an app of the Push product, or ask the service's support which paths this app has (sdkappid: \
         IMTAG_SDKAPPID)",
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
        "set this process's share of the quota (calls_per_second: IMTAG_CALLS_PER_SECOND, --calls-per-second, or the \
         settings file)",
    );
    assert_eq!(found.check("plan")["status"], "ok");

    stage.emulator.faults(GET, vec![Fault::code(60011); 4]);
    let found = Diagnosis::new(&stage, unchanged);
    found.names(
        "quota",
        4,
        "4 of 4 reads refused",
        "slow the app's other processes down",
    );
    assert_eq!(found.check("plan")["detail"], "not known, as quota failed");
    assert_eq!(stage.emulator.stats().arrivals(), 8);
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
