//! All users as JSON, a piece at a time: what it takes does not grow with their number, and requests are served
//! between two pieces. So where requests are under way, more than 1,000 users may not be one moment's state.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::ops::Bound;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Bytes, HttpBody};
use axum::response::Response;
use hyper::StatusCode;
use hyper::body::Frame;

use crate::reply;
use crate::service::Service;

/// Users of one piece.
const USERS: usize = 1000;

/// `{"users":{"ACCOUNT":["TAG",…],…}}`, in the order of the accounts' bytes.
pub(crate) struct UserList {
    service: Arc<Service>,
    /// The first piece, until it is sent.
    first: Option<String>,
    next: Next,
}

enum Next {
    First,
    After(String),
    Nothing,
}

impl UserList {
    pub(crate) fn new(service: Arc<Service>) -> UserList {
        UserList {
            service,
            first: None,
            next: Next::First,
        }
    }

    /// The list: at its length where it is a single piece.
    pub(crate) fn response(mut self) -> Response {
        let first = self.piece().unwrap_or_default();
        if matches!(self.next, Next::Nothing) {
            return reply::json(StatusCode::OK, first.into_bytes());
        }
        self.first = Some(first);
        reply::streamed(self)
    }

    fn piece(&mut self) -> Option<String> {
        let (mut text, after) = match &self.next {
            Next::First => (r#"{"users":{"#.to_owned(), None),
            Next::After(account) => (String::new(), Some(account.as_str())),
            Next::Nothing => return None,
        };
        let state = self.service.state();
        let last = write(&mut text, state.store.users(), after);
        drop(state);
        self.next = match last {
            Some(account) => Next::After(account),
            None => {
                text.push_str("}}");
                Next::Nothing
            }
        };
        Some(text)
    }
}

/// Writes the users that come after this account; answers the last one, if there may be more.
fn write(
    text: &mut String,
    users: &BTreeMap<String, BTreeSet<String>>,
    after: Option<&str>,
) -> Option<String> {
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let mut last = None;
    let mut written = 0;
    for (account, tags) in users.range::<str, _>((from, Bound::Unbounded)).take(USERS) {
        if after.is_some() || written > 0 {
            text.push(',');
        }
        let json = |json: Result<String, _>| json.expect("strings are JSON");
        text.push_str(&json(serde_json::to_string(account)));
        text.push(':');
        text.push_str(&json(serde_json::to_string(tags)));
        last = Some(account);
        written += 1;
    }
    last.filter(|_| written == USERS).cloned()
}

impl HttpBody for UserList {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.first.take().or_else(|| self.piece());
        Poll::Ready(piece.map(|text| Ok(Frame::data(text.into()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_user_is_written_once_whatever_their_number() {
        for number in [0, 1, USERS - 1, USERS, USERS + 1, 3 * USERS] {
            let user = |n| (format!("\"user\" {n}"), BTreeSet::from(["标".to_owned()]));
            let users: BTreeMap<_, _> = (0..number).map(user).collect();
            let mut text = "{".to_owned();
            let mut after = write(&mut text, &users, None);
            while let Some(last) = after {
                after = write(&mut text, &users, Some(&last));
            }
            text.push('}');
            let read: BTreeMap<String, BTreeSet<String>> = serde_json::from_str(&text).unwrap();
            assert_eq!(read, users);
        }
    }
}
