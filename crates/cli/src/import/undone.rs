//! The users who are not done when an import ends, by reason.
//!
//! | user | known from | then |
//! |---|---|---|
//! | failed for good | the store | is in the list |
//! | failed, and is tried again by the same command (*held back*) | the store | is in the list until the next run |
//! | not sent, or not whole | the tracker, and what follows in the file | is in no list: the same command sends the user |

use std::io;

use super::group::{GroupError, Users};
use super::report::reasons::{NAMED, Reasons};
use super::state::failed_change::{FailedChange, Why};
use super::state::store::Store;
use super::state::tracker::Tracker;

/// Users who failed.
pub(crate) fn failed(store: &Store) -> io::Result<Reasons> {
    let mut reasons = Reasons::default();
    store.for_lines(&mut |lines| {
        for line in serde_json::Deserializer::from_slice(lines).into_iter() {
            reasons.add(line?);
        }
        Ok(())
    })?;
    reasons.sort();
    Ok(reasons)
}

/// Users who were not sent, or not whole. Of each effect it names the first ones: those who were dispatched, and then
/// those that the sending did not come to, the next in `users`.
pub(crate) fn not_sent(
    tracker: &Tracker,
    users: &mut Users<'_>,
    why: &Why,
) -> Result<Reasons, GroupError> {
    let mut reasons = Reasons::default();
    let counts = tracker.count_not_sent();
    let mut left = counts.map(|(_, users)| users.min(NAMED));
    let kind = |effect| counts.iter().position(|(it, _)| *it == effect);
    let mut dispatched = tracker.not_sent();
    while left.iter().sum::<u64>() > 0 {
        let changes: Vec<FailedChange> = if let Some(changes) = dispatched.next() {
            changes.to_vec()
        } else if let Some((position, user)) = users.next()? {
            if tracker.store.users.is_settled(position) {
                continue;
            }
            let effect = tracker.store.effect(position);
            let not_sent = |it| FailedChange::with_reason(user.account, it, why, effect);
            user.changes().map(not_sent).collect()
        } else {
            break;
        };
        let effect = changes.first().map(|it| it.effect);
        let left = &mut left[effect.and_then(kind).unwrap_or_default()];
        if *left > 0 {
            *left -= 1;
            changes.into_iter().for_each(|change| reasons.add(change));
        }
    }
    for (effect, users) in counts {
        reasons.set_users(effect, users);
    }
    reasons.sort();
    Ok(reasons)
}
