//! A caller that writes what it likes, and reads answers as HTTP has them.

use std::fmt::Display;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::Value;

/// Longer than any answer takes.
const LONG: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    /// The body, as text where it is no JSON.
    pub(crate) json: Value,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn code(&self) -> i64 {
        self.json["ErrorCode"].as_i64().unwrap_or(-1)
    }

    /// The objects of a body that is lines.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let lines = self.text.lines();
        lines.map(|it| serde_json::from_str(it).unwrap()).collect()
    }

    /// A field of the head.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(it, _)| *it == name).map(|(_, value)| value)
    }
}

/// A call that is the last one of its connection. `head` are lines of the head.
pub(crate) fn post(path: &str, head: &str, body: impl Display) -> String {
    kept(path, &format!("{head}Connection: close\r\n"), body)
}

/// A request by another method.
pub(crate) fn request(method: &str, path: &str, head: &str, body: impl Display) -> String {
    post(path, head, body).replacen("POST", method, 1)
}

/// A call behind which others may come.
pub(crate) fn kept(path: &str, head: &str, body: impl Display) -> String {
    let body = body.to_string();
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\n{head}Content-Length: {length}\r\n\r\n{body}"
    )
}

impl Stream {
    /// Writes to a daemon that may have heard enough.
    pub(crate) fn say(&mut self, bytes: impl AsRef<[u8]>) {
        drop(self.write_all(bytes.as_ref()));
    }

    /// The next answer; none where the connection was closed before its end.
    pub(crate) fn answer(&mut self) -> Option<Answer> {
        self.set_read_timeout(LONG);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.byte()?);
        }
        let head = String::from_utf8(head).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer {
            status,
            head: head.to_ascii_lowercase(),
            json: Value::Null,
            text: String::new(),
        };
        let length = answer.field("content-length");
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        if self.read_exact(&mut body).is_err() {
            return None;
        }
        answer.text = String::from_utf8_lossy(&body).into_owned();
        let text = || Value::from(answer.text.as_str());
        answer.json = serde_json::from_slice(&body).unwrap_or_else(|_| text());
        Some(answer)
    }

    /// Sends nothing more, and still reads.
    pub(crate) fn ends_sending(&self) {
        let ended = match self {
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
        };
        ended.unwrap();
    }

    fn byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        match self.read(&mut byte) {
            Ok(1) => Some(byte[0]),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock) => {
                panic!("no answer within {LONG:?}")
            }
            _ => None,
        }
    }

    /// Nothing comes any more, and the connection is closed.
    pub(crate) fn assert_closed(&mut self) {
        assert!(self.byte().is_none(), "it goes on");
    }

    fn set_read_timeout(&self, time: Duration) {
        let set = match self {
            Stream::Unix(stream) => stream.set_read_timeout(Some(time)),
            Stream::Tcp(stream) => stream.set_read_timeout(Some(time)),
        };
        set.unwrap();
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Unix(stream) => stream.read(buffer),
            Stream::Tcp(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Unix(stream) => stream.write(bytes),
            Stream::Tcp(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
