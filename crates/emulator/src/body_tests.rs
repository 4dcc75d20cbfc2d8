//! What bodies are taken, and which code each mistake gets; limits at the exact byte and the exact count.

use imtag_core::Generation::{AllMemberPush, Timpush};
use imtag_core::Operation::{Add, Clear, Get, Remove};
use serde_json::json;

use super::*;

/// The code of the first mistake, or 0.
fn code(route: impl Into<Route>, body: impl ToString) -> i32 {
    let body = body.to_string();
    match read(route.into(), body.as_bytes(), &Limits::DOCUMENTED) {
        Err(refusal) => refusal.code,
        Ok(job) => {
            let mut mistakes = job.users.iter().filter_map(|user| user.mistake.as_ref());
            mistakes.next().map_or(0, |refusal| refusal.code)
        }
    }
}

fn add(account: &str, tags: &[&str]) -> Value {
    json!({"UserTags": [{"To_Account": account, "Tags": tags}]})
}

#[test]
fn the_sample_of_the_documentation_is_read() {
    let body = json!({"UserTags": [
        {"To_Account": "xiaojun012", "Tags": ["a", "b"]},
        {"To_Account": "xiaojun013", "Tags": ["a", "b"]},
    ]});
    let route = Route::new(Add, AllMemberPush);
    let job = read(route, body.to_string().as_bytes(), &Limits::DOCUMENTED).unwrap();
    assert!(!job.replace);
    let read: Vec<_> = job
        .users
        .iter()
        .map(|user| (&*user.account, &*user.tags))
        .collect();
    let tags = ["a".to_owned(), "b".to_owned()];
    assert_eq!(read, [("xiaojun012", &tags[..]), ("xiaojun013", &tags[..])]);
}

#[test]
fn what_is_not_json_gets_60003() {
    for body in ["", "{", "{}{}", "{} x", "\u{feff}{}", "nul", "{'a':1}"] {
        assert_eq!(code((Add, AllMemberPush), body), 60003, "{body:?}");
    }
    let deep = "[".repeat(100_000);
    assert_eq!(code((Add, AllMemberPush), deep), 60003);
    let route = Route::new(Get, Timpush);
    let not_utf8 = b"{\"To_Account\":[\"\xff\"]}";
    let refusal = read(route, not_utf8, &Limits::DOCUMENTED).unwrap_err();
    assert_eq!(refusal.code, 60003);
}

#[test]
fn a_missing_field_is_named_beside_those_that_are_there() {
    let long = "x".repeat(40);
    for (body, text) in [
        (json!({}), "UserTags is missing"),
        (json!({"UserTags": {}}), "UserTags is not a list"),
        (json!({"UserTags": []}), "UserTags is empty"),
        (
            json!({"userTags": []}),
            r#"UserTags is missing; there is "userTags""#,
        ),
        (
            json!({"To_Account": "u", "Tags": ["t"]}),
            r#"UserTags is missing; there is "Tags", "To_Account""#,
        ),
        (
            json!({long: 1, "\n": 2, "c": 3, "d": 4, "e": 5}),
            r#"UserTags is missing; there is "\n", "c", "d", "e""#,
        ),
        (
            json!({"x".repeat(40): 1}),
            r#"UserTags is missing; there is "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx""#,
        ),
        (
            json!({"UserTags": [{"account": "u", "Tags": ["t"]}]}),
            r#"UserTags[0].To_Account is missing; there is "Tags", "account""#,
        ),
        (
            json!({"UserTags": [{"To_Account": "u", "tags": ["t"]}]}),
            r#"UserTags[0].Tags is missing; there is "tags""#,
        ),
        (
            json!({"UserTags": [{"To_Account": "u", "Tags": "t"}]}),
            "UserTags[0].Tags is not a list",
        ),
    ] {
        let route = Route::new(Add, AllMemberPush);
        let refusal = read(route, body.to_string().as_bytes(), &Limits::DOCUMENTED).unwrap_err();
        assert_eq!((refusal.code, &*refusal.text), (90001, text));
    }
}

#[test]
fn json_of_another_shape_gets_90001() {
    let user = |user: Value| json!({"UserTags": [user]});
    for body in [
        json!([]),
        json!(null),
        json!({}),
        json!({"UserTags": {}}),
        json!({"UserTags": []}),
        json!({"usertags": [{"To_Account": "a", "Tags": ["t"]}]}),
        json!({"To_Account": ["a"]}),
        user(json!("a")),
        user(json!({"Tags": ["t"]})),
        user(json!({"To_Account": "a"})),
        user(json!({"To_Account": "a", "Tags": "t"})),
        user(json!({"To_Account": "a", "Tags": []})),
        user(json!({"To_Account": "a", "Tags": [1]})),
        user(json!({"To_Account": "a", "Tags": ["t", null]})),
    ] {
        for operation in [Add, Remove] {
            assert_eq!(code((operation, AllMemberPush), &body), 90001, "{body}");
            assert_eq!(code((operation, Timpush), &body), 90001, "{body}");
        }
    }
    for body in [
        json!({}),
        json!({"To_Account": []}),
        json!({"To_Account": "a"}),
    ] {
        assert_eq!(code((Get, AllMemberPush), &body), 90001, "{body}");
        assert_eq!(code((Clear, Timpush), &body), 90001, "{body}");
    }
}

