//! Changes are deleted before they are sent: a part of the queue at a time, as it may be long.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Result, params};

use super::bits::BlockBits;
use super::clock::{millis, now};
use super::database::{Store, Transaction};
use super::settle::{Open, Settled};
use crate::change::{Filter, Purged};
use crate::codec::read_block;
use crate::id::{ChangeId, PostId};

/// A purge that goes on.
#[derive(Debug)]
pub(crate) struct PurgeJob {
    filter: Filter,
    /// Posts that came later are not meant.
    end: i64,
    /// Accepted before, in milliseconds of the machine's clock.
    before: Option<i64>,
    last: i64,
    pub(crate) purged: Purged,
}

/// Blocks that are looked at in one commit.
#[derive(Debug, Default)]
pub(crate) struct Span {
    blocks: Vec<(i64, u32, Vec<u8>, BlockBits)>,
}

impl PurgeJob {
    pub(crate) fn new(filter: Filter, store: &Store) -> PurgeJob {
        PurgeJob {
            // a post's blocks come before this
            end: PostId::from_row(store.facts().next_post).change(0).key(),
            before: filter
                .older_than
                .map(|age| now().saturating_sub(millis(age))),
            filter,
            last: -1,
            purged: Purged::default(),
        }
    }

    /// The next blocks; none at the end.
    pub(crate) fn next(&self, store: &Store, changes: u32) -> Result<Span> {
        let blocks = store.blocks_after(self.last, changes)?;
        let blocks = blocks.into_iter().filter(|it| it.id < self.end);
        let blocks = blocks
            .map(|it| (it.id, it.count, it.changes, it.settled))
            .collect();
        Ok(Span { blocks })
    }

    /// Those are done.
    pub(crate) fn has_done(&mut self, span: &Span, purged: Purged) {
        self.last = span.blocks.last().map_or(self.last, |it| it.0);
        self.purged.deleted += purged.deleted;
        self.purged.under_way += purged.under_way;
    }
}

impl Span {
    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }
}

impl Transaction<'_> {
    /// Deletes what is meant of some blocks.
    pub(crate) fn purge(
        &mut self,
        job: &PurgeJob,
        span: &Span,
        open: &BTreeMap<i64, Open>,
    ) -> Result<(Purged, Settled)> {
        let (mut purged, mut settled) = (Purged::default(), Settled::default());
        for (id, count, changes, before) in &span.blocks {
            let block = ChangeId::from_key(*id);
            if !self.is_old_enough(block.post, job.before)? {
                continue;
            }
            let meant = meant(&job.filter, *count, changes);
            let waits = |place: &u32| !before.contains(*place);
            let meant: Vec<u32> = meant.into_iter().filter(waits).collect();
            if open.contains_key(id) {
                purged.under_way += meant.len() as u64;
                continue;
            }
            if meant.is_empty() {
                continue;
            }
            purged.deleted += meant.len() as u64;
            let mut after = *before;
            meant.iter().for_each(|place| after.insert(*place));
            let places: Vec<u32> = meant.iter().map(|place| block.index + place).collect();
            self.mark(block.post, "deleted", &places)?;
            let is_gone = self.settle_block(*id, (*count, *before), after)?;
            if is_gone && self.is_over(block.post)? {
                self.post_is_settled(block.post)?;
                settled.posts.push(block.post);
            }
        }
        Ok((purged, settled))
    }

    fn is_old_enough(&self, post: PostId, before: Option<i64>) -> Result<bool> {
        let Some(before) = before else {
            return Ok(true);
        };
        let sql = "SELECT accepted <= ?2 FROM post WHERE id = ?1";
        let mut is_old = self.connection.prepare_cached(sql)?;
        let is_old = is_old.query_row(params![post.row(), before], |row| row.get(0));
        Ok(is_old.optional()?.unwrap_or(false))
    }
}

/// The places of a block's changes that are meant. Where all are, it need not be readable; else of one that is not none is.
fn meant(filter: &Filter, count: u32, changes: &[u8]) -> Vec<u32> {
    if filter.means_all() {
        return (0..count).collect();
    }
    let mut meant = Vec::new();
    let read = read_block(changes, |place, _, account, tags| {
        if filter.means(account, tags) {
            meant.push(place);
        }
    });
    read.map_or(Vec::new(), |_| meant)
}
