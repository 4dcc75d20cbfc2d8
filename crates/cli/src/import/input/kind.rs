//! What a file is that is not UTF-8 text with rows: people import what their programs save, so a sentence names what it is
//! and says what to do instead. Its first bytes tell a file that holds no rows, and text in UTF-16 or UTF-32; the bytes
//! around the first that is not UTF-8 tell another encoding. That is a guess, and says so; only the message depends on it.

use std::fmt;

/// The first bytes of a file; what it is, and what to do.
const SIGNATURES: [(&[u8], &str); 22] = [
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLD_EXCEL),
    (b"PK\x05\x06", ZIP),
    (b"PK\x07\x08", ZIP),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"),
    (b"Rar!\x1a\x07", "a RAR archive: unpack it first"),
    (b"\xfd7zXZ\0", "packed with xz: unpack it first (xz -d)"),
    (b"BZh", "packed with bzip2: unpack it first (bzip2 -d)"),
    (
        b"\x04\x22\x4d\x18",
        "packed with lz4: unpack it first (lz4 -d)",
    ),
    (
        b"\x1f\x9d",
        "packed with compress: unpack it first (uncompress)",
    ),
    (
        b"\x1f\x8b",
        "packed twice: unpack it once (gzip -d or zstd -d)",
    ),
    (
        b"\x28\xb5\x2f\xfd",
        "packed twice: unpack it once (gzip -d or zstd -d)",
    ),
    (
        b"%PDF-",
        "a PDF document: export the table in it as CSV UTF-8",
    ),
    (b"PAR1", "a Parquet file: export it as CSV UTF-8"),
    (b"ORC", "an ORC file: export it as CSV UTF-8"),
    (b"Obj\x01", "an Avro file: export it as CSV UTF-8"),
    (b"ARROW1", "an Arrow file: export it as CSV UTF-8"),
    (
        b"SQLite format 3\0",
        "a SQLite database: export the table in it as CSV UTF-8",
    ),
    (b"{\\rtf", "an RTF document: save it as plain text in UTF-8"),
    (b"\x89PNG\r\n", PICTURE),
    (b"\xff\xd8\xff", PICTURE),
    (b"GIF8", PICTURE),
    (b"\x7fELF", "a program: give a CSV file in UTF-8"),
];

const EXCEL: &str = "an Excel workbook: export it as CSV UTF-8, and import that";
const OLD_EXCEL: &str =
    "an Excel workbook, or another document of Office: export it as CSV UTF-8, and import that";
const OPEN_DOCUMENT: &str = "an OpenDocument file: export it as CSV in UTF-8, and import that";
const ZIP: &str = "a zip archive: unpack it first";
const PICTURE: &str = "a picture: give a CSV file in UTF-8";

/// Where a tar archive names its format.
const TAR: usize = 257;

/// What a file is that is no text, and what to do. `start` is unpacked.
pub(crate) fn binary(start: &[u8]) -> Option<&'static str> {
    if start.starts_with(b"PK\x03\x04") {
        return Some(zipped(start));
    }
    if start.get(TAR..).is_some_and(|it| it.starts_with(b"ustar")) {
        return Some("a tar archive: unpack it first (tar -xf)");
    }
    let known = SIGNATURES
        .iter()
        .find(|(bytes, _)| start.starts_with(bytes));
    known.map(|(_, kind)| *kind)
}

/// An Office document is a zip archive that names its parts.
fn zipped(start: &[u8]) -> &'static str {
    let holds = |name: &[u8]| memchr::memmem::find(start, name).is_some();
    if holds(b"application/vnd.oasis.opendocument") {
        OPEN_DOCUMENT
    } else if holds(b"xl/") || holds(b"[Content_Types].xml") {
        EXCEL
    } else {
        ZIP
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

/// What a text is whose rows are written in another way than an import reads, and what to do. `start` is without a byte
/// order mark.
pub(crate) fn other_text(start: &[u8]) -> Option<&'static str> {
    let start = start.trim_ascii_start();
    match start.first()? {
        b'[' => Some(
            "a JSON array: write an object a line (jq -c '.[]'), such as {\"To_Account\":\"alice\",\"Tags\":[\"vip\"]}",
        ),
        b'{' => json(start),
        b'<' if starts_with(start, b"<?xml") => Some("XML: export it as CSV UTF-8"),
        b'<' => Some("HTML: export the table in it as CSV UTF-8"),
        _ => None,
    }
}

