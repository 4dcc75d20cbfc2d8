//! What is to leave in one write: a request's head and body, or records of TLS. The head holds the UserSig in the
//! clear, so it is wiped wherever it has been; the body is not, which would cost more than sending it.

use zeroize::Zeroize;

/// More than a head has but for its UserSig.
const HEAD_BYTES: usize = 1024;

#[derive(Default)]
pub(super) struct Gathered {
    bytes: Vec<u8>,
    /// How many of them, from the first on, are wiped.
    secret: usize,
}

impl Gathered {
    /// Adds a part. `usersig_bytes` is how long the UserSig is that the first of them may hold.
    pub(super) fn add(&mut self, part: &[u8], usersig_bytes: usize) {
        self.secret = HEAD_BYTES + usersig_bytes;
        let needed = self.bytes.len() + part.len();
        if needed > self.bytes.capacity() {
            // not by itself, as a vector that grows leaves what it held where it was
            let mut larger = Vec::with_capacity(needed.next_power_of_two());
            larger.extend_from_slice(&self.bytes);
            self.wipe();
            self.bytes = larger;
        }
        self.bytes.extend_from_slice(part);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets what has left.
    pub(super) fn clear(&mut self) {
        self.wipe();
        self.bytes.clear();
    }

    fn wipe(&mut self) {
        let secret = self.secret.min(self.bytes.len());
        self.bytes[..secret].zeroize();
    }
}

impl Drop for Gathered {
    fn drop(&mut self) {
        self.wipe();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_in_parts_is_there_in_order_however_it_grows() {
        let mut gathered = Gathered::default();
        let mut expected = Vec::new();
        for round in 0..200_u8 {
            let part = vec![round; usize::from(round) * 3];
            gathered.add(&part, 10);
            expected.extend(part);
        }
        assert_eq!(gathered.bytes(), expected);
        gathered.clear();
        assert!(gathered.is_empty());
    }

    #[test]
    fn the_head_is_wiped_and_its_place_kept() {
        let mut gathered = Gathered::default();
        gathered.add(b"GET /?usersig=hush HTTP/1.1", 4);
        gathered.wipe();
        assert_eq!(gathered.bytes(), [0; 27]);
        gathered.add(&[7; 2_000], 4);
        gathered.wipe();
        assert!(gathered.bytes()[..1_028].iter().all(|byte| *byte == 0));
        assert!(gathered.bytes()[1_028..].iter().all(|byte| *byte == 7));
    }
}
