//! Who is changed and who is named, in both generations and under both readings of a FAIL.

use imtag_core::Generation::{AllMemberPush, Timpush};
use imtag_core::Operation::{Add, Clear, Get, Remove};

use super::*;

fn user(account: &str, tags: impl IntoIterator<Item = impl Into<String>>) -> User {
    User {
        account: account.to_owned(),
        tags: tags.into_iter().map(Into::into).collect(),
        mistake: None,
    }
}

fn job<const N: usize>(users: [User; N]) -> Job {
    Job {
        users: users.into(),
        replace: false,
    }
}

fn numbered(from: usize, to: usize) -> impl Iterator<Item = String> {
    (from..to).map(|n| format!("t{n}"))
}

fn run(
    store: &mut Store,
    rules: &Rules,
    route: impl Into<Route>,
    job: Job,
) -> Result<Applied, Refusal> {
    apply(store, rules, route.into(), job, &LeftOut::default())
}

/// The codes of the accounts that failed.
fn failed(result: &Result<Applied, Refusal>) -> Vec<(&str, i32)> {
    let failed = &result.as_ref().unwrap().failed;
    failed
        .iter()
        .map(|(account, refusal)| (&**account, refusal.code))
        .collect()
}

fn count(store: &Store, account: &str) -> usize {
    store.tags(account).map_or(0, BTreeSet::len)
}

#[test]
fn the_hundredth_tag_passes_and_the_next_fails_that_account_alone_on_timpush() {
    let (mut store, rules) = (Store::default(), Rules::default());
    store.add("full", numbered(0, 99).collect());
    let hundredth = job([user("full", ["t99"])]);
    assert!(failed(&run(&mut store, &rules, (Add, Timpush), hundredth)).is_empty());
    let next = job([user("full", ["t5", "t100"]), user("other", ["t"])]);
    let result = run(&mut store, &rules, (Add, Timpush), next);
    assert_eq!(failed(&result), [("full", 90033)]);
    assert_eq!((count(&store, "full"), count(&store, "other")), (100, 1));
    let known = job([user("full", ["t5"])]);
    assert!(failed(&run(&mut store, &rules, (Add, Timpush), known)).is_empty());
}

#[test]
fn the_next_tag_fails_the_whole_request_on_the_older_routes() {
    let (mut store, rules) = (Store::default(), Rules::default());
    store.add("full", numbered(0, 100).collect());
    let users = || job([user("other", ["t"]), user("full", ["t100"])]);
    let refusal = run(&mut store, &rules, (Add, AllMemberPush), users()).unwrap_err();
    assert_eq!(refusal.code, 90033);
    assert_eq!((count(&store, "full"), count(&store, "other")), (100, 0));

    let rules = Rules {
        fail_changes_some: true,
        ..Rules::default()
    };
    let refusal = run(&mut store, &rules, (Add, AllMemberPush), users()).unwrap_err();
    assert_eq!(refusal.code, 90033);
    assert_eq!((count(&store, "full"), count(&store, "other")), (100, 1));
}

#[test]
fn a_mistake_in_one_entry_fails_the_request_as_a_whole() {
    let mistaken = || {
        let mut bad = user("bad", ["t"]);
        bad.mistake = Some(Refusal::new(90020, "too long"));
        job([user("good", ["t"]), bad])
    };
    let (mut store, mut rules) = (Store::default(), Rules::default());
    for generation in Generation::ALL {
        let refusal = run(&mut store, &rules, (Add, generation), mistaken()).unwrap_err();
        assert_eq!(refusal.code, 90020);
        assert!(store.users().is_empty());
    }
    rules.fail_changes_some = true;
    run(&mut store, &rules, (Add, Timpush), mistaken()).unwrap_err();
    assert!(store.users().is_empty());
    run(&mut store, &rules, (Add, AllMemberPush), mistaken()).unwrap_err();
    assert_eq!((count(&store, "good"), count(&store, "bad")), (1, 0));
}

