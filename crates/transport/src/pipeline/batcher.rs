//! The batcher: changes of many threads share requests. It is for servers that tag one user per event: with a request for
//! each, the app's quota would serve a hundredth of the users.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use imtag_core::plan::{ChangeId, Flush};
use imtag_core::{Change, ChangeRequest, InvalidChange};

use super::options::WhenFull;
use super::outcome::{Completion, Delivery, Waiter};
use super::session::Session;
use super::{Guard, withdraw};
use crate::call::CallOptions;
use crate::error::{ChangeCause, ChangeError, Unfinished};
use crate::wait::{WaitEnd, WaitScope, deadline_after};

/// Puts the changes of many threads together. Those that meet within the linger time share a request, and each caller
/// gets its own outcome. All methods may be called from any thread, at the same time.
///
/// It sends on threads of its own: as many as requests are under way and one more, asleep when there is nothing to do.
/// Changes of one account are made in the order in which they were given.
///
/// [`close`](Batcher::close) it at the end. If it is dropped before, it cancels what is under way and sends nothing more;
/// [`abandon`](Batcher::abandon) does the same and returns how many changes had no outcome.
pub struct Batcher {
    pub(super) session: Arc<Session>,
    pub(super) when_full: WhenFull,
    pub(super) timeout: Duration,
}

/// How long a caller whose time is up waits for a request that ends at the same deadline, whose outcome says more.
pub(super) const GRACE: Duration = Duration::from_millis(100);

impl Batcher {
    /// Adds tags to a user, and waits until the request that it shares is answered.
    ///
    /// # Errors
    /// Unless it is done.
    pub fn add_tag<T: Into<String>>(
        &self,
        account: impl Into<String>,
        tags: impl IntoIterator<Item = T>,
    ) -> Result<(), ChangeError> {
        self.call(ChangeRequest::add(account, tags), &CallOptions::new())
    }

    /// Removes tags from a user, and waits until the request that it shares is answered.
    ///
    /// # Errors
    /// Unless it is done.
    pub fn remove_tag<T: Into<String>>(
        &self,
        account: impl Into<String>,
        tags: impl IntoIterator<Item = T>,
    ) -> Result<(), ChangeError> {
        self.call(ChangeRequest::remove(account, tags), &CallOptions::new())
    }

    /// Removes all tags of a user, and waits until the request that it shares is answered.
    ///
    /// # Errors
    /// Unless it is done.
    pub fn clear_tags(&self, account: impl Into<String>) -> Result<(), ChangeError> {
        self.call(ChangeRequest::clear(account), &CallOptions::new())
    }

    /// Makes any change, and waits until the request that it shares is answered. The options' `attempt_timeout` has no
    /// meaning here. If the caller's time is up or it is cancelled, a change that is in no request yet is taken back. One
    /// that is in a request may still be sent, or sent again, and is *possibly applied*.
    ///
    /// # Errors
    /// Unless it is done.
    pub fn call(&self, change: ChangeRequest, options: &CallOptions) -> Result<(), ChangeError> {
        let change = change.check(self.session.client.rules())?;
        let deadline = deadline_after(options.timeout.unwrap_or(self.timeout));
        let wait_scope = options.wait_scope(deadline + GRACE);
        let _watch = wait_scope.watch();
        if let Err(stop) = wait_scope.at_most(deadline).check() {
            return Err(withdraw::taken_back(&change, stop));
        }
        let waiter = Waiter::here();
        let given = change.clone();
        let delivery = Delivery::Caller(Arc::clone(&waiter));
        let number = self.give(change, delivery, deadline, &wait_scope)?;
        let mut until = deadline;
        loop {
            if let Some(outcome) = waiter.take() {
                return outcome;
            }
            if let Err(stop) = wait_scope.park_until(until) {
                return self.give_up(&given, number, &waiter, stop);
            }
            if until == deadline && Instant::now() >= deadline {
                if self.take_back(number) {
                    return Err(withdraw::taken_back(&given, WaitEnd::TimedOut));
                }
                until = wait_scope.deadline;
            }
        }
    }

