//! The end of a run on the disk: the journal names the users who are in doubt, or goes where all is settled,
//! and the list gets those whose failures are held back.

use super::failed::{FailedFile, count_users};
use super::journal::Journal;
use super::send::Stopped;
use super::unfinished::Unfinished;

/// Lines that are written at once.
const AT_ONCE: usize = 1 << 20;

/// Which files a run leaves behind.
pub(super) struct RemainingFiles {
    pub(super) journal: bool,
    pub(super) list: bool,
    /// The list is that of an earlier run: this one adds nobody to it.
    pub(super) earlier_list: bool,
}

/// Closes both files. What the disk does not take stays to be done again.
pub(super) fn close(
    mut journal: Journal,
    unfinished: &mut Unfinished<'_>,
    refused: bool,
) -> (RemainingFiles, Result<(), Stopped>) {
    let settled = &unfinished.leftover.settled;
    let unwritten = count_users(&unfinished.leftover.unwritten_failures);
    let mut remaining = RemainingFiles {
        journal: !settled.is_complete(),
        list: settled.failed() > unwritten as u64,
        earlier_list: false,
    };
    if settled.is_complete() {
        let finished = journal.finish();
        remaining.journal = finished.is_err();
        return (remaining, finished.map_err(Stopped::from));
    }
    journal.leave_in_doubt(unfinished.leftover.in_doubt());
    let (list, earlier_list) = (&mut remaining.list, &mut remaining.earlier_list);
    let closed = journal.close(|file| {
        // all who failed are listed; but what is only a refusal of the app or its settings replaces no earlier list
        if !refused || file.is_of_this_run() || unfinished.leftover.has_more_than_refusals() {
            *list |= add_held_back(file, unfinished)?;
        }
        *earlier_list = !file.is_of_this_run();
        Ok(())
    });
    let closed = closed.map(|stays| remaining.journal = stays);
    (remaining, closed)
}

/// Says whether there are any.
fn add_held_back(file: &mut FailedFile, unfinished: &mut Unfinished<'_>) -> Result<bool, Stopped> {
    let mut lines = Vec::new();
    let mut any = false;
    unfinished.for_each_held_back(|failure| -> Result<(), Stopped> {
        any = true;
        failure.write(&mut lines);
        if lines.len() >= AT_ONCE {
            file.append(&lines)?;
            lines.clear();
        }
        Ok(())
    })?;
    if !lines.is_empty() {
        file.append(&lines)?;
    }
    Ok(any)
}
