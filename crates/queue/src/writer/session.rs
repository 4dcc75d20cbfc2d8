//! What the session has of the queue, and what is known of that.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::answer::Reply;
use crate::change::{Failure, Report};
use crate::id::{ChangeId, PostId};
use crate::store::{Fed, Open, Settled, Settling};

/// How long outcomes wait for a commit of something else.
const SETTLED_AFTER: Duration = Duration::from_millis(100);
/// So many make one by themselves.
const SETTLED_AT_ONCE: u64 = 5_000;

/// The part of the queue that is in the client's pipeline.
pub(super) struct Session {
    /// Blocks that were handed out.
    pub(super) open: BTreeMap<i64, Open>,
    /// Their changes without an outcome on the disk.
    pub(super) under_way: u64,
    /// The last block that was handed out.
    pub(super) last: i64,
    pub(super) settling: Settling,
    since: Option<Instant>,
    /// A caller waits for one of the outcomes.
    is_hurried: bool,
    pub(super) fetch: Option<(u32, Reply<Vec<Fed>>)>,
    /// It asks for no more blocks.
    is_stopped: bool,
    /// It has ended, and nothing of it may be on its way if this is true.
    pub(super) ended: Option<bool>,
}

impl Session {
    pub(super) fn new() -> Session {
        Session {
            open: BTreeMap::new(),
            under_way: 0,
            last: -1,
            settling: Settling::default(),
            since: None,
            is_hurried: false,
            fetch: None,
            is_stopped: false,
            ended: None,
        }
    }

    /// Blocks are handed out.
    pub(super) fn opened(&mut self, blocks: &[Fed]) {
        for block in blocks {
            let open = Open {
                count: block.count,
                settled: block.settled,
            };
            self.under_way += u64::from(block.count - block.settled.len());
            self.open.insert(block.id, open);
            self.last = block.id;
        }
    }

    /// Blocks are wanted once there are some.
    pub(super) fn fetch(&mut self, changes: u32, reply: Reply<Vec<Fed>>) {
        if !self.is_stopped {
            self.fetch = Some((changes, reply));
        }
    }

    /// Another session begins: blocks are wanted again, also where the one before was ended before it had begun.
    pub(super) fn begins(&mut self) {
        self.is_stopped = false;
    }

    /// No more blocks are wanted, until another session begins.
    pub(super) fn stop(&mut self) {
        self.is_stopped = true;
        self.fetch = None;
    }

    /// Takes outcomes, which wait for a commit. `is_awaited`: a caller waits for those of the post.
    pub(super) fn settle(&mut self, reports: Vec<Report>, is_awaited: impl Fn(PostId) -> bool) {
        for report in reports {
            let id = report.id;
            let Some((block, open)) = self.open.range(..=id.key()).next_back() else {
                continue;
            };
            let first = ChangeId::from_key(*block);
            // its own block may be closed by now
            if first.post == id.post && id.index - first.index < open.count {
                let (block, account) = (*block, report.account);
                self.settling.add(block, id, account, report.outcome);
                self.is_hurried |= is_awaited(id.post);
            }
        }
        if !self.settling.is_empty() {
            self.since.get_or_insert_with(Instant::now);
        }
    }

    /// When outcomes are to be committed, though nothing else is.
    pub(super) fn settle_due(&self) -> Option<Instant> {
        let since = self.since?;
        let at_once =
            self.is_hurried || self.ended.is_some() || self.settling.len() >= SETTLED_AT_ONCE;
        Some(if at_once {
            since
        } else {
            since + SETTLED_AFTER
        })
    }

    /// A part of the outcomes is on the disk. Returns its failures, and how many changes are done.
    pub(super) fn settled(&mut self, part: &Settled) -> (Vec<Failure>, u64) {
        for (id, settled) in &part.blocks {
            let Some(open) = self.open.get_mut(id) else {
                continue;
            };
            self.under_way -= u64::from(settled.len() - open.settled.len());
            open.settled = *settled;
            if settled.len() == open.count {
                self.open.remove(id);
            }
        }
        let settled = self.settling.settled(part.failed);
        self.since = self.since.filter(|_| !self.settling.is_empty());
        self.is_hurried &= self.since.is_some();
        settled
    }

    /// Nothing of a block is in the pipeline.
    pub(super) fn close_block(&mut self, id: i64) {
        if let Some(open) = self.open.remove(&id) {
            self.under_way -= u64::from(open.count - open.settled.len());
        }
    }
}
