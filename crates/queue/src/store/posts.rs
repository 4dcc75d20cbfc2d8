//! Posts come in, are read to be sent, and are looked up.

use rusqlite::{OptionalExtension, Result, params};

use super::bits::{self, BlockBits};
use super::clock::moment;
use super::database::{Store, Transaction};
use super::facts::{KEY_ROWS, POST_ROW, block_bytes, count};
use super::file::damaged;
use crate::change::{ChangeState, Failure};
use crate::error::{Limit, Refused};
use crate::id::{CHANGES_PER_POST, ChangeId, PostId};
use crate::post::{Accepted, Encoded};
use crate::settings::Settings;

/// Bytes of blocks that are read at once, and the last of them more.
const BYTES_AT_ONCE: usize = 1 << 20;

/// A block that is read to be sent.
#[derive(Debug)]
pub(crate) struct Fed {
    pub(crate) id: i64,
    pub(crate) count: u32,
    pub(crate) changes: Vec<u8>,
    pub(crate) settled: BlockBits,
}

/// The row of a post, as far as a change's state follows from it.
struct PostRow {
    changes: u32,
    failed: Option<Vec<u8>>,
    deleted: Option<Vec<u8>>,
}

impl Transaction<'_> {
    /// Stores a post, unless its key is known or the queue is at a limit.
    pub(crate) fn post(
        &mut self,
        post: &Encoded,
        settings: &Settings,
        free_bytes: Option<u64>,
    ) -> Result<Result<Accepted, Refused>> {
        if let Some(key) = &post.key {
            let sql = "SELECT post, body FROM key WHERE key = ?1";
            let mut known = self.connection.prepare_cached(sql)?;
            let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            let known: Option<(i64, Vec<u8>)> = known.query_row([&key.key[..]], read).optional()?;
            if let Some((id, body)) = known {
                if body != key.body {
                    return Ok(Err(Refused::KeyReused));
                }
                let sql = "SELECT changes FROM post WHERE id = ?1";
                let mut first = self.connection.prepare_cached(sql)?;
                let changes = first.query_row([id], |row| row.get(0))?;
                return Ok(Ok(Accepted {
                    post: PostId::from_row(id),
                    changes,
                    repeated: true,
                }));
            }
        }
        if let Some(limit) = exceeds_alone(post, settings) {
            return Ok(Err(Refused::NeverFits { limit }));
        }
        if let Some(limit) = self.exceeds(post, settings, free_bytes) {
            return Ok(Err(Refused::Full { limit }));
        }
        let id = self.facts.next_post;
        self.facts.next_post += 1;
        self.facts.changes += i64::from(post.count);
        self.facts.bytes += bytes_of(post);
        let post_id = PostId::from_row(id);
        let key = post.key.as_ref().map(|it| &it.key[..]);
        let sql = "INSERT INTO post VALUES (?1, ?2, ?3, 0, NULL, NULL, NULL, NULL, ?4)";
        let mut insert = self.connection.prepare_cached(sql)?;
        insert.execute(params![id, self.now, post.count, key])?;
        let mut insert = self
            .connection
            .prepare_cached("INSERT INTO block VALUES (?1, ?2, ?3)")?;
        for (nth, block) in post.blocks.iter().enumerate() {
            let end = post.blocks.get(nth + 1).map_or(post.count, |it| it.first);
            let row = post_id.change(block.first).key();
            insert.execute(params![row, end - block.first, &block.bytes])?;
        }
        if let Some(key) = &post.key {
            let mut insert = self
                .connection
                .prepare_cached("INSERT INTO key VALUES (?1, ?2, ?3)")?;
            insert.execute(params![&key.key[..], &key.body[..], id])?;
        }
        if post.count == 0 {
            self.post_is_settled(post_id)?;
        }
        Ok(Ok(Accepted {
            post: post_id,
            changes: post.count,
            repeated: false,
        }))
    }

    /// The limit that a post would exceed.
    fn exceeds(&self, post: &Encoded, settings: &Settings, free: Option<u64>) -> Option<Limit> {
        let facts = &self.facts;
        let changes = facts.changes + facts.failures + i64::from(post.count);
        let bytes = count(facts.bytes.saturating_add(bytes_of(post)));
        if count(changes) > settings.changes {
            Some(Limit::Changes(settings.changes))
        } else if bytes > settings.bytes {
            Some(Limit::Bytes(settings.bytes))
        } else if settings.min_free > 0
            && free.is_some_and(|free| free < settings.min_free.saturating_add(post.bytes))
        {
            Some(Limit::MinFree(settings.min_free))
        } else {
            None
        }
    }
}

/// The limit that a post would exceed in an empty queue.
fn exceeds_alone(post: &Encoded, settings: &Settings) -> Option<Limit> {
    if u64::from(post.count) > settings.changes {
        Some(Limit::Changes(settings.changes))
    } else if count(bytes_of(post)) > settings.bytes {
        Some(Limit::Bytes(settings.bytes))
    } else {
        None
    }
}

impl Store {
    /// The next blocks behind one, in order: as many as have so many changes together or [`BYTES_AT_ONCE`], and at least one.
    pub(crate) fn blocks_after(&self, last: i64, changes: u32) -> Result<Vec<Fed>> {
        let sql = "SELECT block.id, count, changes, settled FROM block LEFT JOIN partly USING (id) \
                   WHERE block.id > ?1 ORDER BY block.id";
        let mut blocks = self.file.connection.prepare_cached(sql)?;
        let mut rows = blocks.query([last])?;
        let (mut found, mut count, mut bytes) = (Vec::new(), 0, 0);
        while count < changes && bytes < BYTES_AT_ONCE {
            let Some(row) = rows.next()? else {
                break;
            };
            let settled: Option<Vec<u8>> = row.get(3)?;
            let settled =
                settled.map_or(Some(BlockBits::default()), |it| BlockBits::from_bytes(&it));
            let block = Fed {
                id: row.get(0)?,
                count: row.get(1)?,
                changes: row.get(2)?,
                settled: settled.ok_or_else(damaged)?,
            };
            count += block.count;
            bytes += block.changes.len();
            found.push(block);
        }
        Ok(found)
    }

