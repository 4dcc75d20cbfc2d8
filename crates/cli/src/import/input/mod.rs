//! The input of an import: a file becomes rows, each a change or what is wrong with it.
//!
//! ```text
//!        digest   unpack   kind          encoding
//! file ────────────────────────► lines ───────────► csv, columns ──► rows
//!        known by its fingerprint,  │  text in UTF-8               ▲  each checked
//!        its format found out       └─────────────► ndjson ────────┘
//! ```

pub(crate) mod change;
mod columns;
mod csv;
mod digest;
mod encoding;
mod file;
mod joined;
mod kind;
mod lines;
mod ndjson;
mod odd;
mod rows;
mod unpack;

pub(crate) use digest::Fingerprint;
pub(crate) use file::{FileError, FileProblem, Input};
pub(crate) use joined::JoinedTags;
pub(crate) use rows::{BadRow, Rows};
