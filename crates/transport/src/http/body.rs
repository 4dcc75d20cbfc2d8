//! The body of an answer: which of its bytes are content, and where it ends (RFC 9112, sections 6 and 7). A state machine
//! without a socket: it looks at what has arrived, and says what the first bytes of that are.
//!
//! ```text
//! Length ──► so many bytes: content ──► the end            UntilClose ──► content, until the server closes
//!
//!               ┌──────────── ChunkEnd ◄────────────┐
//!               ▼                                   │
//! chunks: ChunkSize ── size ──► Chunk ── content ───┘
//!               └───── 0 ─────► Trailers ── an empty line ──► the end
//! ```

use memchr::memchr2;

/// The longest line between chunks.
const LINE_BYTES: usize = 16 * 1024;

/// Why an answer is refused that has a longer one.
const LONG_LINE: &str = "a line between the answer's chunks is too long";

/// Why an answer is refused that is none of HTTP.
pub(super) const NO_HTTP: &str = "not an HTTP answer";

/// What of a body comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnswerBody {
    /// So many bytes of content. After none, it has ended.
    Length(u64),
    /// Content until the server closes.
    UntilClose,
    /// The line with the size of the next chunk.
    ChunkSize,
    /// So many bytes of content of a chunk.
    Chunk(u64),
    /// The line end after a chunk.
    ChunkEnd,
    /// Lines after the last chunk, and an empty one.
    Trailers,
}

/// What the first bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyPart {
    /// So many are content.
    Content(usize),
    /// So many only say where content is.
    Framing(usize),
    /// More must arrive before this is known.
    Incomplete,
    /// None of them belongs to the body: it has ended.
    End,
}

impl AnswerBody {
    /// Takes the next part of what has arrived, or says why it is no body.
    pub(super) fn take(&mut self, arrived: &[u8]) -> Result<BodyPart, &'static str> {
        match self {
            AnswerBody::Length(0) => Ok(BodyPart::End),
            _ if arrived.is_empty() => Ok(BodyPart::Incomplete),
            AnswerBody::Length(left) => Ok(content(left, arrived)),
            AnswerBody::UntilClose => Ok(BodyPart::Content(arrived.len())),
            AnswerBody::Chunk(left) => {
                let part = content(left, arrived);
                if *left == 0 {
                    *self = AnswerBody::ChunkEnd;
                }
                Ok(part)
            }
            AnswerBody::ChunkEnd => match arrived {
                [b'\r', b'\n', ..] => {
                    *self = AnswerBody::ChunkSize;
                    Ok(BodyPart::Framing(2))
                }
                [b'\r'] => Ok(BodyPart::Incomplete),
                _ => Err(NO_HTTP),
            },
            AnswerBody::ChunkSize | AnswerBody::Trailers => {
                let end = arrived.windows(2).position(|bytes| bytes == b"\r\n");
                if end.unwrap_or(arrived.len()) > LINE_BYTES {
                    return Err(LONG_LINE);
                }
                let Some(end) = end else {
                    return Ok(BodyPart::Incomplete);
                };
                let line = &arrived[..end];
                if memchr2(b'\r', b'\n', line).is_some() {
                    return Err(NO_HTTP); // others may take the line for two
                }
                *self = match self {
                    AnswerBody::ChunkSize => match chunk_size(line).ok_or(NO_HTTP)? {
                        0 => AnswerBody::Trailers,
                        size => AnswerBody::Chunk(size),
                    },
                    _ if end == 0 => AnswerBody::Length(0),
                    _ => AnswerBody::Trailers,
                };
                Ok(BodyPart::Framing(end + 2))
            }
        }
    }

    /// True if a body may end here without its end: by its nature, or as servers leave out the empty line after the last
    /// chunk.
    pub(super) fn ends_by_close(self) -> bool {
        matches!(self, AnswerBody::UntilClose | AnswerBody::Trailers)
    }
}

/// Takes all content that has arrived, of so many bytes that are `left`.
fn content(left: &mut u64, arrived: &[u8]) -> BodyPart {
    let taken = usize::try_from(*left).map_or(arrived.len(), |left| left.min(arrived.len()));
    *left -= taken as u64;
    BodyPart::Content(taken)
}