    /// Whether a post has a change without an outcome.
    pub(crate) fn is_unsettled(&self, post: PostId) -> Result<bool> {
        let sql = "SELECT 1 FROM block WHERE id BETWEEN ?1 AND ?2";
        let mut first = self.file.connection.prepare_cached(sql)?;
        first.exists(span(post))
    }

    /// What is known of a change. `is_open`: the block of this row is in the pipeline.
    pub(crate) fn change(
        &self,
        id: ChangeId,
        is_open: impl Fn(i64) -> bool,
    ) -> Result<Option<ChangeState>> {
        let failure = self.failure(id)?;
        if let Some(failure) = failure {
            return Ok(Some(ChangeState::Failed(Box::new(failure))));
        }
        let Some(post) = self.post_row(id.post)?.filter(|it| id.index < it.changes) else {
            return Ok(None);
        };
        let sql = "SELECT block.id, count, settled FROM block LEFT JOIN partly USING (id) \
                   WHERE block.id BETWEEN ?1 AND ?2 ORDER BY block.id DESC LIMIT 1";
        let mut its = self.file.connection.prepare_cached(sql)?;
        let first = id.post.change(0).key();
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let its: Option<(i64, u32, Option<Vec<u8>>)> =
            its.query_row([first, id.key()], read).optional()?;
        if let Some((block, count, settled)) = its {
            let place = id.index - ChangeId::from_key(block).index;
            let settled = settled.and_then(|it| BlockBits::from_bytes(&it));
            if place < count && !settled.unwrap_or_default().contains(place) {
                return Ok(Some(if is_open(block) {
                    ChangeState::Sending
                } else {
                    ChangeState::Queued
                }));
            }
        }
        Ok(Some(post.settled(id.index)))
    }

    /// What is known of all changes of a post, in their order.
    pub(crate) fn outcomes(
        &self,
        post: PostId,
        is_open: impl Fn(i64) -> bool,
    ) -> Result<Option<Vec<ChangeState>>> {
        let Some(row) = self.post_row(post)? else {
            return Ok(None);
        };
        let mut states: Vec<ChangeState> = (0..row.changes).map(|at| row.settled(at)).collect();
        let mut put = |at: u32, state: ChangeState| {
            if let Some(place) = usize::try_from(at).ok().and_then(|at| states.get_mut(at)) {
                *place = state;
            }
        };
        let sql = "SELECT block.id, count, settled FROM block LEFT JOIN partly USING (id) \
                   WHERE block.id BETWEEN ?1 AND ?2";
        let mut blocks = self.file.connection.prepare_cached(sql)?;
        let mut rows = blocks.query(span(post))?;
        while let Some(block) = rows.next()? {
            let (id, count): (i64, u32) = (block.get(0)?, block.get(1)?);
            let settled: Option<Vec<u8>> = block.get(2)?;
            let settled = settled.and_then(|it| BlockBits::from_bytes(&it));
            let settled = settled.unwrap_or_default();
            let (first, is_open) = (ChangeId::from_key(id).index, is_open(id));
            for place in (0..count).filter(|place| !settled.contains(*place)) {
                let state = if is_open {
                    ChangeState::Sending
                } else {
                    ChangeState::Queued
                };
                put(first + place, state);
            }
        }
        let sql = "SELECT id, at, failure FROM failure WHERE id BETWEEN ?1 AND ?2";
        let mut failures = self.file.connection.prepare_cached(sql)?;
        let mut rows = failures.query(span(post))?;
        while let Some(row) = rows.next()? {
            let id = ChangeId::from_key(row.get(0)?);
            let failure = Failure::read(id, moment(row.get(1)?), row.get_ref(2)?.as_blob()?);
            let failure = failure.map_err(|_| damaged())?;
            put(id.index, ChangeState::Failed(Box::new(failure)));
        }
        Ok(Some(states))
    }

    fn post_row(&self, post: PostId) -> Result<Option<PostRow>> {
        let sql = "SELECT changes, failed, deleted FROM post WHERE id = ?1";
        let mut row = self.file.connection.prepare_cached(sql)?;
        let read = |row: &rusqlite::Row<'_>| {
            Ok(PostRow {
                changes: row.get(0)?,
                failed: row.get(1)?,
                deleted: row.get(2)?,
            })
        };
        row.query_row([post.row()], read).optional()
    }
}

impl PostRow {
    /// What became of a change that is in no block and has no failure.
    fn settled(&self, at: u32) -> ChangeState {
        if bits::is_set(self.failed.as_deref(), at) {
            ChangeState::FailureDeleted
        } else if bits::is_set(self.deleted.as_deref(), at) {
            ChangeState::Deleted
        } else {
            ChangeState::Done
        }
    }
}

/// What a post takes of the file.
fn bytes_of(post: &Encoded) -> i64 {
    let number = |bytes| i64::try_from(bytes).unwrap_or(i64::from(u32::MAX));
    let blocks = post.blocks.iter();
    let blocks: i64 = blocks.map(|it| block_bytes(number(it.bytes.len()))).sum();
    let key = post.key.as_ref().map_or(0, |_| KEY_ROWS);
    blocks + POST_ROW + key
}

/// The rows of a post's blocks, and of its failures.
pub(super) fn span(post: PostId) -> [i64; 2] {
    [0, CHANGES_PER_POST - 1].map(|index| post.change(index).key())
}
