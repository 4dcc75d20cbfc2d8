//! What a source has to send of one operation, and when it is enough for a request.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::batch::Batch;
use super::{Fault, Number, Pace};
use crate::packing::SlotPacker;

/// The changes of one source and operation whose turn it is.
#[derive(Debug)]
pub(super) struct Lane<E> {
    pub(super) packer: SlotPacker<Number>,
    /// Requests that are to be made again, split or not.
    pub(super) again: VecDeque<Batch>,
    /// Changes that wait for their account.
    pub(super) behind: usize,
    /// The request that has been taken and waits for its turn in the quota: until then no other is made, so that
    /// changes that come meanwhile share it.
    pub(super) awaits_its_turn: Option<u64>,
    /// Since when the longest waiting user is in the packer. Who is left after a full request waits anew, as others are
    /// coming in fast.
    pub(super) since: Option<Duration>,
    /// A user has all the tags that a slot takes: company would bring it nothing.
    pub(super) full_slot: bool,
    /// Accounts that were at fault in this operation.
    pub(super) bad: HashMap<Box<str>, Fault<E>>,
}

/// What a lane has to say at a moment.
pub(super) enum Has {
    /// A request that is to be made again.
    Again(Batch),
    /// Enough for a new one.
    Enough,
    /// Nothing before then.
    Until(Duration),
    Nothing,
}

impl<E> Default for Lane<E> {
    fn default() -> Lane<E> {
        Lane {
            packer: SlotPacker::new(),
            again: VecDeque::new(),
            behind: 0,
            awaits_its_turn: None,
            since: None,
            full_slot: false,
            bad: HashMap::new(),
        }
    }
}

impl<E> Lane<E> {
    /// `hurried`: nothing more comes for now; `quiet`: nothing of the source is under way.
    pub(super) fn look(
        &mut self,
        pace: &Pace,
        users_per_request: usize,
        hurried: bool,
        quiet: bool,
        now: Duration,
    ) -> Has {
        if self.awaits_its_turn.is_some() {
            return Has::Nothing;
        }
        if let Some(due) = self.again.iter().position(|batch| batch.due <= now) {
            if let Some(batch) = self.again.remove(due) {
                self.awaits_its_turn = Some(batch.number);
                return Has::Again(batch);
            }
        }
        let again = self.again.iter().map(|batch| batch.due).min();
        let Some(since) = self.since else {
            return again.map_or(Has::Nothing, Has::Until);
        };
        let lingers_until = since.saturating_add(pace.linger);
        // who waits behind an account may still come and share the request, but for whom there is no waiting where
        // nothing is under way
        let alone = hurried && (self.behind == 0 || quiet);
        let enough = self.packer.users() >= users_per_request;
        if enough || self.full_slot || alone || lingers_until <= now {
            return Has::Enough;
        }
        match again {
            Some(again) => Has::Until(again.min(lingers_until)),
            None if lingers_until == Duration::MAX => Has::Nothing,
            None => Has::Until(lingers_until),
        }
    }

    /// Takes the users of one request out of the packer.
    pub(super) fn deal(&mut self, users_per_request: usize, now: Duration) -> Vec<Number> {
        self.full_slot = false;
        let dealt = self.packer.take_batch(users_per_request);
        if self.packer.is_empty() {
            self.since = None;
        } else if dealt.len() >= users_per_request {
            self.since = Some(now);
        }
        dealt
    }

    pub(super) fn put(&mut self, number: Number, slots: usize, came: Duration) {
        self.packer.insert(number, slots);
        self.since = Some(self.since.map_or(came, |since| since.min(came)));
    }

    /// Takes a change out whose turn it was.
    pub(super) fn remove(&mut self, number: Number) {
        self.packer.remove(number);
        if self.packer.is_empty() {
            self.since = None;
            self.full_slot = false;
        }
    }
}
