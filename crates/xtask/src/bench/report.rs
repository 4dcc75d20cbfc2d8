//! What a benchmark finds: tables of figures, each of which says its unit, for people and as JSON. What is compared is
//! measured in turn, round by round, as machines differ and are seldom idle: nothing of a round is compared with another's.

use std::process::Command;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::cargo::root;
use crate::program::output;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Report {
    bench: String,
    /// What was measured.
    commit: String,
    /// Each figure is the median of so many.
    rounds: usize,
    pub(super) tables: Vec<Table>,
    /// What this machine lacks for the rows that are not there.
    pub(super) missing: Vec<String>,
}

/// The same work, done by several.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Table {
    title: String,
    columns: Vec<Column>,
    pub(super) rows: Vec<Row>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Column {
    name: String,
    unit: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) name: String,
    /// One for each column; none where it is not measured.
    figures: Vec<Option<f64>>,
    /// Of the figure that is compared.
    ratios: Vec<Ratio>,
}

/// A figure over that of another row in the same round.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Ratio {
    over: String,
    median: f64,
    least: f64,
    most: f64,
}

/// One of those that are measured in turn.
pub(super) struct Contender<'c> {
    pub(super) name: String,
    /// The rows that it is compared with.
    pub(super) over: Vec<&'static str>,
    /// The figures of a round.
    pub(super) measure: Box<dyn FnMut() -> Result<Vec<f64>, Error> + 'c>,
}

impl Report {
    pub(super) fn new(bench: &str, rounds: usize) -> Report {
        let describe = ["describe", "--always", "--dirty", "--exclude", "*"];
        let commit = output(Command::new("git").args(describe).current_dir(root()));
        Report {
            bench: bench.to_owned(),
            commit: commit.map_or_else(|_| "no commit".to_owned(), |it| it.trim().to_owned()),
            rounds,
            tables: Vec::new(),
            missing: Vec::new(),
        }
    }

    pub(super) fn text(&self) -> String {
        let (bench, commit, rounds) = (&self.bench, &self.commit, self.rounds);
        let mut text = match rounds {
            1 => format!("{bench}, {commit}, one round\n"),
            _ => format!("{bench}, {commit}, medians of {rounds} rounds in turn\n"),
        };
        for table in &self.tables {
            text += &table.text();
        }
        for missing in &self.missing {
            text += &format!("\nno {missing}\n");
        }
        text
    }
}

