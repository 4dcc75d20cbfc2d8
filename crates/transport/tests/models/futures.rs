//! Models of the futures of a batcher.

use std::future::Future;
use std::ops::Range;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use imtag_core::Effect;
use shuttle::thread;

use crate::call::CallOptions;
use crate::error::{Cause, ChangeError};
use crate::pipeline::batcher::Batcher;
use crate::pipeline::offer::WhenFull;
use crate::service::{Held, add, batcher, beside, sending};
use crate::wait::WaitEnd;
use crate::wait::thread::Thread;

/// A task that is a thread.
struct Task(Thread);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The waker of this thread.
fn waker() -> Waker {
    Waker::from(Arc::new(Task(thread::current())))
}

/// Runs a task. No other thing unparks this thread, so a wake that is lost is found as a deadlock.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let waker = waker();
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// The outcome of a task comes at any moment of its polls.
pub(crate) fn tasks_that_share_a_request() {
    let (batcher, service) = batcher(sending(Duration::MAX, 100, 2, false), WhenFull::Wait);
    let task = |user| beside(&batcher, move |it| block_on(it.call_async(add(user))));
    let tasks = [task(0), task(1)];
    let read = block_on(batcher.get_tag_async("")); // invalid: at once
    assert!(matches!(read.unwrap_err().cause(), Cause::Invalid(_)));
    while batcher.unsettled() < 2 {
        thread::yield_now();
    }
    batcher.close(&CallOptions::new()).unwrap();
    for task in tasks {
        task.join().unwrap().unwrap();
    }
    assert_eq!(service.arrivals(), 1);
}

/// A future that moves to another task, and so to another waker, while its outcome comes.
pub(crate) fn a_future_that_moves_to_another_task() {
    let (batcher, _) = batcher(sending(Duration::ZERO, 100, 2, false), WhenFull::Wait);
    let mut future = batcher.call_async(add(0));
    let polled = Pin::new(&mut future).poll(&mut Context::from_waker(&waker()));
    match polled {
        Poll::Ready(outcome) => outcome.unwrap(),
        Poll::Pending => thread::spawn(|| block_on(future).unwrap()).join().unwrap(),
    }
    batcher.close(&CallOptions::new()).unwrap();
}

/// Tasks and a thread wait for capacity, and each has its part of it in the end.
pub(crate) fn tasks_of_a_full_batcher() {
    let (batcher, service) = batcher(sending(Duration::ZERO, 1, 3, false), WhenFull::Wait);
    service.hold(Held::Answers);
    let task = |user| beside(&batcher, move |it| block_on(it.call_async(add(user))));
    let tasks = [task(0), task(1), task(2)];
    batcher.submit(3, add(3)).unwrap();
    service.hold(Held::Nothing);
    for task in tasks {
        task.join().unwrap().unwrap();
    }
    batcher.close(&CallOptions::new()).unwrap();
    assert_eq!(batcher.poll(Duration::ZERO).len(), 1);
}

/// A task leaves those that wait for capacity at any moment, also just after it was taken in: the next one is taken in time.
pub(crate) fn a_dropped_future_leaves_its_turn_to_the_next() {
    let (batcher, service) = batcher(sending(Duration::MAX, 1, 1, false), WhenFull::Wait);
    service.hold(Held::Answers);
    batcher.submit(0, add(0)).unwrap(); // is sent, as no more can come
    batcher.submit(1, add(1)).unwrap(); // uses the capacity up
    let mut first = batcher.call_async(add(2));
    let first_task = waker();
    let polled = Pin::new(&mut first).poll(&mut Context::from_waker(&first_task));
    assert!(polled.is_pending());
    let next = beside(&batcher, |it| block_on(it.call_async(add(3))));
    let makes_capacity = beside(&batcher, |it| it.withdraw(1, WaitEnd::Cancelled));
    drop(first);
    makes_capacity.join().unwrap();
    while batcher.unsettled() < 2 {
        thread::yield_now(); // until one is taken; nothing else does it
    }
    service.hold(Held::Nothing);
    next.join().unwrap().unwrap();
    batcher.close(&CallOptions::new()).unwrap();
    // of 0 and 3, and of 2 if it was taken before it was dropped
    let arrivals = service.arrivals();
    assert!([2, 3].contains(&arrivals), "{arrivals}");
}

/// Changes that are given together are in one request, whatever a worker does meanwhile.
pub(crate) fn changes_that_are_given_together() {
    let (batcher, service) = batcher(sending(Duration::ZERO, 100, 2, false), WhenFull::Wait);
    let other = beside(&batcher, |it| block_on(it.call_async(add(9))));
    let outcomes = block_on(batcher.call_all_async_within((0..3).map(add), Duration::MAX));
    assert_eq!(outcomes.len(), 3);
    outcomes.into_iter().for_each(Result::unwrap);
    other.join().unwrap().unwrap();
    assert!(service.arrivals() <= 2, "{}", service.arrivals());
    batcher.close(&CallOptions::new()).unwrap();
}

