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
    let log = Dispatch::new(Log { level, format });
    dispatcher::set_global_default(log).expect("a process has one log");
}

struct Log {
    level: Level,
    format: Format,
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == TARGET && *metadata.level() <= self.level
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::from_level(self.level))
    }

    fn event(&self, event: &Event<'_>) {
        stderr::say(&Record::from_event(event).line(self.format));
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
