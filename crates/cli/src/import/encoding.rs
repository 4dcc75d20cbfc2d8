//! What a file is written in that is not UTF-8, as far as its bytes tell: a message that names the encoding and the
//! command that converts it saves a search. It is a guess, and said to be one; nothing else depends on it.

use std::fmt;

/// Bytes around the first place that is not UTF-8 that are looked at.
pub(crate) const WINDOW: usize = 4096;

/// What a text probably is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Gbk,
    Big5,
    Windows1252,
    /// UTF-8 all the same, of which a character was cut or overwritten.
    DamagedUtf8,
}

impl Encoding {
    /// By the bytes around the first place that is not UTF-8.
    pub(crate) fn guess(window: &[u8]) -> Encoding {
        let (valid, invalid) = characters(window);
        if valid > invalid {
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

/// How many characters beyond ASCII a text has that are UTF-8, and how many pieces that are not.
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
            // 北京 of which the last byte was cut off
            (
                b"alice,\xe5\x8c\x97\xe4\xba\nbob,vip\n",
                Encoding::DamagedUtf8,
            ),
        ] {
            let shown = String::from_utf8_lossy(text);
            // as many valid characters as invalid ones is no sign
            let text = if expected == Encoding::DamagedUtf8 {
                [text, "carol,上海\n".as_bytes()].concat()
            } else {
                text.to_vec()
            };
            assert_eq!(Encoding::guess(&text), expected, "{shown}");
        }
    }

    #[test]
    fn the_remedy_is_a_command() {
        assert_eq!(
            Encoding::Gbk.to_string(),
            "it is probably GBK or GB18030 (else Big5 or another): export it as CSV UTF-8, or convert it with iconv -f \
             GB18030 -t UTF-8"
        );
    }
}
