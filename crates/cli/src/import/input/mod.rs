//! The input of an import: a file becomes rows, each checked, or what is wrong with them.
//!
//! ```text
//!      bytes                kind, encoding                lines                csv, columns
//! file ─────► digested, ────────────────► its format, ────────► text by lines ────────────► rows
//!             unpacked                    or refused                           ndjson
//! ```
//!
//! `row` says what a row is and checks it; `odd` and `joined` know what people do not mean.

mod bytes;
mod columns;
mod csv;
mod encoding;
mod file;
mod joined;
mod kind;
mod lines;
mod ndjson;
mod odd;
pub(crate) mod row;
mod rows;

pub(crate) use bytes::Fingerprint;
pub(crate) use file::{FileError, FileProblem, Input};
pub(crate) use joined::JoinedTags;
pub(crate) use row::{BadRow, Row};
pub(crate) use rows::for_each_row;
