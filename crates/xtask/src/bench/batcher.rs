//! `cargo xtask bench batcher`: what a server is like that tags one user per event on many threads: how many users a
//! second get through one batcher, how long a caller waits, and that it costs nothing when nothing happens. Beside it,
//! the same threads with a call of their own each, which the quota holds to one user a call; and the same callers in the
//! other languages: programs of theirs that say what came of it as a line of JSON.

use std::process::Command;
use std::thread;
use std::time::Duration;

use imtag_emulator::Window;
use imtag_transport::{AddTags, CallOptions, CancelToken};
use serde::Deserialize;

use super::callers::{call_for, millis};
use super::languages::{missing, program};
use super::options::Options;
use super::process;
use super::report::{Report, Table, micros_each, per_second};
use crate::Error;
use crate::install;
use crate::program::output;
use crate::scene::{self, CALLS_PER_SECOND, LATENCY, Scene};

const THREADS: u64 = 2_000;
/// The name of a batcher's threads.
const BATCHER: &str = "imtag-batcher";
/// How long it is watched at rest.
const REST: Duration = Duration::from_secs(5);
/// After the last outcome the threads still look around once.
const UNTIL_REST: Duration = Duration::from_millis(500);
/// What one request may hold: the quota is this number of users for each call.
const USERS_A_REQUEST: f64 = 100.0;

const COLUMNS: [(&str, &str); 8] = [
    ("users", "a second"),
    ("of quota", "%"),
    ("p50", "ms"), // of a caller's wait
    ("p99", "ms"),
    ("failed", ""),
    ("60007", ""),
    ("CPU", "us/user"), // with the callers'
    ("at rest", "CPU us/s"),
];

/// What the callers of a language have to say.
#[derive(Deserialize)]
struct Calls {
    who: String,
    users: u64,
    failed: u64,
    seconds: f64,
    p50_ms: f64,
    p99_ms: f64,
}

pub(super) fn run(options: &Options) -> Result<Report, Error> {
    let mut report = options.report();
    let title = format!(
        "{THREADS} callers that tag one user each, {CALLS_PER_SECOND} calls a second, {} ms away",
        LATENCY.as_millis()
    );
    let mut table = Table::new(&title, &COLUMNS);
    with_a_batcher(options.time(), &mut table)?;
    let without = without_it(options.time().min(Duration::from_secs(10)))?;
    table.row("Rust, a call each", &without.figures());
    let prefix = install::optimised_tree("release")?;
    for language in options.bench.languages {
        if let Some(why) = missing(language) {
            report.missing.push(why);
            continue;
        }
        eprintln!("{language}");
        for calls in calls_of(program(language, "batcher", &prefix)?, options)? {
            table.row(&calls.who, &calls.figures());
        }
    }
    report.tables.push(table);
    Ok(report)
}

/// The row of Rust.
fn with_a_batcher(time: Duration, table: &mut Table) -> Result<(), Error> {
    let scene = Scene::new(Window::Sliding, Duration::ZERO)?;
    let batcher = scene.client.batcher().start();
    let before = process::cpu_of_the_client()?;
    let calls = on_many_threads("Rust, threads", time, |account| {
        batcher.add_tag(account, ["vip"]).is_ok()
    })?;
    let cpu = process::cpu_of_the_client()?.saturating_sub(before);
    thread::sleep(UNTIL_REST);
    let busy = process::cpu_of_threads(BATCHER)?;
    thread::sleep(REST);
    let rest = process::cpu_of_threads(BATCHER)?.saturating_sub(busy);
    batcher.close(&CallOptions::new())?;
    let mut figures = calls.figures();
    figures.extend([
        scene.answered(60007) as f64,
        micros_each(cpu, calls.users),
        micros_each(rest, REST.as_secs()),
    ]);
    table.row(&calls.who, &figures);
    Ok(())
}

/// Each thread makes a call of its own.
fn without_it(time: Duration) -> Result<Calls, Error> {
    let scene = Scene::new(Window::Sliding, Duration::ZERO)?;
    let token = CancelToken::new();
    let options = CallOptions::new().timeout(2 * time).cancel(&token);
    let call = |account: &str| {
        let request = AddTags::new([(account, ["vip"])]);
        request.is_ok_and(|request| scene.client.call(&request, &options).is_ok())
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(time);
            token.cancel();
        });
        on_many_threads("Rust, a call each", time, call)
    })
}

/// Calls over and over on all threads, each for a user of its own.
fn on_many_threads(
    who: &str,
    time: Duration,
    call: impl Fn(&str) -> bool + Sync,
) -> Result<Calls, Error> {
    let called = call_for(time, THREADS, |caller, _| {
        call(&format!("user{caller:08}")).into()
    })?;
    Ok(Calls {
        who: who.to_owned(),
        users: called.done + called.failed,
        failed: called.failed,
        seconds: called.time.as_secs_f64(),
        p50_ms: millis(called.p50),
        p99_ms: millis(called.p99),
    })
}

/// Runs a language's program against an emulator of its own.
fn calls_of(mut command: Command, options: &Options) -> Result<Vec<Calls>, Error> {
    let Scene { emulator, .. } = Scene::new(Window::Sliding, Duration::ZERO)?;
    scene::set(&mut command, &emulator.endpoint());
    command
        .env("SECONDS", options.amount.to_string())
        .env("CALLERS", THREADS.to_string());
    let printed = output(&mut command)?;
    let lines = printed.lines().filter(|line| line.starts_with('{'));
    lines.map(|line| Ok(serde_json::from_str(line)?)).collect()
}

impl Calls {
    /// The first of a row.
    fn figures(&self) -> Vec<f64> {
        let done = self.users.saturating_sub(self.failed);
        let users = per_second(done, Duration::from_secs_f64(self.seconds));
        let quota = 100.0 * users / (f64::from(CALLS_PER_SECOND) * USERS_A_REQUEST);
        vec![users, quota, self.p50_ms, self.p99_ms, self.failed as f64]
    }
}
