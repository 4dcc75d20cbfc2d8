//! A change or a get of a batcher whose outcome an asynchronous task waits for.
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
//! that settles a change wakes its task. A future that is dropped once its change is taken leaves it there: the change goes
//! on.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use imtag_core::Effect;
use imtag_core::plan::{ChangeId, Item};

use super::engine::State;
use super::offer::WhenFull;
use super::outcome::{Delivery, ReadTags, Waiter};
use super::queue::{Place, Waiting};
use super::session::Session;
use super::withdraw::{abandoned, taken_back};
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
pub struct OutcomeFuture<T> {
    session: Arc<Session>,
    stage: Stage,
    read: fn(ReadTags) -> T,
}

enum Stage {
    /// It waits for capacity, or the batcher has it.
    Given {
        item: Item,
        given: Given,
        waiter: Arc<Waiter>,
    },
    /// None once it was returned.
    Over(Option<Result<ReadTags, ChangeError>>),
}

enum Given {
    /// The batcher had no capacity; by now it may have it.
    Waits { place: Place, deadline: Duration },
    /// Its number in the plan.
    Taken(ChangeId),
}

const ONCE: &str = "a future is not polled after it was ready";

impl<T> OutcomeFuture<T> {
    /// Hands a change or a get in, if it is valid; where there is no capacity it waits for that.
    pub(super) fn new(
        session: &Arc<Session>,
        when_full: WhenFull,
        timeout: Duration,
        item: Result<Item, ChangeError>,
        read: fn(ReadTags) -> T,
    ) -> OutcomeFuture<T> {
        let deadline = session.pipeline().at(deadline_after(timeout));
        let given = item.and_then(|item| give(session, when_full, deadline, item));
        OutcomeFuture {
            session: Arc::clone(session),
            stage: given.unwrap_or_else(|error| Stage::Over(Some(Err(error)))),
            read,
        }
    }

    /// Waits no longer, and returns the outcome if it is there. Else a change that is in no request yet is taken back: it is
    /// not sent, and is *not applied*. One that is in a request may still be sent, or sent again, and is *possibly applied*;
    /// a get is *not read*. It does not block. `why` is what the error says.
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
    pub fn withdraw(mut self, why: WaitEnd) -> Result<T, ChangeError> {
        let outcome = match &mut self.stage {
            Stage::Given {
                item,
                given,
                waiter,
            } => {
                match take_back(&self.session, item, given) {
                    Some(true) => Err(taken_back(item, why)),
                    // unless it has its outcome
                    Some(false) => waiter.take().unwrap_or_else(|| Err(abandoned(item, why))),
                    None => Err(of_parent(item, given)),
                }
            }
            Stage::Over(outcome) => outcome.take().expect(ONCE),
        };
        outcome.map(self.read)
    }
}

/// Hands a change or a get in.
fn give(
    session: &Session,
    when_full: WhenFull,
    deadline: Duration,
    item: Item,
) -> Result<Stage, ChangeError> {
    let producer = session.producer;
    let waiter = Waiter::of_task();
    let delivery = Delivery::Caller(Arc::clone(&waiter));
    let step = |state: &mut State, now| {
        if now >= deadline {
            return Err(Cause::Expired);
        }
        let offered = state.offer(producer, when_full, (&item, &delivery), deadline, now);
        match offered {
            Polled::Ready(offered) => offered.map(Given::Taken),
            Polled::WaitUntil(_) | Polled::Pending => {
                let waiting = Waiting {
                    item: item.clone(),
                    waiter: Arc::clone(&waiter),
                    deadline,
                    place: Place::default(),
                };
                let place = state.enqueue(producer, waiting);
                Ok(Given::Waits { place, deadline })
            }
        }
    };
    match session.with(step).unwrap_or(Err(Cause::Forked)) {
        Ok(given) => Ok(Stage::Given {
            item,
            given,
            waiter,
        }),
        Err(cause) => Err(ChangeError::of_item(&item, cause, Effect::NotApplied)),
    }
}

/// Takes a change or a get back, or disowns it, where it is in a request or has its outcome. Returns whether it is not sent.
fn take_back(session: &Session, item: &Item, given: &Given) -> Option<bool> {
    let producer = session.producer;
    let step = |state: &mut State, now| {
        let number = match given {
            Given::Taken(number) => *number,
            Given::Waits { place, .. } => {
                let waiting = state.dequeue(producer, item.operation(), place);
                match place.taken() {
                    Some(number) => number,
                    None => return (waiting.is_some(), waiting),
                }
            }
        };
        let is_taken_back = state.take_back(producer, number, now);
        if !is_taken_back {
            state.disown(number);
        }
        (is_taken_back, None)
    };
    // what waited is dropped when the lock is free
    session
        .with(step)
        .map(|(is_taken_back, _waiting)| is_taken_back)
}

/// In a forked child: its parent goes on with what it was given.
fn of_parent(item: &Item, given: &Given) -> ChangeError {
    let effect = match given {
        Given::Waits { place, .. } if place.taken().is_none() => Effect::NotApplied,
        _ => Effect::PossiblyApplied,
    };
    ChangeError::of_item(item, Cause::Forked, effect)
}

impl<T> Future for OutcomeFuture<T> {
    type Output = Result<T, ChangeError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let outcome = match &mut this.stage {
            // a lock may be held for ever in a child
            Stage::Given { item, given, .. } if !this.session.is_owned() => {
                Err(of_parent(item, given))
            }
            Stage::Given {
                item,
                given,
                waiter,
            } => match waiter.poll(context.waker()) {
                Poll::Ready(outcome) => outcome,
                Poll::Pending if has_expired(&this.session, item, given) => {
                    Err(taken_back(item, WaitEnd::TimedOut))
                }
                Poll::Pending => return Poll::Pending,
            },
            Stage::Over(outcome) => outcome.take().expect(ONCE),
        };
        this.stage = Stage::Over(None);
        Poll::Ready(outcome.map(this.read))
    }
}

/// Takes what waits for capacity out, if its time is up.
fn has_expired(session: &Session, item: &Item, given: &Given) -> bool {
    match given {
        Given::Waits { place, deadline } => {
            let is_late = place.taken().is_none() && session.pipeline().now() >= *deadline;
            let dequeue =
                |state: &mut State, _| state.dequeue(session.producer, item.operation(), place);
            is_late && session.with(dequeue).flatten().is_some()
        }
        Given::Taken(_) => false,
    }
}

impl<T> Drop for OutcomeFuture<T> {
    /// A change that is taken goes on. A get has no use any more, and what waits for capacity is not taken.
    fn drop(&mut self) {
        let Stage::Given {
            item,
            given,
            waiter,
        } = &self.stage
        else {
            return;
        };
        if matches!(item, Item::Get(_)) {
            take_back(&self.session, item, given);
        } else if let Given::Waits { place, .. } = given {
            let dequeue = |state: &mut State, _| {
                state.dequeue(self.session.producer, item.operation(), place)
            };
            drop(self.session.with(dequeue)); // when the lock is free
        }
        if self.session.is_owned() {
            waiter.forget();
        }
    }
}

impl<T> fmt::Debug for OutcomeFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutcomeFuture").finish_non_exhaustive()
    }
}
