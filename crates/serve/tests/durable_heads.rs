//! Heads, queries and callers of requests for changes that last that are wrong: each is refused in a sentence, and nothing is
//! stored.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::time::Duration;

use imtag_emulator::Generation;
use imtag_serve::{Access, Limits};

use support::durable::{assert_refused, paused, stored};
use support::{Scene, Setup, http, schema};

const ROW: &str = r#"{"To_Account":"a","Tags":["t"]}"#;

#[test]
fn each_query_is_known_there_once_and_has_a_value_that_can_be() {
    let scene = paused();
    for (method, target, part) in [
        (
            "POST",
            "/v1/changes?wait=disk",
            "wait is durable or outcome",
        ),
        ("POST", "/v1/changes?wait=", "wait is durable or outcome"),
        (
            "POST",
            "/v1/changes?wait=outcome&wait=outcome",
            "more than once",
        ),
        (
            "POST",
            "/v1/changes?Wait=outcome",
            "\"Wait\" is no parameter",
        ),
        ("POST", "/v1/changes?limit=1", "there is wait"),
        ("POST", "/v1/changes?a=%", "cannot be decoded"),
        ("POST", "/v1/changes?a=%ff", "cannot be decoded"),
        ("POST", "/v1/pause?wait=outcome", "there is none"),
        ("POST", "/v1/resume?x", "there is none"),
        ("GET", "/v1/failures?limit=0", "from 1 to 10000"),
        ("GET", "/v1/failures?limit=10001", "from 1 to 10000"),
        ("GET", "/v1/failures?limit=-1", "from 1 to 10000"),
        ("GET", "/v1/failures?limit=+1", "from 1 to 10000"),
        ("GET", "/v1/failures?limit=", "from 1 to 10000"),
        (
            "GET",
            "/v1/failures?limit=99999999999999999999",
            "from 1 to 10000",
        ),
        (
            "GET",
            "/v1/failures?after=12",
            "after is the id of a change",
        ),
        ("GET", "/v1/failures?after=", "after is the id of a change"),
        ("GET", "/v1/failures?after=1-0&after=1-1", "more than once"),
        ("GET", "/v1/failures?through=1-0", "no parameter"),
        ("DELETE", "/v1/failures?through=1-0", "no parameter"),
        ("DELETE", "/v1/changes", "nothing says which changes"),
        ("DELETE", "/v1/changes?", "nothing says which changes"),
        ("DELETE", "/v1/changes?account=", "account is empty"),
        ("DELETE", "/v1/changes?account=a&tag=", "tag is empty"),
        (
            "DELETE",
            "/v1/changes?older_than=",
            "older_than is a number of seconds",
        ),
        (
            "DELETE",
            "/v1/changes?older_than=-1",
            "older_than is a number of seconds",
        ),
        (
            "DELETE",
            "/v1/changes?older_than=nan",
            "older_than is a number of seconds",
        ),
        (
            "DELETE",
            "/v1/changes?older_than=1h",
            "older_than is a number of seconds",
        ),
        (
            "DELETE",
            "/v1/changes?all=1",
            "there is account, tag, older_than",
        ),
        ("GET", "/v1/changes/", "the path's end"),
        ("GET", "/v1/changes/x", "the path's end"),
        ("GET", "/v1/changes/-1", "the path's end"),
        ("GET", "/v1/changes/1-", "the path's end"),
        ("GET", "/v1/changes/01-0", "the path's end"),
        ("GET", "/v1/changes/1-99999999999", "the path's end"),
        ("GET", "/v1/changes/1?wait=outcome", "there is none"),
    ] {
        let answer = scene.ask(method, target, "", ROW);
        assert_eq!(answer.status, 400, "{method} {target}: {}", answer.text);
        assert_refused(&answer, 400, part);
    }
    // the credentials of an SDK may stand there
    let app = scene.emulator.sdkappid();
    let answer = scene.keep(
        &format!("?sdkappid={app}&identifier=x&usersig=y&random=1&contenttype=json"),
        ROW,
    );
    assert_eq!(answer.status, 202);
    assert_eq!(stored(&scene), 1, "nothing else");
}

#[test]
fn a_path_that_is_not_there_and_a_method_that_it_does_not_take_are_refused_by_their_names() {
    let scene = paused();
    let ask = |method: &str, path: &str| {
        let mut stream = scene.connect();
        stream.say(http::request(method, path, "", ROW));
        stream.answer().unwrap()
    };
    for path in [
        "/v1/",
        "/v1/change",
        "/v1/changes/1/2",
        "/v1/Changes",
        "/v1//changes",
        "/v1/failures/",
    ] {
        let answer = ask("POST", path);
        assert_refused(&answer, 404, "there is no such path");
        schema::valid(
            &schema::PAGE["components"]["schemas"]["Problem"],
            &answer.json,
            "body",
        )
        .unwrap();
    }
    for (method, path, allowed) in [
        ("GET", "/v1/changes", "post, delete"),
        ("PUT", "/v1/changes", "post, delete"),
        ("post", "/v1/changes", "post, delete"),
        ("POST", "/v1/changes/1-0", "get, head"),
        ("DELETE", "/v1/changes/1-0", "get, head"),
        ("POST", "/v1/failures", "get, head, delete"),
        ("GET", "/v1/pause", "post"),
        ("DELETE", "/v1/resume", "post"),
        ("OPTIONS", "/v1/changes", "post, delete"),
    ] {
        let answer = ask(method, path);
        assert_refused(&answer, 405, "this path takes");
        assert_eq!(answer.field("allow"), Some(allowed), "{method} {path}");
    }
    assert_eq!(stored(&scene), 0);
}

