//! Requests against the service's own page, at the edge of every limit, and with everything wrong at once.

use crate::*;

fn body(request: &impl Request) -> String {
    let mut body = Vec::new();
    request.write_body(&mut body);
    String::from_utf8(body).unwrap()
}

fn violations(invalid: &Invalid) -> Vec<String> {
    let violations = invalid.violations().iter();
    violations.map(ToString::to_string).collect()
}

fn users(count: usize) -> Vec<(String, Vec<String>)> {
    let user = |i| (format!("user{i}"), vec!["a".to_owned()]);
    (0..count).map(user).collect()
}

fn add(users: &[(String, Vec<String>)], rules: &Rules) -> Result<(), Invalid> {
    AddTags::with_rules(rules, users.iter().map(|(user, tags)| (user, tags))).map(|_| ())
}

#[test]
fn the_sample_request_of_the_documentation_is_written_to_the_byte() {
    let sample = r#"{
        "UserTags": [
            { "To_Account": "xiaojun012", "Tags": ["a", "b"] },
            { "To_Account": "xiaojun013", "Tags": ["a", "b"] }
        ]
    }"#;
    let request = AddTags::new([("xiaojun012", ["a", "b"]), ("xiaojun013", ["a", "b"])]).unwrap();
    let without_white_space: String = sample.split_whitespace().collect();
    assert_eq!(body(&request), without_white_space);
}

#[test]
fn each_operation_writes_its_own_body() {
    let timpush = Rules::for_generation(Generation::Timpush);
    assert_eq!(
        body(&RemoveTags::new([("u", ["a"])]).unwrap()),
        r#"{"UserTags":[{"To_Account":"u","Tags":["a"]}]}"#
    );
    assert_eq!(
        body(&AddTags::replacing(&timpush, [("u", ["a"])]).unwrap()),
        r#"{"UserTags":[{"To_Account":"u","Tags":["a"]}],"Replace":1}"#
    );
    assert_eq!(
        body(&GetTags::new(["u", "v"]).unwrap()),
        r#"{"To_Account":["u","v"]}"#
    );
    assert_eq!(
        body(&ClearTags::new(["u"]).unwrap()),
        r#"{"To_Account":["u"]}"#
    );
}

#[test]
fn any_character_survives_being_written() {
    let tag = "\"\\\u{0}\u{1f}\n北京😀عرب";
    let request = AddTags::new([("u", [tag])]).unwrap();
    let written: serde_json::Value = serde_json::from_str(&body(&request)).unwrap();
    assert_eq!(written["UserTags"][0]["Tags"][0], tag);
}

#[test]
fn duplicated_tags_are_dropped_and_the_order_stays() {
    let request = AddTags::new([("u", ["b", "a", "b", "a"]), ("v", ["a", "a", "a", "a"])]).unwrap();
    let users: Vec<_> = request.users().collect();
    let tags = |i: usize| -> Vec<_> { users[i].tags.iter().map(Tag::as_str).collect() };
    assert_eq!(users[1].account.as_str(), "v");
    assert_eq!((tags(0), tags(1)), (vec!["b", "a"], vec!["a"]));
}

#[test]
fn all_violations_are_reported_at_once_each_with_its_place() {
    let long = "x".repeat(63);
    let eleven: Vec<String> = (0..11).map(|i| format!("t{i}")).collect();
    let strings = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect();
    let users: Vec<(String, Vec<String>)> = vec![
        ("ok".into(), strings(&["a"])),
        (String::new(), strings(&["a", ""])),
        ("many".into(), eleven),
        ("ok".into(), strings(&["a", "b", &long])),
        ("none".into(), vec![]),
        ("é".repeat(17), strings(&["a"])),
    ];
    assert_eq!(
        violations(&add(&users, &Rules::default()).unwrap_err()),
        [
            "users[1].account: empty, at least 1 byte",
            "users[1].tags[1]: empty, at least 1 byte",
            "users[2].tags: 11 given, at most 10",
            "users[3].account: the same account as at position 0, at most once a request",
            "users[3].tags[2]: 63 bytes, at most 50",
            "users[4].tags: none given, at least 1",
            "users[5].account: 34 bytes, at most 32",
        ]
    );
}

