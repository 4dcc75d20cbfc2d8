//! Keeps the UserSig out of the text of answers. An error page of a proxy may show the URL,
//! and the text of an answer reaches errors and logs. Each text is covered once, where it leaves the library: there it is
//! complete, in however many pieces it arrived.

use std::collections::HashSet;

use imtag_core::UserSig;

/// So many characters in a row identify a UserSig. Fewer reveal nothing: the first ones are the same in each.
const IDENTIFYING: usize = 16;

/// One character of a text, decoded, and the bytes that it takes there: `%2A` is 3 bytes, and `*`.
struct Unit {
    decoded: u8,
    bytes: usize,
}

/// Replaces each UserSig in `text` by `x`: the whole of it or any part that identifies it, plain or encoded.
pub(crate) fn redact(text: &mut String, usersig: &UserSig) {
    redact_secret(text, usersig.expose());
}

/// The same for a secret of any kind.
pub(crate) fn redact_secret(text: &mut String, secret: &str) {
    let secret = secret.as_bytes();
    if !is_free_of(text.as_bytes(), secret) {
        cover(text, secret);
    }
}

fn cover(text: &mut String, secret: &[u8]) {
    let identifying: HashSet<&[u8]> = secret
        .windows(IDENTIFYING.min(secret.len()).max(1))
        .collect();
    let units = units(text.as_bytes());
    let decoded: Vec<u8> = units.iter().map(|unit| unit.decoded).collect();
    let mut covered = vec![false; units.len()];
    for (at, run) in decoded
        .windows(IDENTIFYING.min(secret.len()).max(1))
        .enumerate()
    {
        if identifying.contains(run) {
            covered[at..at + run.len()].fill(true);
        }
    }
    if !covered.contains(&true) {
        return;
    }
    // characters next to it may be the rest of it, changed on the way
    for at in 1..units.len() {
        covered[at] |= covered[at - 1] && is_usersig_byte(decoded[at]);
    }
    for at in (1..units.len()).rev() {
        covered[at - 1] |= covered[at] && is_usersig_byte(decoded[at - 1]);
    }
    let mut bytes = std::mem::take(text).into_bytes();
    let mut from = 0;
    for (unit, covered) in units.iter().zip(covered) {
        if covered {
            bytes[from..from + unit.bytes].fill(b'x');
        }
        from += unit.bytes;
    }
    *text = String::from_utf8_lossy(&bytes).into_owned();
}

/// True of most texts: none of it is encoded, and no part of it identifies the secret. Such a part would hold a whole block
/// of the text, as it is twice as long.
fn is_free_of(text: &[u8], secret: &[u8]) -> bool {
    const BLOCK: usize = IDENTIFYING / 2;
    let may_be_encoded = text.iter().any(|byte| b"%\\".contains(byte));
    if may_be_encoded || secret.len() < IDENTIFYING {
        return false;
    }
    text.chunks_exact(BLOCK).all(|block| {
        let starts = secret[..=secret.len() - BLOCK].iter().enumerate();
        let mut starts = starts.filter(|(_, byte)| **byte == block[0]);
        starts.all(|(at, _)| secret[at..at + BLOCK] != *block)
    })
}

fn units(text: &[u8]) -> Vec<Unit> {
    let mut units = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.first() {
        let unit = encoded(rest).unwrap_or(Unit {
            decoded: *first,
            bytes: 1,
        });
        rest = &rest[unit.bytes..];
        units.push(unit);
    }
    units
}

/// `%2A`, encoded any number of times (`%252A`), or JSON's `\u002a`, at the start of `text`.
fn encoded(text: &[u8]) -> Option<Unit> {
    let mut prefix = 1;
    if text.starts_with(b"\\u00") {
        prefix = 4;
    } else if text.starts_with(b"%") {
        while text[prefix..].starts_with(b"25") {
            prefix += 2;
        }
    } else {
        return None;
    }
    let digits = text.get(prefix..prefix + 2)?;
    let digit = |at: usize| char::from(digits[at]).to_digit(16);
    Some(Unit {
        decoded: u8::try_from(digit(0)? * 16 + digit(1)?).ok()?,
        bytes: prefix + 2,
    })
}

