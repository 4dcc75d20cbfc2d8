//! The path and query of a call's URL.

use imtag_core::{Identifier, SdkAppId};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::random::random_u32;

/// All but what RFC 3986 calls unreserved: letters, digits and `-._~`.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Path and query, with a new `random` each time. The value of `usersig` is empty: `http::usersig` puts it in behind ureq,
/// which logs URLs.
pub(crate) fn path_and_query(path: &str, sdkappid: SdkAppId, identifier: &Identifier) -> String {
    let identifier = utf8_percent_encode(identifier.as_str(), RESERVED);
    let random = random_u32();
    format!(
        "{path}?sdkappid={sdkappid}&identifier={identifier}&usersig=&random={random}&contenttype=json"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_of_any_characters_fits_into_a_query() {
        let identifier = Identifier::new("a&b=c-1._~ 管").unwrap();
        let query = path_and_query("v4", SdkAppId::new(1_400_000_000).unwrap(), &identifier);
        let expected =
            "v4?sdkappid=1400000000&identifier=a%26b%3Dc-1._~%20%E7%AE%A1&usersig=&random=";
        assert!(query.starts_with(expected), "{query}");
    }
}
