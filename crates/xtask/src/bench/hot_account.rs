//! `cargo xtask bench hot-account`: one account has 20,000 changes, each of which waits for the one before it; how many of
//! the other accounts' changes are done in a time that are given after them. Beside it the others alone, in turn.

use std::thread;
use std::time::{Duration, Instant};

use imtag_transport::{CallOptions, ChangeRequest};

use super::{median, per_second};
use crate::Error;
use crate::scene::{self, Scene};

const HOT: u64 = 20_000;
/// More than are done in the time, as the quota comes in bursts of a second: what is left over for one more burst would count
/// as a second.
const OTHERS: u64 = 400_000;
/// Raised, so that the few calls of the hot account are no part of it: a call each 50 ms, as far away as it is.
const CALLS_PER_SECOND: u32 = 500;
const TIME: Duration = Duration::from_secs(6);
/// The head start of the hot account's changes where a thread of its own submits them.
const HEAD_START: Duration = Duration::from_millis(500);
const ROUNDS: usize = 3;

pub(super) fn run(mut arguments: lexopt::Parser) -> Result<(), Error> {
    if let Some(argument) = arguments.next()? {
        return Err(argument.unexpected().into());
    }
    println!(
        "{CALLS_PER_SECOND} calls/s: users/s in {} s, alone and after {HOT} changes of one",
        TIME.as_secs()
    );
    println!("{:<12} {:>10} {:>10} {:>7}", "", "alone", "beside", "ratio");
    for (what, others) in [
        ("bulk run", bulk as fn(u64) -> Result<f64, Error>),
        ("batcher", batcher),
    ] {
        let (mut alone, mut beside, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let [one, other] = [others(0)?, others(HOT)?];
            alone.push(one);
            beside.push(other);
            ratios.push(other / one);
        }
        let [alone, beside, ratio] = [alone, beside, ratios].map(median);
        println!("{what:<12} {alone:>10.0} {beside:>10.0} {ratio:>7.2}");
    }
    Ok(())
}

/// Changes that take turns, as no two of them share a request.
fn hot(at: u64) -> ChangeRequest {
    if at % 2 == 0 {
        ChangeRequest::add("hot", ["vip"])
    } else {
        ChangeRequest::remove("hot", ["vip"])
    }
}

fn other(at: u64) -> ChangeRequest {
    ChangeRequest::add(format!("user{at:08}"), ["vip"])
}

/// Other users a second in a bulk run.
fn bulk(hot_changes: u64) -> Result<f64, Error> {
    let scene = Scene::with(scene::emulator()?, CALLS_PER_SECOND)?;
    let changes = (0..hot_changes).map(hot).chain((0..OTHERS).map(other));
    let began = Instant::now();
    let mut done = 0;
    for completion in scene.client.bulk().run(changes) {
        done += u64::from(completion.id >= hot_changes && completion.result.is_ok());
        if began.elapsed() > TIME {
            break;
        }
    }
    Ok(per_second(done, began.elapsed()))
}

/// Other users a second in a batcher.
fn batcher(hot_changes: u64) -> Result<f64, Error> {
    let scene = Scene::with(scene::emulator()?, CALLS_PER_SECOND)?;
    let batcher = scene.client.batcher().start();
    let submit = |changes: &mut dyn Iterator<Item = (u64, ChangeRequest)>| {
        for (id, change) in changes {
            if batcher.submit(id, change).is_err() {
                return; // closed
            }
        }
    };
    let submit = &submit;
    let mut done = 0;
    let time = thread::scope(|scope| {
        scope.spawn(move || submit(&mut (0..hot_changes).map(|at| (OTHERS, hot(at)))));
        thread::sleep(HEAD_START);
        scope.spawn(move || submit(&mut (0..OTHERS).map(|at| (at, other(at)))));
        let began = Instant::now();
        while began.elapsed() < TIME {
            let completions = batcher.poll(Duration::from_millis(100)).into_iter();
            let others = completions.filter(|it| it.id() < OTHERS);
            done += others.filter_map(|it| it.into_result().ok()).count() as u64;
        }
        let time = began.elapsed();
        // those that still submit are refused, and what is under way is given up
        let _ = batcher.close(&CallOptions::new().timeout(Duration::ZERO));
        time
    });
    batcher.abandon();
    Ok(per_second(done, time))
}
