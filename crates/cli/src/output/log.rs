//! The log that `-v` asks for: what the client decides, a line an event, on standard error. Without `-v` nothing listens,
//! and an event costs the client one look at a number.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use tracing::callsite::rebuild_interest_cache;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record as Values};
use tracing::{Dispatch, Event, Metadata, Subscriber, dispatcher};

use super::record::{Format, Record};
use super::stderr;

/// What the client's events are marked with. Those of other crates are not ours to explain.
const TARGET: &str = "imtag";

/// From the least to the most.
const LEVELS: [LevelFilter; 6] = [
    LevelFilter::OFF,
    LevelFilter::ERROR,
    LevelFilter::WARN,
    LevelFilter::INFO,
    LevelFilter::DEBUG,
    LevelFilter::TRACE,
];

/// That of the process's log, by its place.
static LEVEL: AtomicUsize = AtomicUsize::new(0);

/// What `-v` asks for: once `info`, twice `debug`, and from then on all that there is; without it nothing.
pub(crate) fn level(verbose: u8) -> LevelFilter {
    match verbose {
        0 => LevelFilter::OFF,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    }
}

/// Takes events up to this level from now on, and writes them in this form.
pub(crate) fn set(level: LevelFilter, format: Format) {
    let is_off = level == LevelFilter::OFF;
    // people read what is said beside a log, and alone
    stderr::set_format(if is_off { Format::Text } else { format });
    let place = LEVELS.iter().position(|it| *it == level);
    LEVEL.store(place.unwrap_or_default(), Relaxed);
    if dispatcher::has_been_set() {
        // who asks is told once, and remembers the answer
        rebuild_interest_cache();
    } else if !is_off {
        let write = |record: Record| stderr::say(&record.line(stderr::format()));
        let log = Dispatch::new(Log {
            level: &LEVEL,
            write,
        });
        dispatcher::set_global_default(log).expect("a process has one log");
    }
}

struct Log<W> {
    level: &'static AtomicUsize,
    write: W,
}

impl<W> Log<W> {
    fn level(&self) -> LevelFilter {
        LEVELS[self.level.load(Relaxed)]
    }
}

impl<W: Fn(Record) + 'static> Subscriber for Log<W> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == TARGET && *metadata.level() <= self.level()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level())
    }

    fn event(&self, event: &Event<'_>) {
        (self.write)(Record::from_event(event));
    }

    // the client has no spans
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Values<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn a_field_that_has_the_form_of_a_secret_is_hidden_and_events_of_others_are_not_taken() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&lines);
        let write = move |record: Record| taken.lock().unwrap().push(record.line(Format::Json));
        static LEVEL: AtomicUsize = AtomicUsize::new(4);
        assert_eq!(LEVELS[4], LevelFilter::DEBUG);
        dispatcher::with_default(
            &Dispatch::new(Log {
                level: &LEVEL,
                write,
            }),
            || {
                let key = "0123456789abcdef".repeat(4);
                tracing::debug!(target: "imtag", detail = key, other = ?key, "taken");
                tracing::trace!(target: "imtag", "too fine");
                tracing::error!(target: "another", "not ours");
            },
        );
        let lines = lines.lock().unwrap();
        assert_eq!(lines.len(), 1, "{lines:?}");
        let hidden = "(not shown, as it may be a secret)";
        let fields =
            format!("\"fields\":{{\"detail\":\"{hidden}\",\"other\":\"\\\"{hidden}\\\"\"}}}}");
        assert!(lines[0].ends_with(&fields), "{}", lines[0]);
    }
}
