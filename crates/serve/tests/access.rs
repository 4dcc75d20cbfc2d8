//! Who may call, row by row: over the socket each process that may connect, over TCP a UserSig of the local key or the
//! token; a page of another site never.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use imtag_core::{Identifier, SdkAppId, SecretKey, UserSig};
use imtag_serve::Access;
use serde_json::{Value, json};

use support::{ADD, Scene, Setup};

const LOCAL_KEY: &str = "hush-the-local-key-of-this-daemon";
const TOKEN: &str = "hush-token-0123456789";
const HOST: &str = "Host: localhost\r\n";
const DAY: Duration = Duration::from_secs(86_400);

fn key(text: &str) -> SecretKey {
    SecretKey::new(text).unwrap()
}

fn access() -> Access {
    Access::new().local_key(key(LOCAL_KEY)).token(TOKEN)
}

fn user() -> Value {
    json!({"UserTags": [{"To_Account": "a", "Tags": ["t"]}]})
}

/// A UserSig for `php` of this key and app, made `age` ago for a day.
fn usersig(by: &str, app: u32, age: Duration) -> UserSig {
    signed_for("php", by, app, age)
}

/// One of the local key.
fn usersig_for(identifier: &str, app: u32) -> UserSig {
    signed_for(identifier, LOCAL_KEY, app, Duration::ZERO)
}

fn signed_for(identifier: &str, by: &str, app: u32, age: Duration) -> UserSig {
    let app = SdkAppId::new(app).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let identifier = Identifier::new(identifier).unwrap();
    UserSig::sign(&key(by), app, &identifier, DAY, now - age)
}

fn target(app: u32, identifier: &str, usersig: &UserSig) -> String {
    let usersig = usersig.expose();
    format!(
        "{ADD}?sdkappid={app}&identifier={identifier}&usersig={usersig}&random=1&contenttype=json"
    )
}

/// Holds an answer to a code, what it says, and to showing no secret.
#[track_caller]
fn says(answer: &support::Answer, code: i32, part: &str) {
    let text = answer.json.to_string();
    assert_eq!(
        (answer.status, &answer.json["ErrorCode"]),
        (200, &json!(code)),
        "{text}"
    );
    assert!(text.contains(part), "{part:?} is not in {text}");
    assert!(!text.contains("hush"), "{text}");
}

#[test]
fn each_process_at_the_socket_may_call_whatever_key_it_signs_with() {
    let scene = Scene::with_access(access);
    let app = scene.emulator.sdkappid().get();
    says(&scene.send(ADD, "", &user()), 0, "OK");
    let signed = target(app, "php", &usersig("any-other-key", app, Duration::ZERO));
    says(&scene.send(&signed, "", &user()), 0, "OK");
    let other_app = target(7, "php", &usersig(LOCAL_KEY, 7, Duration::ZERO));
    let says_app = format!("the daemon serves the app {app}, and no other");
    says(&scene.send(&other_app, "", &user()), 70020, &says_app);
}

#[test]
fn over_tcp_a_token_lets_in_and_a_wrong_or_missing_one_does_not() {
    let scene = Scene::with_access(access);
    let app = scene.emulator.sdkappid().get();
    let send =
        |target: &str, given: &str| scene.send_by_tcp(target, &format!("{HOST}{given}"), &user());
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    says(&send(ADD, &bearer(TOKEN)), 0, "OK");
    for wrong in [
        bearer("0123456789-hush-token"),
        bearer(""),
        bearer(&TOKEN[1..]),
        bearer(LOCAL_KEY),
        format!("Authorization: Basic {TOKEN}\r\n"),
        format!("Authorization: {TOKEN}\r\n"),
    ] {
        says(&send(ADD, &wrong), 70003, "the token is not the daemon's");
    }
    says(&send(ADD, ""), 60012, "nothing says who calls");
    let other_app = format!("{ADD}?sdkappid=7");
    says(
        &send(&other_app, &bearer(TOKEN)),
        70020,
        "SDKAppID that the daemon serves",
    );
    // a wrong token is not made good by a UserSig
    let signed = target(app, "php", &usersig(LOCAL_KEY, app, Duration::ZERO));
    says(&send(&signed, &bearer("wrong")), 70003, "the token is not");
    assert_eq!(scene.arrivals(), 1);
}

