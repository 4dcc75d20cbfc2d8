//! A bulk run over an iterator.

use std::collections::VecDeque;
use std::iter::Fuse;
use std::sync::Arc;

use imtag_core::ChangeRequest;

use super::{Bulk, Checked, Completion, Offered, Progress, Summary};
use crate::wait::deadline_after;

/// A bulk run over an iterator: it yields the changes with their outcomes, in the order in which these become known, and
/// ends when all have theirs. What it does not yield is not under way: drive it to its end, or drop it to cancel.
///
/// Where the run ends early, it yields all changes that it took, and takes no more: [`finish`](BulkRun::finish) says why,
/// and [`into_rest`](BulkRun::into_rest) gives the others back.
#[must_use = "it sends as it is asked for outcomes"]
pub struct BulkRun<I: Iterator<Item = ChangeRequest>> {
    bulk: Bulk,
    input: Fuse<I>,
    next_id: u64,
    /// Pulled, and not yet taken: one at most, as the input may take long to give the next.
    pulled: Option<(u64, Checked)>,
    /// Taken from the run, and not yet yielded.
    completions: VecDeque<Completion>,
    takes_no_more: bool,
}

impl<I: Iterator<Item = ChangeRequest>> BulkRun<I> {
    pub(super) fn new(bulk: Bulk, input: I) -> BulkRun<I> {
        BulkRun {
            bulk,
            input: input.fuse(),
            next_id: 0,
            pulled: None,
            completions: VecDeque::new(),
            takes_no_more: false,
        }
    }

    /// How far the run is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.bulk.progress()
    }

    /// Sends what is left, and says what the run came to. Outcomes that were not asked for are counted only.
    #[must_use]
    pub fn finish(mut self) -> Summary {
        self.by_ref().for_each(drop);
        self.bulk.finish()
    }

    /// The changes that were not taken, where the run ended early; their positions go on from those that were. Ends the run: call it when the
    /// iteration has ended, as outcomes that were not yielded by then are lost.
    pub fn into_rest(self) -> impl Iterator<Item = ChangeRequest> {
        let BulkRun { input, pulled, .. } = self;
        let pulled = pulled.map(|(_, checked)| match checked {
            Ok(change) => Arc::unwrap_or_clone(change.into_request()),
            Err(invalid) => invalid.into_parts().0,
        });
        pulled.into_iter().chain(input)
    }

    /// Takes changes in, as long as there is capacity and no outcome to be yielded: an input that is slower than the
    /// quota never reaches the capacity.
    fn fill(&mut self) {
        while !self.takes_no_more {
            if self.pulled.is_none() {
                let next = self.input.next();
                self.pulled = next.map(|change| (self.next_id, self.bulk.check(change)));
                self.next_id += 1;
            }
            if self.pulled.is_none() {
                self.bulk.end_of_input();
                self.takes_no_more = true;
                return;
            }
            self.bulk.ask();
            match self.bulk.offer(&mut self.pulled) {
                Ok(Offered::Taken) => {}
                Ok(Offered::Full | Offered::Outcomes) => return,
                Err(_) => self.takes_no_more = true,
            }
        }
    }
}

impl<I: Iterator<Item = ChangeRequest>> Iterator for BulkRun<I> {
    type Item = Completion;

    fn next(&mut self) -> Option<Completion> {
        loop {
            if let Some(completion) = self.completions.pop_front() {
                return Some(completion);
            }
            self.fill();
            self.completions = if self.takes_no_more {
                self.bulk
                    .poll_until(deadline_after(std::time::Duration::MAX))
                    .into()
            } else {
                self.bulk.poll_or_capacity().into()
            };
            if self.completions.is_empty() && self.takes_no_more {
                return None;
            }
        }
    }
}