/// The size in the line before a chunk. Extensions stand behind a semicolon, and are ignored.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next()?;
    let digits = std::str::from_utf8(digits).ok()?.trim_matches([' ', '\t']);
    // a sign is none, though Rust would read it
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// The content of a body that arrives in pieces that end there, what follows it, and whether it is whole. A body that
    /// is closed early is `Ok(None)`.
    fn pieces(
        mut body: AnswerBody,
        bytes: &str,
        ends: impl Iterator<Item = usize>,
    ) -> Result<Option<(String, String)>, &'static str> {
        let (mut at, mut content) = (0, Vec::new());
        for end in ends.chain([bytes.len()]) {
            loop {
                let arrived = &bytes.as_bytes()[at..end.max(at)];
                match body.take(arrived)? {
                    BodyPart::Content(length) => {
                        content.extend_from_slice(&arrived[..length]);
                        at += length;
                    }
                    BodyPart::Framing(length) => at += length,
                    BodyPart::Incomplete => break,
                    BodyPart::End => {
                        let content = String::from_utf8(content).unwrap();
                        return Ok(Some((content, bytes[at..].to_owned())));
                    }
                }
            }
        }
        let content = String::from_utf8(content).unwrap();
        Ok(body.ends_by_close().then_some((content, String::new())))
    }

    /// What comes of a body, whole, in two pieces and byte by byte.
    #[track_caller]
    fn read(body: AnswerBody, bytes: &str) -> Result<Option<(String, String)>, &'static str> {
        let whole = pieces(body, bytes, 0..0);
        let beyond = match &whole {
            Ok(Some((_, beyond))) => beyond.len(),
            _ => 0,
        };
        let step = 1 + bytes.len() / 100; // of long ones not each byte
        for end in (0..bytes.len() - beyond).step_by(step) {
            assert_eq!(pieces(body, bytes, end..=end), whole, "{bytes} {end}");
        }
        let ends = (0..bytes.len()).step_by(step);
        assert_eq!(pieces(body, bytes, ends), whole, "{bytes}");
        whole
    }

    #[test]
    fn a_body_ends_where_its_length_or_the_server_says() {
        let whole = |content: &str, beyond: &str| Ok(Some((content.to_owned(), beyond.to_owned())));
        assert_eq!(read(AnswerBody::Length(0), ""), whole("", ""));
        assert_eq!(read(AnswerBody::Length(0), "HTTP"), whole("", "HTTP"));
        assert_eq!(read(AnswerBody::Length(5), "5\r\n{}"), whole("5\r\n{}", ""));
        assert_eq!(read(AnswerBody::Length(2), "{}HTTP"), whole("{}", "HTTP"));
        assert_eq!(read(AnswerBody::Length(3), "{}"), Ok(None));
        assert_eq!(read(AnswerBody::Length(u64::MAX), "{}"), Ok(None));
        assert_eq!(
            read(AnswerBody::UntilClose, "5\r\n{}"),
            whole("5\r\n{}", "")
        );
        assert_eq!(read(AnswerBody::UntilClose, ""), whole("", ""));
    }

    #[test]
    fn the_content_of_chunks_is_found_and_nothing_else_is_taken_for_it() {
        let long = "v".repeat(LINE_BYTES - 2);
        for (bytes, content, beyond) in [
            ("2\r\n{}\r\n0\r\n\r\n", "{}", ""),
            (
                "1\r\n{\r\nA\r\n0\r\n\r\n12345\r\n0\r\n\r\n",
                "{0\r\n\r\n12345",
                "",
            ),
            ("0\r\n\r\n", "", ""),
            ("2\r\n{}\r\n0\r\n\r\nHTTP", "{}", "HTTP"),
            // extensions, white space, leading zeros
            ("2;n=v\r\n{}\r\n0;last\r\n\r\n", "{}", ""),
            (
                "2 ; n = \"a;b, a longer one than 20 bytes\"\r\n{}\r\n0\r\n\r\n",
                "{}",
                "",
            ),
            (" 2\t\r\n{}\r\n0 \r\n\r\n", "{}", ""),
            ("0000000000000000000000002\r\n{}\r\n000\r\n\r\n", "{}", ""),
            (&format!("2;{long}\r\n{{}}\r\n0\r\n\r\n"), "{}", ""),
            // lines after the last chunk
            ("2\r\n{}\r\n0\r\nx: y\r\nz: 1\r\n\r\n", "{}", ""),
            // servers leave out the empty line
            ("2\r\n{}\r\n0\r\n", "{}", ""),
            ("2\r\n{}\r\n0\r\nx: y", "{}", ""),
        ] {
            let whole = Ok(Some((content.to_owned(), beyond.to_owned())));
            assert_eq!(read(AnswerBody::ChunkSize, bytes), whole, "{bytes}");
        }
    }

    #[test]
    fn chunks_of_another_form_are_refused_and_a_body_without_its_end_is_not_whole() {
        let long = "v".repeat(LINE_BYTES);
        for (bytes, expected) in [
            ("\r\n{}", Err(NO_HTTP)),
            ("; n=v\r\n{}", Err(NO_HTTP)),
            ("{}\r\n", Err(NO_HTTP)),
            ("+2\r\n{}\r\n0\r\n\r\n", Err(NO_HTTP)),
            ("-2\r\n", Err(NO_HTTP)),
            ("0x2\r\n", Err(NO_HTTP)),
            ("2 2\r\n", Err(NO_HTTP)),
            ("10000000000000000\r\n", Err(NO_HTTP)),
            // no line end after a chunk, or another
            ("2\r\n{}2\r\n", Err(NO_HTTP)),
            ("2\r\n{}\n0\r\n\r\n", Err(NO_HTTP)),
            ("2\r\n{}\r0\r\n\r\n", Err(NO_HTTP)),
            ("2\r\n{}\r\n\r\n0\r\n\r\n", Err(NO_HTTP)),
            ("2\n{}\r\n0\r\n\r\n", Err(NO_HTTP)),
            // a line that may be taken for two
            ("2\n\r\n{}\r\n0\r\n\r\n", Err(NO_HTTP)),
            ("2;\n\r\n{}\r\n0\r\n\r\n", Err(NO_HTTP)),
            ("2;\r\r\n{}\r\n0\r\n\r\n", Err(NO_HTTP)),
            ("2\r\n{}\r\n0\r\nx: y\n\r\n\r\n", Err(NO_HTTP)),
            ("\x0c2\r\n{}\r\n0\r\n\r\n", Err(NO_HTTP)),
            (&format!("2;{long}\r\n"), Err(LONG_LINE)),
            (&format!("0\r\nx{long}"), Err(LONG_LINE)),
            // closed early
            ("", Ok(None)),
            ("2", Ok(None)),
            ("2\r\n{", Ok(None)),
            ("2\r\n{}", Ok(None)),
            ("2\r\n{}\r\n", Ok(None)),
            ("2\r\n{}\r\n0", Ok(None)),
            ("ffffffffffffffff\r\n{}", Ok(None)),
        ] {
            assert_eq!(read(AnswerBody::ChunkSize, bytes), expected, "{bytes}");
        }
    }

    /// Against the content that was cut into chunks.
    #[test]
    fn any_content_is_read_from_any_chunks_in_any_pieces() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut draw = |below: usize| rng.random_range(0..below);
        let alphabet = b"\r\n0;a:";
        for _ in 0..2_000 {
            let content: String = (0..draw(40))
                .map(|_| char::from(alphabet[draw(alphabet.len())]))
                .collect();
            let (mut bytes, mut rest) = (String::new(), content.as_str());
            while !rest.is_empty() {
                let (chunk, later) = rest.split_at(1 + draw(rest.len()));
                let extension = ["", ";", " ; n=v"][draw(3)];
                bytes += &format!("{:x}{extension}\r\n{chunk}\r\n", chunk.len());
                rest = later;
            }
            bytes += ["0\r\n\r\n", "00;n\r\nx: y\r\n\r\n"][draw(2)];
            let mut ends: Vec<usize> = (0..draw(6)).map(|_| draw(bytes.len())).collect();
            ends.sort_unstable();
            let expected = Ok(Some((content, String::new())));
            let read = pieces(AnswerBody::ChunkSize, &bytes, ends.iter().copied());
            assert_eq!(read, expected, "{bytes:?} {ends:?}");
            // cut short anywhere before the last chunk's line, it is not whole
            let cut = draw(bytes.rfind("\r\n0").map_or(1, |at| at + 2));
            let read = pieces(AnswerBody::ChunkSize, &bytes[..cut], 0..0);
            assert_ne!(read, expected, "{bytes:?} {cut}");
        }
    }
}
