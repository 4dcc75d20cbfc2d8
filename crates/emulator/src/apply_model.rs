//! Random requests, with few accounts and few tags, so that numbers of tags are freed and used again: what they do and
//! are answered is what they do to sets of texts.

use std::collections::BTreeMap;

use imtag_core::Generation::{AllMemberPush, Timpush};
use imtag_core::Operation::{Add, Clear, Get, Remove};

use crate::rng::Draw;

use super::*;

type Plain = BTreeMap<String, BTreeSet<String>>;

const UNKNOWN: &str = "unknown";
const TAGS_PER_USER: usize = 4;
const TAGS_PER_APP: usize = 9;

/// A user of a request.
struct Asked {
    account: String,
    tags: Vec<String>,
    mistake: Option<Refusal>,
}

fn asked(draw: &mut Draw, with_tags: bool) -> Vec<Asked> {
    let mut asked: Vec<Asked> = Vec::new();
    for _ in 0..=draw.below(5) {
        let account = match draw.below(12) {
            0 => UNKNOWN.to_owned(),
            number => format!("user{number}"),
        };
        if asked.iter().any(|user| user.account == account) {
            continue; // a body has merged them
        }
        let mistake = (draw.below(30) == 0).then(|| Refusal::new(90020, "too long"));
        let tags = if with_tags && mistake.is_none() {
            1 + draw.below(5)
        } else {
            0
        };
        let tags = (0..tags).map(|_| format!("tag{}", draw.below(14)));
        asked.push(Asked {
            account,
            tags: tags.collect(),
            mistake,
        });
    }
    asked
}

fn distinct(users: &Plain) -> usize {
    users.values().flatten().collect::<BTreeSet<_>>().len()
}

/// Why a user cannot be changed.
fn refusal(users: &Plain, route: Route, replace: bool, user: &Asked) -> Option<Refusal> {
    if user.account == UNKNOWN {
        return Some(Refusal::new(70107, "the account was never imported"));
    }
    if route.operation != Add {
        return None;
    }
    let mut then = users.clone();
    carry_out(&mut then, route.operation, replace, user);
    let after = then.get(&user.account).map_or(0, BTreeSet::len);
    if !replace && after > TAGS_PER_USER {
        let text = format!("the user would have {after} tags, at most 4");
        return Some(Refusal::new(90033, text));
    }
    let after = distinct(&then);
    (route.generation == Timpush && after > TAGS_PER_APP && after > distinct(users)).then(|| {
        let text = format!("the app would have {after} tags, at most 9");
        Refusal::new(90033, text)
    })
}

fn carry_out(users: &mut Plain, operation: Operation, replace: bool, user: &Asked) {
    let tags = users.entry(user.account.clone()).or_default();
    match operation {
        Get => {}
        Add => {
            if replace {
                tags.clear();
            }
            tags.extend(user.tags.iter().cloned());
        }
        Remove => tags.retain(|tag| !user.tags.contains(tag)),
        Clear => tags.clear(),
    }
    users.retain(|_, tags| !tags.is_empty());
}

