//! A request as it came off the wire, before anything is read into it: its route, its body, and what it gets where it
//! is on no route.

use std::error::Error as _;

use axum::body::{Body, Bytes};
use hyper::Method;
use hyper::header::CONTENT_ENCODING;
use hyper::http::request::Parts;
use imtag_local_server::{BodyError, read_whole};
use imtag_wire::{Query, Refusal, Route, shown_method, shown_path};

/// More than any right request needs: 100 users with 100 tags of 50 bytes, every byte of them escaped.
pub(crate) const BODY_BYTES_AT_MOST: u64 = 4 * 1024 * 1024;
/// What gzip begins with, and no JSON does.
const GZIP: &[u8] = &[0x1f, 0x8b];

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
        let encoded =
            encodings.any(|it| !it.is_empty() && !it.as_bytes().eq_ignore_ascii_case(b"identity"));
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
        if self.encoded || body.starts_with(GZIP) {
            let text = "the body is compressed, which the service's pages do not allow: send plain JSON, \
                        without Content-Encoding";
            return Err(Refusal::new(60003, text));
        }
        Ok(body)
    }

    /// The route, or 60009 with a text that says what was asked for and what there is.
    pub(crate) fn route(&self) -> Result<Route, Refusal> {
        let elsewhere = || Refusal::new(60009, no_route(&self.method, &self.path));
        self.route.ok_or_else(elsewhere)
    }
}

fn is_too_large(error: &axum::Error) -> bool {
    let error = error.source().and_then(|it| it.downcast_ref());
    matches!(error, Some(BodyError::TooLarge { .. }))
}

/// Why no route takes a request.
fn no_route(method: &str, path: &str) -> String {
    let (asked, method) = (shown_path(path), shown_method(method));
    if Route::from_path(path).is_some() {
        format!("{asked} takes POST, and not {method}")
    } else if let Some(route) = meant(path) {
        format!(
            "there is no {asked}: the path is {}, to the letter",
            route.path()
        )
    } else {
        format!(
            "the emulator has no {asked}, only the calls of user tags: {}; an answer for another path is put by \
             POST /emulator/faults",
            Route::all().map(Route::path).collect::<Vec<_>>().join(", ")
        )
    }
}

/// The route that a path comes near: in another case, with other slashes, with more or less before it.
fn meant(path: &str) -> Option<Route> {
    let parts = path.split('/').filter(|part| !part.is_empty());
    let path: String = parts.map(|part| format!("/{part}")).collect();
    let path = path.to_ascii_lowercase();
    let near = |known: &str| known.ends_with(&path) || path.ends_with(known);
    Route::all().find(|route| !path.is_empty() && near(route.path()))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;

    use futures_util::stream;

    use super::*;

    #[test]
    fn what_is_on_no_route_is_told_what_there_is() {
        let add = "the path is /v4/all_member_push/im_add_tag, to the letter";
        for near in [
            "/v4/all_member_push/im_add_tag/",
            "//v4/all_member_push//im_add_tag",
            "/V4/All_Member_Push/IM_Add_Tag",
            "/all_member_push/im_add_tag",
            "/im_add_tag",
            "/proxy/v4/all_member_push/im_add_tag",
        ] {
            assert_eq!(no_route("POST", near), format!("there is no {near}: {add}"));
        }
        for path in ["/v4/openim/sendmsg", "/", "*", "", "/v4/timpush/push"] {
            let text = no_route("POST", path);
            let expected = format!(
                "the emulator has no {path}, only the calls of user tags: /v4/all_member_push/im_add_tag, \
                 /v4/all_member_push/im_get_tag, "
            );
            assert!(text.starts_with(&expected), "{text}");
            assert!(text.ends_with("an answer for another path is put by POST /emulator/faults"));
        }
        let text = no_route("GET", "/v4/timpush/add_tag");
        assert_eq!(text, "/v4/timpush/add_tag takes POST, and not GET");
    }

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

    #[test]
    fn a_text_is_short_and_holds_no_usersig() {
        assert!(!no_route("POST", "/v4/x/usersig=hush").contains("hush"));
        let long = "/x".repeat(10_000);
        assert!(no_route(&long, &long).len() < 1000);
    }
}
