//! The batcher: changes and gets of many threads share requests. It is for servers that tag or read one user per event: with
//! a request for each, the app's quota would serve a hundredth of the users.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use imtag_core::plan::{ChangeId, Flush, Item, Query};
use imtag_core::{ChangeRequest, Effect, Operation};

use super::engine::State;
use super::future::{OutcomeFuture, OutcomesFuture};
use super::offer::WhenFull;
use super::outcome::{BatcherCompletion, Delivery, ReadTags, Waiter};
use super::request::SendsBy;
use super::session::Session;
use super::stats::SessionStats;
use super::withdraw::{GRACE, abandoned, taken_back, taken_back_as};
use crate::call::CallOptions;
use crate::error::{Cause, ChangeError, Error, RunError, Unfinished};
use crate::wait::{Polled, WaitEnd, WaitScope, deadline_after};

/// Puts the changes, and the gets, of many threads together. Those that meet within the linger time share a request, and
/// each caller gets its own outcome. All methods may be called from any thread, at the same time.
///
/// It sends on threads of its own: as many as requests are under way and one more, asleep when there is nothing to do. At
/// most 64 requests of each operation are under way at 100 calls a second, so there are 256 threads where all four hang; at
/// higher rates there are more, up to 1,024.
/// Changes of one account are made in the order in which they were given; gets have no order with them.
///
/// [`close`](Batcher::close) it at the end. If it is dropped before, it cancels what is under way, sends nothing more, and
/// waits for its threads: a drop takes as long as a credentials callback that one of them is in.
/// [`abandon`](Batcher::abandon) does the same and returns how many changes and gets had no outcome.
pub struct Batcher {
    pub(crate) session: Arc<Session>,
    pub(crate) sends_by: SendsBy,
    pub(crate) when_full: WhenFull,
    pub(crate) timeout: Duration,
}

impl Batcher {
    /// Adds tags to a user, and waits until the request that it shares is answered.
    ///
    /// # Errors
    /// Unless it is done.
    pub fn add_tag<T: AsRef<str>>(
        &self,
        account: impl AsRef<str>,
        tags: impl IntoIterator<Item = T>,
    ) -> Result<(), ChangeError> {
        self.call(ChangeRequest::add(account, tags), &CallOptions::new())
    }

    /// Removes tags from a user, and waits until the request that it shares is answered.
    ///
    /// # Errors
    /// Unless it is done.
    pub fn remove_tag<T: AsRef<str>>(
        &self,
        account: impl AsRef<str>,
        tags: impl IntoIterator<Item = T>,
    ) -> Result<(), ChangeError> {
        self.call(ChangeRequest::remove(account, tags), &CallOptions::new())
    }

    /// Removes all tags of a user, and waits until the request that it shares is answered.
    ///
    /// # Errors
    /// Unless it is done.
    pub fn clear_tags(&self, account: impl AsRef<str>) -> Result<(), ChangeError> {
        self.call(ChangeRequest::clear(account), &CallOptions::new())
    }

    /// Replaces the tags of a user, and waits until the request that it shares is answered. Afterwards the user has these
    /// tags and no others. See [`ChangeRequest::replace`]: only the `timpush` paths can do so.
    ///
    /// # Errors
    /// Unless it is done.
    pub fn replace_tags<T: AsRef<str>>(
        &self,
        account: impl AsRef<str>,
        tags: impl IntoIterator<Item = T>,
    ) -> Result<(), ChangeError> {
        self.call(ChangeRequest::replace(account, tags), &CallOptions::new())
    }

    /// Makes any change, and waits until the request that it shares is answered. The options' `attempt_timeout` has no
    /// meaning here. If the caller's time is up or it is cancelled, a change that was not sent yet is taken back. One
    /// whose request has had its turn in the quota may still arrive, or be sent again, and is *possibly applied*.
    ///
    /// # Errors
    /// Unless it is done.
    pub fn call(&self, change: ChangeRequest, options: &CallOptions) -> Result<(), ChangeError> {
        let change = change.check(&self.session.rules)?;
        self.call_item(&change.into(), options).map(drop)
    }

