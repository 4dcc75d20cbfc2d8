//! One request and its answer, by ureq's state machine. It logs requests and answers, so it must see no UserSig: its
//! target has an empty one, and of an answer, which may repeat the URL, it gets what [`Head`] and [`Body`] leave.
//!
//! ```text
//! ureq:   POST /v4/…?sdkappid=1400000000&identifier=a&usersig=&random=1&contenttype=json
//! wire:   POST /v4/…?sdkappid=1400000000&identifier=a&usersig=eJyr…&random=1&contenttype=json
//!
//! wire:   HTTP/1.1 200 OK, lines, 5, hello, 0  ──► Head, Body ─┬─► ureq: HTTP/1.1 200, lines of framing, 5, xxxxx, 0
//!                                                              └─► the caller: hello
//! ```

use std::iter;
use std::time::Duration;

use imtag_core::{AnswerReader, Identifier, NotUnderstood, SdkAppId, UserSig, start_of};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ureq_proto::BodyMode;
use ureq_proto::client::state::{RecvBody, RecvResponse};
use ureq_proto::client::{Call, RecvBodyResult, RecvResponseResult, SendRequestResult};
use ureq_proto::http::{HeaderValue, Request, header};
use zeroize::Zeroize;

use crate::error::Cause;

use super::body::Body;
use super::connection::Connection;
use super::context::Context;
use super::head::Head;

/// The longest answer that is read.
const ANSWER_BYTES: usize = 1 << 20;

/// The longest line between an answer's chunks.
const LINE_BYTES: usize = 16 * 1024;

/// How long to wait for the body of an answer that is not 200.
const ERROR_PAGE: Duration = Duration::from_millis(100);

/// Enough for a request's head without its host, target and UserSig.
const HEAD_BYTES: usize = 512;

/// The room before a body. It grows for a head that needs more.
const ROOM_BYTES: usize = 2048;

const NO_HTTP: &str = "not an HTTP answer";

const USER_AGENT: &str = concat!("libimtag/", env!("CARGO_PKG_VERSION"));

/// What the UserSig goes into, before the `&`.
const PLACEHOLDER: &[u8] = b"usersig=&";

/// All but what RFC 3986 calls unreserved: letters, digits and `-._~`.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The target of a call's request, with an empty `usersig`.
pub(crate) fn path_and_query(
    path: &str,
    sdkappid: SdkAppId,
    identifier: &Identifier,
    random: u32,
) -> String {
    let identifier = utf8_percent_encode(identifier.as_str(), RESERVED);
    format!(
        "/{path}?sdkappid={sdkappid}&identifier={identifier}&usersig=&random={random}&contenttype=json"
    )
}

/// A call's request as it is written: its body, and room before it for the head of each attempt, so that the body is not
/// copied. A head holds the UserSig in the clear, so it is wiped from memory after the attempt. The body is not wiped: that
/// would cost more than sending it.
pub(crate) struct RequestBuffer {
    bytes: Vec<u8>,
    /// Where the head begins.
    head: usize,
    /// Where the body begins.
    body: usize,
}

impl RequestBuffer {
    /// `write_body` appends the body.
    pub(crate) fn new(write_body: impl FnOnce(&mut Vec<u8>)) -> RequestBuffer {
        let mut bytes = vec![0; ROOM_BYTES];
        write_body(&mut bytes);
        RequestBuffer {
            bytes,
            head: ROOM_BYTES,
            body: ROOM_BYTES,
        }
    }

