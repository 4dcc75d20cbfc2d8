//! What a flush waits for: all that came before it.

use super::{Number, Schedule, Source};

impl<R, E> Schedule<R, E> {
    /// The change that came last.
    #[must_use]
    pub fn last_number(&self) -> Number {
        Number(self.next)
    }

    /// How many changes of a source that came no later than that one have no outcome. Looks at every change that has none.
    #[must_use]
    pub fn unsettled_up_to(&self, source: Source, last: Number) -> usize {
        let open = self.changes.iter();
        open.filter(|(number, entry)| **number <= last && entry.source == source)
            .count()
    }
}
