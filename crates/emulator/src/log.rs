//! What arrived, for tests to read back: a ring of bounded length and bounded bytes, without the UserSig.

use std::collections::VecDeque;
use std::time::Duration;

use crate::query::{Query, shown_method, shown_path, start};
use crate::request::Request;
use crate::route::Route;

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

impl Arrived {
    /// The entry of a request, before it is known when it arrived.
    pub(crate) fn new(request: &Request) -> Arrived {
        let query = Query::decode(&request.query);
        Arrived {
            route: request.route,
            method: shown_method(&request.method),
            path: shown_path(&request.path),
            query: query.map(|query| query.redacted()).unwrap_or_default(),
            body: start(request.body(), BODY_BYTES_AT_MOST),
            ..Arrived::default()
        }
    }

    /// What it takes in memory: a query of 64 KiB may have 32,768 parameters, each two empty texts.
    fn bytes(&self) -> usize {
        let texts = |(name, value): &(String, String)| name.len() + value.len();
        self.body.len() + self.query.iter().map(texts).sum::<usize>() + size_of_val(&self.query[..])
    }
}

/// The ring. An entry is named by how many came before it, so that its answer can be noted later.
#[derive(Debug, Default)]
pub(crate) struct Log {
    kept: VecDeque<Arrived>,
    dropped: u64,
    bytes: usize,
}

impl Log {
    /// Keeps a request, and answers its number.
    pub(crate) fn push(&mut self, arrived: Arrived) -> u64 {
        self.bytes += arrived.bytes();
        self.kept.push_back(arrived);
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
    pub(crate) fn entry(&mut self, number: u64) -> Option<&mut Arrived> {
        let place = number.checked_sub(self.dropped)?;
        self.kept.get_mut(usize::try_from(place).ok()?)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arrived> {
        self.kept.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrived(body: &str) -> Arrived {
        Arrived {
            body: body.to_owned(),
            ..Arrived::default()
        }
    }

    #[test]
    fn the_oldest_requests_leave_and_numbers_stay_right() {
        let mut log = Log::default();
        for number in 0..REQUESTS_AT_MOST as u64 + 5 {
            assert_eq!(log.push(arrived(&number.to_string())), number);
        }
        assert_eq!(log.iter().count(), REQUESTS_AT_MOST);
        assert_eq!(log.entry(4), None);
        assert_eq!(log.entry(5).unwrap().body, "5");
        assert_eq!(log.entry(10_004).unwrap().body, "10004");
        assert_eq!(log.entry(10_005), None);
    }

    #[test]
    fn bodies_and_queries_are_kept_within_bounds() {
        let mut log = Log::default();
        let body = start(
            "标".repeat(BODY_BYTES_AT_MOST).as_bytes(),
            BODY_BYTES_AT_MOST,
        );
        for _ in 0..600 {
            log.push(arrived(&body));
        }
        assert!(log.bytes <= BYTES_AT_MOST);
        let kept: usize = log.iter().map(|arrived| arrived.body.len()).sum();
        assert_eq!(kept, log.bytes);
        assert!((500..600).contains(&log.iter().count()));
        for _ in 0..50 {
            log.push(Arrived {
                query: vec![Default::default(); 32_768],
                ..Arrived::default()
            });
        }
        assert!((40..50).contains(&log.iter().count()));
    }
}
