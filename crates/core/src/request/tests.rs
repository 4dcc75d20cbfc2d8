//! Requests against the service's own page, at the edge of every limit, and with everything wrong at once.

use super::*;

fn written(request: &impl Request) -> String {
    let mut body = Vec::new();
    request.write_body(&mut body);
    String::from_utf8(body).unwrap()
}

fn violations<T: std::fmt::Debug>(made: Result<T, Invalid>) -> Vec<String> {
    let violations = made.map_or_else(|invalid| invalid.violations().to_vec(), |_| vec![]);
    violations.iter().map(ToString::to_string).collect()
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("n{i}")).collect()
}

fn add(account: &str, tags: &[String]) -> Vec<String> {
    violations(AddTags::new([(account, tags)]))
}

fn timpush() -> Rules {
    Rules::for_generation(Generation::Timpush)
}

#[test]
fn the_sample_request_of_the_documentation_is_written_to_the_byte() {
    let sample = r#"{
        "UserTags": [
            { "To_Account": "xiaojun012", "Tags": ["a", "b"] },
            { "To_Account": "xiaojun013", "Tags": ["a", "b"] }
        ]
    }"#;
    let request = AddTags::new([("xiaojun012", ["a", "b"]), ("xiaojun013", ["a", "b"])]);
    let without_white_space: String = sample.split_whitespace().collect();
    assert_eq!(written(&request.unwrap()), without_white_space);
}

#[test]
fn each_operation_writes_its_own_body() {
    for (written, expected) in [
        (
            written(&RemoveTags::new([("u", ["a"])]).unwrap()),
            r#"{"UserTags":[{"To_Account":"u","Tags":["a"]}]}"#,
        ),
        (
            written(&AddTags::replacing(&timpush(), [("u", ["a"])]).unwrap()),
            r#"{"UserTags":[{"To_Account":"u","Tags":["a"]}],"Replace":1}"#,
        ),
        (
            written(&GetTags::new(["u", "v"]).unwrap()),
            r#"{"To_Account":["u","v"]}"#,
        ),
        (
            written(&ClearTags::new(["u"]).unwrap()),
            r#"{"To_Account":["u"]}"#,
        ),
    ] {
        assert_eq!(written, expected);
    }
}

#[test]
fn any_character_survives_being_written() {
    let tag = "\"\\\u{0}\u{1f}\n北京😀عرب";
    let request = AddTags::new([("u", [tag])]).unwrap();
    let written: serde_json::Value = serde_json::from_str(&written(&request)).unwrap();
    assert_eq!(written["UserTags"][0]["Tags"][0], tag);
}

#[test]
fn duplicated_tags_are_dropped_and_the_order_stays() {
    let tags = [["b", "a", "b", "a"], ["a", "a", "a", "a"]];
    let request = AddTags::new([("u", tags[0]), ("v", tags[1])]).unwrap();
    let users = request.users().map(|user| (user.account.0, user.tags));
    assert!(users.eq([("u", [Tag("b"), Tag("a")].as_slice()), ("v", &[Tag("a")])]));
}

/// In characters of each length that UTF-8 has.
#[test]
fn a_tag_has_1_to_50_bytes_and_an_account_1_to_32() {
    for character in ["a", "é", "北", "😀"] {
        let text = |bytes: usize| {
            "x".repeat(bytes % character.len()) + &character.repeat(bytes / character.len())
        };
        assert_eq!([49, 50].map(|bytes| add("u", &[text(bytes)])), [[""; 0]; 2]);
        let too_long = "users[0].tags[0]: 51 bytes, at most 50";
        assert_eq!(add("u", &[text(51)]), [too_long]);
        let tag = ["a".to_owned()];
        assert_eq!([31, 32].map(|bytes| add(&text(bytes), &tag)), [[""; 0]; 2]);
        let too_long = "users[0].account: 33 bytes, at most 32";
        assert_eq!(add(&text(33), &tag), [too_long]);
        let rules = Rules::default();
        assert_eq!(violations(Tag::new(&text(50), &rules)), [""; 0]);
        let alone = violations(Tag::new(&text(51), &rules));
        assert_eq!(alone, ["tag: 51 bytes, at most 50"]);
        let alone = violations(Account::new(&text(33), &rules));
        assert_eq!(alone, ["account: 33 bytes, at most 32"]);
    }
}

#[test]
fn a_registration_id_of_any_length_passes_on_timpush_and_an_empty_one_does_not() {
    let id = "379C2F0D-290D-47AE-94D1-919058C39C77";
    let get = |id: &str| violations(GetTags::with_rules(&timpush(), [id]));
    assert_eq!([id, &"r".repeat(500)].map(get), [[""; 0]; 2]);
    assert_eq!(get(""), ["accounts[0]: empty, at least 1 byte"]);
    assert_eq!(
        violations(GetTags::new([id])),
        ["accounts[0]: 36 bytes, at most 32"]
    );
}

#[test]
fn bytes_from_c_are_checked_like_text() {
    let users: [(&[u8], [&[u8]; 2]); 1] = [(b"u\xff", [b"a", b"\xe5\x8c"])];
    assert_eq!(
        violations(AddTags::new(users)),
        [
            "users[0].account: not UTF-8 from byte 1 on",
            "users[0].tags[1]: not UTF-8 from byte 0 on"
        ]
    );
}

