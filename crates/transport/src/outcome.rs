//! What a call did.

use imtag_core::{AccountTags, UserSig};

use crate::redact::redact;

/// A call that was done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Outcome {
    /// The accounts that it was done for.
    pub accounts: usize,
    /// Attempts that were made, at least 1. It includes attempts over a dead connection, which `max_attempts` does not
    /// count.
    pub attempts: u32,
    /// Attempts of which any byte left this machine: what the app's quota may have been charged.
    pub sent: u32,
    /// The service's number for the request, where it gave one.
    pub request_id: Option<String>,
    /// What `get_tag` read; empty for the other operations.
    pub tags: Vec<AccountTags>,
    /// Accounts that `get_tag` asked for and the answer does not name. No page says whether such an account has no
    /// tags or could not be read.
    pub unanswered: Vec<String>,
}

impl Outcome {
    /// Covers a UserSig that an answer repeats. Tags are data: they stay as they are.
    pub(crate) fn redact(&mut self, usersig: &UserSig) {
        self.request_id
            .iter_mut()
            .for_each(|id| redact(id, usersig));
    }
}
