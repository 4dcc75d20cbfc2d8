//! The head of a request. All but the path, the UserSig, a random number and the length is the same for each call of a
//! client, and is made once.
//!
//! ```text
//! POST /v4/…?sdkappid=1400000000&identifier=a&usersig=eJyr…&random=1&contenttype=json HTTP/1.1   lines   length
//!      path └────────── before ─────────────────────┘ UserSig      random └──────────── after ─────────────┘
//! ```

use std::io::Write;

use imtag_core::{Identifier, SdkAppId, UserSig};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

use crate::endpoint::Endpoint;

/// Enough for what is written between the parts: names, numbers and line ends.
const BETWEEN_BYTES: usize = 64;

/// All but what RFC 3986 calls unreserved: letters, digits and `-._~`.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What the heads of a client's requests share.
pub(super) struct RequestHead {
    /// From the path to the UserSig.
    before: String,
    /// From the random number to the length.
    after: String,
}

impl RequestHead {
    pub(super) fn new(
        endpoint: &Endpoint,
        sdkappid: SdkAppId,
        identifier: &Identifier,
    ) -> RequestHead {
        let identifier = utf8_percent_encode(identifier.as_str(), RESERVED);
        let host = endpoint.authority();
        let version = env!("CARGO_PKG_VERSION");
        RequestHead {
            before: format!("?sdkappid={sdkappid}&identifier={identifier}&usersig="),
            after: format!(
                "&contenttype=json HTTP/1.1\r\n\
                 host: {host}\r\n\
                 content-type: application/json\r\n\
                 accept: */*\r\n\
                 accept-encoding: identity\r\n\
                 user-agent: libimtag/{version}\r\n\
                 content-length: "
            ),
        }
    }

    /// Writes the head of a request with a body of so many bytes to `out`, which the caller wipes once it is sent: it
    /// holds the UserSig.
    pub(super) fn write(
        &self,
        path: &str,
        usersig: &UserSig,
        random: u32,
        body: usize,
        out: &mut Zeroizing<Vec<u8>>,
    ) {
        let usersig = usersig.expose();
        let parts = path.len() + self.before.len() + usersig.len() + self.after.len();
        out.clear(); // it was wiped
        // now, as a vector that grows with the UserSig in it leaves a copy behind
        out.reserve(parts + BETWEEN_BYTES);
        let (before, after) = (&self.before, &self.after);
        let written = write!(
            out,
            "POST /{path}{before}{usersig}&random={random}{after}{body}\r\n\r\n"
        );
        written.expect("a vector takes all that is written to it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(identifier: &str) -> RequestHead {
        let endpoint = Endpoint::parse("http://127.0.0.1:8080").unwrap();
        let app = SdkAppId::new(1_400_000_000).unwrap();
        RequestHead::new(&endpoint, app, &Identifier::new(identifier).unwrap())
    }

    fn write(head: &RequestHead, usersig: &str, out: &mut Zeroizing<Vec<u8>>) -> String {
        head.write("v4", &UserSig::new(usersig).unwrap(), 7, 2, out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn a_head_is_whole() {
        let mut out = Zeroizing::default();
        for usersig in ["eJyr", "eJ"] {
            let expected = format!(
                "POST /v4?sdkappid=1400000000&identifier=admin&usersig={usersig}&random=7&contenttype=json HTTP/1.1\r\n\
                 host: 127.0.0.1:8080\r\n\
                 content-type: application/json\r\n\
                 accept: */*\r\n\
                 accept-encoding: identity\r\n\
                 user-agent: libimtag/{}\r\n\
                 content-length: 2\r\n\r\n",
                env!("CARGO_PKG_VERSION")
            );
            assert_eq!(write(&head("admin"), usersig, &mut out), expected);
        }
    }

    #[test]
    fn an_identifier_of_any_characters_fits_into_a_query() {
        let text = write(&head("a&b=c-1._~ 管"), "eJyr", &mut Zeroizing::default());
        let expected = "&identifier=a%26b%3Dc-1._~%20%E7%AE%A1&usersig=eJyr&random=7&";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn a_buffer_does_not_move_while_a_usersig_is_in_it() {
        let head = head("admin");
        for usersig in ["a".to_owned(), "a".repeat(5_000)] {
            let mut out = Zeroizing::default();
            let path = "v4/a_path_as_long_as_the_longest_one_is";
            head.write(
                path,
                &UserSig::new(&*usersig).unwrap(),
                u32::MAX,
                usize::MAX,
                &mut out,
            );
            // all that was reserved, of which the longest numbers take no more
            let reserved = path.len() + head.before.len() + usersig.len() + head.after.len();
            assert!(out.len() <= reserved + BETWEEN_BYTES);
            let at = out.as_ptr();
            write(&head, "b", &mut out);
            assert_eq!(out.as_ptr(), at);
        }
    }
}
