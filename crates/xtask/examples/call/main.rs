//! A client of `cargo xtask bench call`, which starts it with the client's name, an endpoint and its CA file, the number of
//! users, and of tags a user. For each line with a number of calls it makes them, and prints a line of JSON about them.

mod client;

use std::io::{BufRead, stdin};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use client::Error;

fn main() -> Result<(), Error> {
    if cfg!(debug_assertions) {
        return Err("built without optimisation: its figures would say nothing".into());
    }
    let (mut client, users) = client::from_arguments()?;
    for line in stdin().lock().lines() {
        let calls: usize = line?.parse()?;
        let mut times = Vec::with_capacity(calls);
        let before = cpu()?;
        for _ in 0..calls {
            let began = Instant::now();
            client.call(&users)?;
            times.push(began.elapsed());
        }
        let cpu = (cpu()? - before) / u32::try_from(calls)?;
        times.sort_unstable();
        let [p50, p99] = [50, 99].map(|per_cent| times[calls * per_cent / 100].as_nanos());
        println!(r#"{{"p50":{p50},"p99":{p99},"cpu":{}}}"#, cpu.as_nanos());
    }
    Ok(())
}

/// Of the thread that makes the calls.
fn cpu() -> Result<Duration, Error> {
    Ok(clock_gettime(ClockId::ThreadCPUTime).try_into()?)
}