#[test]
fn over_tcp_a_usersig_of_the_local_key_lets_in_and_any_other_is_told_why_not() {
    let scene = Scene::with_access(access);
    let app = scene.emulator.sdkappid().get();
    let send = |target: &str| scene.send_by_tcp(target, HOST, &user());
    let now = Duration::ZERO;
    let right = target(app, "php", &usersig(LOCAL_KEY, app, now));
    says(&send(&right), 0, "OK");
    let real = target(
        app,
        "php",
        &usersig("the-very-own-key-of-the-app", app, now),
    );
    says(
        &send(&real),
        70009,
        "local key, which takes the place of the app's key",
    );
    let late = target(app, "php", &usersig(LOCAL_KEY, app, DAY + DAY));
    says(&send(&late), 70001, "expired");
    let of_another = target(app, "php", &usersig(LOCAL_KEY, 7, now));
    says(&send(&of_another), 70014, "app");
    let for_another = target(7, "php", &usersig(LOCAL_KEY, 7, now));
    says(&send(&for_another), 70020, &format!("serves the app {app}"));
    let renamed = target(app, "java", &usersig(LOCAL_KEY, app, now));
    says(&send(&renamed), 70013, "identifier");
    let cut = right
        .replace("&random", "x&random")
        .replace("usersig=eJ", "usersig=");
    says(&send(&cut), 70003, "a UserSig made with its local key");
    assert_eq!(scene.arrivals(), 1);
}

#[test]
fn without_a_token_or_a_key_the_other_one_is_asked_for_and_without_both_nobody_is_let_in() {
    let scene = Scene::with_access(|| Access::new().token(TOKEN));
    let app = scene.emulator.sdkappid().get();
    let signed = target(app, "php", &usersig(LOCAL_KEY, app, Duration::ZERO));
    says(
        &scene.send_by_tcp(&signed, HOST, &user()),
        70003,
        "by its token alone",
    );
    let scene = Scene::with_access(Access::new);
    let head = format!("{HOST}Authorization: Bearer {TOKEN}\r\n");
    says(
        &scene.send_by_tcp(ADD, &head, &user()),
        70003,
        "the token is not",
    );
    says(&scene.send_by_tcp(&signed, HOST, &user()), 70003, "");
    assert_eq!(scene.arrivals(), 0);
}

#[test]
fn a_page_of_another_site_is_refused_with_the_right_token_too() {
    let scene = Scene::with_access(access);
    let token = format!("Authorization: Bearer {TOKEN}\r\n");
    let status = |lines: &str| {
        let answer = scene.send_by_tcp(ADD, &format!("{lines}{token}"), &user());
        (answer.status, answer.json.to_string())
    };
    for (foreign, says) in [
        ("Host: evil.example\r\n", "(Host)"),
        ("Host: localhost.evil.example\r\n", "(Host)"),
        ("Host: 192.0.2.1:80\r\n", "(Host)"),
        (
            "Host: localhost\r\nOrigin: https://evil.example\r\n",
            "(Origin)",
        ),
        ("Host: localhost\r\nOrigin: null\r\n", "(Origin)"),
        (
            "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n",
            "(Sec-Fetch-Site)",
        ),
        (
            "Host: localhost\r\nSec-Fetch-Site: same-site\r\n",
            "(Sec-Fetch-Site)",
        ),
    ] {
        let (status, text) = status(foreign);
        assert_eq!(status, 403, "{foreign}");
        assert!(text.contains(says), "{text}");
        let over_socket = scene.send(ADD, &foreign.replace("Host: localhost\r\n", ""), &user());
        // two hosts are a fault of their own
        let expected = if says == "(Host)" { 400 } else { 403 };
        assert_eq!(over_socket.status, expected, "{foreign}");
    }
    assert_eq!(scene.arrivals(), 0);
    for own in [
        "Host: 127.0.0.1:1\r\n",
        "Host: [::1]\r\n",
        "Host: LOCALHOST:80\r\nOrigin: http://localhost:80\r\n",
        "Host: localhost\r\nSec-Fetch-Site: none\r\n",
        "Host: localhost\r\nSec-Fetch-Site: same-origin\r\n",
    ] {
        assert_eq!(status(own).0, 200, "{own}");
    }
}

