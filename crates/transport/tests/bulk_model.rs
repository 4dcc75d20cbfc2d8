//! Random changes by two bulk runs and two batchers of one client, of the same few users, under random faults of every
//! kind. Whatever the outcomes are, the service's final state must be one that they allow, tag by tag, where each user's
//! changes count in the order in which they were given: what is done is done, what is *not applied* is not, only what is
//! *possibly applied* may be either, and nothing that arrives late undoes what came after it.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use imtag_emulator::{Emulator, Fault, ProbabilisticFault};
use imtag_transport::{
    Batcher, Bulk, CallOptions, ChangeError, ChangeOperation, ChangeRequest, Client, Code,
    Completion, Effect, Generation, Operation,
};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use support::*;

const SEEDS: u64 = 120;
const CHANGES: u64 = 60;
const USERS: [&str; 5] = ["u0", "u1", "u2", "用户3", "u4"];
const TAGS: usize = 24;

/// An effect comes this late at most, and the late window is so much longer that a busy machine does not matter.
const LATE: Duration = Duration::from_millis(60);
const LATE_WINDOW: Duration = Duration::from_millis(600);
const ATTEMPT: Duration = Duration::from_millis(40);

/// Codes of every retry class and both effects, one that nobody knows, and one (the last) that ends a run.
const CODES: [i32; 8] = [91000, 60008, 70500, 70107, 90001, 12345, 60007, 90045];

/// What can be of each tag of each user: whether it may be there, and whether it may not.
#[derive(Default)]
struct Model(BTreeMap<(String, String), [bool; 2]>);

/// What came of all changes: a test in which nothing goes wrong would prove nothing.
#[derive(Default, Debug)]
struct Seen {
    done: usize,
    in_part: usize,
    not_applied: usize,
    possibly_applied: usize,
    uncertain: usize,
    late: usize,
    ended_early: usize,
}

impl Model {
    fn may_be(&mut self, account: &str, tag: &str, there: bool, effect: Effect) {
        let key = (account.to_owned(), tag.to_owned());
        let can = self.0.entry(key).or_insert([true, false]);
        match effect {
            Effect::NotApplied | Effect::NotRead => {}
            Effect::PossiblyApplied => can[usize::from(there)] = true,
            Effect::Applied => *can = [!there, there],
        }
    }

    fn note(&mut self, change: &ChangeRequest, result: &Result<(), ChangeError>) {
        let there = change.operation() == ChangeOperation::Add;
        let all: Vec<String> = (0..TAGS).map(tag).collect();
        let tags = match change.operation() {
            ChangeOperation::Clear => &all,
            _ => change.tags(),
        };
        for tag in tags {
            let effect = match result {
                Err(error) if change.tags().is_empty() || error.undone().contains(tag) => {
                    error.effect()
                }
                _ => Effect::Applied,
            };
            self.may_be(change.account(), tag, there, effect);
        }
    }
}

impl Seen {
    fn note(&mut self, change: &ChangeRequest, result: &Result<(), ChangeError>) {
        match result {
            Ok(()) => self.done += 1,
            Err(error) => {
                self.in_part += usize::from(error.undone().len() < change.tags().len());
                match error.effect() {
                    Effect::NotApplied => self.not_applied += 1,
                    _ => self.possibly_applied += 1,
                }
            }
        }
    }

    fn add(&mut self, other: &Seen) {
        self.done += other.done;
        self.in_part += other.in_part;
        self.not_applied += other.not_applied;
        self.possibly_applied += other.possibly_applied;
        self.uncertain += other.uncertain;
        self.late += other.late;
        self.ended_early += other.ended_early;
    }
}

fn tag(number: usize) -> String {
    format!("t{number}")
}

fn any_of<T: Copy>(rng: &mut ChaCha8Rng, values: &[T]) -> T {
    values[rng.random_range(0..values.len())]
}

fn any_change(rng: &mut ChaCha8Rng) -> ChangeRequest {
    let account = any_of(rng, &USERS);
    let many = rng.random_bool(0.3);
    let count = rng.random_range(1..if many { TAGS } else { 4 });
    let tags: BTreeSet<String> = (0..count).map(|_| tag(rng.random_range(0..TAGS))).collect();
    match rng.random_range(0..8) {
        0..4 => ChangeRequest::add(account, tags),
        4..7 => ChangeRequest::remove(account, tags),
        _ => ChangeRequest::clear(account),
    }
}

fn any_fault(rng: &mut ChaCha8Rng) -> Fault {
    let fault = match rng.random_range(0..12) {
        0 => Fault::cut_before(),
        1 => Fault::cut_after(),
        2 => Fault::status(any_of(rng, &[502, 429])),
        3 => Fault::garbage(),
        4 => Fault::truncated(),
        5 | 6 => Fault::delay(LATE),
        7 => return Fault::leave_out([any_of(rng, &USERS)], 70107),
        8 => return Fault::leave_out([any_of(rng, &USERS)], 91000),
        _ => {
            // few end a run
            let most = CODES.len() - usize::from(rng.random_bool(0.9));
            let code = any_of(rng, &CODES[..most]);
            if Code(code).effect() == Effect::NotApplied {
                // decided before any user is looked at: never after the effect
                return Fault::code(code);
            }
            Fault::code(code)
        }
    };
    if rng.random_bool(0.4) {
        fault.after_effect()
    } else {
        fault
    }
}

struct Sources {
    bulks: Vec<Bulk>,
    batchers: Vec<Batcher>,
}

