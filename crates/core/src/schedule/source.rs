//! What is known of one source: its lanes, its counts, and the accounts that it found at fault.

use std::collections::VecDeque;
use std::time::Duration;

use super::flush::Unsettled;
use super::lane::Lane;
use super::{Concerns, Fault, Pace, Settled};
use crate::Operation;

#[derive(Debug)]
pub(super) struct OfSource<R, E> {
    pub(super) pace: Pace,
    pub(super) lanes: [Lane<E>; Operation::ALL.len()],
    /// Changes that have not been dealt in full.
    pub(super) unsent: usize,
    /// Changes without an outcome.
    pub(super) unsettled: Unsettled,
    /// Requests that are taken and not answered.
    pub(super) under_way: usize,
    pub(super) ended: bool,
    /// Nothing more comes for now: what is there goes without company.
    pub(super) hurried: bool,
    /// Requests that were split.
    pub(super) splits: u64,
    pub(super) settled: VecDeque<Settled<R, E>>,
    /// Until when attempts of a process before this one may land.
    pub(super) strangers_until: Duration,
}

impl<R, E> OfSource<R, E> {
    pub(super) fn new(pace: Pace) -> OfSource<R, E> {
        OfSource {
            pace,
            lanes: std::array::from_fn(|_| Lane::default()),
            unsent: 0,
            unsettled: Unsettled::default(),
            under_way: 0,
            ended: false,
            hurried: false,
            splits: 0,
            settled: VecDeque::new(),
            strangers_until: Duration::ZERO,
        }
    }

    pub(super) fn lane(&mut self, operation: Operation) -> &mut Lane<E> {
        &mut self.lanes[operation as usize]
    }

    /// Whether what is there goes without company.
    pub(super) fn is_hurried(&self) -> bool {
        self.hurried || (self.under_way == 0 && self.unsent >= self.pace.room)
    }

    /// What an account did wrong before that this operation would do again.
    pub(super) fn bad_for(&self, account: &str, operation: Operation) -> Option<&Fault<E>> {
        let of_all = |fault: &&Fault<E>| fault.concerns == Concerns::Account;
        let mut lanes = self.lanes.iter();
        self.lanes[operation as usize]
            .bad
            .get(account)
            .or_else(|| lanes.find_map(|lane| lane.bad.get(account).filter(of_all)))
    }

    /// An operation has changed an account: what it could not take before by another one it may take now.
    pub(super) fn has_changed(&mut self, account: &str, operation: Operation) {
        for other in Operation::ALL {
            let bad = &mut self.lane(other).bad;
            if other != operation && !bad.is_empty() {
                bad.remove(account);
            }
        }
    }

    /// By when an attempt has landed that was given up now.
    pub(super) fn settled_by(&self, now: Duration) -> Duration {
        now.saturating_add(self.pace.settling)
    }
}