    /// Makes any change without waiting for it: [`poll`](Batcher::poll) returns its outcome, under this number. If the
    /// batcher is full and set to wait, it waits for capacity.
    ///
    /// # Errors
    /// If the change is not taken: the batcher is full or closed. A change that breaks the limits is taken and has its
    /// outcome at once; after the close it is not taken, and the error says that it breaks the limits.
    pub fn submit(&self, id: u64, change: ChangeRequest) -> Result<(), ChangeError> {
        self.submit_within(id, change, self.timeout)
    }

    /// As [`submit`](Batcher::submit), with a time of its own for the change, its wait for capacity included. When it is
    /// up the change's requests end, and no more: [`withdraw`](Batcher::withdraw) the change to have its outcome then.
    ///
    /// # Errors
    /// As [`submit`](Batcher::submit); also if the time is up at once.
    pub fn submit_within(
        &self,
        id: u64,
        change: ChangeRequest,
        timeout: Duration,
    ) -> Result<(), ChangeError> {
        // invalid comes first, whatever the batcher's state and the time left
        let change = match change.check(self.session.client.rules()) {
            Ok(change) => change,
            Err(invalid) => return self.complete_invalid(id, invalid),
        };
        let deadline = deadline_after(timeout);
        let wait_scope = WaitScope {
            deadline,
            ..endless()
        };
        if let Err(stop) = wait_scope.check() {
            return Err(withdraw::taken_back(&change, stop));
        }
        self.give(change, Delivery::Poll(id), deadline, &wait_scope)
            .map(drop)
    }

    /// A change that breaks the limits has its outcome at once. It needs no capacity.
    fn complete_invalid(&self, id: u64, invalid: InvalidChange) -> Result<(), ChangeError> {
        let Some(mut inner) = self.session.lock() else {
            return Err(invalid.into());
        };
        if !self.takes_more(&mut inner) {
            return Err(invalid.into());
        }
        self.session.refuse(&mut inner, id, invalid);
        Ok(())
    }

    fn takes_more(&self, inner: &mut Guard<'_>) -> bool {
        let state = inner.session(self.session.producer);
        !state.refuses && state.ended.is_none()
    }

    /// The submitted changes that got their outcomes since the last poll. Waits for one, at most so long, even if nothing
    /// is under way: another thread may submit. With [`WhenFull::Signal`] it also returns, without an outcome, once there
    /// is capacity for a change that was refused.
    #[must_use]
    pub fn poll(&self, timeout: Duration) -> Vec<Completion> {
        let until = deadline_after(timeout);
        let wait_scope = endless();
        loop {
            let Some(mut inner) = self.session.lock() else {
                return Vec::new();
            };
            inner.flush_events();
            let next_abandoned = self.abandon_late(&mut inner);
            let all_settled = inner.plan.unsettled(self.session.producer) == 0;
            let has_capacity = !self.session.is_full(&inner);
            let state = inner.session(self.session.producer);
            let completed = std::mem::take(&mut state.completed);
            let nothing_comes = state.closing || (state.refuses && all_settled);
            let signals = has_capacity && std::mem::take(&mut state.submitted.refused);
            if !completed.is_empty() || nothing_comes || signals || Instant::now() >= until {
                drop(inner);
                return completed.into();
            }
            let until = next_abandoned.map_or(until, |moment| moment.min(until));
            drop(self.session.wait(inner, &wait_scope, until));
        }
    }

    /// How many changes have no outcome yet.
    #[must_use]
    pub fn unsettled(&self) -> usize {
        let inner = self.session.lock();
        inner.map_or(0, |inner| inner.plan.unsettled(self.session.producer))
    }

    /// Sends what lingers, and waits until every change that was given before has its outcome.
    ///
    /// # Errors
    /// If the options' time is up before, or it is cancelled. The changes stay under way, and nothing is lost.
    pub fn flush(&self, options: &CallOptions) -> Result<(), Unfinished> {
        let Some(mut inner) = self.session.lock() else {
            return Ok(());
        };
        let producer = self.session.producer;
        let flush = inner.plan.flush(producer);
        inner.session(producer).flushes += 1;
        inner.plan.set_flushing(producer, true);
        drop(inner);
        let flushed = self.wait_for(flush, options);
        if let Some(mut inner) = self.session.lock() {
            let state = inner.session(producer);
            state.flushes -= 1;
            let flushing = state.flushes > 0 || state.refuses;
            inner.plan.set_flushing(producer, flushing);
        }
        flushed
    }

