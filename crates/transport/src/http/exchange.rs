//! The connections of a client, and one exchange over one of them: a request, and its answer, which is read where it
//! arrived.

use std::io;
use std::time::{Duration, Instant};

use imtag_core::{Answer, Identifier, NotUnderstood, Request, SdkAppId, UserSig, start_of};
use zeroize::Zeroize;

use crate::error::{Cause, Phase};
use crate::event::event;
use crate::stats::Count;
use crate::wait::{WaitScope, deadline_after, deadline_from};

use super::body::BodyPart;
use super::connect::{Host, Tls};
use super::connection::Connection;
use super::context::Context;
use super::head::{Head, HeadReader};
use super::hosts::Hosts;
use super::refused_socket::{Exchanges, Refused};
use super::resolve::Resolver;
use super::trace::{Step, StepWatcher, Trace};

/// The longest answer that is read.
const ANSWER_BYTES: usize = 1 << 20;

/// How long to wait for the body of an answer that is not 200.
const ERROR_PAGE: Duration = Duration::from_millis(100);

/// The connections of a client.
pub(crate) struct Http {
    hosts: Hosts,
    exchanges: Exchanges,
}

/// What one exchange needs.
pub(crate) struct Exchange<'e> {
    pub(crate) path: &'static str,
    /// The request's `random`.
    pub(crate) random: u32,
    pub(crate) usersig: &'e UserSig,
    pub(crate) body: &'e [u8],
    /// The call's: it bounds the waits before the exchange begins.
    pub(crate) wait_scope: &'e WaitScope,
    /// When the attempt began.
    pub(crate) started: Instant,
    /// The time for the exchange itself, from when it begins.
    pub(crate) timeout: Option<Duration>,
    pub(crate) connect_timeout: Duration,
    /// The host that it must go to, if the call was written to one.
    pub(crate) bound: Option<usize>,
    /// Takes no connection of the pool.
    pub(crate) over_new_connection: bool,
    /// Does not count the wait for a free connection as the call's time. Where this machine refuses more sockets, a bulk
    /// run has more requests than connections, and each request still gets its full time.
    pub(crate) waits_for_connection: bool,
    /// Notes each step, and tells of it.
    pub(crate) step_watcher: Option<&'e StepWatcher>,
}

/// The result of an exchange.
pub(crate) struct Exchanged {
    /// The answer's body.
    result: Result<Vec<u8>, Cause>,
    /// The answer's encoding, which the request does not ask for.
    encoding: Option<String>,
    /// The answer's `Date`, since the Unix epoch.
    pub(crate) date: Option<Duration>,
    /// The host that it was made with, or was to be.
    pub(crate) host: usize,
    /// A byte of the request may have left this machine.
    pub(crate) sent: bool,
    /// A byte of an answer came, good or bad.
    pub(crate) answered: bool,
    /// A connection from the pool proved useless.
    pub(crate) stale: Option<Stale>,
    /// How long it waited for a free connection, where that does not count as the call's time.
    pub(crate) waited: Duration,
    /// The steps, if they were asked for.
    pub(crate) steps: Vec<Step>,
}

/// How a connection from the pool proved useless, before a byte of the answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stale {
    /// It was closed.
    Dead,
    /// No answer came in time: the connection may be dead.
    Silent,
}

impl Exchanged {
    /// Reads the answer to `request`. One that cannot be read and says that it is compressed is `Cause::Encoded`.
    pub(crate) fn read(self, request: &dyn Request) -> Result<Answer, Cause> {
        let read = |body: Vec<u8>| Answer::read(&body, request).map_err(Cause::NotUnderstood);
        let answer = self.result.and_then(read);
        answer.map_err(|cause| cause.encoded(self.encoding.as_deref()))
    }
}

impl Http {
    /// `on_path_change` is called when calls have gone over to another host.
    pub(crate) fn new(
        hosts: &[Host],
        tls: Option<&Tls>,
        resolver: &Resolver,
        sdkappid: SdkAppId,
        identifier: &Identifier,
        on_path_change: Box<dyn Fn() + Send + Sync>,
    ) -> Http {
        Http {
            hosts: Hosts::new(hosts, tls, resolver, sdkappid, identifier, on_path_change),
            exchanges: Exchanges::default(),
        }
    }

    /// How many connections were opened, how often an idle one was taken, and how many of these were dead.
    pub(crate) fn counted(&self) -> [u64; 3] {
        let Hosts { opened, pool, .. } = &self.hosts;
        [opened, &pool.reused, &pool.dead].map(Count::get)
    }

    /// Whether a call that is bound to this host is left behind by the others.
    pub(crate) fn leaves_behind(&self, host: usize) -> bool {
        self.hosts.leaves_behind(host)
    }

    pub(crate) fn has_spare(&self) -> bool {
        self.hosts.has_spare()
    }

