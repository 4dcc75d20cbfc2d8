//! What hyper leaves to a server of what a head must have.
//!
//! Of a head with a length and a transfer coding hyper takes the coding, as RFC 9112 has it (6.3), and closes the connection
//! behind the answer: what a proxy before it takes for the next request is read by nobody. The length is gone from the fields
//! then, so that it cannot be refused here.

use hyper::header::{HOST, TRANSFER_ENCODING};
use hyper::{Request, Version};

/// Why a head is refused, with status 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadHead {
    /// HTTP/1.1 asks for one.
    #[error("a request of HTTP/1.1 needs a Host")]
    NoHost,
    /// Two servers could each take another one for the true one.
    #[error("a request has one Host")]
    SeveralHosts,
    /// What hyper hands on is what came in chunks, in whatever coding that was.
    #[error("no other Transfer-Encoding than chunked is known here")]
    TransferCoding,
}

/// Checks that a request says once which host it is for, as RFC 9112 asks (3.2), where HTTP/1.0 may leave it out; and that
/// its body is in no coding but in chunks.
///
/// # Errors
/// Where it is not so.
pub fn check_head<B>(request: &Request<B>) -> Result<(), BadHead> {
    let headers = request.headers();
    match headers.get_all(HOST).iter().count() {
        0 if request.version() == Version::HTTP_11 => return Err(BadHead::NoHost),
        0 | 1 => {}
        _ => return Err(BadHead::SeveralHosts),
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let is_chunked = |coding: &[u8]| coding.trim_ascii().eq_ignore_ascii_case(b"chunked");
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if is_chunked(coding.as_bytes()) => Ok(()),
        _ => Err(BadHead::TransferCoding),
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderName;

    use super::*;

    fn checked(version: Version, name: HeaderName, values: &[&str]) -> Result<(), BadHead> {
        let mut request = Request::new(());
        *request.version_mut() = version;
        for value in values {
            request
                .headers_mut()
                .append(name.clone(), value.parse().unwrap());
        }
        check_head(&request)
    }

    #[test]
    fn a_request_says_once_which_host_it_is_for() {
        for (version, hosts, expected) in [
            (Version::HTTP_11, &[][..], Err(BadHead::NoHost)),
            (Version::HTTP_10, &[], Ok(())),
            (Version::HTTP_11, &["a"], Ok(())),
            (Version::HTTP_11, &["a", "a"], Err(BadHead::SeveralHosts)),
            (Version::HTTP_10, &["a", "b"], Err(BadHead::SeveralHosts)),
        ] {
            assert_eq!(checked(version, HOST, hosts), expected);
        }
    }

    #[test]
    fn a_body_comes_in_chunks_and_in_no_other_coding() {
        for (codings, is_known) in [
            (&["chunked"][..], true),
            (&["Chunked "], true),
            (&["gzip, chunked"], false),
            (&["identity, chunked"], false),
            (&["chunked, chunked"], false),
            (&["gzip", "chunked"], false),
            (&["chunked", "chunked"], false),
            (&[""], false),
        ] {
            // without a host that it must have
            let checked = checked(Version::HTTP_10, TRANSFER_ENCODING, codings);
            let expected = if is_known {
                Ok(())
            } else {
                Err(BadHead::TransferCoding)
            };
            assert_eq!(checked, expected, "{codings:?}");
        }
    }
}
