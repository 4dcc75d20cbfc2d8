//! What arrived, for tests to read back: a ring of bounded length and bounded bytes, without the UserSig.

use std::collections::VecDeque;
use std::time::Duration;

use axum::body::Bytes;
use imtag_wire::{Query, Route, shown_method, shown_path};

use crate::request::Request;

/// Requests that are kept; the oldest leave first.
const REQUESTS_AT_MOST: usize = 10_000;
/// Bytes of all kept bodies and queries together.
const BYTES_AT_MOST: usize = 64 * 1024 * 1024;
/// Bytes of a body that are kept: more than 100 users with 10 tags of 50 bytes need.
const BODY_BYTES_AT_MOST: usize = 128 * 1024;

/// A request as it arrived, and what was answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Arrived {
    /// The route, or `None` for a path that is none's.
    pub route: Option<Route>,
    /// The method, which is POST for any request with a route.
    pub method: String,
    /// The path; its start, where it is long and no route's. It is replaced where a UserSig may have got into it.
    pub path: String,
    /// The parameters of the URL, decoded, in their order. The UserSig's value is replaced; empty where the query
    /// could not be decoded.
    pub query: Vec<(String, String)>,
    /// The body as text; its first 128 KiB.
    pub body: String,
    /// When it arrived, since the emulator's start.
    pub at: Duration,
    /// The `ErrorCode` of the answer, or `None` where there was no such answer, or is none yet.
    pub code: Option<i32>,
    /// The kind of the fault that it took.
    pub fault: Option<&'static str>,
}

/// A request as it is kept: its body becomes a text when it is read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entry {
    /// Without its body.
    pub(crate) arrived: Arrived,
    body: Bytes,
}

impl Entry {
    /// The entry of a request, before it is known when it arrived.
    pub(crate) fn new(request: &Request) -> Entry {
        let query = request.query.as_ref().map(Query::redacted);
        let arrived = Arrived {
            route: request.route,
            method: shown_method(&request.method),
            path: shown_path(&request.path),
            query: query.unwrap_or_default(),
            ..Arrived::default()
        };
        Entry {
            arrived,
            body: start(request.body()),
        }
    }

    pub(crate) fn read(self) -> Arrived {
        Arrived {
            body: String::from_utf8_lossy(&self.body).into_owned(),
            ..self.arrived
        }
    }

    /// What it takes in memory: a query of 64 KiB may have 32,768 parameters, each two empty texts.
    fn bytes(&self) -> usize {
        let query = &self.arrived.query;
        let texts = |(name, value): &(String, String)| name.len() + value.len();
        self.body.len() + query.iter().map(texts).sum::<usize>() + size_of_val(&query[..])
    }
}

/// The start of a body, which does not hold the rest in memory.
fn start(body: Bytes) -> Bytes {
    match body.get(..BODY_BYTES_AT_MOST) {
        Some(start) => Bytes::copy_from_slice(start),
        None => body,
    }
}

/// The ring. An entry is named by how many came before it, so that its answer can be noted later.
#[derive(Debug, Default)]
pub(crate) struct Log {
    kept: VecDeque<Entry>,
    dropped: u64,
    bytes: usize,
}

impl Log {
    /// Keeps a request, and answers its number.
    pub(crate) fn push(&mut self, entry: Entry) -> u64 {
        self.bytes += entry.bytes();
        self.kept.push_back(entry);
        while self.kept.len() > REQUESTS_AT_MOST || self.bytes > BYTES_AT_MOST {
            let Some(oldest) = self.kept.pop_front() else {
                break;
            };
            self.bytes -= oldest.bytes();
            self.dropped += 1;
        }
        self.dropped + self.kept.len() as u64 - 1
    }

    /// The entry with this number, unless it has left.
    pub(crate) fn entry(&mut self, number: u64) -> Option<&mut Entry> {
        let place = number.checked_sub(self.dropped)?;
        self.kept.get_mut(usize::try_from(place).ok()?)
    }

    /// All that is kept, oldest first. The bodies are not copied.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.kept.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(body: impl Into<Bytes>) -> Entry {
        Entry {
            body: body.into(),
            ..Entry::default()
        }
    }

    #[test]
    fn the_oldest_requests_leave_and_numbers_stay_right() {
        let mut log = Log::default();
        for number in 0..REQUESTS_AT_MOST as u64 + 5 {
            assert_eq!(log.push(entry(number.to_string())), number);
        }
        assert_eq!(log.entries().len(), REQUESTS_AT_MOST);
        assert!(log.entry(4).is_none());
        assert_eq!(log.entry(5).unwrap().clone().read().body, "5");
        assert_eq!(log.entry(10_004).unwrap().clone().read().body, "10004");
        assert!(log.entry(10_005).is_none());
    }

    /// Copies are made under the lock that each request takes.
    #[test]
    fn entries_share_the_bodies_of_the_log() {
        let mut log = Log::default();
        log.push(entry("body".to_owned()));
        let entries = log.entries();
        assert_eq!(entries[0].body.as_ptr(), log.kept[0].body.as_ptr());
        assert_eq!(entries[0].clone().read().body, "body");
    }

    #[test]
    fn bodies_and_queries_are_kept_within_bounds() {
        let mut log = Log::default();
        for _ in 0..600 {
            log.push(entry(start("标".repeat(BODY_BYTES_AT_MOST).into())));
        }
        assert!(log.bytes <= BYTES_AT_MOST);
        let kept: usize = log.kept.iter().map(|entry| entry.body.len()).sum();
        assert_eq!(kept, log.bytes);
        // It ends within a character.
        let shown = log.entries().remove(0).read().body;
        assert_eq!(shown, "标".repeat(BODY_BYTES_AT_MOST / 3) + "\u{fffd}");
        assert!((500..600).contains(&log.entries().len()));
        for _ in 0..50 {
            let mut entry = entry("");
            entry.arrived.query = vec![Default::default(); 32_768];
            log.push(entry);
        }
        assert!((40..50).contains(&log.entries().len()));
    }
}