    /// Reads the tags of a user, and waits until the request that it shares is answered. `None` if the answer does not name
    /// the user: no page says whether such a user has no tags or could not be read.
    ///
    /// Gets share requests of up to 100 users, as changes do, and those of one user that wait together are one: each caller
    /// gets a copy. They wait for no change and have no order with changes: a get sees each change that was answered before
    /// it was given, to this client or to another, and may or may not see one that was not. A get changes nothing, so with
    /// any failure it is *not read*. In all else it is as in a [`call`](Batcher::call).
    ///
    /// A get that comes while one of its user is in a request waits until that has its outcome, and is sent anew: in the
    /// worst case without a failure it takes two round trips. If that request hangs, is tried again, or is among those
    /// that are searched for a fault, the get waits for it as long as it has time.
    ///
    /// ```no_run
    /// # use imtag_transport::{Batcher, CallOptions, ChangeError};
    /// # fn greet(batcher: &Batcher) -> Result<(), ChangeError> {
    /// match batcher.get_tag("xiaojun012", &CallOptions::new())? {
    ///     Some(tags) if tags.iter().any(|tag| tag == "vip") => println!("welcome back"),
    ///     Some(_) => println!("welcome"),
    ///     None => println!("the answer does not name the user"),
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If nothing was read.
    pub fn get_tag(
        &self,
        account: &str,
        options: &CallOptions,
    ) -> Result<Option<Vec<String>>, ChangeError> {
        // copied on this thread
        self.call_item(&self.get_of(account)?, options)
            .map(read_tags)
    }

    fn get_of(&self, account: &str) -> Result<Item, ChangeError> {
        let query = Query::new(account, &self.session.rules);
        let query = query.map_err(|invalid| {
            let error = Error::not_sent(Cause::Invalid(invalid));
            ChangeError::new(Operation::Get, account, error, [])
        });
        Ok(query?.into())
    }

    /// Makes any change as [`call`](Batcher::call) does, for asynchronous code: its outcome is a [`Future`] of any executor.
    /// The change is handed in now, so the changes of an account keep the order of these calls. This never blocks: if the
    /// batcher is full and set to wait, the change waits for capacity, in turn. Until then it is in no
    /// [`flush`](Batcher::flush), nor in [`unsettled`](Batcher::unsettled) or the figures, and what another batcher or a run
    /// of the client is given for its account meanwhile may go before it. The time of the change is the batcher's
    /// `timeout`, as in [`submit`](Batcher::submit). For an earlier end see [`OutcomeFuture::withdraw`], and
    /// [`async_programs`](crate::async_programs) for more.
    ///
    /// ```
    /// use imtag_transport::{Batcher, ChangeError, ChangeRequest};
    ///
    /// async fn seen(batcher: &Batcher, account: &str) -> Result<(), ChangeError> {
    ///     batcher.call_async(ChangeRequest::add(account, ["seen"])).await
    /// }
    /// ```
    pub fn call_async(&self, change: ChangeRequest) -> OutcomeFuture<()> {
        self.call_async_within(change, self.timeout)
    }

    /// As [`call_async`](Batcher::call_async), with a time of its own for the change, its wait for capacity included, as in
    /// [`submit_within`](Batcher::submit_within). When it is up the change's requests end, and no more: to have its outcome
    /// then, [withdraw](OutcomeFuture::withdraw) it.
    pub fn call_async_within(&self, change: ChangeRequest, timeout: Duration) -> OutcomeFuture<()> {
        OutcomeFuture(self.call_all_async_within([change], timeout))
    }

    /// Reads the tags of a user as [`get_tag`](Batcher::get_tag) does, for asynchronous code: see
    /// [`call_async`](Batcher::call_async).
    pub fn get_tag_async(&self, account: &str) -> OutcomeFuture<Option<Vec<String>>> {
        self.get_tag_async_within(account, self.timeout)
    }

