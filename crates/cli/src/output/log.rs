//! The log that `-v` asks for: what the client decides, a line an event, on standard error. Without `-v` nothing listens,
//! and an event costs the client one look at a number.

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record as Values};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber, dispatcher};

use super::record::{Format, Record};
use super::stderr;

/// What the client's events are marked with. Those of other crates are not ours to explain.
const TARGET: &str = "imtag";

/// Takes events from now on, if `-v` was given at all: once `info`, twice `debug`, and from then on all that there is.
pub(crate) fn start(verbose: u8, format: Format) {
    let level = match verbose {
        0 => return,
        1 => Level::INFO,
        2 => Level::DEBUG,
        _ => Level::TRACE,
    };
    stderr::set_format(format);
    let write = move |record: Record| stderr::say(&record.line(format));
    let log = Dispatch::new(Log { level, write });
    dispatcher::set_global_default(log).expect("a process has one log");
}

struct Log<W> {
    level: Level,
    write: W,
}

impl<W: Fn(Record) + 'static> Subscriber for Log<W> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == TARGET && *metadata.level() <= self.level
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::from_level(self.level))
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
        let level = Level::DEBUG;
        dispatcher::with_default(&Dispatch::new(Log { level, write }), || {
            let key = "0123456789abcdef".repeat(4);
            tracing::debug!(target: "imtag", detail = key, other = ?key, "taken");
            tracing::trace!(target: "imtag", "too fine");
            tracing::error!(target: "another", "not ours");
        });
        let lines = lines.lock().unwrap();
        assert_eq!(lines.len(), 1, "{lines:?}");
        let hidden = "(not shown, as it may be a secret)";
        let fields =
            format!("\"fields\":{{\"detail\":\"{hidden}\",\"other\":\"\\\"{hidden}\\\"\"}}}}");
        assert!(lines[0].ends_with(&fields), "{}", lines[0]);
    }
}
