//! `cargo xtask bench batcher`: what a server is like that tags one user per event on many threads: how many users a
//! second get through one batcher, how long a caller waits, and that it costs nothing when nothing happens. Beside it,
//! the same threads with a call of their own each, which the quota holds to one user a call; and the same callers in the
//! other languages.

use std::thread;
use std::time::{Duration, Instant};

use imtag_emulator::Window;
use imtag_transport::{AddTags, CallOptions, CancelToken};

use super::languages::{self, Row};
use super::threads::{self, Cost};
use super::{of_quota, per_second, seconds};
use crate::Error;
use crate::scene::{CALLS_PER_SECOND, LATENCY, Scene};

const THREADS: u64 = 2_000;
/// The name of a batcher's threads.
const BATCHER: &str = "imtag-batcher";
/// How long it is watched at rest.
const REST: Duration = Duration::from_secs(5);
/// After the last outcome the threads still look around once.
const UNTIL_REST: Duration = Duration::from_millis(500);
/// How long the same threads call without it.
const WITHOUT: Duration = Duration::from_secs(10);
const STACK_BYTES: usize = 256 * 1024;

/// What many threads did.
#[derive(Default)]
struct Calls {
    /// How long each took that went well, in microseconds.
    took: Vec<u32>,
    failed: u64,
    /// Why one of them did.
    why: Option<String>,
}

pub(super) fn run(arguments: lexopt::Parser) -> Result<(), Error> {
    let time = seconds(arguments, 15)?;
    let scene = Scene::new(Window::Sliding, Duration::ZERO)?;
    let batcher = scene.client.batcher().start();
    let before = threads::of_the_client()?;
    let began = Instant::now();
    let calls = on_many_threads(time, |account| {
        let done = batcher.add_tag(account, ["vip"]);
        done.map_err(|error| error.to_string())
    })?;
    let took = began.elapsed();
    let cpu = threads::of_the_client()?.saturating_sub(before);
    let requests = scene.answered(0);
    let rejected = scene.answered(60007);
    thread::sleep(UNTIL_REST);
    let busy = threads::of_threads(BATCHER)?;
    thread::sleep(REST);
    let rest = threads::of_threads(BATCHER)?;
    batcher.close(&CallOptions::new())?;

    let (users, latency) = (calls.took.len() as u64, LATENCY.as_millis());
    println!(
        "{THREADS} threads that tag one user each, over and over, {CALLS_PER_SECOND} calls/s, {latency} ms away"
    );
    let line = |what: &str, figure: String| println!("{what:<34} {figure}");
    line("users/s", format!("{:.0}", per_second(users, took)));
    line("rejected as too frequent (60007)", rejected.to_string());
    line("of the quota", format!("{:.2} %", of_quota(requests, took)));
    let users_a_request = users as f64 / requests.max(1) as f64;
    line("users a request", format!("{users_a_request:.1}"));
    line("calls that failed", calls.failed_as());
    line("a caller waits", calls.waits());
    let cpu_a_user = cpu.as_secs_f64() * 1e6 / users.max(1) as f64;
    line("CPU, callers with it", format!("{cpu_a_user:.1} µs a user"));
    line("threads of the batcher", busy.threads.to_string());
    line("at rest", at_rest(busy, rest));
    let without = without(WITHOUT)?;
    let ratio = per_second(users, took) / without;
    line(
        "without it",
        format!("{without:.0} users/s, {ratio:.0} times fewer"),
    );
    println!();
    languages::table(calls.row(took), time)
}

/// Calls over and over on all threads, each for a user of its own.
fn on_many_threads(
    time: Duration,
    call: impl Fn(&str) -> Result<(), String> + Sync,
) -> Result<Calls, Error> {
    let until = Instant::now() + time;
    let call = &call;
    let calls = thread::scope(|scope| -> Result<Vec<Calls>, Error> {
        let mut threads = Vec::new();
        for number in 0..THREADS {
            let thread = thread::Builder::new().stack_size(STACK_BYTES);
            threads.push(thread.spawn_scoped(scope, move || {
                let account = format!("user{number:08}");
                let mut calls = Calls::default();
                while Instant::now() < until {
                    calls.note(|| call(&account));
                }
                calls
            })?);
        }
        let joined = threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| "a caller panicked".into()));
        joined.collect()
    })?;
    Ok(Calls::together(calls))
}

impl Calls {
    fn note(&mut self, call: impl FnOnce() -> Result<(), String>) {
        let began = Instant::now();
        match call() {
            Ok(()) => {
                let took = u32::try_from(began.elapsed().as_micros());
                self.took.push(took.unwrap_or(u32::MAX));
            }
            Err(why) => {
                self.failed += 1;
                self.why = Some(why);
            }
        }
    }

    /// All in one, sorted.
    fn together(parts: Vec<Calls>) -> Calls {
        let mut all = Calls::default();
        for part in parts {
            all.took.extend(part.took);
            all.failed += part.failed;
            all.why = all.why.or(part.why);
        }
        all.took.sort_unstable();
        all
    }

    fn failed_as(&self) -> String {
        match &self.why {
            Some(why) => format!("{}, such as: {why}", self.failed),
            None => self.failed.to_string(),
        }
    }

    fn waits(&self) -> String {
        let [half, most, all] = [500, 990, 1000].map(|per_mille| self.milliseconds(per_mille));
        format!("{half:.0} ms, 1 % above {most:.0} ms, {all:.0} ms at most")
    }

    /// How long a caller waits at most in this number of 1,000 calls.
    fn milliseconds(&self, per_mille: usize) -> f64 {
        let last = self.took.len().saturating_sub(1);
        let place = (self.took.len() * per_mille / 1000).min(last);
        f64::from(self.took.get(place).copied().unwrap_or_default()) / 1000.0
    }

    fn row(&self, time: Duration) -> Row {
        Row {
            who: "Rust, threads".to_owned(),
            callers: THREADS,
            users: self.took.len() as u64 + self.failed,
            failed: self.failed,
            seconds: time.as_secs_f64(),
            p50: self.milliseconds(500),
            p99: self.milliseconds(990),
        }
    }
}

fn at_rest(before: Cost, after: Cost) -> String {
    format!(
        "{} threads, {:?} of CPU, woken {} times in {} s",
        after.threads,
        after.cpu.saturating_sub(before.cpu),
        after.switches - before.switches,
        REST.as_secs()
    )
}

/// Users a second where each thread makes a call of its own.
fn without(time: Duration) -> Result<f64, Error> {
    let scene = Scene::new(Window::Sliding, Duration::ZERO)?;
    let token = CancelToken::new();
    let options = CallOptions::new().timeout(2 * time).cancel(&token);
    let call = |account: &str| {
        let request = AddTags::new([(account, ["vip"])]).map_err(|error| error.to_string())?;
        let added = scene.client.call(&request, &options);
        added.map(drop).map_err(|error| error.to_string())
    };
    let calls = thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(time);
            token.cancel();
        });
        on_many_threads(time, call)
    })?;
    Ok(per_second(calls.took.len() as u64, time))
}
