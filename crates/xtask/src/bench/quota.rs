//! `cargo xtask bench quota`: how much of the app's quota a bulk run uses, against services that count a second in
//! either way, at once; and what a loop of single calls reaches, which is what people write first.
//!
//! The share of the quota is given over the whole run, from the first change to the last outcome, which is the harder
//! measure, and from the first arrival at the service to the last, which is how the service sees it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use imtag_emulator::Window;
use imtag_transport::{AddTags, ChangeRequest};

use super::{of_quota, per_second, seconds, threads};
use crate::Error;
use crate::scene::{CALLS_PER_SECOND, LATENCY, Scene};

const JITTER: Duration = Duration::from_millis(20);
/// How long the loops of single calls run.
const LOOP: Duration = Duration::from_secs(10);
/// Between two looks at what is under way.
const LOOK: Duration = Duration::from_millis(5);
/// For whose arrivals the emulator's memory is long enough.
pub(super) const SECONDS_AT_MOST: u64 = 90;

/// What came of a bulk run.
struct Run {
    window: Window,
    answered: u64,
    rejected: u64,
    users: u64,
    failed: u64,
    /// From the first change to the last outcome.
    whole: Duration,
    /// From the first arrival to the last.
    between_arrivals: Duration,
    busiest_second: usize,
    in_flight: usize,
}

pub(super) fn run(arguments: lexopt::Parser) -> Result<(), Error> {
    let time = seconds(arguments, 60)?;
    let windows = [Window::Sliding, Window::Calendar];
    let before = threads::of_the_client()?;
    let [sliding, calendar] = thread::scope(|scope| {
        let runs = windows.map(|window| scope.spawn(move || bulk_run(window, time)));
        runs.map(|run| {
            run.join()
                .unwrap_or_else(|_| Err("the run panicked".into()))
        })
    });
    let runs = [sliding?, calendar?];
    let cpu = threads::of_the_client()?.saturating_sub(before);
    show(&runs, cpu);
    let [sliding, calendar] = runs.map(|run| run.users_per_second());
    for (what, reached) in loops()? {
        let fewer = sliding.min(calendar) / reached;
        println!("{what:<38} {reached:>8.0} users/s, {fewer:.0} times fewer");
    }
    Ok(())
}

impl Run {
    fn users_per_second(&self) -> f64 {
        per_second(self.users, self.whole)
    }
}

fn bulk_run(window: Window, time: Duration) -> Result<Run, Error> {
    let scene = Scene::new(window, JITTER)?;
    let (over, scene) = (AtomicBool::new(false), &scene);
    let until = Instant::now() + time;
    let changes = (0_u64..).map(|user| ChangeRequest::add(account(user), ["vip"]));
    let changes = changes.take_while(|_| Instant::now() < until);
    let (summary, in_flight) = thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let mut most = 0;
            while !over.load(Ordering::Relaxed) {
                most = most.max(scene.emulator.stats().in_flight);
                thread::sleep(LOOK);
            }
            most
        });
        let summary = scene.client.bulk().run(changes).finish();
        over.store(true, Ordering::Relaxed);
        (summary, looking.join().unwrap_or_default())
    });
    let arrived = scene.emulator.requests();
    let (Some(first), Some(last)) = (arrived.first(), arrived.last()) else {
        return Err(format!("nothing arrived: {summary}").into());
    };
    let adds = scene.adds();
    Ok(Run {
        window,
        answered: scene.answered(0),
        rejected: scene.answered(60007),
        users: summary.progress.done,
        failed: summary.progress.failed,
        whole: summary.elapsed,
        between_arrivals: last.at.saturating_sub(first.at),
        busiest_second: match window {
            Window::Sliding => adds.busiest_sliding_second,
            Window::Calendar => adds.busiest_calendar_second,
        },
        in_flight,
    })
}

fn show(runs: &[Run; 2], cpu: Duration) {
    let (latency, jitter) = (LATENCY.as_millis(), JITTER.as_millis());
    println!(
        "bulk runs of one tag a user, {CALLS_PER_SECOND} calls/s, {latency} ± {jitter} ms away, both at once"
    );
    let line = |what: &str, figure: &dyn Fn(&Run) -> String| {
        let [sliding, calendar] = runs.each_ref().map(figure);
        println!("{what:<38} {sliding:>12} {calendar:>12}");
    };
    line("a second of the service is", &|run| {
        format!("{:?}", run.window).to_lowercase()
    });
    line("seconds", &|run| format!("{:.2}", run.whole.as_secs_f64()));
    line("requests answered", &|run| run.answered.to_string());
    line("of the quota, over the whole run", &|run| {
        format!("{:.2} %", of_quota(run.answered, run.whole))
    });
    line("of the quota, first to last arrival", &|run| {
        format!("{:.2} %", of_quota(run.answered, run.between_arrivals))
    });
    line("rejected as too frequent (60007)", &|run| {
        run.rejected.to_string()
    });
    line("calls in the busiest second", &|run| {
        run.busiest_second.to_string()
    });
    line("users/s", &|run| format!("{:.0}", run.users_per_second()));
    line("users not tagged", &|run| run.failed.to_string());
    line("requests under way at most", &|run| {
        run.in_flight.to_string()
    });
    let requests: u64 = runs.iter().map(|run| run.answered).sum();
    let seconds = runs[0].whole.as_secs_f64();
    let each = per_second(1, Duration::from_secs(1)) * cpu.as_secs_f64() / requests.max(1) as f64;
    println!(
        "{:<38} {:>9.2} s in {seconds:.0} s, {:.0} µs a request",
        "CPU of both clients",
        cpu.as_secs_f64(),
        each * 1e6
    );
}

/// What single calls reach, one after the other.
fn loops() -> Result<Vec<(&'static str, f64)>, Error> {
    let kinds = [
        ("a loop of calls for one user each", 1),
        ("a loop of calls for 100 users each", 100),
    ];
    let mut reached = Vec::new();
    for (what, users) in kinds {
        let scene = Scene::new(Window::Sliding, JITTER)?;
        let began = Instant::now();
        let mut done = 0;
        while began.elapsed() < LOOP {
            let accounts = (done..done + users).map(account).collect::<Vec<_>>();
            let tags = accounts.iter().map(|account| (account.as_str(), ["vip"]));
            scene.client.add_tag(&AddTags::new(tags)?)?;
            done += users;
        }
        reached.push((what, per_second(done, began.elapsed())));
    }
    Ok(reached)
}

fn account(user: u64) -> String {
    format!("user{user:08}")
}
