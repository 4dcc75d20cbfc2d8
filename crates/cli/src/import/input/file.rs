//! The file to import: opened, digested as it lies on the disk or comes through the pipe, unpacked if it is packed, and
//! refused if its first bytes show that it holds no rows. They tell its format too.
//!
//! gzip and zstd are told by their first bytes and not by a name. All members of a gzip file and all frames of a zstd
//! file are read. One that is cut off, or followed by anything else, is an error: no part of a file is taken for the
//! whole. The window that a zstd frame asks for is bounded by the memory that there is, as it comes on top of all else.

use std::cell::RefCell;
use std::fs::{self, File, Metadata};
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;
use rustix::io::Errno;
use twox_hash::xxhash3_128::Hasher;
use zstd::stream::read::Decoder;

use super::kind;
use super::lines::Lines;
use super::problem::{FileError, FileProblem};
use crate::import::memory::Memory;

/// Bytes that are examined before any row is read. Far fewer show what a file is, but blank lines may come first.
const FIRST_BYTES: u64 = 64 * 1024;

/// Bytes that tell how a file is packed.
const MAGIC_BYTES: u64 = 4;

/// How much of a packed file is read at once.
const BUFFER: usize = 64 * 1024;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// A file to import.
pub(crate) struct Input {
    /// Its text, without a byte order mark.
    pub(crate) lines: Lines,
    pub(crate) format: Format,
    /// Its length on the disk, if it is there.
    pub(crate) bytes: Option<u64>,
    /// Of the file as it lies there, packed or not.
    pub(crate) digesting: Digesting,
}

