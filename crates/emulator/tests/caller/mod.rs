//! A caller for tests: HTTP written by hand over one socket, so that nothing stands between a test and the wire.

#![allow(dead_code, clippy::unwrap_used)] // each test file uses a part of it, and all of it is test code

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use imtag_core::{Identifier, UserSig};
use imtag_emulator::{Emulator, Generation, Operation, Route};
use serde_json::{Value, json};

/// A test that waits longer than this has found a bug.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Caller<S = TcpStream> {
    stream: BufReader<S>,
    query: String,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", String::from_utf8_lossy(&self.body)))
    }

    /// What the admin API says is wrong.
    pub(crate) fn error(&self) -> String {
        let json_type = "content-type: application/json\r\n";
        assert!(self.head.contains(json_type), "{}", self.head);
        let json = self.json();
        assert_eq!(json.as_object().unwrap().len(), 1, "{json}");
        json["error"].as_str().unwrap().to_owned()
    }

    pub(crate) fn code(&self) -> i64 {
        assert_eq!(self.status, 200);
        let json = self.json();
        let code = json["ErrorCode"].as_i64().unwrap();
        assert_eq!(json["ActionStatus"], if code == 0 { "OK" } else { "FAIL" });
        code
    }

    /// The accounts of the `ErrorList` with their codes.
    pub(crate) fn failed(&self) -> Vec<(String, i64)> {
        let json = self.json();
        let list = json["ErrorList"].as_array().cloned().unwrap_or_default();
        let entry = |entry: &Value| {
            let account = entry["To_Account"].as_str().unwrap().to_owned();
            (account, entry["ErrorCode"].as_i64().unwrap())
        };
        list.iter().map(entry).collect()
    }
}

pub(crate) fn usersig(emulator: &Emulator) -> String {
    let identifier = Identifier::new(emulator.identifier()).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let day = Duration::from_secs(86_400);
    let key = emulator.secret_key();
    let usersig = UserSig::sign(key, emulator.sdkappid(), &identifier, day, now);
    usersig.expose().to_owned()
}

pub(crate) fn query(emulator: &Emulator) -> String {
    format!(
        "sdkappid={}&identifier={}&usersig={}&random=4294967295&contenttype=json",
        emulator.sdkappid(),
        emulator.identifier(),
        usersig(emulator)
    )
}

pub(crate) fn socket(emulator: &Emulator) -> TcpStream {
    let stream = TcpStream::connect(emulator.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

impl Caller {
    pub(crate) fn new(emulator: &Emulator) -> Caller {
        Caller::over(socket(emulator), emulator)
    }
}

impl<S: Read + Write> Caller<S> {
    pub(crate) fn over(stream: S, emulator: &Emulator) -> Caller<S> {
        Caller {
            stream: BufReader::new(stream),
            query: query(emulator),
        }
    }

    /// A call of the service, with a valid query.
    pub(crate) fn call(
        &mut self,
        route: impl Into<Route>,
        body: impl ToString,
    ) -> io::Result<Answer> {
        let path = route.into().path();
        let target = format!("{path}?{}", self.query);
        self.request("POST", &target, &body.to_string())
    }

    pub(crate) fn code(&mut self, route: impl Into<Route>, body: impl ToString) -> i64 {
        self.call(route, body).unwrap().code()
    }

    pub(crate) fn request(&mut self, method: &str, target: &str, body: &str) -> io::Result<Answer> {
        self.send(method, target, body)?;
        self.receive()
    }

    pub(crate) fn send(&mut self, method: &str, target: &str, body: &str) -> io::Result<()> {
        let length = body.len();
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.stream.get_mut().write_all(request.as_bytes())
    }

    pub(crate) fn receive(&mut self) -> io::Result<Answer> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let head = head.to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Ok(Answer { status, head, body })
    }

    /// Sends this as it is, and receives an answer.
    pub(crate) fn raw(&mut self, request: impl AsRef<[u8]>) -> io::Result<Answer> {
        self.stream().write_all(request.as_ref())?;
        self.receive()
    }

    pub(crate) fn stream(&mut self) -> &mut S {
        self.stream.get_mut()
    }
}

pub(crate) const ADD: (Operation, Generation) = (Operation::Add, Generation::AllMemberPush);
pub(crate) const GET: (Operation, Generation) = (Operation::Get, Generation::AllMemberPush);
pub(crate) const TIMPUSH_ADD: (Operation, Generation) = (Operation::Add, Generation::Timpush);

/// The body that adds or removes tags.
pub(crate) fn tags(users: &[(&str, &[&str])]) -> Value {
    let user = |(account, tags): &(&str, &[&str])| json!({"To_Account": account, "Tags": tags});
    json!({"UserTags": users.iter().map(user).collect::<Vec<_>>()})
}

/// The body that adds the tag `t` to `a`, or removes it.
pub(crate) fn tag_a() -> Value {
    tags(&[("a", &["t"])])
}

/// The body that reads or clears.
pub(crate) fn accounts(accounts: &[&str]) -> Value {
    json!({"To_Account": accounts})
}
