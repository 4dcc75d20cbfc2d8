//! The encoding of a file that is not UTF-8, as far as its bytes tell: a message that names it, and the command that
//! converts it, saves a search. It is a guess, and says so; only the message depends on it.

use std::fmt;

/// Bytes around the first that is not UTF-8, by which the encoding is guessed.
pub(crate) const WINDOW: usize = 4096;

/// What a text probably is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Gbk,
    Big5,
    Windows1252,
    /// Each half of a UTF-16 pair, encoded as if it were a character of UTF-8.
    Cesu8,
    /// UTF-8 in which a character was cut or overwritten.
    DamagedUtf8,
}

impl Encoding {
    /// By the bytes around the first that is not UTF-8.
    pub(crate) fn guess(window: &[u8]) -> Encoding {
        if window.windows(6).any(is_pair_of_halves) {
            return Encoding::Cesu8;
        }
        let (valid, invalid) = characters(window);
        if valid > invalid || (invalid == 1 && ends_within_a_character(window)) {
            return Encoding::DamagedUtf8;
        }
        let (mut alone, mut pairs, mut low_trails) = (0, 0, 0);
        let mut bytes = window;
        while let Some((&lead, rest)) = bytes.split_first() {
            bytes = rest;
            if lead.is_ascii() {
                continue;
            }
            match rest.first() {
                Some(&trail) if !trail.is_ascii() => {
                    (pairs, bytes) = (pairs + 1, &rest[1..]);
                }
                // the second byte of Big5, and of the rarer characters of GBK
                Some(&trail) if matches!(trail, 0x40..=0x7e) && pairs > alone => {
                    (pairs, low_trails, bytes) = (pairs + 1, low_trails + 1, &rest[1..]);
                }
                _ => alone += 1,
            }
        }
        if alone > pairs {
            Encoding::Windows1252
        } else if low_trails * 5 > pairs {
            Encoding::Big5
        } else {
            Encoding::Gbk
        }
    }
}

/// True for a character beyond U+FFFF in CESU-8.
fn is_pair_of_halves(bytes: &[u8]) -> bool {
    matches!(
        bytes,
        [
            0xed,
            0xa0..=0xaf,
            0x80..=0xbf,
            0xed,
            0xb0..=0xbf,
            0x80..=0xbf
        ]
    )
}

/// True if the last two or three bytes begin a character of UTF-8. One byte may be a letter of another encoding.
fn ends_within_a_character(window: &[u8]) -> bool {
    let last = window.utf8_chunks().last();
    let rest = last.map_or(&[][..], |chunk| chunk.invalid());
    rest.len() > 1 && std::str::from_utf8(rest).is_err_and(|error| error.error_len().is_none())
}

/// How many characters beyond ASCII are valid UTF-8, and how many pieces are not.
fn characters(window: &[u8]) -> (usize, usize) {
    let (mut valid, mut invalid) = (0, 0);
    for chunk in window.utf8_chunks() {
        valid += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        invalid += usize::from(!chunk.invalid().is_empty());
    }
    (valid, invalid)
}

/// The end of a sentence: what it probably is, and what to do.
impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (likely, name) = match self {
            Encoding::Gbk => ("GBK or GB18030 (else Big5 or another)", "GB18030"),
            Encoding::Big5 => ("Big5 (else GBK or another)", "BIG5"),
            Encoding::Windows1252 => (
                "Windows-1252 or Latin-1 (else GBK or another)",
                "WINDOWS-1252",
            ),
            Encoding::Cesu8 => {
                return f.write_str(
                    "it is CESU-8, which some databases write in place of it: export the file again as UTF-8 (utf8mb4 \
                     in MySQL, AL32UTF8 in Oracle)",
                );
            }
            Encoding::DamagedUtf8 => {
                return f.write_str(
                    "the text around it is, so that a character was probably cut or overwritten: put it right, or \
                     export the file again",
                );
            }
        };
        write!(
            f,
            "it is probably {likely}: export it as CSV UTF-8, or convert it with iconv -f {name} -t UTF-8"
        )
    }
}

/// The name of UTF-16 or UTF-32, which begin with a byte order mark or have a zero byte beside each letter. `start` is
/// the start of the file.
pub(crate) fn wide(start: &[u8]) -> Option<&'static str> {
    if start.starts_with(b"\xff\xfe\0\0") || start.starts_with(b"\0\0\xfe\xff") {
        return Some("UTF-32");
    }
    if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") {
        return Some("UTF-16");
    }
    let zeros = |first: usize| {
        let bytes = start.iter().skip(first).step_by(2);
        bytes.filter(|byte| **byte == 0).count()
    };
    // ASCII, such as a header, has its zeros in one of two places; few characters have one in the other
    match (zeros(0), zeros(1)) {
        (even, odd) if odd >= 4 && even * 4 < odd => Some("UTF-16LE"),
        (even, odd) if even >= 4 && odd * 4 < even => Some("UTF-16BE"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_encodings_are_told_apart() {
        for (text, expected) in [
            // 北京, 上海 in GBK
            (
                b"alice,\xb1\xb1\xbe\xa9\nbob,\xc9\xcf\xba\xa3\n".as_slice(),
                Encoding::Gbk,
            ),
            // 金牌會員, 一般 in Big5
            (
                b"alice,\xaa\xf7\xb5P\xb7|\xad\xfb\nbob,\xa4@\xaf\xeb\n",
                Encoding::Big5,
            ),
            (b"alice,caf\xe9\nbob,na\xefve\n", Encoding::Windows1252),
            (b"alice,Stra\xdfe\n", Encoding::Windows1252),
            (b"u1,caf\xe9", Encoding::Windows1252),
            // 北京 of which the last byte was cut off, beside as many characters that are whole
            (
                b"alice,\xe5\x8c\x97\xe4\xba\nbob,vip\ncarol,\xe4\xb8\x8a\n",
                Encoding::DamagedUtf8,
            ),
            // a character that the end cuts off
            (b"u1,\xf0\x9f\x98", Encoding::DamagedUtf8),
            (b"u1,\xf0\x9f", Encoding::DamagedUtf8),
            (b"u1,\xe5\x8c", Encoding::DamagedUtf8),
            // 😀 by halves
            (b"u1,\xed\xa0\xbd\xed\xb8\x80\n", Encoding::Cesu8),
        ] {
            let shown = String::from_utf8_lossy(text);
            assert_eq!(Encoding::guess(text), expected, "{shown}");
        }
        assert!(Encoding::Cesu8.to_string().starts_with("it is CESU-8, "));
    }

    #[test]
    fn utf_16_is_told_with_and_without_its_mark() {
        let text_in = |text: &str, big: bool| -> Vec<u8> {
            let bytes = |unit: u16| {
                if big {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                }
            };
            text.encode_utf16().flat_map(bytes).collect()
        };
        let text = "account,tag\n北京,贵宾\n一,一\n";
        assert_eq!(super::wide(&text_in(text, false)), Some("UTF-16LE"));
        assert_eq!(super::wide(&text_in(text, true)), Some("UTF-16BE"));
        assert_eq!(super::wide(b"\xff\xfea\0"), Some("UTF-16"));
        assert_eq!(super::wide(b"\xfe\xff\0a"), Some("UTF-16"));
        assert_eq!(super::wide(b"\xff\xfe\0\0"), Some("UTF-32"));
        assert_eq!(super::wide(text.as_bytes()), None);
        assert_eq!(super::wide(b"account,tag\nal\0ice,vip\n"), None);
        assert_eq!(super::wide(b""), None);
    }
}
