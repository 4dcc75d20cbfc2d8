//! SQLite's write-ahead log, read before SQLite opens it.
//!
//! SQLite takes the first frame that is wrong for the log's end, and drops all that comes after it without a word. A
//! kill leaves no commit behind such a frame, as frames are written in order, so one that is there says that the log
//! was damaged.
//!
//! ```text
//! header   magic, version, page's length, number, salts, checksum     32 bytes
//! frame    page's number, commit, salts, checksum, and the page       24 bytes and a page
//! ```
//!
//! A log is written again from its beginning, under other salts: frames behind its end are of an earlier one.

use std::io::{self, Read};

const HEADER: usize = 32;
const FRAME: usize = 24;
/// The last bit says that checksums are of big-endian words.
const MAGIC: u32 = 0x377f_0682;

/// Whether SQLite reads all that was committed.
pub(crate) fn is_whole(mut log: impl Read) -> io::Result<bool> {
    let mut header = [0; HEADER];
    if !fill(&mut log, &mut header)? {
        return Ok(true);
    }
    let (magic, page) = (word(&header, 0), word(&header, 8));
    if magic & !1 != MAGIC || !page.is_power_of_two() || !(512..=65_536).contains(&page) {
        return Ok(false);
    }
    let read = if magic & 1 == 0 {
        u32::from_le_bytes
    } else {
        u32::from_be_bytes
    };
    let mut sum = checksum((0, 0), &header[..24], read);
    if sum != (word(&header, 24), word(&header, 28)) {
        return Ok(false);
    }
    let mut frame = vec![0; FRAME + page as usize];
    let mut ended = false;
    while fill(&mut log, &mut frame)? {
        let is_of_this_log = frame[8..16] == header[16..24];
        let is_commit = word(&frame, 4) > 0;
        if ended {
            if is_of_this_log && is_commit {
                return Ok(false);
            }
            continue;
        }
        sum = checksum(checksum(sum, &frame[..8], read), &frame[FRAME..], read);
        ended = !is_of_this_log || sum != (word(&frame, 16), word(&frame, 20));
    }
    Ok(true)
}

/// Reads a whole part; false where the log ends before it does.
fn fill(log: &mut impl Read, part: &mut [u8]) -> io::Result<bool> {
    match log.read_exact(part) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        result => result.map(|()| true),
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let word = bytes[at..at + 4].try_into().expect("these are four bytes");
    u32::from_be_bytes(word)
}

/// As SQLite's file format has it.
fn checksum(mut sum: (u32, u32), bytes: &[u8], read: fn([u8; 4]) -> u32) -> (u32, u32) {
    for pair in bytes.chunks_exact(8) {
        let (first, second) = pair.split_at(4);
        let [first, second] =
            [first, second].map(|it| read(it.try_into().expect("these are four bytes")));
        sum.0 = sum.0.wrapping_add(first).wrapping_add(sum.1);
        sum.1 = sum.1.wrapping_add(second).wrapping_add(sum.0);
    }
    sum
}
