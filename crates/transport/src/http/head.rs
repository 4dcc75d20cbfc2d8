//! The head of an answer, read before ureq sees it. ureq refuses more than 128 lines, an interim answer with lines, and
//! folded lines; proxies send all of these. So ureq gets only the status and the lines that say where the answer ends. The
//! other lines that matter are kept as [`HeadInfo`].
//!
//! ```text
//!          ┌─ 1xx: dropped ─┐
//!          ▼                │
//! ───► collected ── an empty line ── status and what says where the body ends ───► passed on, as the body is
//!          │
//!          └─ no HTTP ───► refused
//! ```

/// The most bytes that the heads of one exchange may have, interim ones included: thousands of lines.
const HEAD_BYTES: usize = 256 * 1024;

/// Enough for most heads that are passed on.
const PASSED_ON_BYTES: usize = 128;

/// How every HTTP answer begins that ureq takes.
const START: &[u8] = b"HTTP/1.";

/// Why a head is refused that has more bytes.
pub(super) const TOO_LONG: &str = "the answer's head is too long";

/// Encodings that do not change a body.
const NO_ENCODING: [&[u8]; 3] = [b"", b"identity", b"chunked"];

#[derive(Debug, Default)]
pub(super) struct Head {
    /// What has arrived, from the first interim head on.
    collected: Vec<u8>,
    /// Where the present head begins.
    begin: usize,
    /// Up to here there is no empty line.
    searched: usize,
}

/// A complete head.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Passed {
    /// For ureq.
    pub(super) passed_on: Vec<u8>,
    /// Whether the body comes in chunks.
    pub(super) chunked: bool,
    /// For ourselves.
    pub(super) info: HeadInfo,
    /// How many of the bytes that were added last belong to the head.
    pub(super) used: usize,
}

/// What a head says beside what ureq gets.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct HeadInfo {
    /// The body's encoding (`gzip`), though the request asks for none.
    pub(super) encoding: Option<String>,
    /// The `Date` line: the server's clock.
    pub(super) date: Option<String>,
}

impl Head {
    /// Adds what has arrived. Returns the head once it is complete, or why it is none.
    pub(super) fn add(&mut self, arrived: &[u8]) -> Result<Option<Passed>, &'static str> {
        let before = self.collected.len();
        self.collected.extend_from_slice(arrived);
        loop {
            let rest = &self.collected[self.begin..];
            let blank = rest.iter().take_while(|byte| b"\r\n".contains(byte));
            self.begin += blank.count();
            let head = &self.collected[self.begin..];
            let same = head.iter().zip(START).all(|(is, should)| is == should);
            let line = head.iter().position(|byte| *byte == b'\n');
            let status = line.map(|end| status(&head[..end]));
            if !same || status == Some(None) {
                return Err("not an HTTP answer");
            }
            let Some(end) = self.end() else {
                if self.collected.len() > HEAD_BYTES {
                    return Err(TOO_LONG);
                }
                return Ok(None);
            };
            // 101 is no interim answer: what follows it is not HTTP
            if matches!(status.flatten(), Some(100 | 102..=199)) {
                self.begin = end;
                self.searched = end;
                continue;
            }
            return Ok(Some(reduced(
                &self.collected[self.begin..end],
                end - before,
            )));
        }
    }

    /// The end of the empty line, if it has come.
    fn end(&mut self) -> Option<usize> {
        let from = self.searched.max(self.begin);
        for (at, _) in line_ends(&self.collected[from..]) {
            let after = &self.collected[from + at + 1..];
            if after.starts_with(b"\n") {
                return Some(from + at + 2);
            }
            if after.starts_with(b"\r\n") {
                return Some(from + at + 3);
            }
        }
        // the last line's end may be half of what is looked for
        self.searched = self.collected.len().saturating_sub(2);
        None
    }
}

fn line_ends(bytes: &[u8]) -> impl Iterator<Item = (usize, &u8)> {
    let bytes = bytes.iter().enumerate();
    bytes.filter(|(_, byte)| **byte == b'\n')
}

/// The status of `HTTP/1.1 200 OK`.
fn status(line: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(line.get(..START.len() + 5)?).ok()?;
    let (_, status) = line.split_once(' ')?;
    status
        .parse()
        .ok()
        .filter(|status| (100..=999).contains(status))
}

