//! Requests against the service's own page, at the edge of every limit, and with everything wrong at once.

use proptest::prelude::*;

use super::*;
use crate::operation::Generation;
use crate::text::Tag;

fn written(request: &impl Request) -> String {
    String::from_utf8(request.json().to_vec()).unwrap()
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
fn a_type_of_request_has_one_operation() {
    use Operation::{Add, Clear, Get, Remove};
    let user = [("u", ["a"])];
    let add = AddTags::new(user).unwrap().operation();
    let replace = AddTags::replacing(&timpush(), user).unwrap().operation();
    let remove = RemoveTags::new(user).unwrap().operation();
    let get = GetTags::new(["u"]).unwrap().operation();
    let clear = ClearTags::new(["u"]).unwrap().operation();
    assert_eq!([AddTags::OPERATION, add, replace], [Add; 3]);
    assert_eq!([RemoveTags::OPERATION, remove], [Remove; 2]);
    assert_eq!([GetTags::OPERATION, get], [Get; 2]);
    assert_eq!([ClearTags::OPERATION, clear], [Clear; 2]);
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
fn a_body_of_like_users_has_little_more_memory_than_it_needs() {
    let timpush = Rules::for_generation(Generation::Timpush);
    let users: Vec<(String, [&str; 2])> = (0..100)
        .map(|user| (format!("user{user:04}"), ["vip", "beijing"]))
        .collect();
    let accounts = || users.iter().map(|(account, _)| account);
    let with_tags = || users.iter().map(|(account, tags)| (account, tags));
    for Body { json, .. } in [
        AddTags::new(with_tags()).unwrap().0,
        AddTags::replacing(&timpush, with_tags()).unwrap().0,
        RemoveTags::new(with_tags()).unwrap().0,
        GetTags::new(accounts()).unwrap().0,
        ClearTags::new(accounts()).unwrap().0,
    ] {
        let (bytes, capacity) = (json.len(), json.capacity());
        // what is spare for each user, and for what ends a request
        assert!(capacity - bytes <= 420, "{capacity} for {bytes} bytes");
    }
}

/// A caller's word on how many users there are costs only so much memory.
#[test]
fn a_false_number_of_users_is_believed_up_to_a_bound() {
    struct Lying(usize);
    impl Iterator for Lying {
        type Item = (&'static str, [&'static str; 1]);
        fn next(&mut self) -> Option<Self::Item> {
            self.0 += 1;
            (self.0 <= 2).then(|| (["a", "b"][self.0 - 1], ["t"]))
        }
        fn size_hint(&self) -> (usize, Option<usize>) {
            (usize::MAX, None)
        }
    }
    let Body { accounts, json, .. } = AddTags::new(Lying(0)).unwrap().0;
    assert!(accounts.capacity() <= 128);
    assert!(json.capacity() <= 65 * 1024);
}

#[test]
fn a_request_that_is_shown_says_what_it_is() {
    let request = RemoveTags::new([("u", ["a"])]).unwrap();
    assert_eq!(
        format!("{request:?}"),
        r#"RemoveTags(Body("{\"UserTags\":[{\"To_Account\":\"u\",\"Tags\":[\"a\"]}]}"))"#
    );
}

type Given = Vec<(String, Vec<String>)>;

/// Texts that are good and bad, of few letters, so that many come twice.
fn texts(most: usize) -> impl Strategy<Value = Vec<String>> {
    let text = prop_oneof![6 => "[a-f\"\\\\\n北]{1,3}", 1 => "", 1 => "[a-z]{30,60}", 1 => any::<String>()];
    prop::collection::vec(text, 0..most)
}

fn users() -> impl Strategy<Value = Given> {
    let accounts = prop_oneof![texts(6), texts(130)];
    let user = |account: String| (Just(account), prop_oneof![9 => texts(5), 1 => texts(30)]);
    accounts.prop_flat_map(move |accounts| accounts.into_iter().map(user).collect::<Vec<_>>())
}

fn rules() -> impl Strategy<Value = Rules> {
    let generation = prop_oneof![Just(Generation::AllMemberPush), Just(Generation::Timpush)];
    let most = || prop_oneof![1..5_usize, 1..150_usize];
    let limits = (most(), most(), most(), most(), most());
    (generation, limits).prop_map(|(generation, limits)| {
        let mut rules = Rules::for_generation(generation);
        rules.limits.users_per_request = limits.0;
        rules.limits.tags_per_user_and_request = limits.1;
        rules.limits.tags_per_user = limits.2;
        rules.limits.tag_bytes = limits.3;
        rules.limits.account_bytes = limits.4;
        rules
    })
}

/// By rules that allow all but what no rules allow.
fn loose() -> Rules {
    let mut rules = timpush();
    rules.limits.users_per_request = usize::MAX;
    rules.limits.tags_per_user_and_request = usize::MAX;
    rules.limits.tags_per_user = usize::MAX;
    rules.limits.tag_bytes = usize::MAX;
    rules
}

/// Users that some rules allow, with each tag once.
fn plain(given: &Given) -> Given {
    let mut users = Given::new();
    for (account, tags) in given {
        let mut distinct = Vec::new();
        for tag in tags {
            if !tag.is_empty() && !distinct.contains(tag) {
                distinct.push(tag.clone());
            }
        }
        let is_known = users.iter().any(|user| user.0 == *account);
        if !account.is_empty() && !distinct.is_empty() && !is_known {
            users.push((account.clone(), distinct));
        }
    }
    users
}

fn borrowed(users: &Given) -> impl Iterator<Item = (&String, &Vec<String>)> {
    users.iter().map(|(account, tags)| (account, tags))
}

proptest! {
    #[test]
    fn a_body_is_what_serde_json_writes_of_the_plain_users(given in users(), replaces: bool) {
        let users = plain(&given);
        prop_assume!(!users.is_empty());
        // as it was given, with tags that come twice, but without what no rules allow
        let repeated: Given = users.iter().map(|(account, tags)| {
            let tags = tags.iter().flat_map(|tag| [tag, &tags[0]]).cloned();
            (account.clone(), tags.collect())
        }).collect();
        let request = if replaces {
            AddTags::replacing(&loose(), borrowed(&repeated))
        } else {
            AddTags::with_rules(&loose(), borrowed(&repeated))
        };
        let request = request.unwrap();
        let list = users.iter().map(|(account, tags)| {
            let account = serde_json::to_string(account).unwrap();
            format!(r#"{{"To_Account":{account},"Tags":{}}}"#, serde_json::to_string(tags).unwrap())
        });
        let list = list.collect::<Vec<_>>().join(",");
        let replace = if replaces { r#","Replace":1"# } else { "" };
        prop_assert_eq!(written(&request), format!(r#"{{"UserTags":[{list}]{replace}}}"#));
        let accounts: Vec<&String> = users.iter().map(|user| &user.0).collect();
        prop_assert!(request.accounts().iter().map(|account| account.0).eq(accounts.iter().map(|it| it.as_str())));

        let get = GetTags::with_rules(&loose(), accounts.iter().copied()).unwrap();
        prop_assert_eq!(written(&get), format!(r#"{{"To_Account":{}}}"#, serde_json::to_string(&accounts).unwrap()));

        let formed = Body::from_checked(
            &loose(),
            if replaces { Form::Replace } else { Form::Add },
            users.iter().map(|(account, tags)| (account.as_str(), tags.iter().map(String::as_str))),
        );
        prop_assert_eq!(request.0, formed);
    }

    #[test]
    fn a_check_by_other_rules_finds_what_a_check_of_the_plain_users_does(
        given in users(), own in rules(), other in rules(), replaces: bool
    ) {
        let users = plain(&given);
        prop_assume!(!users.is_empty());
        let add = |rules: &Rules| if replaces {
            AddTags::replacing(rules, borrowed(&users))
        } else {
            AddTags::with_rules(rules, borrowed(&users))
        };
        let fresh = add(&other).map(|_| ());
        prop_assert_eq!(add(&loose()).unwrap().check(&other), fresh.clone());
        if let Ok(made) = add(&own) {
            prop_assert_eq!(made.check(&other), fresh);
        }
        let accounts = || users.iter().map(|user| &user.0);
        let made = ClearTags::with_rules(&loose(), accounts()).unwrap();
        let fresh = ClearTags::with_rules(&other, accounts());
        prop_assert_eq!(made.check(&other), fresh.map(|_| ()));
    }
}
