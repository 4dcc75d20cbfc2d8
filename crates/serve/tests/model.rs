//! Random calls of many callers at one daemon, of the same users, under random faults of the service. Callers hang up,
//! repeat, have little time, send in a row; meanwhile the daemon's settings are read anew, and it is restarted. Whatever
//! each caller was told holds, user by user and tag by tag: what is done is there, and a later get of the same caller sees
//! it; what is *not applied* is not; only what is *possibly applied* may be either.
//!
//! Each caller has tags of its own, so that its calls alone decide which of them a user has. Only accounts of its own are
//! cleared or replaced, and one of all, of which just this is known: no tag is there that was never added.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use imtag_emulator::{Emulator, Fault, Generation, Operation, ProbabilisticFault};
use imtag_serve::Times;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use support::http::{Answer, kept, post};
use support::random::{self, Seen, USERS, any_of, seeds};
use support::told::{Told, told};
use support::{Scene, Setup, Stream, schema};

const SEEDS: u64 = 30;
/// For a long run, by the variable that the other long tests have.
const LONG_SEEDS: u64 = 1_000;
const CALLERS: usize = 5;
const CALLS: usize = 12;
const TAGS: usize = 12;

const TIMES: Times = Times {
    call: Duration::from_secs(3),
    attempt: Duration::from_millis(40),
    late_window: Duration::from_millis(600),
};
/// An effect comes this late at most.
const LATE: Duration = Duration::from_millis(250);

/// Codes of every retry class and both effects, and one that nobody knows.
const CODES: [i32; 7] = [91000, 60008, 70500, 70107, 90001, 12345, 60007];

/// An account that is cleared and replaced by all.
const WILD: &str = "wild";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Add,
    Remove,
    Clear,
    Replace,
    Get,
}

#[derive(Debug, Clone)]
struct Call {
    kind: Kind,
    accounts: Vec<String>,
    /// Of all its users.
    tags: Vec<String>,
}

impl Call {
    fn path(&self, generation: Generation) -> &'static str {
        match (self.kind, generation) {
            (Kind::Add | Kind::Replace, Generation::Timpush) => support::NEWER_ADD,
            (Kind::Remove, Generation::Timpush) => "/v4/timpush/remove_tag",
            (Kind::Clear, Generation::Timpush) => "/v4/timpush/clear_all_tags",
            (Kind::Get, Generation::Timpush) => "/v4/timpush/get_tag",
            (Kind::Add | Kind::Replace, _) => support::ADD,
            (Kind::Remove, _) => support::REMOVE,
            (Kind::Clear, _) => support::CLEAR,
            (Kind::Get, _) => support::GET,
        }
    }

    fn body(&self) -> Value {
        let user = |account: &String| json!({"To_Account": account, "Tags": self.tags});
        match self.kind {
            Kind::Get | Kind::Clear => json!({"To_Account": self.accounts}),
            Kind::Add | Kind::Remove => {
                json!({"UserTags": self.accounts.iter().map(user).collect::<Vec<_>>()})
            }
            Kind::Replace => {
                json!({"UserTags": self.accounts.iter().map(user).collect::<Vec<_>>(), "Replace": 1})
            }
        }
    }
}

fn tag(caller: usize, number: usize) -> String {
    format!("c{caller}-{number}")
}

/// What can be of a tag of a user.
#[derive(Debug, Default)]
struct Can {
    /// Whether it may be missing, and whether it may be there; nothing yet is missing alone.
    be: Option<[bool; 2]>,
}

/// One of the callers, and all that it was told.
struct Caller<'s> {
    number: usize,
    scene: &'s Scene,
    generation: Generation,
    rng: ChaCha8Rng,
    can: BTreeMap<(String, String), Can>,
    log: String,
    seen: Seen,
}

