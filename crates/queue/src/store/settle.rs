//! Outcomes: a change's bit in its block, and with the last of them the block goes.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Result, params};

use super::bits::{self, BlockBits};
use super::clock::now;
use super::database::Transaction;
use super::posts::span;
use crate::change::{Failure, Outcome};
use crate::id::{ChangeId, PostId};

/// A block that is in the pipeline.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Open {
    pub(crate) count: u32,
    /// On the disk.
    pub(crate) settled: BlockBits,
}

/// Outcomes that are not on the disk yet.
#[derive(Debug, Default)]
pub(crate) struct Settling {
    blocks: BTreeMap<i64, BlockBits>,
    failures: Vec<Failure>,
    changes: u64,
}

/// What a commit of outcomes has changed.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// What is settled of these blocks.
    pub(crate) blocks: Vec<(i64, BlockBits)>,
    /// Posts without a change that waits.
    pub(crate) posts: Vec<PostId>,
}

impl Settling {
    /// `block`: the row that the change is in.
    pub(crate) fn add(&mut self, block: i64, id: ChangeId, outcome: Outcome) {
        let place = id.index.saturating_sub(ChangeId::from_key(block).index);
        self.blocks.entry(block).or_default().insert(place);
        self.changes += 1;
        if let Outcome::Failed(failure) = outcome {
            self.failures.push(*failure);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// How many outcomes.
    pub(crate) fn len(&self) -> u64 {
        self.changes
    }

    pub(crate) fn failures(&self) -> &[Failure] {
        &self.failures
    }
}

impl Transaction<'_> {
    /// Writes outcomes of blocks in the pipeline.
    pub(crate) fn settle(
        &mut self,
        settling: &Settling,
        open: &BTreeMap<i64, Open>,
    ) -> Result<Settled> {
        let mut done = Settled::default();
        let its = settling.blocks.iter();
        let its = its.filter_map(|(id, bits)| Some((*id, *bits, open.get(id)?)));
        for (id, bits, open) in its {
            let settled = open.settled.union(bits);
            let is_over = self.settle_block(id, (open.count, open.settled), settled)?;
            done.blocks.push((id, settled));
            let post = ChangeId::from_key(id).post;
            if is_over && self.is_over(post)? {
                done.posts.push(post);
            }
        }
        // behind what comes free
        self.add_failures(&settling.failures)?;
        for post in &done.posts {
            self.post_is_settled(*post)?;
        }
        Ok(done)
    }

    /// Writes what is settled of a block, which goes if that is all. Returns true if so.
    pub(super) fn settle_block(
        &mut self,
        id: i64,
        (count, before): (u32, BlockBits),
        settled: BlockBits,
    ) -> Result<bool> {
        self.facts.changes -= i64::from(settled.len() - before.len());
        if settled.len() < count {
            let sql = "INSERT INTO partly VALUES (?1, ?2) ON CONFLICT DO UPDATE SET settled = excluded.settled";
            let mut put = self.connection.prepare_cached(sql)?;
            put.execute(params![id, settled.to_bytes()])?;
            return Ok(false);
        }
        let sql = "DELETE FROM block WHERE id = ?1 RETURNING length(changes)";
        let mut delete = self.connection.prepare_cached(sql)?;
        let bytes: Option<i64> = delete.query_row([id], |row| row.get(0)).optional()?;
        self.facts.bytes -= bytes.unwrap_or(0);
        if !before.is_empty() {
            let mut delete = self
                .connection
                .prepare_cached("DELETE FROM partly WHERE id = ?1")?;
            delete.execute([id])?;
        }
        Ok(true)
    }

    /// True if no change of a post waits.
    pub(super) fn is_over(&self, post: PostId) -> Result<bool> {
        let sql = "SELECT 1 FROM block WHERE id BETWEEN ?1 AND ?2";
        let mut first = self.connection.prepare_cached(sql)?;
        Ok(!first.exists(span(post))?)
    }

    /// From now on a post is kept for a time: if it has failures, from when the last of them is deleted.
    pub(super) fn post_is_settled(&mut self, post: PostId) -> Result<()> {
        let sql = "UPDATE post SET settled = ?2, kept = CASE WHEN failures > 0 THEN NULL WHEN key IS NULL THEN 0 ELSE 1 END \
                   WHERE id = ?1 RETURNING kept";
        let mut update = self.connection.prepare_cached(sql)?;
        let age = self.facts.age;
        let kept: Option<Option<u8>> = update
            .query_row([post.row(), age], |row| row.get(0))
            .optional()?;
        if let Some(kept) = kept.flatten() {
            self.facts.kept[usize::from(kept == 1)] += 1;
        }
        Ok(())
    }

    fn add_failures(&mut self, failures: &[Failure]) -> Result<()> {
        let mut posts: BTreeMap<PostId, Vec<u32>> = BTreeMap::new();
        let sql = "INSERT OR REPLACE INTO failure VALUES (?1, ?2, ?3)";
        let mut insert = self.connection.prepare_cached(sql)?;
        let at = now();
        for failure in failures {
            let bytes = failure.encoded();
            insert.execute(params![failure.id.key(), at, &bytes])?;
            self.facts.failures += 1;
            self.facts.bytes += i64::try_from(bytes.len()).unwrap_or(0);
            posts
                .entry(failure.id.post)
                .or_default()
                .push(failure.id.index);
        }
        for (post, places) in posts {
            self.mark(post, "failed", &places)?;
            let sql = "UPDATE post SET failures = failures + ?2 WHERE id = ?1";
            let mut update = self.connection.prepare_cached(sql)?;
            update.execute(params![
                post.row(),
                i64::try_from(places.len()).unwrap_or(0)
            ])?;
        }
        Ok(())
    }

    /// Notes in a post what became of some of its changes: `failed` or `deleted`.
    pub(super) fn mark(&mut self, post: PostId, column: &str, places: &[u32]) -> Result<()> {
        let sql = format!("SELECT {column} FROM post WHERE id = ?1");
        let mut bits: Vec<u8> = self
            .connection
            .prepare_cached(&sql)?
            .query_row([post.row()], |row| row.get::<_, Option<Vec<u8>>>(0))
            .optional()?
            .flatten()
            .unwrap_or_default();
        for place in places {
            bits::set(&mut bits, *place);
        }
        let sql = format!("UPDATE post SET {column} = ?2 WHERE id = ?1");
        let mut update = self.connection.prepare_cached(&sql)?;
        update.execute(params![post.row(), bits])?;
        Ok(())
    }
}
