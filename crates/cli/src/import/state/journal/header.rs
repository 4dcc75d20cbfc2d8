//! The header: which import the journal belongs to. A user's number has a meaning only in the same input, read in the
//! same way. So a journal belongs to one input, identified by its content, and to the settings that decide how it is read
//! and which app it goes to.
//!
//! ```text
//! magic      14 bytes, "imtag journal\n"
//! version    2 bytes
//! holder     4 bytes, the process that holds it; not under the checksum, as it changes
//! length     4 bytes, of the body
//! body       digest (16 bytes) and length of the input, users, how many facts, and each one's name and value
//!            with their lengths, and what stays; numbers are varints
//! checksum   8 bytes, XXH3 of all before it except the holder
//! ```

use indexmap::IndexSet;
use twox_hash::XxHash3_64;

use crate::import::group::varint::{put, take, take_bytes};
use crate::import::input::Fingerprint;
use crate::output::{Shown, count};

const MAGIC: &[u8] = b"imtag journal\n";
/// Of the format, and of how the users of an input are numbered: raised when either changes.
pub(super) const VERSION: u16 = 3;
const VERSION_AT: usize = MAGIC.len();
pub(super) const HOLDER_AT: usize = VERSION_AT + 2;
const LENGTH_AT: usize = HOLDER_AT + 4;
const BODY_AT: usize = LENGTH_AT + 4;
const CHECKSUM: usize = 8;

/// More bytes than any header takes; as many are read to find one.
pub(super) const AT_MOST: usize = 64 * 1024;

/// What identifies an import: with the same identity, a number stands for the same user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) input: Fingerprint,
    pub(crate) users: u64,
    /// What else must be the same, by the name that messages use: `("generation", "timpush")`. No secrets.
    pub(crate) facts: Vec<(String, String)>,
}

/// Which of its files were there, empty, before the import began: they are emptied at its end, and not removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stays {
    pub(super) journal: bool,
    pub(super) list: bool,
}

impl Stays {
    fn bits(self) -> u64 {
        u64::from(self.journal) | u64::from(self.list) << 1
    }

    fn from_bits(bits: u64) -> Stays {
        Stays {
            journal: bits & 1 != 0,
            list: bits & 2 != 0,
        }
    }
}

/// What stands at the start of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing at all: a header is only ever there whole.
    Nothing,
    /// A header, and its length.
    Header(Identity, Stays, usize),
    OtherVersion(u16),
    Damaged,
    NoJournal,
}

/// The header of a journal, held by this process.
pub(super) fn header(identity: &Identity, stays: Stays) -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    header.extend(VERSION.to_le_bytes());
    header.extend([0; BODY_AT - HOLDER_AT]);
    header.extend(identity.input.digest.to_le_bytes());
    put(identity.input.bytes, &mut header);
    put(identity.users, &mut header);
    put(identity.facts.len() as u64, &mut header);
    for text in identity
        .facts
        .iter()
        .flat_map(|(name, value)| [name, value])
    {
        put(text.len() as u64, &mut header);
        header.extend(text.as_bytes());
    }
    put(stays.bits(), &mut header);
    let length = u32::try_from(header.len() - BODY_AT)
        .ok()
        .filter(|_| header.len() + CHECKSUM <= AT_MOST)
        .expect("the facts are a few settings");
    header[LENGTH_AT..BODY_AT].copy_from_slice(&length.to_le_bytes());
    let checksum = checksum(&header);
    header.extend(checksum.to_le_bytes());
    header[HOLDER_AT..LENGTH_AT].copy_from_slice(&this_process());
    header
}

/// The bytes of the holder.
pub(super) fn this_process() -> [u8; 4] {
    std::process::id().to_le_bytes()
}

/// The process that holds a journal, as far as its header says so.
pub(super) fn holder(start: &[u8]) -> Option<u32> {
    let holder = start
        .strip_prefix(MAGIC)
        .and_then(|_| start.get(HOLDER_AT..LENGTH_AT))?;
    let holder = u32::from_le_bytes(holder.try_into().ok()?);
    (holder != 0).then_some(holder)
}

/// Finds a header at the start of a file: `start` is its first `AT_MOST` bytes, or all if it is shorter.
pub(super) fn find(start: &[u8]) -> Found {
    if start.is_empty() {
        return Found::Nothing;
    }
    if !start.starts_with(MAGIC) {
        return Found::NoJournal;
    }
    match number(start, VERSION_AT) {
        Some(VERSION) => {}
        Some(other) => return Found::OtherVersion(other),
        None => return Found::Damaged,
    }
    let Some(length) = start.get(LENGTH_AT..BODY_AT) else {
        return Found::Damaged;
    };
    let length = u32::from_le_bytes(length.try_into().expect("it is four bytes"));
    let end = BODY_AT.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
    if end > AT_MOST - CHECKSUM {
        return Found::Damaged;
    }
    let Some(said) = start.get(end..end + CHECKSUM) else {
        return Found::Damaged;
    };
    if said != checksum(&start[..end]).to_le_bytes() {
        return Found::Damaged;
    }
    match identity(&start[BODY_AT..end]) {
        Some((identity, stays)) => Found::Header(identity, stays, end + CHECKSUM),
        None => Found::Damaged,
    }
}

fn number(start: &[u8], at: usize) -> Option<u16> {
    let bytes = start.get(at..at + 2)?;
    Some(u16::from_le_bytes(bytes.try_into().ok()?))
}