#[test]
fn all_violations_are_reported_at_once_each_with_its_place() {
    let (long, eleven, account) = ("x".repeat(63), names(11), "é".repeat(17));
    let eleven: Vec<&str> = eleven.iter().map(String::as_str).collect();
    let users: [(&str, &[&str]); 6] = [
        ("ok", &["a"]),
        ("", &["a", ""]),
        ("many", &eleven),
        ("ok", &["a", "b", &long]),
        ("none", &[]),
        (&account, &["a"]),
    ];
    assert_eq!(
        violations(AddTags::new(users)),
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
fn a_request_has_1_to_100_users_and_each_once() {
    let add = |count| violations(AddTags::new(names(count).iter().map(|it| (it, ["a"]))));
    let get = |count| violations(GetTags::new(&names(count)));
    assert_eq!([add(99), add(100), get(100)], [[""; 0]; 3]);
    assert_eq!(add(101), ["users: 101 given, at most 100"]);
    assert_eq!(get(101), ["accounts: 101 given, at most 100"]);
    assert_eq!(add(0), ["users: none given, at least 1"]);
    assert_eq!(
        violations(GetTags::new(["a", "", "a"])),
        [
            "accounts[1]: empty, at least 1 byte",
            "accounts[2]: the same account as at position 0, at most once a request"
        ]
    );
}

#[test]
fn ten_tags_pass_and_eleven_do_not_counted_without_duplicates() {
    let twice = [names(10), names(10)].concat();
    for tags in [names(9), names(10), twice] {
        assert_eq!(add("u", &tags), [""; 0]);
    }
    assert_eq!(
        add("u", &names(11)),
        ["users[0].tags: 11 given, at most 10"]
    );
}

#[test]
fn replacing_takes_a_hundred_tags_on_timpush_and_nothing_on_the_older_paths() {
    let replace =
        |rules: &Rules, count| violations(AddTags::replacing(rules, [("u", &names(count))]));
    assert_eq!(replace(&timpush(), 100), [""; 0]);
    let too_many = "users[0].tags: 101 given, at most 100";
    assert_eq!(replace(&timpush(), 101), [too_many]);
    let impossible = "replace: not possible on the all_member_push paths";
    assert_eq!(replace(&Rules::default(), 1), [impossible]);
}

/// Users that are too many can go in another request. Tags cannot: a second replacement would take away the first's.
#[test]
fn a_message_says_what_to_do_about_each_violation() {
    let mut rules = timpush();
    rules.limits.users_per_request = 1;
    rules.limits.tags_per_user = 2;
    let users = [("u", ["a", "b", "c"]), ("u", ["a", "b", "a"])];
    assert_eq!(
        AddTags::replacing(&rules, users).unwrap_err().to_string(),
        "invalid request, nothing was sent: \
         users[0].tags: 3 given, at most 2 (leave some out, as a user carries at most that many); \
         users[1].account: the same account as at position 0, at most once a request (merge the two into one); \
         users: 2 given, at most 1 (split it into several requests)"
    );
}

#[test]
fn a_request_made_by_looser_rules_is_caught_by_stricter_ones() {
    let long = "r".repeat(36);
    let request = AddTags::replacing(&timpush(), [(&long, ["a"])]).unwrap();
    assert!(request.check(&timpush()).is_ok());
    assert_eq!(
        violations(request.check(&Rules::default())),
        [
            "replace: not possible on the all_member_push paths",
            "users[0].account: 36 bytes, at most 32"
        ]
    );
    let mut looser = Rules::default();
    looser.limits.users_per_request = 200;
    let accounts = names(150);
    let request = GetTags::with_rules(&looser, &accounts).unwrap();
    assert_eq!(
        violations(request.check(&Rules::default())),
        ["accounts: 150 given, at most 100"]
    );
}

#[test]
fn a_body_is_allocated_once_with_little_more_than_it_needs() {
    let timpush = Rules::for_generation(Generation::Timpush);
    let users: Vec<(String, [&str; 2])> = (0..100)
        .map(|user| (format!("user{user:04}"), ["vip", "beijing"]))
        .collect();
    let accounts = || users.iter().map(|(account, _)| account);
    let with_tags = || users.iter().map(|(account, tags)| (account, tags));
    fn written(request: &impl Request) -> Vec<u8> {
        let mut out = Vec::new();
        request.write_body(&mut out);
        out
    }
    for body in [
        written(&AddTags::new(with_tags()).unwrap()),
        written(&AddTags::replacing(&timpush, with_tags()).unwrap()),
        written(&RemoveTags::new(with_tags()).unwrap()),
        written(&GetTags::new(accounts()).unwrap()),
        written(&ClearTags::new(accounts()).unwrap()),
    ] {
        let (bytes, capacity) = (body.len(), body.capacity());
        assert!(capacity * 10 <= bytes * 11, "{capacity} for {bytes} bytes");
    }
}

/// So a request that is checked again by other rules reserves what the first check did.
#[test]
fn a_request_knows_how_many_users_it_has_and_their_tags() {
    let request = AddTags::new([("a", vec!["x", "y"]), ("b", vec!["x"])]).unwrap();
    let mut users = request.body().users_with_tags();
    assert_eq!(users.size_hint(), (2, Some(2)));
    let shown = users.next().map(|user| (user.account, user.tags.len()));
    assert_eq!(shown, Some((Account("a"), 2)));
    let shown = users.next().map(|user| (user.account, user.tags.len()));
    assert_eq!(shown, Some((Account("b"), 1)));
    assert_eq!(users.size_hint(), (0, Some(0)));
}
