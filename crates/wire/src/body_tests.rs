//! Tests of how a body is read.

use imtag_core::Generation::{AllMemberPush, Timpush};
use imtag_core::Operation::{Add, Clear, Get, Remove};
use serde_json::json;

use super::*;

fn job(route: impl Into<Route>, body: &(impl AsRef<[u8]> + ?Sized)) -> Result<Job<'_>, Refusal> {
    read(route.into(), body.as_ref(), &Limits::DOCUMENTED)
}

/// The first mistake: `CODE TEXT`, or `0` where there is none.
fn mistake(route: impl Into<Route>, body: impl ToString) -> String {
    let first = |job: Job<'_>| job.users.into_iter().find_map(|user| user.mistake);
    let refusal = job(route, &body.to_string()).map_or_else(Some, first);
    refusal.map_or("0".to_owned(), |it| format!("{} {}", it.code, it.text))
}

fn code(route: impl Into<Route>, body: impl ToString) -> i32 {
    let mistake = mistake(route, body);
    mistake.split(' ').next().unwrap().parse().unwrap()
}

fn add(account: &str, tags: &[&str]) -> serde_json::Value {
    json!({"UserTags": [{"To_Account": account, "Tags": tags}]})
}

#[test]
fn the_sample_of_the_documentation_is_read() {
    let body = json!({"UserTags": [
        {"To_Account": "xiaojun012", "Tags": ["a", "b"]},
        {"To_Account": "xiaojun013", "Tags": ["a", "b"]},
    ]});
    let user = |account: &'static str, tags| User {
        account: account.into(),
        tags,
        mistake: None,
    };
    let expected = Job {
        users: vec![user("xiaojun012", 0..2), user("xiaojun013", 2..4)],
        tags: ["a", "b", "a", "b"].map(Cow::from).to_vec(),
        replace: false,
    };
    let body = body.to_string();
    assert_eq!(job((Add, AllMemberPush), &body), Ok(expected));
}

#[test]
fn what_is_not_json_gets_60003() {
    let deep = "[".repeat(100_000);
    let texts = [
        "",
        "{",
        "{}{}",
        "{} x",
        "\u{feff}{}",
        "nul",
        "{'a':1}",
        &deep,
    ];
    let not_utf8 = b"{\"To_Account\":[\"\xff\"]}";
    for body in texts.map(str::as_bytes).into_iter().chain([&not_utf8[..]]) {
        assert_eq!(job((Get, Timpush), body).unwrap_err().code, 60003);
    }
}

/// Bodies that add or remove, each with its mistake.
const TAGGING: &str = r#"
[] => 90001 the body is not an object
null => 90001 the body is not an object
{} => 90001 UserTags is missing
{"UserTags": {}} => 90001 UserTags is not a list
{"UserTags": []} => 90001 UserTags is empty
{"userTags": [{"To_Account": "a", "Tags": ["t"]}]} => 90001 UserTags is missing; there is "userTags"
{"To_Account": "u", "Tags": ["t"]} => 90001 UserTags is missing; there is "Tags", "To_Account"
{"f": 1, "\n": 2, "c": 3, "d": 4, "e": 5} => 90001 UserTags is missing; there is "\n", "c", "d", "e"
{"x2345678901234567890123456789012345": 1} => 90001 UserTags is missing; there is "x2345678901234567890123456789012"
{"UserTags": ["a"]} => 90001 UserTags[0] is not an object
{"UserTags": [{"": 1}]} => 90001 UserTags[0].To_Account is missing; there is ""
{"UserTags": [{"Tags": ["t"]}]} => 90001 UserTags[0].To_Account is missing; there is "Tags"
{"UserTags": [{"account": "u", "Tags": 1}]} => 90001 UserTags[0].To_Account is missing; there is "Tags", "account"
{"UserTags": [{"To_Account": "u", "tags": ["t"]}]} => 90001 UserTags[0].Tags is missing; there is "tags"
{"UserTags": [{"To_Account": "u"}]} => 90001 UserTags[0].Tags is missing
{"UserTags": [{"To_Account": "u", "Tags": "t"}]} => 90001 UserTags[0].Tags is not a list
{"UserTags": [{"To_Account": "u", "Tags": []}]} => 90001 UserTags[0].Tags is empty
{"UserTags": [{"To_Account": "u", "Tags": [1]}]} => 90001 UserTags[0].Tags[0] is not a string
{"UserTags": [{"To_Account": "u", "Tags": ["t", null]}]} => 90001 UserTags[0].Tags[1] is not a string
{"UserTags": [{"To_Account": 5, "Tags": ["t"]}]} => 60015 UserTags[0]: the account is not a string
{"UserTags": [{"To_Account": "", "Tags": ["t"]}]} => 70402 UserTags[0]: the account is empty
{"UserTags": [{"To_Account": "u", "Tags": ["t", ""]}]} => 90040 UserTags[0].Tags[1] is empty
{"UserTags": [{"To_Account": "u", "Tags": [" "]}]} => 0
{"Extra": 1, "UserTags": [{"To_Account": "u", "Tags": ["t"], "More": [null]}]} => 0
"#;

