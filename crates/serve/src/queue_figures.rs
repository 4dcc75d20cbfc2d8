//! The figures of the queue.

use std::fmt::Write;

use imtag_queue::{PauseReason, Status};

use crate::figures::head;

pub(crate) fn write(text: &mut String, queue: &Status) -> std::fmt::Result {
    let counters = &queue.counters;
    let oldest = queue.oldest.unwrap_or_default();
    for (name, kind, help, value) in [
        (
            "imtag_queue_changes",
            "gauge",
            "Changes that have no outcome yet.",
            queue.changes.to_string(),
        ),
        (
            "imtag_queue_under_way",
            "gauge",
            "Of these, those that may be on their way.",
            queue.under_way.to_string(),
        ),
        (
            "imtag_queue_oldest_seconds",
            "gauge",
            "How long the oldest of them has waited.",
            format!("{:.3}", oldest.as_secs_f64()),
        ),
        (
            "imtag_queue_failures",
            "gauge",
            "Failures that are kept, as none has deleted them.",
            queue.failures.to_string(),
        ),
        (
            "imtag_queue_bytes",
            "gauge",
            "Bytes of changes without an outcome, and of failures.",
            queue.bytes.to_string(),
        ),
        (
            "imtag_queue_file_bytes",
            "gauge",
            "Bytes of the queue's files.",
            queue.file_bytes.to_string(),
        ),
        (
            "imtag_queue_commits_total",
            "counter",
            "Commits, each with a sync of the disk.",
            counters.commits.to_string(),
        ),
        (
            "imtag_queue_accepted_total",
            "counter",
            "Changes that were accepted.",
            counters.accepted.to_string(),
        ),
        (
            "imtag_queue_done_total",
            "counter",
            "Changes that the service has made.",
            counters.done.to_string(),
        ),
        (
            "imtag_queue_deleted_total",
            "counter",
            "Changes that were deleted before they were sent.",
            counters.deleted.to_string(),
        ),
    ] {
        head(text, name, kind, help)?;
        writeln!(text, "{name} {value}")?;
    }
    head(
        text,
        "imtag_queue_posts_total",
        "counter",
        "Posts that were taken: accepted, or repeated by their keys.",
    )?;
    for (result, posts) in [
        ("accepted", counters.posts),
        ("repeated", counters.repeated),
    ] {
        writeln!(
            text,
            "imtag_queue_posts_total{{result=\"{result}\"}} {posts}"
        )?;
    }
    head(
        text,
        "imtag_queue_failed_total",
        "counter",
        "Changes that failed, by the service's code; empty where it gave none.",
    )?;
    for (code, failed) in &counters.failed {
        let code = code.map(|it| it.to_string()).unwrap_or_default();
        writeln!(text, "imtag_queue_failed_total{{code=\"{code}\"}} {failed}")?;
    }
    head(
        text,
        "imtag_queue_paused",
        "gauge",
        "Why nothing is sent: 1 where it is for this reason.",
    )?;
    for reason in PauseReason::ALL {
        let is_there = queue.pauses.iter().any(|it| it.reason == reason);
        let reason = reason.name();
        let value = u8::from(is_there);
        writeln!(text, "imtag_queue_paused{{reason=\"{reason}\"}} {value}")?;
    }
    Ok(())
}