#[test]
fn an_account_that_is_not_a_string_gets_60015() {
    assert_eq!(code((Get, Timpush), json!({"To_Account": ["a", 5]})), 60015);
    let body = json!({"UserTags": [{"To_Account": 5, "Tags": ["t"]}]});
    assert_eq!(code((Add, AllMemberPush), body), 60015);
}

#[test]
fn unknown_fields_are_ignored() {
    let body =
        json!({"Extra": 1, "UserTags": [{"To_Account": "a", "Tags": ["t"], "More": [null]}]});
    assert_eq!(code((Add, AllMemberPush), body), 0);
}

#[test]
fn a_hundred_accounts_pass_and_one_more_gets_90018() {
    for (count, expected) in [(1, 0), (99, 0), (100, 0), (101, 90018)] {
        let accounts: Vec<_> = (0..count).map(|n| format!("user{n}")).collect();
        let users: Vec<_> = accounts
            .iter()
            .map(|account| json!({"To_Account": account, "Tags": ["t"]}))
            .collect();
        for generation in Generation::ALL {
            for operation in [Add, Remove] {
                let body = json!({"UserTags": users});
                assert_eq!(code((operation, generation), body), expected);
            }
            for operation in [Get, Clear] {
                let body = json!({"To_Account": accounts});
                assert_eq!(code((operation, generation), body), expected);
            }
        }
    }
}

#[test]
fn a_tag_of_50_bytes_passes_and_one_of_51_gets_90020() {
    let one = "a".repeat(50);
    let two = "é".repeat(25);
    let three = "标".repeat(16) + "ab";
    let four = "🏷".repeat(12) + "ab";
    for tag in [one, two, three, four] {
        assert_eq!(tag.len(), 50);
        assert_eq!(code((Add, AllMemberPush), add("a", &["t", &tag])), 0);
        let longer = tag.clone() + "b";
        let body = add("a", &["t", &longer]);
        assert_eq!(code((Add, AllMemberPush), &body), 90020, "{longer}");
        assert_eq!(code((Remove, Timpush), &body), 90020, "{longer}");
        let shorter = &tag[..tag.char_indices().last().unwrap().0];
        assert_eq!(code((Remove, Timpush), add("a", &[shorter])), 0);
    }
}

#[test]
fn an_empty_tag_gets_90040() {
    assert_eq!(code((Add, AllMemberPush), add("a", &["t", ""])), 90040);
    assert_eq!(code((Remove, Timpush), add("a", &[""])), 90040);
    assert_eq!(code((Add, Timpush), add("a", &[" "])), 0);
}

#[test]
fn ten_tags_of_a_user_pass_and_eleven_get_90032() {
    let tags: Vec<_> = (0..11).map(|n| format!("t{n}")).collect();
    let tags: Vec<_> = tags.iter().map(String::as_str).collect();
    for operation in [Add, Remove] {
        for generation in Generation::ALL {
            let route = (operation, generation);
            assert_eq!(code(route, add("a", &tags[..9])), 0);
            assert_eq!(code(route, add("a", &tags[..10])), 0);
            assert_eq!(code(route, add("a", &tags)), 90032);
        }
    }
}

#[test]
fn an_account_has_1_to_32_bytes_on_the_older_routes() {
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
    for generation in Generation::ALL {
        assert_eq!(code((Add, generation), add("", &["t"])), 70402);
        assert_eq!(code((Get, generation), json!({"To_Account": [""]})), 70402);
    }
}

#[test]
fn replace_takes_a_hundred_tags_on_timpush_and_is_refused_elsewhere() {
    let tags: Vec<_> = (0..101).map(|n| format!("t{n}")).collect();
    let body = |replace: Value, tags: &[String]| json!({"Replace": replace, "UserTags": [{"To_Account": "a", "Tags": tags}]});
    for (replace, count, expected) in [
        (json!(1), 99, 0),
        (json!(1), 100, 0),
        (json!(1), 101, 90032),
        (json!(0), 10, 0),
        (json!(0), 11, 90032),
        (json!(2), 1, 90001),
        (json!(true), 1, 90001),
        (json!("1"), 1, 90001),
    ] {
        let body = body(replace, &tags[..count]);
        assert_eq!(code((Add, Timpush), &body), expected, "{count}");
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
    let route = Route::new(Add, AllMemberPush);
    let body = users(10).to_string();
    let job = read(route, body.as_bytes(), &Limits::DOCUMENTED).unwrap();
    assert_eq!(job.users.len(), 2);
    assert_eq!(job.users[0].tags.len(), 10);
    assert_eq!(code(route, users(11)), 90032);
    let twice = json!({"To_Account": ["a", "a"]});
    assert_eq!(code((Get, AllMemberPush), twice), 0);
}

#[test]
fn a_mistake_stays_with_its_user_and_names_its_place() {
    let body = json!({"UserTags": [
        {"To_Account": "a", "Tags": ["t"]},
        {"To_Account": "b", "Tags": ["t", "x".repeat(51)]},
        {"To_Account": "b", "Tags": ["t"]},
    ]});
    let route = Route::new(Add, Timpush);
    let job = read(route, body.to_string().as_bytes(), &Limits::DOCUMENTED).unwrap();
    assert_eq!(job.users[0].mistake, None);
    let mistake = job.users[1].mistake.as_ref().unwrap();
    assert_eq!(mistake.text, "UserTags[1].Tags[1] has 51 bytes, at most 50");
}