fn is_usersig_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"*-_%".contains(&byte)
}

#[cfg(test)]
mod tests {
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    const USERSIG: &str = "eJyr*grxCdYrSy1SslJQ*-_end";

    fn redacted(text: &str) -> String {
        let mut text = text.to_owned();
        redact(&mut text, &UserSig::new(USERSIG).unwrap());
        text
    }

    #[test]
    fn a_usersig_is_covered_whole_in_part_and_encoded_and_nothing_else_is() {
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
            ("%25 \\u00 100%2", "%25 \\u00 100%2"),
            ("", ""),
        ] {
            assert_eq!(redacted(text), expected);
        }
    }

    #[test]
    fn the_shortest_identifying_part_is_covered_wherever_it_stands() {
        for from in 0..=USERSIG.len() - IDENTIFYING {
            let part = &USERSIG[from..from + IDENTIFYING];
            for before in 0..2 * IDENTIFYING {
                let before = "é".repeat(before % 2) + &" ".repeat(before / 2);
                for after in ["", " ", " and more than a block of text"] {
                    assert_eq!(
                        redacted(&format!("{before}{part}{after}")),
                        format!("{before}{}{after}", "x".repeat(IDENTIFYING))
                    );
                }
            }
        }
    }

    /// Against what it does without a quick look.
    #[test]
    fn a_quick_look_overlooks_no_part_of_a_usersig() {
        let mut rng = ChaCha8Rng::seed_from_u64(16);
        let mut draw = |below: usize| rng.random_range(0..below);
        let alike = "a".repeat(40);
        let mut found = [0, 0];
        for _ in 0..20_000 {
            // One of 15 characters is shorter than what identifies it; of "aaaa…" each part is like the next.
            let secret = [USERSIG, &USERSIG[..16], &USERSIG[..15], &alike][draw(4)];
            let mut text = String::new();
            for _ in 0..draw(5) {
                let length = [8, 15, 16, 17, secret.len()][draw(5)].min(secret.len());
                let from = draw(secret.len() - length + 1);
                text += &secret[from..from + length];
                text += ["", " ", "é", "%", "\\", "%2A", "b and more than a block"][draw(7)];
            }
            let (mut quick, mut plain) = (text.clone(), text.clone());
            redact(&mut quick, &UserSig::new(secret).unwrap());
            cover(&mut plain, secret.as_bytes());
            assert_eq!(quick, plain, "{text} {secret}");
            found[usize::from(plain != text)] += 1;
        }
        assert!(found.iter().all(|texts| *texts > 1_000), "{found:?}");
    }

    #[test]
    fn any_identifying_part_is_covered_in_each_encoding() {
        let encodings: [fn(u8) -> String; 6] = [
            |byte| char::from(byte).to_string(),
            |byte| format!("%{byte:02X}"),
            |byte| format!("%{byte:02x}"),
            |byte| format!("%25{byte:02X}"),
            |byte| format!("\\u{byte:04x}"),
            |byte| {
                if b"*-_".contains(&byte) {
                    format!("%{byte:02X}")
                } else {
                    char::from(byte).to_string()
                }
            },
        ];
        for encode in encodings {
            for from in 0..=USERSIG.len() - IDENTIFYING {
                for to in from + IDENTIFYING..=USERSIG.len() {
                    let part: String = USERSIG
                        .bytes()
                        .map(encode)
                        .skip(from)
                        .take(to - from)
                        .collect();
                    let covered = "x".repeat(part.len());
                    // of any length, as parts are looked for in blocks
                    let before = " ".repeat((from + to) % IDENTIFYING);
                    assert_eq!(
                        redacted(&format!("{before}={part}&b")),
                        format!("{before}={covered}&b")
                    );
                }
            }
        }
    }
}