#[test]
fn for_a_daemon_a_mistake_in_a_list_of_tags_is_its_users() {
    for (tags, expected) in [
        (r#""Tags": []"#, "90001 UserTags[1].Tags is empty"),
        (
            r#""More": 1"#,
            "90001 UserTags[1].Tags is missing; there is \"More\"",
        ),
        (
            r#""Tags": {"1": "t"}"#,
            "90001 UserTags[1].Tags is not a list",
        ),
        (
            r#""Tags": ["t", 1]"#,
            "90001 UserTags[1].Tags[1] is not a string",
        ),
    ] {
        let body = r#"{"UserTags": [{"To_Account": "a", "Tags": ["x"]}, {"To_Account": "b", TAGS},
            {"To_Account": "c", "Tags": ["y"]}]}"#;
        let body = body.replace("TAGS", tags);
        for operation in [Add, Remove] {
            let route = Route::new(operation, AllMemberPush);
            read(route, body.as_bytes(), &Limits::DOCUMENTED).unwrap_err();
            let job = read_for_daemon(route, body.as_bytes(), &Limits::DOCUMENTED).unwrap();
            let mistakes: Vec<_> = job
                .users
                .iter()
                .map(|user| {
                    let mistake = user.mistake.as_ref();
                    mistake.map(|it| format!("{} {}", it.code, it.text))
                })
                .collect();
            assert_eq!(mistakes, [None, Some(expected.to_owned()), None]);
            let of = |user: usize| &job.tags[job.users[user].tags.clone()];
            assert_eq!((of(0), of(2)), (&["x".into()][..], &["y".into()][..]));
        }
    }
}

/// Bodies that read or clear.
const NAMING: &str = r#"
{} => 90001 To_Account is missing
{"": 1} => 90001 To_Account is missing; there is ""
{"To_Account": []} => 90001 To_Account is empty
{"To_Account": "a"} => 90001 To_Account is not a list
{"To_Account": ["a", 5]} => 60015 To_Account[1]: the account is not a string
{"To_Account": [""]} => 70402 To_Account[0]: the account is empty
{"To_Account": ["a", "a"], "Extra": 1} => 0
"#;

#[test]
fn each_mistake_of_shape_gets_its_code_and_is_named_with_its_place() {
    for (bodies, operations) in [(TAGGING, [Add, Remove]), (NAMING, [Get, Clear])] {
        for row in bodies.trim().lines() {
            let (body, expected) = row.split_once(" => ").unwrap();
            for operation in operations {
                for generation in Generation::ALL {
                    assert_eq!(mistake((operation, generation), body), expected);
                }
            }
        }
    }
}

#[test]
fn a_hundred_accounts_pass_and_one_more_gets_90018() {
    for (count, expected) in [(1, 0), (99, 0), (100, 0), (101, 90018)] {
        let accounts: Vec<_> = (0..count).map(|n| format!("user{n}")).collect();
        let user = |account: &String| json!({"To_Account": account, "Tags": ["t"]});
        let users: Vec<_> = accounts.iter().map(user).collect();
        let tagging = json!({"UserTags": users});
        let naming = json!({"To_Account": accounts});
        for generation in Generation::ALL {
            for (operation, body) in [
                (Add, &tagging),
                (Remove, &tagging),
                (Get, &naming),
                (Clear, &naming),
            ] {
                assert_eq!(code((operation, generation), body), expected);
            }
        }
    }
}

