//! What is said of records and figures: docs/observing.md and the header list what there is in the source, and no more.

use std::collections::{BTreeMap, BTreeSet};

use imtag_transport::{SessionStats, Stats};

use crate::files::{files_of, read};

/// An event of the source: its level, and the names of its fields.
type Events = BTreeMap<String, (String, BTreeSet<String>)>;

/// All `event!(level, fields, "message")` of the client.
fn events() -> Events {
    let mut events = Events::new();
    for file in files_of("rs").filter(|file| file.name.starts_with("crates/transport/src/")) {
        let code = file.text.lines();
        let code = code.filter(|line| !line.trim_start().starts_with("//"));
        let code: String = code.collect::<Vec<_>>().join("\n");
        for call in code.split("event!(").skip(1) {
            let mut parts = arguments(call);
            let message = parts.pop().unwrap();
            let message = message.trim_matches('"').to_owned();
            let level = parts.remove(0);
            let fields = parts.iter().map(|part| {
                let name = part
                    .split_once(" = ")
                    .map_or(part.as_str(), |(name, _)| name);
                name.to_owned()
            });
            events.insert(message, (level, fields.collect()));
        }
    }
    assert!(events.len() > 20, "{events:?}");
    events
}

/// The arguments of a call whose parenthesis is open.
fn arguments(call: &str) -> Vec<String> {
    let (mut parts, mut part, mut depth, mut in_text) = (Vec::new(), String::new(), 0, false);
    for char in call.chars() {
        match char {
            '"' => in_text = !in_text,
            _ if in_text => {}
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => break,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(std::mem::take(&mut part));
                continue;
            }
            _ => {}
        }
        part.push(char);
    }
    parts.push(part);
    let parts = parts.iter().map(|part| part.trim().to_owned());
    parts.filter(|part| !part.is_empty()).collect()
}

/// The cells of the page's rows with so many, without those of heads.
fn rows(cells: usize) -> Vec<Vec<String>> {
    let page = read("docs/observing.md");
    let rows = page.lines().map(|line| {
        let cells = line.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().to_owned()).collect()
    });
    let rows = rows.collect::<Vec<Vec<String>>>().into_iter();
    rows.filter(|row| row.len() == cells && row.iter().any(|cell| cell.contains('`')))
        .collect()
}

fn quoted(cell: &str) -> BTreeSet<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_page_lists_each_event_with_its_level_and_fields() {
    let listed: Events = rows(4)
        .into_iter()
        .filter(|row| !row[0].starts_with('`'))
        .map(|row| {
            let message = row[1].trim_matches('`').to_owned();
            (message, (row[0].clone(), quoted(&row[3])))
        })
        .collect();
    assert_eq!(listed, events());
}

#[test]
fn the_header_lists_each_event_at_its_level() {
    let header = read("include/imtag.h");
    for (level, name) in [("warn", "WARN"), ("info", "INFO"), ("debug", "DEBUG")] {
        let define = format!("#define IM_LOG_{name} ");
        let (before, _) = header.split_once(&define).unwrap();
        let (_, comment) = before.rsplit_once("/*").unwrap();
        let comment = comment.split_whitespace().collect::<Vec<_>>().join(" ");
        let listed: BTreeSet<String> = comment
            .split('"')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect();
        let there = events().into_iter().filter(|(_, (its, _))| its == level);
        assert_eq!(
            listed,
            there.map(|(message, _)| message).collect(),
            "{name}"
        );
    }
}

#[test]
fn the_page_lists_each_figure_with_its_kind() {
    let mut there = Stats::default().figures();
    there.extend(SessionStats::default().figures());
    let mut there: BTreeMap<String, &str> = there
        .into_iter()
        .map(|figure| {
            let kind = if figure.is_counter {
                "counter"
            } else {
                "gauge"
            };
            (figure.name.replace("imtag__", "imtag_bulk_"), kind)
        })
        .collect();
    there.insert("imtag_calls_total".to_owned(), "counter"); // one for each outcome
    let listed = [rows(3), rows(4)].concat();
    let listed: BTreeMap<String, String> = listed
        .into_iter()
        .filter(|row| row[0].starts_with("`imtag_"))
        .map(|row| (row[0].trim_matches('`').to_owned(), row[1].clone()))
        .collect();
    let there = there
        .into_iter()
        .map(|(name, kind)| (name, kind.to_owned()));
    assert_eq!(listed, there.collect());
}
