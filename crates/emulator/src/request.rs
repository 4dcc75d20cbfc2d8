//! A request as it came off the wire, before anything is read into it: its route, its body, and what it gets where it
//! is on no route.

use std::error::Error as _;

use axum::body::{Body, Bytes};
use hyper::Method;
use hyper::header::CONTENT_ENCODING;
use hyper::http::request::Parts;
use imtag_local_server::{BodyError, read_whole};
use imtag_wire::{Query, Refusal, Route, check_plain, is_encoding, no_route};

/// More than any right request needs: 100 users with 100 tags of 50 bytes, every byte of them escaped.
pub(crate) const BODY_BYTES_AT_MOST: u64 = 4 * 1024 * 1024;
/// What helps who calls a path that is no route's.
const ELSEWHERE: &str = "an answer for another path is put by POST /emulator/faults";

/// Method, path, query and body of a request.
pub(crate) struct Request {
    /// `None` for a path that is no route's, and for any method but POST.
    pub(crate) route: Option<Route>,
    pub(crate) method: String,
    pub(crate) path: String,
    /// `None` where it cannot be decoded.
    pub(crate) query: Option<Query>,
    /// `None` where it is too large.
    body: Option<Bytes>,
    /// Whether it is said to be compressed.
    encoded: bool,
}

impl Request {
    /// Reads the body; `None` where it does not come whole, be it that the caller hangs up or is too slow.
    pub(crate) async fn receive(parts: Parts, body: Body) -> Option<Request> {
        let body = match read_whole(body).await {
            Ok(body) => Some(body),
            Err(error) if is_too_large(&error) => None,
            Err(_) => return None,
        };
        let path = parts.uri.path();
        let mut encodings = parts.headers.get_all(CONTENT_ENCODING).iter();
        let encoded = encodings.any(|it| is_encoding(it.as_bytes()));
        let posted = parts.method == Method::POST;
        Some(Request {
            route: Route::from_path(path).filter(|_| posted),
            method: parts.method.as_str().to_owned(),
            path: path.to_owned(),
            query: Query::decode(parts.uri.query().unwrap_or_default()),
            body,
            encoded,
        })
    }

    /// The body, empty where it is too large.
    pub(crate) fn body(&self) -> Bytes {
        self.body.clone().unwrap_or_default()
    }

    /// The body, unless it is too large or compressed.
    pub(crate) fn plain_body(&self) -> Result<&[u8], Refusal> {
        let too_large = || Refusal::new(90001, "the body is too large");
        let body = self.body.as_deref().ok_or_else(too_large)?;
        check_plain(self.encoded, body)?;
        Ok(body)
    }

    /// The route, or 60009 with a text that says what was asked for and what there is.
    pub(crate) fn route(&self) -> Result<Route, Refusal> {
        let elsewhere = || no_route(&self.method, &self.path, ELSEWHERE);
        self.route.ok_or_else(elsewhere)
    }
}

fn is_too_large(error: &axum::Error) -> bool {
    let error = error.source().and_then(|it| it.downcast_ref());
    matches!(error, Some(BodyError::TooLarge { .. }))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;

    use futures_util::stream;

    use super::*;

    #[tokio::test]
    async fn a_body_in_small_pieces_takes_no_more_than_its_bytes() {
        let alive = Arc::new(());
        let pieces = (0..1000).map(move |_| {
            let pieces = Arc::strong_count(&alive) - 1;
            assert!(pieces < 5, "{pieces}");
            Ok::<_, Infallible>(Bytes::from_owner(Piece(Arc::clone(&alive))))
        });
        let body = Body::from_stream(stream::iter(pieces));
        assert_eq!(read_whole(body).await.unwrap(), "x".repeat(1000));
    }

    struct Piece(#[expect(dead_code)] Arc<()>);

    impl AsRef<[u8]> for Piece {
        fn as_ref(&self) -> &[u8] {
            b"x"
        }
    }
}
