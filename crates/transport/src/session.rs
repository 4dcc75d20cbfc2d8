//! A session: what a bulk run and a batcher have in common. Changes go in, threads of the session's own send them,
//! outcomes come out. It has as many threads as requests are under way, and one more: a thread is started when
//! something is to be sent and all others are busy, and ends with the session.

use std::sync::{Arc, Condvar};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{io, process};

use imtag_core::schedule::{BatchPolicy, ChangeId, ProducerId, Verdict};
use imtag_core::{Change, Effect, Invalid};

use crate::change_error::{ChangeCause, ChangeError};
use crate::dispatch::{Counts, Delivery, Dispatch, Guard, OfSession};
use crate::health::EndedEarly;
use crate::threads::spawn_without_signals;
use crate::wait::{WaitEnd, WaitScope, wait_once};
use crate::{CancelToken, Client, worker};

/// How a session sends.
#[derive(Debug, Clone)]
pub(crate) struct Sending {
    pub(crate) policy: BatchPolicy,
    /// For each request, with its waits and retries; at most until the deadline of the last of its changes.
    pub(crate) timeout: Duration,
    pub(crate) attempt_timeout: Duration,
    /// Whether the session ends where every further request would fail; else it goes on as long as it is used.
    pub(crate) is_run: bool,
    pub(crate) threads_at_most: usize,
    pub(crate) thread_name: &'static str,
}

/// Requests under way at most, of the calls per second: what 100 a second need at a round trip of 0.6 s, and more
/// calls at 0.5 s, up to what a process can well have of threads.
pub(crate) fn threads_at_most(calls_per_second: u32) -> usize {
    usize::try_from(calls_per_second / 2)
        .unwrap_or(usize::MAX)
        .clamp(64, 512)
}

pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) source: ProducerId,
    pub(crate) sending: Sending,
    /// Ends what is under way.
    pub(crate) cancel: CancelToken,
    /// Sends nothing more.
    pub(crate) drain: CancelToken,
    /// Wakes a thread of the session.
    work: Condvar,
    process: u32,
}

impl Session {
    pub(crate) fn open(client: &Client, sending: Sending) -> Arc<Session> {
        let mut inner = client.dispatch().lock();
        let source = inner.schedule.open(sending.policy);
        let session = Arc::new(Session {
            client: client.clone(),
            source,
            sending,
            cancel: CancelToken::new(),
            drain: CancelToken::new(),
            work: Condvar::new(),
            process: process::id(),
        });
        inner
            .sessions
            .insert(source, OfSession::new(Arc::clone(&session)));
        drop(inner);
        session
    }

    /// The state that it shares with the client's other sessions; none in a process that was forked from its own.
    pub(crate) fn lock(&self) -> Option<Guard<'_>> {
        (self.process == process::id()).then(|| self.client.dispatch().lock())
    }

    /// For those who run in the session's own process by their nature: its threads.
    pub(crate) fn dispatch(&self) -> &Dispatch {
        self.client.dispatch()
    }

    /// Takes a change in, which has been checked by the client's rules.
    pub(crate) fn push(
        &self,
        inner: &mut Guard<'_>,
        change: Change,
        delivery: Delivery,
        deadline: Duration,
    ) -> ChangeId {
        inner.of(self.source).counts.taken += 1;
        let now = inner.dispatch.now();
        inner
            .schedule
            .push(self.source, change, delivery, deadline, now)
    }

    /// Takes a change in that breaks the rules: it has its outcome at once.
    pub(crate) fn refuse(&self, inner: &mut Guard<'_>, id: u64, change: Change, invalid: Invalid) {
        let error = ChangeError::invalid(&change, invalid);
        let of = inner.of(self.source);
        of.counts.taken += 1;
        of.counts.failed += 1;
        of.complete(id, Arc::new(change), Err(error));
        inner.wake_waiting(self.source);
    }

    /// Whether the session holds as much as it may before it is sent.
    pub(crate) fn is_full(&self, inner: &Guard<'_>) -> bool {
        inner.schedule.unsent(self.source) >= self.sending.policy.capacity
    }

    /// Waits until something has changed, or until `until`.
    pub(crate) fn wait<'g>(
        &'g self,
        mut inner: Guard<'g>,
        wait_scope: &WaitScope,
        until: Instant,
    ) -> Result<Guard<'g>, WaitEnd> {
        inner.go_on();
        wait_once(&mut inner.of(self.source).waiting);
        drop(inner);
        wait_scope.park_until(until)?;
        Ok(self.dispatch().lock())
    }

    /// Whether nothing more is to be sent.
    pub(crate) fn is_drained(&self) -> bool {
        self.drain.is_cancelled() || self.cancel.is_cancelled()
    }

    /// Sends nothing more: what has not been sent is settled as that.
    pub(crate) fn end(&self, inner: &mut Guard<'_>, why: EndedEarly) {
        let of = inner.of(self.source);
        if of.ended.is_some() {
            return;
        }
        of.ended = Some(why.clone());
        let now = inner.dispatch.now();
        for batch in std::mem::take(&mut inner.of(self.source).ready) {
            let not_sent = Verdict::Failed(ChangeCause::Ended(why.clone()), Effect::NotApplied);
            inner.schedule.settle(batch, not_sent, false, now);
        }
        inner.schedule.end(self.source, now);
    }

    pub(crate) fn counts(&self, inner: &mut Guard<'_>) -> Counts {
        inner.of(self.source).counts
    }

    /// Waits until the threads have ended. Nothing is to be under way.
    pub(crate) fn end_threads(&self) {
        let Some(mut inner) = self.lock() else {
            return;
        };
        let Some(of) = inner.sessions.get_mut(&self.source) else {
            return;
        };
        of.closing = true;
        let threads = std::mem::take(&mut of.threads);
        inner.wake_waiting(self.source);
        drop(inner);
        self.work.notify_all();
        for thread in threads {
            // none panics but by a defect, and then there is nobody left to tell
            drop(thread.join());
        }
    }

    /// Ends what is under way, sends nothing more, and forgets the session; says how many changes had no outcome.
    pub(crate) fn abandon(&self) -> usize {
        let Some(mut inner) = self.lock() else {
            return 0; // another process's, which sees to it
        };
        if !inner.sessions.contains_key(&self.source) {
            return 0; // it was abandoned before
        }
        let unsettled = inner.schedule.unsettled(self.source);
        self.end(&mut inner, EndedEarly::Cancelled);
        drop(inner);
        self.cancel.cancel();
        self.end_threads();
        let mut inner = self.dispatch().lock();
        inner.go_on();
        inner.sessions.remove(&self.source);
        inner.schedule.close(self.source);
        unsettled
    }

    pub(crate) fn wake_thread(&self) {
        self.work.notify_one();
    }

    /// Waits for something to do, at most until then.
    pub(crate) fn rest(&self, inner: &mut Guard<'_>, at_most: Option<Duration>) {
        inner.wait(&self.work, at_most);
    }

    pub(crate) fn start_thread(session: &Arc<Session>) -> io::Result<JoinHandle<()>> {
        let its = Arc::clone(session);
        spawn_without_signals(session.sending.thread_name, move || worker::run(&its))
    }
}