    /// Writes the head of an attempt before the body.
    fn write_head(
        &mut self,
        host: &HeaderValue,
        path_and_query: &str,
        usersig: &UserSig,
    ) -> Result<Call<RecvResponse>, Box<dyn std::error::Error>> {
        let usersig = usersig.expose().as_bytes();
        let needed = host.len() + path_and_query.len() + HEAD_BYTES + usersig.len();
        if let Some(missing) = needed.checked_sub(self.body) {
            // before the UserSig is here: a vector that grows leaves a copy of the secret behind
            self.bytes.splice(..0, iter::repeat_n(0, missing));
            self.body = needed;
        }
        let length = self.bytes.len() - self.body;
        let text = HeaderValue::from_static;
        let request = Request::post(path_and_query)
            .header(header::HOST, host)
            .header(header::CONTENT_TYPE, text("application/json"))
            .header(header::CONTENT_LENGTH, length)
            .header(header::ACCEPT, text("*/*"))
            .header(header::ACCEPT_ENCODING, text("identity"))
            .header(header::USER_AGENT, text(USER_AGENT))
            .body(())?;
        let mut call = Call::new(request)?.proceed();
        // at the front of the room; from there its two parts go where they belong, the later one first
        let end = call.write(&mut self.bytes[..self.body])?;
        let at = self.bytes[..end].windows(PLACEHOLDER.len());
        let at = at.into_iter().position(|bytes| bytes == PLACEHOLDER);
        let cut = at.ok_or("no empty usersig")? + PLACEHOLDER.len() - 1;
        let after = self.body - (end - cut);
        let before = after - usersig.len();
        self.head = before - cut;
        self.bytes.copy_within(cut..end, after);
        self.bytes.copy_within(..cut, self.head);
        self.bytes[before..after].copy_from_slice(usersig);
        let Some(SendRequestResult::SendBody(mut call)) = call.proceed()? else {
            return Err("a request without a body".into());
        };
        call.consume_direct_write(length)?;
        Ok(call.proceed().ok_or("a body of another length")?)
    }

    fn wipe_head(&mut self) {
        self.bytes[self.head..self.body].zeroize();
    }
}

impl Drop for RequestBuffer {
    fn drop(&mut self) {
        self.wipe_head();
    }
}

/// Sends a request and reads its answer.
pub(super) fn post(
    connection: &mut Connection,
    host: &HeaderValue,
    path_and_query: &str,
    usersig: &UserSig,
    request: &mut RequestBuffer,
    context: &mut Context,
) -> Result<AnswerReader, Cause> {
    let call = request.write_head(host, path_and_query, usersig);
    let call = call.expect("path_and_query makes a valid target");
    let sent = connection.send(&request.bytes[request.head..], context);
    request.wipe_head();
    sent?;
    let (status, chunked, next) = read_head(call, connection, context)?;
    let mut answer = AnswerReader::new(ANSWER_BYTES);
    if status == 200 {
        let feed = |content: &[u8]| match answer.feed(content) {
            Ok(()) => Ok(true),
            Err(error) => Err(Cause::NotUnderstood(error)),
        };
        read_body(next, chunked, connection, context, feed)?;
        return Ok(answer);
    }
    // the status says enough: show what there is of the body soon
    context.limit_to(ERROR_PAGE);
    let mut shown = Vec::new();
    drop(read_body(next, chunked, connection, context, |content| {
        shown.extend_from_slice(content);
        Ok(shown.len() < NotUnderstood::SHOWN)
    }));
    shown.truncate(NotUnderstood::SHOWN);
    let start = start_of(&shown);
    Err(Cause::HttpStatus { status, start })
}

/// Reads the answer's head. Returns its status, and whether its body comes in chunks.
fn read_head(
    mut call: Call<RecvResponse>,
    connection: &mut Connection,
    context: &mut Context,
) -> Result<(u16, bool, RecvResponseResult), Cause> {
    let mut head = Head::default();
    loop {
        if !connection.receive(context)? {
            return Err(context.disconnected());
        }
        let arrived = &mut connection.arrived;
        if context.answer_start.is_empty() {
            let shown = arrived.len().min(NotUnderstood::SHOWN);
            context.answer_start = arrived[..shown].to_vec();
        }
        let passed = head.add(arrived);
        let Some(passed) = passed.map_err(|reason| context.not_understood(reason))? else {
            arrived.clear();
            continue;
        };
        arrived.drain(..passed.used);
        context.info = passed.info;
        let read = call.try_response(&passed.passed_on, false);
        let read = read
            .ok()
            .and_then(|(_, response)| Some((response?, call.proceed()?)));
        let (response, next) = read.ok_or_else(|| context.not_understood(NO_HTTP))?;
        return Ok((response.status().as_u16(), passed.chunked, next));
    }
}

