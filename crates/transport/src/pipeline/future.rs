//! Changes or gets of a batcher whose outcomes an asynchronous task waits for: one, or several that are given in one step.
//!
//! ```text
//!                                      there is capacity
//! call_async ──► waits for capacity ────────────────────► taken ──► over: its outcome
//!                 │  │                                      │
//!                 │  └─ invalid, full, closed, time up ─────│─────► over: not sent
//!                 └─ withdrawn, dropped: never taken        ├─ withdrawn: taken back, or disowned
//!                                                           └─ dropped: goes on; a get is withdrawn
//! ```
//!
//! No thread and no timer is of the future: the step that brings capacity takes in what waits for it (`queue.rs`), and the one
//! that settles the last of its changes wakes its task. A future that is dropped once its change is taken leaves it there: the
//! change goes on.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use imtag_core::Effect;
use imtag_core::plan::{ChangeId, Item, ProducerId};

use super::engine::State;
use super::offer::WhenFull;
use super::outcome::{Delivery, ItemResult, ReadTags, Recipient, Waiter};
use super::queue::{Place, Waiting};
use super::session::Session;
use super::withdraw::{abandoned, taken_back_as};
use crate::error::{Cause, ChangeError};
use crate::wait::{Polled, WaitEnd, deadline_after};

/// The outcome of a change or a get of a batcher, for an asynchronous task: made by
/// [`Batcher::call_async`](crate::Batcher::call_async) and [`Batcher::get_tag_async`](crate::Batcher::get_tag_async).
///
/// It works with any executor, and starts no thread. The change is on its way already, whether the future is polled or not.
///
/// If the future is dropped, its change goes on, as a submitted one does whose outcome is never polled: it is made or fails
/// without a word, and a [flush](crate::Batcher::flush) or a [close](crate::Batcher::close) waits for it all the same. To
/// take it back, or to hear what is known of it, [withdraw](OutcomeFuture::withdraw) it instead. Two things end with their
/// futures: a get, which has no effect, and what still waits for the capacity of a full batcher, which was not taken.
#[must_use = "if it is dropped, its change goes on and its outcome is lost"]
pub struct OutcomeFuture<T>(pub(super) OutcomesFuture<T>);

/// The outcomes of changes or gets that were given to a batcher together, in their order: made by
/// [`Batcher::call_all_async_within`](crate::Batcher::call_all_async_within) and
/// [`Batcher::get_all_async_within`](crate::Batcher::get_all_async_within). It is ready when all are there, and as an
/// [`OutcomeFuture`] in all else.
#[must_use = "if it is dropped, its changes go on and their outcomes are lost"]
pub struct OutcomesFuture<T> {
    session: Arc<Session>,
    /// None once their outcomes were returned.
    members: Vec<Member>,
    waiter: Arc<Waiter>,
    deadline: Duration,
    read: fn(ReadTags) -> T,
}

/// One of those that were given together.
enum Member {
    /// Its outcome comes to the waiter.
    Given {
        item: Item,
        given: Given,
    },
    Refused(ChangeError),
}

enum Given {
    /// The batcher does not have it: it was taken back, or this is a forked child. So it fails if its time was up.
    Nowhere(Cause),
    /// The batcher had no capacity; by now it may have it.
    Waits(Place),
    /// Its number in the plan.
    Taken(ChangeId),
}

const ONCE: &str = "a future is not polled after it was ready";

impl<T> OutcomeFuture<T> {
    /// Waits no longer, and returns the outcome if it is there. Else a change that was not sent yet is taken back: it is
    /// not sent, and is *not applied*. One whose request has had its turn in the quota may still arrive, or be sent again, and is
    /// *possibly applied*; a get is *not read*. It does not block. `why` is what the error says.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use imtag_transport::{Batcher, ChangeError, ChangeRequest, WaitEnd};
    ///
    /// async fn tag(batcher: &Batcher, account: &str) -> Result<(), ChangeError> {
    ///     let mut tagged = batcher.call_async(ChangeRequest::add(account, ["vip"]));
    ///     match tokio::time::timeout(Duration::from_secs(3), &mut tagged).await {
    ///         Ok(outcome) => outcome,
    ///         Err(_) => tagged.withdraw(WaitEnd::TimedOut), // says whether it may have been applied
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// Unless it is done.
    pub fn withdraw(self, why: WaitEnd) -> Result<T, ChangeError> {
        self.0.withdraw(why).pop().expect(ONCE)
    }
}

