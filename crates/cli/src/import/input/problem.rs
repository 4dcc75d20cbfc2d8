//! What refuses a file as a whole: what is wrong with it, and what to do. Nothing was sent then.

use std::io;

use super::kind::Encoding;
use crate::output::Shown;

/// A file that cannot be imported.
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
