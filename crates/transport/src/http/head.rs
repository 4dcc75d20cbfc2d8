//! The head of an answer: its status, where its body ends (RFC 9112, section 6), and whether the server keeps the
//! connection (section 9). All other lines may say anything: proxies send hundreds of them, fold them, and send interim
//! answers before.
//!
//! ```text
//!          ┌─ 1xx: skipped ─┐
//!          ▼                │
//! ───► arrived ── an empty line ── another status ───► Head, and the body as it is
//!          │
//!          └─ no HTTP, or too long ───► refused
//! ```

use std::borrow::Cow;
use std::time::Duration;

use memchr::{memchr, memchr_iter};

use crate::error::seconds_of;

use super::body::{Body, NO_HTTP};

/// The most bytes that the heads of one exchange may have, interim ones included: thousands of lines.
const HEAD_BYTES: usize = 256 * 1024;

/// Why a head is refused that has more bytes.
const TOO_LONG: &str = "the answer's head is too long";

/// Encodings that do not change a body.
const NO_ENCODING: [&[u8]; 2] = [b"", b"identity"];

/// A complete head.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) body: Body,
    /// Where it begins, in what has arrived.
    pub(super) body_begin: usize,
    /// The server takes another request after the body.
    pub(super) is_kept: bool,
    pub(super) info: HeadInfo,
}

/// What a head says beside its status and where the answer ends.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct HeadInfo {
    /// The body's encoding (`gzip`), though the request asks for none.
    pub(super) encoding: Option<String>,
    /// The `Date` line: the server's clock, since the Unix epoch.
    pub(super) date: Option<Duration>,
}

/// How far a head that arrives in pieces has been read.
#[derive(Debug, Default)]
pub(super) struct HeadReader {
    /// Where the present head begins: after the interim ones.
    begin: usize,
    /// Up to here there is no empty line.
    searched: usize,
}

/// The line that a head begins with.
#[derive(Clone, Copy)]
struct StatusLine {
    is_http10: bool,
    status: u16,
}

impl HeadReader {
    /// Reads all that has arrived of an answer so far. Returns the head once it is complete, or why it is none.
    pub(super) fn read(&mut self, arrived: &[u8]) -> Result<Option<Head>, &'static str> {
        loop {
            let blank = arrived[self.begin..].iter();
            self.begin += blank.take_while(|byte| b"\r\n".contains(byte)).count();
            let head = &arrived[self.begin..];
            let same = head.iter().zip(b"HTTP/1.").all(|(is, should)| is == should);
            let line = memchr(b'\n', head);
            let line = line.map(|end| StatusLine::read(&head[..end]).ok_or(NO_HTTP));
            let line = line.transpose()?;
            if !same {
                return Err(NO_HTTP);
            }
            let (Some(line), Some(end)) = (line, self.end(arrived)) else {
                if arrived.len() > HEAD_BYTES {
                    return Err(TOO_LONG);
                }
                return Ok(None);
            };
            // 101 is no interim answer: what follows it is not HTTP
            if matches!(line.status, 100 | 102..=199) {
                self.begin = end;
                self.searched = end;
                continue;
            }
            let head = Head::read(line, &arrived[self.begin..end], end);
            return head.map(Some).ok_or(NO_HTTP);
        }
    }

    /// The end of the empty line, if it has come.
    fn end(&mut self, arrived: &[u8]) -> Option<usize> {
        let mut at = self.searched.max(self.begin);
        while let Some(line) = memchr(b'\n', &arrived[at..]) {
            at += line + 1;
            match &arrived[at..] {
                [b'\n', ..] => return Some(at + 1),
                [b'\r', b'\n', ..] => return Some(at + 2),
                _ => {}
            }
        }
        // the last line's end may be half of what is looked for
        self.searched = arrived.len().saturating_sub(2);
        None
    }
}

impl StatusLine {
    /// Reads `HTTP/1.1 200 OK`. Nothing depends on the reason.
    fn read(line: &[u8]) -> Option<StatusLine> {
        let (version, rest) = line.split_at_checked(b"HTTP/1.1 ".len())?;
        let status = std::str::from_utf8(rest.get(..3)?).ok()?;
        let status = status.parse().ok().filter(|status| *status >= 100)?;
        let is_http10 = match version {
            b"HTTP/1.1 " => false,
            b"HTTP/1.0 " => true,
            _ => return None,
        };
        Some(StatusLine { is_http10, status })
    }
}

