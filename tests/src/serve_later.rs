//! The programs of `examples` that store changes and read failures. Each gets answers of a stand-in, as a daemon takes its
//! time for some of them: a full queue, changes that wait and then are settled, failures, which it deletes, and its own end;
//! and those of a real daemon.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use crate::error::Error;

/// What each is started by, where the page's commands have run.
const PROGRAMS: [(&str, &str); 4] = [
    ("PHP", "php \"$LIBIMTAG/examples/php/later.php\""),
    ("Java", "java -cp classes Later"),
    ("Node", "node \"$LIBIMTAG/examples/node/later.mjs\""),
    ("sh", "sh \"$LIBIMTAG/examples/sh/later.sh\""),
];

const FAILURE: &str = r#"{"id":"7-1","at":"2026-11-30T16:32:36Z","account":"xiaojun013","op":"add","tags":["vip"],"code":70107,"reason":"the account was never imported","remedy":"import the account first, or let its user log in once","effect":"not applied"}
"#;

/// What a program prints of it.
const PRINTS: &str = "not stored: the queue is full: post it again later
stored
failed: xiaojun013: the account was never imported (not applied; import the account first, or let its user log in once)
exit 0
";

/// What it prints where its rows cannot be taken.
const PRINTS_OF_BAD_ROWS: &str = "not stored: 1 of 2 rows cannot be taken
  row 2: account: 33 bytes, at most 32
exit 1
";

/// What it prints where the service knows one of its two users.
const PRINTS_OF_ONE_UNKNOWN: &str = "stored
failed: xiaojun013: the account was never imported (possibly applied; import the account first, or let its user log in once)
exit 0
";

/// What it prints where a post is stored, and then is not known.
const PRINTS_OF_FORGOTTEN: &str = "stored
not read: no post 7 is known
exit 1
";

const FULL: &str = r#"{"error":"the queue is full: post it again later"}"#;
const STORED: &str = r#"{"post":"7","changes":["7-0","7-1"]}"#;
const BAD_ROWS: &str = r#"{"error":"1 of 2 rows cannot be taken","errors":[{"row":2,"error":"account: 33 bytes, at most 32"}]}"#;
const FORGOTTEN: &str = r#"{"error":"no post 7 is known"}"#;

/// A request that a stand-in was asked.
#[derive(Debug, PartialEq)]
pub(crate) struct Request {
    /// Its method and path.
    pub(crate) target: String,
    pub(crate) key: String,
    pub(crate) timeout: Option<f64>,
    pub(crate) body: String,
}

/// What the program of a language is started by.
pub(crate) fn program(language: &str) -> Result<&'static str, Error> {
    let program = PROGRAMS.iter().find(|(name, _)| *name == language);
    let (_, program) = program.ok_or_else(|| format!("no program is known in {language}"))?;
    Ok(program)
}

