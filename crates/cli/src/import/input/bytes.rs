//! The bytes of a file on their way to the reader: digested as they lie on the disk or come through the pipe, and then
//! unpacked if they are packed.
//!
//! gzip and zstd are told by their first bytes and not by a name. All members of a gzip file and all frames of a zstd
//! file are read. One that is cut off, or followed by anything else, is an error: no part of a file is taken for the
//! whole. The window that a zstd frame asks for is bounded by the memory that there is, as it comes on top of all else.

use std::cell::RefCell;
use std::io::{self, BufReader, Read};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;
use twox_hash::xxhash3_128::Hasher;
use zstd::stream::read::Decoder;

use crate::import::memory::Memory;

/// How much of a packed file is read at once.
const BUFFER: usize = 64 * 1024;

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
    pub(crate) fn new() -> Digesting {
        Digesting(Rc::new(RefCell::new((0, Hasher::new()))))
    }

    pub(crate) fn reader<R: Read>(&self, from: R) -> impl Read + use<R> {
        Digested {
            from,
            digesting: self.clone(),
        }
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

/// Unpacks a file that begins with `magic`, if it is packed.
pub(crate) fn unpacked(
    magic: &[u8],
    from: impl Read + 'static,
    memory: Memory,
) -> io::Result<Box<dyn Read>> {
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

    fn read(bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut all = Vec::new();
        let from = io::Cursor::new(bytes.to_vec());
        let mut unpacked = unpacked(bytes, from, Memory::LEAST).unwrap();
        match unpacked.read_to_end(&mut all) {
            Ok(_) => Ok(all),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn all_members_and_all_frames_are_read_and_a_text_is_not_unpacked() {
        for pack in [gzip, zstd] {
            let both = [pack(b"account,tag\n"), pack(b"alice,vip\n")].concat();
            assert_eq!(read(&both).unwrap(), b"account,tag\nalice,vip\n");
        }
        // what pzstd writes between its frames
        let skippable = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd".to_vec();
        let framed = [skippable.clone(), zstd(b"x"), skippable, zstd(b"y")].concat();
        assert_eq!(read(&framed).unwrap(), b"xy");
        for text in [b"account,tag\n".as_slice(), b"{\"To_Account\"", b""] {
            assert_eq!(read(text).unwrap(), text);
        }
    }

    #[test]
    fn what_is_cut_off_damaged_or_followed_by_anything_is_an_error() {
        for (name, whole) in [
            ("gzip", gzip(b"account,tag\n")),
            ("zstd", zstd(b"account,tag\n")),
        ] {
            let cut_off = format!("its {name} data is cut off: fetch the file again");
            for end in 4..whole.len() {
                assert_eq!(read(&whole[..end]).unwrap_err(), cut_off, "{end} bytes");
            }
            let second = [&whole[..], &whole[..whole.len() - 1]].concat();
            assert!(read(&second).is_err(), "a second {name} that is cut off");
            let followed = [&whole[..], b"alice,vip\n"].concat();
            let error = read(&followed).unwrap_err();
            let damaged = format!("its {name} data is damaged (");
            assert!(error.starts_with(&damaged), "{error}");
        }
        let mut damaged = gzip(b"account,tag\n");
        let checksum = damaged.len() - 5;
        damaged[checksum] ^= 1;
        assert!(read(&damaged).is_err());
    }

    #[test]
    fn a_frame_that_asks_for_more_memory_than_there_is_is_refused() {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(26).unwrap();
        encoder.write_all(&vec![b'x'; 1 << 16]).unwrap();
        let error = read(&encoder.finish().unwrap()).unwrap_err();
        assert!(error.ends_with("give more (--memory)"), "{error}");
    }

    #[test]
    fn the_digest_is_the_published_xxh3_in_pieces_of_any_size() {
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
        assert_eq!(digest(&[b"abc"]).bytes, 3);
    }
}
