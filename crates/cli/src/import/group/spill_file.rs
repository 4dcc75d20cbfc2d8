//! Streams of bytes that wait in memory while they are few, and spill to a temporary file once they are many. Each stream
//! is read back in the order in which it was written.
//!
//! ```text
//! add ──► chunks in memory ── no memory left ──► write_out: all streams, a stretch of the file each
//!  ▲                                                │
//!  └────────────────────────────────────────────────┘
//! finish ──► writes out the rest if there is a file    read ──► a stream's stretches, or its chunks
//! ```
//!
//! All streams are written out together, so each gets a long stretch of the file and the disk seeks little. The file has
//! no name, so it leaves nothing behind, however the process ends.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The unit in which a stream takes memory.
const CHUNK: usize = 16 * 1024;

/// A stretch of the file is read as a whole, so it is no longer than this.
const STRETCH: usize = 1024 * 1024;

/// The temporary file cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[error(
    "rows of the file cannot be kept in {}: {source}; give another folder (--temp-dir, TMPDIR) or more memory (--memory)",
    folder.display()
)]
pub(crate) struct SpillError {
    folder: PathBuf,
    source: io::Error,
}

/// Streams of bytes.
pub(crate) struct SpillFile {
    streams: Vec<Stream>,
    /// The chunks in memory, and their limit.
    chunks: usize,
    most: usize,
    free: Vec<Vec<u8>>,
    folder: PathBuf,
    file: Option<File>,
    length: u64,
}

#[derive(Default)]
struct Stream {
    written: Vec<Stretch>,
    /// After what is written.
    chunks: Vec<Vec<u8>>,
}

struct Stretch {
    at: u64,
    length: usize,
}

impl SpillFile {
    /// Streams that take at most `memory` bytes of memory, at least a chunk each.
    pub(crate) fn new(streams: usize, memory: usize, folder: &Path) -> SpillFile {
        SpillFile {
            streams: (0..streams).map(|_| Stream::default()).collect(),
            chunks: 0,
            most: (memory / CHUNK).max(streams),
            free: Vec::new(),
            folder: folder.to_owned(),
            file: None,
            length: 0,
        }
    }

    /// Bytes in memory.
    pub(crate) fn held(&self) -> usize {
        self.chunks * CHUNK
    }

    /// Adds to a stream. What is added at once is read back at once.
    #[inline]
    pub(crate) fn add(&mut self, stream: usize, bytes: &[u8]) -> Result<(), SpillError> {
        if let Some(last) = self.streams[stream].chunks.last_mut() {
            if last.capacity() - last.len() >= bytes.len() {
                last.extend_from_slice(bytes);
                return Ok(());
            }
        }
        self.add_to_new(stream, bytes)
    }

    #[cold]
    fn add_to_new(&mut self, stream: usize, bytes: &[u8]) -> Result<(), SpillError> {
        let needed = bytes.len().div_ceil(CHUNK).max(1);
        if self.chunks + needed > self.most {
            self.write_out().map_err(|source| self.error(source))?;
        }
        let mut chunk = match needed {
            1 => self.free.pop(),
            _ => None,
        }
        .unwrap_or_else(|| Vec::with_capacity(needed * CHUNK));
        chunk.extend_from_slice(bytes);
        self.streams[stream].chunks.push(chunk);
        self.chunks += needed;
        Ok(())
    }

    /// Writes all that is in memory to the file, if the file is there already: once reading begins, it is either all
    /// in memory or all in the file.
    pub(crate) fn finish(&mut self) -> Result<(), SpillError> {
        if self.file.is_some() {
            self.write_out().map_err(|source| self.error(source))?;
        }
        self.free = Vec::new();
        Ok(())
    }