impl Head {
    /// Reads a complete head, after which the body begins at `body_begin`. `None`: its lines contradict each other.
    fn read(line: StatusLine, head: &[u8], body_begin: usize) -> Option<Head> {
        let StatusLine { is_http10, status } = line;
        let (mut length, mut last_coding_is_chunked) = (None, None);
        let (mut closes, mut keeps_alive) = (false, false);
        let mut info = HeadInfo::default();
        let head = unfolded(head);
        for line in head.split(|byte| *byte == b'\n').skip(1) {
            let Some(colon) = memchr(b':', line) else {
                continue;
            };
            let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
            let is = |expected: &str| name.eq_ignore_ascii_case(expected.as_bytes());
            if is("content-length") {
                // a list of equal ones is one; what differs, or is no number, may be an attack
                for number in words(value) {
                    let number = decimal(number)?;
                    if *length.get_or_insert(number) != number {
                        return None;
                    }
                }
            } else if is("connection") {
                for word in words(value) {
                    closes |= word.eq_ignore_ascii_case(b"close");
                    keeps_alive |= word.eq_ignore_ascii_case(b"keep-alive");
                }
            } else if is("transfer-encoding") {
                for word in encodings(value) {
                    last_coding_is_chunked = Some(word.eq_ignore_ascii_case(b"chunked"));
                    info.note_encoding(word);
                }
            } else if is("content-encoding") {
                encodings(value).for_each(|word| info.note_encoding(word));
            } else if is("date") {
                info.date = std::str::from_utf8(value).ok().and_then(seconds_of);
            }
        }
        // HTTP/1.0 knows no transfer codings
        let body = match last_coding_is_chunked {
            _ if matches!(status, 101 | 204 | 304) => Body::Length(0),
            Some(true) if !is_http10 => Body::ChunkSize,
            Some(false) if !is_http10 => Body::UntilClose,
            _ => length.map_or(Body::UntilClose, Body::Length),
        };
        let is_doubtful = last_coding_is_chunked.is_some() && (length.is_some() || is_http10);
        let closes = closes || (is_http10 && !keeps_alive) || body == Body::UntilClose;
        Some(Head {
            status,
            body,
            body_begin,
            is_kept: status != 101 && !is_doubtful && !closes,
            info,
        })
    }
}

impl HeadInfo {
    fn note_encoding(&mut self, word: &[u8]) {
        if word.eq_ignore_ascii_case(b"chunked") {
            return;
        }
        let encoding = self.encoding.get_or_insert_default();
        if !encoding.is_empty() {
            encoding.push_str(", ");
        }
        encoding.push_str(&String::from_utf8_lossy(word));
    }
}