impl Sources {
    fn start(client: &Client, rng: &mut ChaCha8Rng) -> Sources {
        let mut linger = || Duration::from_millis(rng.random_range(0..6));
        let bulks = (0..2).map(|_| {
            let options = client.bulk().linger(linger()).late_window(LATE_WINDOW);
            options
                .timeout(Duration::from_secs(4))
                .attempt_timeout(ATTEMPT)
                .start()
        });
        let bulks = bulks.collect();
        let batchers = (0..2).map(|_| {
            let options = client.batcher().linger(linger()).late_window(LATE_WINDOW);
            options
                .timeout(Duration::from_secs(3))
                .attempt_timeout(ATTEMPT)
                .start()
        });
        Sources {
            bulks,
            batchers: batchers.collect(),
        }
    }

    fn push(&self, source: usize, id: u64, change: ChangeRequest) -> Result<(), ChangeError> {
        match self.bulks.get(source) {
            Some(bulk) => bulk.push(id, change),
            None => self.batchers[source - self.bulks.len()].submit(id, change),
        }
    }

    /// Waits for all, and collects the outcomes.
    fn finish(&self) -> Vec<Completion> {
        let mut completions = Vec::new();
        for bulk in &self.bulks {
            bulk.end_of_input();
        }
        for batcher in &self.batchers {
            batcher.close(&CallOptions::new()).unwrap();
            completions.extend(batcher.poll(Duration::ZERO));
        }
        for bulk in &self.bulks {
            let _ = bulk.finish();
            completions.extend(bulk.poll(Duration::ZERO));
        }
        completions
    }
}

fn seed(seed: u64, seen: &mut Seen) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let generation = any_of(&mut rng, &Generation::ALL);
    let emulator = Emulator::builder()
        .secret_key(key())
        .calls_per_second(1_000)
        .latency(Duration::from_millis(2))
        .jitter(Duration::from_millis(2))
        .fail_changes_some(rng.random_bool(0.5))
        .seed(seed)
        .start()
        .unwrap();
    for _ in 0..rng.random_range(0..3) {
        let fault = any_fault(&mut rng);
        let standing = ProbabilisticFault::new(fault, rng.random_range(0.0..0.4)).unwrap();
        let standing = if rng.random_bool(0.5) {
            standing.account(any_of(&mut rng, &USERS))
        } else {
            standing
        };
        emulator.add_standing(standing.on(any_of(&mut rng, &Operation::ALL)));
    }
    let client = builder(&emulator.endpoint())
        .generation(generation)
        .build()
        .unwrap();
    let sources = Sources::start(&client, &mut rng);
    let mut given = Vec::new();
    let mut outcomes: HashMap<u64, Result<(), ChangeError>> = HashMap::new();
    for id in 0..CHANGES {
        let change = any_change(&mut rng);
        if rng.random_bool(0.3) {
            emulator.fault(Operation::from(change.operation()), any_fault(&mut rng));
        }
        given.push(change.clone());
        if let Err(error) = sources.push(rng.random_range(0..4), id, change) {
            outcomes.insert(id, Err(error));
        }
        match rng.random_range(0..200) {
            0 => sources.bulks[rng.random_range(0..2)].cancel(),
            1..20 => thread::sleep(Duration::from_millis(rng.random_range(1..12))),
            _ => {}
        }
    }
    for completion in sources.finish() {
        assert_eq!(
            *completion.change, given[completion.id as usize],
            "seed {seed}"
        );
        let earlier = outcomes.insert(completion.id, completion.result);
        assert!(
            earlier.is_none(),
            "seed {seed}: {} told twice",
            completion.id
        );
    }
    assert_eq!(outcomes.len(), given.len(), "seed {seed}: outcomes lost");
    assert!(emulator.settle(Duration::from_secs(10)));

    let mut model = Model::default();
    for (change, id) in given.iter().zip(0..) {
        seen.note(change, &outcomes[&id]);
        model.note(change, &outcomes[&id]);
    }
    for ((account, tag), can) in &model.0 {
        let is = emulator.user(account).contains(tag);
        if can[usize::from(is)] {
            continue;
        }
        for (change, id) in given.iter().zip(0..u64::MAX) {
            if change.account() == account {
                println!("{id} {change:?}: {:?}", outcomes[&id]);
            }
        }
        panic!("seed {seed}: {tag} of {account} is there: {is}, which no outcome allows");
    }
    seen.uncertain += model.0.values().filter(|can| can[0] && can[1]).count();
    seen.late += emulator
        .stats()
        .faults
        .get("delay")
        .map_or(0, |n| *n as usize);
    let summaries = sources.bulks.iter().map(Bulk::summary);
    seen.ended_early += summaries.filter(|summary| summary.ended.is_some()).count();
}

#[test]
fn the_final_state_is_one_that_the_outcomes_of_all_runs_and_batchers_allow() {
    // most of a seed is waiting, so many run side by side, each with an emulator of its own
    let next = AtomicU64::new(0);
    let seen = Mutex::new(Seen::default());
    thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| {
                let mut mine = Seen::default();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= SEEDS {
                        break;
                    }
                    seed(number, &mut mine);
                }
                seen.lock().unwrap().add(&mine);
            });
        }
    });
    let seen = seen.into_inner().unwrap();
    println!("{seen:?}");
    // a slow machine lets most attempts' time run out: few are done then, but some are
    assert!(seen.done > 50 && seen.late > 50, "{seen:?}");
    assert!(
        seen.not_applied > 100 && seen.possibly_applied > 100,
        "{seen:?}"
    );
    assert!(
        seen.in_part > 10 && seen.uncertain > 50 && seen.ended_early > 3,
        "{seen:?}"
    );
}
