//! Opening the file to import, and finding out at its first bytes whether it can be one.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

/// Bytes that are looked at before anything is read: enough to meet a zero byte in any binary file.
const FIRST_BYTES: u64 = 64 * 1024;

/// How much of a line is shown.
const SHOWN: usize = 60;

/// A file that cannot be imported: what is wrong with it, and what to do. Nothing was sent.
#[derive(Debug, thiserror::Error)]
#[error("{name} {problem}")]
pub(crate) struct FileError {
    pub(crate) name: String,
    pub(crate) problem: FileProblem,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum FileProblem {
    #[error("cannot be read: {0}; nothing was sent")]
    Unreadable(#[source] io::Error),
    #[error("is a directory: give a CSV file, or - for standard input")]
    Directory,
    #[error("is empty: its first line must be the header account,tag or account,tags")]
    Empty,
    #[error("is UTF-16 text: save it as UTF-8")]
    Utf16,
    #[error(
        "is not a text file: give a CSV file in UTF-8, with the header account,tag or account,tags"
    )]
    Binary,
    #[error("has {0} between its fields: save it with commas")]
    Delimiter(&'static str),
    #[error("does not start with the header account,tag or account,tags: its first line is {0:?}")]
    Header(String),
}

/// A file to import, and what it is called in messages.
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) bytes: Box<dyn BufRead>,
}

impl Input {
    /// Opens a file, or standard input for `-`.
    pub(crate) fn open(path: &Path) -> Result<Input, FileError> {
        if path == Path::new("-") {
            return Input::of("standard input", io::stdin());
        }
        let name = path.display().to_string();
        let opened = match fs::metadata(path) {
            Ok(found) if found.is_dir() => Err(FileProblem::Directory),
            Ok(_) => File::open(path).map_err(FileProblem::Unreadable),
            Err(error) => Err(FileProblem::Unreadable(error)),
        };
        match opened {
            Ok(file) => Input::of(&name, file),
            Err(problem) => Err(FileError { name, problem }),
        }
    }

    pub(crate) fn of(name: &str, mut from: impl Read + 'static) -> Result<Input, FileError> {
        let name = name.to_owned();
        // a pipe may bring its first bytes in pieces of any size, so they are gathered before they are judged
        let mut start = Vec::new();
        let gathered = from.by_ref().take(FIRST_BYTES).read_to_end(&mut start);
        let checked = match gathered {
            Ok(_) => check(&start),
            Err(error) => Err(FileProblem::Unreadable(error)),
        };
        match checked {
            Ok(()) => Ok(Input {
                name,
                bytes: Box::new(BufReader::new(Cursor::new(start).chain(from))),
            }),
            Err(problem) => Err(FileError { name, problem }),
        }
    }
}

fn check(start: &[u8]) -> Result<(), FileProblem> {
    if start.is_empty() || start == b"\xef\xbb\xbf" {
        return Err(FileProblem::Empty);
    }
    if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") {
        return Err(FileProblem::Utf16);
    }
    match start.contains(&0) {
        true => Err(FileProblem::Binary),
        false => Ok(()),
    }
}

/// The start of a line, for a message.
pub(crate) fn start_of_line(line: &str) -> String {
    let mut start: String = line.chars().take(SHOWN).collect();
    if start.len() < line.len() {
        start.push('…');
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(bytes: &'static [u8]) -> String {
        Input::of("users.csv", bytes).err().unwrap().to_string()
    }

    #[test]
    fn a_file_that_can_be_none_says_what_it_is_and_what_to_do() {
        assert_eq!(
            refusal(b""),
            "users.csv is empty: its first line must be the header account,tag or account,tags"
        );
        assert_eq!(refusal(b"\xef\xbb\xbf"), refusal(b""));
        assert_eq!(
            refusal(b"\xff\xfea\0"),
            "users.csv is UTF-16 text: save it as UTF-8"
        );
        assert_eq!(
            refusal(b"\x7fELF\x02\x01\x01\0"),
            "users.csv is not a text file: give a CSV file in UTF-8, with the header account,tag or account,tags"
        );
        assert!(Input::of("users.csv", b"account,tag\n".as_slice()).is_ok());
    }

    #[test]
    fn a_pipe_that_brings_a_bom_by_itself_is_not_empty() {
        let pieces = b"\xef\xbb\xbf"
            .as_slice()
            .chain(b"account,tag\n".as_slice());
        let mut input = Input::of("standard input", pieces).unwrap();
        let mut all = Vec::new();
        input.bytes.read_to_end(&mut all).unwrap();
        assert_eq!(all, b"\xef\xbb\xbfaccount,tag\n");
    }
}
