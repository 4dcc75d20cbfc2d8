//! The admin API over HTTP: that it does what the methods do, and shows no secret.

#![allow(clippy::unwrap_used)] // all of it is test code

mod caller;

use caller::{ADD, Answer, Caller, GET, TIMPUSH_ADD, accounts, tags, usersig};
use imtag_emulator::{Emulator, Fault};
use serde_json::{Value, json};

fn get(emulator: &Emulator, path: &str) -> Value {
    let answer = Caller::new(emulator).request("GET", path, "").unwrap();
    assert_eq!(answer.status, 200);
    answer.json()
}

fn post(emulator: &Emulator, path: &str, body: &Value) -> Answer {
    let body = body.to_string();
    Caller::new(emulator).request("POST", path, &body).unwrap()
}

#[test]
fn faults_are_queued_and_met() {
    let emulator = Emulator::builder().start().unwrap();
    let order = json!({"route": "im_add_tag", "faults": [
        {"kind": "code", "code": 91000},
        {"kind": "status", "delay_ms": 1},
    ]});
    let answer = post(&emulator, "/emulator/faults", &order);
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({"queued": 2, "standing": []}))
    );
    let mut caller = Caller::new(&emulator);
    let body = tags(&[("a", &["t"])]);
    assert_eq!(caller.code(TIMPUSH_ADD, &body), 0);
    assert_eq!(caller.code(ADD, &body), 91000);
    assert_eq!(caller.call(ADD, &body).unwrap().status, 502);
    assert_eq!(caller.code(ADD, &body), 0);
}

#[test]
fn a_wrong_order_of_faults_gets_400_and_queues_nothing() {
    let emulator = Emulator::builder().start().unwrap();
    let order = json!({"route": "add", "faults": [{"kind": "garbage"}, {"kind": "cut"}]});
    let answer = post(&emulator, "/emulator/faults", &order);
    assert_eq!(answer.status, 400);
    let error = answer.json()["error"].as_str().unwrap().to_owned();
    assert!(
        error.starts_with("faults[1]: unknown kind \"cut\""),
        "{error}"
    );
    assert_eq!(emulator.stats().faults_waiting, 0);
}

#[test]
fn users_are_read_with_any_name() {
    let emulator = Emulator::builder().start().unwrap();
    let body = tags(&[("用户/1", &["标", "a"]), ("b", &["t"])]);
    assert_eq!(Caller::new(&emulator).code(ADD, body), 0);
    assert_eq!(
        get(&emulator, "/emulator/users/%E7%94%A8%E6%88%B7%2F1"),
        json!({"account": "用户/1", "tags": ["a", "标"]})
    );
    assert_eq!(
        get(&emulator, "/emulator/users/nobody"),
        json!({"account": "nobody", "tags": []})
    );
    assert_eq!(
        get(&emulator, "/emulator/users"),
        json!({"users": {"b": ["t"], "用户/1": ["a", "标"]}})
    );
}

#[test]
fn stats_are_the_same_as_in_process() {
    let emulator = Emulator::builder().start().unwrap();
    let mut caller = Caller::new(&emulator);
    assert_eq!(caller.code(ADD, tags(&[("a", &["t"])])), 0);
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
    let body = tags(&[("a", &["t"])]);
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
fn an_order_of_faults_is_the_same_in_process() {
    let emulator = Emulator::builder().start().unwrap();
    let order = json!({"route": "add", "faults": [{"kind": "code", "code": 91000}]}).to_string();
    emulator.faults_by_json(order.as_bytes()).unwrap();
    let bad = json!({"route": "add", "faults": [{"kind": "code"}]}).to_string();
    let error = emulator.faults_by_json(bad.as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "faults[0]: code needs code");
    let mut caller = Caller::new(&emulator);
    assert_eq!(caller.code(ADD, tags(&[("a", &["t"])])), 91000);
    assert_eq!(caller.code(ADD, tags(&[("a", &["t"])])), 0);
}

#[test]
fn a_reset_forgets_everything() {
    let emulator = Emulator::builder().start().unwrap();
    emulator.fault(GET, Fault::garbage());
    assert_eq!(Caller::new(&emulator).code(ADD, tags(&[("a", &["t"])])), 0);
    assert_eq!(post(&emulator, "/emulator/reset", &json!({})).status, 200);
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
    let body = tags(&[("a", &["t"])]);
    std::thread::scope(|scope| {
        let held = scope.spawn(|| Caller::new(&emulator).code(ADD, &body));
        while emulator.stats().in_flight == 0 {
            std::thread::yield_now();
        }
        emulator.reset();
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
    assert_eq!(caller.code(ADD, tags(&[("a", &["t"])])), 0);
    let escaped = query.replace('=', "%3D").replace('&', "%26");
    let escaped_path = format!("/v4/all_member_push/im_add_tag%3F{escaped}");
    let mut shown = String::new();
    for target in [
        format!(
            "/v4/all_member_push/im_add_tag?{}",
            query.replace("usersig", "UserSig")
        ),
        format!(
            "/v4/all_member_push/im_add_tag?{}",
            query.replace('&', "%26")
        ),
        format!("/v4/all_member_push/im_add_tag%3F{query}"),
        escaped_path.clone(),
        escaped_path.replace('%', "%25"),
        format!("/v4/all_member_push/im_add_tag?{query}&broken=%"),
        format!("/v4/all_member_push/im_add_tag?{query}&{query}"),
    ] {
        let answer = caller.request("POST", &target, "{}").unwrap();
        assert_ne!(answer.code(), 0);
        shown += &answer.json().to_string();
    }
    for path in ["requests", "stats", "users"] {
        shown += &get(&emulator, &format!("/emulator/{path}")).to_string();
    }
    shown += &format!(
        "{emulator:?} {:?} {:?}",
        emulator.requests(),
        Emulator::builder()
    );
    assert!(shown.contains("im_add_tag"));
    assert!(!shown.contains(&usersig), "{shown}");
    assert!(!shown.contains(key), "{shown}");
}

#[test]
fn an_unknown_admin_path_is_not_taken_for_a_success() {
    let emulator = Emulator::builder().start().unwrap();
    let mut caller = Caller::new(&emulator);
    let answer = caller.request("GET", "/emulator/user", "").unwrap();
    assert_eq!(answer.status, 404);
    assert!(
        answer.json()["error"]
            .as_str()
            .unwrap()
            .contains("/emulator/users")
    );
}

#[test]
fn a_long_list_of_users_comes_in_pieces_and_whole() {
    let emulator = Emulator::builder().start().unwrap();
    for number in 0..2500 {
        emulator.tag(&format!("user{number:04}"), ["t"]);
    }
    let mut caller = Caller::new(&emulator);
    let request = "GET /emulator/users HTTP/1.0\r\n\r\n";
    std::io::Write::write_all(caller.stream(), request.as_bytes()).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(caller.stream(), &mut answer).unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let json: Value = serde_json::from_str(body).unwrap();
    let listed = json["users"].as_object().unwrap();
    assert_eq!(listed.len(), 2500);
    assert_eq!(listed["user2499"], json!(["t"]));
}