    /// As [`get_tag_async`](Batcher::get_tag_async), with a time of its own: see
    /// [`call_async_within`](Batcher::call_async_within).
    pub fn get_tag_async_within(
        &self,
        account: &str,
        timeout: Duration,
    ) -> OutcomeFuture<Option<Vec<String>>> {
        OutcomeFuture(self.get_all_async_within([account], timeout))
    }

    /// Makes changes of many users as [`call_async_within`](Batcher::call_async_within) does, in one step: those that there is
    /// capacity for come at one moment, so that up to 100 users are one request, however short the linger time and however
    /// busy the machine. The future has all their outcomes, in the order of the changes, and its task is woken once.
    ///
    /// ```
    /// use std::time::Duration;
    /// use imtag_transport::{Batcher, ChangeRequest};
    ///
    /// async fn tag(batcher: &Batcher, accounts: &[&str]) -> usize {
    ///     let changes = accounts.iter().map(|account| ChangeRequest::add(account, ["vip"]));
    ///     let outcomes = batcher.call_all_async_within(changes, Duration::from_secs(8)).await;
    ///     outcomes.iter().filter(|outcome| outcome.is_ok()).count()
    /// }
    /// ```
    pub fn call_all_async_within(
        &self,
        changes: impl IntoIterator<Item = ChangeRequest>,
        timeout: Duration,
    ) -> OutcomesFuture<()> {
        let check = |change: ChangeRequest| match change.check(&self.session.rules) {
            Ok(change) => Ok(change.into()),
            Err(invalid) => Err(invalid.into()),
        };
        let items = changes.into_iter().map(check);
        OutcomesFuture::new(&self.session, self.when_full, timeout, items, drop)
    }

    /// Reads the tags of many users as [`get_tag_async_within`](Batcher::get_tag_async_within) does, in one step: see
    /// [`call_all_async_within`](Batcher::call_all_async_within).
    pub fn get_all_async_within<A: AsRef<str>>(
        &self,
        accounts: impl IntoIterator<Item = A>,
        timeout: Duration,
    ) -> OutcomesFuture<Option<Vec<String>>> {
        let items = accounts.into_iter().map(|it| self.get_of(it.as_ref()));
        OutcomesFuture::new(&self.session, self.when_full, timeout, items, read_tags)
    }

    fn call_item(&self, item: &Item, options: &CallOptions) -> Result<ReadTags, ChangeError> {
        let deadline = deadline_after(options.timeout.unwrap_or(self.timeout));
        let scope = options.wait_scope(deadline + GRACE);
        let _watch = scope.watch();
        let until_deadline = scope.at_most(deadline);
        if let Err(why) = until_deadline.check() {
            return Err(taken_back(item, why));
        }
        let waiter = Waiter::here();
        let delivery = Delivery::Caller(waiter.recipient(0));
        let number = self.give(item, &delivery, &until_deadline)?;
        let mut why = match waiter.wait(&until_deadline) {
            Ok(outcome) => return outcome,
            Err(why) => why,
        };
        let producer = self.session.producer;
        let takes_back = |state: &mut State, now| state.take_back(producer, number, now);
        if let Some(expired) = self.session.with(takes_back).flatten() {
            return Err(taken_back_as(item, why, expired));
        }
        if why == WaitEnd::TimedOut {
            match waiter.wait(&scope) {
                Ok(outcome) => return outcome,
                Err(later) => why = later,
            }
        }
        self.session.with(|state, _| state.disown(number));
        // the outcome may have come meanwhile
        waiter.take().unwrap_or_else(|| Err(abandoned(item, why)))
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
    /// up the change's requests end, and no more: [`withdraw`](Batcher::withdraw) the change to have its outcome then. Only
    /// while the batcher pauses it has its outcome then in any case.
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
        let change = match change.check(&self.session.rules) {
            Ok(change) => Item::Change(change),
            Err(invalid) => {
                // it has its outcome at once, and needs no capacity
                let refusal = invalid.clone();
                let takes = |state: &mut State, _| {
                    let takes = state.takes_more(self.session.producer);
                    if takes {
                        state.refuse(self.session.producer, id, refusal);
                    }
                    takes
                };
                let taken = self.session.with(takes) == Some(true);
                return if taken { Ok(()) } else { Err(invalid.into()) };
            }
        };
        self.submit_item(id, &change, timeout)
    }

