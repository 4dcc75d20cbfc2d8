//! A client of `cargo xtask bench call`. For each line with a number it makes so many calls on each of its threads, or so
//! many bulk runs, and prints what they cost as a line of JSON, in nanoseconds.

use std::time::{Duration, Instant};

use bench_clients::{Error, program};
use rustix::time::{ClockId, clock_gettime};

fn main() -> Result<(), Error> {
    if cfg!(debug_assertions) {
        return Err("built without optimisation: its figures would say nothing".into());
    }
    program(|load, times| {
        let (began, before) = (Instant::now(), cpu()?);
        let count = load.run(times)? as f64;
        let [cpu, time] =
            [cpu()? - before, began.elapsed()].map(|all| all.as_secs_f64() * 1e9 / count);
        let [p50, p99] = [50, 99].map(|per_cent| load.percentile(per_cent).as_nanos());
        Ok(format!(
            r#"{{"p50":{p50},"p99":{p99},"cpu":{cpu},"time":{time}}}"#
        ))
    })
}

/// Of all threads of the process, those too that have ended.
fn cpu() -> Result<Duration, Error> {
    Ok(clock_gettime(ClockId::ProcessCPUTime).try_into()?)
}