/// How rows are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Csv,
    Ndjson,
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

    pub(super) fn from_reader(
        name: &str,
        from: impl Read + 'static,
        memory: Memory,
    ) -> Result<Input, FileError> {
        let (name, digesting) = (name.to_owned(), Digesting::new());
        match text(digesting.reader(from), memory) {
            Ok((format, text)) => Ok(Input {
                lines: Lines::new(name, text),
                format,
                bytes: None,
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
    let text = unpacked(&magic, whole, memory).map_err(FileProblem::Unreadable)?;
    let (mut start, text) = read_start(text, FIRST_BYTES)?;
    if let Some(kind) = kind::binary(&start) {
        return Err(FileProblem::Foreign(kind));
    }
    if let Some(encoding) = kind::wide(&start) {
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

/// Unpacks a file that begins with `magic`, if it is packed.
fn unpacked(magic: &[u8], from: impl Read + 'static, memory: Memory) -> io::Result<Box<dyn Read>> {
    let buffered = |from| BufReader::with_capacity(BUFFER, from);
    Ok(match magic {
        [0x1f, 0x8b, ..] => Box::new(Unpacked {
            from: MultiGzDecoder::new(buffered(from)),
            format: "gzip",
        }),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            let mut decoder = Decoder::with_buffer(buffered(from))?;
            decoder.window_log_max(memory.window_log())?;
            Box::new(Unpacked {
                from: decoder,
                format: "zstd",
            })
        }
        _ => Box::new(from),
    })
}

/// Says what failed: the decoders' own words do not name their format.
struct Unpacked<R> {
    from: R,
    format: &'static str,
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.from.read(into).map_err(|error| {
            let format = self.format;
            let what = match error.kind() {
                io::ErrorKind::Interrupted => return error,
                io::ErrorKind::UnexpectedEof => {
                    format!("its {format} data is cut off: fetch the file again")
                }
                _ if error.to_string().contains("too much memory") => {
                    format!(
                        "its {format} data needs more memory to be unpacked: give more (--memory)"
                    )
                }
                _ => format!("its {format} data is damaged ({error}): fetch the file again"),
            };
            io::Error::new(error.kind(), what)
        })
    }
}

/// What a file is known by. It tells a changed file from the same one; it is no protection against a forger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    /// Its XXH3.
    pub(crate) digest: u128,
    pub(crate) bytes: u64,
}

/// The length and the XXH3 of what has been read so far.
#[derive(Clone)]
pub(crate) struct Digesting(Rc<RefCell<(u64, Hasher)>>);

struct Digested<R> {
    from: R,
    digesting: Digesting,
}

impl Digesting {
    fn new() -> Digesting {
        Digesting(Rc::new(RefCell::new((0, Hasher::new()))))
    }

    fn reader<R: Read>(&self, from: R) -> Digested<R> {
        let digesting = self.clone();
        Digested { from, digesting }
    }

    /// Bytes that have been read so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.borrow().0
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let (bytes, hasher) = &*self.0.borrow();
        Fingerprint {
            digest: hasher.finish_128(),
            bytes: *bytes,
        }
    }
}

impl<R: Read> Read for Digested<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(into)?;
        let (bytes, hasher) = &mut *self.digesting.0.borrow_mut();
        *bytes += read as u64;
        hasher.write(&into[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        zstd::encode_all(text, 1).unwrap()
    }

    /// The text, or why there is none.
    fn read(bytes: &[u8]) -> Result<String, String> {
        let (_, mut text) = text(Cursor::new(bytes.to_vec()), Memory::LEAST)
            .map_err(|problem| problem.to_string())?;
        let mut all = String::new();
        match text.read_to_string(&mut all) {
            Ok(_) => Ok(all),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn all_members_and_all_frames_are_read_and_a_text_is_not_unpacked() {
        for pack in [gzip, zstd] {
            let both = [pack(b"account,tag\n"), pack(b"alice,vip\n")].concat();
            assert_eq!(read(&both).unwrap(), "account,tag\nalice,vip\n");
        }
        // what pzstd writes between its frames
        let skippable = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd".to_vec();
        let framed = [skippable.clone(), zstd(b"x"), skippable, zstd(b"y")].concat();
        assert_eq!(read(&framed).unwrap(), "xy");
        assert_eq!(read(b"x").unwrap(), "x");
    }

    #[test]
    fn what_is_cut_off_damaged_or_followed_by_anything_is_an_error() {
        for (name, whole) in [
            ("gzip", gzip(b"account,tag\n")),
            ("zstd", zstd(b"account,tag\n")),
        ] {
            let cut_off = format!(
                "cannot be read: its {name} data is cut off: fetch the file again; nothing was sent"
            );
            for end in 4..whole.len() {
                assert_eq!(read(&whole[..end]).unwrap_err(), cut_off, "{end} bytes");
            }
            let second = [&whole[..], &whole[..whole.len() - 1]].concat();
            assert!(read(&second).is_err(), "a second {name} that is cut off");
            let error = read(&[&whole[..], b"alice,vip\n"].concat()).unwrap_err();
            let damaged = format!("cannot be read: its {name} data is damaged (");
            assert!(error.starts_with(&damaged), "{error}");
        }
        let mut damaged = gzip(b"account,tag\n");
        let checksum = damaged.len() - 5;
        damaged[checksum] ^= 1;
        assert!(read(&damaged).is_err());
    }

    #[test]
    fn what_is_packed_in_packed_data_is_named() {
        let mut tar = vec![0; 1024];
        tar[257..262].copy_from_slice(b"ustar");
        let twice = "is packed twice: unpack it once (gzip -d or zstd -d)";
        for (inner, says) in [
            (tar, "is a tar archive: unpack it first (tar -xf)"),
            (gzip(b"a"), twice),
            (zstd(b"a"), twice),
            (
                Vec::new(),
                "is empty: its first line must be the header account,tag or account,tags",
            ),
        ] {
            assert_eq!(read(&gzip(&inner)).unwrap_err(), says);
        }
    }

    #[test]
    fn a_frame_that_asks_for_more_memory_than_there_is_is_refused() {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(26).unwrap();
        encoder.write_all(&vec![b'x'; 1 << 16]).unwrap();
        let error = read(&encoder.finish().unwrap()).unwrap_err();
        assert!(error.contains("give more (--memory)"), "{error}");
    }

    #[test]
    fn a_pipe_that_brings_a_bom_by_itself_is_not_empty() {
        let pieces = BOM.chain(b"account,tag\n".as_slice());
        let (format, mut text) = text(pieces, Memory::LEAST).unwrap();
        let mut all = String::new();
        text.read_to_string(&mut all).unwrap();
        assert_eq!((format, all.as_str()), (Format::Csv, "account,tag\n"));
    }

    #[test]
    fn the_digest_is_the_published_xxh3_of_the_bytes_as_they_lie_there() {
        let digest = |pieces: &[&[u8]]| {
            let digesting = Digesting::new();
            for piece in pieces {
                io::copy(&mut digesting.reader(*piece), &mut io::sink()).unwrap();
            }
            digesting.fingerprint()
        };
        // the value that the reference implementation gives for no bytes
        let none = 0x99aa_06d3_0147_98d8_6001_c324_468d_497f;
        assert_eq!(digest(&[]).digest, none);
        assert_eq!(digest(&[b"ab", b"", b"c"]), digest(&[b"abc"]));
        assert_ne!(digest(&[b"abc"]), digest(&[b"abd"]));

        let packed = zstd(b"account,tag\n");
        let expected = digest(&[&packed]);
        let mut input = Input::from_reader("f", Cursor::new(packed), Memory::LEAST).unwrap();
        while input.lines.next().unwrap() {}
        assert_eq!(input.digesting.fingerprint(), expected);
    }
}
