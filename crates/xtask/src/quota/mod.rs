//! `cargo xtask quota`: what the quota rule reaches, as a table.
//!
//! The rule of `imtag_core::quota` runs against a simulated service, ten minutes of virtual time a
//! row and seed, under every condition that it was designed for, and some that it is known not to
//! meet. Nothing here depends on a real clock: the same table comes out every time, and the tests
//! hold it to what is promised.

mod client;
mod path;
mod scenarios;
mod service;
mod simulation;
mod table;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use scenarios::Scenario;
use service::Window;
use simulation::Figures;

/// Each row shows the worst of so many runs.
const SEEDS: [u64; 3] = [1, 2, 3];

/// One scenario under one window.
struct Row {
    scenario: Scenario,
    window: Window,
    worst: Figures,
}

/// Simulates everything, prints the table, and fails if a promise is broken.
pub(crate) fn run() -> ExitCode {
    let rows = simulate(&scenarios::all());
    // A reader that went away, as `head` does, is no failure of the rule.
    let _ = io::stdout().write_all(table::render(&rows).as_bytes());
    if rows.iter().all(Row::is_kept) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

impl Row {
    fn is_kept(&self) -> bool {
        self.scenario.promise.is_kept(self.worst)
    }
}

/// Runs the scenarios under their windows, on every core, and returns the rows in order.
fn simulate(scenarios: &[Scenario]) -> Vec<Row> {
    let by_window = |scenario: &Scenario| {
        scenario
            .promise
            .windows()
            .iter()
            .map(|&window| (scenario.clone(), window))
            .collect()
    };
    let jobs: Vec<(Scenario, Window)> = scenarios.iter().flat_map::<Vec<_>, _>(by_window).collect();
    let results: Vec<OnceLock<Figures>> = jobs.iter().map(|_| OnceLock::new()).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let job = next.fetch_add(1, Ordering::Relaxed);
            let (Some((scenario, window)), Some(result)) = (jobs.get(job), results.get(job)) else {
                return;
            };
            result.get_or_init(|| worst(scenario, *window));
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let row = |((scenario, window), result): (_, OnceLock<_>)| {
        Some(Row {
            scenario,
            window,
            worst: result.into_inner()?,
        })
    };
    jobs.into_iter().zip(results).filter_map(row).collect()
}

/// The least utilisation and the most rejections and arrivals of all seeds.
fn worst(scenario: &Scenario, window: Window) -> Figures {
    let runs = SEEDS.map(|seed| simulation::run(scenario.setting, window, seed));
    runs.into_iter().fold(
        Figures {
            utilisation: f64::MAX,
            ..Figures::default()
        },
        |worst, run| Figures {
            utilisation: worst.utilisation.min(run.utilisation),
            rejections: worst.rejections.max(run.rejections),
            most: worst.most.max(run.most),
        },
    )
}
