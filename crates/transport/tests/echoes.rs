//! A server that repeats the UserSig: no error shows enough of it to identify it, wherever it stands in the answer, and
//! however the answer is cut into pieces.

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

/// What the server says next: where, whether it encodes a `*`, and where it cuts; and the UserSig that it was called with.
struct Echo {
    place: (&'static str, Place),
    encodes: bool,
    cut: usize,
    usersig: String,
}

#[track_caller]
fn assert_hidden(text: &str, usersig: &str) {
    // the fewest characters that are covered are tested where they are covered; this many windows are quick
    for part in usersig.as_bytes().windows(16).step_by(5) {
        let part = std::str::from_utf8(part).unwrap();
        assert!(!text.contains(part), "{part} is in {text}");
    }
}

/// A text is covered whole, once it has arrived, in each encoding: `redact` tests these.
#[test]
fn no_error_shows_a_usersig_that_an_answer_repeats_wherever_it_is_cut() {
    let echo = Arc::new(Mutex::new(Echo {
        place: PLACES[0],
        encodes: false,
        cut: 0,
        usersig: String::new(),
    }));
    let its_echo = Arc::clone(&echo);
    let endpoint = answering(move |request, stream| {
        let (_, usersig) = request.split_once("usersig=").unwrap();
        let (usersig, _) = usersig.split_once('&').unwrap();
        let mut echo = its_echo.lock().unwrap();
        usersig.clone_into(&mut echo.usersig);
        let encoded = usersig.replace('*', "%2A");
        let text = if echo.encodes { &encoded } else { usersig };
        let (name, place) = echo.place;
        let (first, second) = text.split_at(echo.cut.min(text.len()));
        place(first, second).iter().for_each(|it| say(stream, it));
        name != NO_HTTP
    });
    let client = builder(&endpoint).retry(ONE_ATTEMPT);
    let client = client.calls_per_second(100_000).build().unwrap();
    // returns the length of what is repeated
    let call = |place, encodes, cut| {
        {
            let mut echo = echo.lock().unwrap();
            (echo.place, echo.encodes, echo.cut) = (place, encodes, cut);
        }
        let error = client.add_tag(&add()).unwrap_err();
        let shown = format!("{error}\n{error:?}\n{:?}\n", error.request_id());
        let usersig = &echo.lock().unwrap().usersig;
        assert!(usersig.starts_with("eJ") && usersig.len() > 100);
        assert_hidden(&shown.replace("%2A", "*"), usersig);
        usersig.len()
    };
    for place in PLACES {
        call(place, true, 0);
        let mut cut = 0;
        while cut <= call(place, false, cut) {
            cut += 1;
        }
    }
}
