//! The file to import: opened, unpacked if it is packed, and refused if its first bytes show that it holds no rows. They
//! tell its format too.

use std::fs::{self, File, Metadata};
use std::io::{self, Cursor, Read};
use std::path::Path;

use rustix::io::Errno;

use super::bytes::{self, Digesting};
use super::encoding::{self, Encoding};
use super::kind;
use crate::import::memory::Memory;
use crate::output::Shown;

/// Bytes that are examined before any row is read. Far fewer show what a file is, but blank lines may come first.
const FIRST_BYTES: u64 = 64 * 1024;

/// Bytes that tell how a file is packed.
const MAGIC_BYTES: u64 = 4;

/// Characters of a line that are shown, at most.
const SHOWN: usize = 60;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// A file that cannot be imported: what is wrong with it, and what to do. Nothing was sent.
#[derive(Debug, thiserror::Error)]
#[error("{} {problem}", Shown(name))]
pub(crate) struct FileError {
    pub(crate) name: String,
    pub(crate) problem: FileProblem,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum FileProblem {
    #[error("cannot be read: {0}; nothing was sent")]
    Unreadable(#[source] io::Error),
    #[error(
        "cannot be read: {0}; raise the limit of open files (ulimit -n), and run the same command again; nothing was sent"
    )]
    NoFileLeft(#[source] io::Error),
    #[error("is a folder: give a CSV file, or - for standard input")]
    Folder,
    #[error("is empty: its first line must be the header account,tag or account,tags")]
    Empty,
    #[error("is {0} text: save it as UTF-8, or convert it with iconv -f {0} -t UTF-8")]
    Wide(&'static str),
    #[error(
        "is not UTF-8 in line {line}, and a file has one encoding; {encoding}; nothing was sent"
    )]
    NotUtf8 { line: u64, encoding: Encoding },
    #[error(
        "is not a text file: line {line} holds a zero byte, as UTF-16 text and binary files do; give a CSV file in \
         UTF-8, with the header account,tag or account,tags; nothing was sent"
    )]
    ZeroByte { line: u64 },
    #[error("is {0}")]
    Foreign(&'static str),
    #[error("has {0} between its fields: save it with commas")]
    Delimiter(&'static str),
    #[error(
        "has each line in quotes as a whole, which makes one field of it: save it without these quotes"
    )]
    QuotedLines,
    #[error("does not start with the header account,tag or account,tags: its first line is {0:?}")]
    Header(String),
    #[error(
        "has a header that is spelt otherwise: write {right} in lower case and without blanks, in place of {shown:?}"
    )]
    HeaderSpelling { shown: String, right: String },
    #[error("has a header that cannot be used ({shown:?}): {problem}")]
    Columns { shown: String, problem: String },
    #[error(
        "has another header in line {line} ({}), after which its rows would be read in the wrong way: import the files \
         that were put together one by one (a user named account goes in NDJSON); nothing was sent",
        Shown(header)
    )]
    OtherHeader { line: u64, header: String },
    #[error(
        "ends within quotes that open in line {line}: close them, or double a quote that belongs to the text; nothing \
         was sent"
    )]
    OpenQuote { line: u64 },
    #[error(
        "adds more than {most} distinct tags, at most {most} an app on the timpush paths: use fewer; nothing was sent"
    )]
    TooManyTags { most: usize },
}

impl FileError {
    /// True if this machine denies what would be there.
    pub(crate) fn is_of_this_machine(&self) -> bool {
        matches!(self.problem, FileProblem::NoFileLeft(_))
    }
}

/// How rows are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Csv,
    Ndjson,
}

/// A file to import.
pub(crate) struct Input {
    /// What it is called in messages.
    pub(crate) name: String,
    pub(crate) format: Format,
    /// Its length on the disk, if it is there.
    pub(crate) bytes: Option<u64>,
    /// Its text, without a byte order mark.
    pub(crate) text: Box<dyn Read>,
    /// Of the file as it lies there, packed or not.
    pub(crate) digesting: Digesting,
}

impl Input {
    /// Opens a file, or standard input for `-`.
    pub(crate) fn open(path: &Path, memory: Memory) -> Result<Input, FileError> {
        if path == Path::new("-") {
            return Input::from_reader("standard input", io::stdin(), memory);
        }
        let name = path.display().to_string();
        let file = match open(path) {
            Ok(file) => file,
            Err(problem) => return Err(FileError { name, problem }),
        };
        let found = file.metadata().ok().filter(Metadata::is_file);
        let mut input = Input::from_reader(&name, file, memory)?;
        input.bytes = found.map(|it| it.len());
        Ok(input)
    }

    pub(crate) fn from_reader(
        name: &str,
        from: impl Read + 'static,
        memory: Memory,
    ) -> Result<Input, FileError> {
        let (name, digesting) = (name.to_owned(), Digesting::new());
        match text(digesting.reader(from), memory) {
            Ok((format, text)) => Ok(Input {
                name,
                format,
                bytes: None,
                text,
                digesting,
            }),
            Err(problem) => Err(FileError { name, problem }),
        }
    }
}

