//! One request to the daemon, over a connection of its own: sent whole or in part, its answer read whole, in part or not at
//! all.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How a caller goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Whole,
    /// The first bytes of the answer are read.
    HalfRead,
    /// Nothing of the answer is read.
    HangsUp,
    /// Not all of the body is sent.
    HalfSent,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Heard {
    Answer(Answer),
    /// All was sent, and no whole answer read: it may be done.
    Nothing,
    /// Not all was sent: it is not done.
    NotSent,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = Value> {
        self.body
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_default())
    }
}

/// A request: `POST`, `/v1/changes`, further lines of its head, its body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'r> {
    pub(super) method: &'r str,
    pub(super) target: &'r str,
    pub(super) head: &'r str,
    pub(super) body: &'r str,
}

impl Request<'_> {
    pub(super) fn exchange(self, socket: &Path, manner: Manner, time: Duration) -> Heard {
        let Ok(mut stream) = UnixStream::connect(socket) else {
            return Heard::NotSent;
        };
        let Request {
            method,
            target,
            head,
            body,
        } = self;
        let text = format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{head}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut sent = text.as_bytes();
        if manner == Manner::HalfSent && !body.is_empty() {
            sent = &sent[..sent.len() - body.len() / 2 - 1];
        }
        let limited = stream
            .set_read_timeout(Some(time))
            .and_then(|()| stream.set_write_timeout(Some(time)));
        if limited.is_err() || stream.write_all(sent).is_err() || manner == Manner::HalfSent {
            return Heard::NotSent;
        }
        match manner {
            Manner::HangsUp => {
                drop(stream.shutdown(Shutdown::Both));
                Heard::Nothing
            }
            Manner::HalfRead => {
                let mut some = [0; 40];
                drop(stream.read(&mut some));
                Heard::Nothing
            }
            _ => read(stream, time).map_or(Heard::Nothing, Heard::Answer),
        }
    }

    /// Read whole by one who has patience.
    pub(super) fn answer(self, socket: &Path) -> Option<Answer> {
        match self.exchange(socket, Manner::Whole, Duration::from_secs(20)) {
            Heard::Answer(answer) => Some(answer),
            Heard::Nothing | Heard::NotSent => None,
        }
    }
}

/// The answer; nothing if it is not whole.
fn read(mut stream: UnixStream, time: Duration) -> Option<Answer> {
    let until = Instant::now() + time;
    let (mut text, mut part) = (Vec::new(), [0; 16 * 1024]);
    loop {
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(count) => text.extend_from_slice(&part[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
        if Instant::now() > until {
            return None;
        }
    }
    let text = String::from_utf8(text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    let length = fields.find(|field| field.0.eq_ignore_ascii_case("content-length"))?;
    let is_whole = length.1.parse() == Ok(body.len());
    let body = body.to_owned();
    is_whole.then_some(Answer { status, body })
}
