//! The body of a request: from bytes to accounts with tags, read field by field from plain JSON values, without copies.
//! None of the client's types is used, so that a field which the client misspells is missing here.
//!
//! There are two kinds of mistakes. One in the shape of the body fails the request at once. One of a single user (a
//! tag too long, too many tags …) is kept with that user, because what it does to the others is decided elsewhere.
//! An account that stands in a request twice counts as one with the tags of both, also against the limit.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use imtag_core::{Generation, Limits, Operation};
use indexmap::IndexMap;

use crate::answer::Refusal;
use crate::disk::ACCOUNT_BYTES_AT_MOST;
use crate::json::{Fields, Items, Json, Value};
use crate::route::Route;

/// What a request asks for. Its texts are parts of the body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Job<'a> {
    /// The users in the order of the request, each account once.
    pub(crate) users: Vec<User<'a>>,
    /// The tags of all users, in one list.
    pub(crate) tags: Vec<Cow<'a, str>>,
    /// Whether the tags replace all that the users have.
    pub(crate) replace: bool,
}

/// An account of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct User<'a> {
    pub(crate) account: Cow<'a, str>,
    /// Where its tags are in the list of all; nowhere if it has a mistake, or where the route takes accounts alone.
    pub(crate) tags: Range<usize>,
    /// The first mistake of this user.
    pub(crate) mistake: Option<Refusal>,
}

/// Reads the body of a request on `route`.
pub(crate) fn read<'a>(route: Route, body: &'a [u8], limits: &Limits) -> Result<Job<'a>, Refusal> {
    let json = Json::read(body).map_err(not_json)?;
    let Value::Object(fields) = json.value() else {
        return Err(shape("the body is not an object"));
    };
    let reader = Reader { route, limits };
    match route.operation {
        Operation::Add | Operation::Remove => reader.users_with_tags(fields),
        Operation::Get | Operation::Clear => reader.accounts(fields),
    }
}

fn not_json(error: serde_json::Error) -> Refusal {
    Refusal::new(60003, format!("the body is not JSON: {error}"))
}

fn shape(text: impl Into<String>) -> Refusal {
    Refusal::new(90001, text)
}

/// The users so far, each account once.
type Users<'a> = IndexMap<Cow<'a, str>, User<'a>>;

/// Where an entry of a list stands in the body: `UserTags[7]`.
#[derive(Clone, Copy)]
struct Place(&'static str, usize);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.0, self.1)
    }
}

struct Reader<'l> {
    route: Route,
    limits: &'l Limits,
}

impl Reader<'_> {
    fn users_with_tags<'a>(&self, fields: Fields<'_, 'a>) -> Result<Job<'a>, Refusal> {
        let replace = self.replace(fields)?;
        let (items, count) = self.list(fields, "UserTags", "Replace")?;
        let mut users = Users::with_capacity(count);
        let mut all = Vec::with_capacity(count * self.limits.tags_per_user_and_request.min(10));
        for (index, item) in items.enumerate() {
            let place = Place("UserTags", index);
            let Value::Object(item) = item else {
                return Err(shape(format!("{place} is not an object")));
            };
            let account = match item.get("To_Account") {
                Some(value) => account(value, place)?,
                None => return Err(missing(format_args!("{place}.To_Account"), item, "")),
            };
            let user = user(&mut users, account);
            let start = all.len();
            all.extend_from_within(user.tags.clone());
            let new = all.len();
            add_tags(&mut all, item, place)?;
            if user.mistake.is_none() {
                let counted = all.len() - start;
                user.mistake = self
                    .account_mistake(&user.account, place)
                    .or_else(|| self.tags_mistake(&all[new..], counted, replace, place));
            }
            if user.mistake.is_some() {
                all.truncate(start);
            }
            user.tags = start..all.len();
        }
        Ok(Job {
            users: users.into_values().collect(),
            tags: all,
            replace,
        })
    }

    fn accounts<'a>(&self, fields: Fields<'_, 'a>) -> Result<Job<'a>, Refusal> {
        let (items, count) = self.list(fields, "To_Account", "")?;
        let mut users = Users::with_capacity(count);
        for (index, item) in items.enumerate() {
            let place = Place("To_Account", index);
            let user = user(&mut users, account(item, place)?);
            user.mistake = self.account_mistake(&user.account, place);
        }
        Ok(Job {
            users: users.into_values().collect(),
            tags: Vec::new(),
            replace: false,
        })
    }

    /// `Replace` is known to `timpush/add_tag` alone. Elsewhere it is refused rather than ignored: a caller that
    /// sends it would otherwise believe that the old tags are gone.
    fn replace(&self, fields: Fields<'_, '_>) -> Result<bool, Refusal> {
        let Some(value) = fields.get("Replace") else {
            return Ok(false);
        };
        if self.route != Route::new(Operation::Add, Generation::Timpush) {
            return Err(shape("Replace is for timpush/add_tag only"));
        }
        match value {
            Value::Count(0) => Ok(false),
            Value::Count(1) => Ok(true),
            _ => Err(shape("Replace is neither 0 nor 1")),
        }
    }

    /// The list of the users, and how many there are.
    fn list<'j, 'a>(
        &self,
        fields: Fields<'j, 'a>,
        name: &str,
        beside: &str,
    ) -> Result<(Items<'j, 'a>, usize), Refusal> {
        let items = list(fields, name, format_args!("{name}"), beside)?;
        let (given, most) = (items.count(), self.limits.users_per_request);
        if given > most {
            let text = format!("{name} has {given} accounts, at most {most}");
            return Err(Refusal::new(90018, text));
        }
        Ok((items, given))
    }

    fn account_mistake(&self, account: &str, place: Place) -> Option<Refusal> {
        if account.is_empty() {
            return Some(Refusal::new(
                70402,
                format!("{place}: the account is empty"),
            ));
        }
        // timpush takes RegistrationIDs too, whose length nobody states.
        let most = match self.route.generation {
            Generation::AllMemberPush => self.limits.account_bytes.min(ACCOUNT_BYTES_AT_MOST),
            Generation::Timpush => ACCOUNT_BYTES_AT_MOST,
        };
        let bytes = account.len();
        if bytes > most {
            let text = format!("{place}: the account has {bytes} bytes, at most {most}");
            return Some(Refusal::new(70402, text));
        }
        None
    }

    fn tags_mistake(
        &self,
        tags: &[Cow<'_, str>],
        counted: usize,
        replace: bool,
        place: Place,
    ) -> Option<Refusal> {
        let most = if replace {
            self.limits.tags_per_user
        } else {
            self.limits.tags_per_user_and_request
        };
        if counted > most {
            let text = format!("{place}: the user has {counted} tags, at most {most}");
            return Some(Refusal::new(90032, text));
        }
        tags.iter().enumerate().find_map(|(index, tag)| {
            let (bytes, most) = (tag.len(), self.limits.tag_bytes);
            if bytes == 0 {
                let text = format!("{place}.Tags[{index}] is empty");
                return Some(Refusal::new(90040, text));
            }
            (bytes > most).then(|| {
                let text = format!("{place}.Tags[{index}] has {bytes} bytes, at most {most}");
                Refusal::new(90020, text)
            })
        })
    }
}

