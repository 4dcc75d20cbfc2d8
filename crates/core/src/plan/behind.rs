//! What a change waits for that is in no request yet, where that is not its turn: an earlier change of its account.

use std::time::Duration;

use super::Plan;
use super::arena::ChangeId;
use super::item::{Behind, ChangeFailure};
use crate::operation::Operation;

impl<R, E: ChangeFailure> Plan<R, E> {
    /// What of its account a change is behind that is in no request yet; `None` where it waits for its request's turn, of a get,
    /// or where it is not there.
    #[must_use]
    pub fn behind(&self, id: ChangeId, now: Duration) -> Option<Behind> {
        let entry = self.changes.get(id.0)?;
        if entry.item.operation() == Operation::Get {
            return None;
        }
        let account = &self.accounts[entry.account];
        if account.under_way > 0 {
            return Some(Behind::Unsettled);
        }
        // the first one's turn is the others' too
        let first = &self.changes[account.waiting.first()?.0];
        let safe_from = account.safe_from(first.item.form());
        (safe_from > now).then_some(Behind::LateAttempt(safe_from))
    }
}
