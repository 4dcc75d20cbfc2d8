//! One exchange, as its thread knows it: what it may take, how far it has come, and why it failed.

use std::cell::RefCell;
use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use imtag_core::{NotUnderstood, UserSig};

use crate::Phase;
use crate::wait::{Blocked, WaitEnd, WaitScope, Watch, deadline_after};

use super::head::Told;

thread_local! {
    static CURRENT: RefCell<Option<Attempt>> = const { RefCell::new(None) };
}

pub(super) struct Attempt {
    wait_scope: WaitScope,
    connect_deadline: Instant,
    usersig: UserSig,
    /// Whether no connection of the pool will do.
    pub(super) over_new_connection: bool,
    /// Whether the UserSig has been put into the request.
    signed: bool,
    pub(super) phase: Phase,
    /// The first trouble met: what ureq makes of it is of no interest.
    pub(super) trouble: Option<Trouble>,
    /// Whether any byte of the request may have left this machine.
    pub(super) sent: bool,
    /// The connection came from the pool, where it went idle in this epoch.
    pub(super) pooled_in: Option<u64>,
    /// The first bytes of the answer, in the clear.
    pub(super) answer_start: Vec<u8>,
    /// What its head says besides.
    pub(super) told: Told,
    /// The content of its body that ureq has been told of, and that has not been taken yet.
    pub(super) content: Vec<u8>,
    watches: Vec<Watch>,
}

/// Why an exchange failed, where it was found by our own parts.
#[derive(Debug)]
pub(super) enum Trouble {
    Stopped(WaitEnd),
    /// This machine refuses a socket, or a thread for the look-up.
    Refused(io::Error),
    Network(io::Error),
    NotUnderstood(&'static str),
}

impl Attempt {
    pub(super) fn new(
        wait_scope: WaitScope,
        connect_deadline: Instant,
        usersig: UserSig,
    ) -> Attempt {
        Attempt {
            wait_scope,
            connect_deadline,
            usersig,
            over_new_connection: false,
            signed: false,
            phase: Phase::Resolve,
            trouble: None,
            sent: false,
            pooled_in: None,
            answer_start: Vec::new(),
            told: Told::default(),
            content: Vec::new(),
            watches: Vec::new(),
        }
    }

    /// Runs `exchange` as this attempt, and gives back what it has come to.
    pub(super) fn run<T>(self, exchange: impl FnOnce() -> T) -> (T, Attempt) {
        /// The attempt that this one is made in the middle of: a host that is asked whether to go on may call the
        /// client. It is put back also after a panic.
        struct Interrupted(Option<Attempt>);
        impl Drop for Interrupted {
            fn drop(&mut self) {
                CURRENT.set(self.0.take());
            }
        }
        let interrupted = Interrupted(CURRENT.replace(Some(self)));
        let result = exchange();
        let attempt = CURRENT.take().expect("nobody else takes it");
        drop(interrupted);
        (result, attempt)
    }

    /// The attempt of this thread. Only what ureq calls in the course of an exchange asks for it.
    pub(super) fn with<T>(ask: impl FnOnce(&mut Attempt) -> T) -> T {
        CURRENT.with_borrow_mut(|current| {
            ask(current.as_mut().expect("ureq works on its caller's thread"))
        })
    }

    /// What the present phase may wait for: connecting has a deadline of its own.
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

    /// The exchange is over, and its connection goes back to the pool, where another call may take it.
    pub(super) fn leave_connection(&mut self) {
        self.watches.clear();
    }

    /// From now on waits no longer than this.
    pub(super) fn hurry(&mut self, limit: Duration) {
        self.wait_scope = self.wait_scope.at_most(deadline_after(limit));
    }

    /// The UserSig, once: for the first bytes of the request.
    pub(super) fn usersig_to_send(&mut self) -> Option<UserSig> {
        (!std::mem::replace(&mut self.signed, true)).then(|| self.usersig.clone())
    }

    /// How long it is.
    pub(super) fn usersig_bytes(&self) -> usize {
        self.usersig.expose().len()
    }

    /// Looks at what has arrived of the answer, before ureq is told of it.
    pub(super) fn look_at_answer(&mut self, arrived: &[u8]) -> Result<(), Trouble> {
        if !self.sent && !arrived.is_empty() {
            // left over from the exchange before, and not the answer to a request that nobody has seen
            let stray = "the server had sent more than its last answer";
            let stray = io::Error::new(io::ErrorKind::InvalidData, stray);
            return Err(Trouble::Network(stray));
        }
        if self.answer_start.is_empty() {
            let shown = arrived.len().min(NotUnderstood::SHOWN);
            self.answer_start = arrived[..shown].to_vec();
        }
        Ok(())
    }

    /// The content that ureq has read so many bytes of.
    pub(super) fn take_content(&mut self, bytes: usize) -> Vec<u8> {
        let bytes = bytes.min(self.content.len());
        self.content.drain(..bytes).collect()
    }

    /// Notes the trouble, and makes an error of it that ureq hands through.
    pub(super) fn failed(&mut self, trouble: Trouble) -> ureq::Error {
        self.trouble.get_or_insert(trouble);
        ureq::Error::Io(io::Error::other("see the attempt"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt() -> Attempt {
        let deadline = deadline_after(Duration::MAX);
        let wait_scope = WaitScope::until(deadline);
        Attempt::new(
            wait_scope,
            deadline,
            UserSig::new("eJyrVgrxCdYrSy1SslJQ").unwrap(),
        )
    }

    #[test]
    fn an_answer_to_a_request_that_was_not_sent_is_a_dead_connection() {
        let mut attempt = attempt();
        let stray = attempt.look_at_answer(b"HTTP/1.1 200 OK");
        assert!(matches!(stray, Err(Trouble::Network(_))));
        attempt.sent = true;
        assert!(attempt.look_at_answer(b"HTTP/1.1 200 OK").is_ok());
        assert_eq!(attempt.answer_start, b"HTTP/1.1 200 OK");
    }

    #[test]
    fn an_attempt_in_the_middle_of_another_leaves_it_as_it_was() {
        let (inner, outer) = attempt().run(|| {
            Attempt::with(|attempt| attempt.phase = Phase::Write);
            let (_, inner) = attempt().run(|| Attempt::with(|attempt| attempt.phase = Phase::Read));
            Attempt::with(|attempt| attempt.sent = true);
            inner
        });
        assert_eq!((inner.phase, inner.sent), (Phase::Read, false));
        assert_eq!((outer.phase, outer.sent), (Phase::Write, true));
        assert!(CURRENT.take().is_none());
    }
}
