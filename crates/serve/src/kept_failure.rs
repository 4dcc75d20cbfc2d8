//! A failure of the queue as a line: its id, when it was, and the row that it is again.

use std::time::SystemTime;

use imtag_queue::Failure;
use imtag_transport::date_and_time;

/// Appends the lines of a failure, which an import and a post take: several, if it has very many tags.
pub fn write_failure(failure: &Failure, text: &mut Vec<u8>) {
    let [id, at] = id_and_time(failure);
    failure.line.write(&[("id", &id), ("at", &at)], text);
}

/// `12-0` and `2026-11-30T16:32:36Z`.
pub(crate) fn id_and_time(failure: &Failure) -> [String; 2] {
    let since = failure.at.duration_since(SystemTime::UNIX_EPOCH);
    let [date, time] = date_and_time(since.unwrap_or_default());
    [failure.id.to_string(), format!("{date}T{time}Z")]
}
