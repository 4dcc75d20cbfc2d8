//! Heads, bodies and callers that are wrong: each has the answer that it should, nothing of it is sent, and the daemon
//! still answers a good call.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::time::{Duration, SystemTime};

use imtag_core::{Identifier, SdkAppId, SecretKey, UserSig};
use imtag_emulator::Generation;
use imtag_serve::Access;

use support::{ADD, Answer, Scene, Setup, Stream, http, schema};

const GOOD: &str = r#"{"UserTags":[{"To_Account":"a","Tags":["t"]}]}"#;
const TOKEN: &str = "a-token-of-a-test";
const LOCAL_KEY: &str = "3f0c6a1d9be84725a1d0c94f5b7e2a68c0d1e2f3a4b5c6d7e8f90123456789ab";

/// What is asked, over one connection of its own, and whether anything of it was sent on.
fn asked(scene: &Scene, bytes: impl AsRef<[u8]>) -> (Option<Answer>, usize) {
    let before = scene.arrivals();
    let mut stream = scene.connect();
    stream.say(bytes);
    (stream.answer(), scene.arrivals() - before)
}

#[track_caller]
fn assert_well(scene: &Scene) {
    let body = serde_json::from_str(GOOD).unwrap();
    let answer = scene.post(ADD, body);
    assert_eq!((answer.status, answer.code()), (200, 0), "{}", answer.json);
}

/// A head with these lines, and a good body.
fn with(start: &str, lines: &str) -> String {
    let length = GOOD.len();
    format!("{start}\r\n{lines}Connection: close\r\nContent-Length: {length}\r\n\r\n{GOOD}")
}

