//! Changes are deleted before they are sent: a part of the queue at a time, as it may be long.

use std::collections::BTreeMap;
use std::time::Instant;

use rusqlite::{OptionalExtension, Result};

use super::bits::BlockBits;
use super::clock::millis;
use super::database::{Store, Transaction};
use super::file::damaged;
use super::settle::{Open, Settled};
use crate::change::{Filter, Purged};
use crate::codec::read_block;
use crate::id::{ChangeId, PostId};

/// Blocks that are looked at between two looks at the time.
const LOOKED_AT_ONCE: usize = 16;

/// A purge that goes on.
#[derive(Debug)]
pub(crate) struct PurgeJob {
    filter: Filter,
    /// Posts that came later are not meant.
    end: i64,
    /// Accepted until then, by the queue's clock.
    until: Option<i64>,
    last: i64,
    pub(crate) purged: Purged,
}

/// What is meant in some blocks: it is deleted in one commit, where there is any.
#[derive(Debug, Default)]
pub(crate) struct Span {
    meant: Vec<Meant>,
    last: i64,
    purged: Purged,
    is_end: bool,
}

/// Changes of a block.
#[derive(Debug)]
struct Meant {
    block: i64,
    count: u32,
    settled: BlockBits,
    places: Vec<u32>,
}

impl PurgeJob {
    pub(crate) fn new(filter: Filter, store: &Store) -> PurgeJob {
        PurgeJob {
            // a post's blocks come before this
            end: PostId::from_row(store.facts().next_post).change(0).key(),
            until: filter
                .older_than
                .map(|age| store.now().saturating_sub(millis(age))),
            filter,
            last: -1,
            purged: Purged::default(),
        }
    }

    /// Looks at the next blocks until it is time, or so many hold changes that are meant. `open`: those in the pipeline.
    pub(crate) fn look(
        &self,
        store: &Store,
        open: &BTreeMap<i64, Open>,
        (time, blocks): (Instant, usize),
    ) -> Result<Span> {
        let sql = "SELECT block.id, count, changes, settled FROM block LEFT JOIN partly USING (id) \
                   WHERE block.id > ?1 AND block.id < ?2 ORDER BY block.id";
        let mut statement = store.file.connection.prepare_cached(sql)?;
        let mut rows = statement.query([self.last, self.end])?;
        let mut span = Span {
            last: self.last,
            ..Span::default()
        };
        let (mut looked, mut post) = (0, None);
        while span.meant.len() < blocks {
            let Some(row) = rows.next()? else {
                span.is_end = true;
                break;
            };
            let (block, count): (i64, u32) = (row.get(0)?, row.get(1)?);
            let its_post = ChangeId::from_key(block).post;
            if post != Some(its_post) {
                if !self.is_old_enough(store, its_post)? {
                    // posts are in the order of their times
                    span.is_end = true;
                    break;
                }
                post = Some(its_post);
            }
            let settled: Option<Vec<u8>> = row.get(3)?;
            let settled =
                settled.map_or(Some(BlockBits::default()), |it| BlockBits::from_bytes(&it));
            let settled = settled.ok_or_else(damaged)?;
            let places = meant(&self.filter, count, row.get_ref(2)?.as_blob()?);
            let waits = places.into_iter().filter(|place| !settled.contains(*place));
            let places: Vec<u32> = waits.collect();
            span.last = block;
            span.purged.looked_at += u64::from(count - settled.len());
            if open.contains_key(&block) {
                span.purged.under_way += places.len() as u64;
            } else if !places.is_empty() {
                span.purged.deleted += places.len() as u64;
                span.meant.push(Meant {
                    block,
                    count,
                    settled,
                    places,
                });
            }
            looked += 1;
            if looked % LOOKED_AT_ONCE == 0 && Instant::now() >= time {
                break;
            }
        }
        Ok(span)
    }

    fn is_old_enough(&self, store: &Store, post: PostId) -> Result<bool> {
        let Some(until) = self.until else {
            return Ok(true);
        };
        let sql = "SELECT accepted FROM post WHERE id = ?1";
        let mut accepted = store.file.connection.prepare_cached(sql)?;
        let accepted = accepted.query_row([post.row()], |row| row.get(0));
        let accepted: Option<i64> = accepted.optional()?;
        Ok(accepted.is_some_and(|it| it <= until))
    }

    /// Those are done. Returns true at the end.
    pub(crate) fn has_done(&mut self, span: &Span) -> bool {
        self.last = span.last;
        self.purged.looked_at += span.purged.looked_at;
        self.purged.deleted += span.purged.deleted;
        self.purged.under_way += span.purged.under_way;
        span.is_end
    }
}

impl Span {
    /// True if there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.meant.is_empty()
    }

    /// How many changes its commit deletes.
    pub(crate) fn deleted(&self) -> u64 {
        self.purged.deleted
    }
}

impl Transaction<'_> {
    /// Deletes what is meant in some blocks, none of which is in the pipeline.
    pub(crate) fn purge(&mut self, span: &Span) -> Result<Settled> {
        let mut settled = Settled::default();
        for meant in &span.meant {
            let block = ChangeId::from_key(meant.block);
            let mut after = meant.settled;
            meant.places.iter().for_each(|place| after.insert(*place));
            let places = meant.places.iter().map(|place| block.index + place);
            let places: Vec<u32> = places.collect();
            self.mark(block.post, "deleted", &places)?;
            let before = (meant.count, meant.settled);
            let is_gone = self.settle_block(meant.block, before, after)?;
            if is_gone && self.is_over(block.post)? {
                self.post_is_settled(block.post)?;
                settled.posts.push(block.post);
            }
        }
        Ok(settled)
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
