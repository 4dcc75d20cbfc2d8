//! Records as programs write them, and the strict reader against a model that has the whole file at once.

use proptest::prelude::*;

use super::*;
use crate::import::input::lines::tests::lines_by;

/// A record: its line, its fields, the line that it ends on if that is another, and its fault.
type Seen = (u64, Vec<String>, Option<u64>, Option<Fault>);

fn reader(text: &str, bytes: usize) -> Records {
    Records::new(lines_by(bytes, text))
}

/// All records, and the line of a quote that is open at the end.
fn seen(text: &str, bytes: usize) -> (Vec<Seen>, Option<u64>) {
    let mut records = reader(text, bytes);
    let mut read = Vec::new();
    loop {
        match records.next() {
            Ok(Some(record)) => {
                let fields = record.iter();
                let fields = fields.map(str::to_owned);
                read.push((
                    record.line,
                    fields.collect(),
                    record.last_line,
                    record.fault,
                ));
            }
            Ok(None) => return (read, None),
            Err(FileProblem::OpenQuote { line }) => return (read, Some(line)),
            Err(problem) => panic!("{problem}"),
        }
    }
}

fn records(text: &str) -> Vec<Seen> {
    let (records, open) = seen(text, usize::MAX);
    assert_eq!(open, None, "{text:?}");
    records
}

fn whole(line: u64, fields: &[&str]) -> Seen {
    let fields = fields.iter().map(|field| (*field).to_owned());
    (line, fields.collect(), None, None)
}

#[test]
fn a_record_that_buffers_share_is_one() {
    let filler = "x".repeat(128 * 1024 - 3);
    let text = format!("{filler}\nab,\"c\"\"d\"\ne,f\n");
    assert_eq!(
        records(&text)[1..],
        [whole(2, &["ab", "c\"d"]), whole(3, &["e", "f"])]
    );
}

#[test]
fn fields_beyond_those_that_any_header_has_are_counted() {
    for first in ["a,b,c,d,e,f,g,h,i,j,k,l", "a,b,c,d,e,f,g,h,i,j,k,\"l\""] {
        let mut records = reader(&format!("{first}\nm,n\n"), usize::MAX);
        let record = records.next().unwrap().unwrap();
        assert_eq!((record.fields, record.field(7)), (12, "h"));
        let second = records.next().unwrap().unwrap();
        assert_eq!(
            (second.field(0), second.field(1), second.field(2)),
            ("m", "n", "")
        );
    }
}

#[test]
fn a_record_of_empty_fields_and_white_space_is_blank() {
    for (text, blank) in [
        (",", true),
        (",,,,,,,,,,,,", true),
        ("\"\",\"\"", true),
        ("\"\"", true),
        (" ,", true),
        ("\t,\u{a0}\u{3000},\" \"", true),
        ("  ", true),
        (" a,", false),
        ("\u{200b},", false),
        (",a", false),
        ("\"\" ,", false),
        ("\",\"", false),
    ] {
        let mut records = reader(&format!("{text}\n"), usize::MAX);
        assert_eq!(records.next().unwrap().unwrap().is_blank, blank, "{text:?}");
    }
}

#[test]
fn a_record_of_a_mebibyte_is_whole_and_one_of_a_byte_more_is_lost_and_read_past() {
    for (bytes, too_long) in [
        (ROW_BYTES, false),
        (ROW_BYTES + 1, true),
        (3 * ROW_BYTES, true),
    ] {
        let mut records = reader(&format!("{}\na,b\n", "x".repeat(bytes)), usize::MAX);
        let first = records.next().unwrap().unwrap();
        assert_eq!(first.too_long, too_long, "{bytes}");
        let next = records.next().unwrap().unwrap();
        assert_eq!((next.line, next.too_long, next.field(1)), (2, false, "b"));
    }
}

