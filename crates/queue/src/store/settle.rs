//! Outcomes: a change's bit in its block, and with the last of them the block goes.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, VecDeque};

use rusqlite::{OptionalExtension, Result, params};

use super::bits::{self, BlockBits};
use super::clock::now;
use super::database::Transaction;
use super::facts::{FAILURE_ROW, KEY_ROWS, POST_ROW, block_bytes};
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

/// Outcomes that are not on the disk yet. A failure takes room there, which a full disk may not have: so all that is done can
/// be written without any, except what came behind a failure of its account, as the order is kept.
#[derive(Debug, Default)]
pub(crate) struct Settling {
    done: BTreeMap<i64, BlockBits>,
    /// Failures, and later outcomes of their accounts, as they came.
    failed: VecDeque<Known>,
    /// How many of those each account has.
    accounts: HashMap<u64, u32>,
    changes: u64,
}

/// An outcome.
#[derive(Debug)]
struct Known {
    block: i64,
    id: ChangeId,
    account: u64,
    outcome: Outcome,
}

/// Outcomes that one commit takes.
pub(crate) struct SettlingPart<'s> {
    blocks: Cow<'s, BTreeMap<i64, BlockBits>>,
    failures: Vec<&'s Failure>,
    /// How many failures, and later outcomes of their accounts.
    failed: usize,
}

/// What a commit of outcomes has changed.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// Failures, and later outcomes of their accounts, that are written.
    pub(crate) failed: usize,
    /// What is settled of these blocks.
    pub(crate) blocks: Vec<(i64, BlockBits)>,
    /// Posts without a change that waits.
    pub(crate) posts: Vec<PostId>,
}

impl Settling {
    /// `block`: the row that the change is in. `account`: a number that its account has alone, or with few others.
    pub(crate) fn add(&mut self, block: i64, id: ChangeId, account: u64, outcome: Outcome) {
        self.changes += 1;
        let is_done = matches!(outcome, Outcome::Done) && !self.accounts.contains_key(&account);
        if is_done {
            return self.done.entry(block).or_default().insert(place(block, id));
        }
        *self.accounts.entry(account).or_default() += 1;
        self.failed.push_back(Known {
            block,
            id,
            account,
            outcome,
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.changes == 0
    }

    /// How many outcomes.
    pub(crate) fn len(&self) -> u64 {
        self.changes
    }

    /// True if there are failures, or what waits for one.
    pub(crate) fn has_failed(&self) -> bool {
        !self.failed.is_empty()
    }

    /// True if [`part`](Settling::part) has anything.
    pub(crate) fn has_part(&self, failed: usize) -> bool {
        !self.done.is_empty() || (failed > 0 && self.has_failed())
    }

    /// All that is done, and so many of the failures and what came behind them.
    pub(crate) fn part(&self, failed: usize) -> SettlingPart<'_> {
        let failed = failed.min(self.failed.len());
        let mut blocks = Cow::Borrowed(&self.done);
        let mut failures = Vec::new();
        for known in self.failed.range(..failed) {
            let bits = blocks.to_mut().entry(known.block).or_default();
            bits.insert(place(known.block, known.id));
            if let Outcome::Failed(failure) = &known.outcome {
                failures.push(&**failure);
            }
        }
        SettlingPart {
            blocks,
            failures,
            failed,
        }
    }

    /// A part with so many of those is on the disk. Returns its failures, and how many changes are done.
    pub(crate) fn settled(&mut self, failed: usize) -> (Vec<Failure>, u64) {
        self.done.clear();
        let mut failures = Vec::new();
        for known in self.failed.drain(..failed) {
            if let Some(count) = self.accounts.get_mut(&known.account) {
                *count -= 1;
                if *count == 0 {
                    self.accounts.remove(&known.account);
                }
            }
            if let Outcome::Failed(failure) = known.outcome {
                failures.push(*failure);
            }
        }
        let left = self.failed.len() as u64;
        let done = self.changes - left - failures.len() as u64;
        self.changes = left;
        (failures, done)
    }
}

fn place(block: i64, id: ChangeId) -> u32 {
    id.index.saturating_sub(ChangeId::from_key(block).index)
}

impl Transaction<'_> {
    /// Writes outcomes of blocks in the pipeline.
    pub(crate) fn settle(
        &mut self,
        settling: &SettlingPart<'_>,
        open: &BTreeMap<i64, Open>,
    ) -> Result<Settled> {
        let mut done = Settled {
            failed: settling.failed,
            ..Settled::default()
        };
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
        self.facts.bytes -= bytes.map_or(0, block_bytes);
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
            self.facts.bytes -= POST_ROW + if kept == 1 { KEY_ROWS } else { 0 };
        }
        Ok(())
    }

    fn add_failures(&mut self, failures: &[&Failure]) -> Result<()> {
        let mut posts: BTreeMap<PostId, Vec<u32>> = BTreeMap::new();
        let sql = "INSERT OR REPLACE INTO failure VALUES (?1, ?2, ?3)";
        let mut insert = self.connection.prepare_cached(sql)?;
        let at = now();
        for failure in failures {
            let bytes = failure.encoded();
            insert.execute(params![failure.id.key(), at, &bytes])?;
            self.facts.failures += 1;
            self.facts.bytes += i64::try_from(bytes.len()).unwrap_or(0) + FAILURE_ROW;
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

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use imtag_core::{ChangeOperation, Effect};
    use imtag_rows::FailureLine;

    use super::*;

    fn failed(id: ChangeId) -> Outcome {
        let line = FailureLine {
            account: "eve".to_owned(),
            op: ChangeOperation::Clear,
            tags: Vec::new(),
            code: None,
            reason: String::new(),
            remedy: "".into(),
            effect: Effect::NotApplied,
        };
        let at = SystemTime::UNIX_EPOCH;
        Outcome::Failed(Box::new(Failure { id, at, line }))
    }

    #[test]
    fn what_is_done_can_be_written_without_failures_except_behind_one_of_its_account() {
        let post = PostId::from_row(1);
        let (bob, eve) = (1, 2);
        let mut settling = Settling::default();
        let mut add = |place, account, outcome: fn(ChangeId) -> Outcome| {
            let id = post.change(place);
            settling.add(post.change(0).key(), id, account, outcome(id));
        };
        add(0, eve, |_| Outcome::Done);
        add(1, eve, failed);
        add(2, eve, |_| Outcome::Done);
        add(3, bob, |_| Outcome::Done);
        add(4, eve, failed);
        let places = |settling: &Settling, failed| -> Vec<u32> {
            let part = settling.part(failed);
            let all = part.blocks.values().copied();
            let all = all.fold(BlockBits::default(), BlockBits::union);
            (0..10).filter(|place| all.contains(*place)).collect()
        };
        assert_eq!(places(&settling, 0), [0, 3]);
        assert_eq!(places(&settling, 2), [0, 1, 2, 3]);
        assert_eq!(places(&settling, 100), [0, 1, 2, 3, 4]);
        let (failures, done) = settling.settled(1);
        assert_eq!((failures.len(), done, settling.len()), (1, 2, 2));
        // the account still has a failure
        settling.add(post.change(0).key(), post.change(5), eve, Outcome::Done);
        assert_eq!(places(&settling, 0), [0_u32; 0]);
        assert_eq!(places(&settling, 2), [2, 4]);
        let (failures, done) = settling.settled(3);
        assert_eq!((failures.len(), done), (1, 2));
        assert!(settling.is_empty());
        settling.add(post.change(0).key(), post.change(6), eve, Outcome::Done);
        assert_eq!(places(&settling, 0), [6]);
    }
}