/// The list `name` of an object; `place` is where it stands in the body, and `beside` a field that may be beside it.
fn list<'j, 'a>(
    fields: Fields<'j, 'a>,
    name: &str,
    place: fmt::Arguments<'_>,
    beside: &str,
) -> Result<Items<'j, 'a>, Refusal> {
    match fields.get(name) {
        Some(Value::List(items)) if items.is_empty() => Err(shape(format!("{place} is empty"))),
        Some(Value::List(items)) => Ok(items),
        Some(_) => Err(shape(format!("{place} is not a list"))),
        None => Err(missing(place, fields, beside)),
    }
}

/// Names some of the fields that are there, except `beside`, which is right: SDKs misspell `UserTags`, or send one of its
/// entries as the whole body.
fn missing(place: fmt::Arguments<'_>, others: Fields<'_, '_>, beside: &str) -> Refusal {
    const MOST: usize = 4;
    let short = |name: &str| format!("{:?}", name.chars().take(32).collect::<String>());
    let names = others.names().into_iter().filter(|name| *name != beside);
    let names: Vec<String> = names.take(MOST).map(short).collect();
    match names.as_slice() {
        [] => shape(format!("{place} is missing")),
        names => shape(format!("{place} is missing; there is {}", names.join(", "))),
    }
}

/// The user of this account, which may have been named before.
fn user<'u, 'a>(users: &'u mut Users<'a>, account: Cow<'a, str>) -> &'u mut User<'a> {
    let new = || User {
        account: account.clone(),
        tags: 0..0,
        mistake: None,
    };
    users.entry(account.clone()).or_insert_with(new)
}

fn account<'a>(value: Value<'_, 'a>, place: Place) -> Result<Cow<'a, str>, Refusal> {
    let Value::Text(account) = value else {
        let text = format!("{place}: the account is not a string");
        return Err(Refusal::new(60015, text));
    };
    Ok(account.clone())
}

/// Puts the tags of a user at the end of all.
fn add_tags<'a>(
    all: &mut Vec<Cow<'a, str>>,
    user: Fields<'_, 'a>,
    place: Place,
) -> Result<(), Refusal> {
    let items = list(user, "Tags", format_args!("{place}.Tags"), "To_Account")?;
    for (index, item) in items.enumerate() {
        let Value::Text(tag) = item else {
            return Err(shape(format!("{place}.Tags[{index}] is not a string")));
        };
        all.push(tag.clone());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use imtag_core::Generation::{AllMemberPush, Timpush};
    use imtag_core::Operation::{Add, Clear, Get, Remove};
    use serde_json::json;

    use super::*;

    fn job(
        route: impl Into<Route>,
        body: &(impl AsRef<[u8]> + ?Sized),
    ) -> Result<Job<'_>, Refusal> {
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

    /// Bodies that read or clear.
    const NAMING: &str = r#"
{} => 90001 To_Account is missing
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
}
