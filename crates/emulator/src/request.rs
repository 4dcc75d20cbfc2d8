//! A request as it came off the wire, before anything is read into it.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::Method;
use hyper::header::CONTENT_ENCODING;
use hyper::http::request::Parts;

use crate::refusal::Refusal;
use crate::route::Route;

/// More than any right request needs: 100 users with 100 tags of 50 bytes, every byte of them escaped.
const BODY_BYTES_AT_MOST: usize = 4 * 1024 * 1024;
/// What gzip begins with, and no JSON does.
const GZIP: &[u8] = &[0x1f, 0x8b];

/// Method, path, query and body of a request.
pub(crate) struct Request {
    /// `None` for a path that is no route's, and for any method but POST.
    pub(crate) route: Option<Route>,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    /// `None` where it is too large.
    body: Option<Bytes>,
    /// Whether it is said to be compressed.
    encoded: bool,
}

impl Request {
    /// Reads the body; `None` where it does not come whole, be it that the caller hangs up or is too slow.
    pub(crate) async fn receive(parts: Parts, body: Body, timeout: Duration) -> Option<Request> {
        let body = tokio::time::timeout(timeout, Limited::new(body, BODY_BYTES_AT_MOST).collect());
        let body = match body.await.ok()? {
            Ok(body) => Some(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => None,
            Err(_) => return None,
        };
        let path = parts.uri.path();
        let mut encodings = parts.headers.get_all(CONTENT_ENCODING).iter();
        let encoded =
            encodings.any(|it| !it.is_empty() && !it.as_bytes().eq_ignore_ascii_case(b"identity"));
        let posted = parts.method == Method::POST;
        Some(Request {
            route: Route::of_path(path).filter(|_| posted),
            method: parts.method.as_str().to_owned(),
            path: path.to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            body,
            encoded,
        })
    }

    /// The body, empty where it is too large.
    pub(crate) fn body(&self) -> &[u8] {
        self.body.as_deref().unwrap_or_default()
    }

    /// The body, unless it is too large or compressed.
    pub(crate) fn plain_body(&self) -> Result<&[u8], Refusal> {
        let too_large = || Refusal::new(90001, "the body is too large");
        let body = self.body.as_deref().ok_or_else(too_large)?;
        if self.encoded || body.starts_with(GZIP) {
            let text = "the body is compressed, which the service's pages do not allow: send plain JSON, \
                        without Content-Encoding";
            return Err(Refusal::new(60003, text));
        }
        Ok(body)
    }
}
