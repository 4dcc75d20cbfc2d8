//! Files that hold no rows, known by their first bytes: people import what their programs save, so a sentence names what
//! it is and says what to do instead.

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
}