/// The head that ureq gets, and what is kept of it; other lines are dropped. ureq logs what it gets, so no free text of
/// the server is passed on: no reason phrase, and no value that is not of the expected form.
fn reduced(head: &[u8], used: usize) -> Passed {
    let head = unfolded(head);
    let lines = head.split(|byte| *byte == b'\n');
    let mut lines = lines.filter(|line| !line.is_empty());
    let status = lines.next().unwrap_or_default();
    let status = &status[..status.len().min(START.len() + 5)];
    let mut passed_on = Vec::with_capacity(PASSED_ON_BYTES);
    passed_on.extend([status, b"\r\n"].into_iter().flatten());
    let mut chunked = false;
    let mut date = None;
    let mut encodings = Vec::new();
    for line in lines {
        let mut parts = line.splitn(2, |byte| *byte == b':').map(<[u8]>::trim_ascii);
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else {
            continue;
        };
        let is = |expected: &str| name.eq_ignore_ascii_case(expected.as_bytes());
        if is("content-length") {
            let is_length = |byte: &u8| byte.is_ascii_digit() || b" \t,".contains(byte);
            let known = value.iter().all(is_length);
            keep(
                &mut passed_on,
                "content-length",
                if known { value } else { b"x" },
            );
        } else if is("connection") {
            for token in ["close", "keep-alive"] {
                if words(value).any(|word| word.eq_ignore_ascii_case(token.as_bytes())) {
                    keep(&mut passed_on, "connection", token.as_bytes());
                }
            }
        } else if is("transfer-encoding") {
            if words(value).any(|word| word.eq_ignore_ascii_case(b"chunked")) {
                chunked = true;
                keep(&mut passed_on, "transfer-encoding", b"chunked");
            }
            encodings.extend(words(value));
        } else if is("content-encoding") {
            encodings.extend(words(value));
        } else if is("date") {
            date = Some(String::from_utf8_lossy(value).into_owned());
        }
    }
    passed_on.extend_from_slice(b"\r\n");
    encodings.retain(|word| {
        !NO_ENCODING
            .iter()
            .any(|none| word.eq_ignore_ascii_case(none))
    });
    let encoding = (!encodings.is_empty()).then(|| encodings.join(b", ".as_slice()));
    Passed {
        // HTTP/1.0 knows no chunks
        chunked: chunked && !passed_on.starts_with(b"HTTP/1.0"),
        passed_on,
        info: HeadInfo {
            encoding: encoding.map(|it| String::from_utf8_lossy(&it).into_owned()),
            date,
        },
        used,
    }
}

/// Adds a line unless it is there already.
fn keep(lines: &mut Vec<u8>, name: &'static str, value: &[u8]) {
    let before = lines.len();
    lines.extend(
        [name.as_bytes(), b": ", value, b"\r\n"]
            .into_iter()
            .flatten(),
    );
    let (present, line) = lines.split_at(before);
    if present
        .split_inclusive(|byte| *byte == b'\n')
        .any(|it| it == line)
    {
        lines.truncate(before);
    }
}