impl<T> OutcomesFuture<T> {
    /// Hands changes or gets in, those that are valid; where there is no capacity they wait for that. It is one step: between
    /// two of them no request is formed, and nothing else is given.
    pub(super) fn new(
        session: &Arc<Session>,
        when_full: WhenFull,
        timeout: Duration,
        items: impl Iterator<Item = Result<Item, ChangeError>>,
        read: fn(ReadTags) -> T,
    ) -> OutcomesFuture<T> {
        let member = |item| match item {
            Ok(item) => Member::Given {
                item,
                given: Given::Nowhere(Cause::Expired),
            },
            Err(error) => Member::Refused(error),
        };
        let mut members: Vec<_> = items.map(member).collect();
        let waiter = Waiter::of_task(members.len());
        let deadline = session.pipeline().at(deadline_after(timeout));
        let give = |state: &mut State, now| {
            let mut refused = 0;
            for (at, member) in members.iter_mut().enumerate() {
                if let Member::Given { item, given } = member {
                    let recipient = waiter.recipient(at);
                    match state.give(session.producer, when_full, item, recipient, deadline, now) {
                        Ok(its) => *given = its,
                        Err(cause) => {
                            let error = ChangeError::of_item(item, cause, Effect::NotApplied);
                            *member = Member::Refused(error);
                        }
                    }
                }
                refused += usize::from(matches!(member, Member::Refused(_)));
            }
            waiter.forgo(refused);
        };
        session.with(give);
        OutcomesFuture {
            session: Arc::clone(session),
            members,
            waiter,
            deadline,
            read,
        }
    }

    /// Waits no longer, and returns what is known of each, as [`OutcomeFuture::withdraw`] does. This is one step, too.
    #[must_use = "it says what may have been applied"]
    pub fn withdraw(mut self, why: WaitEnd) -> Vec<Result<T, ChangeError>> {
        if self.take_back(|_, _| true).is_none() {
            return self.of_parent();
        }
        let outcomes = self.waiter.take_all();
        self.over(outcomes, why)
    }

    /// Takes changes and gets back, or disowns them, where they were sent or have their outcomes. Returns how many of
    /// them had waited for capacity; none in a forked child.
    fn take_back(&mut self, which: fn(&Item, &Given) -> bool) -> Option<usize> {
        let producer = self.session.producer;
        let step = |state: &mut State, now| {
            let mut waited = Vec::new();
            for member in &mut self.members {
                if let Member::Given { item, given } = member {
                    if which(item, given) {
                        waited.extend(state.take_back_given(producer, item, given, now));
                    }
                }
            }
            waited
        };
        let waited = self.session.with(step)?;
        Some(waited.len()) // what waited is dropped when the lock is free
    }

    /// In a child there is no step, and no outcome.
    fn of_parent(&mut self) -> Vec<Result<T, ChangeError>> {
        let members = mem::take(&mut self.members).into_iter();
        let outcome = |member| match member {
            Member::Given { item, given } => {
                let effect = match given {
                    Given::Taken(_) => Effect::PossiblyApplied,
                    Given::Waits(place) if place.taken().is_some() => Effect::PossiblyApplied,
                    Given::Waits(_) | Given::Nowhere(_) => Effect::NotApplied,
                };
                Err(ChangeError::of_item(&item, Cause::Forked, effect))
            }
            Member::Refused(error) => Err(error),
        };
        members.map(outcome).collect()
    }

    /// The outcomes. `why` is for those that have none, as nobody waits any more.
    fn over(
        &mut self,
        outcomes: Vec<Option<ItemResult>>,
        why: WaitEnd,
    ) -> Vec<Result<T, ChangeError>> {
        let members = mem::take(&mut self.members).into_iter();
        let outcome = |(member, outcome): (_, Option<ItemResult>)| match (member, outcome) {
            (_, Some(outcome)) => outcome.map(self.read),
            (Member::Refused(error), None) => Err(error),
            (Member::Given { item, given }, None) => Err(match given {
                Given::Nowhere(expired) => taken_back_as(&item, why, expired),
                Given::Waits(_) | Given::Taken(_) => abandoned(&item, why),
            }),
        };
        members.zip(outcomes).map(outcome).collect()
    }