    fn write_out(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile_in(&self.folder)?),
        };
        file.seek(SeekFrom::Start(self.length))?;
        for stream in &mut self.streams {
            for mut chunk in stream.chunks.drain(..) {
                file.write_all(&chunk)?;
                match stream.written.last_mut() {
                    Some(last)
                        if last.at + last.length as u64 == self.length
                            && last.length + chunk.len() <= STRETCH =>
                    {
                        last.length += chunk.len();
                    }
                    _ => stream.written.push(Stretch {
                        at: self.length,
                        length: chunk.len(),
                    }),
                }
                self.length += chunk.len() as u64;
                self.chunks -= chunk.capacity().div_ceil(CHUNK);
                if chunk.capacity() == CHUNK {
                    chunk.clear();
                    self.free.push(chunk);
                }
            }
        }
        Ok(())
    }

    /// Reads a stream from its start, and hands `take` one piece after the other: whole additions each.
    pub(crate) fn read<E: From<SpillError>>(
        &mut self,
        stream: usize,
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut buffer = Vec::new();
        let stretches = self.streams[stream].written.len();
        for nth in 0..stretches {
            let stretch = &self.streams[stream].written[nth];
            let (at, length) = (stretch.at, stretch.length);
            buffer.resize(length, 0);
            self.read_back(at, &mut buffer)
                .map_err(|source| self.error(source))?;
            take(&buffer)?;
        }
        for chunk in &self.streams[stream].chunks {
            take(chunk)?;
        }
        Ok(())
    }

    fn read_back(&mut self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        let file = self.file.as_mut().ok_or(io::ErrorKind::NotFound)?;
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(buffer)
    }

    fn error(&self, source: io::Error) -> SpillError {
        SpillError::new(&self.folder, source)
    }
}

/// For an output that is written while a stream is read.
impl From<SpillError> for io::Error {
    fn from(error: SpillError) -> io::Error {
        io::Error::other(error)
    }
}

impl SpillError {
    pub(crate) fn new(folder: &Path, source: io::Error) -> SpillError {
        SpillError {
            folder: folder.to_owned(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(spill: &mut SpillFile, stream: usize) -> Vec<u8> {
        let mut all = Vec::new();
        spill
            .read(stream, |piece| {
                all.extend_from_slice(piece);
                Ok::<_, SpillError>(())
            })
            .unwrap();
        all
    }

    /// Two streams of so many additions, of which some are longer than a chunk.
    fn filled(memory: usize, folder: &Path) -> (SpillFile, [Vec<u8>; 2]) {
        let mut spill = SpillFile::new(2, memory, folder);
        let mut expected = [Vec::new(), Vec::new()];
        for nth in 0..2_000_usize {
            let length = if nth % 500 == 0 { 40_000 } else { nth % 97 };
            let bytes = vec![nth as u8; length];
            spill.add(nth % 3 % 2, &bytes).unwrap();
            expected[nth % 3 % 2].extend(bytes);
        }
        spill.finish().unwrap();
        (spill, expected)
    }

    #[test]
    fn each_stream_comes_back_as_it_went_from_memory_and_from_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        for (memory, on_disk) in [(1 << 20, false), (100_000, true), (0, true)] {
            let (mut spill, expected) = filled(memory, folder.path());
            assert_eq!(spill.file.is_some(), on_disk, "{memory}");
            assert_eq!(spill.held() == 0, on_disk);
            for _ in 0..2 {
                assert!(read(&mut spill, 1) == expected[1]);
                assert!(read(&mut spill, 0) == expected[0]);
            }
        }
    }

    #[test]
    fn it_holds_no_more_memory_than_it_may() {
        let folder = tempfile::tempdir().unwrap();
        let mut spill = SpillFile::new(4, 10 * CHUNK, folder.path());
        for nth in 0..10_000 {
            spill.add(nth % 4, &[0; 100]).unwrap();
            assert!(spill.held() <= 10 * CHUNK);
            let free = spill.free.len();
            assert!(free + spill.chunks <= 10, "{free} free");
        }
    }
}
