//! Two hundred random sequences of calls under random faults. After each the emulator's state must be what the client
//! reported, user by user, effect by effect: what is *applied* is there, what is *not applied* is not, and only what
//! is *possibly applied* may be either.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use imtag_emulator::{Emulator, Fault, Window};
use imtag_transport::{
    AddTags, CallOptions, Cause, ClearTags, Client, Effect, Error, Generation, GetTags, Operation,
    Outcome, RemoveTags,
};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use support::random::{self, Seen, USERS, seeds};
use support::*;

const SEQUENCES: u64 = 200;
const CALLS: usize = 12;
const TAGS: [&str; 4] = ["a", "b", "北京", "😀"];

type Tags = BTreeSet<String>;

/// What a user's tags can be, by all that the client has reported.
type Model = BTreeMap<&'static str, BTreeSet<Tags>>;

/// One call: its operation, accounts and tags.
struct Call {
    operation: Operation,
    users: Vec<(&'static str, Vec<&'static str>)>,
}

fn applied(operation: Operation, before: &Tags, tags: &[&str]) -> Tags {
    let tags: Tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    match operation {
        Operation::Add => before | &tags,
        Operation::Remove => before - &tags,
        Operation::Clear => Tags::new(),
        Operation::Get => before.clone(),
    }
}

fn any_call(rng: &mut ChaCha8Rng) -> Call {
    let operation = Operation::ALL[rng.random_range(0..4)];
    let mut users = Vec::new();
    for user in USERS {
        if rng.random_bool(0.5) {
            let mut tags = TAGS.to_vec();
            tags.retain(|_| rng.random_bool(0.5));
            if tags.is_empty() {
                tags.push("a");
            }
            users.push((user, tags));
        }
    }
    if users.is_empty() {
        users.push(("u0", vec!["a"]));
    }
    Call { operation, users }
}

/// Codes of every retry class, of both effects, and one that nobody knows.
const CODES: [i32; 10] = [
    91000, 60008, 70500, 70001, 60004, 70107, 90001, 12345, 60007, 90045,
];

fn any_fault(rng: &mut ChaCha8Rng, call: &Call) -> Fault {
    let accounts: Vec<&str> = call.users.iter().map(|(user, _)| *user).collect();
    random::any_fault(rng, &accounts, &CODES, Duration::from_millis(150))
}

fn run(client: &Client, call: &Call, options: &CallOptions) -> Result<Outcome, Error> {
    let rules = client.rules();
    let users = call
        .users
        .iter()
        .map(|(user, tags)| (*user, tags.iter().copied()));
    let accounts = call.users.iter().map(|(user, _)| *user);
    match call.operation {
        Operation::Add => client.call(&AddTags::with_rules(rules, users).unwrap(), options),
        Operation::Remove => client.call(&RemoveTags::with_rules(rules, users).unwrap(), options),
        Operation::Get => client.call(&GetTags::with_rules(rules, accounts).unwrap(), options),
        Operation::Clear => client.call(&ClearTags::with_rules(rules, accounts).unwrap(), options),
    }
}

fn effect_on(user: &str, result: &Result<Outcome, Error>) -> Effect {
    let Err(error) = result else {
        return Effect::Applied;
    };
    match error.cause() {
        Cause::Partial { failures, .. } if failures.iter().all(|it| it.0 != user) => {
            Effect::Applied
        }
        _ => error.effect(),
    }
}

fn note(model: &mut Model, call: &Call, result: &Result<Outcome, Error>, seen: &mut Seen) {
    match result
        .as_ref()
        .map_err(|error| (error.cause(), error.effect()))
    {
        Ok(outcome) => {
            seen.add("done", 1);
            seen.add("retries", outcome.attempts as usize - 1);
            let accounts = outcome.accounts + outcome.unanswered.len();
            assert_eq!(accounts, call.users.len());
        }
        Err((Cause::Partial { outcome, failures }, _)) => {
            seen.add("partial", 1);
            assert_eq!(outcome.accounts + failures.len(), call.users.len());
        }
        Err((_, Effect::PossiblyApplied)) => seen.add("possibly applied", 1),
        Err(_) => seen.add("not applied", 1),
    }
    for (user, tags) in &call.users {
        let can_be = model.get_mut(user).unwrap();
        let after = can_be.iter();
        let after = after.map(|before| applied(call.operation, before, tags));
        let after: BTreeSet<Tags> = after.collect();
        match effect_on(user, result) {
            Effect::NotApplied | Effect::NotRead => {}
            Effect::PossiblyApplied => can_be.extend(after),
            Effect::Applied => *can_be = after,
        }
    }
}

fn sequence(seed: u64, seen: &mut Seen) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let generation = Generation::ALL[rng.random_range(0..2)];
    let window = if rng.random_bool(0.5) {
        Window::Calendar
    } else {
        Window::Sliding
    };
    let emulator: Emulator = Emulator::builder()
        .secret_key(key())
        .calls_per_second(1_000)
        .window(window)
        .fail_changes_some(rng.random_bool(0.5))
        .start()
        .unwrap();
    let client = builder(&emulator.endpoint())
        .generation(generation)
        .build()
        .unwrap();
    let options = CallOptions::new()
        .timeout(Duration::from_millis(1_500))
        .attempt_timeout(Duration::from_millis(60));
    let nothing = BTreeSet::from([Tags::new()]);
    let mut model: Model = USERS.map(|user| (user, nothing.clone())).into();
    for number in 0..CALLS {
        let call = any_call(&mut rng);
        for _ in 0..rng.random_range(0..4) {
            emulator.fault(call.operation, any_fault(&mut rng, &call));
        }
        let result = run(&client, &call, &options);
        // an effect that is still to come would reorder with the next call's: that is for bulk runs to prevent
        assert!(emulator.settle(Duration::from_secs(10)));
        note(&mut model, &call, &result, seen);
        for (user, can_be) in &model {
            let is = emulator.user(user);
            assert!(
                can_be.contains(&is),
                "seed {seed}, call {number} ({}): {user} has {is:?}, reported {can_be:?}\n{result:?}",
                call.operation
            );
        }
    }
    // users whose tags nobody can be sure of
    let uncertain = model.values().filter(|can_be| can_be.len() > 1);
    seen.add("uncertain", uncertain.count());
}

#[test]
fn after_any_faults_the_state_is_what_the_client_reported() {
    seeds(SEQUENCES, 16, sequence).assert_more_than(&[
        ("done", 100),
        ("partial", 100),
        ("retries", 100),
        ("not applied", 20),
        ("possibly applied", 50),
        ("uncertain", 20),
    ]);
}
