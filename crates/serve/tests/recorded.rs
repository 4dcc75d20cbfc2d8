//! Requests of other SDKs of the service, as they were recorded on the wire, and the daemon's answers to them. It lets them
//! in by its local key, and has the names of the hosts that they were led to.

#![allow(clippy::unwrap_used)] // all of it is test code

#[path = "../../../tests/recorded/cases.rs"]
mod cases;
mod support;

use cases::Case;
use imtag_core::SecretKey;
use imtag_emulator::{Emulator, Fault, Generation, Operation};
use imtag_serve::Access;
use serde_json::{Value, json};
use support::told::{Told, told};
use support::{Answer, Scene, Setup};

const LOCAL_KEY: &str = "of-the-daemon-alone";

/// How the service answers a request of which it does not know one user.
#[derive(Clone, Copy)]
enum Service {
    /// It refuses it as a whole.
    Refuses,
    /// It leaves the user out, and says so beside an OK.
    LeavesOut,
}

fn local_key() -> SecretKey {
    SecretKey::new(LOCAL_KEY).unwrap()
}

/// A daemon before a service in which `u` has the tags that it starts with, except where it is to get them.
fn scene(case: &Case, service: Service) -> Scene {
    let generation = if case.is_timpush() {
        Generation::Timpush
    } else {
        Generation::AllMemberPush
    };
    let scene = Scene::start(Setup {
        emulator: match service {
            Service::Refuses => Emulator::builder().unknown_accounts(["never_imported"]),
            Service::LeavesOut => Emulator::builder(),
        },
        access: Some(|| Access::new().local_key(local_key())),
        names: case.host().map(str::to_owned).into_iter().collect(),
        ..Setup::new(generation)
    });
    if !case.step.ends_with("add") {
        let user = json!({"To_Account": "u", "Tags": ["a", "标签"]});
        let tagged = scene.post(support::ADD, json!({"UserTags": [user]}));
        assert_eq!(tagged.code(), 0, "{}", tagged.json);
    }
    if let Service::LeavesOut = service {
        for operation in Operation::ALL {
            let leaves_out = Fault::leave_out(["never_imported"], 70107);
            scene.emulator.fault(operation, leaves_out);
        }
    }
    scene
}

fn send(case: &Case, scene: &Scene) -> Answer {
    let emulator = &scene.emulator;
    let mut stream = scene.connect_by_tcp();
    stream.say(case.bytes(emulator.sdkappid(), emulator.identifier(), &local_key()));
    let answer = stream.answer().expect("an answer");
    assert_eq!(answer.status, 200);
    let kind = answer.field("content-type");
    assert_eq!(kind, Some("application/json; charset=utf-8"));
    assert_eq!(answer.field("content-encoding"), None);
    answer
}

fn check(case: &Case, service: Service) {
    let scene = scene(case, service);
    let arrived = scene.arrivals();
    let answer = send(case, &scene);
    let json = &answer.json;
    let tags = scene.tags("u");
    let is_done = |expected: &[&str]| {
        let envelope = ["ActionStatus", "ErrorInfo", "ErrorCode"].map(|name| &json[name]);
        assert_eq!(envelope, [&json!("OK"), &json!(""), &json!(0)], "{json}");
        assert_eq!(json.get("ErrorList"), None);
        assert_eq!(tags, expected);
    };
    let refused = |code: i64, text: &str| {
        let envelope = ["ActionStatus", "ErrorInfo", "ErrorCode"].map(|name| &json[name]);
        let expected = [&json!("FAIL"), &json!(text), &json!(code)];
        assert_eq!(envelope, expected, "{json}");
        assert_eq!((&json["Effect"], tags.len()), (&json!("not applied"), 2));
        assert_eq!(scene.arrivals(), arrived, "it was sent");
    };
    let read = json!({"To_Account": "u", "Tags": ["a", "标签"]});
    // whether a request that is refused has changed some accounts all the same, no page says
    let effect = match service {
        Service::Refuses => Told::PossiblyApplied,
        Service::LeavesOut => Told::NotApplied,
    };
    match &*case.step {
        "add" => is_done(&["a", "标签"]),
        "get" => {
            is_done(&["a", "标签"]);
            let other = json!({"To_Account": "v", "Tags": []});
            assert_eq!(json["UserTags"], json!([read, other]));
        }
        "remove" => is_done(&["标签"]),
        "clear" => is_done(&[]),
        "partial add" => {
            one_of_two_failed(&answer, effect);
            assert!(tags.contains(&"a".to_owned()));
        }
        "partial get" => {
            one_of_two_failed(&answer, Told::NotApplied);
            assert_eq!(json["UserTags"], json!([read]));
        }
        "partial remove" => {
            one_of_two_failed(&answer, effect);
            assert_eq!(tags, ["标签"]);
        }
        "partial clear" => {
            one_of_two_failed(&answer, effect);
            assert!(tags.is_empty());
        }
        "refused" => refused(90020, "UserTags[0].Tags[0] has 51 bytes, at most 50"),
        "misspelt" => refused(90001, "UserTags is missing; there is \"Tags\""),
        "entry alone" => refused(
            90001,
            "UserTags is missing; there is \"Tags\", \"To_Account\"",
        ),
        "elsewhere" => {
            let text = json["ErrorInfo"].as_str().unwrap();
            assert!(text.starts_with("there is no /v4/"), "{text}");
            refused(60009, text);
        }
        "another app" => refused(70020, "the daemon serves the app 1400000000, and no other"),
        "another key" => refused(
            70009,
            "the UserSig was not made with the daemon's local key, which takes the place of the app's key here",
        ),
        _ => panic!("no such step: {}", case.step),
    }
}

/// The answer says that `never_imported` failed and the other did not, also to who knows no `ErrorList`.
#[track_caller]
fn one_of_two_failed(answer: &Answer, effect: Told) {
    let json = &answer.json;
    let accounts = ["u", "never_imported"].map(str::to_owned);
    assert_eq!(told(answer, &accounts, false), [Told::Done, effect]);
    assert_eq!(answer.code(), 70107);
    let listed = &json["ErrorList"][0];
    assert_eq!(listed["To_Account"], "never_imported");
    let whose = "1 of 2 users failed, the other is done: \"never_imported\": ";
    let text = |field: &Value| field["ErrorInfo"].as_str().unwrap().to_owned();
    let start = format!("{whose}{}", text(listed));
    assert!(text(json).starts_with(&start), "{json}");
}

#[test]
fn what_other_sdks_send_is_answered_so_that_they_cannot_misread_it() {
    for case in cases::all() {
        for service in [Service::Refuses, Service::LeavesOut] {
            if matches!(service, Service::Refuses) || case.step.starts_with("partial") {
                println!("{}", case.name);
                check(&case, service);
            }
        }
    }
}
