//! The users on the disk. All of them are in memory too, so this is written as they change, and read at the start.
//!
//! A request's changes are one batch, handed to the system before the request is answered: they are kept when the
//! process ends, also by `kill -9`. Twice a second all is brought to the disk itself, so a power cut takes half a
//! second of changes, and of each request all or nothing.
//!
//! Each user is a key with its tags as JSON, behind a checksum of both, as the store does not check what it reads. A
//! reset starts a partition of its own and drops the old one, so it too happens as a whole.

use std::collections::BTreeSet;

use fjall::compaction::{SizeTiered, Strategy};
use fjall::{Config, Keyspace, PartitionCreateOptions, PartitionHandle, PersistMode, UserValue};

use crate::error::DataError;
use crate::folder::Folder;
use crate::store::Store;

/// Until all is on the disk itself.
const FSYNC_MS: u16 = 500;
/// What the store holds of its own in memory: little, as nothing is read back from it while the emulator runs.
const CACHE_BYTES: u64 = 4 << 20;
const MEMTABLE_BYTES: u32 = 8 << 20;
const WRITE_BUFFER_BYTES: u64 = 32 << 20;
const JOURNAL_BYTES: u64 = 128 << 20;

const CHECKSUM_BYTES: usize = 4;
/// The longest key that the store takes.
pub(crate) const ACCOUNT_BYTES_AT_MOST: usize = u16::MAX as usize;

/// The users on the disk, in a folder that is held meanwhile.
pub(crate) struct Disk {
    // In the order in which they have to be dropped.
    users: PartitionHandle,
    store: Keyspace,
    _folder: Folder,
    /// Counts the resets of all times: the partition is named by it.
    generation: u64,
    /// Why nothing is written any more.
    broken: Option<String>,
}

impl Disk {
    /// Opens the store of a folder, and reads all its users.
    pub(crate) fn open(folder: Folder) -> Result<(Disk, Store), DataError> {
        let path = folder.file("store");
        let damaged = |error: fjall::Error| DataError::damaged(&path, error);
        let store = Config::new(&path)
            .cache_size(CACHE_BYTES)
            .max_write_buffer_size(WRITE_BUFFER_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .flush_workers(1)
            .compaction_workers(1)
            .fsync_ms(Some(FSYNC_MS))
            .open()
            .map_err(damaged)?;
        let generations = store.list_partitions();
        let mut generations: Vec<u64> = generations.iter().filter_map(|it| number(it)).collect();
        generations.sort_unstable();
        let generation = generations.pop().unwrap_or(1);
        let users = partition(&store, generation).map_err(damaged)?;
        // A reset that was ended before it had dropped what it forgot.
        for forgotten in generations {
            partition(&store, forgotten)
                .and_then(|old| store.delete_partition(old))
                .map_err(damaged)?;
        }
        let mut read = Store::new(true);
        for pair in users.iter() {
            let (key, value) = pair.map_err(damaged)?;
            let wrong = || DataError::damaged(&path, WrongChecksum);
            let (account, tags) = decoded(&key, &value).ok_or_else(wrong)?;
            read.add_texts(&account, &tags);
            read.take_changed();
        }
        let disk = Disk {
            users,
            store,
            _folder: folder,
            generation,
            broken: None,
        };
        Ok((disk, read))
    }

    /// Whether all that was saved so far is kept.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.broken.clone().map_or(Ok(()), Err)
    }

    /// Keeps these users as they are now.
    pub(crate) fn save(&mut self, store: &mut Store, accounts: &[String]) -> Result<(), String> {
        self.write(|disk| {
            let mut batch = disk.store.batch().durability(Some(PersistMode::Buffer));
            for account in accounts {
                let (key, bytes) = (account.as_str(), account.len());
                if bytes == 0 || bytes > ACCOUNT_BYTES_AT_MOST {
                    return Err(format!("an account of {bytes} bytes cannot be kept"));
                }
                let tags: BTreeSet<&str> = store.tags(account).map(|tag| &**tag).collect();
                if tags.is_empty() {
                    batch.remove(&disk.users, key);
                } else {
                    batch.insert(&disk.users, key, encoded(account, &tags));
                }
            }
            batch.commit().map_err(|error| error.to_string())
        })
    }

    /// Forgets all users.
    pub(crate) fn reset(&mut self) -> Result<(), String> {
        self.write(|disk| {
            let next = disk.generation + 1;
            let swapped = partition(&disk.store, next).and_then(|new| {
                let old = std::mem::replace(&mut disk.users, new);
                disk.generation = next;
                disk.store.delete_partition(old)
            });
            swapped.map_err(|error| error.to_string())
        })
    }

    /// Once a write has failed all fail, as what came after would else be kept without what came before.
    fn write(&mut self, write: impl FnOnce(&mut Disk) -> Result<(), String>) -> Result<(), String> {
        self.check()?;
        let written = write(self);
        self.broken = written.clone().err();
        written
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What cannot be brought to the disk now is with the system all the same, and a drop can tell nobody.
        let _ = self.store.persist(PersistMode::SyncAll);
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the checksum of a user is wrong")]
struct WrongChecksum;

fn partition(store: &Keyspace, generation: u64) -> fjall::Result<PartitionHandle> {
    // Nothing is looked up, so runs of one size may pile up: that writes the least.
    let options = PartitionCreateOptions::default()
        .max_memtable_size(MEMTABLE_BYTES)
        .compaction_strategy(Strategy::SizeTiered(SizeTiered::default()));
    store.open_partition(&format!("users-{generation}"), options)
}

fn number(partition: &str) -> Option<u64> {
    partition.strip_prefix("users-")?.parse().ok()
}

fn checksum(account: &[u8], json: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(account);
    hasher.update(json);
    hasher.finalize().to_le_bytes()
}

fn encoded(account: &str, tags: &BTreeSet<&str>) -> UserValue {
    let json = serde_json::to_vec(tags).expect("strings are JSON");
    let checksum = checksum(account.as_bytes(), &json);
    [&checksum[..], &json].concat().into()
}

/// The user of a pair, unless it is not what was written.
fn decoded(key: &[u8], value: &[u8]) -> Option<(String, Vec<String>)> {
    let (sum, json) = value.split_at_checked(CHECKSUM_BYTES)?;
    if checksum(key, json)[..] != *sum {
        return None;
    }
    let account = std::str::from_utf8(key).ok()?.to_owned();
    Some((account, serde_json::from_slice(json).ok()?))
}
