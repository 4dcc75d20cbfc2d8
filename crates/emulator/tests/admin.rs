//! The admin API over HTTP: it does what the methods do, shows no secret, says what a mistake was, and answers callers
//! on this machine only, by its own names, and no web page.

#![allow(clippy::unwrap_used)] // all of it is test code

mod caller;

use caller::{ADD, Answer, Caller, GET, accounts, tag_a, tags, usersig};
use imtag_emulator::{Emulator, Fault};
use serde_json::{Value, json};

fn get(emulator: &Emulator, path: &str) -> Value {
    let answer = Caller::new(emulator).request("GET", path, "").unwrap();
    assert_eq!(answer.status, 200);
    answer.json()
}

#[test]
fn users_are_read_with_any_name() {
    let emulator = Emulator::builder().start().unwrap();
    let body = tags(&[("用户/1", &["标", "a"]), ("b", &["t"])]);
    assert_eq!(Caller::new(&emulator).code(ADD, body), 0);
    let one = json!({"account": "用户/1", "tags": ["a", "标"]});
    let nobody = json!({"account": "nobody", "tags": []});
    let all = json!({"users": {"b": ["t"], "用户/1": ["a", "标"]}});
    for (path, expected) in [
        ("/%E7%94%A8%E6%88%B7%2F1", one),
        ("/nobody", nobody),
        ("", all),
    ] {
        assert_eq!(get(&emulator, &format!("/emulator/users{path}")), expected);
    }
}

#[test]
fn stats_are_the_same_as_in_process() {
    let emulator = Emulator::builder().start().unwrap();
    let mut caller = Caller::new(&emulator);
    assert_eq!(caller.code(ADD, tag_a()), 0);
    assert_eq!(caller.code(ADD, "{"), 60003);
    assert_eq!(caller.code(GET, accounts(&["a"])), 0);
    let stats = get(&emulator, "/emulator/stats");
    assert_eq!(stats["routes"]["im_add_tag"]["arrivals"], 2);
    assert_eq!(stats["routes"]["im_add_tag"]["busiest_sliding_second"], 2);
    assert_eq!(stats["routes"]["im_get_tag"]["arrivals"], 1);
    assert_eq!(stats["routes"]["clear_all_tags"]["arrivals"], 0);
    assert_eq!(stats["codes"], json!({"0": 2, "60003": 1}));
    assert_eq!(stats["connections"], 2);
    assert_eq!(stats["in_flight"], 0);
    assert_eq!(emulator.stats().code(0), 2);
    assert_eq!(emulator.stats().route(ADD).arrivals, 2);
}

#[test]
fn what_arrived_can_be_read_back() {
    let emulator = Emulator::builder().start().unwrap();
    emulator.fault(GET, Fault::cut_before());
    let mut caller = Caller::new(&emulator);
    let body = tag_a();
    assert_eq!(caller.code(ADD, &body), 0);
    assert_eq!(caller.code(ADD, "not JSON"), 60003);
    caller.call(GET, accounts(&["a"])).unwrap_err();

    let requests = get(&emulator, "/emulator/requests");
    let requests = requests["requests"].as_array().unwrap();
    assert_eq!(requests.len(), 3);
    assert_eq!(requests[0]["route"], "im_add_tag");
    assert_eq!(requests[0]["method"], "POST");
    assert_eq!(requests[0]["path"], "/v4/all_member_push/im_add_tag");
    assert_eq!(requests[0]["query"][0], json!(["sdkappid", "1400000000"]));
    assert_eq!(requests[0]["body"], body);
    assert_eq!(requests[0]["code"], 0);
    assert_eq!(requests[1]["body"], "not JSON");
    assert_eq!(requests[1]["code"], 60003);
    assert_eq!(requests[2]["code"], Value::Null);
    assert_eq!(requests[2]["fault"], "cut_before");
    assert_eq!(emulator.requests()[1].code, Some(60003));
}

#[test]
fn a_reset_forgets_everything() {
    let emulator = Emulator::builder().start().unwrap();
    emulator.fault(GET, Fault::garbage());
    assert_eq!(Caller::new(&emulator).code(ADD, tag_a()), 0);
    let reset = Caller::new(&emulator).request("POST", "/emulator/reset", "{}");
    assert_eq!(reset.unwrap().status, 200);
    assert!(emulator.users().is_empty());
    assert!(emulator.requests().is_empty());
    let stats = emulator.stats();
    assert_eq!((stats.arrivals(), stats.faults_waiting), (0, 0));
    assert!(stats.codes.is_empty() && stats.faults.is_empty());
}

#[test]
fn a_request_held_over_a_reset_has_no_effect() {
    let emulator = Emulator::builder().start().unwrap();
    emulator.fault(ADD, Fault::delay(std::time::Duration::from_millis(300)));
    std::thread::scope(|scope| {
        let held = scope.spawn(|| Caller::new(&emulator).code(ADD, tag_a()));
        while emulator.stats().in_flight == 0 {
            std::thread::yield_now();
        }
        emulator.reset().unwrap();
        assert_eq!(held.join().unwrap(), 91000);
    });
    assert!(emulator.users().is_empty());
    assert_eq!(emulator.stats().code(91000), 0);
}

