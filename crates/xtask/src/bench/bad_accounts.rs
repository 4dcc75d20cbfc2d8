//! `cargo xtask bench bad-accounts`: 900 callers tag one user each, over and over, by a batcher on the older route, which
//! fails a request as a whole and does not say which account does not exist. What those have left who are not at fault,
//! against the same callers where all accounts exist, in turn.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use imtag_transport::{CallOptions, CancelToken, ChangeRequest};

use super::{median, per_second, seconds};
use crate::Error;
use crate::scene::{self, CALLS_PER_SECOND, Scene};

const CALLERS: u64 = 900;
const STACK_BYTES: usize = 256 * 1024;
/// Until all callers wait at the same time.
const UNTIL_STEADY: Duration = Duration::from_secs(2);
/// Within this each of the accounts that come again and again has failed once.
const UNTIL_ALL_FAILED: Duration = Duration::from_secs(45);
const ROUNDS: usize = 3;
/// More than one run meets.
const ALWAYS_NEW: u64 = 20_000;

/// Which accounts do not exist.
struct Bad {
    about: &'static str,
    /// Of so many calls one is for such an account; none is of 0.
    one_of: u64,
    /// How many such accounts there are, which take turns.
    accounts: u64,
}

const BAD: [Bad; 4] = [
    Bad {
        about: "none",
        one_of: 0,
        accounts: 0,
    },
    Bad {
        about: "1 in 1,000, always a new one",
        one_of: 1_000,
        accounts: ALWAYS_NEW,
    },
    Bad {
        about: "1 in 100, always a new one",
        one_of: 100,
        accounts: ALWAYS_NEW,
    },
    Bad {
        about: "1 in 100, out of the same 200",
        one_of: 100,
        accounts: 200,
    },
];

pub(super) fn run(arguments: lexopt::Parser) -> Result<(), Error> {
    let time = seconds(arguments, 6)?;
    let mut rates = BAD.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for (bad, rates) in BAD.iter().zip(&mut rates) {
            rates.push(others_per_second(bad, time)?);
        }
    }
    println!(
        "{CALLERS} callers of a batcher, {CALLS_PER_SECOND} calls/s: users/s of those whose accounts exist"
    );
    println!(
        "{:<32} {:>8} {:>7}",
        "accounts that do not exist", "users/s", "ratio"
    );
    for (Bad { about, .. }, of_bad) in BAD.iter().zip(&rates) {
        let ratios = of_bad.iter().zip(&rates[0]).map(|(bad, none)| bad / none);
        let ratio = median(ratios);
        println!(
            "{about:<32} {:>8.0} {ratio:>7.2}",
            median(of_bad.iter().copied())
        );
    }
    Ok(())
}

fn others_per_second(bad: &Bad, time: Duration) -> Result<f64, Error> {
    let name = |number: u64| format!("bad{number:08}");
    let emulator = scene::emulator()?.unknown_accounts((0..bad.accounts).map(name));
    let scene = Scene::with(emulator, CALLS_PER_SECOND)?;
    let batcher = scene.client.batcher().start();
    let token = CancelToken::new();
    let options = CallOptions::new().cancel(&token);
    let (given, done, over) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let call_over_and_over = || {
        while !over.load(Ordering::Relaxed) {
            let number = given.fetch_add(1, Ordering::Relaxed);
            let is_bad = bad.one_of != 0 && number % bad.one_of == 0;
            let account = if is_bad {
                name(number / bad.one_of % bad.accounts)
            } else {
                format!("user{number:08}")
            };
            let called = batcher.call(ChangeRequest::add(account, ["vip"]), &options);
            done.fetch_add(u64::from(called.is_ok()), Ordering::Relaxed);
        }
    };
    let done = thread::scope(|scope| {
        let start = || thread::Builder::new().stack_size(STACK_BYTES);
        let started = (0..CALLERS)
            .try_for_each(|_| start().spawn_scoped(scope, call_over_and_over).map(drop));
        thread::sleep(UNTIL_STEADY);
        let began = Instant::now();
        let met = || given.load(Ordering::Relaxed) / bad.one_of.max(1);
        while bad.accounts != ALWAYS_NEW
            && met() < bad.accounts + 20 // some are under way
            && began.elapsed() < UNTIL_ALL_FAILED
        {
            thread::sleep(Duration::from_millis(100));
        }
        let before = done.load(Ordering::Relaxed);
        thread::sleep(time);
        let after = done.load(Ordering::Relaxed);
        over.store(true, Ordering::Relaxed);
        token.cancel();
        started.map(|()| after - before)
    })?;
    Ok(per_second(done, time))
}
