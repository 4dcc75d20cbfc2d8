//! `cargo xtask bench quota`: how much of the app's quota a bulk run of one tag a user uses, against services that count a
//! second in either way, at once; and what a loop of single calls reaches, which is what people write first.
//!
//! The share of the quota is given over the whole run, from the first change to the last outcome, which is the harder
//! measure, and from the first arrival at the service to the last, which is how the service sees it.

use std::thread;
use std::time::{Duration, Instant};

use imtag_emulator::Window;
use imtag_transport::{AddTags, ChangeRequest};

use super::options::Options;
use super::process;
use super::report::{Report, Table, micros_each, per_second};
use crate::Error;
use crate::scene::{CALLS_PER_SECOND, LATENCY, Scene};

const JITTER: Duration = Duration::from_millis(20);

const COLUMNS: [(&str, &str); 8] = [
    ("users", "a second"),
    ("of quota", "%"),
    ("arriving", "%"),
    ("requests", ""),
    ("60007", ""), // too frequent
    ("busiest", "a second"),
    ("failed", "users"),
    ("CPU, both", "us/request"),
];

pub(super) fn run(options: &Options) -> Result<Report, Error> {
    let mut report = options.report();
    let title = format!(
        "{CALLS_PER_SECOND} calls a second, {} ± {} ms away, {} s",
        LATENCY.as_millis(),
        JITTER.as_millis(),
        options.amount
    );
    let mut table = Table::new(&title, &COLUMNS);
    let windows = [Window::Sliding, Window::Calendar];
    let before = process::cpu_of_the_client()?;
    let runs = thread::scope(|scope| {
        let runs = windows.map(|window| scope.spawn(move || bulk_run(window, options.time())));
        runs.map(|run| {
            run.join()
                .unwrap_or_else(|_| Err("the run panicked".into()))
        })
    });
    let cpu = process::cpu_of_the_client()?.saturating_sub(before);
    let [sliding, calendar] = runs;
    let [sliding, calendar] = [sliding?, calendar?];
    let requests = sliding[3] + calendar[3];
    for (name, mut figures) in [
        ("a sliding second", sliding),
        ("a calendar second", calendar),
    ] {
        figures.push(micros_each(cpu, requests as u64));
        table.row(name, &figures);
    }
    for users in [1, 100] {
        let reached = calls_in_a_loop(users, options.time().min(Duration::from_secs(10)))?;
        table.row(&format!("a loop of calls for {users}"), &[reached]);
    }
    report.tables.push(table);
    Ok(report)
}

/// All figures except the CPU.
fn bulk_run(window: Window, time: Duration) -> Result<Vec<f64>, Error> {
    let scene = Scene::new(window, JITTER)?;
    let until = Instant::now() + time;
    let changes = (0_u64..).map(|user| ChangeRequest::add(account(user), ["vip"]));
    let changes = changes.take_while(|_| Instant::now() < until);
    let summary = scene.client.bulk().run(changes).finish();
    let arrived = scene.emulator.requests();
    let (Some(first), Some(last)) = (arrived.first(), arrived.last()) else {
        return Err(format!("nothing arrived: {summary}").into());
    };
    let (adds, answered) = (scene.adds(), scene.answered(0));
    let busiest = match window {
        Window::Sliding => adds.busiest_sliding_second,
        Window::Calendar => adds.busiest_calendar_second,
    };
    let of_quota = |time| 100.0 * per_second(answered, time) / f64::from(CALLS_PER_SECOND);
    Ok(vec![
        per_second(summary.progress.done, summary.elapsed),
        of_quota(summary.elapsed),
        of_quota(last.at.saturating_sub(first.at)),
        answered as f64,
        scene.answered(60007) as f64,
        busiest as f64,
        summary.progress.failed as f64,
    ])
}

/// The users a second of single calls, one after the other.
fn calls_in_a_loop(users: u64, time: Duration) -> Result<f64, Error> {
    let scene = Scene::new(Window::Sliding, JITTER)?;
    let began = Instant::now();
    let mut done = 0;
    while began.elapsed() < time {
        let accounts = (done..done + users).map(account).collect::<Vec<_>>();
        let tags = accounts.iter().map(|account| (account.as_str(), ["vip"]));
        scene.client.add_tag(&AddTags::new(tags)?)?;
        done += users;
    }
    Ok(per_second(done, began.elapsed()))
}

fn account(user: u64) -> String {
    format!("user{user:08}")
}