fn open(path: &Path) -> Result<File, FileProblem> {
    if fs::metadata(path)
        .map_err(FileProblem::Unreadable)?
        .is_dir()
    {
        return Err(FileProblem::Folder);
    }
    File::open(path).map_err(
        |error| match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::MFILE | Errno::NFILE) => FileProblem::NoFileLeft(error),
            _ => FileProblem::Unreadable(error),
        },
    )
}

/// The text in a file, unpacked and without a byte order mark, and its format.
fn text(from: impl Read + 'static, memory: Memory) -> Result<(Format, Box<dyn Read>), FileProblem> {
    let (magic, from) = read_start(from, MAGIC_BYTES)?;
    let whole = Cursor::new(magic.clone()).chain(from);
    let text = bytes::unpacked(&magic, whole, memory).map_err(FileProblem::Unreadable)?;
    let (mut start, text) = read_start(text, FIRST_BYTES)?;
    if let Some(kind) = kind::binary(&start) {
        return Err(FileProblem::Foreign(kind));
    }
    if let Some(encoding) = encoding::wide(&start) {
        return Err(FileProblem::Wide(encoding));
    }
    // programs add a mark without looking for one
    while start.starts_with(BOM) {
        start.drain(..BOM.len());
    }
    if start.trim_ascii().is_empty() && (start.len() as u64) < FIRST_BYTES {
        return Err(FileProblem::Empty);
    }
    if let Some(kind) = kind::other_text(&start) {
        return Err(FileProblem::Foreign(kind));
    }
    // a row of NDJSON opens with a brace, and no header of CSV does
    let format = match start.trim_ascii_start().first() {
        Some(b'{') => Format::Ndjson,
        _ => Format::Csv,
    };
    Ok((format, Box::new(Cursor::new(start).chain(text))))
}

/// The first bytes, read to their full number: a pipe may bring them in pieces of any size.
fn read_start<R: Read>(mut from: R, most: u64) -> Result<(Vec<u8>, R), FileProblem> {
    let mut start = Vec::new();
    match from.by_ref().take(most).read_to_end(&mut start) {
        Ok(_) => Ok((start, from)),
        Err(error) => Err(FileProblem::Unreadable(error)),
    }
}

/// The start of a line, for a message.
pub(crate) fn start_of_line(line: &str) -> String {
    start_of_text(line, SHOWN)
}

/// The first characters of a text, with a sign if there are more.
pub(crate) fn start_of_text(text: &str, most: usize) -> String {
    let mut start: String = text.chars().take(most).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(bytes: &'static [u8]) -> Result<Input, FileError> {
        Input::from_reader("users.csv", bytes, Memory::LEAST)
    }

    fn refusal(bytes: &'static [u8]) -> String {
        input(bytes).err().unwrap().to_string()
    }

    fn read(mut input: Input) -> Vec<u8> {
        let mut all = Vec::new();
        input.text.read_to_end(&mut all).unwrap();
        all
    }

    #[test]
    fn a_file_that_can_be_none_says_what_it_is_and_what_to_do() {
        assert_eq!(
            refusal(b""),
            "users.csv is empty: its first line must be the header account,tag or account,tags"
        );
        for empty in [b"\xef\xbb\xbf".as_slice(), b"\n\r\n", b"\xef\xbb\xbf\n"] {
            assert_eq!(refusal(empty), refusal(b""));
        }
        assert_eq!(
            refusal(b"\xff\xfea\0"),
            "users.csv is UTF-16 text: save it as UTF-8, or convert it with iconv -f UTF-16 -t UTF-8"
        );
        assert_eq!(
            refusal(b"\x7fELF\x02\x01\x01\0"),
            "users.csv is a program: give a CSV file in UTF-8"
        );
        assert_eq!(
            refusal(b"\x1f\x8b\x08\x00"),
            "users.csv cannot be read: its gzip data is cut off: fetch the file again; nothing was sent"
        );
        assert!(input(b"account,tag\n").is_ok());
    }

    #[test]
    fn a_pipe_that_brings_a_bom_by_itself_is_not_empty() {
        let pieces = b"\xef\xbb\xbf"
            .as_slice()
            .chain(b"account,tag\n".as_slice());
        let input = Input::from_reader("standard input", pieces, Memory::LEAST).unwrap();
        assert_eq!(read(input), b"account,tag\n");
    }

    #[test]
    fn a_brace_first_is_ndjson_and_all_else_is_csv() {
        let format = |bytes| input(bytes).unwrap().format;
        assert_eq!(format(b"\xef\xbb\xbf\xef\xbb\xbf \r\n\t{}"), Format::Ndjson);
        assert_eq!(format(b"account,tag\n{,}\n"), Format::Csv);
        assert_eq!(format(b"\n\na"), Format::Csv);
    }

    #[test]
    fn the_digest_is_that_of_the_bytes_as_they_lie_there() {
        let packed = zstd::encode_all(b"account,tag\n".as_slice(), 1).unwrap();
        let length = packed.len() as u64;
        let input = Input::from_reader("users.csv", Cursor::new(packed), Memory::LEAST).unwrap();
        let digesting = input.digesting.clone();
        assert_eq!(read(input), b"account,tag\n");
        assert_eq!(digesting.fingerprint().bytes, length);
    }
}