/// Reads the answer's body, and passes its content on until `take` returns false.
fn read_body(
    next: RecvResponseResult,
    chunked: bool,
    connection: &mut Connection,
    context: &mut Context,
    mut take: impl FnMut(&[u8]) -> Result<bool, Cause>,
) -> Result<(), Cause> {
    let mut call = match next {
        RecvResponseResult::RecvBody(call) => call,
        RecvResponseResult::Cleanup(call) => {
            let all_read = connection.arrived.is_empty() && !connection.closed;
            connection.reusable = all_read && !call.must_close_connection();
            return Ok(());
        }
        RecvResponseResult::Redirect(_) => return Ok(()),
    };
    let mut body = Body::new(chunked);
    // what ureq gets, and the content that it stands for
    let (mut covered, mut content) = (Vec::new(), Vec::new());
    loop {
        let seen = covered.len();
        covered.append(&mut connection.arrived);
        body.take(&mut covered[seen..], &mut content);
        let read = read_covered(&mut call, &covered);
        let (used, read) = read.map_err(|_| context.not_understood(NO_HTTP))?;
        covered.drain(..used);
        if !take(&content[..read])? {
            return Ok(());
        }
        content.drain(..read);
        if call.can_proceed() && call.body_mode() != BodyMode::CloseDelimited {
            if let Some(RecvBodyResult::Cleanup(call)) = call.proceed() {
                let all_read = covered.is_empty() && !connection.closed;
                connection.reusable = all_read && !call.must_close_connection();
            }
            return Ok(());
        }
        if covered.len() > LINE_BYTES {
            let reason = "a line between the answer's chunks is too long";
            return Err(context.not_understood(reason));
        }
        if !connection.receive(context)? {
            // servers leave out the empty line after the last chunk
            return if call.can_proceed() || call.is_ended_chunked() {
                Ok(())
            } else {
                Err(context.disconnected())
            };
        }
    }
}

/// Returns how much of `covered` ureq has read, and how much of that is content.
fn read_covered(
    call: &mut Call<RecvBody>,
    covered: &[u8],
) -> Result<(usize, usize), ureq_proto::Error> {
    let mut copy = [0; 4096]; // which nobody needs
    let (mut used, mut content) = (0, 0);
    loop {
        let (input, output) = call.read(&covered[used..], &mut copy)?;
        if input == 0 {
            return Ok((used, content));
        }
        used += input;
        content += output;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_of_any_characters_fits_into_a_query() {
        let identifier = Identifier::new("a&b=c-1._~ 管").unwrap();
        let query = path_and_query("v4", SdkAppId::new(1_400_000_000).unwrap(), &identifier, 7);
        assert_eq!(
            query,
            "/v4?sdkappid=1400000000&identifier=a%26b%3Dc-1._~%20%E7%AE%A1&usersig=&random=7&contenttype=json"
        );
    }

    #[test]
    fn each_head_is_written_before_the_same_body_and_wiped_afterwards() {
        let host = HeaderValue::from_static("127.0.0.1:8080");
        let mut request = RequestBuffer::new(|out| out.extend_from_slice(b"{}"));
        let long = "x".repeat(ROOM_BYTES);
        for usersig in ["hush", "hushhushhush", &long, "hush"] {
            let target = "/v4?sdkappid=1&usersig=&random=1";
            let is_moved = usersig == long;
            let at = request.bytes.as_ptr();
            let secret = UserSig::new(usersig).unwrap();
            request.write_head(&host, target, &secret).unwrap();
            assert!(is_moved || request.bytes.as_ptr() == at);
            let text = String::from_utf8(request.bytes[request.head..].to_vec()).unwrap();
            let line = format!("POST /v4?sdkappid=1&usersig={usersig}&random=1 HTTP/1.1\r\n");
            assert!(text.starts_with(&line), "{text}");
            for expected in ["\r\nhost: 127.0.0.1:8080\r\n", "\r\ncontent-length: 2\r\n"] {
                assert!(text.contains(expected), "{text}");
            }
            assert!(text.ends_with("\r\n\r\n{}"), "{text}");
            request.wipe_head();
            let left = String::from_utf8(request.bytes.clone()).unwrap();
            assert!(!left.contains(usersig) && left.ends_with("{}"), "{left}");
        }
    }
}