#[test]
fn the_daemons_own_credentials_that_fail_do_not_read_as_the_callers() {
    let scene = Scene::with_access(access);
    let token = format!("{HOST}Authorization: Bearer {TOKEN}\r\n");
    scene.reload_with(key("not-the-apps-key-hush"), access());
    let answer = scene.send_by_tcp(ADD, &token, &user());
    says(
        &answer,
        70009,
        "the service refuses the daemon itself, and not its caller: ",
    );
    assert_eq!(
        answer.json["Remedy"],
        "tell who runs the daemon: with its settings imtag doctor says what to do"
    );
    assert_eq!(answer.json["Effect"], "not applied");
}

/// Of a request that is counted by the name of its caller.
fn names(scene: &Scene, figure: &str) -> Vec<String> {
    let figures = scene.page("/metrics").text;
    let start = format!("{figure}{{caller=\"");
    let lines = figures.lines().filter_map(|it| it.strip_prefix(&start));
    lines
        .map(|it| it.split('"').next().unwrap().to_owned())
        .collect()
}

#[test]
fn no_identifier_takes_the_name_of_a_user_of_the_token_or_of_all_others() {
    let scene = Scene::start(Setup {
        access: Some(access),
        ..Setup::durable()
    });
    let app = scene.emulator.sdkappid().get();
    let uid = format!("uid {}", rustix::process::getuid().as_raw());
    let row = |tag: &str| format!(r#"{{"To_Account":"a","Tags":["{tag}"]}}"#);
    let keyed = "Idempotency-Key: k\r\n";
    let post = |mut stream: support::Stream, query: &str, head: &str, row: &str| {
        let head = format!("{head}{keyed}");
        stream.say(support::http::post(
            &format!("/v1/changes{query}"),
            &head,
            row,
        ));
        stream.answer().unwrap().status
    };
    let token = format!("Authorization: Bearer {TOKEN}\r\n");
    // two kinds of callers, and then who has signed for the names of these
    assert_eq!(scene.send(ADD, "", &user()).code(), 0);
    assert_eq!(post(scene.connect(), "", "", &row("t")), 202);
    let over_tcp = scene.send_by_tcp(ADD, &format!("{HOST}{token}"), &user());
    assert_eq!(over_tcp.code(), 0);
    assert_eq!(post(scene.connect_by_tcp(), "", &token, &row("u")), 202);
    let mut expected = vec![uid.clone(), "token".to_owned()];
    for (number, name) in [&*uid, "token", "other"].into_iter().enumerate() {
        let signed = target(app, name, &usersig_for(name, app));
        let signed = signed.replace(' ', "%20");
        let query = &signed[ADD.len()..];
        assert_eq!(
            scene.send_by_tcp(&signed, HOST, &user()).code(),
            0,
            "{name}"
        );
        // the same key of another caller is another key
        let own_row = row(&format!("v{number}"));
        assert_eq!(
            post(scene.connect_by_tcp(), query, "", &own_row),
            202,
            "{name}"
        );
        expected.push(format!("identifier {name}"));
    }
    expected.sort();
    for figure in ["imtag_serve_calls_total", "imtag_serve_requests_total"] {
        assert_eq!(names(&scene, figure), expected, "{figure}");
    }
}

#[test]
fn another_key_and_token_hold_from_a_reload_on() {
    let scene = Scene::with_access(access);
    let (right, local) = (
        scene.emulator.secret_key().clone(),
        "another-local-key-hush",
    );
    let next = Access::new()
        .local_key(key(local))
        .token("another-hush-token");
    scene.reload_with(right, next);
    let app = scene.emulator.sdkappid().get();
    let signed = |by| {
        let signed = target(app, "php", &usersig(by, app, Duration::ZERO));
        scene.send_by_tcp(&signed, HOST, &user())
    };
    says(&signed(local), 0, "OK");
    says(&signed(LOCAL_KEY), 70009, "local key");
    let bearer = |token| {
        let head = format!("{HOST}Authorization: Bearer {token}\r\n");
        scene.send_by_tcp(ADD, &head, &user())
    };
    says(&bearer("another-hush-token"), 0, "OK");
    says(&bearer(TOKEN), 70003, "the token is not");
}