#[test]
fn an_account_that_was_never_imported_fails_every_operation() {
    let mut store = Store::default();
    let rules = Rules {
        unknown_accounts: HashSet::from(["stranger".to_owned()]),
        ..Rules::default()
    };
    let users = || job([user("known", ["t"]), user("stranger", ["t"])]);
    for operation in [Add, Get, Remove, Clear] {
        let result = run(&mut store, &rules, (operation, Timpush), users());
        assert_eq!(failed(&result), [("stranger", 70107)]);
        let result = run(&mut store, &rules, (operation, AllMemberPush), users());
        assert_eq!(result.unwrap_err().code, 70107);
    }
}

#[test]
fn the_thousandth_distinct_tag_of_the_app_passes_and_the_next_fails_on_timpush() {
    let (mut store, rules) = (Store::default(), Rules::default());
    for hundred in 0..10 {
        let tags = numbered(hundred * 100, hundred * 100 + 100);
        store.add(&format!("user{hundred}"), tags.collect());
    }
    store.remove("user0", &["t0".to_owned()]);
    let thousandth = job([user("new", ["t0"])]);
    assert!(failed(&run(&mut store, &rules, (Add, Timpush), thousandth)).is_empty());
    let next = || job([user("next", ["t1000"]), user("new", ["t5"])]);
    let result = run(&mut store, &rules, (Add, Timpush), next());
    assert_eq!(failed(&result), [("next", 90033)]);
    assert_eq!(count(&store, "new"), 2);
    run(&mut store, &rules, (Add, AllMemberPush), next()).unwrap();
    assert_eq!(store.app_tags(), 1_001);
    let known = job([user("next", ["t1000", "t7"])]);
    assert!(failed(&run(&mut store, &rules, (Add, Timpush), known)).is_empty());
}

#[test]
fn replacing_leaves_the_new_tags_alone() {
    let (mut store, rules) = (Store::default(), Rules::default());
    store.add("a", numbered(0, 100).collect());
    let mut replacing = job([user("a", numbered(50, 150))]);
    replacing.replace = true;
    assert!(failed(&run(&mut store, &rules, (Add, Timpush), replacing)).is_empty());
    let expected: BTreeSet<_> = numbered(50, 150).collect();
    assert_eq!(store.tags("a"), Some(&expected));
}

#[test]
fn each_operation_does_its_job_and_get_reads_in_the_order_of_the_request() {
    let (mut store, rules) = (Store::default(), Rules::default());
    let none = || Vec::<String>::new();
    for generation in Generation::ALL {
        let users = job([user("a", ["x", "y"]), user("b", ["x"])]);
        run(&mut store, &rules, (Add, generation), users).unwrap();
        let users = job([user("a", ["x", "unknown"])]);
        run(&mut store, &rules, (Remove, generation), users).unwrap();
        let users = job([user("c", none()), user("b", none()), user("a", none())]);
        let read = run(&mut store, &rules, (Get, generation), users).unwrap();
        let set = |tags: &[&str]| tags.iter().map(|&tag| tag.to_owned()).collect();
        assert_eq!(
            read.read,
            [
                ("c".to_owned(), set(&[])),
                ("b".to_owned(), set(&["x"])),
                ("a".to_owned(), set(&["y"]))
            ]
        );
        let users = job([user("a", none()), user("b", none())]);
        run(&mut store, &rules, (Clear, generation), users).unwrap();
        assert!(store.users().is_empty());
    }
}

#[test]
fn an_account_that_a_fault_leaves_out_is_unchanged_and_named_on_every_route() {
    let rules = Rules::default();
    let left_out = LeftOut {
        accounts: BTreeSet::from(["out".to_owned(), "not in the request".to_owned()]),
        refusal: Some(Refusal::plain(91000)),
    };
    for generation in Generation::ALL {
        let mut store = Store::default();
        let users = job([user("in", ["t"]), user("out", ["t"])]);
        let route = Route::new(Add, generation);
        let result = apply(&mut store, &rules, route, users, &left_out);
        assert_eq!(failed(&result), [("out", 91000)]);
        assert_eq!((count(&store, "in"), count(&store, "out")), (1, 0));
    }
}
