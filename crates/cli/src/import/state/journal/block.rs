//! A block: what was settled since the block before it. A journal is a header and blocks:
//!
//! ```text
//! length     4 bytes, of the body
//! body       requests, retries, splits, milliseconds (totals so far, each a varint)
//!            the failed file: bytes (varint), checksum (8 bytes)
//!            runs of users who are done, runs of users who failed
//!            in the block that a run ends with, and in no other: runs of users who are in doubt
//!            what a later version may add: this one skips it
//! checksum   8 bytes, XXH3 of length and body, seeded with where in the file the block starts
//! ```
//!
//! ```text
//! runs       how many, and for each: 2 × the gap since the run before (+ 1 if it is longer than one user), and
//!            then its users less two; all varints
//! ```
//!
//! Whole numbers are little-endian. The first block that is torn, or is not what was written, ends the journal: what
//! stands there and after it is done again.

use std::io::{self, BufRead, BufReader, Read};
use std::time::Duration;

use twox_hash::XxHash3_64;

use super::settled::{InDoubt, Kind, Settled};
use crate::import::group::varint;
use crate::import::state::failed_list::Mark;

const LENGTH: usize = 4;
const CHECKSUM: usize = 8;

/// Far more than any block takes. A damaged length does not make us ask for more memory.
const BODY_AT_MOST: u32 = 16 << 20;

/// What is added up over all runs of an import.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) requests: u64,
    pub(crate) retries: u64,
    pub(crate) splits: u64,
    /// Kept to the millisecond.
    pub(crate) elapsed: Duration,
}

impl std::ops::Add for Counters {
    type Output = Counters;

    fn add(self, more: Counters) -> Counters {
        Counters {
            requests: self.requests + more.requests,
            retries: self.retries + more.retries,
            splits: self.splits + more.splits,
            elapsed: self.elapsed + more.elapsed,
        }
    }
}

/// What all blocks that are whole say.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Blocks {
    pub(super) settled: Settled,
    pub(super) counters: Counters,
    pub(super) failed: Mark,
    /// Of the last block.
    pub(super) in_doubt: InDoubt,
    pub(super) count: u64,
    /// Where in the file the last of them ends.
    pub(super) end: u64,
}

/// Appends a block that will stand at `at`; sorts the positions. `in_doubt` is for the block that a run ends with.
pub(super) fn put(
    at: u64,
    counters: &Counters,
    failed: Mark,
    settled: [&mut Vec<u64>; 2],
    in_doubt: Option<&mut Vec<u64>>,
    to: &mut Vec<u8>,
) {
    let start = to.len();
    to.extend([0; LENGTH]);
    let milliseconds = u64::try_from(counters.elapsed.as_millis()).unwrap_or(u64::MAX);
    for number in [
        counters.requests,
        counters.retries,
        counters.splits,
        milliseconds,
        failed.bytes,
    ] {
        varint::put(number, to);
    }
    to.extend(failed.checksum.to_le_bytes());
    for positions in settled.into_iter().chain(in_doubt) {
        put_runs(positions, to);
    }
    let body = u32::try_from(to.len() - start - LENGTH)
        .ok()
        .filter(|body| *body <= BODY_AT_MOST)
        .expect("a batch is bounded, see `writer`");
    to[start..start + LENGTH].copy_from_slice(&body.to_le_bytes());
    let checksum = XxHash3_64::oneshot_with_seed(at, &to[start..]);
    to.extend(checksum.to_le_bytes());
}

fn put_runs(positions: &mut Vec<u64>, to: &mut Vec<u8>) {
    positions.sort_unstable();
    positions.dedup();
    let runs = || positions.chunk_by(|one, next| one + 1 == *next);
    varint::put(runs().count() as u64, to);
    let mut after = 0;
    for run in runs() {
        let gap = run[0] - after;
        let more = run.len() as u64 - 1;
        varint::put(gap << 1 | u64::from(more > 0), to);
        if more > 0 {
            varint::put(more - 1, to);
        }
        after = run[0] + more + 1;
    }
}

/// Reads blocks from `at` on, where `from` stands, to the first that is not whole.
pub(super) fn read(from: impl Read, at: u64, users: u64) -> io::Result<Blocks> {
    let mut from = BufReader::with_capacity(256 * 1024, from);
    let mut blocks = Blocks {
        settled: Settled::none(users),
        counters: Counters::default(),
        failed: Mark::default(),
        in_doubt: InDoubt::AnyUser,
        count: 0,
        end: at,
    };
    let mut block = Vec::new();
    while next(&mut from, blocks.end, &mut block)? {
        let body = &block[LENGTH..block.len() - CHECKSUM];
        if blocks.take(body, users).is_none() {
            break;
        }
        blocks.count += 1;
        blocks.end += block.len() as u64;
    }
    Ok(blocks)
}

/// Reads a block; false if there is none that is whole.
fn next(from: &mut impl BufRead, at: u64, block: &mut Vec<u8>) -> io::Result<bool> {
    block.clear();
    from.take(LENGTH as u64).read_to_end(block)?;
    let Ok(length) = block.as_slice().try_into().map(u32::from_le_bytes) else {
        return Ok(false);
    };
    if length > BODY_AT_MOST {
        return Ok(false);
    }
    let rest = u64::from(length) + CHECKSUM as u64;
    if from.take(rest).read_to_end(block)? as u64 != rest {
        return Ok(false);
    }
    let (said, checksum) = block.split_at(block.len() - CHECKSUM);
    Ok(XxHash3_64::oneshot_with_seed(at, said).to_le_bytes() == checksum)
}

