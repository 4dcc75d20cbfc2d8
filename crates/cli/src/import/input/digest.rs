//! What a file is known by: its length and the XXH3 of its bytes, as they lie on the disk or come through the pipe,
//! taken on their way to the reader. It tells a changed file from the same one; against a forger it need not hold.

use std::cell::RefCell;
use std::io::{self, Read};
use std::rc::Rc;

use twox_hash::xxhash3_128::Hasher;

/// An input, by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    pub(crate) digest: u128,
    pub(crate) bytes: u64,
}

/// The digest of what has been read so far.
#[derive(Clone)]
pub(crate) struct Digesting(Rc<RefCell<(u64, Hasher)>>);

/// Bytes that are digested as they are read.
pub(crate) struct Digested<R> {
    from: R,
    digesting: Digesting,
}

impl Digesting {
    pub(crate) fn new() -> Digesting {
        Digesting(Rc::new(RefCell::new((0, Hasher::new()))))
    }

    pub(crate) fn reader<R: Read>(&self, from: R) -> Digested<R> {
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
        let state = self.0.borrow();
        Fingerprint {
            digest: state.1.finish_128(),
            bytes: state.0,
        }
    }
}

impl<R: Read> Read for Digested<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(into)?;
        let mut state = self.digesting.0.borrow_mut();
        state.0 += read as u64;
        state.1.write(&into[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(pieces: &[&[u8]]) -> Fingerprint {
        let digesting = Digesting::new();
        for piece in pieces {
            io::copy(&mut digesting.reader(*piece), &mut io::sink()).unwrap();
        }
        digesting.fingerprint()
    }

    #[test]
    fn it_is_the_published_xxh3_in_pieces_of_any_size() {
        // the value that the reference implementation gives for no bytes
        let none = 0x99aa_06d3_0147_98d8_6001_c324_468d_497f;
        assert_eq!(digest(&[]).digest, none);
        assert_eq!(digest(&[b"ab", b"", b"c"]), digest(&[b"abc"]));
        assert_ne!(digest(&[b"abc"]), digest(&[b"abd"]));
        assert_eq!(digest(&[b"abc"]).bytes, 3);
    }
}