    /// Takes out what waits for capacity, if its time is up. Returns whether there was any.
    fn expire(&mut self) -> bool {
        let waits =
            |member: &Member| matches!(member, Member::Given { given, .. } if given.waits());
        if !self.members.iter().any(waits) || self.session.pipeline().now() < self.deadline {
            return false;
        }
        let expired = self.take_back(|_, given| given.waits()).unwrap_or(0);
        self.waiter.forgo(expired);
        expired > 0
    }
}

impl Given {
    /// True if it still waits for capacity, or was refused as it did.
    fn waits(&self) -> bool {
        matches!(self, Given::Waits(place) if place.taken().is_none())
    }
}

impl State {
    /// Hands a change or a get in.
    fn give(
        &mut self,
        producer: ProducerId,
        when_full: WhenFull,
        item: &Item,
        recipient: Recipient,
        deadline: Duration,
        now: Duration,
    ) -> Result<Given, Cause> {
        if now >= deadline {
            return Err(Cause::Expired);
        }
        let delivery = Delivery::Caller(recipient.clone());
        match self.offer(producer, when_full, (item, &delivery), deadline, now) {
            Polled::Ready(offered) => offered.map(Given::Taken),
            Polled::WaitUntil(_) | Polled::Pending => Ok(Given::Waits(self.enqueue(
                producer,
                Waiting {
                    item: item.clone(),
                    recipient,
                    deadline,
                    place: Place::default(),
                },
            ))),
        }
    }

    /// Takes a change or a get back, or disowns it, where it was sent or has its outcome. Drop what this returns
    /// without the lock.
    fn take_back_given(
        &mut self,
        producer: ProducerId,
        item: &Item,
        given: &mut Given,
        now: Duration,
    ) -> Option<Waiting> {
        let number = match given {
            Given::Nowhere(_) => return None,
            Given::Taken(number) => *number,
            Given::Waits(place) => {
                let waiting = self.dequeue(producer, item.operation(), place);
                match place.taken() {
                    Some(number) => number,
                    None => {
                        if waiting.is_some() {
                            *given = Given::Nowhere(Cause::Expired);
                        }
                        return waiting;
                    }
                }
            }
        };
        match self.take_back(producer, number, now) {
            Some(expired) => *given = Given::Nowhere(expired),
            None => self.disown(number),
        }
        None
    }
}

impl<T> Future for OutcomeFuture<T> {
    type Output = Result<T, ChangeError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let outcomes = Pin::new(&mut self.0).poll(context);
        outcomes.map(|mut outcomes| outcomes.pop().expect(ONCE))
    }
}

impl<T> Future for OutcomesFuture<T> {
    type Output = Vec<Result<T, ChangeError>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if !this.session.is_owned() {
            // a lock may be held for ever in a child
            return Poll::Ready(this.of_parent());
        }
        let polled = match this.waiter.poll(context.waker()) {
            Poll::Pending if this.expire() => this.waiter.poll(context.waker()),
            polled => polled,
        };
        // what has none has expired
        polled.map(|outcomes| this.over(outcomes, WaitEnd::TimedOut))
    }
}

impl<T> Drop for OutcomesFuture<T> {
    /// A change that is taken goes on. A get has no use any more, and what waits for capacity is not taken.
    fn drop(&mut self) {
        let ends = |item: &Item, given: &Given| matches!(item, Item::Get(_)) || given.waits();
        let is_over = |member: &Member| match member {
            Member::Given { item, given } => ends(item, given),
            Member::Refused(_) => false,
        };
        if self.members.iter().any(is_over) {
            self.take_back(ends);
        }
        if !self.members.is_empty() && self.session.is_owned() {
            self.waiter.forget();
        }
    }
}

impl<T> fmt::Debug for OutcomeFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutcomeFuture").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for OutcomesFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutcomesFuture").finish_non_exhaustive()
    }
}
