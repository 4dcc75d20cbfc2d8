//! Unpacking: gzip and zstd, told by their first bytes and not by a name. All members of a gzip file and all frames of
//! a zstd file are read; one that is cut off, or followed by anything else, is an error, so that no part of a file is
//! taken for the whole.
//!
//! The window that a zstd frame asks for is bounded by the memory that there is: it comes on top of everything else.

use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use zstd::stream::read::Decoder;

use crate::import::memory::Memory;

/// How much of a packed file is read at once.
const BUFFER: usize = 64 * 1024;

/// How a file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packed {
    Gzip,
    Zstd,
}

impl Packed {
    /// By the first bytes of a file; `None` where it is not packed.
    pub(crate) fn detect(start: &[u8]) -> Option<Packed> {
        match start {
            [0x1f, 0x8b, ..] => Some(Packed::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                Some(Packed::Zstd)
            }
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Packed::Gzip => "gzip",
            Packed::Zstd => "zstd",
        }
    }

    /// What was packed.
    pub(crate) fn unpack(
        self,
        from: impl Read + 'static,
        memory: Memory,
    ) -> io::Result<Box<dyn Read>> {
        let from = BufReader::with_capacity(BUFFER, from);
        match self {
            Packed::Gzip => Ok(Box::new(Failing::new(MultiGzDecoder::new(from), self))),
            Packed::Zstd => {
                let mut decoder = Decoder::with_buffer(from)?;
                decoder.window_log_max(memory.window_log())?;
                Ok(Box::new(Failing::new(decoder, self)))
            }
        }
    }
}

/// Says what failed, as the decoders' own words do not name their format.
struct Failing<R> {
    from: R,
    packed: Packed,
}

impl<R: Read> Failing<R> {
    fn new(from: R, packed: Packed) -> Failing<R> {
        Failing { from, packed }
    }
}

impl<R: Read> Read for Failing<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.from.read(into).map_err(|error| {
            let name = self.packed.name();
            let what = match error.kind() {
                io::ErrorKind::Interrupted => return error,
                io::ErrorKind::UnexpectedEof => {
                    format!("its {name} data is cut off: fetch the file again")
                }
                _ if error.to_string().contains("too much memory") => {
                    format!(
                        "its {name} data needs more memory to be unpacked: give more (--memory)"
                    )
                }
                _ => format!("its {name} data is damaged ({error}): fetch the file again"),
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

    fn unpacked(bytes: &[u8]) -> Result<Vec<u8>, String> {
        let packed = Packed::detect(bytes).expect("packed");
        let mut all = Vec::new();
        let from = io::Cursor::new(bytes.to_vec());
        let mut unpacked = packed.unpack(from, Memory::LEAST).unwrap();
        match unpacked.read_to_end(&mut all) {
            Ok(_) => Ok(all),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn all_members_and_all_frames_are_read() {
        for pack in [gzip, zstd] {
            let both = [pack(b"account,tag\n"), pack(b"alice,vip\n")].concat();
            assert_eq!(unpacked(&both).unwrap(), b"account,tag\nalice,vip\n");
        }
        // what pzstd writes between its frames
        let skippable = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd".to_vec();
        let framed = [skippable.clone(), zstd(b"x"), skippable, zstd(b"y")].concat();
        assert_eq!(unpacked(&framed).unwrap(), b"xy");
    }

    #[test]
    fn a_stream_that_is_cut_off_anywhere_is_an_error() {
        for (name, whole) in [
            ("gzip", gzip(b"account,tag\n")),
            ("zstd", zstd(b"account,tag\n")),
        ] {
            for end in 4..whole.len() {
                let error = unpacked(&whole[..end]).unwrap_err();
                assert_eq!(
                    error,
                    format!("its {name} data is cut off: fetch the file again"),
                    "after {end} bytes"
                );
            }
            let second = [&whole[..], &whole[..whole.len() - 1]].concat();
            assert!(
                unpacked(&second).is_err(),
                "a second {name} that is cut off"
            );
        }
    }

    #[test]
    fn what_follows_the_packed_data_is_an_error_and_so_is_damage() {
        for (name, whole) in [
            ("gzip", gzip(b"account,tag\n")),
            ("zstd", zstd(b"account,tag\n")),
        ] {
            let followed = [&whole[..], b"alice,vip\n"].concat();
            let error = unpacked(&followed).unwrap_err();
            assert!(
                error.starts_with(&format!("its {name} data is damaged (")),
                "{error}"
            );
        }
        let mut damaged = gzip(b"account,tag\n");
        let checksum = damaged.len() - 5;
        damaged[checksum] ^= 1;
        assert!(unpacked(&damaged).is_err());
    }

    #[test]
    fn a_frame_that_asks_for_more_memory_than_there_is_is_refused() {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(26).unwrap();
        encoder.write_all(&vec![b'x'; 1 << 16]).unwrap();
        let error = unpacked(&encoder.finish().unwrap()).unwrap_err();
        assert!(error.ends_with("give more (--memory)"), "{error}");
    }

    #[test]
    fn a_text_is_not_packed() {
        assert_eq!(Packed::detect(b"account,tag\n"), None);
        assert_eq!(Packed::detect(b"{\"To_Account\""), None);
        assert_eq!(Packed::detect(b""), None);
    }
}
