//! What is done in a round, and what its commit has done.

use crate::answer::Reply;
use crate::command::Command;
use crate::error::Refused;
use crate::id::PostId;
use crate::post::{Accepted, Encoded};
use crate::store::Settled;

/// What is done in one go.
#[derive(Default)]
pub(super) struct Round {
    pub(super) posts: Vec<(Encoded, Reply<Accepted>)>,
    pub(super) bytes: u64,
    pub(super) pauses: Vec<(bool, Reply<()>)>,
    pub(super) begins: Vec<Reply<Option<PostId>>>,
    pub(super) reads: Vec<Command>,
}

/// What a commit has done.
#[derive(Default)]
pub(super) struct Committed {
    pub(super) posts: Vec<Result<Accepted, Refused>>,
    /// How many failures there were of each of the step's deletions.
    pub(super) deletions: Vec<u64>,
    pub(super) settled: Option<Settled>,
    /// By a purge.
    pub(super) purged: Settled,
    pub(super) forgotten: u64,
}

impl Round {
    /// True if something is left of the round before.
    pub(super) fn has_waited(&self) -> bool {
        !self.begins.is_empty()
    }

    pub(super) fn writes(&self) -> bool {
        !self.posts.is_empty() || !self.pauses.is_empty() || !self.begins.is_empty()
    }

    /// Nothing of it was written.
    pub(super) fn refuse(&mut self, refused: &Refused) {
        for (_, reply) in self.posts.drain(..) {
            reply.give(Err(refused.clone()));
        }
        for (_, reply) in self.pauses.drain(..) {
            reply.give(Err(refused.clone()));
        }
        for reply in self.begins.drain(..) {
            reply.give(Err(refused.clone()));
        }
    }
}
