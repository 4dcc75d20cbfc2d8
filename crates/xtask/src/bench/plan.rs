//! `cargo xtask bench plan`: a change in core alone, from the caller's texts to its outcome, against what a client without
//! a plan does with the same texts: cut them into hundreds and write each as JSON.

use std::hint::black_box;
use std::time::{Duration, Instant};

use imtag_core::plan::{BatchPolicy, BatchResult, Plan};
use imtag_core::{ChangeRequest, Effect, Operation, Rules};

use super::median;
use crate::Error;

const CHANGES: usize = 200_000;
const ROUNDS: usize = 7;
const POLICY: BatchPolicy = BatchPolicy {
    linger: Duration::MAX,
    late_window: Duration::from_secs(5),
    capacity: 20_000,
    requests_at_once: usize::MAX,
    full_slot_is_enough: false,
    remember_rejected: true,
    probe_first: false,
};

struct User {
    account: String,
    tags: Vec<String>,
}

pub(super) fn run(mut arguments: lexopt::Parser) -> Result<(), Error> {
    if let Some(argument) = arguments.next()? {
        return Err(argument.unexpected().into());
    }
    let loads = [
        ("one tag a user", users(1, 1)),
        ("ten tags a user", users(10, 1)),
        ("two changes of each user", users(1, 2)),
    ];
    println!("nanoseconds a change, the median of {ROUNDS} rounds in turn");
    println!("{:<26} {:>8} {:>8} {:>7}", "", "plan", "JSON", "ratio");
    for (what, users) in &loads {
        let rounds: Vec<[f64; 2]> = (0..ROUNDS)
            .map(|_| [each(users, planned), each(users, as_json)])
            .collect();
        let [plan, json] = [0, 1].map(|at| median(rounds.iter().map(|it| it[at])));
        let ratio = median(rounds.iter().map(|[plan, json]| plan / json));
        println!("{what:<26} {plan:>8.0} {json:>8.0} {ratio:>7.2}");
    }
    Ok(())
}

/// Users with so many tags, each of them so often, one after the other.
fn users(tags: usize, times: usize) -> Vec<User> {
    let users = (0..CHANGES).map(|at| User {
        account: format!("user{:08}", at / times),
        tags: (at..at + tags)
            .map(|tag| format!("tag{:03}-of-20-bytes.", tag % 100))
            .collect(),
    });
    users.collect()
}

fn each(users: &[User], work: fn(&[User]) -> usize) -> f64 {
    let began = Instant::now();
    assert_eq!(black_box(work(users)), CHANGES);
    #[allow(clippy::cast_precision_loss)] // 200,000
    let changes = CHANGES as f64;
    began.elapsed().as_secs_f64() * 1e9 / changes
}

/// A run at full capacity whose requests are all done, one after the other. How many outcomes there were.
fn planned(users: &[User]) -> usize {
    let rules = Rules::default();
    let mut plan: Plan<usize, Effect> = Plan::new(rules);
    let producer = plan.open(POLICY);
    let now = Duration::from_secs(1_000);
    let (mut coming, mut outcomes) = (users.iter().enumerate(), 0);
    loop {
        while plan.has_capacity(producer, Operation::Add) {
            let Some((at, User { account, tags })) = coming.next() else {
                plan.set_flushing(producer);
                break;
            };
            let change = ChangeRequest::add(account, tags).check(&rules);
            let change = change.expect("the texts are within the limits");
            plan.push(producer, change, at, Duration::MAX, now);
        }
        let Some(batch) = plan.take(producer, now) else {
            return outcomes;
        };
        plan.admitted(producer, batch.operation());
        let done = BatchResult::Done {
            left_out: Vec::new(),
            read: Vec::new(),
        };
        plan.settle(batch, done, false, now);
        outcomes += plan.take_settled(producer).len();
    }
}

/// What people write first. How many users were written.
fn as_json(users: &[User]) -> usize {
    let bodies = users.chunks(100).map(|users| {
        let users = users.iter().map(
            |User { account, tags }| serde_json::json!({"To_Account": account, "TagList": tags}),
        );
        let users: Vec<_> = users.collect();
        let written = users.len();
        black_box(serde_json::json!({"UserTags": users}).to_string());
        written
    });
    bodies.sum()
}