/// Of changes that are given together some wait for capacity, and come in while the first have their outcomes.
pub(crate) fn changes_that_are_given_together_to_a_full_batcher() {
    let (batcher, service) = batcher(sending(Duration::ZERO, 2, 1, false), WhenFull::Wait);
    service.hold(Held::Answers);
    let task = |users: [u64; 3]| {
        let give =
            move |it: &Batcher| block_on(it.call_all_async_within(users.map(add), Duration::MAX));
        beside(&batcher, give)
    };
    let tasks = [task([0, 1, 2]), task([3, 4, 5])];
    service.hold(Held::Nothing);
    for task in tasks {
        let outcomes = task.join().unwrap();
        assert!(outcomes.len() == 3 && outcomes.iter().all(Result::is_ok));
    }
    batcher.close(&CallOptions::new()).unwrap();
}

/// Some are in a request or wait for one, and others for capacity: all are withdrawn at any moment, or dropped.
pub(crate) fn changes_that_were_given_together_are_withdrawn() {
    let (batcher, service) = batcher(sending(Duration::ZERO, 2, 1, false), WhenFull::Wait);
    let give = |users: Range<u64>| batcher.call_all_async_within(users.map(add), Duration::MAX);
    let outcomes = give(0..4).withdraw(WaitEnd::Cancelled);
    assert_eq!(outcomes.len(), 4);
    let is_not_sent = |outcome: &Result<(), ChangeError>| match outcome {
        Ok(()) => false,
        Err(error) => error.effect() == Effect::NotApplied,
    };
    let none_is_sent = outcomes.iter().all(is_not_sent);
    batcher.flush(&CallOptions::new()).unwrap();
    assert!(!none_is_sent || service.arrivals() == 0);
    drop(give(4..8));
    block_on(batcher.call_async(add(8))).unwrap(); // they are in no one's way
    batcher.close(&CallOptions::new()).unwrap();
    assert_eq!(batcher.unsettled(), 0);
}

/// A close refuses the tasks that wait for capacity at once, and not when there is some.
pub(crate) fn a_close_against_tasks_that_wait_for_capacity() {
    let (batcher, service) = batcher(sending(Duration::MAX, 1, 1, false), WhenFull::Wait);
    service.hold(Held::Answers);
    for user in 0..2 {
        batcher.submit(user, add(user)).unwrap();
    }
    let task = |user| beside(&batcher, move |it| block_on(it.call_async(add(user))));
    let tasks = [task(2), task(3)];
    let closes = beside(&batcher, |it| it.close(&CallOptions::new()).unwrap());
    for task in tasks {
        let refused = task.join().unwrap().unwrap_err();
        assert!(matches!(refused.cause(), Cause::Closed));
    }
    service.hold(Held::Nothing);
    closes.join().unwrap();
    assert_eq!(batcher.poll(Duration::ZERO).len(), 2);
}

/// A future is withdrawn at any moment, and says what is true: what is not applied did not arrive.
pub(crate) fn a_future_is_withdrawn_at_any_moment() {
    let (batcher, service) = batcher(sending(Duration::ZERO, 100, 2, false), WhenFull::Wait);
    let future = batcher.call_async(add(0));
    let outcome = future.withdraw(WaitEnd::Cancelled);
    let arrived = service.arrivals();
    match outcome.map_err(|error| error.effect()) {
        Ok(()) => assert_eq!(arrived, 1),
        Err(Effect::NotApplied) => assert_eq!(arrived, 0),
        Err(effect) => assert_eq!(effect, Effect::PossiblyApplied),
    }
    batcher.close(&CallOptions::new()).unwrap();
    assert_eq!(batcher.unsettled(), 0);
}

/// A batcher is abandoned while tasks wait for outcomes and for capacity: all are woken.
pub(crate) fn an_abandoned_batcher_wakes_its_tasks() {
    let (batcher, service) = batcher(sending(Duration::ZERO, 1, 1, false), WhenFull::Wait);
    service.hold(Held::Answers);
    let futures = [0, 1, 2].map(|user| batcher.call_async(add(user)));
    let tasks = futures.map(|future| thread::spawn(|| block_on(future)));
    drop(Arc::into_inner(batcher));
    for task in tasks {
        let error = task.join().unwrap().unwrap_err();
        let cause = error.cause();
        let is_over = matches!(
            cause,
            Cause::Closed | Cause::Ended(_) | Cause::Cancelled { .. }
        );
        assert!(is_over, "{cause:?}");
    }
}