#[test]
fn a_tag_of_50_bytes_passes_and_one_of_51_gets_90020() {
    let (one, two) = ("a".repeat(50), "é".repeat(25));
    let (three, four) = ("标".repeat(16) + "ab", "🏷".repeat(12) + "ab");
    for tag in [one, two, three, four] {
        assert_eq!(tag.len(), 50);
        assert_eq!(code((Add, AllMemberPush), add("a", &["t", &tag])), 0);
        let longer = add("a", &["t", &(tag + "b")]);
        assert_eq!(code((Add, AllMemberPush), &longer), 90020);
        assert_eq!(code((Remove, Timpush), &longer), 90020);
    }
}

#[test]
fn ten_tags_of_a_user_pass_and_eleven_get_90032() {
    let tags: Vec<_> = "0 1 2 3 4 5 6 7 8 9 10".split(' ').collect();
    for operation in [Add, Remove] {
        for generation in Generation::ALL {
            let route = (operation, generation);
            assert_eq!(code(route, add("a", &tags[..10])), 0);
            assert_eq!(code(route, add("a", &tags)), 90032);
        }
    }
}

#[test]
fn an_account_has_at_most_32_bytes_on_the_older_routes_and_65535_on_timpush() {
    for account in ["a".repeat(32), "é".repeat(16), "账".repeat(10) + "ab"] {
        assert_eq!(account.len(), 32);
        assert_eq!(code((Add, AllMemberPush), add(&account, &["t"])), 0);
        let longer = account + "a";
        assert_eq!(code((Add, AllMemberPush), add(&longer, &["t"])), 70402);
        assert_eq!(code((Add, Timpush), add(&longer, &["t"])), 0);
        let body = json!({"To_Account": [longer]});
        assert_eq!(code((Clear, AllMemberPush), &body), 70402);
        assert_eq!(code((Get, Timpush), &body), 0);
    }
    let longest = "a".repeat(65_535);
    assert_eq!(code((Add, Timpush), add(&longest, &["t"])), 0);
    assert_eq!(code((Add, Timpush), add(&(longest + "a"), &["t"])), 70402);
}

#[test]
fn replace_takes_a_hundred_tags_on_timpush_and_is_refused_elsewhere() {
    for (replace, count, expected) in [
        ("1", 100, 0),
        ("1", 101, 90032),
        ("0", 10, 0),
        ("0", 11, 90032),
        ("2", 1, 90001),
        ("true", 1, 90001),
        ("\"1\"", 1, 90001),
    ] {
        let tags: Vec<_> = (0..count).map(|n| format!("t{n}")).collect();
        let users = json!([{"To_Account": "a", "Tags": tags}]);
        let body = format!(r#"{{"Replace":{replace},"UserTags":{users}}}"#);
        assert_eq!(code((Add, Timpush), &body), expected, "{replace} {count}");
        assert_eq!(code((Add, AllMemberPush), &body), 90001);
        assert_eq!(code((Remove, Timpush), &body), 90001);
    }
}

#[test]
fn an_account_named_twice_counts_as_one_with_the_tags_of_both() {
    let users = |count: usize| {
        let more: Vec<_> = (1..count).map(|n| format!("t{n}")).collect();
        json!({"UserTags": [
            {"To_Account": "a", "Tags": ["t0"]},
            {"To_Account": "b", "Tags": ["t0"]},
            {"To_Account": "a", "Tags": more},
        ]})
    };
    let body = users(10).to_string();
    let read = job((Add, AllMemberPush), &body).unwrap();
    let counts: Vec<_> = read.users.iter().map(|user| user.tags.len()).collect();
    assert_eq!(counts, [10, 1]);
    let of_a = &read.tags[read.users[0].tags.clone()];
    assert_eq!(
        of_a,
        "t0 t1 t2 t3 t4 t5 t6 t7 t8 t9"
            .split(' ')
            .collect::<Vec<_>>()
    );
    assert_eq!(code((Add, AllMemberPush), users(11)), 90032);
}

#[test]
fn a_mistake_stays_with_its_user_and_names_its_place() {
    let body = json!({"UserTags": [
        {"To_Account": "a", "Tags": ["t"]},
        {"To_Account": "b", "Tags": ["t", "x".repeat(51)]},
        {"To_Account": "b", "Tags": ["t"]},
    ]});
    let body = body.to_string();
    let read = job((Add, Timpush), &body).unwrap();
    assert_eq!(read.users[0].mistake, None);
    let mistake = read.users[1].mistake.as_ref().unwrap();
    assert_eq!(mistake.text, "UserTags[1].Tags[1] has 51 bytes, at most 50");
}