    /// Reads the tags of a user as [`get_tag`](Batcher::get_tag) does, without waiting for it: [`poll`](Batcher::poll)
    /// returns its outcome and the tags, under this number. Its time is as in [`submit_within`](Batcher::submit_within).
    ///
    /// # Errors
    /// If the get is not taken: its account breaks the limits, the batcher is full or closed, or the time is up at once.
    pub fn submit_get_within(
        &self,
        id: u64,
        account: &str,
        timeout: Duration,
    ) -> Result<(), ChangeError> {
        self.submit_item(id, &self.get_of(account)?, timeout)
    }

    fn submit_item(&self, id: u64, item: &Item, timeout: Duration) -> Result<(), ChangeError> {
        let scope = WaitScope::until(deadline_after(timeout));
        if let Err(why) = scope.check() {
            return Err(taken_back(item, why));
        }
        self.give(item, &Delivery::Poll(id), &scope).map(drop)
    }

    /// Hands a change or a get in, once there is capacity. The scope's deadline is its own.
    fn give(
        &self,
        item: &Item,
        delivery: &Delivery,
        scope: &WaitScope,
    ) -> Result<ChangeId, ChangeError> {
        let producer = self.session.producer;
        let deadline = self.session.pipeline().at(scope.deadline);
        let given = self.session.wait(scope, |state, now| {
            state.offer(producer, self.when_full, (item, delivery), deadline, now)
        });
        let cause = match given {
            Some(Ok(Ok(number))) => return Ok(number),
            Some(Ok(Err(cause))) => cause,
            Some(Err(why)) => return Err(taken_back(item, why)),
            None => Cause::Forked,
        };
        Err(ChangeError::of_item(item, cause, Effect::NotApplied))
    }

    /// Takes back a submitted change or get, by its number, for a caller that waits no longer. [`poll`](Batcher::poll)
    /// returns its outcome, once; a get is *not read*. A change that was not sent yet is not sent, and is *not
    /// applied*. One whose request has had its turn in the quota may still arrive, or be sent again, and is *possibly
    /// applied*. If the time is up, a request that ends at the same moment is waited for a little, as its outcome says more.
    ///
    /// Nothing happens if none without an outcome has this number. If several have it, the last of them is taken back,
    /// or none.
    pub fn withdraw(&self, id: u64, why: WaitEnd) {
        let producer = self.session.producer;
        self.session
            .with(|state, now| state.withdraw(producer, id, why, now));
    }

    /// The submitted changes that got their outcomes since the last poll, and the gets. Waits for one, at most so long, even if
    /// nothing is under way: another thread may submit. With [`WhenFull::Signal`] it also returns, without an outcome, once
    /// there is capacity for a change or a get that was refused.
    #[must_use]
    pub fn poll(&self, timeout: Duration) -> Vec<BatcherCompletion> {
        let producer = self.session.producer;
        let scope = WaitScope::until(deadline_after(timeout));
        let polled = self.session.wait(&scope, |state, now| {
            let next_abandoned = state.abandon_late(producer, now);
            let all_settled = state.plan.unsettled(producer) == 0;
            let session = state.read(producer);
            let nothing_comes = session.refuses && all_settled;
            let refused = session.submissions.refused.iter().copied();
            let has_none = |operation: &_| !state.plan.has_capacity(producer, *operation);
            let still_refused: Vec<Operation> = refused.filter(has_none).collect();
            let signals = still_refused.len() < session.submissions.refused.len();
            let submissions = &session.submissions;
            let none_is_over = submissions.changes.is_empty() && submissions.gets.is_empty();
            if none_is_over && !nothing_comes && !signals {
                return next_abandoned.map_or(Polled::Pending, Polled::WaitUntil);
            }
            if signals {
                state.session(producer).submissions.refused = still_refused;
            }
            let gets = mem::take(&mut state.untouched(producer).submissions.gets);
            Polled::Ready((state.take_changes(producer), gets))
        });
        let (changes, gets) = polled.and_then(Result::ok).unwrap_or_default();
        let changes = changes.into_iter().map(BatcherCompletion::Change);
        changes
            .chain(gets.into_iter().map(BatcherCompletion::Get))
            .collect()
    }