/// Tries the program of a language. `print` runs one at a socket, and returns what it prints and how it ends; `real` is the
/// socket of a daemon whose service does not know xiaojun013.
pub(crate) fn later(
    language: &str,
    folder: &Path,
    real: &str,
    print: impl Fn(&str, &str) -> Result<String, Error>,
) -> Result<(), Error> {
    let program = program(language)?;
    let compare = |socket: &str, expected: &str| {
        let printed = print(program, socket)?;
        let is_same = printed == expected;
        let differs = || Error::from(format!("it prints\n{printed}\nnot\n{expected}"));
        is_same.then_some(()).ok_or_else(differs)
    };
    compare(real, PRINTS_OF_ONE_UNKNOWN)?;
    let states = |queued: u32, done: u32, failed: u32| {
        let states = format!(
            r#"{{"post":"7","changes":2,"queued":{queued},"sending":0,"done":{done},"failed":{failed},"deleted":0}}"#
        );
        answer("200 OK", "application/json", "", &states)
    };
    let full = answer(
        "429 Too Many Requests",
        "application/json",
        "retry-after: 1\r\n",
        FULL,
    );
    let stored = || answer("202 Accepted", "application/json", "", STORED);
    let requests = stand_in(
        &folder.join("later.sock"),
        vec![
            full,
            stored(),
            states(2, 0, 0),
            states(0, 1, 1),
            answer("200 OK", "application/x-ndjson", "", FAILURE),
            answer("200 OK", "application/json", "", r#"{"deleted":1}"#),
        ],
    )?;
    compare("later.sock", PRINTS)?;
    let requests: Vec<Request> = requests.try_iter().collect();
    let targets: Vec<&str> = requests.iter().map(|it| it.target.as_str()).collect();
    let is_right = targets
        == [
            "POST /v1/changes",
            "POST /v1/changes",
            "GET /v1/changes/7",
            "GET /v1/changes/7",
            "GET /v1/failures",
            "DELETE /v1/failures",
        ]
        && requests[0].key.starts_with("order-")
        // the same key and body
        && requests[0] == requests[1]
        && requests[0].body.contains("xiaojun012")
        && requests[5].body.contains("\"7-1\"")
        && (language == "sh" || requests.iter().all(|it| it.timeout == Some(8.0)));
    if !is_right {
        return Err(format!("it asks for {requests:#?}").into());
    }
    // where the daemon listens by itself
    let bad = answer("422 Unprocessable Entity", "application/json", "", BAD_ROWS);
    fs::create_dir(folder.join("run"))?;
    let _requests = stand_in(&folder.join("run/imtag.sock"), vec![bad])?;
    let printed = print(&format!("XDG_RUNTIME_DIR=run {program}"), "")?;
    if printed != PRINTS_OF_BAD_ROWS {
        return Err(format!("at the daemon's own socket it prints {printed}").into());
    }
    let forgotten = answer("404 Not Found", "application/json", "", FORGOTTEN);
    let _requests = stand_in(&folder.join("forgotten.sock"), vec![stored(), forgotten])?;
    compare("forgotten.sock", PRINTS_OF_FORGOTTEN)?;
    let _requests = stand_in(&folder.join("gone.sock"), vec![stored()])?;
    let printed = print(program, "gone.sock")?;
    if !printed.starts_with("stored\nnot read: no daemon at gone.sock")
        || printed.lines().count() != 3
        || !printed.ends_with("exit 1\n")
    {
        return Err(format!("where the daemon goes after the post it prints {printed}").into());
    }
    let printed = print(program, "none.sock")?;
    if printed.matches("none.sock").count() == 3 && printed.ends_with("exit 1\n") {
        Ok(())
    } else {
        Err(format!("without a daemon it prints {printed}").into())
    }
}

pub(crate) fn answer(status: &str, kind: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}; charset=utf-8\r\n{fields}content-length: {length}\r\n\r\n{body}"
    )
}

/// Listens at a socket, and gives an answer a connection, then the end of the connection. The requests come out.
pub(crate) fn stand_in(socket: &Path, answers: Vec<String>) -> Result<Receiver<Request>, Error> {
    let listener = UnixListener::bind(socket)?;
    let (sender, requests) = channel();
    thread::spawn(move || -> io::Result<()> {
        for answer in answers {
            let (mut connection, _) = listener.accept()?;
            let mut reader = BufReader::new(connection.try_clone()?);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                reader.read_line(&mut head)?;
            }
            let field = |name: &str| {
                let mut fields = head.lines().filter_map(|line| line.split_once(": "));
                let found = fields.find(|(it, _)| it.eq_ignore_ascii_case(name));
                found.map_or("", |(_, value)| value)
            };
            let mut body = vec![0; field("content-length").parse().unwrap_or(0)];
            reader.read_exact(&mut body)?;
            let target = head.split(" HTTP/").next().unwrap_or_default();
            // before the answer, as the program may end with it
            let _ = sender.send(Request {
                target: target.to_owned(),
                key: field("idempotency-key").to_owned(),
                timeout: field("imtag-timeout").parse().ok(),
                body: String::from_utf8_lossy(&body).into_owned(),
            });
            connection.write_all(answer.as_bytes())?;
        }
        Ok(())
    });
    Ok(requests)
}
