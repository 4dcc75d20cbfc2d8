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
use std::time::{Duration, UNIX_EPOCH};

use memchr::{memchr, memchr_iter};

use super::body::{AnswerBody, NO_HTTP};

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
    pub(super) body: AnswerBody,
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

    /// Where the head begins that counts: after the interim ones.
    pub(super) fn begin(&self) -> usize {
        self.begin
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
        if !matches!(rest.get(3), None | Some(b' ' | b'\t' | b'\r')) {
            return None;
        }
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
        // where the answer ends may be read in another way too: the server gets no other request over this connection
        let mut is_doubtful = false;
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
                    // chunks of chunks, or of what follows them
                    is_doubtful |= last_coding_is_chunked == Some(true);
                    last_coding_is_chunked = Some(word.eq_ignore_ascii_case(b"chunked"));
                    info.note_encoding(word);
                }
                // `identity` is no coding, and others take it for one
                is_doubtful |= words(value).count() != encodings(value).count();
            } else if is("content-encoding") {
                encodings(value).for_each(|word| info.note_encoding(word));
            } else if is("date") {
                info.date = date(value);
            }
        }
        // HTTP/1.0 knows no transfer codings
        let body = match last_coding_is_chunked {
            _ if matches!(status, 101 | 204 | 304) => AnswerBody::Length(0),
            Some(true) if !is_http10 => AnswerBody::ChunkSize,
            Some(false) if !is_http10 => AnswerBody::UntilClose,
            _ => length.map_or(AnswerBody::UntilClose, AnswerBody::Length),
        };
        is_doubtful |= last_coding_is_chunked.is_some() && (length.is_some() || is_http10);
        is_doubtful |= status == 204 && (length > Some(0) || last_coding_is_chunked.is_some());
        let closes = closes || (is_http10 && !keeps_alive) || body == AnswerBody::UntilClose;
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

/// The time of a `Date` line, since the Unix epoch.
fn date(value: &[u8]) -> Option<Duration> {
    let date = httpdate::parse_http_date(std::str::from_utf8(value).ok()?).ok()?;
    date.duration_since(UNIX_EPOCH).ok()
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
#[path = "head_tests.rs"]
mod tests;