    /// How many of the changes and gets that were taken have no outcome yet. One that was withdrawn has its outcome.
    #[must_use]
    pub fn unsettled(&self) -> usize {
        let producer = self.session.producer;
        let unsettled = self.session.with(|state, _| state.plan.unsettled(producer));
        unsettled.unwrap_or(0)
    }

    /// Its figures. They take microseconds, and a little more where it holds tens of thousands of changes.
    #[must_use]
    pub fn stats(&self) -> SessionStats {
        self.session.stats()
    }

    /// Sends the changes and gets that were given before without lingering, and waits until all of them have their
    /// outcomes. They are sent so also if the wait ends early. Later ones linger as ever, and so does what waits for the
    /// capacity of a full batcher by now. Where the batcher pauses, the
    /// outcomes come after the resume, or when the time of the changes and gets is up.
    ///
    /// # Errors
    /// If the options' time is up before, or it is cancelled. All stays under way, and nothing is lost.
    pub fn flush(&self, options: &CallOptions) -> Result<(), Unfinished> {
        let producer = self.session.producer;
        let flush = self.session.with(|state, _| state.plan.flush(producer));
        flush.map_or(Ok(()), |flush| self.wait_for(flush, &unending(options)))
    }

    /// Takes no more changes and gets, sends what lingers, and waits until all have their outcomes. Outcomes of submitted
    /// changes can be polled afterwards. It then waits until the batcher's threads have ended: a request whose callers have
    /// all given up is waited for until the options' time is up, and a drop ends it. A pause lasts as in a
    /// [`flush`](Batcher::flush).
    ///
    /// # Errors
    /// If the options' time is up before all have their outcomes, or it is cancelled. All stays under way, and it may be
    /// called again.
    pub fn close(&self, options: &CallOptions) -> Result<(), Unfinished> {
        let producer = self.session.producer;
        let scope = unending(options);
        let flush = self.session.with(|state, _| {
            state.close(producer);
            state.plan.flush(producer)
        });
        flush.map_or(Ok(()), |flush| self.wait_for(flush, &scope))?;
        self.session.join_workers(&scope);
        Ok(())
    }

    /// Why the batcher pauses, if it does: see
    /// [`pause_when_unavailable`](crate::SessionOptions::pause_when_unavailable).
    #[must_use]
    pub fn paused(&self) -> Option<RunError> {
        self.session.paused()
    }

    /// Ends a pause: one request goes first, then all go.
    pub fn resume(&self) {
        self.session.resume();
    }

    /// Cancels what is under way and sends nothing more, as a drop does. Returns how many changes and gets had no outcome.
    pub fn abandon(self) -> usize {
        self.session.abandon()
    }

    /// Waits until every change that came before the flush has its outcome.
    fn wait_for(&self, flush: Flush, scope: &WaitScope) -> Result<(), Unfinished> {
        let producer = self.session.producer;
        let mut changes = 0;
        let waited = self.session.wait(scope, |state, _| {
            if state.plan.is_flushed(producer, flush) {
                return Polled::Ready(());
            }
            changes = state.plan.unsettled_before(producer, flush);
            Polled::Pending
        });
        match waited {
            Some(Err(end)) => Err(Unfinished {
                changes,
                cancelled: end == WaitEnd::Cancelled,
            }),
            Some(Ok(())) | None => Ok(()),
        }
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

/// Copied where others have read the same.
fn read_tags(read: ReadTags) -> Option<Vec<String>> {
    read.map(Arc::unwrap_or_clone)
}

/// A flush or close has no time limit of its own.
pub(super) fn unending(options: &CallOptions) -> WaitScope {
    let deadline = deadline_after(options.timeout.unwrap_or(Duration::MAX));
    options.wait_scope(deadline)
}
