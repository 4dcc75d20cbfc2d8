//! The records of a CSV file, by csv-core: the csv crate's own reader grows its record as long as a quote is open, and
//! so would take in a whole file of ten gigabytes for one quote that was forgotten. Here a record has a bound; what
//! is over it is read past, and said to be.
//!
//! The reader is given a line end after the last: it ends the last record, or, where a quote is open, gets into it and
//! so makes it one of several lines, which is how it is found out.

use std::io;

use csv_core::{ReadRecordResult, Reader};
use memchr::memchr3;

use super::lines::{Lines, ROW_BYTES};

/// Fields whose ends are kept: more than any header has columns.
const FIELDS: usize = 8;

/// The records of a file.
pub(crate) struct Records {
    lines: Lines,
    csv: Reader,
    bytes: Vec<u8>,
    ends: [usize; FIELDS],
}

/// A record that has been read.
pub(crate) struct Record<'r> {
    /// The line that it starts on.
    pub(crate) line: u64,
    /// How many fields it has.
    pub(crate) fields: usize,
    /// The line that it ends on, where a field holds a line end or a quote is not closed.
    pub(crate) several_to: Option<u64>,
    /// Whether it is over the bound. Its fields are then lost.
    pub(crate) too_long: bool,
    /// Whether there is a zero byte in it.
    pub(crate) holds_nul: bool,
    bytes: &'r [u8],
    ends: &'r [usize; FIELDS],
}

impl<'r> Record<'r> {
    /// A field; empty where there is none.
    pub(crate) fn field(&self, at: usize) -> &'r [u8] {
        if at >= self.fields.min(FIELDS) {
            return &[];
        }
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.bytes.get(start..self.ends[at]).unwrap_or_default()
    }

    /// The fields, as far as they are kept.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'r [u8]> + '_ {
        (0..self.fields.min(FIELDS)).map(|at| self.field(at))
    }
}

impl Records {
    pub(crate) fn of(lines: Lines) -> Records {
        Records {
            lines,
            csv: Reader::new(),
            bytes: vec![0; 4096],
            ends: [0; FIELDS],
        }
    }

    /// The next record; `None` at the end of the file.
    pub(crate) fn next(&mut self) -> io::Result<Option<Record<'_>>> {
        if !self.lines.pass_line_ends()? {
            return Ok(None);
        }
        let line = self.lines.line();
        let mut last_line_end = b"\n".as_slice();
        let (mut held, mut fields) = (0, 0);
        let (mut too_long, mut holds_nul, mut open) = (false, false, false);
        loop {
            let ahead = self.lines.ahead()?;
            let at_end = ahead.is_empty();
            let input = if at_end { last_line_end } else { ahead };
            // past the fields that are kept, the last place takes the end of each
            let ends = &mut self.ends[fields.min(FIELDS - 1)..];
            let (result, read, wrote, found) =
                self.csv.read_record(input, &mut self.bytes[held..], ends);
            let odd = memchr3(b'\n', b'\r', 0, &self.bytes[held..held + wrote]);
            if let Some(first) = odd {
                holds_nul |= self.bytes[held + first..held + wrote].contains(&0);
            }
            match (at_end, odd) {
                (false, None) => self.lines.pass(read),
                (false, Some(_)) => self.lines.pass_any(read),
                (true, _) => {
                    open = last_line_end.is_empty();
                    last_line_end = &last_line_end[read..];
                }
            }
            held += wrote;
            fields += found;
            match result {
                ReadRecordResult::Record | ReadRecordResult::End => break,
                ReadRecordResult::InputEmpty | ReadRecordResult::OutputEndsFull => {}
                // one byte more than the bound: the end of a record is looked for in what there is room for
                ReadRecordResult::OutputFull if self.bytes.len() <= ROW_BYTES => {
                    let length = (self.bytes.len() * 2).min(ROW_BYTES + 1);
                    self.bytes.resize(length, 0);
                }
                ReadRecordResult::OutputFull => {
                    too_long = true;
                    held = 0;
                }
            }
        }
        let last = self.lines.last_line();
        Ok(Some(Record {
            line,
            fields,
            several_to: (open || last > line).then_some(last),
            too_long,
            holds_nul,
            bytes: &self.bytes[..held],
            ends: &self.ends,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each record as its line, its fields, and the line it ends on where that is said.
    fn records(text: &str) -> Vec<(u64, Vec<String>, Option<u64>)> {
        let from = Box::new(io::Cursor::new(text.to_owned().into_bytes()));
        let mut records = Records::of(Lines::of(from));
        let mut read = Vec::new();
        while let Some(record) = records.next().unwrap() {
            let fields = record.iter();
            let fields = fields.map(|field| String::from_utf8(field.to_vec()).unwrap());
            read.push((record.line, fields.collect(), record.several_to));
        }
        read
    }

    fn whole(line: u64, fields: &[&str]) -> (u64, Vec<String>, Option<u64>) {
        let fields = fields.iter().map(|field| (*field).to_owned());
        (line, fields.collect(), None)
    }

    #[test]
    fn every_line_end_ends_a_record_and_blank_lines_are_none() {
        for text in [
            "a,b\n\nc,d\n",
            "a,b\r\n\r\nc,d\r\n",
            "a,b\r\rc,d\r",
            "\u{feff}a,b\n\nc,d",
        ] {
            assert_eq!(
                records(text),
                [whole(1, &["a", "b"]), whole(3, &["c", "d"])],
                "{text:?}"
            );
        }
        assert!(records("").is_empty());
        assert!(records("\r\n\n\r").is_empty());
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
        let from = Box::new(b"a,b,c,d,e,f,g,h,i,j,k,l\nm,n\n".as_slice());
        let mut records = Records::of(Lines::of(from));
        assert_eq!(records.next().unwrap().unwrap().fields, 12);
        let second = records.next().unwrap().unwrap();
        assert_eq!(
            (second.field(0), second.field(1), second.field(2)),
            (&b"m"[..], &b"n"[..], &b""[..])
        );
    }

    #[test]
    fn a_record_of_a_mebibyte_is_whole_and_one_of_a_byte_more_is_lost_and_read_past() {
        for (bytes, too_long) in [
            (ROW_BYTES, false),
            (ROW_BYTES + 1, true),
            (3 * ROW_BYTES, true),
        ] {
            let text = format!("{}\na,b\n", "x".repeat(bytes));
            let mut records = Records::of(Lines::of(Box::new(io::Cursor::new(text.into_bytes()))));
            assert_eq!(
                records.next().unwrap().unwrap().too_long,
                too_long,
                "{bytes}"
            );
            let next = records.next().unwrap().unwrap();
            assert_eq!(
                (next.line, next.too_long, next.field(1)),
                (2, false, &b"b"[..])
            );
        }
    }

    #[test]
    fn a_quote_that_is_not_closed_swallows_a_file_of_any_size_and_says_where_it_began() {
        let text = format!("a,\"b\n{}", "c,d\n".repeat(ROW_BYTES));
        let mut records = Records::of(Lines::of(Box::new(io::Cursor::new(text.into_bytes()))));
        let record = records.next().unwrap().unwrap();
        assert_eq!(
            (record.line, record.several_to),
            (1, Some(1 + ROW_BYTES as u64))
        );
        assert!(record.too_long);
        assert!(records.next().unwrap().is_none());
        assert!(records.bytes.len() <= ROW_BYTES + 1);
    }
}
