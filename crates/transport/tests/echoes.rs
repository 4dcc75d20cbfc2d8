//! A server that repeats the UserSig: no error shows enough of it to identify it, and no log of the HTTP library, wherever it
//! stands in the answer, however it is encoded, and however the answer is cut into pieces.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::sync::{Arc, Mutex};

use imtag_transport::Client;
use support::*;

#[derive(Debug, Clone, Copy)]
enum Place {
    Page,
    ErrorPage,
    ErrorInfo,
    RequestId,
    Reason,
    Location,
    ContentEncoding,
    ChunkExtension,
    NoHttp,
}

#[derive(Debug, Clone, Copy)]
enum Encoding {
    Plain,
    /// What a URL need not, but may encode.
    Signs,
    Upper,
    Lower,
    Json,
}

impl Encoding {
    fn encode(self, text: &str) -> String {
        let encoded = |byte: u8| match self {
            Encoding::Signs if b"*-_".contains(&byte) => format!("%{byte:02X}"),
            Encoding::Plain | Encoding::Signs => char::from(byte).to_string(),
            Encoding::Upper => format!("%{byte:02X}"),
            Encoding::Lower => format!("%{byte:02x}"),
            Encoding::Json => format!("\\u{byte:04x}"),
        };
        text.bytes().map(encoded).collect()
    }
}

/// What the server says to the next request.
#[derive(Clone, Copy)]
struct Echo {
    place: Place,
    encoding: Encoding,
    /// Where the text that repeats the UserSig is cut in two.
    cut: usize,
}

fn chunk(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    format!("{:x}\r\n{text}\r\n", text.len())
}

impl Echo {
    /// The pieces of the answer.
    fn answer(self, usersig: &str) -> [String; 2] {
        let text = self.encoding.encode(usersig);
        let (first, second) = text.split_at(self.cut.min(text.len()));
        let chunked = "Transfer-Encoding: chunked\r\n\r\n";
        let in_body = |status: &str, before: &str, after: &str| {
            let start = chunk(&format!("{before}{first}"));
            let end = chunk(&format!("{second}{after}"));
            [
                format!("HTTP/1.1 {status}\r\n{chunked}{start}"),
                format!("{end}0\r\n\r\n"),
            ]
        };
        let refusal = |name: &str| {
            let before =
                format!(r#"{{"ActionStatus":"FAIL","ErrorCode":60002,"{name}":"POST /?usersig="#);
            in_body("200 OK", &before, r#"&x"}"#)
        };
        match self.place {
            Place::Page => in_body("200 OK", "<p>/?usersig=", "&x"),
            Place::ErrorPage => in_body("404 Not Found", "<p>/?usersig=", "&x"),
            Place::ErrorInfo => refusal("ErrorInfo"),
            Place::RequestId => refusal("RequestId"),
            Place::Reason => [
                format!("HTTP/1.1 404 {first}"),
                format!("{second}\r\nContent-Length: 0\r\n\r\n"),
            ],
            Place::Location => [
                format!("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/?usersig={first}"),
                format!("{second}\r\nContent-Length: 0\r\n\r\n"),
            ],
            Place::ContentEncoding => [
                format!("HTTP/1.1 200 OK\r\nContent-Encoding: {first}"),
                format!("{second}\r\nContent-Length: 1\r\n\r\n\u{1}"),
            ],
            Place::ChunkExtension => [
                format!("HTTP/1.1 200 OK\r\n{chunked}1;{first}"),
                format!("{second}\r\nx\r\n0\r\n\r\n"),
            ],
            Place::NoHttp => [format!("POST {first}"), second.to_owned()],
        }
    }
}

struct Stage {
    client: Client,
    next: Arc<Mutex<Echo>>,
    usersig: Arc<Mutex<String>>,
}

impl Stage {
    fn new() -> Stage {
        let next = Arc::new(Mutex::new(Echo {
            place: Place::Page,
            encoding: Encoding::Plain,
            cut: 0,
        }));
        let usersig = Arc::new(Mutex::new(String::new()));
        let (its_next, its_usersig) = (Arc::clone(&next), Arc::clone(&usersig));
        let endpoint = answering(move |request, stream| {
            let (_, usersig) = request.split_once("usersig=").unwrap();
            let (usersig, _) = usersig.split_once('&').unwrap();
            usersig.clone_into(&mut its_usersig.lock().unwrap());
            let echo: Echo = *its_next.lock().unwrap();
            for piece in echo.answer(usersig) {
                say(stream, piece);
            }
            !matches!(echo.place, Place::NoHttp)
        });
        let client = builder(&endpoint)
            .retry(ONE_ATTEMPT)
            .calls_per_second(100_000)
            .build()
            .unwrap();
        Stage {
            client,
            next,
            usersig,
        }
    }

    /// All that a call shows that is answered so.
    fn shown(&self, echo: Echo) -> String {
        *self.next.lock().unwrap() = echo;
        let error = self.client.add_tag(&add()).unwrap_err();
        format!("{error}\n{error:?}\n{:?}\n", error.request_id())
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
fn no_error_and_no_log_shows_a_usersig_that_an_answer_repeats_wherever_it_is_cut() {
    let kept = keep_logs();
    let stage = Stage::new();
    let places = [
        Place::Page,
        Place::ErrorPage,
        Place::ErrorInfo,
        Place::RequestId,
        Place::Reason,
        Place::Location,
        Place::ContentEncoding,
        Place::ChunkExtension,
        Place::NoHttp,
    ];
    for place in places {
        for (encoding, step) in [
            (Encoding::Plain, 1),
            (Encoding::Signs, 13),
            (Encoding::Upper, 61),
            (Encoding::Lower, 61),
            (Encoding::Json, 61),
        ] {
            let mut cut = 0;
            loop {
                let echo = Echo {
                    place,
                    encoding,
                    cut,
                };
                kept.lock().unwrap().clear();
                let shown = stage.shown(echo);
                let usersig = stage.usersig.lock().unwrap().clone();
                assert!(usersig.starts_with("eJ") && usersig.len() > 100);
                assert_hidden(&decoded(&shown), &usersig);
                let kept = kept.lock().unwrap();
                assert!(
                    kept.len() > 5,
                    "the HTTP library logs, or this sees nothing"
                );
                // bodies are logged 16 bytes a line, which end in them
                let ends = kept
                    .iter()
                    .filter_map(|line| line.get(line.len().max(16) - 16..));
                assert_hidden(&decoded(&ends.collect::<String>()), &usersig);
                assert_hidden(&decoded(&kept.join("\n")), &usersig);
                if cut >= encoding.encode(&usersig).len() {
                    break;
                }
                cut += step;
            }
        }
    }
}