#[test]
fn a_quote_that_swallows_a_file_of_any_size_takes_bounded_memory() {
    for (last, expected) in [("", None), ("\"\nalice,vip\n", Some(1 + ROW_BYTES as u64))] {
        let text = format!("a,\"b\n{}{last}", "c,d\n".repeat(ROW_BYTES - 1));
        let mut records = reader(&text, usize::MAX);
        match records.next() {
            Ok(record) => {
                let record = record.unwrap();
                assert_eq!((record.too_long, record.last_line), (true, expected));
                assert_eq!(records.next().unwrap().unwrap().field(0), "alice");
            }
            Err(FileProblem::OpenQuote { line }) => assert_eq!((line, expected), (1, None)),
            Err(problem) => panic!("{problem}"),
        }
        assert!(records.text.capacity() <= 2 * ROW_BYTES);
    }
}

/// The records of a text that is there as a whole: first it is cut at the line ends outside of quotes, then each
/// record at the commas outside of quotes, and each field is checked by itself.
fn model(text: &str) -> (Vec<Seen>, Option<u64>) {
    let line_of = |at: usize| {
        let before = text[..at].replace("\r\n", "\n").replace('\r', "\n");
        // a CR whose LF follows has begun no new line yet
        1 + before.matches('\n').count() as u64
            - u64::from(text[..at].ends_with('\r') && text[at..].starts_with('\n'))
    };
    let mut records = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let start = text.len() - rest.len();
        let (mut fields, mut fault) = (Vec::new(), None);
        loop {
            let at = text.len() - rest.len();
            let ends = [',', '\n', '\r'];
            let quoted = match rest.strip_prefix('"') {
                None => 0,
                Some(inner) => match closing(inner) {
                    Some(closed) => closed + 2,
                    None => return (records, Some(line_of(at))),
                },
            };
            let length = rest[quoted..]
                .find(ends)
                .map_or(rest.len(), |end| quoted + end);
            let (field, left) = rest.split_at(length);
            rest = left;
            let (inner, tail) = field.split_at(quoted);
            if quoted > 0 && !tail.is_empty() {
                fault = fault.or(Some(Fault {
                    field: fields.len(),
                    what: TEXT_AFTER_QUOTE,
                }));
            } else if let Some(quote) = tail.find('"') {
                let is_blank = tail[..quote].trim_ascii().is_empty();
                let what = if is_blank {
                    BLANK_BEFORE_QUOTE
                } else {
                    QUOTE_INSIDE
                };
                fault = fault.or(Some(Fault {
                    field: fields.len(),
                    what,
                }));
            }
            let inner = inner.get(1..quoted.max(1) - 1).unwrap_or_default();
            fields.push(inner.replace("\"\"", "\"") + tail);
            match rest.strip_prefix(',') {
                Some(next) => rest = next,
                None => break,
            }
        }
        let end = text.len() - rest.len();
        let (first, last) = (line_of(start), line_of(end));
        if start < end {
            records.push((first, fields, (last > first).then_some(last), fault));
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    (records, None)
}

/// The place of the quote that closes the field; two in a row stand for one as text.
fn closing(inner: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        at += inner[at..].find('"')?;
        if !inner[at..].starts_with("\"\"") {
            return Some(at);
        }
        at += 2;
    }
}

proptest! {
    #[test]
    fn the_reader_agrees_with_the_model_wherever_reads_end(
        text in "[ab北\",\n\r ]{0,24}",
        most in 1..8_usize,
    ) {
        let expected = model(&text);
        prop_assert_eq!(&seen(&text, most), &expected);
        prop_assert_eq!(&seen(&text, usize::MAX), &expected);
    }

    #[test]
    fn what_another_writer_quotes_comes_back_as_it_was(
        rows in prop::collection::vec(prop::collection::vec("[a北\", ]{1,6}", 2), 1..6),
        all in any::<bool>(),
    ) {
        let quoted = |field: &String| if all || field.contains(['"', ',']) {
            format!("\"{}\"", field.replace('"', "\"\""))
        } else {
            field.clone()
        };
        let line = |row: &Vec<String>| row.iter().map(quoted).collect::<Vec<_>>().join(",");
        let text: String = rows.iter().map(|row| line(row) + "\r\n").collect();
        let expected = rows.iter().zip(1..).map(|(row, line)| (line, row.clone(), None, None));
        prop_assert_eq!(records(&text), expected.collect::<Vec<_>>());
    }
}
