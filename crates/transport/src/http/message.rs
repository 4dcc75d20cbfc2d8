//! One request and its answer over a connection. The answer is read where it arrived.

use std::time::Duration;

use imtag_core::{NotUnderstood, start_of};
use zeroize::Zeroize;

use crate::error::Cause;

use super::body::BodyPart;
use super::connection::Connection;
use super::context::Context;
use super::head::{Head, HeadReader};

/// The longest answer that is read.
const ANSWER_BYTES: usize = 1 << 20;

/// How long to wait for the body of an answer that is not 200.
const ERROR_PAGE: Duration = Duration::from_millis(100);

/// Sends the request whose head the connection holds, and receives the body of its answer.
pub(super) fn post(
    connection: &mut Connection,
    body: &[u8],
    context: &mut Context,
) -> Result<Vec<u8>, Cause> {
    let sent = connection.send(body, context);
    connection.head.as_mut_slice().zeroize();
    sent?;
    let head = read_head(connection, context)?;
    let status = head.status;
    let mut answer = Vec::new();
    if status == 200 {
        read_body(&head, connection, context, |content| {
            answer.extend_from_slice(content);
            if answer.len() > ANSWER_BYTES {
                let reason = format!("the answer has more than {ANSWER_BYTES} bytes");
                return Err(not_understood(&reason, &answer));
            }
            Ok(true)
        })?;
        return Ok(answer);
    }
    // the status says enough: show what there is of the body soon
    context.limit_to(ERROR_PAGE);
    let mut shown = Vec::new();
    drop(read_body(&head, connection, context, |content| {
        shown.extend_from_slice(content);
        Ok(shown.len() < NotUnderstood::SHOWN)
    }));
    let start = start_of(&shown);
    Err(Cause::HttpStatus { status, start })
}

fn read_head(connection: &mut Connection, context: &mut Context) -> Result<Head, Cause> {
    let mut reader = HeadReader::default();
    loop {
        if !connection.receive(context)? {
            return Err(context.disconnected());
        }
        context.answered = true;
        let read = reader.read(&connection.arrived);
        let read = read.map_err(|reason| not_understood(reason, &connection.arrived));
        if let Some(mut head) = read? {
            context.info = std::mem::take(&mut head.info);
            return Ok(head);
        }
    }
}

/// Reads the answer's body, and passes its content on, piece by piece, until `take` returns false.
fn read_body(
    head: &Head,
    connection: &mut Connection,
    context: &mut Context,
    mut take: impl FnMut(&[u8]) -> Result<bool, Cause>,
) -> Result<(), Cause> {
    let (mut body, mut at) = (head.body, head.body_begin);
    loop {
        let arrived = &connection.arrived[at..];
        let part = body.take(arrived);
        match part.map_err(|reason| not_understood(reason, &connection.arrived))? {
            BodyPart::Content(length) => {
                if !take(&arrived[..length])? {
                    return Ok(());
                }
                at += length;
            }
            BodyPart::Framing(length) => at += length,
            BodyPart::End => {
                connection.answered(at, head.is_kept);
                return Ok(());
            }
            BodyPart::Incomplete => {
                // drop what was read, except the start, which a message may show
                let shown = at.min(NotUnderstood::SHOWN);
                connection.arrived.drain(shown..at);
                at = shown;
                if !connection.receive(context)? {
                    let whole = body.ends_by_close();
                    return whole.then_some(()).ok_or_else(|| context.disconnected());
                }
            }
        }
    }
}

fn not_understood(reason: &str, arrived: &[u8]) -> Cause {
    Cause::NotUnderstood(NotUnderstood::new(reason, arrived))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn a_head_is_wiped_once_it_is_sent_or_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut connection = Connection::to(listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0; 6]).unwrap();
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}beyond";
            stream.write_all(answer).unwrap();
        });
        connection.head.extend_from_slice(b"hush");
        let answer = post(&mut connection, b"{}", &mut Context::endless()).unwrap();
        assert_eq!(answer, b"{}");
        assert_eq!(**connection.head, [0; 4]);
        server.join().unwrap();
        // there are bytes beyond the answer: the next request is not sent
        connection.head.copy_from_slice(b"hush");
        post(&mut connection, b"{}", &mut Context::endless()).unwrap_err();
        assert_eq!(**connection.head, [0; 4]);
    }
}
