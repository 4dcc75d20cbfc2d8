//! What hyper leaves to a server of what a head must have.

use hyper::header::HOST;
use hyper::{Request, Version};

/// Why a head is refused, with status 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadHost {
    /// HTTP/1.1 asks for one.
    #[error("a request of HTTP/1.1 needs a Host")]
    None,
    /// Two servers could each take another one for the true one.
    #[error("a request has one Host")]
    Several,
}

/// Checks that a request says once which host it is for, as RFC 9112 asks (3.2); HTTP/1.0 may leave it out.
///
/// # Errors
/// Where it does not.
pub fn check_host<B>(request: &Request<B>) -> Result<(), BadHost> {
    match request.headers().get_all(HOST).iter().count() {
        0 if request.version() == Version::HTTP_11 => Err(BadHost::None),
        0 | 1 => Ok(()),
        _ => Err(BadHost::Several),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_once_which_host_it_is_for() {
        for (version, hosts, expected) in [
            (Version::HTTP_11, &[][..], Err(BadHost::None)),
            (Version::HTTP_10, &[], Ok(())),
            (Version::HTTP_11, &["a"], Ok(())),
            (Version::HTTP_11, &["a", "a"], Err(BadHost::Several)),
            (Version::HTTP_10, &["a", "b"], Err(BadHost::Several)),
        ] {
            let mut request = Request::new(());
            *request.version_mut() = version;
            for host in hosts {
                request.headers_mut().append(HOST, host.parse().unwrap());
            }
            assert_eq!(check_host(&request), expected);
        }
    }
}