impl Blocks {
    /// Adds what a block says; `None`, and nothing of it, if imtag did not write it so.
    fn take(&mut self, mut body: &[u8], users: u64) -> Option<()> {
        let from = &mut body;
        let mut number = || varint::take(from);
        let counters = Counters {
            requests: number()?,
            retries: number()?,
            splits: number()?,
            elapsed: Duration::from_millis(number()?),
        };
        let bytes = number()?;
        let checksum = varint::take_bytes(from, 8)?.try_into().ok()?;
        let mut runs = *from;
        for _ in [Kind::Done, Kind::Failed] {
            for_runs(from, users, |_| ())?;
        }
        for kind in [Kind::Done, Kind::Failed] {
            for_runs(&mut runs, users, |run| self.settled.settle(run, kind))?;
        }
        self.in_doubt = if from.is_empty() {
            InDoubt::AnyUser
        } else {
            in_doubt(from, users)
        };
        self.counters = counters;
        self.failed = Mark {
            bytes,
            checksum: u64::from_le_bytes(checksum),
        };
        Some(())
    }
}

fn in_doubt(from: &mut &[u8], users: u64) -> InDoubt {
    let mut all = Vec::new();
    let read = for_runs(from, users, |run| {
        // a damaged run may claim any length: take no more than is kept
        let left = InDoubt::AT_MOST + 1 - all.len();
        all.extend(run.take(left));
    });
    match read {
        Some(()) => InDoubt::from_users(all),
        None => InDoubt::AnyUser,
    }
}

fn for_runs(from: &mut &[u8], users: u64, mut run: impl FnMut(std::ops::Range<u64>)) -> Option<()> {
    let mut after = 0_u64;
    for _ in 0..varint::take(from)? {
        let gap = varint::take(from)?;
        let more = match gap & 1 {
            0 => 0,
            _ => varint::take(from)?.checked_add(1)?,
        };
        let start = after.checked_add(gap >> 1)?;
        after = start.checked_add(more)?.checked_add(1)?;
        if after > users {
            return None;
        }
        run(start..after);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the first block of these tests stands.
    const AT: u64 = 100;

    fn counters(requests: u64) -> Counters {
        Counters {
            requests,
            retries: 2,
            splits: 300,
            elapsed: Duration::from_millis(4_567),
        }
    }

    fn two_blocks() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mark = |bytes| Mark {
            bytes,
            checksum: u64::MAX - bytes,
        };
        put(
            AT,
            &counters(5),
            mark(0),
            [&mut vec![7, 3, 4, 5, 4], &mut vec![]],
            None,
            &mut bytes,
        );
        let first = bytes.len();
        put(
            AT + first as u64,
            &counters(6),
            mark(90),
            [&mut vec![0, 99], &mut vec![50, 51]],
            Some(&mut vec![60, 61, 98]),
            &mut bytes,
        );
        bytes
    }

    fn settled(blocks: &Blocks) -> Vec<u64> {
        (0..100)
            .filter(|it| blocks.settled.is_settled(*it))
            .collect()
    }

    #[test]
    fn what_was_put_is_read() {
        let bytes = two_blocks();
        let blocks = read(bytes.as_slice(), AT, 100).unwrap();
        assert_eq!(settled(&blocks), [0, 3, 4, 5, 7, 50, 51, 99]);
        assert_eq!((blocks.settled.done(), blocks.settled.failed()), (6, 2));
        assert_eq!(blocks.counters, counters(6));
        assert_eq!(
            blocks.failed,
            Mark {
                bytes: 90,
                checksum: u64::MAX - 90
            }
        );
        assert_eq!((blocks.count, blocks.end), (2, AT + bytes.len() as u64));
        assert_eq!(blocks.in_doubt, InDoubt::from_users([60, 61, 98]));
    }

    #[test]
    fn zeros_and_blocks_of_another_place_are_no_blocks() {
        assert_eq!(read([0; 4_000].as_slice(), AT, 100).unwrap().count, 0);
        let bytes = two_blocks();
        assert_eq!(read(bytes.as_slice(), AT + 1, 100).unwrap().count, 0);
    }

    #[test]
    fn a_block_with_a_user_who_does_not_exist_counts_as_nothing() {
        let bytes = two_blocks();
        let blocks = read(bytes.as_slice(), AT, 99).unwrap();
        assert_eq!((blocks.count, blocks.settled.done()), (1, 4));
    }

    #[test]
    fn users_in_a_row_take_a_few_bytes_and_users_far_apart_two_or_three_each() {
        let size = |mut users: Vec<u64>| {
            let mut bytes = Vec::new();
            put(
                0,
                &Counters::default(),
                Mark::default(),
                [&mut users, &mut vec![]],
                None,
                &mut bytes,
            );
            bytes.len()
        };
        assert_eq!(size((0..1_000_000).collect()), size(vec![]) + 4);
        let apart: Vec<u64> = (0..10_000).map(|nth| nth * 8_000).collect();
        assert!(size(apart) <= size(vec![]) + 10_000 * 2 + 2);
    }
}
