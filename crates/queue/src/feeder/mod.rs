//! Sends what the store holds: one session of the client's pipeline at a time, which is fed with the changes in the order of
//! their posts.
//!
//! ```text
//!                       blocks                    changes
//! store's thread ─────────────────► feeding thread ─────────► batcher ──► service
//!       ▲                                                        │
//!       └──────────────────────── outcomes ◄── polling thread ◄──┘
//!
//! supervisor: begins a session with each client, ends the one before first
//! ```
//!
//! The batcher keeps the order of an account's changes, packs, paces and repeats. Where every further request would fail it
//! pauses, and the polling thread resumes it after a time. What has no outcome when a session ends, waits for the next one,
//! which begins at the first of the queue: so the order holds over sessions, too.
//!
//! If anything may be on its way when a session ends, the store notes it. A next session by the same rules knows for which
//! accounts, as clients hand their plan on, and waits for the late window where it matters. One of another process, or of
//! other rules, does not know: a change that was settled long ago may have been sent twice, of which the first attempt still
//! arrives and undoes the next change. It sends nothing until the late window is over.

mod health;
mod hurry;
mod session;

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use imtag_core::Rules;
use imtag_transport::Client;

use crate::answer::{Reply, channel};
use crate::command::Shared;
use hurry::Hurry;
use session::{PAUSING, Session};

/// How long a session has to finish what is under way before one with another client begins.
const HANDING_OVER: Duration = Duration::from_secs(10);
/// After a session that cannot go on, until the next begins.
const BEGINS_AGAIN: Duration = Duration::from_secs(1);

/// The supervisor's thread.
pub(crate) struct Feeder {
    orders: Sender<Order>,
    /// Ends the wait for what is under way of a session before.
    hurry: Hurry,
    thread: JoinHandle<()>,
}

enum Order {
    SendBy(Box<Client>),
    /// A session cannot go on, as some of its changes are not settled and not under way any more.
    Stuck,
    /// An operator has paused the queue: the session sends nothing more and ends, and the next one is handed nothing.
    Pause,
    /// Answered with how many changes may be on their way.
    End(Instant, Reply<u64>),
}

impl Feeder {
    pub(crate) fn start(shared: Arc<Shared>) -> std::io::Result<Feeder> {
        let (orders, receiver) = mpsc::channel();
        let thread = thread::Builder::new().name("imtag-feeder".to_owned());
        let (to_itself, hurry) = (orders.clone(), Hurry::default());
        let (of_pauses, its) = (hurry.clone(), hurry.clone());
        let pauses = orders.clone();
        *shared.ends_session.lock() = Some(Box::new(move || {
            of_pauses.now();
            // it has ended, and so has the session
            drop(pauses.send(Order::Pause));
        }));
        let work = move || shared.guard(|| supervise(&shared, &to_itself, &receiver, &its));
        let thread = thread.spawn(work)?;
        Ok(Feeder {
            orders,
            hurry,
            thread,
        })
    }

    pub(crate) fn send_by(&self, client: Client) {
        // it has ended, and so has the queue
        drop(self.orders.send(Order::SendBy(Box::new(client))));
    }

    /// Ends the session, at the latest then. Returns how many changes may be on their way.
    pub(crate) fn end(self, by: Instant) -> u64 {
        let (reply, answer) = channel();
        drop(self.orders.send(Order::End(by, reply)));
        // it may wait for a session before, which has a time of its own
        let left = by.saturating_duration_since(Instant::now());
        let in_doubt = answer.wait_for(left).unwrap_or_else(|| {
            self.hurry.for_good();
            answer.wait()
        });
        drop(self.thread.join());
        in_doubt.unwrap_or(0)
    }
}

/// Until the end, which is always asked for: nothing of it wakes while nothing is asked.
fn supervise(
    shared: &Arc<Shared>,
    orders: &Sender<Order>,
    received: &Receiver<Order>,
    hurry: &Hurry,
) {
    // until then there may arrive what no account is known of
    let mut unknown_until = Instant::now() + shared.settings.late_window;
    let mut rules: Option<Rules> = None;
    let mut begin = |client: Client| {
        let before = rules.replace(*client.rules());
        if before.is_some_and(|before| before != *client.rules()) {
            unknown_until = Instant::now() + shared.settings.late_window;
        }
        let orders = orders.clone();
        // it has ended, and so has the session
        let begin_again = move || drop(orders.send(Order::Stuck));
        Session::begin(shared, client, unknown_until, begin_again)
    };
    let mut session: Option<Session> = None;
    // when a session that is stuck is begun again
    let mut again: Option<Instant> = None;
    // of the session before
    let mut in_doubt = 0;
    loop {
        let order = match again {
            None => received.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(at) => received.recv_timeout(at.saturating_duration_since(Instant::now())),
        };
        match order {
            Ok(Order::SendBy(client)) => {
                if let Some(before) = session.take() {
                    in_doubt = before.end(Instant::now() + HANDING_OVER, hurry);
                }
                again = None;
                session = (!hurry.is_for_good()).then(|| begin(*client));
            }
            Ok(Order::Stuck) => {
                again.get_or_insert_with(|| Instant::now() + BEGINS_AGAIN);
            }
            Ok(Order::Pause) => {
                again = None;
                if let Some(paused) = session.take() {
                    let client = paused.client();
                    in_doubt = paused.end(Instant::now() + PAUSING, hurry);
                    session = (!hurry.is_for_good()).then(|| begin(client));
                }
            }
            Ok(Order::End(by, reply)) => {
                let of_last = session.take().map(|session| session.end(by, hurry));
                return reply.give(Ok(of_last.unwrap_or(in_doubt)));
            }
            Err(RecvTimeoutError::Timeout) => {
                again = None;
                // what is not settled goes again from the first; an order of the session before may have come late
                if let Some(stuck) = session.take_if(|it| it.is_stuck()) {
                    let client = stuck.client();
                    in_doubt = stuck.end(Instant::now() + HANDING_OVER, hurry);
                    session = (!hurry.is_for_good()).then(|| begin(client));
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