#[test]
fn no_answer_shows_a_usersig_or_the_key() {
    let key = "0123456789abcdef-the-key";
    let emulator = Emulator::builder()
        .secret_key(imtag_core::SecretKey::new(key).unwrap())
        .start()
        .unwrap();
    let mut caller = Caller::new(&emulator);
    let usersig = usersig(&emulator);
    let query = caller::query(&emulator);
    assert_eq!(caller.code(ADD, tag_a()), 0);
    let path = "/v4/all_member_push/im_add_tag";
    let escaped = query.replace('=', "%3D").replace('&', "%26");
    let mut shown = String::new();
    for target in [
        format!("{path}?{}", query.replace("usersig", "UserSig")),
        format!("{path}?{}", query.replace('&', "%26")),
        format!("{path}%3F{query}"),
        format!("{path}%3F{escaped}"),
        format!("{path}%3F{escaped}").replace('%', "%25"),
        format!("{path}?{query}&broken=%"),
        format!("{path}?{query}&{query}"),
    ] {
        let answer = caller.request("POST", &target, "{}").unwrap();
        assert_ne!(answer.code(), 0);
        shown += &answer.json().to_string();
    }
    for path in ["requests", "stats", "users"] {
        shown += &get(&emulator, &format!("/emulator/{path}")).to_string();
    }
    let (requests, builder) = (emulator.requests(), Emulator::builder());
    shown += &format!("{emulator:?} {requests:?} {builder:?}");
    assert!(shown.contains("im_add_tag"));
    assert!(!shown.contains(&usersig), "{shown}");
    assert!(!shown.contains(key), "{shown}");
}

#[test]
fn every_user_is_listed_once_in_pieces_or_at_once() {
    let emulator = Emulator::builder().start().unwrap();
    let mut number = 0;
    for users in [0, 1, 999, 1000, 1001, 2000, 3100] {
        for number in number..users {
            emulator.tag(&format!("\"user\" {number}"), ["标"]);
        }
        number = users;
        let mut caller = Caller::new(&emulator);
        let request = b"GET /emulator/users HTTP/1.0\r\n\r\n";
        std::io::Write::write_all(caller.stream(), request).unwrap();
        let mut answer = String::new();
        std::io::Read::read_to_string(caller.stream(), &mut answer).unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        let json: Value = serde_json::from_str(body).unwrap();
        assert_eq!(json, json!({"users": emulator.users()}));
        assert_eq!(emulator.users().len(), users);
        assert_eq!(body.matches("\\\"user").count(), users);
    }
}

const MISTAKES: &str = "
PUT /emulator/faults 405 takes POST, GET and DELETE
GET /emulator/faults/1 405 standing fault DELETE
DELETE /emulator/faults/1 404 no standing fault
DELETE /emulator/faults/one 404 no standing fault
GET /emulator/reset 405 reset POST
POST /emulator/stats 405 else GET
DELETE /emulator/users/a 405 else GET
GET /emulator/users/%ff 400 not UTF-8
POST /emulator/faults 400 not JSON of faults
GET /emulator 404 GET /emulator/stats
POST /emulator 404 GET /emulator/stats
GET /emulator/ 404 GET /emulator/stats
POST /emulator/ 404 GET /emulator/stats
GET /emulator/user 404 GET /emulator/stats
GET /emulator/users/ 404 GET /emulator/stats
GET /emulator/reset/ 404 GET /emulator/stats
GET /emulator/%ff 404 GET /emulator/stats
";

#[test]
fn every_mistake_is_answered_with_a_status_and_an_error_in_json() {
    let emulator = Emulator::builder().start().unwrap();
    let mut caller = Caller::new(&emulator);
    for row in MISTAKES.trim().lines() {
        let row: Vec<&str> = row.splitn(4, ' ').collect();
        let answer = caller.request(row[0], row[1], "").unwrap();
        assert_eq!(answer.status.to_string(), row[2], "{row:?}");
        let text = answer.error();
        assert!(text.contains(row[3]), "{row:?}: {text}");
    }
    assert!(emulator.requests().is_empty());
    let answer = caller.request("GET", "/emulator/reset", "").unwrap();
    assert!(answer.head.contains("allow: post\r\n"), "{}", answer.head);
}

#[test]
fn faults_beyond_the_limit_are_refused_in_json_and_not_queued() {
    let emulator = Emulator::builder().start().unwrap();
    let order = r#"{"route": "add", "faults": [{"kind": "garbage"}]}"#;
    // One byte too many: all of it is read before it is refused, so that no reset overtakes the answer.
    let padding = " ".repeat(2 * 1024 * 1024 + 1 - order.len());
    let order = format!("{order}{padding}");
    let answer = Caller::new(&emulator).request("POST", "/emulator/faults", &order);
    let answer = answer.unwrap();
    assert_eq!(answer.status, 413);
    assert!(answer.error().contains("2 MiB"));
    assert_eq!(emulator.stats().faults_waiting, 0);
}

