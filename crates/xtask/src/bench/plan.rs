//! `cargo xtask bench plan`: a change in core alone, from the caller's texts to its outcome, against what a client without
//! a plan does with the same texts: cut them into hundreds and write each as JSON.

use std::hint::black_box;
use std::time::{Duration, Instant};

use imtag_core::plan::{BatchPolicy, BatchResult, Plan};
use imtag_core::{ChangeRequest, Effect, Operation, Rules};

use super::options::Options;
use super::report::{Contender, Report, Table, micros_each};
use crate::Error;

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

pub(super) fn run(options: &Options) -> Result<Report, Error> {
    let changes = options.amount as usize;
    let mut report = options.report();
    for (title, users) in &[
        ("one tag a user", users(changes, 1, 1)),
        ("ten tags a user", users(changes, 10, 1)),
        ("two changes of each user", users(changes, 1, 2)),
    ] {
        let contender = |name: &str, over, work: fn(&[User]) -> usize| Contender {
            name: name.to_owned(),
            over,
            measure: Box::new(move || {
                let began = Instant::now();
                assert_eq!(black_box(work(users)), changes);
                Ok(vec![1e3 * micros_each(began.elapsed(), options.amount)])
            }),
        };
        let mut table = Table::new(title, &[("a change", "ns")]);
        let contenders = &mut [
            contender("plan", vec!["JSON"], planned),
            contender("JSON", vec![], as_json),
        ];
        table.in_turn(options.rounds, 0, contenders)?;
        report.tables.push(table);
    }
    Ok(report)
}

/// Changes with so many tags, so many of each user, one after the other.
fn users(changes: usize, tags: usize, times: usize) -> Vec<User> {
    let users = (0..changes).map(|at| User {
        account: format!("user{:08}", at / times),
        tags: (at..at + tags)
            .map(|tag| format!("tag{:03}-of-20-bytes.", tag % 100))
            .collect(),
    });
    users.collect()
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