/// An object that is not on a line by itself.
fn json(start: &[u8]) -> Option<&'static str> {
    if start[1..].trim_ascii_start().starts_with(b"\"UserTags\"") {
        return Some("the body of a request: write an object a line (jq -c '.UserTags[]')");
    }
    let ends = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let (line, rest) = start.split_at(start.iter().position(ends)?);
    let rest = rest.trim_ascii();
    // after a row that was cut off the next row follows
    let opens = matches!(line.trim_ascii_end().last(), Some(b'[' | b':'));
    let goes_on = !rest.is_empty() && (opens || !rest.starts_with(b"{"));
    let is_cut = |error: serde_json::Error| error.is_eof();
    let whole: Result<serde::de::IgnoredAny, _> = serde_json::from_slice(line);
    (goes_on && whole.is_err_and(is_cut)).then_some(
        "JSON over several lines: write an object a line (jq -c . or, for an array in it, jq -c '.NAME[]')",
    )
}

fn starts_with(start: &[u8], name: &[u8]) -> bool {
    let head = start.get(..name.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(name))
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_archives_and_tables_of_other_programs_are_named() {
        let mut tar = vec![b'a'; 512];
        tar[TAR..TAR + 5].copy_from_slice(b"ustar");
        for (start, name) in [
            (
                b"PK\x03\x04....[Content_Types].xml".as_slice(),
                "an Excel workbook: export it as CSV UTF-8",
            ),
            (
                b"PK\x03\x04....xl/workbook.xml",
                "an Excel workbook: export it as CSV UTF-8",
            ),
            (
                b"PK\x03\x04....mimetypeapplication/vnd.oasis.opendocument.spreadsheet",
                "an OpenDocument file",
            ),
            (b"PK\x03\x04....users.csv", "a zip archive: unpack it first"),
            (b"PK\x05\x06", "a zip archive"),
            (
                b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
                "an Excel workbook, or another document",
            ),
            (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
            (b"\xfd7zXZ\0", "packed with xz"),
            (b"BZh91AY", "packed with bzip2"),
            (b"\x1f\x8b\x08", "packed twice"),
            (b"%PDF-1.7", "a PDF document"),
            (b"PAR1", "a Parquet file"),
            (b"SQLite format 3\0", "a SQLite database"),
            (b"{\\rtf1", "an RTF document"),
            (b"\n <!DOCTYPE html>", "HTML"),
            (b"<table>", "HTML"),
            (b"<?xml version", "XML"),
            (b"\x7fELF\x02", "a program"),
            (b"\x89PNG\r\n\x1a\n", "a picture"),
            (&tar, "a tar archive"),
        ] {
            let found = binary(start)
                .or_else(|| other_text(start))
                .unwrap_or("nothing");
            assert!(found.starts_with(name), "{found} is not {name}");
        }
    }

    #[test]
    fn json_that_is_not_an_object_a_line_is_named_and_a_line_that_is_cut_is_not() {
        let array = "a JSON array: write an object a line (jq -c '.[]')";
        let several = "JSON over several lines: write an object a line (jq -c .";
        for (start, name) in [
            ("[{\"To_Account\":\"a\",\"Tags\":[\"x\"]}]", array),
            ("\n [\n", array),
            ("{\n  \"To_Account\": \"a\",\n", several),
            ("{\"users\": [\n  {\"To_Account\": \"a\"}\n]}", several),
            (
                "{\"UserTags\":[{\"To_Account\":\"a\"}]}",
                "the body of a request",
            ),
            ("{\n  \"UserTags\": [", "the body of a request"),
            ("{\"To_Account\":\"a\",\"Tags\":[\"x\"]}\n{", ""),
            ("{\"To_Account\":\"a\"\n{\"To_Account\":\"b\"", ""),
            ("{\"To_Account\":\"a\"\n\n", ""),
            ("{\"To_Account\":\"a\"", ""),
            ("{}x\nalice", ""),
            ("account,tag\n", ""),
            ("", ""),
        ] {
            let found = other_text(start.as_bytes()).unwrap_or_default();
            assert!(found.starts_with(name), "{start:?}: {found}");
            assert_eq!(found.is_empty(), name.is_empty(), "{start:?}");
        }
    }

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
        assert_eq!(wide(&text_in(text, false)), Some("UTF-16LE"));
        assert_eq!(wide(&text_in(text, true)), Some("UTF-16BE"));
        assert_eq!(wide(b"\xff\xfea\0"), Some("UTF-16"));
        assert_eq!(wide(b"\xfe\xff\0a"), Some("UTF-16"));
        assert_eq!(wide(b"\xff\xfe\0\0"), Some("UTF-32"));
        assert_eq!(wide(text.as_bytes()), None);
        assert_eq!(wide(b"account,tag\nal\0ice,vip\n"), None);
        assert_eq!(wide(b""), None);
    }
}
