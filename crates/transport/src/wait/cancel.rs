//! Cancels a call from another thread. A token knows what its calls block on: it unparks a thread, or shuts a socket down,
//! so the call ends at once.

use std::fmt;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::process::PerProcess;

use super::sync::thread::Thread;
use super::sync::{AtomicBool, Lock, MutexGuard};

/// Cancels calls, from any thread. Clones are the same token; one token may serve any number of calls, also at the
/// same time. Once cancelled it stays so.
///
/// ```no_run
/// # fn call(client: &imtag_transport::Client, request: &imtag_transport::AddTags) {
/// use imtag_transport::{CallOptions, CancelToken, Cause};
///
/// let token = CancelToken::new();
/// let options = CallOptions::new().cancel(&token);
/// std::thread::scope(|scope| {
///     scope.spawn(|| token.cancel());
///     if let Err(error) = client.call(request, &options) {
///         assert!(matches!(error.cause(), Cause::Cancelled { .. }));
///     }
/// });
/// # }
/// ```
#[derive(Clone, Default)]
pub struct CancelToken(Arc<Shared>);

struct Shared {
    cancelled: AtomicBool,
    /// A forked child has its own: it must not wake its parent's threads, nor shut its sockets.
    watched: PerProcess<Lock<Watched>>,
}

impl Default for Shared {
    fn default() -> Self {
        Shared {
            cancelled: AtomicBool::new(false),
            watched: PerProcess::new(Lock::default()),
        }
    }
}

#[derive(Default)]
struct Watched {
    next: u64,
    blocked: Vec<(u64, Blocked)>,
}

/// What a call may be blocked on.
pub(crate) enum Blocked {
    Thread(Thread),
    Socket(Arc<TcpStream>),
    /// Another token, which is cancelled with this one.
    Token(CancelToken),
}

impl Blocked {
    fn release(&self) {
        match self {
            Blocked::Thread(thread) => thread.unpark(),
            Blocked::Token(token) => token.cancel(),
            // it fails where the peer has closed the socket, which ends the wait too
            Blocked::Socket(socket) => drop(socket.shutdown(Shutdown::Both)),
        }
    }
}

impl CancelToken {
    /// A token that is not cancelled.
    #[must_use]
    pub fn new() -> CancelToken {
        CancelToken::default()
    }

    /// Ends all calls that the token was given to, now and from now on.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::SeqCst);
        for (_, blocked) in &self.watched().blocked {
            blocked.release();
        }
    }

    /// Whether [`cancel`](CancelToken::cancel) has been called.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    /// Releases `blocked` when the token is cancelled, or at once if it is already. Ends when the watch is dropped.
    pub(crate) fn watch(&self, blocked: Blocked) -> Watch {
        let mut watched = self.watched();
        // a thread or a socket is looked at after this, but nothing looks at a token again
        if self.is_cancelled() {
            blocked.release();
        }
        let id = watched.next;
        watched.next += 1;
        watched.blocked.push((id, blocked));
        drop(watched);
        Watch {
            token: self.clone(),
            id,
        }
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.0.watched.get(Lock::default).lock()
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cancelled = self.is_cancelled();
        f.debug_struct("CancelToken")
            .field("cancelled", &cancelled)
            .finish_non_exhaustive()
    }
}

/// Releases something on cancel, until it is dropped.
#[must_use]
pub(crate) struct Watch {
    token: CancelToken,
    id: u64,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = self.token.watched();
        watched.blocked.retain(|(id, _)| *id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_cancelled_token_releases_what_is_watched_before_and_after() {
        let token = CancelToken::new();
        let before = token.watch(Blocked::Thread(thread::current()));
        token.clone().cancel();
        thread::park(); // hangs if the token was not released
        drop(before);
        let _after = token.watch(Blocked::Thread(thread::current()));
        thread::park();
        assert!(token.is_cancelled());
    }

    #[test]
    fn a_dropped_watch_leaves_nothing_behind() {
        let token = CancelToken::new();
        let first = token.watch(Blocked::Thread(thread::current()));
        let second = token.watch(Blocked::Thread(thread::current()));
        drop(first);
        assert_eq!(token.watched().blocked.len(), 1);
        drop(second);
        assert!(token.watched().blocked.is_empty());
    }
}
