//! `cargo xtask quota --shared`: what processes reach that share a quota by leases, as a table.
//!
//! Both sides of `imtag_core::leases` run against a simulated service, five minutes of virtual time a row and seed: one to
//! two hundred processes, each with its own work, clock and ways to the service and the store, while processes and the store
//! fail. As with the rule for a process alone, the same table comes out every time, and a test holds it to what is promised.

mod process;
mod scenarios;
mod simulation;
#[cfg(test)]
mod tests;
mod trouble;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use super::service::Window;
use crate::parallel::in_parallel;
use scenarios::{Promise, Scenario};
use simulation::Figures;

/// Each row shows the worst of these runs.
const SEEDS: [u64; 3] = [1, 2, 3];

struct Row {
    scenario: Scenario,
    worst: Figures,
}

/// Simulates everything, prints the table, and fails if a promise is broken.
pub(super) fn run() -> ExitCode {
    let rows = simulate(scenarios::all(), &SEEDS);
    let _ = io::stdout().write_all(table(&rows).as_bytes());
    if rows.iter().all(Row::is_kept) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

impl Row {
    fn is_kept(&self) -> bool {
        let quota = self.scenario.setting.calls_per_second.calls().get();
        self.scenario.promise.is_kept(quota as usize, &self.worst)
    }
}

fn simulate(scenarios: Vec<Scenario>, seeds: &[u64]) -> Vec<Row> {
    in_parallel(scenarios, |scenario| {
        // what a calendar second rejects, a strict one rejects too, apart from what follows a rejection
        let windows: &[Window] = match scenario.promise {
            Promise::Remains(_) => &[Window::Strict, Window::Calendar],
            Promise::Reaches(_) | Promise::Serves(_) => &[Window::Strict],
        };
        let runs = seeds.iter().flat_map(|seed| {
            let run = |window: &Window| simulation::run(&scenario.setting, *window, *seed);
            windows.iter().map(run)
        });
        let worst = runs.reduce(Figures::worst).unwrap_or_default();
        Row { scenario, worst }
    })
}

/// As text, in 80 columns.
fn table(rows: &[Row]) -> String {
    let header = "                                 used promise least longest calls of  rej-
processes                           %         share    wait  store/s ected  most
";
    let lines = rows.iter().map(|row| {
        let worst = &row.worst;
        let promise = match row.scenario.promise {
            Promise::Reaches(percent) => format!("{percent:.1}"),
            Promise::Serves(within) => format!("{} s", within.as_secs_f64()),
            Promise::Remains(rejections) => format!("({rejections})"),
        };
        let least = match row.scenario.promise {
            Promise::Reaches(_) => format!("{:.0}", worst.least_share),
            Promise::Serves(_) | Promise::Remains(_) => "-".to_owned(),
        };
        let longest = if worst.longest == Duration::ZERO {
            "-".to_owned()
        } else {
            format!("{:.1} s", worst.longest.as_secs_f64())
        };
        let broken = if row.is_kept() { "" } else { " BROKEN" };
        format!(
            "{:<32} {:>4.1} {promise:>7} {least:>5} {longest:>7} {:>8.0} {:>5} {:>5}{broken}\n",
            row.scenario.name,
            worst.utilisation,
            worst.calls_of_store,
            worst.rejections,
            worst.most,
        )
    });
    format!(
        "{header}{}\nEach row: 5 virtual minutes for each of {} seeds, and the worst of each figure.\n\
         Promised are the least use in percent, or that all calls are made and none\n\
         waits for longer, and no rejection, or as many as the rule is known to leave.\n\
         Least share: of the process with fewest calls, in percent of the mean.\n\
         Most: arrivals in any second.\n",
        lines.collect::<String>(),
        SEEDS.len(),
    )
}
