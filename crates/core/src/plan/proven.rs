//! Accounts that passed lately. Most likely they pass again, so no fault is looked for among them (`queue.rs`).

use hashbrown::HashTable;
use std::mem;

/// The hashes of accounts that passed lately, as many as a few MiB take. Two accounts of one hash are taken for one, which
/// costs a request at most.
#[derive(Debug, Default)]
pub(super) struct Proven {
    newer: HashTable<u64>,
    /// What `newer` was before it was full.
    older: HashTable<u64>,
}

const OF_A_TABLE: usize = 50_000;

impl Proven {
    pub(super) fn contains(&self, hash: u64) -> bool {
        let tables = [&self.newer, &self.older];
        tables
            .iter()
            .any(|it| it.find(hash, |its| *its == hash).is_some())
    }

    pub(super) fn insert(&mut self, hash: u64) {
        if self.newer.find(hash, |its| *its == hash).is_some() {
            return;
        }
        if self.newer.len() >= OF_A_TABLE {
            self.older = mem::take(&mut self.newer);
        }
        self.newer.insert_unique(hash, hash, |its| *its);
    }

    pub(super) fn remove(&mut self, hash: u64) {
        for table in [&mut self.newer, &mut self.older] {
            if let Ok(found) = table.find_entry(hash, |its| *its == hash) {
                found.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_accounts_are_remembered_and_older_ones_are_forgotten() {
        let mut proven = Proven::default();
        let hash = |account: usize| (account as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for account in 0..4 * OF_A_TABLE {
            proven.insert(hash(account));
            proven.insert(hash(account / 2)); // again
        }
        let last = 4 * OF_A_TABLE - 1;
        assert!(proven.contains(hash(last)) && proven.contains(hash(last / 2)));
        assert!(!proven.contains(hash(OF_A_TABLE / 2)));
        assert!(proven.newer.len() <= OF_A_TABLE && proven.older.len() <= OF_A_TABLE);
        proven.remove(hash(last));
        assert!(!proven.contains(hash(last)));
    }
}