    /// Makes an exchange. If this machine refuses a socket it waits for a free one: see `refused_socket`.
    pub(crate) fn exchange(&self, exchange: &Exchange<'_>) -> Exchanged {
        let mut now = exchange.started;
        let mut under_way = self.exchanges.enter();
        let mut waited = Duration::ZERO;
        loop {
            let (exchanged, refused) = self.exchange_once(exchange, now, waited);
            if !refused {
                return exchanged;
            }
            let mut wait_scope = exchange.wait_scope.clone();
            if exchange.waits_for_connection {
                wait_scope.deadline = deadline_after(Duration::MAX);
            }
            match under_way.refused(&wait_scope) {
                Ok(Refused::TryAgain) => {}
                Ok(Refused::Final) => return exchanged,
                Err(stop) => {
                    return Exchanged {
                        result: Err(Cause::from_wait_end(stop, Phase::FreeConnection)),
                        waited: Duration::ZERO,
                        ..exchanged
                    };
                }
            }
            now = Instant::now();
            if exchange.waits_for_connection {
                waited = now.saturating_duration_since(exchange.started);
            }
        }
    }

    /// Returns also whether this machine refused the socket.
    fn exchange_once(
        &self,
        exchange: &Exchange<'_>,
        now: Instant,
        waited: Duration,
    ) -> (Exchanged, bool) {
        let mut wait_scope = exchange.wait_scope.without_drain();
        wait_scope.deadline += waited;
        if let Some(timeout) = exchange.timeout {
            wait_scope.deadline = wait_scope.deadline.min(deadline_from(now, timeout));
        }
        let connect_deadline = deadline_from(now, exchange.connect_timeout);
        let mut context = Context::new(wait_scope, connect_deadline);
        context.trace = exchange.step_watcher.map(Trace::new);
        let takes_pooled = !exchange.over_new_connection;
        let bound = exchange.bound;
        let connection = self
            .hosts
            .connection(bound, takes_pooled, now, &mut context);
        let clears = connection.as_ref().map_or(None, |(_, clears)| *clears);
        let result = connection.and_then(|(mut connection, _)| {
            let Exchange {
                path,
                usersig,
                random,
                body,
                ..
            } = *exchange;
            let head = &self.hosts.route(&connection).head;
            head.write(path, usersig, random, body.len(), &mut connection.head);
            let answer = post(&mut connection, body, &mut context);
            if connection.reusable {
                context.release_connection();
                self.hosts.put(connection);
            }
            answer
        });
        let (result, stale) = match clears {
            None => (result, None),
            Some(clears) => self.check_stale(result, &context, clears),
        };
        let exchanged = Exchanged {
            stale,
            sent: context.sent,
            answered: context.answered,
            result,
            encoding: context.info.encoding,
            host: context.host,
            date: context.info.date,
            waited,
            steps: context.trace.map(Trace::end).unwrap_or_default(),
        };
        (exchanged, context.refused)
    }

    /// Finds out whether an exchange over a connection of the pool failed as the connection was dead.
    fn check_stale(
        &self,
        result: Result<Vec<u8>, Cause>,
        context: &Context,
        clears: u64,
    ) -> (Result<Vec<u8>, Cause>, Option<Stale>) {
        if context.answered {
            return (result, None);
        }
        let (cause, stale) = match result {
            Err(cause @ Cause::Network { .. }) => (cause, Stale::Dead),
            Err(cause @ Cause::Timeout { .. }) if context.sent => (cause, Stale::Silent),
            // its certificate was accepted and it has carried an answer, so this is a closed connection, no TLS fault
            Err(Cause::Tls(error)) => {
                let source = io::Error::other(error.to_string());
                (context.network(source), Stale::Dead)
            }
            result => return (result, None),
        };
        self.hosts.pool.clear(clears);
        self.hosts.pool.dead.add(1);
        let is_silent = stale == Stale::Silent;
        event!(debug, is_silent, "idle connection was dead");
        (Err(cause), Some(stale))
    }
}

/// Sends the request whose head the connection holds, and receives the body of its answer.
fn post(connection: &mut Connection, body: &[u8], context: &mut Context) -> Result<Vec<u8>, Cause> {
    let sent = connection.send(body, context);
    connection.head.as_mut_slice().zeroize();
    sent?;
    context.phase = Phase::Read;
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
        let from = reader.begin();
        let read = read.map_err(|reason| not_understood(reason, &connection.arrived[from..]));
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
    use crate::endpoint::Endpoint;

    #[test]
    fn an_exchange_over_a_new_connection_closes_none_that_others_have_put_back() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap(); // it never answers
        let address = listener.local_addr().unwrap();
        let host = Host {
            endpoint: Endpoint::parse(&format!("http://{address}")).unwrap(),
            proxy: None,
        };
        let http = Http::new(
            &[host],
            None,
            &Resolver::default(),
            SdkAppId::new(1_400_000_000).unwrap(),
            &Identifier::new("admin").unwrap(),
            Box::new(|| {}),
        );
        http.hosts.put(Connection::to(address));
        let exchanged = http.exchange(&Exchange {
            path: "v4",
            random: 1,
            usersig: &UserSig::new("s").unwrap(),
            body: b"{}",
            wait_scope: &WaitScope::until(deadline_after(Duration::MAX)),
            started: Instant::now(),
            timeout: Some(Duration::from_millis(5)),
            connect_timeout: Duration::MAX,
            bound: None,
            over_new_connection: true,
            waits_for_connection: false,
            step_watcher: None,
        });
        assert!(exchanged.result.is_err());
        assert!(http.hosts.pool.take(None, Instant::now()).is_some());
    }

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