#[test]
fn a_malformed_body_is_refused_with_the_services_code() {
    let scene = Scene::with_quota(Generation::AllMemberPush, 1_000);
    let deep = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!(r#"{{"UserTags":{open}{close}}}"#)
    };
    let user = |account: &str, tags: &str| {
        format!(r#"{{"UserTags":[{{"To_Account":{account},"Tags":{tags}}}]}}"#)
    };
    let cases: Vec<(Vec<u8>, i64)> = vec![
        ("".into(), 60003),
        (" ".into(), 60003),
        ("{".into(), 60003),
        (GOOD[..GOOD.len() - 1].into(), 60003),
        (format!("{GOOD}x").into(), 60003),
        (format!("{GOOD}{GOOD}").into(), 60003),
        (format!("{GOOD}\0").into(), 60003),
        (format!("\0{GOOD}").into(), 60003),
        (format!("\u{feff}{GOOD}").into(), 60003),
        (b"{\"UserTags\":\"\xff\xfe\"}".to_vec(), 60003),
        (
            b"{\"UserTags\":[{\"To_Account\":\"\xc3\x28\",\"Tags\":[\"t\"]}]}".to_vec(),
            60003,
        ),
        (user(r#""\ud800""#, r#"["t"]"#).into(), 60003),
        (user("\"a\nb\"", r#"["t"]"#).into(), 60003),
        (user("'a'", r#"["t"]"#).into(), 60003),
        (user(r#""a""#, r#"["t",]"#).into(), 60003),
        (user(r#""a""#, "[NaN]").into(), 60003),
        (deep(1_000).into(), 60003),
        (deep(1_000_000).into(), 60003),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00".to_vec(), 60003),
        ("null".into(), 90001),
        ("[]".into(), 90001),
        ("7".into(), 90001),
        (format!("[{GOOD}]").into(), 90001),
        ("{}".into(), 90001),
        (GOOD.replace("UserTags", "userTags").into(), 90001),
        (r#"{"To_Account":["a"]}"#.into(), 90001),
        (r#"{"UserTags":{}}"#.into(), 90001),
        (r#"{"UserTags":[]}"#.into(), 90001),
        (r#"{"UserTags":null}"#.into(), 90001),
        (r#"{"UserTags":[7]}"#.into(), 90001),
        (r#"{"UserTags":[{"Tags":["t"]}]}"#.into(), 90001),
        (r#"{"UserTags":[{"To_Account":"a"}]}"#.into(), 90001),
        (deep(3).into(), 90001),
        (user("7", r#"["t"]"#).into(), 60015),
        (user("null", r#"["t"]"#).into(), 60015),
        (user(r#"["a"]"#, r#"["t"]"#).into(), 60015),
        (user(r#""a""#, r#""t""#).into(), 90001),
        (user(r#""a""#, "[7]").into(), 90001),
        (user(r#""a""#, "[[\"t\"]]").into(), 90001),
        (user(r#""a""#, "null").into(), 90001),
    ];
    for (body, code) in cases {
        let mut request = with(&format!("POST {ADD} HTTP/1.1"), "Host: x\r\n").into_bytes();
        request.truncate(request.len() - GOOD.len());
        let length = format!("Content-Length: {}", body.len());
        let head = String::from_utf8(request).unwrap();
        let head = head.replace(&format!("Content-Length: {}", GOOD.len()), &length);
        let (answer, sent) = asked(&scene, [head.as_bytes(), &body].concat());
        let (answer, start) = (answer.unwrap(), &body[..body.len().min(100)]);
        let start = String::from_utf8_lossy(start);
        schema::check("post", ADD, &answer);
        assert_eq!(
            (answer.status, answer.code()),
            (200, code),
            "{start}: {}",
            answer.json
        );
        assert_eq!(sent, 0, "{start}");
        assert!(
            answer.json["ErrorInfo"].as_str().unwrap().len() < 1_000,
            "{start}"
        );
    }
    assert_well(&scene);
}

#[test]
fn a_body_that_is_said_to_be_encoded_is_refused_and_its_type_does_not_matter() {
    let scene = Scene::with_quota(Generation::AllMemberPush, 1_000);
    for (line, code) in [
        ("Content-Encoding: gzip", 60003),
        ("Content-Encoding: br, gzip", 60003),
        ("Content-Encoding: identity", 0),
        // what SDKs send
        ("Content-Type: text/xml", 0),
        ("Content-Type: application/x-www-form-urlencoded", 0),
        ("Content-Type: application/json; charset=gbk", 0),
        ("Accept: text/html", 0),
    ] {
        let (answer, sent) = asked(&scene, http::post(ADD, &format!("{line}\r\n"), GOOD));
        let answer = answer.unwrap();
        schema::check("post", ADD, &answer);
        assert_eq!((answer.status, answer.code()), (200, code), "{line}");
        assert_eq!(sent, usize::from(code == 0), "{line}");
    }
}

#[test]
fn a_malformed_head_is_refused_and_nothing_of_it_is_sent() {
    let scene = Scene::with_quota(Generation::AllMemberPush, 1_000);
    let post = format!("POST {ADD} HTTP/1.1");
    let length = GOOD.len();
    let smuggled = http::post(ADD, "", GOOD);
    for head in [
        format!("Content-Length: {}", length + 1),
        format!("Content-Length: {length}, {}", length + 1),
        format!("Content-Length: -{length}"),
        format!("Content-Length: +{length}"),
        "Content-Length: 99999999999999999999".to_owned(),
        "Transfer-Encoding: gzip".to_owned(),
        "Transfer-Encoding: chunked, identity".to_owned(),
        "Bad name: x".to_owned(),
        "Bad: \0".to_owned(),
        " Folded: x".to_owned(),
    ] {
        let request = with(&post, &format!("Host: x\r\n{head}\r\n"));
        let (answer, sent) = asked(&scene, request + &smuggled);
        assert_eq!(answer.unwrap().status, 400, "{head}");
        assert_eq!(sent, 0, "{head}");
    }
    for start in [
        "hello".to_owned(),
        format!("POST {ADD}"),
        format!("POST {ADD} HTTP/9.9"),
        "PRI * HTTP/2.0".to_owned(),
        format!("POST {ADD}\0 HTTP/1.1"),
        format!("POST {ADD} x HTTP/1.1"),
        format!("P\u{7f}ST {ADD} HTTP/1.1"),
    ] {
        let (answer, sent) = asked(&scene, with(&start, "Host: x\r\n") + &smuggled);
        assert!(answer.is_none_or(|it| it.status == 400), "{start}");
        assert_eq!(sent, 0, "{start}");
    }
    // no client of TLS is served in plain text
    let (answer, _) = asked(&scene, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    assert!(answer.is_none_or(|it| it.status == 400));
    // too many fields
    let fields = "A: b\r\n".repeat(200);
    let (answer, _) = asked(&scene, with(&post, &format!("Host: x\r\n{fields}")));
    assert_eq!(answer.unwrap().status, 431);
    assert_well(&scene);
}

#[test]
fn a_head_says_once_which_host_it_is_for_and_may_be_of_older_kinds() {
    let scene = Scene::with_quota(Generation::AllMemberPush, 1_000);
    let new = format!("POST {ADD} HTTP/1.1");
    let old = format!("POST {ADD} HTTP/1.0");
    let whole = format!("POST http://any.example{ADD} HTTP/1.1");
    for (start, lines, status) in [
        (&new, "", 400),
        (&new, "Host: a\r\nHost: a\r\n", 400),
        (&old, "Host: a\r\nHost: b\r\n", 400),
        (&new, "Host: a\r\n", 200),
        (&new, "Host: \r\n", 200),
        (&old, "", 200),
        (&old, "Host: a\r\n", 200),
        (&whole, "Host: any.example\r\n", 200),
    ] {
        let (answer, sent) = asked(&scene, with(start, lines));
        let answer = answer.unwrap();
        assert_eq!(answer.status, status, "{start} {lines}");
        schema::check("post", ADD, &answer);
        assert_eq!(sent, usize::from(status == 200), "{start} {lines}");
    }
    // a length beside chunks does not count, and nothing behind them is a request
    let chunked = format!(
        "Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n{length:x}\r\n{GOOD}\r\n0\r\n\r\n",
        length = GOOD.len()
    );
    let smuggled = http::post(ADD, "", GOOD);
    let (answer, sent) = asked(&scene, format!("{new}\r\n{chunked}{smuggled}"));
    assert_eq!((answer.unwrap().code(), sent), (0, 1));
    // chunks that are none
    for chunk in [
        "x\r\n",
        "-1\r\n",
        "ffffffffffffffffff\r\n",
        "3\r\nabcdef\r\n",
    ] {
        let request = format!("{new}\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}");
        let (answer, sent) = asked(&scene, request);
        let answer = answer.unwrap();
        schema::check("post", ADD, &answer);
        assert_eq!(
            (answer.status, answer.code(), sent),
            (400, 90001, 0),
            "{chunk}"
        );
    }
    assert_well(&scene);
}

#[test]
fn a_method_or_path_that_is_no_calls_is_refused_by_its_name() {
    let scene = Scene::new(Generation::AllMemberPush);
    let to_add = |method: &str| with(&format!("{method} {ADD} HTTP/1.1"), "Host: x\r\n");
    for method in [
        "GET", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "post", "X",
    ] {
        let (answer, sent) = asked(&scene, to_add(method));
        let answer = answer.unwrap();
        assert_eq!(
            (answer.status, answer.code(), sent),
            (200, 60009, 0),
            "{method}"
        );
        let why = answer.json["ErrorInfo"].as_str().unwrap();
        assert!(why.contains("takes POST"), "{why}");
    }
    for path in [
        "/",
        "/v4/openim/sendmsg",
        &format!("{ADD}/"),
        &ADD.to_uppercase(),
        "//",
    ] {
        let (answer, sent) = asked(&scene, http::post(path, "", GOOD));
        let answer = answer.unwrap();
        assert_eq!(
            (answer.status, answer.code(), sent),
            (200, 60009, 0),
            "{path}"
        );
    }
    // a proxy it is not: what is sent behind a success would go to another host
    let connect =
        "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\nConnection: close\r\n\r\n";
    let (answer, _) = asked(&scene, connect);
    assert_eq!(answer.unwrap().status, 405);
    for path in ["/healthz", "/readyz", "/metrics", "/openapi.json"] {
        let (answer, _) = asked(&scene, http::post(path, "", GOOD));
        let answer = answer.unwrap();
        assert_eq!(answer.status, 405);
        assert_eq!(answer.field("allow"), Some("get, head"));
    }
    assert_well(&scene);
}

#[test]
fn a_time_or_an_app_that_is_none_is_refused() {
    let scene = Scene::with_quota(Generation::AllMemberPush, 1_000);
    for time in ["", "0", "-1", "x", "1 s", "nan", "inf", "1e999", "0x1"] {
        let line = format!("Imtag-Timeout: {time}\r\n");
        let (answer, sent) = asked(&scene, http::post(ADD, &line, GOOD));
        let answer = answer.unwrap();
        schema::check("post", ADD, &answer);
        assert_eq!(
            (answer.status, answer.code(), sent),
            (400, 70402, 0),
            "{time}"
        );
    }
    for time in ["2.5", "8", "1000", "1e3"] {
        let (answer, _) = asked(
            &scene,
            http::post(ADD, &format!("Imtag-Timeout: {time}\r\n"), GOOD),
        );
        assert_eq!(answer.unwrap().code(), 0, "{time}");
    }
    for (query, code) in [
        ("sdkappid=7", 70020),
        ("a=%", 60002),
        ("a=%ff", 60002),
        ("", 0),
    ] {
        let (answer, _) = asked(&scene, http::post(&format!("{ADD}?{query}"), "", GOOD));
        assert_eq!(answer.unwrap().code(), code, "{query}");
    }
}

#[test]
fn the_page_of_the_daemon_is_what_these_tests_check_answers_by() {
    let scene = Scene::new(Generation::AllMemberPush);
    let page = scene.page("/openapi.json");
    assert_eq!(page.json, *schema::PAGE);
    for (path, text) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        assert_eq!(scene.page(path).json, text);
    }
    // who is refused is no call whose caller hung up
    asked(&scene, http::post("/", "", GOOD));
    assert_well(&scene);
    let figures = scene.page("/metrics").json;
    let figures = figures.as_str().unwrap();
    for figure in [
        "imtag_serve_refused_total 1\n",
        "imtag_serve_hung_up_total 0\n",
        "imtag_serve_in_flight 0\n",
    ] {
        assert!(figures.contains(figure), "{figure}: {figures}");
    }
}

fn access() -> Access {
    let key = SecretKey::new(LOCAL_KEY).unwrap();
    Access::new().local_key(key).token(TOKEN)
}

fn signed(app: u32, key: &str) -> String {
    let key = SecretKey::new(key).unwrap();
    let app = SdkAppId::new(app).unwrap();
    let identifier = Identifier::new("admin").unwrap();
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let usersig = UserSig::sign(&key, app, &identifier, Duration::from_secs(60), now);
    let usersig = usersig.expose();
    let app = app.get();
    format!("?sdkappid={app}&identifier=admin&usersig={usersig}&random=1&contenttype=json")
}

#[test]
fn over_tcp_only_who_has_the_token_or_the_local_key_is_let_in_and_no_foreign_page() {
    let scene = Scene::start(Setup {
        access: Some(access),
        calls_per_second: 1_000,
        ..Setup::new(Generation::AllMemberPush)
    });
    let app = scene.emulator.sdkappid().get();
    let token = format!("Authorization: Bearer {TOKEN}\r\n");
    let foreign = |line: &str| format!("{token}{line}\r\n");
    let other_key = "f".repeat(64);
    let cases: Vec<(String, String, u16, i64)> = vec![
        (String::new(), token.clone(), 200, 0),
        (String::new(), token.replace("Bearer ", "bearer "), 200, 0),
        (String::new(), token.replace("Bearer ", "BEARER   "), 200, 0),
        (signed(app, LOCAL_KEY), String::new(), 200, 0),
        (signed(app, &other_key), String::new(), 200, 70009),
        (signed(app + 1, LOCAL_KEY), String::new(), 200, 70020),
        (
            String::new(),
            "Authorization: Bearer x\r\n".to_owned(),
            200,
            70003,
        ),
        (
            String::new(),
            format!("Authorization: Basic {TOKEN}\r\n"),
            200,
            70003,
        ),
        (
            String::new(),
            "Authorization: Bearer \r\n".to_owned(),
            200,
            70003,
        ),
        (
            String::new(),
            format!("Authorization: Bearer{TOKEN}\r\n"),
            200,
            70003,
        ),
        (format!("?sdkappid={app}"), String::new(), 200, 60025),
        ("?".to_owned(), String::new(), 200, 60012),
        (String::new(), String::new(), 200, 60012),
        (format!("?sdkappid={}", app + 1), token.clone(), 200, 70020),
        (
            String::new(),
            foreign("Origin: http://evil.example"),
            403,
            -1,
        ),
        (String::new(), foreign("Origin: null"), 403, -1),
        (
            String::new(),
            foreign("Sec-Fetch-Site: cross-site"),
            403,
            -1,
        ),
        (String::new(), foreign("Sec-Fetch-Site: same-site"), 403, -1),
    ];
    for (query, lines, status, code) in cases {
        let before = scene.arrivals();
        let mut stream: Stream = scene.connect_by_tcp();
        stream.say(http::post(&format!("{ADD}{query}"), &lines, GOOD));
        let answer = stream.answer().unwrap();
        schema::check("post", ADD, &answer);
        assert_eq!(
            (answer.status, answer.code()),
            (status, code),
            "{query} {lines}: {}",
            answer.json
        );
        assert_eq!(scene.arrivals() - before, usize::from(code == 0));
        let text = answer.json.to_string();
        assert!(!text.contains(TOKEN) && !text.contains(LOCAL_KEY), "{text}");
    }
    for host in [
        "evil.example",
        "127.0.0.1.evil.example",
        "console.tim.qq.com",
        "",
    ] {
        let mut stream = scene.connect_by_tcp();
        let request = http::post(ADD, &token, GOOD);
        stream.say(request.replace("Host: localhost", &format!("Host: {host}")));
        assert_eq!(stream.answer().unwrap().status, 403, "{host:?}");
    }
    for host in ["localhost", "127.0.0.1:8443", "[::1]:1", "daemon.example"] {
        let mut stream = scene.connect_by_tcp();
        let request = http::post(ADD, &token, GOOD);
        stream.say(request.replace("Host: localhost", &format!("Host: {host}")));
        assert_eq!(stream.answer().unwrap().code(), 0, "{host:?}");
    }
    // where the target names its host, too, that counts
    let mut stream = scene.connect_by_tcp();
    let whole = http::post(&format!("http://evil.example{ADD}"), &token, GOOD);
    stream.say(whole);
    assert_eq!(stream.answer().unwrap().status, 403);
    // a page of another site has no page of ours either
    let mut stream = scene.connect_by_tcp();
    stream.say("GET /metrics HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    assert_eq!(stream.answer().unwrap().status, 403);
    assert_well(&scene);
}
