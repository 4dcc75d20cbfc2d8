//! `cargo xtask quota [--shared]`: what the quota rule reaches, as a table.
//!
//! The rule of `imtag_core::quota` runs against a simulated service, ten minutes of virtual time a
//! row and seed, under every condition that it was designed for, and some that it is known not to
//! meet. Nothing here depends on a real clock: the same table comes out every time, and the tests
//! hold it to what is promised.

mod client;
mod path;
mod scenarios;
mod service;
mod shared;
mod simulation;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::process::ExitCode;

use crate::error::Error;
use crate::parallel::in_parallel;
use scenarios::{Promise, Scenario};
use service::Window;
use simulation::{DURATION, Figures};

/// Each row shows the worst of these runs.
const SEEDS: [u64; 3] = [1, 2, 3];

/// One scenario under one window.
struct Row {
    scenario: Scenario,
    window: Window,
    worst: Figures,
}

/// The rule for one process alone; with `--shared`, for processes that share a quota by leases.
pub fn run(mut arguments: lexopt::Parser) -> Result<ExitCode, Error> {
    match arguments.next().map_err(|error| error.to_string())? {
        None => Ok(alone()),
        Some(lexopt::Arg::Long("shared")) => Ok(shared::run()),
        Some(other) => Err(other.unexpected().to_string().into()),
    }
}

/// Simulates everything, prints the table, and fails if a promise is broken.
fn alone() -> ExitCode {
    let rows = simulate(&scenarios::all());
    // A reader that went away, as `head` does, is no failure of the rule.
    let _ = io::stdout().write_all(table(&rows).as_bytes());
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

const COLUMNS: [&str; 6] = [
    "scenario",
    "window",
    "utilisation %",
    "rejections",
    "most in a second",
    "promise",
];

/// The table as text: columns as wide as what stands in them, figures to the right.
fn table(rows: &[Row]) -> String {
    let header = COLUMNS.map(String::from);
    let cells: Vec<_> = [header].into_iter().chain(rows.iter().map(cells)).collect();
    let widths = [0, 1, 2, 3, 4, 5].map(|column: usize| {
        let widths = cells.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or_default()
    });
    let lines = cells.iter().map(|row| {
        let padded = row.iter().zip(widths).enumerate();
        let padded = padded.map(|(column, (cell, width))| match column {
            2..=4 => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    });
    format!(
        "{}\nEach row: {} virtual minutes for each of {} seeds; the least utilisation, the most\n\
         rejections, the most arrivals. A strict window counts rejected calls too; where nothing\n\
         is rejected, it is the same as a sliding one.\n",
        lines.collect::<String>(),
        DURATION.as_secs() / 60,
        SEEDS.len(),
    )
}

fn cells(row: &Row) -> [String; COLUMNS.len()] {
    let promise = match row.scenario.promise {
        Promise::Reaches(percent) => format!("none rejected, {percent} %"),
        Promise::NoRejection => "none rejected".to_owned(),
        Promise::Remains(rejections) => format!("known to remain, at most {rejections}"),
        Promise::Comparison => "for comparison".to_owned(),
    };
    let broken = if row.is_kept() { "" } else { "BROKEN: " };
    [
        row.scenario.name.clone(),
        format!("{:?}", row.window).to_lowercase(),
        format!("{:.2}", row.worst.utilisation),
        row.worst.rejections.to_string(),
        row.worst.most.to_string(),
        format!("{broken}{promise}"),
    ]
}