#[test]
fn a_key_or_a_time_that_can_be_none_is_refused() {
    let scene = paused();
    let long = "k".repeat(256);
    for key in ["", " ", "a b", "ключ", "a\tb", long.as_str()] {
        let line = format!("Idempotency-Key: {key}\r\n");
        let answer = scene.ask("POST", "/v1/changes", &line, ROW);
        assert_refused(&answer, 400, "Idempotency-Key is 1 to 255");
    }
    let twice = "Idempotency-Key: a\r\nIdempotency-Key: a\r\n";
    assert_refused(
        &scene.ask("POST", "/v1/changes", twice, ROW),
        400,
        "there once",
    );
    for time in ["", "0", "-1", "x", "nan"] {
        let line = format!("Imtag-Timeout: {time}\r\n");
        let answer = scene.ask("POST", "/v1/changes", &line, ROW);
        assert_refused(&answer, 400, "Imtag-Timeout");
    }
    for time in ["0.5", "60", "1e9"] {
        let line = format!("Imtag-Timeout: {time}\r\n");
        assert_eq!(scene.ask("POST", "/v1/changes", &line, ROW).status, 202);
    }
    assert_eq!(stored(&scene), 3);
}

#[test]
fn a_body_that_is_late_broken_or_too_large_is_refused() {
    let scene = Scene::start(Setup {
        limits: Limits {
            body: Duration::from_millis(100),
            body_bytes: 1_000,
            ..Limits::default()
        },
        ..Setup::durable()
    });
    scene.ask("POST", "/v1/pause", "", "");
    let whole = http::post("/v1/changes", "", ROW);
    let say = |bytes: &str| {
        let mut stream = scene.connect();
        stream.say(bytes);
        let answer = stream.answer().unwrap();
        schema::check("post", "/v1/changes", &answer);
        answer
    };
    assert_refused(&say(&whole[..whole.len() - 1]), 408, "did not come within");
    let length = format!("Content-Length: {}\r\n", ROW.len());
    let announced = |bytes: u64| whole.replace(&length, &format!("Content-Length: {bytes}\r\n"));
    assert_refused(&say(&announced(8_388_609)), 413, "imtag import");
    assert_refused(&say(&announced(8_388_608)), 408, "did not come within");
    let chunked = whole.replace(&length, "Transfer-Encoding: chunked\r\n");
    let head = chunked.split_once("\r\n\r\n").unwrap().0;
    for chunk in ["x\r\n", "3\r\nabcdef\r\n"] {
        assert_refused(&say(&format!("{head}\r\n\r\n{chunk}")), 400, "broke off");
    }
    assert_eq!(stored(&scene), 0);
    // the first door's limit is another
    let padded = format!("{ROW}{}", " ".repeat(2_000));
    assert_eq!(scene.keep("", &padded).status, 202);
}

#[test]
fn over_tcp_only_who_has_the_token_or_the_local_key_is_let_in() {
    const TOKEN: &str = "a-token-of-a-test";
    let scene = Scene::start(Setup {
        access: Some(|| Access::new().token(TOKEN)),
        ..Setup::durable()
    });
    let say = |head: &str, query: &str| {
        let mut stream = scene.connect_by_tcp();
        stream.say(http::post(&format!("/v1/changes{query}"), head, ROW));
        let answer = stream.answer().unwrap();
        schema::check("post", "/v1/changes", &answer);
        answer
    };
    let right = format!("Authorization: Bearer {TOKEN}\r\n");
    assert_eq!(say(&right, "").status, 202);
    for (head, query, part) in [
        ("", "", "nothing says who calls"),
        (
            "Authorization: Bearer x\r\n",
            "",
            "the token is not the daemon's",
        ),
        (
            "Authorization: Basic x\r\n",
            "",
            "the token is not the daemon's",
        ),
        ("", "?usersig=x", "sdkappid is missing"),
        (&right, "?sdkappid=7", "serves the app"),
    ] {
        let answer = say(head, query);
        assert_refused(&answer, 401, part);
        assert_eq!(answer.field("www-authenticate"), Some("bearer"));
        assert!(!answer.text.contains(TOKEN));
    }
    let foreign = say(&format!("{right}Origin: http://evil.example\r\n"), "");
    assert_eq!(foreign.status, 403);
}

#[test]
fn a_daemon_without_a_folder_says_so_and_one_that_starts_takes_nothing_yet() {
    let scene = Scene::new(Generation::AllMemberPush);
    for (method, target) in [
        ("POST", "/v1/changes"),
        ("DELETE", "/v1/changes?account=a"),
        ("GET", "/v1/changes/1-0"),
        ("GET", "/v1/failures"),
        ("DELETE", "/v1/failures"),
        ("POST", "/v1/pause"),
        ("POST", "/v1/resume"),
    ] {
        assert_refused(&scene.ask(method, target, "", ROW), 404, "--data FOLDER");
    }
    assert!(!scene.page("/metrics").text.contains("imtag_queue"));
    let starting = Scene::start(Setup {
        is_ready: false,
        ..Setup::durable()
    });
    let answer = starting.keep("", ROW);
    assert_refused(&answer, 503, "the daemon starts");
    assert_eq!(answer.field("retry-after"), Some("1"));
    starting.ready();
    assert_eq!(starting.keep("", ROW).status, 202);
}