fn checksum(header: &[u8]) -> u64 {
    let mut header = header.to_vec();
    header[HOLDER_AT..LENGTH_AT].fill(0);
    XxHash3_64::oneshot(&header)
}

fn identity(mut body: &[u8]) -> Option<(Identity, Stays)> {
    let from = &mut body;
    let digest = u128::from_le_bytes(take_bytes(from, 16)?.try_into().ok()?);
    let bytes = take(from)?;
    let users = take(from)?;
    let count = take(from)?;
    let text = |from: &mut &[u8]| {
        let length = take(from)?;
        String::from_utf8(take_bytes(from, length)?.to_vec()).ok()
    };
    let mut facts = Vec::new();
    for _ in 0..count {
        facts.push((text(from)?, text(from)?));
    }
    let stays = Stays::from_bits(take(from)?);
    let identity = Identity {
        input: Fingerprint { digest, bytes },
        users,
        facts,
    };
    Some((identity, stays))
}

impl Identity {
    /// How a journal's identity differs from this one, as a part of a sentence; `None` if it does not.
    pub(super) fn difference(&self, of_journal: &Identity) -> Option<String> {
        let (now, then) = (self, of_journal);
        if now == then {
            return None;
        }
        let had = |then: u64, now: u64, one: &str, many: &str| {
            format!("the input had {} and has {now} now", count(then, one, many))
        };
        let mut all = Vec::new();
        if now.input.bytes != then.input.bytes {
            all.push(had(then.input.bytes, now.input.bytes, "byte", "bytes"));
        } else if now.input != then.input {
            all.push("the content of the input has changed".to_owned());
        } else if now.users != then.users {
            all.push(had(then.users, now.users, "user", "users"));
        }
        let value = |of: &Identity, name: &str| {
            let fact = of.facts.iter().find(|(it, _)| it == name);
            fact.map_or("not set".to_owned(), |(_, value)| value.clone())
        };
        let names: IndexSet<_> = now
            .facts
            .iter()
            .chain(&then.facts)
            .map(|(name, _)| name)
            .collect();
        for name in names {
            let (was, is) = (value(then, name), value(now, name));
            if was != is {
                all.push(format!("{name} was {was} and is {is} now"));
            }
        }
        // a value may come from a forged file
        Some(Shown(&all.join(", ")).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAYS: Stays = Stays {
        journal: false,
        list: true,
    };

    fn identity() -> Identity {
        let fact = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Identity {
            input: Fingerprint {
                digest: u128::MAX - 5,
                bytes: 1_000,
            },
            users: 70_000,
            facts: vec![fact("generation", "timpush"), fact("app", "1400000000")],
        }
    }

    #[test]
    fn a_header_is_found_as_it_was_written_with_any_holder() {
        let mut bytes = header(&identity(), STAYS);
        let length = bytes.len();
        assert_eq!(holder(&bytes), Some(std::process::id()));
        bytes.extend([9; 100]);
        bytes[HOLDER_AT] ^= 1;
        assert_eq!(find(&bytes), Found::Header(identity(), STAYS, length));
    }

    #[test]
    fn what_is_not_a_whole_header_is_never_written_over() {
        let bytes = header(&identity(), STAYS);
        assert_eq!(find(&[]), Found::Nothing);
        for length in 1..bytes.len() {
            let found = if length < 14 {
                Found::NoJournal
            } else {
                Found::Damaged
            };
            assert_eq!(find(&bytes[..length]), found, "{length} bytes");
        }
        for zeros in [1, 90, 1_023, 4_096] {
            assert_eq!(find(&vec![0; zeros]), Found::NoJournal);
        }
    }

    #[test]
    fn a_header_with_a_changed_bit_is_never_taken_for_whole() {
        let bytes = header(&identity(), STAYS);
        for bit in 0..8 * bytes.len() {
            if (HOLDER_AT..LENGTH_AT).contains(&(bit / 8)) {
                continue;
            }
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            changed.extend([1; 100]);
            assert!(!matches!(find(&changed), Found::Header(..)), "bit {bit}");
        }
    }

    #[test]
    fn a_file_of_another_kind_and_another_version_are_told_apart() {
        assert_eq!(find(b"account,tag\nbob,vip\n"), Found::NoJournal);
        assert_eq!(find(b"imtag"), Found::NoJournal);
        assert_eq!(find(b"imtag,vip\n"), Found::NoJournal);
        let mut bytes = header(&identity(), STAYS);
        bytes[VERSION_AT] = 2;
        assert_eq!(find(&bytes), Found::OtherVersion(2));
    }

    #[test]
    fn all_that_differs_is_named() {
        let now = identity();
        assert_eq!(now.difference(&identity()), None);
        let mut then = identity();
        then.input.digest = 1;
        then.users = 5;
        assert_eq!(
            now.difference(&then).unwrap(),
            "the content of the input has changed"
        );
        then.input.bytes = 999;
        then.facts[1].1 = "1500000000".to_owned();
        assert_eq!(
            now.difference(&then).unwrap(),
            "the input had 999 bytes and has 1000 now, app was 1500000000 and is 1400000000 now"
        );
        let mut then = identity();
        then.users = 5;
        then.facts[0].0 = "limits".to_owned();
        assert_eq!(
            now.difference(&then).unwrap(),
            "the input had 5 users and has 70000 now, generation was not set and is timpush now, \
             limits was timpush and is not set now"
        );
    }
}
