//! The state of one exchange, in a value of its thread: how long it may take, how far it is, and why it failed.
//!
//! ureq calls our resolver, connectors and transports with arguments of its own only, so they find the context through
//! `ExchangeContext::with`.

use std::cell::RefCell;
use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use imtag_core::{NotUnderstood, UserSig};

use crate::error::Phase;
use crate::wait::{Blocked, WaitEnd, WaitScope, Watch, deadline_after};

use super::head::HeadInfo;

thread_local! {
    static CURRENT: RefCell<Option<ExchangeContext>> = const { RefCell::new(None) };
}

pub(super) struct ExchangeContext {
    wait_scope: WaitScope,
    connect_deadline: Instant,
    usersig: UserSig,
    /// Takes no connection of the pool.
    pub(super) over_new_connection: bool,
    /// The UserSig is in the request already.
    signed: bool,
    pub(super) phase: Phase,
    /// The first failure that our own parts met. It says more than the error that ureq makes of it.
    pub(super) error: Option<TransportError>,
    /// This machine refused a socket, or a thread for the look-up.
    pub(super) refused: bool,
    /// A byte of the request may have left this machine.
    pub(super) sent: bool,
    /// Set where the connection came from the pool: the epoch in which it went idle.
    pub(super) pooled_in: Option<u64>,
    /// The first bytes of the answer, decrypted.
    pub(super) answer_start: Vec<u8>,
    /// What the answer's head says that ureq does not need.
    pub(super) info: HeadInfo,
    /// Content of the body that ureq has seen a placeholder of, and that the caller has not taken yet.
    pub(super) content: Vec<u8>,
    watches: Vec<Watch>,
}

/// Why an exchange failed, as found by our own parts.
#[derive(Debug)]
pub(super) enum TransportError {
    Stopped(WaitEnd),
    /// This machine refuses a socket, or a thread for the look-up.
    Refused(io::Error),
    Network(io::Error),
    NotUnderstood(&'static str),
}

impl ExchangeContext {
    pub(super) fn new(
        wait_scope: WaitScope,
        connect_deadline: Instant,
        usersig: UserSig,
    ) -> ExchangeContext {
        ExchangeContext {
            wait_scope,
            connect_deadline,
            usersig,
            over_new_connection: false,
            signed: false,
            phase: Phase::Resolve,
            error: None,
            refused: false,
            sent: false,
            pooled_in: None,
            answer_start: Vec::new(),
            info: HeadInfo::default(),
            content: Vec::new(),
            watches: Vec::new(),
        }
    }

    /// Runs `exchange` with this context, and returns the context afterwards.
    pub(super) fn run<T>(self, exchange: impl FnOnce() -> T) -> (T, ExchangeContext) {
        /// The context of an exchange of the same thread that this one interrupts: a host that is polled may call the
        /// client. It is restored even after a panic.
        struct Interrupted(Option<ExchangeContext>);
        impl Drop for Interrupted {
            fn drop(&mut self) {
                CURRENT.set(self.0.take());
            }
        }
        let interrupted = Interrupted(CURRENT.replace(Some(self)));
        let result = exchange();
        let context = CURRENT.take().expect("only run takes it");
        drop(interrupted);
        (result, context)
    }

    /// The context of this thread. Call it only from what ureq calls during an exchange.
    pub(super) fn with<T>(ask: impl FnOnce(&mut ExchangeContext) -> T) -> T {
        CURRENT.with_borrow_mut(|current| {
            ask(current.as_mut().expect("ureq works on its caller's thread"))
        })
    }

    /// How long the present phase may wait: connecting has a deadline of its own.
    pub(super) fn wait_scope(&self) -> WaitScope {
        match self.phase {
            Phase::Resolve | Phase::Connect | Phase::Handshake => {
                self.wait_scope.at_most(self.connect_deadline)
            }
            _ => self.wait_scope.clone(),
        }
    }

    /// Shuts `socket` when the call is cancelled.
    pub(super) fn watch(&mut self, socket: &Arc<TcpStream>) {
        let token = self.wait_scope.cancel.as_ref();
        let watch = token.map(|token| token.watch(Blocked::Socket(Arc::clone(socket))));
        self.watches.extend(watch);
    }

    /// The connection goes back to the pool, where another call may take it: this call no longer shuts it.
    pub(super) fn release_connection(&mut self) {
        self.watches.clear();
    }

    /// Moves the deadline to `limit` from now, if that is earlier.
    pub(super) fn limit_to(&mut self, limit: Duration) {
        self.wait_scope = self.wait_scope.at_most(deadline_after(limit));
    }

    /// The UserSig, the first time only: it goes into the first bytes of the request.
    pub(super) fn usersig_to_send(&mut self) -> Option<UserSig> {
        (!std::mem::replace(&mut self.signed, true)).then(|| self.usersig.clone())
    }

    /// How long the UserSig is.
    pub(super) fn usersig_bytes(&self) -> usize {
        self.usersig.expose().len()
    }

    /// Keeps the start of the answer for error messages. Fails where bytes arrived before the request was sent.
    pub(super) fn note_answer_start(&mut self, arrived: &[u8]) -> Result<(), TransportError> {
        if !self.sent && !arrived.is_empty() {
            // these bytes belong to the exchange before: the server has not seen this request yet
            let stray = "the server had sent more than its last answer";
            let stray = io::Error::new(io::ErrorKind::InvalidData, stray);
            return Err(TransportError::Network(stray));
        }
        if self.answer_start.is_empty() {
            let shown = arrived.len().min(NotUnderstood::SHOWN);
            self.answer_start = arrived[..shown].to_vec();
        }
        Ok(())
    }

    /// Takes as much content as ureq has read placeholder bytes.
    pub(super) fn take_content(&mut self, bytes: usize) -> Vec<u8> {
        let bytes = bytes.min(self.content.len());
        self.content.drain(..bytes).collect()
    }

    /// Keeps the first error, and returns one for ureq to pass through.
    pub(super) fn failed(&mut self, error: TransportError) -> ureq::Error {
        self.refused |= matches!(error, TransportError::Refused(_));
        self.error.get_or_insert(error);
        ureq::Error::Io(io::Error::other("see the exchange's context"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> ExchangeContext {
        let deadline = deadline_after(Duration::MAX);
        let wait_scope = WaitScope::until(deadline);
        ExchangeContext::new(
            wait_scope,
            deadline,
            UserSig::new("eJyrVgrxCdYrSy1SslJQ").unwrap(),
        )
    }

    #[test]
    fn an_answer_to_a_request_that_was_not_sent_is_a_dead_connection() {
        let mut context = context();
        let stray = context.note_answer_start(b"HTTP/1.1 200 OK");
        assert!(matches!(stray, Err(TransportError::Network(_))));
        context.sent = true;
        assert!(context.note_answer_start(b"HTTP/1.1 200 OK").is_ok());
        assert_eq!(context.answer_start, b"HTTP/1.1 200 OK");
    }

    #[test]
    fn an_exchange_in_the_middle_of_another_leaves_its_context_as_it_was() {
        let (inner, outer) = context().run(|| {
            ExchangeContext::with(|context| context.phase = Phase::Write);
            let (_, inner) =
                context().run(|| ExchangeContext::with(|context| context.phase = Phase::Read));
            ExchangeContext::with(|context| context.sent = true);
            inner
        });
        assert_eq!((inner.phase, inner.sent), (Phase::Read, false));
        assert_eq!((outer.phase, outer.sent), (Phase::Write, true));
        assert!(CURRENT.take().is_none());
    }
}
