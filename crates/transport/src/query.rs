//! The path and query of a call's URL.

use imtag_core::{Identifier, SdkAppId};

use crate::random::random_u32;

/// Path and query, with a `random` of its own each time. The value of `usersig` is left empty: it is put in on the
/// way out, where nothing can show it.
pub(crate) fn path_and_query(path: &str, sdkappid: SdkAppId, identifier: &Identifier) -> String {
    let identifier = percent_encoded(identifier.as_str());
    let random = random_u32();
    format!(
        "{path}?sdkappid={sdkappid}&identifier={identifier}&usersig=&random={random}&contenttype=json"
    )
}

/// For a query's value: all but letters, digits and `-._~` as %XX.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::percent_encoded;

    #[test]
    fn an_identifier_of_any_characters_fits_into_a_query() {
        assert_eq!(percent_encoded("admin-1._~"), "admin-1._~");
        assert_eq!(percent_encoded("a&b=c 管"), "a%26b%3Dc%20%E7%AE%A1");
    }
}
