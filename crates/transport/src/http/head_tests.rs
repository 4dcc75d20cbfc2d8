//! Heads of answers, whole and in pieces.

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
fn head(status: u16, body: AnswerBody, of: &str) -> Read {
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
fn body(status_line: &str, lines: &str) -> Result<(AnswerBody, bool), &'static str> {
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
        body: AnswerBody::Length(2),
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
                x: a\n\n";
    assert_eq!(read(text), head(502, AnswerBody::ChunkSize, text));
    let text = "HTTP/1.1 200 OK\r\nContent-Length:\r\n 2\r\n\r\n";
    assert_eq!(read(text), head(200, AnswerBody::Length(2), text));
}

#[test]
fn interim_answers_are_skipped_and_a_switch_of_protocols_ends_the_connection() {
    let interim =
        "HTTP/1.1 100 Continue\r\nx: y\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    let text = format!("{interim}HTTP/1.1 204\r\n\r\n");
    assert_eq!(read(&text), head(204, AnswerBody::Length(0), &text));
    let switch = body("HTTP/1.1 101 Switching", "Content-Length: 2\r\n");
    assert_eq!(switch, Ok((AnswerBody::Length(0), false)));
}

#[test]
fn where_the_body_ends_and_whether_the_connection_is_kept() {
    use AnswerBody::{ChunkSize, Length, UntilClose};
    let (ok, old) = ("HTTP/1.1 200", "HTTP/1.0 200");
    let (length, chunks) = ("Content-Length: 2", "Transfer-Encoding: chunked");
    let most = &format!("Content-Length: {}", u64::MAX);
    let sized = |line: &str| format!("{line}\r\n{length}");
    let both = &sized(chunks);
    for (status_line, lines, expected, is_kept) in [
        (ok, length, Length(2), true),
        (ok, &sized("content-length: 2, 02"), Length(2), true),
        (ok, most, Length(u64::MAX), true),
        (ok, "Content-Length: 0", Length(0), true),
        (ok, "", UntilClose, false),
        (ok, chunks, ChunkSize, true),
        (ok, "Transfer-Encoding: gzip, Chunked", ChunkSize, true),
        (
            ok,
            "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
            ChunkSize,
            true,
        ),
        // chunks count before a length, and a server that sends both gets no other request
        (ok, both, ChunkSize, false),
        // not chunked last: only the server's close ends it
        (ok, "Transfer-Encoding: chunked, gzip", UntilClose, false),
        (ok, &sized("Transfer-Encoding: gzip"), UntilClose, false),
        (ok, &sized("Transfer-Encoding: identity"), Length(2), false),
        // chunks, as all servers that send this mean it, but not for certain
        (ok, "Transfer-Encoding: chunked, identity", ChunkSize, false),
        (ok, &format!("{chunks}\r\n{chunks}"), ChunkSize, false),
        // answers without a body, whatever they say
        ("HTTP/1.1 204", "", Length(0), true),
        // which may follow all the same
        ("HTTP/1.1 204", length, Length(0), false),
        ("HTTP/1.1 204", chunks, Length(0), false),
        ("HTTP/1.1 304", chunks, Length(0), true),
        ("HTTP/1.1 302", length, Length(2), true),
        ("HTTP/1.1 502", length, Length(2), true),
        // HTTP/1.0 knows no chunks, and closes unless it says otherwise
        (old, length, Length(2), false),
        (old, "", UntilClose, false),
        (old, &sized("Connection: Keep-Alive"), Length(2), true),
        (
            old,
            &sized("Connection: keep-alive, close"),
            Length(2),
            false,
        ),
        (old, chunks, UntilClose, false),
        (
            old,
            &format!("Connection: keep-alive\r\n{both}"),
            Length(2),
            false,
        ),
        (ok, &sized("Connection: upgrade, CLOSE"), Length(2), false),
        (
            ok,
            &sized("Connection: x\r\nconnection: close"),
            Length(2),
            false,
        ),
        (ok, &sized("Connection: closed"), Length(2), true),
    ] {
        let ended = if lines.is_empty() { "" } else { "\r\n" };
        let read = body(status_line, &format!("{lines}{ended}"));
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
        "HTTP/1.1 2000 x\n",
        "HTTP/1.1 200OK\n",
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
