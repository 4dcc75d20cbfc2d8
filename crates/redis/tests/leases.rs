//! The script on a real Redis against the model in core: the same messages, the same answers, to the millisecond. What is
//! drawn is more than processes that keep to the rule would say: numbers that cannot be, messages that are lost or late,
//! clocks that are set, another run of the store, all of it gone.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use imtag_core::Operation;
use imtag_core::leases::store::Store;
use imtag_core::leases::{Answer, Elapsed, Message, Request, Terms};
use imtag_redis::{SCRIPT, arguments, read_reply};
use support::{Connection, Redis};

/// Where the script reads the clock, and what a test reads instead: the argument after all others.
const CLOCK: [&str; 2] = [
    "redis.call('TIME')",
    "{ string.sub(ARGV[#ARGV], 1, -4), string.sub(ARGV[#ARGV], -3) .. '000' }",
];

/// Numbers that look drawn by chance: SplitMix64.
struct Rng(u64);

impl Rng {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// What a process believes, more or less.
#[derive(Clone, Default)]
struct Process {
    seq: u64,
    acknowledged: u64,
    held: [u32; Operation::ALL.len()],
    given_back: [Vec<u64>; Operation::ALL.len()],
    answered: Option<(u64, u64)>,
}

impl Process {
    fn message(&mut self, name: usize, terms: Terms, time: u64, rng: &mut Rng) -> Message {
        self.seq += 1;
        let mut operations: [Request; Operation::ALL.len()] = Default::default();
        for (place, request) in operations.iter_mut().enumerate() {
            if place > 1 && !rng.one_in(10) {
                request.keep = self.held[place];
                continue;
            }
            let gives = rng.below(u64::from(self.held[place]) + 1) as u32;
            let gives = if rng.one_in(3) { gives } else { 0 };
            for _ in 0..gives {
                self.given_back[place].push(rng.below(3_100));
            }
            self.held[place] -= gives;
            *request = Request {
                keep: self.held[place] + u32::from(rng.one_in(60)),
                given_back: self.given_back[place].clone(),
                want: rng.below(2 * u64::from(terms.slots)) as u32,
                rejected: rng.one_in(25).then(|| rng.below(3_000)),
                round_trip: [0, 50, 300][rng.below(3) as usize],
            };
        }
        Message {
            holder: format!("host:{name}"),
            terms,
            seq: self.seq - 3 * u64::from(self.seq > 9 && rng.one_in(40)),
            acknowledged: self.acknowledged,
            holds_lease: !rng.one_in(5),
            elapsed: self.answered.map(|(clock, at)| Elapsed {
                clock,
                at_least: time.saturating_sub(at),
                at_most: time.saturating_sub(at) + rng.below(10),
            }),
            operations,
        }
    }

    fn take(&mut self, seq: u64, answer: &Answer, time: u64) {
        self.acknowledged = seq;
        self.answered = Some((answer.clock, time));
        for (place, grant) in answer.operations.iter().enumerate() {
            if !answer.known {
                self.held[place] = 0;
            }
            self.given_back[place].clear();
            self.held[place] += grant.granted.len() as u32;
        }
    }
}

fn call(
    redis: &mut Connection,
    script: &str,
    run: &str,
    message: &Message,
    time: Option<u64>,
) -> Answer {
    let mut command = ["EVAL", script, "1", "imtag:{1}"]
        .map(str::to_owned)
        .to_vec();
    command.extend(arguments(run, message));
    command.extend(time.map(|time| time.to_string()));
    read_reply(&redis.call(&command)).unwrap()
}

#[test]
fn the_script_answers_as_the_model_does() {
    let Some(redis) = Redis::start() else {
        return;
    };
    let mut redis = redis.connect();
    let script = SCRIPT.replacen(CLOCK[0], CLOCK[1], 1);
    assert_ne!(script, SCRIPT);
    for (seed, slots, window, processes) in [
        (1, 10, 1_000, 3),
        (2, 100, 1_000, 12),
        (3, 1, 2_000, 3),
        (4, 7, 1_000, 30),
        (5, 1_000, 1_000, 5),
    ] {
        let mut rng = Rng(seed);
        redis.call(&["FLUSHALL"]);
        let terms = Terms { slots, window };
        let mut store = Store::default();
        let mut known = vec![Process::default(); processes];
        let (mut time, mut set, mut run) = (1_790_000_000_000_u64, 0, 1);
        for step in 0..3_000 {
            time += match rng.below(50) {
                0 => rng.below(12_000),
                1..10 => rng.below(1_000),
                _ => rng.below(10),
            };
            match rng.below(400) {
                0 => {
                    redis.call(&["FLUSHALL"]);
                    store = Store::default();
                }
                1 => run += 1,
                2 | 3 => set = [0, 3_600_000, 8][rng.below(3) as usize],
                _ => {}
            }
            let name = rng.below(processes as u64) as usize;
            let process = &mut known[name];
            if rng.one_in(200) {
                *process = Process::default();
            }
            let mut message = process.message(name, terms, time, &mut rng);
            message.terms.slots += u32::from(rng.one_in(300));
            let run = format!("run{run}");
            let expected = store.call(&run, time + set, &message);
            let answer = call(&mut redis, &script, &run, &message, Some(time + set));
            assert_eq!(answer, expected, "seed {seed}, step {step}: {message:?}");
            for operation in Operation::ALL {
                let (held, pooled) = store.held_and_pooled(operation).unwrap();
                assert!([slots, slots + 1].contains(&((held + pooled) as u32)));
            }
            if !rng.one_in(12) {
                process.take(message.seq, &answer, time);
            }
        }
    }
}

#[test]
fn the_script_reads_the_clock_of_redis() {
    let Some(redis) = Redis::start() else {
        return;
    };
    let mut redis = redis.connect();
    let before: u64 = redis.call(&["TIME"])[0].parse().unwrap();
    let terms = Terms {
        slots: 100,
        window: 1_000,
    };
    let message = Process::default().message(0, terms, 0, &mut Rng(1));
    let answer = call(&mut redis, SCRIPT, "run", &message, None);
    let after: u64 = redis.call(&["TIME"])[0].parse().unwrap();
    assert!((before..=after).contains(&(answer.clock / 1_000)));
}

#[test]
fn a_state_of_a_hundred_thousand_slots_is_read_and_written() {
    let Some(redis) = Redis::start() else {
        return;
    };
    let mut redis = redis.connect();
    let terms = Terms {
        slots: 100_000,
        window: 1_000,
    };
    let mut process = Process::default();
    let mut store = Store::default();
    let script = SCRIPT.replacen(CLOCK[0], CLOCK[1], 1);
    for time in [1_790_000_000_000, 1_790_000_002_000] {
        let message = process.message(0, terms, time, &mut Rng(1));
        let expected = store.call("run", time, &message);
        assert_eq!(
            call(&mut redis, &script, "run", &message, Some(time)),
            expected
        );
    }
}
