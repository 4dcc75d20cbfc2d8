//! The memory that an import may take, and its shares.
//!
//! Half is for rows that were read and wait to be grouped. The other half is for grouping a partition, for packing, and
//! for the requests under way. The program itself is not counted; it needs some 10 MiB.

use std::fmt;
use std::str::FromStr;

use crate::size::size;

const MIB: u64 = 1024 * 1024;

/// Bytes that an import may take beside the program itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Memory(u64);

impl Memory {
    /// With less memory the partitions of a file would be too small to write to a disk.
    pub(crate) const LEAST: Memory = Memory(16 * MIB);

    /// The default.
    pub(crate) const DEFAULT: Memory = Memory(256 * MIB);

    /// The share of rows that wait to be grouped.
    pub(crate) fn for_rows(self) -> usize {
        usize::try_from(self.0 / 2).unwrap_or(usize::MAX)
    }

    /// The share of the rows of one user, which cannot be split. A partition of several users is split before it needs more
    /// than the least share.
    pub(crate) fn for_grouping(self) -> usize {
        usize::try_from((self.0 / 4).max(16 * MIB)).unwrap_or(usize::MAX)
    }

    /// The largest window of a zstd frame, as a power of two: an eighth of the memory, at least the window of level 19.
    pub(crate) fn window_log(self) -> u32 {
        (self.0 / 8).ilog2().clamp(23, 27)
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes % MIB == 0 => write!(f, "{}M", bytes / MIB),
            bytes => write!(f, "{bytes}"),
        }
    }
}

impl FromStr for Memory {
    type Err = String;

    /// Reads `268435456`, `64M`, `64MiB`, `1g`: powers of 1,024.
    fn from_str(text: &str) -> Result<Memory, String> {
        let bytes = size(text)?;
        match Memory(bytes) {
            memory if memory < Memory::LEAST => Err(format!("{} at least", Memory::LEAST)),
            memory => Ok(memory),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_in_bytes_or_powers_of_1024() {
        for (text, bytes) in [
            ("64M", 64 << 20),
            ("64m", 64 << 20),
            ("256MiB", 256 << 20),
            ("1G", 1 << 30),
            ("20000000", 20_000_000),
            ("16384K", 16 << 20),
        ] {
            assert_eq!(text.parse(), Ok(Memory(bytes)), "{text}");
        }
        for text in [
            "",
            "M",
            "-1M",
            "64MB",
            "64 M",
            "1.5G",
            "99999999999999999999",
            "999999999999G",
        ] {
            let refused = text.parse::<Memory>().unwrap_err();
            assert_eq!(
                refused, "a size in bytes, such as 64M, 256MiB or 1G",
                "{text}"
            );
        }
    }

    #[test]
    fn sixteen_mebibytes_are_enough_and_a_byte_less_is_not() {
        assert_eq!("16777216".parse(), Ok(Memory::LEAST));
        assert_eq!("16777215".parse::<Memory>(), Err("16M at least".to_owned()));
        assert_eq!(Memory::DEFAULT.to_string().parse(), Ok(Memory::DEFAULT));
    }
}
