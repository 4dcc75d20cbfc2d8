//! Keeps the UserSig out of what an answer says. The service does not repeat it, but a proxy's error page may show
//! the URL that it could not serve, and what an answer says reaches errors and, from there, logs.

use imtag_core::UserSig;

/// So many first characters tell a UserSig; the start of each is the same, so that showing less gives nothing away.
const TELLING: usize = 16;

/// Puts `x` over each UserSig in `bytes`, whole or cut off, so that they stay as many as they are.
pub(crate) fn mask(bytes: &mut [u8], usersig: &UserSig) {
    for sign in signs(usersig) {
        let mut from = 0;
        while let Some(found) = find(&bytes[from..], sign.as_bytes()) {
            let start = from + found;
            let rest = bytes[start..].iter();
            from = start + rest.take_while(|byte| of_a_usersig(**byte)).count();
            bytes[start..from].fill(b'x');
        }
    }
}

/// The same for text.
pub(crate) fn redact(text: &mut String, usersig: &UserSig) {
    let mut bytes = std::mem::take(text).into_bytes();
    mask(&mut bytes, usersig);
    *text = String::from_utf8_lossy(&bytes).into_owned();
}

fn find(bytes: &[u8], sign: &[u8]) -> Option<usize> {
    bytes.windows(sign.len()).position(|part| part == sign)
}

/// Also of one that a URL encodes.
fn of_a_usersig(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"*-_%".contains(&byte)
}

/// What tells the UserSig, as it is and as a URL may encode it.
fn signs(usersig: &UserSig) -> [String; 3] {
    let telling: String = usersig.expose().chars().take(TELLING).collect();
    let upper = telling.replace('*', "%2A");
    let lower = telling.replace('*', "%2a");
    [telling, upper, lower]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usersig_is_covered_whole_cut_off_and_encoded_and_nothing_else_is() {
        let usersig = UserSig::new("eJyr*grxCdYrSy1SslJQ*-_end").unwrap();
        for (text, expected) in [
            (
                "北 eJyr*grxCdYrSy1SslJQ*-_end b",
                "北 xxxxxxxxxxxxxxxxxxxxxxxxxx b",
            ),
            (
                "sig=eJyr%2AgrxCdYrSy1SslJQ%2A&random=1",
                "sig=xxxxxxxxxxxxxxxxxxxxxxxxx&random=1",
            ),
            ("\"eJyr%2agrxCdYrSy1SslJ\"", "\"xxxxxxxxxxxxxxxxxxxxx\""),
            (
                "eJyr*grxCdYrSy1S eJyr*grxCdYrSy1S",
                "xxxxxxxxxxxxxxxx xxxxxxxxxxxxxxxx",
            ),
            ("eJyr*grxCdYrSy1", "eJyr*grxCdYrSy1"),
            ("", ""),
        ] {
            let mut redacted = text.to_owned();
            redact(&mut redacted, &usersig);
            assert_eq!(redacted, expected);
        }
    }
}