impl Table {
    /// Of columns with their units.
    pub(super) fn new(title: &str, columns: &[(&str, &str)]) -> Table {
        let column = |&(name, unit): &(&str, &str)| Column {
            name: name.to_owned(),
            unit: unit.to_owned(),
        };
        Table {
            title: title.to_owned(),
            columns: columns.iter().map(column).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row of figures, and none for the columns after them.
    pub(super) fn row(&mut self, name: &str, figures: &[f64]) {
        let mut figures: Vec<_> = figures.iter().copied().map(Some).collect();
        figures.resize(self.columns.len(), None);
        self.rows.push(Row {
            name: name.to_owned(),
            figures,
            ratios: Vec::new(),
        });
    }

    /// Adds a row for each contender. They take turns, and each goes first in its turn, so that none always finds the
    /// caches as the same other left them. The figure of one column is compared.
    pub(super) fn in_turn(
        &mut self,
        rounds: usize,
        compared: usize,
        contenders: &mut [Contender<'_>],
    ) -> Result<(), Error> {
        let count = contenders.len();
        eprintln!("{}: {rounds} rounds of {count}", self.title);
        let mut measured = vec![Vec::new(); count];
        for round in 0..rounds {
            for at in (0..count).map(|place| (place + round) % count) {
                measured[at].push((contenders[at].measure)()?);
            }
        }
        let place = |name: &str| contenders.iter().position(|it| it.name == name);
        for (contender, rounds) in contenders.iter().zip(&measured) {
            let figure = |column: usize| median(rounds.iter().map(|round| round[column]));
            let figures: Vec<f64> = (0..rounds[0].len()).map(figure).collect();
            self.row(&contender.name, &figures);
            let peers = contender.over.iter();
            let peers = peers.filter_map(|peer| Some((*peer, &measured[place(peer)?])));
            let ratios = peers.map(|(peer, of_peer)| {
                let rounds = rounds.iter().zip(of_peer);
                let ratios = rounds.map(|(round, peer)| round[compared] / peer[compared]);
                let ratios: Vec<f64> = ratios.collect();
                Ratio {
                    over: peer.to_owned(),
                    least: ratios.iter().copied().fold(f64::MAX, f64::min),
                    most: ratios.iter().copied().fold(0.0, f64::max),
                    median: median(ratios),
                }
            });
            let ratios = ratios.collect();
            self.rows.last_mut().ok_or("a row")?.ratios = ratios;
        }
        Ok(())
    }

    /// Sets the last figures of a row.
    pub(super) fn set_last<const N: usize>(&mut self, row: usize, last: [Option<f64>; N]) {
        let first = self.columns.len() - N;
        self.rows[row].figures[first..].copy_from_slice(&last);
    }

    fn text(&self) -> String {
        let names = self.rows.iter().map(|row| row.name.chars().count());
        let widest = names.max().unwrap_or_default();
        let written = |row: &Row| -> Vec<String> { row.figures.iter().map(figure).collect() };
        let rows: Vec<_> = self.rows.iter().map(written).collect();
        let columns = self.columns.iter();
        let (names, units): (Vec<_>, Vec<_>) = columns
            .map(|it| (it.name.as_str(), it.unit.as_str()))
            .unzip();
        let width = |column: usize| {
            let figures = rows.iter().map(|row| row[column].as_str());
            let texts = figures.chain([names[column], units[column]]);
            texts.map(|text| text.chars().count()).max().unwrap_or(0)
        };
        let line = |name: &str, cells: &mut dyn Iterator<Item = &str>, end: &str| {
            let mut line = format!("  {name:<widest$}");
            for (column, cell) in cells.enumerate() {
                line += &format!("  {cell:>0$}", width(column));
            }
            format!("{}\n", format!("{line}  {end}").trim_end())
        };
        let mut text = format!("\n{}\n", self.title);
        text += &line("", &mut names.iter().copied(), "");
        text += &line("", &mut units.iter().copied(), "");
        for (row, cells) in self.rows.iter().zip(&rows) {
            let ratios: Vec<_> = row.ratios.iter().map(Ratio::text).collect();
            let cells = &mut cells.iter().map(String::as_str);
            text += &line(&row.name, cells, &ratios.join(", "));
        }
        text
    }
}

impl Ratio {
    /// The least and the most are in the JSON.
    fn text(&self) -> String {
        format!("{:.2} × {}", self.median, self.over)
    }
}

/// A figure with three digits or more.
fn figure(figure: &Option<f64>) -> String {
    match figure {
        None => "?".to_owned(),
        Some(it) if it.fract() == 0.0 || it.abs() >= 100.0 => format!("{it:.0}"),
        Some(it) if it.abs() >= 10.0 => format!("{it:.1}"),
        Some(it) => format!("{it:.2}"),
    }
}

/// Of an odd number of figures.
pub(super) fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures = Vec::from_iter(figures);
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// The medians of each figure in reports of two commits, and their ratio; of one that is only here, no more than it.
pub(super) fn compared(here: &[Report], there: &[Report], revision: &str) -> Result<Table, Error> {
    let columns = [("here", ""), (revision, ""), ("ratio", "")];
    let mut table = Table::new("each figure here and there", &columns);
    let medians = |reports: &[Report]| -> Vec<(String, f64)> {
        let names: Vec<String> = named(&reports[0])
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        let all: Vec<_> = reports.iter().map(named).collect();
        let found = |name: &String| {
            let figures = all.iter().flatten().filter(|(it, _)| it == name);
            (name.clone(), median(figures.map(|(_, figure)| *figure)))
        };
        names.iter().map(found).collect()
    };
    let there = medians(there);
    for (name, here) in medians(here) {
        match there.iter().find(|(it, _)| *it == name) {
            Some((_, there)) => table.row(&name, &[here, *there, here / there]),
            None => table.row(&name, &[here]),
        }
    }
    if table.rows.iter().all(|row| row.figures[1].is_none()) {
        return Err(format!("{revision} has none of the figures that this commit has").into());
    }
    Ok(table)
}

/// All figures of a report, with what each is.
fn named(report: &Report) -> Vec<(String, f64)> {
    let mut all = Vec::new();
    for table in &report.tables {
        for row in &table.rows {
            for (Column { name, unit }, figure) in table.columns.iter().zip(&row.figures) {
                let what = format!("{}, {}: {name} {unit}", table.title, row.name);
                all.extend(figure.map(|figure| (what.trim_end().to_owned(), figure)));
            }
        }
    }
    all
}

/// A number of events in a time, a second.
pub(super) fn per_second(events: u64, time: Duration) -> f64 {
    events as f64 / time.as_secs_f64()
}

/// A time in microseconds for each of some events.
pub(super) fn micros_each(time: Duration, events: u64) -> f64 {
    1e6 * time.as_secs_f64() / events.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A contender with a figure for each round, and the half of it.
    fn contender(name: &str, over: Vec<&'static str>, figures: [f64; 3]) -> Contender<'static> {
        let mut figures = figures.into_iter();
        Contender {
            name: name.to_owned(),
            over,
            measure: Box::new(move || {
                let figure = figures.next().ok_or("more rounds than figures")?;
                Ok(vec![figure, figure / 2.0])
            }),
        }
    }

    fn report(figures: [f64; 3]) -> Report {
        let columns = [("p50", "us"), ("CPU", "us"), ("allocs", "")];
        let mut table = Table::new("plain, full", &columns);
        let over = vec!["floor", "ureq"];
        let contenders = &mut [
            contender("floor", vec![], [40.0, 50.0, 50.0]),
            contender("ureq", vec![], [200.0, 100.0, 400.0]),
            contender("imtag, Rust", over, figures),
        ];
        table.in_turn(3, 0, contenders).unwrap();
        table.set_last(2, [Some(25.04)]);
        let mut report = Report::new("call", 3);
        report.commit = "0123456789".to_owned();
        report.tables.push(table);
        report
            .missing
            .push("libcurl: it is not installed".to_owned());
        report
    }

    #[test]
    fn a_row_has_medians_and_the_ratios_of_each_round() {
        let report = report([150.0, 100.0, 151.0]);
        let expected = "\
call, 0123456789, medians of 3 rounds in turn

plain, full
               p50  CPU  allocs
                us   us
  floor         50   25       ?
  ureq         200  100       ?
  imtag, Rust  150   75    25.0  3.02 × floor, 0.75 × ureq

no libcurl: it is not installed
";
        assert_eq!(report.text(), expected);
        let ratio = &report.tables[0].rows[2].ratios[0];
        assert_eq!((ratio.least, ratio.most), (2.0, 3.75));
    }

    #[test]
    fn a_report_is_the_same_read_from_its_json() {
        let report = report([150.0, 100.0, 151.0]);
        let json = serde_json::to_string(&report).unwrap();
        let read: Report = serde_json::from_str(&json).unwrap();
        assert_eq!(read.tables, report.tables);
    }

    #[test]
    fn figures_of_two_commits_are_compared_by_their_medians() {
        let [one, two, other] = [50.0, 110.0, 55.0].map(|figure| report([figure; 3]));
        let mut there = [other];
        let table = compared(&[one, two], &there, "main").unwrap();
        let row = table
            .rows
            .iter()
            .find(|it| it.name == "plain, full, imtag, Rust: p50 us");
        let figures = &row.unwrap().figures;
        assert_eq!(*figures, [Some(110.0), Some(55.0), Some(2.0)]);

        let here = [report([50.0; 3])];
        there[0].tables[0].rows.pop();
        let table = compared(&here, &there, "main").unwrap();
        assert_eq!(table.rows[4].figures, [Some(50.0), None, None]);
        there[0].tables[0].title = "plain, small".to_owned();
        let nothing = compared(&here, &there, "main").err().unwrap().to_string();
        assert_eq!(nothing, "main has none of the figures that this commit has");
    }
}
