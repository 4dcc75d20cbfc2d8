//! What the calls of each client cost, as a table for people and as JSON.

use serde::Serialize;

use crate::Error;

/// A client's calls of one size. Times are in nanoseconds and medians over the rounds; ratios are over the first client in
/// the same round.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) protocol: &'static str,
    pub(super) size: &'static str,
    pub(super) client: &'static str,
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) cpu: f64,
    pub(super) p50_ratio: f64,
    pub(super) p50_ratio_least: f64,
    pub(super) p50_ratio_most: f64,
    pub(super) cpu_ratio: f64,
    pub(super) allocations: f64,
    pub(super) allocated_bytes: f64,
    /// Of the request's body, which is what has to be allocated at least.
    pub(super) body_bytes: usize,
    /// `None` where it cannot be counted.
    pub(super) system_calls: Option<u64>,
}

pub(super) fn print(rows: &[Row]) {
    println!(
        "microseconds a call; × is over floor in the same round, with the least and the most of all rounds"
    );
    println!(
        "{:<5} {:<6} {:<10} {:>7} {:>7} {:>7} {:>6} {:>11} {:>6} {:>7} {:>8} {:>7} {:>8}",
        "",
        "",
        "",
        "p50",
        "p99",
        "CPU",
        "p50 ×",
        "",
        "CPU ×",
        "allocs",
        "bytes",
        "body",
        "syscalls"
    );
    for row in rows {
        println!("{}", row.line());
    }
}

pub(super) fn print_json(rows: &[Row]) -> Result<(), Error> {
    println!("{}", serde_json::to_string_pretty(rows)?);
    Ok(())
}

impl Row {
    fn line(&self) -> String {
        let [p50, p99, cpu] = [self.p50, self.p99, self.cpu].map(|nanoseconds| nanoseconds / 1e3);
        let spread = format!("{:.2}-{:.2}", self.p50_ratio_least, self.p50_ratio_most);
        let system_calls = self
            .system_calls
            .map_or("?".to_owned(), |it| it.to_string());
        format!(
            "{:<5} {:<6} {:<10} {p50:>7.1} {p99:>7.1} {cpu:>7.1} {:>6.2} {spread:>11} {:>6.2} {:>7.2} {:>8.0} {:>7} {system_calls:>8}",
            self.protocol,
            self.size,
            self.client,
            self.p50_ratio,
            self.cpu_ratio,
            self.allocations,
            self.allocated_bytes,
            self.body_bytes,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_microseconds_and_ratios_with_their_spread() {
        let row = Row {
            protocol: "plain",
            size: "full",
            client: "libimtag",
            p50: 151_260.0,
            p99: 302_000.0,
            cpu: 99_960.0,
            p50_ratio: 2.374,
            p50_ratio_least: 2.2,
            p50_ratio_most: 2.61,
            cpu_ratio: 3.0,
            allocations: 392.98,
            allocated_bytes: 192_000.4,
            body_bytes: 27_000,
            system_calls: None,
        };
        assert_eq!(
            row.line(),
            "plain full   libimtag     151.3   302.0   100.0   2.37   2.20-2.61   3.00  392.98   192000   27000        ?"
        );
    }
}