/// Does a request to sets of texts, and notes the accounts that it changes.
fn plain(
    users: &mut Plain,
    changed: &mut Vec<String>,
    rules: &Rules,
    route: Route,
    replace: bool,
    asked: &[Asked],
    left_out: Option<&LeftOut<'_>>,
) -> Result<Answer, Refusal> {
    let partial = route.generation == Timpush;
    let (out, asked): (Vec<_>, Vec<_>) = asked
        .iter()
        .partition(|user| left_out.is_some_and(|out| out.0.contains(&user.account)));
    let mistake = asked.iter().find_map(|user| user.mistake.clone());
    let refused = asked
        .iter()
        .find_map(|user| refusal(users, route, replace, user));
    if partial || !rules.fail_changes_some {
        mistake.map_or(Ok(()), Err)?;
    }
    if !partial && !rules.fail_changes_some {
        refused.map_or(Ok(()), Err)?;
    }
    let mut answer = Answer::ok(route.operation == Get);
    for (user, cause) in out.into_iter().zip(left_out.into_iter().cycle()) {
        let failed = Failed::new(user.account.clone(), cause.1.clone());
        answer.error_list.push(failed);
    }
    let mut first = None;
    for user in asked {
        let mistake = user.mistake.clone();
        match mistake.or_else(|| refusal(users, route, replace, user)) {
            Some(refusal) if partial => {
                let failed = Failed::new(user.account.clone(), refusal);
                answer.error_list.push(failed);
            }
            Some(refusal) => first = first.or(Some(refusal)),
            None => {
                carry_out(users, route.operation, replace, user);
                match &mut answer.user_tags {
                    None => changed.push(user.account.clone()),
                    Some(answered) => answered.push(UserTags {
                        account: user.account.clone(),
                        tags: users.get(&user.account).map_or(Vec::new(), |tags| {
                            tags.iter().map(|tag| (&**tag).into()).collect()
                        }),
                    }),
                }
            }
        }
    }
    first.map_or(Ok(answer), Err)
}

#[test]
fn requests_do_what_they_do_to_sets_of_texts() {
    let mut draw = Draw(15);
    let out = ["user1", "user2", UNKNOWN].map(str::to_owned).into();
    let mut refusals = 0;
    for seed in 0..20 {
        let mut rules = Rules::default();
        rules.limits.tags_per_user = TAGS_PER_USER;
        rules.limits.tags_per_app = TAGS_PER_APP;
        rules.unknown_accounts.insert(UNKNOWN.to_owned());
        rules.fail_changes_some = seed % 2 == 1;
        let (mut store, mut users) = (Store::default(), Plain::new());
        for step in 0..500 {
            let operation = [Add, Add, Remove, Clear, Get][draw.below(5)];
            let generation = [AllMemberPush, Timpush][draw.below(2)];
            let route = Route::new(operation, generation);
            let replace = operation == Add && generation == Timpush && draw.below(3) == 0;
            let asked = asked(&mut draw, matches!(operation, Add | Remove));
            let left_out = (draw.below(10) == 0).then(|| (&out, Refusal::new(90009, "a fault")));
            let mut job = Job {
                users: Vec::new(),
                tags: Vec::new(),
                replace,
            };
            for user in &asked {
                let start = job.tags.len();
                job.tags.extend(user.tags.iter().map(Cow::from));
                job.users.push(User {
                    account: (&user.account).into(),
                    tags: start..job.tags.len(),
                    mistake: user.mistake.clone(),
                });
            }
            store.unsaved = Some(Vec::new());
            let before = store.changed;
            let mut applied = apply(&mut store, &rules, route, job, left_out.clone());
            store.sweep();
            for user in applied
                .iter_mut()
                .flat_map(|it| &mut it.user_tags)
                .flatten()
            {
                user.tags.sort_unstable();
            }
            let mut changed = Vec::new();
            let expected = plain(
                &mut users,
                &mut changed,
                &rules,
                route,
                replace,
                &asked,
                left_out.as_ref(),
            );
            let place = format!("seed {seed}, step {step}, {route:?}");
            refusals += usize::from(expected.is_err());
            assert_eq!(applied, expected, "{place}");
            assert_eq!(store.changed - before, changed.len() as u64, "{place}");
            assert_eq!(store.unsaved, Some(changed), "{place}");
            let is: Plain = store
                .users_after(None)
                .map(|(account, tags)| (account.to_owned(), tags.map(str::to_owned).collect()))
                .collect();
            assert_eq!(is, users, "{place}");
            assert_eq!(
                (store.users(), store.app_tags()),
                (users.len(), distinct(&users)),
                "{place}"
            );
            store.assert_counts();
        }
    }
    assert!((500..5_000).contains(&refusals), "{refusals}");
}