/// The words of a list.
fn words(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// The lines of a head, one that goes on in the next line as one, behind a `\n` each.
fn unfolded(head: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(head.len() + 1);
    for line in head.split(|byte| *byte == b'\n') {
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            lines.push(b'\n');
        }
        lines.extend_from_slice(line.trim_ascii_end());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read = Result<Option<Passed>, &'static str>;

    fn whole(passed_on: &str, info: HeadInfo, used: usize) -> Read {
        Ok(Some(Passed {
            passed_on: passed_on.into(),
            chunked: false,
            info,
            used,
        }))
    }

    /// What comes of `answer`, whole and byte by byte.
    fn read(answer: &str) -> Read {
        let at_once = Head::default().add(answer.as_bytes());
        let mut head = Head::default();
        let mut bytes = answer.as_bytes().chunks(1).enumerate();
        let piecemeal = bytes.find_map(|(at, byte)| {
            let mut passed = head.add(byte).transpose()?;
            passed.iter_mut().for_each(|it| it.used = at + 1);
            Some(passed)
        });
        assert_eq!(piecemeal.transpose(), at_once);
        at_once
    }

    #[test]
    fn only_the_lines_that_say_where_the_answer_ends_are_passed_on() {
        let lines: String = (0..1_000)
            .map(|n| format!("x-{n}: some value\r\n"))
            .collect();
        let head = format!(
            "HTTP/1.1 200 OK\r\nServer: s\r\n{lines}CONTENT-LENGTH : 2\r\nno colon\r\nempty:\r\n\
             date: Sun, 29 Nov 2026 10:58:03 GMT\r\nConnection: close\r\n\r\n"
        );
        let info = HeadInfo {
            encoding: None,
            date: Some("Sun, 29 Nov 2026 10:58:03 GMT".to_owned()),
        };
        let expected = "HTTP/1.1 200\r\ncontent-length: 2\r\nconnection: close\r\n\r\n";
        assert_eq!(read(&head), whole(expected, info.clone(), head.len()));
        let used = Head::default().add(format!("{head}{{}}").as_bytes());
        assert_eq!(used, whole(expected, info, head.len()));
    }

    #[test]
    fn a_line_may_be_folded_repeated_and_end_without_a_carriage_return() {
        let head = "\r\nHTTP/1.0 502 Bad\nX: a\n  b: c\nTransfer-Encoding:\n\tchunked\n\
                    transfer-encoding: chunked\n\n";
        let expected = "HTTP/1.0 502\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(read(head), whole(expected, HeadInfo::default(), head.len()));
    }

    #[test]
    fn interim_answers_are_dropped_and_a_switch_of_protocols_is_passed_on() {
        let interim =
            "HTTP/1.1 100 Continue\r\nx: y\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
        let head = format!("{interim}HTTP/1.1 204\r\n\r\n");
        let expected = "HTTP/1.1 204\r\n\r\n";
        assert_eq!(
            read(&head),
            whole(expected, HeadInfo::default(), head.len())
        );
        let head = "HTTP/1.1 101 Switching\r\n\r\n";
        let expected = "HTTP/1.1 101\r\n\r\n";
        assert_eq!(read(head), whole(expected, HeadInfo::default(), head.len()));
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
            let passed = read(&format!("HTTP/1.1 200 OK\r\n{lines}\r\n"));
            let info = passed.unwrap().unwrap().info;
            assert_eq!(info.encoding.as_deref(), encoding, "{lines}");
        }
    }

    #[test]
    fn what_is_not_http_is_refused_at_once() {
        for answer in [
            "SSH-2.0-x",
            "<",
            "HTTP/2 200\r\n",
            "HTTP/1.1 ok\r\n",
            "HTTP/1.1 20\n",
        ] {
            let added = Head::default().add(answer.as_bytes());
            assert_eq!(added, Err("not an HTTP answer"));
        }
        assert_eq!(read("HTTP/1.1 200 OK\r\nx: y\r\n"), Ok(None));
    }

    #[test]
    fn no_text_of_the_server_is_passed_on() {
        let head = "HTTP/1.1 200 eJyr\r\nContent-Length: eJyr\r\nconnection: eJyr, Close\r\n\
                    Transfer-Encoding: eJyr, Chunked\r\neJyr: eJyr\r\n\r\n";
        let passed = read(head).unwrap().unwrap();
        let expected = "HTTP/1.1 200\r\ncontent-length: x\r\nconnection: close\r\n\
                        transfer-encoding: chunked\r\n\r\n";
        assert_eq!(String::from_utf8(passed.passed_on).unwrap(), expected);
        assert!(passed.chunked);
    }

    #[test]
    fn a_head_that_does_not_end_is_too_long() {
        let mut head = Head::default();
        let line = format!("x: {}\r\n", "y".repeat(1_000));
        assert_eq!(head.add(b"HTTP/1.1 200 OK\r\n"), Ok(None));
        let added = (0..300).map(|_| head.add(line.as_bytes()));
        let added: Vec<_> = added.take_while(|it| *it == Ok(None)).collect();
        assert_eq!(added.len(), 260);
        let mut head = Head::default();
        let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(20_000);
        assert_eq!(head.add(interim.as_bytes()), Err(TOO_LONG));
    }
}