    /// Takes no more changes, sends what lingers, and waits until all have their outcomes. Outcomes of submitted changes
    /// can be polled afterwards.
    ///
    /// # Errors
    /// If the options' time is up before, or it is cancelled. The changes stay under way, and it may be called again.
    pub fn close(&self, options: &CallOptions) -> Result<(), Unfinished> {
        let producer = self.session.producer;
        let Some(mut inner) = self.session.lock() else {
            return Ok(());
        };
        inner.session(producer).refuses = true;
        let flush = inner.plan.flush(producer);
        inner.plan.set_flushing(producer, true);
        inner.wake_waiters(producer); // those that wait for capacity are refused
        drop(inner);
        self.wait_for(flush, options)?;
        self.session.join_workers();
        Ok(())
    }

    /// Cancels what is under way and sends nothing more, as a drop does. Returns how many changes had no outcome.
    pub fn abandon(self) -> usize {
        self.session.abandon()
    }

    /// Hands a change in, once there is capacity.
    fn give(
        &self,
        change: Change,
        delivery: Delivery,
        deadline: Instant,
        wait_scope: &WaitScope,
    ) -> Result<ChangeId, ChangeError> {
        let refused = |cause| Err(ChangeError::not_sent(&change, cause));
        let Some(mut inner) = self.session.lock() else {
            return refused(ChangeCause::Forked);
        };
        loop {
            if !self.takes_more(&mut inner) {
                return refused(ChangeCause::Closed);
            }
            if !self.session.is_full(&inner) {
                let deadline = inner.pipeline.at(deadline);
                let id = match delivery {
                    Delivery::Poll(id) => Some(id),
                    Delivery::Caller(_) | Delivery::Discard => None,
                };
                let number = self.session.push(&mut inner, change, delivery, deadline);
                if let Some(id) = id {
                    let state = inner.session(self.session.producer);
                    state.submitted.insert(id, number);
                }
                return Ok(number);
            }
            if self.when_full != WhenFull::Wait {
                let signals = self.when_full == WhenFull::Signal;
                inner.session(self.session.producer).submitted.refused |= signals;
                return refused(ChangeCause::Full);
            }
            inner = match self.session.wait(inner, wait_scope, deadline) {
                Ok(_) if Instant::now() >= deadline => return refused(ChangeCause::Expired),
                Ok(inner) => inner,
                Err(WaitEnd::TimedOut) => return refused(ChangeCause::Expired),
                Err(WaitEnd::Cancelled) => return refused(ChangeCause::Abandoned),
            };
        }
    }

    /// Waits until every change that came before the flush has its outcome.
    fn wait_for(&self, flush: Flush, options: &CallOptions) -> Result<(), Unfinished> {
        let producer = self.session.producer;
        let wait_scope =
            options.wait_scope(deadline_after(options.timeout.unwrap_or(Duration::MAX)));
        let _watch = wait_scope.watch();
        while let Some(mut inner) = self.session.lock() {
            inner.flush_events();
            if inner.plan.is_flushed(producer, flush) {
                break;
            }
            let Err(stop) = self.session.wait(inner, &wait_scope, wait_scope.deadline) else {
                continue;
            };
            let inner = self.session.lock();
            let changes = inner.map_or(0, |it| it.plan.unsettled_before(producer, flush));
            if changes > 0 {
                let cancelled = stop == WaitEnd::Cancelled;
                return Err(Unfinished { changes, cancelled });
            }
        }
        Ok(())
    }
}

impl Drop for Batcher {
    fn drop(&mut self) {
        self.session.abandon();
    }
}

impl fmt::Debug for Batcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batcher")
            .field("unsettled", &self.unsettled())
            .finish_non_exhaustive()
    }
}

fn endless() -> WaitScope {
    WaitScope::until(deadline_after(Duration::MAX))
}