impl Caller<'_> {
    fn tag(&self, number: usize) -> String {
        tag(self.number, number)
    }

    fn any_call(&mut self) -> Call {
        let rng = &mut self.rng;
        let kind = any_of(
            rng,
            &[
                Kind::Add,
                Kind::Add,
                Kind::Add,
                Kind::Remove,
                Kind::Remove,
                Kind::Get,
                Kind::Get,
                Kind::Clear,
                Kind::Replace,
            ],
        );
        let kind = match kind {
            Kind::Replace if self.generation != Generation::Timpush => Kind::Clear,
            kind => kind,
        };
        let mut accounts = BTreeSet::new();
        let own = format!("own{}-{}", self.number, rng.random_range(0..2));
        match kind {
            Kind::Clear | Kind::Replace => {
                accounts.insert(own);
                if rng.random_bool(0.4) {
                    accounts.insert(WILD.to_owned());
                }
            }
            _ => {
                for _ in 0..rng.random_range(1..4) {
                    accounts.insert(any_of(rng, &USERS).to_owned());
                }
                if rng.random_bool(0.3) {
                    accounts.insert(own);
                }
                if rng.random_bool(0.1) {
                    accounts.insert("ghost".to_owned());
                }
                if rng.random_bool(0.2) {
                    accounts.insert(WILD.to_owned());
                }
                if rng.random_bool(0.1) {
                    let crowd = rng.random_range(1..=100 - accounts.len());
                    accounts.extend((0..crowd).map(|number| format!("w{number}")));
                }
            }
        }
        let count = if rng.random_bool(0.2) {
            10
        } else {
            rng.random_range(1..4)
        };
        let mut numbers = BTreeSet::new();
        while numbers.len() < count {
            numbers.insert(rng.random_range(0..TAGS));
        }
        Call {
            kind,
            accounts: accounts.into_iter().collect(),
            tags: numbers.into_iter().map(|number| self.tag(number)).collect(),
        }
    }

    /// A connection, once there is a daemon.
    fn connect(&self) -> Stream {
        let began = Instant::now();
        loop {
            match self.scene.try_connect() {
                Ok(stream) => return stream,
                Err(error) => assert!(began.elapsed() < Duration::from_secs(20), "{error}"),
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn run(&mut self) {
        for _ in 0..CALLS {
            let call = self.any_call();
            match self.rng.random_range(0..10) {
                0 | 1 => self.hangs_up(&call),
                2 => self.in_a_row(&call),
                3 | 4 => {
                    let seconds = self.rng.random_range(0.001..0.15);
                    self.call(&call, &format!("Imtag-Timeout: {seconds:.3}\r\n"));
                }
                _ => self.call(&call, ""),
            }
            // a program that is told of a failure repeats, or goes on
            if self.rng.random_bool(0.2) {
                self.call(&call, "");
                self.seen.add("repeated", 1);
            }
        }
    }

    fn call(&mut self, call: &Call, head: &str) {
        let mut stream = self.connect();
        stream.say(post(call.path(self.generation), head, call.body()));
        let answer = stream.answer();
        self.hears(call, answer.as_ref());
    }

    /// Sends a second call of the same users behind the first one, and reads both answers.
    fn in_a_row(&mut self, call: &Call) {
        let next = Call {
            kind: if call.kind == Kind::Add {
                Kind::Remove
            } else {
                Kind::Get
            },
            ..call.clone()
        };
        let mut stream = self.connect();
        let first = kept(call.path(self.generation), "", call.body());
        stream.say(first + &post(next.path(self.generation), "", next.body()));
        let answers = [stream.answer(), stream.answer()];
        self.hears(call, answers[0].as_ref());
        self.hears(&next, answers[1].as_ref());
        self.seen.add("in a row", 1);
    }

    /// Leaves before the answer, or before the whole call was sent.
    fn hangs_up(&mut self, call: &Call) {
        let request = post(call.path(self.generation), "", call.body());
        let mut stream = self.connect();
        if self.rng.random_bool(0.2) {
            // not a whole call: none of it is done
            let part = self.rng.random_range(0..request.len());
            stream.say(&request.as_bytes()[..part]);
            return self.seen.add("half sent", 1);
        }
        let sent = stream.write_all(request.as_bytes()).is_ok();
        thread::sleep(Duration::from_millis(self.rng.random_range(0..30)));
        drop(stream);
        if sent {
            self.note(call, &vec![Told::PossiblyApplied; call.accounts.len()]);
            self.seen.add("hung up", 1);
        }
        // the daemon has read it by then
        for _ in 0..2 {
            let mut stream = self.connect();
            stream.say("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            stream.answer();
        }
    }

    fn hears(&mut self, call: &Call, answer: Option<&Answer>) {
        let Some(answer) = answer else {
            // a drain answers all that it has taken: nothing of this is done
            writeln!(self.log, "{call:?}: no answer").unwrap();
            return self.seen.add("cut off", 1);
        };
        writeln!(self.log, "  answer {} {}", answer.status, answer.json).unwrap();
        let path = call.path(self.generation);
        schema::check("post", path, answer);
        let is_newer = self.generation == Generation::Timpush;
        let told = told(answer, &call.accounts, is_newer);
        for (what, which) in [
            ("done", Told::Done),
            ("not applied", Told::NotApplied),
            ("possibly applied", Told::PossiblyApplied),
        ] {
            self.seen
                .add(what, told.iter().filter(|it| **it == which).count());
        }
        let all = told.iter().all(|it| *it == told[0]);
        self.seen.add("partial", usize::from(!all));
        self.seen.add("away", usize::from(answer.status > 500));
        self.note(call, &told);
        if call.kind == Kind::Get {
            self.check_read(call, &told, answer);
        }
    }

    fn note(&mut self, call: &Call, told: &[Told]) {
        writeln!(self.log, "{call:?}: {told:?}").unwrap();
        for (account, told) in call.accounts.iter().zip(told) {
            if account == WILD || call.kind == Kind::Get || *told == Told::NotApplied {
                continue;
            }
            let of_all = matches!(call.kind, Kind::Clear | Kind::Replace);
            let caller = self.number;
            let tags = (0..TAGS).map(|number| tag(caller, number));
            for tag in tags.filter(|tag| of_all || call.tags.contains(tag)) {
                let there = match call.kind {
                    Kind::Replace => call.tags.contains(&tag),
                    kind => kind == Kind::Add,
                };
                let can = self.can.entry((account.clone(), tag)).or_default();
                let be = can.be.get_or_insert([true, false]);
                if *told == Told::Done {
                    // also where a request of another client, or of a daemon before this one, may still arrive
                    *be = [!there, there];
                } else {
                    be[usize::from(there)] = true;
                }
            }
        }
    }

    fn can(&self, account: &str, tag: &str, is: bool) -> bool {
        let can = self.can.get(&(account.to_owned(), tag.to_owned()));
        let be = can.and_then(|can| can.be).unwrap_or([true, false]);
        be[usize::from(is)]
    }

    /// What was read is what the caller was told before.
    fn check_read(&mut self, call: &Call, told: &[Told], answer: &Answer) {
        let read = answer.json["UserTags"].as_array().into_iter().flatten();
        let read: BTreeMap<&str, &Value> = read
            .map(|user| (user["To_Account"].as_str().unwrap(), &user["Tags"]))
            .collect();
        for (account, told) in call.accounts.iter().zip(told) {
            let tags = read.get(&**account).and_then(|tags| tags.as_array());
            assert!(*told == Told::Done || tags.is_none(), "{}", answer.json);
            if *told != Told::Done || account == WILD {
                continue;
            }
            for tag in (0..TAGS).map(|number| self.tag(number)) {
                let is = tags.is_some_and(|tags| tags.iter().any(|it| *it == *tag));
                self.assert_can(account, &tag, is);
            }
            self.seen.add("read", 1);
        }
    }

    fn assert_can(&self, account: &str, tag: &str, is: bool) {
        assert!(
            self.can(account, tag, is),
            "{tag} of {account} is there: {is}, but {:?}\n{}",
            self.can.get(&(account.to_owned(), tag.to_owned())),
            self.log
        );
    }

    /// What is there at the end is what the caller was told.
    fn check_end(&mut self) {
        let users = self.scene.emulator.users();
        let nothing = BTreeSet::new();
        for ((account, tag), can) in &self.can {
            let is = users.get(account).unwrap_or(&nothing).contains(tag);
            self.assert_can(account, tag, is);
            self.seen
                .add("uncertain", usize::from(can.be == Some([true, true])));
        }
        for (account, tags) in users.iter().filter(|(account, _)| *account != WILD) {
            for tag in (0..TAGS).map(|number| self.tag(number)) {
                self.assert_can(account, &tag, tags.contains(&tag));
            }
        }
    }
}

fn scene(rng: &mut ChaCha8Rng, seed: u64, generation: Generation) -> Scene {
    let setup = Setup::new(generation);
    let emulator = setup.emulator;
    let scene = Scene::start(Setup {
        calls_per_second: 1_000,
        times: TIMES,
        emulator: emulator
            .latency(Duration::from_millis(2))
            .jitter(Duration::from_millis(2))
            .fail_changes_some(rng.random_bool(0.5))
            .seed(seed),
        ..Setup::new(generation)
    });
    for _ in 0..rng.random_range(0..3) {
        let fault = random::any_fault(rng, &USERS, &CODES, LATE);
        let standing = ProbabilisticFault::new(fault, rng.random_range(0.0..0.3)).unwrap();
        let emulator: &Emulator = &scene.emulator;
        emulator.add_standing(standing.on(any_of(rng, &Operation::ALL)));
    }
    scene
}

/// What happens to the daemon and to the service meanwhile.
fn disturb(rng: &mut ChaCha8Rng, scene: &Scene, seen: &mut Seen) {
    for _ in 0..rng.random_range(2..6) {
        thread::sleep(Duration::from_millis(rng.random_range(5..120)));
        for _ in 0..rng.random_range(0..6) {
            let fault: Fault = random::any_fault(rng, &USERS, &CODES, LATE);
            scene.emulator.fault(any_of(rng, &Operation::ALL), fault);
        }
        match rng.random_range(0..8) {
            0 => {
                assert_eq!(scene.end(), 0, "connections were cut off");
                scene.run();
                seen.add("restarted", 1);
            }
            1 | 2 => {
                scene.reload();
                seen.add("reloaded", 1);
            }
            _ => {}
        }
    }
}

/// Says which seed it was.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("it was seed {}", self.0);
        }
    }
}

