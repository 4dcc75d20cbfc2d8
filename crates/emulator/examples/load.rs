//! How many requests of 100 users each the emulator answers in a second, beside the client that sends them:
//! `cargo run --release -p imtag-emulator --example load -- [SECONDS [FOLDER]]`, with its data in the folder.
//!
//! The client writes its requests by hand over plain sockets, so that nearly all of the time is the emulator's.

#[path = "../tests/caller/mod.rs"]
mod caller;

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use caller::Caller;
use imtag_emulator::{Emulator, Generation, Operation};

const CONNECTIONS: u64 = 16;
const USERS: u64 = 1_000_000;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let seconds: u64 = arguments.next().map_or(Ok(10), |text| text.parse())?;
    let mut builder = Emulator::builder().calls_per_second(u32::MAX);
    if let Some(folder) = arguments.next() {
        builder = builder.data(folder);
    }
    let started = Instant::now();
    let emulator = builder.start()?;
    let users = emulator.stats().users_with_tags;
    println!("started with {users} users in {:?}", started.elapsed());

    let answered = AtomicU64::new(0);
    let started = Instant::now();
    let until = started + Duration::from_secs(seconds);
    let client = &|number| call_until(until, &emulator, number, &answered);
    thread::scope(|scope| {
        let start = |number| scope.spawn(move || client(number));
        let clients: Vec<_> = (0..CONNECTIONS).map(start).collect();
        let ended = |client: ScopedJoinHandle<'_, _>| client.join().expect("no client panics");
        clients.into_iter().try_for_each(ended)
    })?;
    let answered = answered.into_inner();
    println!(
        "{:.0} requests/s of 100 users each ({answered} in {seconds} s)",
        answered as f64 / started.elapsed().as_secs_f64()
    );
    Ok(())
}

fn call_until(
    until: Instant,
    emulator: &Emulator,
    number: u64,
    answered: &AtomicU64,
) -> Result<(), Failure> {
    let mut caller = Caller::new(emulator);
    let mut random = number + 1;
    while Instant::now() < until {
        let users: Vec<String> = (0..100)
            .map(|_| {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let user = (random >> 33) % USERS;
                format!(
                    r#"{{"To_Account":"user{user:08}","Tags":["vip","beijing","t{}"]}}"#,
                    user % 50
                )
            })
            .collect();
        let body = format!(r#"{{"UserTags":[{}]}}"#, users.join(","));
        let answer = caller.call((Operation::Add, Generation::AllMemberPush), body)?;
        if !answer.body.starts_with(br#"{"ActionStatus":"OK""#) {
            return Err(String::from_utf8(answer.body)?.into());
        }
        answered.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}
