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
//! which begins at the first of the queue: so the order holds over sessions, too. If anything may be on its way then, the
//! next session knows it, and waits for the late window where it matters.

mod health;
mod session;

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use imtag_transport::Client;

use crate::answer::{Answer, Reply, channel};
use crate::command::Shared;
use session::Session;

/// How long a session has to finish what is under way before one with another client begins.
const HANDING_OVER: Duration = Duration::from_secs(10);
/// After a session that cannot go on, until the next begins.
const BEGINS_AGAIN: Duration = Duration::from_secs(1);

/// The supervisor's thread.
pub(crate) struct Feeder {
    orders: Sender<Order>,
    thread: JoinHandle<()>,
}

enum Order {
    SendBy(Box<Client>),
    /// A session cannot go on, as some of its changes are not settled and not under way any more; or the operator has paused
    /// the queue.
    Stuck,
    /// Answered with how many changes may be on their way.
    End(Instant, Reply<u64>),
}

impl Feeder {
    pub(crate) fn start(shared: Arc<Shared>) -> std::io::Result<Feeder> {
        let (orders, receiver) = mpsc::channel();
        let thread = thread::Builder::new().name("imtag-feeder".to_owned());
        let to_itself = orders.clone();
        let thread = thread.spawn(move || supervise(&shared, &to_itself, &receiver))?;
        Ok(Feeder { orders, thread })
    }

    pub(crate) fn send_by(&self, client: Client) {
        // it has ended, and so has the queue
        drop(self.orders.send(Order::SendBy(Box::new(client))));
    }

    /// Ends the session, at the latest then. Answers how many changes may be on their way.
    pub(crate) fn end(&self, by: Instant) -> Answer<u64> {
        let (reply, answer) = channel();
        drop(self.orders.send(Order::End(by, reply)));
        answer
    }

    pub(crate) fn join(self) {
        drop(self.orders);
        drop(self.thread.join());
    }
}

/// Until the end, which is always asked for: nothing of it wakes while nothing is asked.
fn supervise(shared: &Arc<Shared>, orders: &Sender<Order>, received: &Receiver<Order>) {
    let begin = |client| {
        let orders = orders.clone();
        // it has ended, and so has the session
        Session::begin(shared, client, move || drop(orders.send(Order::Stuck)))
    };
    let mut session: Option<Session> = None;
    // when a session that is stuck is begun again
    let mut again: Option<Instant> = None;
    loop {
        let order = match again {
            None => received.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(at) => received.recv_timeout(at.saturating_duration_since(Instant::now())),
        };
        match order {
            Ok(Order::SendBy(client)) => {
                if let Some(before) = session.take() {
                    before.end(Instant::now() + HANDING_OVER);
                }
                again = None;
                session = Some(begin(*client));
            }
            Ok(Order::Stuck) => {
                again.get_or_insert_with(|| Instant::now() + BEGINS_AGAIN);
            }
            Ok(Order::End(by, reply)) => {
                let in_doubt = session.take().map_or(0, |session| session.end(by));
                return reply.give(Ok(in_doubt));
            }
            Err(RecvTimeoutError::Timeout) => {
                again = None;
                // what is not settled goes again from the first; an order of the session before may have come late
                if let Some(stuck) = session.take_if(|it| it.is_stuck()) {
                    let client = stuck.client();
                    let time = if shared.is_paused() {
                        Duration::ZERO
                    } else {
                        HANDING_OVER
                    };
                    stuck.end(Instant::now() + time);
                    session = Some(begin(client));
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