fn seed(seed: u64, seen: &mut Seen) {
    let named = Named(seed);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let generation = any_of(&mut rng, &Generation::ALL);
    let scene = scene(&mut rng, seed, generation);
    let caller = |number| Caller {
        number,
        scene: &scene,
        generation,
        rng: ChaCha8Rng::seed_from_u64(seed * 100 + number as u64),
        can: BTreeMap::new(),
        log: String::new(),
        seen: Seen::default(),
    };
    let mut callers: Vec<Caller<'_>> = (0..CALLERS).map(caller).collect();
    thread::scope(|scope| {
        for caller in &mut callers {
            scope.spawn(move || {
                let _named = Named(seed);
                caller.run();
            });
        }
        disturb(&mut rng, &scene, seen);
    });
    assert_eq!(scene.end(), 0, "connections were cut off");
    assert!(scene.emulator.settle(Duration::from_secs(10)));
    for mut caller in callers {
        caller.check_end();
        seen.add_all(caller.seen);
    }
    drop(named);
}

#[test]
fn what_each_caller_was_told_holds_whatever_happens_to_it_the_daemon_and_the_service() {
    let is_long = std::env::var_os("IMTAG_LONG_TESTS").is_some();
    let count = if is_long { LONG_SEEDS } else { SEEDS };
    seeds(count, 15, seed).assert_more_than(&[
        ("done", 500),
        ("not applied", 50),
        ("possibly applied", 50),
        ("partial", 20),
        ("read", 50),
        ("uncertain", 20),
        ("hung up", 50),
        ("half sent", 10),
        ("in a row", 20),
        ("repeated", 50),
        ("restarted", 3),
        ("reloaded", 5),
    ]);
}