/// The words of a list.
fn words(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// The words that name an encoding.
fn encodings(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    words(list).filter(|word| {
        let is_none = |none: &&[u8]| word.eq_ignore_ascii_case(none);
        !NO_ENCODING.iter().any(is_none)
    })
}

/// A number of digits alone: Rust would also read a sign.
fn decimal(digits: &[u8]) -> Option<u64> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// A head whose lines end in `\n` each, where one that goes on in the next line is one.
fn unfolded(head: &[u8]) -> Cow<'_, [u8]> {
    let is_fold = |line_end: usize| matches!(head.get(line_end + 1), Some(b' ' | b'\t'));
    if !memchr_iter(b'\n', head).any(is_fold) {
        return Cow::Borrowed(head);
    }
    let mut lines = Vec::with_capacity(head.len());
    for line in head.split(|byte| *byte == b'\n') {
        if !lines.is_empty() && !line.starts_with(b" ") && !line.starts_with(b"\t") {
            lines.push(b'\n');
        }
        lines.extend_from_slice(line.trim_ascii_end());
    }
    Cow::Owned(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read = Result<Option<Head>, &'static str>;

    /// What comes of `answer`, whole and byte by byte.
    #[track_caller]
    fn read(answer: &str) -> Read {
        let at_once = HeadReader::default().read(answer.as_bytes());
        let mut reader = HeadReader::default();
        let mut ends = 1..=answer.len();
        let piecemeal = ends.find_map(|end| reader.read(&answer.as_bytes()[..end]).transpose());
        assert_eq!(piecemeal.transpose(), at_once);
        at_once
    }

    /// A head of an answer that is kept.
    fn head(status: u16, body: Body, of: &str) -> Read {
        Ok(Some(Head {
            status,
            body,
            body_begin: of.len(),
            is_kept: true,
            info: HeadInfo::default(),
        }))
    }

    /// The body of an answer with these lines, and whether the connection is kept.
    #[track_caller]
    fn body(status_line: &str, lines: &str) -> Result<(Body, bool), &'static str> {
        let read = read(&format!("{status_line}\r\n{lines}\r\n"))?.unwrap();
        Ok((read.body, read.is_kept))
    }

    #[test]
    fn only_the_lines_that_matter_are_read_of_any_number() {
        let lines: String = (0..1_000)
            .map(|n| format!("x-{n}: some value\r\n"))
            .collect();
        let text = format!(
            "HTTP/1.1 200 OK\r\nServer: s\r\n{lines}CONTENT-LENGTH : 2\r\nno colon\r\nempty:\r\n\
             date: Sun, 29 Nov 2026 10:58:03 GMT\r\nConnection: close\r\n\r\n"
        );
        let expected = Head {
            status: 200,
            body: Body::Length(2),
            body_begin: text.len(),
            is_kept: false,
            info: HeadInfo {
                encoding: None,
                date: Some(Duration::from_secs(1_795_949_883)),
            },
        };
        assert_eq!(read(&text), Ok(Some(expected)));
        let with_body = HeadReader::default().read(format!("{text}{{}}").as_bytes());
        assert_eq!(with_body.unwrap().unwrap().body_begin, text.len());
    }

    #[test]
    fn a_line_may_be_folded_repeated_and_end_without_a_carriage_return() {
        let text = "\r\nHTTP/1.1 502 Bad\nX: a\n  b: c\nTransfer-Encoding:\n\tchunked\n\
                    transfer-encoding: chunked\n\n";
        assert_eq!(read(text), head(502, Body::ChunkSize, text));
        let text = "HTTP/1.1 200 OK\r\nContent-Length:\r\n 2\r\n\r\n";
        assert_eq!(read(text), head(200, Body::Length(2), text));
    }

    #[test]
    fn interim_answers_are_skipped_and_a_switch_of_protocols_ends_the_connection() {
        let interim =
            "HTTP/1.1 100 Continue\r\nx: y\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
        let text = format!("{interim}HTTP/1.1 204\r\n\r\n");
        assert_eq!(read(&text), head(204, Body::Length(0), &text));
        let switch = body("HTTP/1.1 101 Switching", "Content-Length: 2\r\n");
        assert_eq!(switch, Ok((Body::Length(0), false)));
    }

    #[test]
    fn where_the_body_ends_and_whether_the_connection_is_kept() {
        let (length, chunks) = ("Content-Length: 2\r\n", "Transfer-Encoding: chunked\r\n");
        let both = &format!("{length}{chunks}");
        for (status_line, lines, expected, is_kept) in [
            ("HTTP/1.1 200 OK", length, Body::Length(2), true),
            (
                "HTTP/1.1 200",
                "content-length: 2, 02\r\nContent-Length: 2\r\n",
                Body::Length(2),
                true,
            ),
            (
                "HTTP/1.1 200",
                "Content-Length: 18446744073709551615\r\n",
                Body::Length(u64::MAX),
                true,
            ),
            (
                "HTTP/1.1 200",
                "Content-Length: 0\r\n",
                Body::Length(0),
                true,
            ),
            ("HTTP/1.1 200", "", Body::UntilClose, false),
            ("HTTP/1.1 200", chunks, Body::ChunkSize, true),
            (
                "HTTP/1.1 200",
                "Transfer-Encoding: gzip, Chunked\r\n",
                Body::ChunkSize,
                true,
            ),
            (
                "HTTP/1.1 200",
                "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
                Body::ChunkSize,
                true,
            ),
            // chunks count before a length, and a server that sends both gets no other request
            ("HTTP/1.1 200", both, Body::ChunkSize, false),
            // not chunked last: only the server's close ends it
            (
                "HTTP/1.1 200",
                "Transfer-Encoding: chunked, gzip\r\n",
                Body::UntilClose,
                false,
            ),
            (
                "HTTP/1.1 200",
                "Transfer-Encoding: gzip\r\nContent-Length: 2\r\n",
                Body::UntilClose,
                false,
            ),
            (
                "HTTP/1.1 200",
                "Transfer-Encoding: identity\r\nContent-Length: 2\r\n",
                Body::Length(2),
                true,
            ),
            // answers without a body, whatever they say
            ("HTTP/1.1 204 No Content", length, Body::Length(0), true),
            ("HTTP/1.1 304 Not Modified", chunks, Body::Length(0), true),
            ("HTTP/1.1 302 Found", length, Body::Length(2), true),
            ("HTTP/1.1 502", length, Body::Length(2), true),
            // HTTP/1.0 knows no chunks, and closes unless it says otherwise
            ("HTTP/1.0 200", length, Body::Length(2), false),
            ("HTTP/1.0 200", "", Body::UntilClose, false),
            (
                "HTTP/1.0 200",
                "Connection: Keep-Alive\r\nContent-Length: 2\r\n",
                Body::Length(2),
                true,
            ),
            (
                "HTTP/1.0 200",
                "Connection: keep-alive, close\r\nContent-Length: 2\r\n",
                Body::Length(2),
                false,
            ),
            ("HTTP/1.0 200", chunks, Body::UntilClose, false),
            (
                "HTTP/1.0 200",
                &format!("Connection: keep-alive\r\n{both}"),
                Body::Length(2),
                false,
            ),
            (
                "HTTP/1.1 200",
                "Connection: upgrade, CLOSE\r\nContent-Length: 2\r\n",
                Body::Length(2),
                false,
            ),
            (
                "HTTP/1.1 200",
                "Connection: x\r\nconnection: close\r\nContent-Length: 2\r\n",
                Body::Length(2),
                false,
            ),
            (
                "HTTP/1.1 200",
                "Connection: closed\r\nContent-Length: 2\r\n",
                Body::Length(2),
                true,
            ),
        ] {
            let read = body(status_line, lines);
            assert_eq!(read, Ok((expected, is_kept)), "{status_line} {lines}");
        }
    }

    #[test]
    fn lengths_that_differ_or_are_no_number_are_refused() {
        for value in [
            "1, 2",
            "1\r\nContent-Length: 2",
            "+2",
            "-2",
            "2 2",
            "0x2",
            "2.0",
            "",
            "2,",
            ",2",
            "x",
            "18446744073709551616",
            "2;",
        ] {
            for beside in ["", "Transfer-Encoding: chunked\r\n"] {
                let lines = format!("Content-Length: {value}\r\n{beside}");
                assert_eq!(body("HTTP/1.1 200 OK", &lines), Err(NO_HTTP), "{lines}");
            }
        }
    }

    #[test]
    fn an_encoding_is_noted_unless_it_leaves_the_body_as_it_is() {
        for (lines, encoding) in [
            ("content-encoding: gzip\r\n", Some("gzip")),
            ("Content-Encoding: deflate, br\r\n", Some("deflate, br")),
            ("transfer-encoding: gzip, chunked\r\n", Some("gzip")),
            ("content-encoding: Identity\r\n", None),
            ("content-encoding:\r\ntransfer-encoding: chunked\r\n", None),
            ("x-content-encoding: gzip\r\n", None),
        ] {
            let head = read(&format!("HTTP/1.1 200 OK\r\n{lines}\r\n"));
            let info = head.unwrap().unwrap().info;
            assert_eq!(info.encoding.as_deref(), encoding, "{lines}");
        }
    }

    #[test]
    fn what_is_not_http_is_refused_at_once() {
        for answer in [
            "SSH-2.0-x",
            "<",
            "HTTP/2 200\r\n",
            "HTTP/1.2 200\r\n",
            "HTTP/1.x 200\r\n",
            "HTTP/1.1 ok\r\n",
            "HTTP/1.1 20\n",
            "HTTP/1.1 099\n",
            "HTTP/1.1  200\n",
            "HTTP/1.1 +20\n",
        ] {
            let read = HeadReader::default().read(answer.as_bytes());
            assert_eq!(read, Err(NO_HTTP), "{answer}");
        }
        assert_eq!(read("HTTP/1.1 200 OK\r\nx: y\r\n"), Ok(None));
    }

    #[test]
    fn a_head_that_does_not_end_is_too_long() {
        let line = format!("x: {}\r\n", "y".repeat(1_000));
        let endless = format!("HTTP/1.1 200 OK\r\n{}", line.repeat(300)).into_bytes();
        let mut reader = HeadReader::default();
        let ends = (1..).map(|pieces| pieces * 1_024);
        let mut read = ends.map(|end| (end, reader.read(&endless[..end])));
        let refused = read.find(|(_, read)| *read != Ok(None));
        assert_eq!(refused, Some((HEAD_BYTES + 1_024, Err(TOO_LONG))));
        let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(20_000);
        let read = HeadReader::default().read(interim.as_bytes());
        assert_eq!(read, Err(TOO_LONG));
    }
}
