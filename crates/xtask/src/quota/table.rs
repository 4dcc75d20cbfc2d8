//! The table as text: columns as wide as what stands in them, figures to the right.

use std::fmt::Write;

use super::scenarios::Promise;
use super::service::Window;
use super::simulation::DURATION;
use super::{Row, SEEDS};

const COLUMNS: [&str; 6] = [
    "scenario",
    "window",
    "utilisation %",
    "rejections",
    "most in a second",
    "promise",
];

/// How many columns from the left hold words.
const WORDS: usize = 2;

pub(super) fn render(rows: &[Row]) -> String {
    let cells: Vec<_> = std::iter::once(COLUMNS.map(String::from))
        .chain(rows.iter().map(cells))
        .collect();
    let mut widths = [0; COLUMNS.len()];
    for row in &cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in &cells {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let is_word = column < WORDS || column == COLUMNS.len() - 1;
            // Writing to a string cannot fail.
            let _ = if is_word {
                write!(line, "{cell:<width$}  ")
            } else {
                write!(line, "{cell:>width$}  ")
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "\nEach row: {} virtual minutes for each of {} seeds; the least utilisation, the most\n\
         rejections, the most arrivals. A strict window counts rejected calls too; where nothing\n\
         is rejected, it is the same as a sliding one.",
        DURATION.as_secs() / 60,
        SEEDS.len(),
    );
    text
}

fn cells(row: &Row) -> [String; COLUMNS.len()] {
    let window = match row.window {
        Window::Calendar => "calendar",
        Window::Sliding => "sliding",
        Window::Strict => "strict",
    };
    let mut promise = promise(row.scenario.promise);
    if !row.is_kept() {
        promise.insert_str(0, "BROKEN: ");
    }
    [
        row.scenario.name.clone(),
        window.to_owned(),
        format!("{:.2}", row.worst.utilisation),
        row.worst.rejections.to_string(),
        row.worst.most.to_string(),
        promise,
    ]
}

fn promise(promise: Promise) -> String {
    match promise {
        Promise::Reaches(percent) => format!("none rejected, {percent} %"),
        Promise::NoRejection => "none rejected".to_owned(),
        Promise::Remains(rejections) => format!("known to remain, at most {rejections}"),
        Promise::Comparison => "for comparison".to_owned(),
    }
}