#[test]
fn a_hundred_users_pass_and_a_hundred_and_one_do_not() {
    let rules = Rules::default();
    assert!(add(&users(99), &rules).is_ok());
    assert!(add(&users(100), &rules).is_ok());
    assert_eq!(
        violations(&add(&users(101), &rules).unwrap_err()),
        ["users: 101 given, at most 100"]
    );
    assert_eq!(
        violations(&add(&users(0), &rules).unwrap_err()),
        ["users: none given, at least 1"]
    );
    let accounts: Vec<String> = (0..101).map(|i| format!("user{i}")).collect();
    assert!(GetTags::new(&accounts[..100]).is_ok());
    assert_eq!(
        violations(&ClearTags::new(&accounts).unwrap_err()),
        ["accounts: 101 given, at most 100"]
    );
    assert_eq!(
        violations(&GetTags::new(["a", "", "a"]).unwrap_err()),
        [
            "accounts[1]: empty, at least 1 byte",
            "accounts[2]: the same account as at position 0, at most once a request"
        ]
    );
}

#[test]
fn ten_tags_pass_and_eleven_do_not_counted_without_duplicates() {
    let tags = |count| -> Vec<String> { (0..count).map(|i| format!("t{i}")).collect() };
    let user = |tags: Vec<String>| [("u".to_owned(), tags)];
    let rules = Rules::default();
    assert!(add(&user(tags(9)), &rules).is_ok());
    assert!(add(&user(tags(10)), &rules).is_ok());
    assert!(add(&user([tags(10), tags(10)].concat()), &rules).is_ok());
    assert!(add(&user(tags(11)), &rules).is_err());
}

#[test]
fn replacing_takes_a_hundred_tags_on_timpush_and_nothing_on_the_older_paths() {
    let timpush = Rules::for_generation(Generation::Timpush);
    let tags = |count| -> Vec<String> { (0..count).map(|i| format!("t{i}")).collect() };
    assert!(AddTags::replacing(&timpush, [("u", &tags(100))]).is_ok());
    assert_eq!(
        AddTags::replacing(&timpush, [("u", &tags(101))])
            .unwrap_err()
            .to_string(),
        "invalid request, nothing was sent: users[0].tags: 101 given, at most 100 (leave some out, as a user carries at most that many)"
    );
    assert_eq!(
        violations(&AddTags::replacing(&Rules::default(), [("u", ["a"])]).unwrap_err()),
        ["replace: not possible on the all_member_push paths"]
    );
}

#[test]
fn what_to_do_about_an_account_that_stands_twice_suits_users_and_accounts() {
    let start = "invalid request, nothing was sent:";
    let what = "the same account as at position 0, at most once a request (merge the two into one)";
    assert_eq!(
        AddTags::new([("u", ["a"]), ("u", ["b"])])
            .unwrap_err()
            .to_string(),
        format!("{start} users[1].account: {what}")
    );
    assert_eq!(
        ClearTags::new(["u", "u"]).unwrap_err().to_string(),
        format!("{start} accounts[1]: {what}")
    );
}

/// A second replacement would take away the tags of the first.
#[test]
fn too_many_users_to_replace_the_tags_of_are_split_and_too_many_tags_are_not() {
    let mut rules = Rules::for_generation(Generation::Timpush);
    rules.limits.users_per_request = 1;
    rules.limits.tags_per_user = 2;
    let users = [("u", ["a", "b", "c"]), ("v", ["a", "b", "a"])];
    let invalid = AddTags::replacing(&rules, users).unwrap_err();
    assert_eq!(
        invalid.to_string(),
        "invalid request, nothing was sent: users[0].tags: 3 given, at most 2 (leave some out, as a user carries at most that many); \
         users: 2 given, at most 1 (split it into several requests)"
    );
}

#[test]
fn a_request_made_by_looser_rules_is_caught_by_stricter_ones() {
    let timpush = Rules::for_generation(Generation::Timpush);
    let long = "r".repeat(36);
    let request = AddTags::replacing(&timpush, [(&long, ["a"])]).unwrap();
    assert!(request.check(&timpush).is_ok());
    assert_eq!(
        violations(&request.check(&Rules::default()).unwrap_err()),
        [
            "replace: not possible on the all_member_push paths",
            "users[0].account: 36 bytes, at most 32"
        ]
    );
    let mut looser = Rules::default();
    looser.limits.users_per_request = 200;
    let accounts: Vec<String> = (0..150).map(|i| format!("user{i}")).collect();
    let request = GetTags::with_rules(&looser, &accounts).unwrap();
    assert_eq!(
        violations(&request.check(&Rules::default()).unwrap_err()),
        ["accounts: 150 given, at most 100"]
    );
}

#[test]
fn bytes_from_c_are_checked_like_text() {
    let users: [(&[u8], [&[u8]; 2]); 1] = [(b"u\xff", [b"a", b"\xe5\x8c"])];
    assert_eq!(
        violations(&AddTags::new(users).unwrap_err()),
        [
            "users[0].account: not UTF-8 from byte 1 on",
            "users[0].tags[1]: not UTF-8 from byte 0 on"
        ]
    );
}
