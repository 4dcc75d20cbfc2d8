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

use crate::parallel::in_parallel;
use scenarios::Scenario;
use service::Window;
use simulation::Figures;

/// Each row shows the worst of these runs.
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

/// Runs the scenarios under their windows; the rows in order.
fn simulate(scenarios: &[Scenario]) -> Vec<Row> {
    let mut jobs = Vec::new();
    for scenario in scenarios {
        let windows = scenario.promise.windows().iter();
        jobs.extend(windows.map(|window| (scenario.clone(), *window)));
    }
    in_parallel(jobs, |(scenario, window)| Row {
        worst: worst(&scenario, window),
        scenario,
        window,
    })
}

/// The least utilisation and the most rejections and arrivals of all seeds.
fn worst(scenario: &Scenario, window: Window) -> Figures {
    let runs = SEEDS.map(|seed| simulation::run(scenario.setting, window, seed));
    let worst = runs.into_iter().reduce(|worst, run| Figures {
        utilisation: worst.utilisation.min(run.utilisation),
        rejections: worst.rejections.max(run.rejections),
        most: worst.most.max(run.most),
    });
    worst.unwrap_or_default()
}
