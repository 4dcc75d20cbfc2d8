//! When it is looked for posts that are to be forgotten.

use std::time::{Duration, Instant};

use crate::settings::Settings;
use crate::store::Store;

/// At the earliest after a look: what is to be forgotten one after the other goes together.
const AFTER_A_LOOK: Duration = Duration::from_secs(60);

/// Looks: at each start, and then when the first of the kept posts has been kept long enough.
#[derive(Debug, Default)]
pub(super) struct Looks {
    next: Option<Instant>,
    /// Of which kinds posts were kept when that was found.
    kinds: [bool; 2],
    earliest: Option<Instant>,
}

impl Looks {
    /// When the next one is due; `None` while no post is kept.
    pub(super) fn due(&mut self, store: &Store, settings: &Settings) -> Option<Instant> {
        let kinds = store.facts().kept.map(|kept| kept > 0);
        if self.next.is_none() || self.kinds != kinds {
            let time = store.forgets_in(settings).ok().flatten();
            let next = time.and_then(|time| Instant::now().checked_add(time));
            self.next = next.map(|next| self.earliest.map_or(next, |it| it.max(next)));
            self.kinds = kinds;
        }
        self.next
    }

    pub(super) fn are_due(&self, now: Instant) -> bool {
        self.next.is_some_and(|next| next <= now)
    }

    /// One is done. `is_more`: it has forgotten as many as it may.
    pub(super) fn looked(&mut self, now: Instant, is_more: bool) {
        self.next = None;
        self.earliest = (!is_more).then_some(now + AFTER_A_LOOK);
    }
}
