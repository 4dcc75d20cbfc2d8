//! What each client's work costs, as a table for people and as JSON.

use serde::Serialize;

use super::Load;
use super::caller::{Allocated, Round};
use crate::bench::median;

/// What a call of a client costs, or a user of a bulk run. Times are in nanoseconds and medians over the rounds; a ratio is
/// the median of those in each round.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    load: String,
    client: &'static str,
    p50: f64,
    p99: f64,
    cpu: f64,
    /// Calls a second, or users; of those that say it.
    per_second: Option<f64>,
    /// What the ratios are of.
    compared: &'static str,
    /// Over the first client.
    ratio: f64,
    ratio_least: f64,
    ratio_most: f64,
    cpu_ratio: f64,
    peer: Option<&'static str>,
    peer_ratio: Option<f64>,
    allocations: Option<f64>,
    allocated_bytes: Option<f64>,
    /// Of a request's body, which is what has to be allocated at least for it. A bulk run's is that of 100 users.
    body_bytes: usize,
    /// `None` where they cannot be counted, and of many threads.
    system_calls: Option<u64>,
}

impl Row {
    /// Of the client at a place in each round, and of the peer that it is compared with.
    pub(super) fn new(
        load: &Load<'_>,
        client: &'static str,
        rounds: &[Vec<Round>],
        (at, peer): (usize, Option<(usize, &'static str)>),
        allocated: Option<Allocated>,
        system_calls: Option<u64>,
    ) -> Row {
        let (compared, figure) = load.compared;
        let each = |figure: fn(&Round) -> f64| median(rounds.iter().map(|it| figure(&it[at])));
        let ratios = |figure: fn(&Round) -> f64, other: usize| {
            let rounds = rounds.iter();
            rounds.map(move |it| figure(&it[at]) / figure(&it[other]))
        };
        let time = each(|it| it.time);
        Row {
            load: load.name.clone(),
            client,
            p50: each(|it| it.p50),
            p99: each(|it| it.p99),
            cpu: each(|it| it.cpu),
            per_second: (time > 0.0).then_some(1e9 / time),
            compared,
            ratio: median(ratios(figure, 0)),
            ratio_least: ratios(figure, 0).fold(f64::MAX, f64::min),
            ratio_most: ratios(figure, 0).fold(0.0, f64::max),
            cpu_ratio: median(ratios(|it| it.cpu, 0)),
            peer: peer.map(|(_, name)| name),
            peer_ratio: peer.map(|(other, _)| median(ratios(figure, other))),
            allocations: allocated.map(|it| it.allocations),
            allocated_bytes: allocated.map(|it| it.bytes),
            body_bytes: rounds.last().map_or(0, |round| round[at].body_bytes),
            system_calls,
        }
    }

    fn line(&self) -> String {
        fn or<F>(figure: Option<F>, known: impl Fn(F) -> String) -> String {
            figure.map_or_else(|| "?".to_owned(), known)
        }
        let [p50, p99, cpu] = [self.p50, self.p99, self.cpu].map(|nanoseconds| nanoseconds / 1e3);
        let over_peer = match (self.peer, self.peer_ratio) {
            (Some(peer), Some(ratio)) => format!("{ratio:.2} {peer}"),
            _ => String::new(),
        };
        let line = format!(
            "{:<21} {:<12} {p50:>7.1} {p99:>7.1} {cpu:>7.2} {:>8} {:>4} {:>5.2} {:>10} {:>6.2} {:>7} {:>7} {:>6} {:>8}  {over_peer}",
            self.load,
            self.client,
            or(self.per_second, |it| format!("{it:.0}")),
            self.compared,
            self.ratio,
            format!("{:.2}-{:.2}", self.ratio_least, self.ratio_most),
            self.cpu_ratio,
            or(self.allocations, |it| format!("{it:.2}")),
            or(self.allocated_bytes, |it| format!("{it:.0}")),
            self.body_bytes,
            or(self.system_calls, |it| it.to_string()),
        );
        line.trim_end().to_owned()
    }
}

/// All rows.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// By which the clients were built.
    pub(super) profile: String,
    pub(super) rows: Vec<Row>,
    /// The clients that have no rows, with the reason.
    pub(super) missing: Vec<String>,
}

impl Report {
    pub(super) fn print(&self) {
        println!(
            "Microseconds a call, or a user of a bulk run; built by the profile {}. p50, p99 and CPU are medians of all rounds.\n\
             × is the figure that \"of\" names, divided by that of floor in the same round: the median, and as \"spread\" the\n\
             least and the most of all rounds. \"peer ×\" is the same over the client that it names: what\n\
             people use without this library, or the other commit's.\n\
             ? is not counted for this client on this machine.",
            self.profile
        );
        println!(
            "{:<21} {:<12} {:>7} {:>7} {:>7} {:>8} {:>4} {:>5} {:>10} {:>6} {:>7} {:>7} {:>6} {:>8}  peer ×",
            "",
            "",
            "p50",
            "p99",
            "CPU",
            "a second",
            "of",
            "×",
            "spread",
            "CPU ×",
            "allocs",
            "bytes",
            "body",
            "syscalls"
        );
        for row in &self.rows {
            println!("{}", row.line());
        }
        for missing in &self.missing {
            println!("no {missing}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn round(p50: f64) -> Round {
        Round {
            p50,
            p99: 302_000.0,
            cpu: p50 / 2.0,
            time: 200_000.0,
            body_bytes: 26_914,
        }
    }

    fn row(peer: Option<(usize, &'static str)>, allocated: Option<Allocated>) -> Row {
        let load = Load {
            name: "plain, full".to_owned(),
            endpoint: "http://127.0.0.1:1",
            ca_file: PathBuf::new(),
            users: 100,
            tags: 10,
            work: None,
            on: Vec::new(),
            times: 1,
            compared: ("p50", |round| round.p50),
        };
        // the floor, the peer, the client: of odd rounds the middle one counts, for each figure and each ratio by itself
        let rounds = [
            [40_000.0, 200_000.0, 150_000.0],
            [50_000.0, 100_000.0, 100_000.0],
            [50_000.0, 400_000.0, 151_000.0],
        ];
        let rounds = rounds.map(|clients| clients.map(round).to_vec());
        Row::new(&load, "imtag, Rust", &rounds, (2, peer), allocated, None)
    }

    #[test]
    fn a_row_has_medians_and_the_ratios_of_each_round_with_their_spread() {
        let allocated = Allocated {
            allocations: 25.04,
            bytes: 56_000.4,
        };
        assert_eq!(
            row(Some((1, "ureq")), Some(allocated)).line(),
            "plain, full           imtag, Rust    150.0   302.0   75.00     5000  p50  3.02  2.00-3.75   3.02   25.04   56000  26914        ?  0.75 ureq"
        );
    }

    #[test]
    fn a_row_without_a_peer_and_without_counts_says_what_it_knows() {
        assert_eq!(
            row(None, None).line(),
            "plain, full           imtag, Rust    150.0   302.0   75.00     5000  p50  3.02  2.00-3.75   3.02       ?       ?  26914        ?"
        );
    }
}
