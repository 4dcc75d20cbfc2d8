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
//! No thread and no timer is of the future: the step that settles a change wakes its task, and the one that brings capacity
//! wakes the task that waits first, which wakes the next when it has taken its part. A future that is dropped once its
//! change is taken leaves it there: the change goes on.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use imtag_core::plan::{ChangeId, Item, ProducerId};
use imtag_core::{Effect, Operation};

use super::engine::State;
use super::offer::WhenFull;
use super::outcome::{Delivery, ReadTags, Waiter};
use super::session::Session;
use super::withdraw::{abandoned, taken_back};
use crate::error::{Cause, ChangeError};
use crate::wait::{Polled, Tasks, WaitEnd, deadline_after};

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
    when_full: WhenFull,
    read: fn(ReadTags) -> T,
}

enum Stage {
    /// The batcher has no capacity for it. Its turn among the tasks that wait for that, once it was polled.
    Waits {
        item: Item,
        deadline: Duration,
        turn: Option<u64>,
    },
    /// The batcher has it.
    Taken {
        item: Item,
        number: ChangeId,
        waiter: Arc<Waiter>,
    },
    /// None once it was returned.
    Over(Option<Result<ReadTags, ChangeError>>),
}

const ONCE: &str = "a future is not polled after it was ready";

impl<T> OutcomeFuture<T> {
    /// Hands a change or a get in, if it is valid and there is capacity.
    pub(super) fn new(
        session: &Arc<Session>,
        when_full: WhenFull,
        timeout: Duration,
        item: Result<Item, ChangeError>,
        read: fn(ReadTags) -> T,
    ) -> OutcomeFuture<T> {
        let deadline = session.pipeline().at(deadline_after(timeout));
        let waits = |item| Stage::Waits {
            item,
            deadline,
            turn: None,
        };
        let mut future = OutcomeFuture {
            session: Arc::clone(session),
            stage: item.map_or_else(|error| Stage::Over(Some(Err(error))), waits),
            when_full,
            read,
        };
        future.offer(None);
        future
    }

    /// Hands it in, if it waits for capacity and there is some; else `waker` is woken once there is.
    fn offer(&mut self, mut waker: Option<Waker>) {
        let Stage::Waits {
            item,
            deadline,
            turn,
        } = &mut self.stage
        else {
            return;
        };
        let producer = self.session.producer;
        let operation = item.operation();
        let waiter = Waiter::of_task();
        let delivery = Delivery::Caller(Arc::clone(&waiter));
        let step = |state: &mut State, now| {
            let offered = if now < *deadline {
                state.offer(producer, self.when_full, (item, &delivery), *deadline, now)
            } else {
                Polled::Ready(Err(Cause::Expired))
            };
            match offered {
                Polled::Ready(offered) => (Some(offered), leave(state, producer, operation, *turn)),
                Polled::WaitUntil(_) | Polled::Pending => {
                    if waker.is_some() {
                        let tasks = tasks(state, producer, operation);
                        *turn = Some(tasks.wait(*turn, &mut waker));
                    }
                    (None, None)
                }
            }
        };
        // the wakers that it leaves are dropped when the lock is free
        let stepped = self.session.with(step);
        let (offered, _left) = stepped.unwrap_or((Some(Err(Cause::Forked)), None));
        let item = item.clone();
        self.stage = match offered {
            None => return,
            Some(Ok(number)) => Stage::Taken {
                item,
                number,
                waiter,
            },
            Some(Err(cause)) => {
                let error = ChangeError::of_item(&item, cause, Effect::NotApplied);
                Stage::Over(Some(Err(error)))
            }
        };
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
        self.leave();
        let outcome = match &mut self.stage {
            Stage::Waits { item, .. } => Err(taken_back(item, why)),
            Stage::Taken {
                item,
                number,
                waiter,
            } => {
                match take_back(&self.session, *number) {
                    Some(true) => Err(taken_back(item, why)),
                    // unless it has its outcome
                    Some(false) => waiter.take().unwrap_or_else(|| Err(abandoned(item, why))),
                    None => Err(of_parent(item)),
                }
            }
            Stage::Over(outcome) => outcome.take().expect(ONCE),
        };
        outcome.map(self.read)
    }

    /// Leaves those that wait for capacity.
    fn leave(&mut self) {
        if let Stage::Waits { item, turn, .. } = &mut self.stage {
            let (operation, turn) = (item.operation(), turn.take());
            let producer = self.session.producer;
            let left = |state: &mut State, _| leave(state, producer, operation, turn);
            drop(self.session.with(left)); // when the lock is free
        }
    }
}

/// Takes a change or a get back, or disowns it, where it is in a request or has its outcome. Returns whether it is not sent.
fn take_back(session: &Session, number: ChangeId) -> Option<bool> {
    session.with(|state, now| {
        let is_taken_back = state.take_back(session.producer, number, now);
        if !is_taken_back {
            state.disown(number);
        }
        is_taken_back
    })
}

/// Takes a task from those that wait for capacity. If it was woken already, the session is touched, which wakes the next.
fn leave(
    state: &mut State,
    producer: ProducerId,
    operation: Operation,
    turn: Option<u64>,
) -> Option<Waker> {
    let turn = turn.filter(|_| state.is_open(producer))?;
    tasks(state, producer, operation).leave(turn)
}

fn tasks(state: &mut State, producer: ProducerId, operation: Operation) -> &mut Tasks {
    &mut state.session(producer).tasks[usize::from(operation == Operation::Get)]
}

/// In a forked child: its parent goes on with what it was given.
fn of_parent(item: &Item) -> ChangeError {
    ChangeError::of_item(item, Cause::Forked, Effect::PossiblyApplied)
}

impl<T> Future for OutcomeFuture<T> {
    type Output = Result<T, ChangeError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if matches!(this.stage, Stage::Waits { .. }) {
            this.offer(Some(context.waker().clone()));
        }
        let outcome = match &mut this.stage {
            Stage::Waits { .. } => return Poll::Pending,
            // a lock may be held for ever in a child
            Stage::Taken { item, .. } if !this.session.is_owned() => Err(of_parent(item)),
            Stage::Taken { waiter, .. } => ready!(waiter.poll(context.waker())),
            Stage::Over(outcome) => outcome.take().expect(ONCE),
        };
        this.stage = Stage::Over(None);
        Poll::Ready(outcome.map(this.read))
    }
}

impl<T> Drop for OutcomeFuture<T> {
    /// A change that is taken goes on. A get has no use any more.
    fn drop(&mut self) {
        self.leave();
        if let Stage::Taken {
            item,
            number,
            waiter,
        } = &self.stage
        {
            if matches!(item, Item::Get(_)) {
                take_back(&self.session, *number);
            }
            if self.session.is_owned() {
                waiter.forget();
            }
        }
    }
}

impl<T> fmt::Debug for OutcomeFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutcomeFuture").finish_non_exhaustive()
    }
}