/// A user is asked for with these headers.
fn asked(emulator: &Emulator, headers: &str) -> Answer {
    let request = format!("GET /emulator/users/a HTTP/1.1\r\n{headers}\r\n");
    Caller::new(emulator).raw(request).unwrap()
}

#[test]
fn a_host_that_is_another_name_is_refused() {
    let emulator = Emulator::builder().name("emulator.test").start().unwrap();
    let port = emulator.address().port().to_string();
    let own = "localhost localhost:PORT 127.0.0.1:PORT LocalHost.:1 [::1] [::1]:PORT Emulator.Test imtag.localhost";
    for host in own.replace("PORT", &port).split(' ') {
        let answer = asked(&emulator, &format!("Host: {host}\r\n"));
        assert_eq!(answer.status, 200, "{host}");
    }
    let foreign = "rebound.example|rebound.example:PORT|localhost.rebound.example|console.tim.qq.com|10.0.0.1:PORT\
                   |0.0.0.0:PORT|user@localhost|localhost, rebound.example||标签";
    for host in foreign.replace("PORT", &port).split('|') {
        let answer = asked(&emulator, &format!("Host: {host}\r\n"));
        assert_eq!(answer.status, 403, "{host}");
        assert!(answer.error().ends_with("and to no other Host"));
    }
}

#[test]
fn each_place_of_the_host_counts_and_none_may_be_left_out() {
    let emulator = Emulator::builder().start().unwrap();
    for row in [
        "200 /emulator/users/a HTTP/1.0",
        "403 /emulator/users/a HTTP/1.1|Host: localhost|Host: rebound.example",
        "200 http://localhost/emulator/users/a HTTP/1.1|Host: localhost",
        "403 http://rebound.example/emulator/users/a HTTP/1.1|Host: localhost",
        "403 http://localhost/emulator/users/a HTTP/1.1|Host: rebound.example",
    ] {
        let (status, head) = row.split_once(' ').unwrap();
        let head = head.replace('|', "\r\n");
        let answer = Caller::new(&emulator).raw(format!("GET {head}\r\n\r\n"));
        assert_eq!(answer.unwrap().status.to_string(), status, "{row}");
    }
}

#[test]
fn a_web_page_cannot_use_the_admin_api() {
    let emulator = Emulator::builder().start().unwrap();
    let mut caller = Caller::new(&emulator);
    assert_eq!(caller.code(ADD, tag_a()), 0);
    for origin in ["https://example.com", "http://localhost:1", "null", ""] {
        for request in [
            "POST /emulator/reset",
            "POST /emulator/faults",
            "OPTIONS /emulator/faults",
            "GET /emulator/users",
            "GET /emulator",
        ] {
            let head = format!("{request} HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}");
            let answer = caller.raw(format!("{head}\r\nContent-Length: 0\r\n\r\n"));
            let answer = answer.unwrap();
            assert_eq!(answer.status, 403);
            assert!(answer.error().contains("web pages"));
        }
    }
    assert_eq!(emulator.user("a").len(), 1);
    // Nor one that asks without Origin, as browsers do for a GET, or for a web socket.
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let site = "Sec-Fetch-Site";
    for (headers, status) in [
        (format!("{site}: none\r\n"), 200),
        (format!("{site}: same-origin\r\n"), 200),
        (format!("{site}: same-site\r\n"), 403),
        (format!("{site}: cross-site\r\n"), 403),
        (format!("{site}: Cross-Site\r\n"), 403),
        (format!("{site}: \r\n"), 403),
        (format!("{site}: none\r\n{site}: cross-site\r\n"), 403),
        (upgrade.to_owned(), 200),
        (format!("Origin: http://x\r\n{upgrade}"), 403),
        (format!("Host: rebound.example\r\n{upgrade}"), 403),
    ] {
        let answer = asked(&emulator, &format!("Host: localhost\r\n{headers}"));
        assert_eq!(answer.status, status, "{headers}");
        if headers.contains("cross-site") {
            let text = "the admin API does not answer the pages of other sites";
            assert_eq!(answer.error(), text);
        }
    }
}

#[test]
fn the_calls_of_the_service_are_answered_by_any_name() {
    let emulator = Emulator::builder().start().unwrap();
    let target = format!("/v4/timpush/add_tag?{}", caller::query(&emulator));
    let body = tag_a().to_string();
    let length = body.len();
    for host in [
        "Host: rebound.example\r\n",
        "Host: console.tim.qq.com\r\n",
        "",
    ] {
        let head = format!("POST {target} HTTP/1.1\r\n{host}Origin: http://x");
        let request = format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}");
        let answer = Caller::new(&emulator).raw(request);
        assert_eq!(answer.unwrap().code(), 0, "{host}");
    }
}
