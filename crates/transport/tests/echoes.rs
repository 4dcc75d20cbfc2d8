//! A server that repeats the UserSig: no error shows enough of it to identify it, wherever it stands in the answer, however
//! it is encoded, and however the answer is cut into pieces.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::sync::{Arc, Mutex};

use support::*;

/// The two pieces of an answer that holds a text, of which each piece has a part.
type Place = fn(first: &str, second: &str) -> [String; 2];

const PLACES: [(&str, Place); 9] = [
    ("page", |first, second| {
        in_body("200 OK", ["<p>/?usersig=", first, second, "&x"])
    }),
    ("error page", |first, second| {
        in_body("404 Not Found", ["<p>/?usersig=", first, second, "&x"])
    }),
    ("ErrorInfo", |first, second| {
        refusal("ErrorInfo", first, second)
    }),
    ("RequestId", |first, second| {
        refusal("RequestId", first, second)
    }),
    ("reason", |first, second| {
        in_head("404 ", first, second, "Content-Length: 0\r\n\r\n")
    }),
    ("Location", |first, second| {
        let before = "302 Found\r\nLocation: http://127.0.0.1/?usersig=";
        in_head(before, first, second, "Content-Length: 0\r\n\r\n")
    }),
    ("Content-Encoding", |first, second| {
        let before = "200 OK\r\nContent-Encoding: ";
        in_head(before, first, second, "Content-Length: 1\r\n\r\n\u{1}")
    }),
    ("chunk extension", |first, second| {
        let before = "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;";
        in_head(before, first, second, "x\r\n0\r\n\r\n")
    }),
    (NO_HTTP, |first, second| {
        [format!("POST {first}"), second.to_owned()]
    }),
];

/// The place after which the connection ends.
const NO_HTTP: &str = "no HTTP";

fn in_head(before: &str, first: &str, second: &str, after: &str) -> [String; 2] {
    [
        format!("HTTP/1.1 {before}{first}"),
        format!("{second}\r\n{after}"),
    ]
}

fn in_body(status: &str, [before, first, second, after]: [&str; 4]) -> [String; 2] {
    let [start, end] = [[before, first].concat(), [second, after].concat()]
        .map(|text| format!("{:x}\r\n{text}\r\n", text.len()));
    [
        format!("HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\n\r\n{start}"),
        format!("{end}0\r\n\r\n"),
    ]
}

fn refusal(field: &str, first: &str, second: &str) -> [String; 2] {
    let before = format!(r#"{{"ActionStatus":"FAIL","ErrorCode":60002,"{field}":"POST /?usersig="#);
    in_body("200 OK", [&before, first, second, r#"&x"}"#])
}

/// How a byte is written.
type Encoding = fn(u8) -> String;

/// With each, by how much more the text is cut each time.
const ENCODINGS: [(Encoding, usize); 5] = [
    (|byte| char::from(byte).to_string(), 1),
    // what a URL need not, but may encode
    (
        |byte| match byte {
            b'*' | b'-' | b'_' => format!("%{byte:02X}"),
            _ => char::from(byte).to_string(),
        },
        13,
    ),
    (|byte| format!("%{byte:02X}"), 61),
    (|byte| format!("%{byte:02x}"), 61),
    (|byte| format!("\\u{byte:04x}"), 61),
];

/// What the server says next: where, how it writes a byte, and where it cuts; and the UserSig that it was called with.
struct Echo {
    place: (&'static str, Place),
    encode: Encoding,
    cut: usize,
    usersig: String,
}

impl Echo {
    fn text(&self) -> String {
        self.usersig.bytes().map(self.encode).collect()
    }
}

/// `text` without its encodings.
fn decoded(text: &str) -> String {
    let mut decoded = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let prefixes = ["%", "\\\\u00", "\\u00"];
        let hex = prefixes.iter().find_map(|prefix| {
            let digits = rest.strip_prefix(prefix)?.get(..2)?;
            let byte = u8::from_str_radix(digits, 16).ok()?;
            Some((char::from(byte), prefix.len() + 2))
        });
        let (shown, length) = hex.unwrap_or((first, first.len_utf8()));
        decoded.push(shown);
        rest = &rest[length..];
    }
    decoded
}

#[track_caller]
fn assert_hidden(text: &str, usersig: &str) {
    // the fewest characters that are covered are tested where they are covered; this many windows are quick
    for part in usersig.as_bytes().windows(16).step_by(5) {
        let part = std::str::from_utf8(part).unwrap();
        assert!(!text.contains(part), "{part} is in {text}");
    }
}

#[test]
fn no_error_shows_a_usersig_that_an_answer_repeats_wherever_it_is_cut() {
    let echo = Arc::new(Mutex::new(Echo {
        place: PLACES[0],
        encode: ENCODINGS[0].0,
        cut: 0,
        usersig: String::new(),
    }));
    let its_echo = Arc::clone(&echo);
    let endpoint = answering(move |request, stream| {
        let (_, usersig) = request.split_once("usersig=").unwrap();
        let (usersig, _) = usersig.split_once('&').unwrap();
        let mut echo = its_echo.lock().unwrap();
        usersig.clone_into(&mut echo.usersig);
        let text = echo.text();
        let (name, place) = echo.place;
        let (first, second) = text.split_at(echo.cut.min(text.len()));
        place(first, second).iter().for_each(|it| say(stream, it));
        name != NO_HTTP
    });
    let client = builder(&endpoint).retry(ONE_ATTEMPT);
    let client = client.calls_per_second(100_000).build().unwrap();
    for place in PLACES {
        for (encode, step) in ENCODINGS {
            for cut in (0..).step_by(step) {
                {
                    let mut echo = echo.lock().unwrap();
                    (echo.place, echo.encode, echo.cut) = (place, encode, cut);
                }
                let error = client.add_tag(&add()).unwrap_err();
                let shown = format!("{error}\n{error:?}\n{:?}\n", error.request_id());
                let echo = echo.lock().unwrap();
                let usersig = &echo.usersig;
                assert!(usersig.starts_with("eJ") && usersig.len() > 100);
                assert_hidden(&decoded(&shown), usersig);
                if cut >= echo.text().len() {
                    break;
                }
            }
        }
    }
}
