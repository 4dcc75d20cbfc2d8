//! Two hundred random sequences of calls under random faults. After each the emulator's state must be what the client
//! reported, user by user, effect by effect: what is *applied* is there, what is *not applied* is not, and only what
//! is *possibly applied* may be either.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use imtag_emulator::{Emulator, Fault, Window};
use imtag_transport::{
    AddTags, CallOptions, Cause, ClearTags, Client, Effect, Error, Generation, GetTags, Operation,
    Outcome, RemoveTags,
};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use support::*;

const SEQUENCES: u64 = 200;
const CALLS: usize = 12;
const USERS: [&str; 5] = ["u0", "u1", "u2", "用户3", "u4"];
const TAGS: [&str; 4] = ["a", "b", "北京", "😀"];

type Tags = BTreeSet<String>;

/// What a user's tags can be, by all that the client has reported.
struct Model(BTreeMap<&'static str, BTreeSet<Tags>>);

/// One call: its operation, accounts and tags.
struct Call {
    operation: Operation,
    users: Vec<(&'static str, Vec<&'static str>)>,
}

/// What happened in all sequences: a test in which nothing goes wrong would prove nothing.
#[derive(Default, Debug)]
struct Seen {
    done: usize,
    partial: usize,
    not_applied: usize,
    possibly_applied: usize,
    /// Users whose tags nobody could be sure of at the end of a sequence.
    uncertain: usize,
    retries: u32,
}

impl Seen {
    fn add(&mut self, other: &Seen) {
        self.done += other.done;
        self.partial += other.partial;
        self.not_applied += other.not_applied;
        self.possibly_applied += other.possibly_applied;
        self.uncertain += other.uncertain;
        self.retries += other.retries;
    }
}

impl Model {
    fn new() -> Model {
        Model(
            USERS
                .iter()
                .map(|user| (*user, BTreeSet::from([Tags::new()])))
                .collect(),
        )
    }

    fn report(&mut self, call: &Call, user: &str, effect: Effect) {
        let Some((name, tags)) = call.users.iter().find(|(name, _)| *name == user) else {
            panic!("{user} was not asked for");
        };
        let can_be = self.0.get_mut(name).unwrap();
        let after = can_be
            .iter()
            .map(|before| applied(call.operation, before, tags));
        let after: BTreeSet<Tags> = after.collect();
        match effect {
            Effect::NotApplied | Effect::NotRead => {}
            Effect::PossiblyApplied => can_be.extend(after),
            Effect::Applied => *can_be = after,
        }
    }
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
    let fault = match rng.random_range(0..10) {
        0 => Fault::cut_before(),
        1 => Fault::cut_after(),
        2 => Fault::status(502),
        3 => Fault::status(429),
        4 => Fault::garbage(),
        5 => Fault::truncated(),
        6 => Fault::delay(Duration::from_millis(150)),
        7 => {
            let (user, _) = call.users[rng.random_range(0..call.users.len())];
            return Fault::leave_out([user], 70107);
        }
        _ => {
            let code = CODES[rng.random_range(0..CODES.len())];
            let fault = Fault::code(code);
            if imtag_transport::Code(code).effect() == Effect::NotApplied {
                // decided before any user is looked at: never after the effect
                return fault;
            }
            fault
        }
    };
    if rng.random_bool(0.5) {
        fault.after_effect()
    } else {
        fault
    }
}

fn run(client: &Client, call: &Call, options: &CallOptions) -> Result<Outcome, Error> {
    let rules = client.rules();
    let users = call
        .users
        .iter()
        .map(|(user, tags)| (*user, tags.iter().copied()));
    let accounts = call.users.iter().map(|(user, _)| *user);
    match call.operation {
        Operation::Add => client.add_tag_with(&AddTags::with_rules(rules, users).unwrap(), options),
        Operation::Remove => {
            client.remove_tag_with(&RemoveTags::with_rules(rules, users).unwrap(), options)
        }
        Operation::Get => {
            client.get_tag_with(&GetTags::with_rules(rules, accounts).unwrap(), options)
        }
        Operation::Clear => {
            client.clear_tags_with(&ClearTags::with_rules(rules, accounts).unwrap(), options)
        }
    }
}

fn note(model: &mut Model, call: &Call, result: &Result<Outcome, Error>, seen: &mut Seen) {
    let all = |model: &mut Model, effect| {
        for (user, _) in &call.users {
            model.report(call, user, effect);
        }
    };
    match result {
        Ok(outcome) => {
            seen.done += 1;
            seen.retries += outcome.attempts - 1;
            assert_eq!(
                outcome.accounts + outcome.unanswered.len(),
                call.users.len()
            );
            all(model, Effect::Applied);
        }
        Err(error) => match error.cause() {
            Cause::Partial(partial) => {
                seen.partial += 1;
                assert_eq!(
                    partial.outcome.accounts + error.failures().len(),
                    call.users.len()
                );
                for (user, _) in &call.users {
                    let failure = error
                        .failures()
                        .iter()
                        .find(|failure| failure.account == *user);
                    let effect = failure.map_or(Effect::Applied, |failure| failure.effect);
                    model.report(call, user, effect);
                }
            }
            _ => {
                match error.effect() {
                    Effect::PossiblyApplied => seen.possibly_applied += 1,
                    _ => seen.not_applied += 1,
                }
                all(model, error.effect());
            }
        },
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
    let mut model = Model::new();
    for number in 0..CALLS {
        let call = any_call(&mut rng);
        for _ in 0..rng.random_range(0..4) {
            emulator.fault(call.operation, any_fault(&mut rng, &call));
        }
        let result = run(&client, &call, &options);
        // an effect that is still to come would reorder with the next call's: that is for bulk runs to prevent
        assert!(emulator.settle(Duration::from_secs(10)));
        note(&mut model, &call, &result, seen);
        for (user, can_be) in &model.0 {
            let is = emulator.user(user);
            assert!(
                can_be.contains(&is),
                "seed {seed}, call {number} ({}): {user} has {is:?}, reported {can_be:?}\n{result:?}",
                call.operation
            );
        }
    }
    seen.uncertain += model.0.values().filter(|can_be| can_be.len() > 1).count();
}

#[test]
fn after_any_faults_the_state_is_what_the_client_reported() {
    // most of a sequence is waiting, so many run side by side, each with an emulator of its own
    let next = AtomicU64::new(0);
    let seen = Mutex::new(Seen::default());
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let mut mine = Seen::default();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= SEQUENCES {
                        break;
                    }
                    sequence(seed, &mut mine);
                }
                seen.lock().unwrap().add(&mine);
            });
        }
    });
    let seen = seen.into_inner().unwrap();
    println!("{seen:?}");
    assert!(
        seen.done > 100 && seen.partial > 100 && seen.retries > 100,
        "{seen:?}"
    );
    assert!(
        seen.not_applied > 20 && seen.possibly_applied > 50 && seen.uncertain > 20,
        "{seen:?}"
    );
}
