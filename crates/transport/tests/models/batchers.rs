//! Models of batchers.

use std::sync::Arc;
use std::time::Duration;

use imtag_core::{ChangeRequest, Effect, Operation};
use shuttle::thread;

use crate::call::CallOptions;
use crate::error::{Cause, ChangeError};
use crate::futures::block_on;
use crate::pipeline::offer::WhenFull;
use crate::pipeline::outcome::BatcherCompletion;
use crate::pipeline::session::WhenUnavailable;
use crate::process::{FAILING_STARTS, STARTS};
use crate::service::{Held, LINGER, add, batcher, beside, sending, until_done, within};
use crate::wait::sync::{PROCESS, let_time_pass};
use crate::wait::{CancelToken, Polled, WaitEnd, WaitScope, now};

/// Two threads submit, one flushes, and the batcher is closed: each change has one outcome.
pub(crate) fn enqueue_flush_close() {
    let (batcher, service) = batcher(sending(Duration::MAX, 100, 2, false), WhenFull::Wait);
    let submits = |user| beside(&batcher, move |it| it.submit(user, add(user)).unwrap());
    let others = [submits(0), submits(1)];
    batcher.flush(&CallOptions::new()).unwrap();
    others.into_iter().for_each(|it| it.join().unwrap());
    batcher.close(&CallOptions::new()).unwrap();
    let mut outcomes = batcher.poll(Duration::ZERO);
    outcomes.sort_by_key(BatcherCompletion::id);
    let ids: Vec<u64> = outcomes.iter().map(BatcherCompletion::id).collect();
    assert_eq!(ids, [0, 1]);
    assert!(outcomes.into_iter().all(|it| it.into_result().is_ok()));
    assert!((1..=2).contains(&service.arrivals()));
    assert!(STARTS.get() <= 2);
}

/// Calls that wait are done when the linger is over, which no other thread's work brings about.
pub(crate) fn calls_share_a_linger() {
    let stop = let_time_pass();
    let (batcher, _) = batcher(sending(LINGER, 100, 2, false), WhenFull::Wait);
    let other = beside(&batcher, |it| it.call(add(0), &CallOptions::new()));
    batcher.call(add(1), &CallOptions::new()).unwrap();
    other.join().unwrap().unwrap();
    batcher.close(&CallOptions::new()).unwrap();
    assert!(STARTS.get() <= 2);
    stop();
}

/// A linger ends while a worker waits for its turn in the quota: another one is there to send what lingered.
pub(crate) fn a_linger_beside_a_busy_worker() {
    let stop = let_time_pass();
    let (batcher, service) = batcher(sending(LINGER, 100, 2, false), WhenFull::Wait);
    service.hold(Held::Turns);
    batcher.submit(0, add(0)).unwrap();
    batcher
        .call(ChangeRequest::clear("u1"), &CallOptions::new())
        .unwrap();
    service.hold(Held::Nothing);
    batcher.close(&CallOptions::new()).unwrap();
    assert!(STARTS.get() <= 2);
    stop();
}

/// Waits end by their tokens: that for capacity, and a flush.
pub(crate) fn waits_that_are_cancelled() {
    let (batcher, service) = batcher(sending(Duration::MAX, 1, 1, false), WhenFull::Wait);
    service.hold(Held::Answers);
    for user in 0..2 {
        batcher.submit(user, add(user)).unwrap();
    }
    let token = CancelToken::new();
    let options = CallOptions::new().cancel(&token);
    let of_flush = options.clone();
    let flushes = beside(&batcher, move |it| it.flush(&of_flush).unwrap_err());
    let cancels = thread::spawn(move || token.cancel());
    let error = batcher.call(add(2), &options).unwrap_err();
    assert_eq!(error.effect(), Effect::NotApplied);
    assert!(flushes.join().unwrap().cancelled);
    cancels.join().unwrap();
    service.hold(Held::Nothing);
    batcher.close(&CallOptions::new()).unwrap();
    assert_eq!(batcher.poll(Duration::ZERO).len(), 2);
}

/// A call that is cancelled ends, and says what is known: what is not applied did not arrive.
pub(crate) fn a_cancel_at_any_moment() {
    let (batcher, service) = batcher(sending(Duration::ZERO, 100, 2, false), WhenFull::Wait);
    let token = CancelToken::new();
    let options = CallOptions::new().cancel(&token);
    let cancels = thread::spawn(move || token.cancel());
    let outcome = batcher.call(add(0), &options);
    let arrived = service.arrivals();
    match outcome.map_err(|error| error.effect()) {
        Ok(()) => assert_eq!(arrived, 1),
        Err(Effect::NotApplied) => assert_eq!(arrived, 0),
        Err(effect) => assert_eq!(effect, Effect::PossiblyApplied),
    }
    cancels.join().unwrap();
    batcher.close(&CallOptions::new()).unwrap();
    assert_eq!(batcher.unsettled(), 0);
}

/// A call that is cancelled when it has its outcome returns that.
pub(crate) fn a_cancel_of_a_call_that_has_its_outcome() {
    let (batcher, _) = batcher(sending(Duration::ZERO, 100, 2, false), WhenFull::Wait);
    let token = CancelToken::new();
    let options = CallOptions::new().cancel(&token);
    let calls = beside(&batcher, move |batcher| batcher.call(add(0), &options));
    until_done(&batcher, 1);
    token.cancel();
    calls.join().unwrap().unwrap();
    batcher.close(&CallOptions::new()).unwrap();
}

/// A flush that sleeps waits for a change in a request no longer than its caller does.
pub(crate) fn a_flush_against_a_cancelled_call() {
    let (batcher, service) = batcher(sending(Duration::ZERO, 100, 2, false), WhenFull::Wait);
    service.hold(Held::Answers);
    let token = CancelToken::new();
    let options = CallOptions::new().cancel(&token);
    let calls = beside(&batcher, move |batcher| batcher.call(add(0), &options));
    let cancels = thread::spawn(move || token.cancel());
    batcher.flush(&CallOptions::new()).unwrap();
    calls.join().unwrap().unwrap_err();
    cancels.join().unwrap();
    service.hold(Held::Nothing);
    batcher.close(&CallOptions::new()).unwrap();
}

/// A submitted change that is withdrawn has one outcome, which a poll that sleeps already returns.
pub(crate) fn a_withdrawal_at_any_moment() {
    let stop = let_time_pass();
    let (batcher, service) = batcher(sending(Duration::ZERO, 100, 2, false), WhenFull::Wait);
    service.hold(Held::Answers);
    batcher.submit(7, add(0)).unwrap();
    let polls = beside(&batcher, |batcher| batcher.poll(Duration::MAX));
    batcher.withdraw(7, WaitEnd::TimedOut);
    assert_eq!(polls.join().unwrap().len(), 1);
    batcher.flush(&CallOptions::new()).unwrap();
    service.hold(Held::Nothing);
    batcher.close(&CallOptions::new()).unwrap();
    assert!(batcher.poll(Duration::ZERO).is_empty());
    stop();
}

/// The time of a call is up at any moment: it has its outcome, or what is true of a change without one.
pub(crate) fn a_deadline_against_the_outcome() {
    let stop = let_time_pass();
    let (batcher, service) = batcher(sending(LINGER, 100, 2, false), WhenFull::Wait);
    let outcome = batcher.call(add(0), &within(LINGER));
    let arrived = service.arrivals();
    match outcome.map_err(|error| error.effect()) {
        Ok(()) => assert_eq!(arrived, 1),
        Err(Effect::NotApplied) => assert_eq!(arrived, 0),
        Err(effect) => assert_eq!(effect, Effect::PossiblyApplied),
    }
    batcher.close(&CallOptions::new()).unwrap();
    assert_eq!(batcher.unsettled(), 0);
    stop();
}

/// What is settled before a wait's time is up is found, also by a thread that wakes later.
pub(crate) fn an_outcome_that_comes_with_the_deadline() {
    let stop = let_time_pass();
    let (batcher, _) = batcher(sending(Duration::ZERO, 100, 2, false), WhenFull::Wait);
    batcher.submit(0, add(0)).unwrap();
    let deadline = now() + LINGER;
    let flushes = beside(&batcher, |batcher| batcher.flush(&within(LINGER)).is_ok());
    until_done(&batcher, 1);
    let in_time = now() < deadline;
    let flushed = flushes.join().unwrap();
    assert!(flushed || !in_time);
    batcher.close(&CallOptions::new()).unwrap();
    stop();
}

/// A poll that sleeps returns for a change that is invalid, and at the close.
pub(crate) fn polls_without_a_request() {
    let (batcher, service) = batcher(sending(Duration::MAX, 100, 2, false), WhenFull::Wait);
    let polls = beside(&batcher, |it| {
        [it.poll(Duration::MAX), it.poll(Duration::MAX)]
    });
    batcher.submit(7, ChangeRequest::add("", ["a"])).unwrap();
    batcher.close(&CallOptions::new()).unwrap();
    let ids = polls.join().unwrap().map(|polled| {
        let ids = polled.iter().map(BatcherCompletion::id);
        ids.collect::<Vec<_>>()
    });
    assert_eq!((ids, service.arrivals()), ([vec![7], vec![]], 0));
}

/// A change that is submitted while the batcher closes is refused, or has its outcome.
pub(crate) fn a_close_against_submissions() {
    let (batcher, service) = batcher(sending(Duration::MAX, 100, 2, false), WhenFull::Wait);
    let submits = beside(&batcher, |batcher| {
        let submitted = batcher.submit(0, add(0));
        u64::from(submitted.is_ok())
    });
    batcher.close(&CallOptions::new()).unwrap();
    let taken = submits.join().unwrap();
    batcher.close(&CallOptions::new()).unwrap();
    assert_eq!(batcher.poll(Duration::MAX).len() as u64, taken);
    assert_eq!(service.arrivals() as u64, taken);
    assert_eq!(batcher.unsettled(), 0);
}

/// A batcher is dropped while its request has no answer: the request ends, and so do the threads.
pub(crate) fn a_drop_with_a_request_under_way() {
    let (batcher, service) = batcher(sending(Duration::ZERO, 1, 2, false), WhenFull::Wait);
    service.hold(Held::Answers);
    batcher.submit(0, add(0)).unwrap();
    let producer = batcher.session.producer;
    let taken = batcher.session.wait(&WaitScope::endless(), |state, _| {
        if state.plan.has_capacity(producer, Operation::Add) {
            return Polled::Ready(());
        }
        Polled::Pending
    });
    taken.unwrap().unwrap();
    drop(Arc::into_inner(batcher));
    assert!(service.arrivals() <= 1);
}

/// Two threads close, and one abandons by the drop: all workers end, and none is left or waited for in vain.
pub(crate) fn the_last_worker_ends() {
    let (batcher, _) = batcher(sending(Duration::ZERO, 100, 2, false), WhenFull::Wait);
    for user in 0..2 {
        batcher.submit(user, add(user)).unwrap();
    }
    let closes = beside(&batcher, |it| it.close(&CallOptions::new()).unwrap());
    let polls = beside(&batcher, |batcher| {
        let mut polled = 0;
        while polled < 2 {
            polled += batcher.poll(Duration::MAX).len();
        }
    });
    batcher.close(&CallOptions::new()).unwrap();
    closes.join().unwrap();
    polls.join().unwrap();
    assert!(batcher.poll(Duration::MAX).is_empty());
}

/// Callers that wait for capacity are woken by each request that is made.
pub(crate) fn a_full_batcher() {
    let (batcher, service) = batcher(sending(Duration::ZERO, 1, 3, false), WhenFull::Wait);
    service.hold(Held::Answers);
    let submits = |user| beside(&batcher, move |it| it.submit(user, add(user)).unwrap());
    let others = [submits(0), submits(1)];
    batcher.submit(2, add(2)).unwrap();
    others.into_iter().for_each(|it| it.join().unwrap());
    service.hold(Held::Nothing);
    batcher.close(&CallOptions::new()).unwrap();
    assert_eq!(batcher.poll(Duration::ZERO).len(), 3);
}

/// A close refuses a caller that waits for capacity at once, and not when there is some.
pub(crate) fn a_close_of_a_full_batcher() {
    let (batcher, service) = batcher(sending(Duration::MAX, 1, 1, false), WhenFull::Wait);
    service.hold(Held::Answers);
    for user in 0..2 {
        batcher.submit(user, add(user)).unwrap();
    }
    let closes = beside(&batcher, |it| it.close(&CallOptions::new()).unwrap());
    let refused = batcher.submit(2, add(2)).unwrap_err();
    assert!(matches!(refused.cause(), Cause::Closed));
    service.hold(Held::Nothing);
    closes.join().unwrap();
    assert_eq!(batcher.poll(Duration::MAX).len(), 2);
}

/// Where no thread can be started, a change fails, and another is done once one can be.
pub(crate) fn threads_that_cannot_be_started() {
    let (batcher, _) = batcher(sending(Duration::ZERO, 100, 2, false), WhenFull::Wait);
    FAILING_STARTS.set(1);
    let other = beside(&batcher, |it| it.call(add(0), &CallOptions::new()));
    let outcomes = [
        batcher.call(add(1), &CallOptions::new()),
        other.join().unwrap(),
    ];
    for error in outcomes.into_iter().filter_map(Result::err) {
        assert!(matches!(error.cause(), Cause::NoThread(_)));
    }
    FAILING_STARTS.set(0);
    batcher.call(add(2), &CallOptions::new()).unwrap();
    batcher.close(&CallOptions::new()).unwrap();
}

/// Where it pauses instead, no change fails, and after the resume all are done.
pub(crate) fn threads_that_cannot_be_started_in_a_batcher_that_pauses() {
    let mut sending = sending(Duration::ZERO, 100, 2, false);
    sending.when_unavailable = WhenUnavailable::Pause;
    let (batcher, _) = batcher(sending, WhenFull::Wait);
    FAILING_STARTS.set(1);
    batcher.submit(0, add(0)).unwrap();
    let pause = batcher.paused().unwrap();
    assert!(matches!(pause.error().unwrap().cause(), Cause::NoThread(_)));
    // there would be a thread by now
    assert_eq!(FAILING_STARTS.get(), 0);
    let other = beside(&batcher, |it| it.submit(1, add(1)).unwrap());
    batcher.submit(2, add(2)).unwrap();
    assert_eq!(batcher.poll(Duration::ZERO).len(), 0);
    batcher.resume();
    other.join().unwrap();
    batcher.flush(&CallOptions::new()).unwrap();
    let outcomes = batcher.poll(Duration::ZERO);
    assert_eq!(outcomes.len(), 3);
    assert!(outcomes.into_iter().all(|it| it.into_result().is_ok()));
    batcher.close(&CallOptions::new()).unwrap();
}

/// Where the only worker is busy and no other can be started, each step tries it once, and the worker does all in the end.
pub(crate) fn starts_that_fail_beside_a_busy_worker() {
    let (batcher, service) = batcher(sending(Duration::ZERO, 100, 2, false), WhenFull::Wait);
    service.hold(Held::Answers);
    batcher.submit(0, add(0)).unwrap();
    while service.arrivals() == 0 {
        thread::yield_now();
    }
    FAILING_STARTS.set(500);
    for user in 1..5 {
        batcher.submit(user, add(user)).unwrap();
    }
    assert!(FAILING_STARTS.get() > 480);
    service.hold(Held::Nothing);
    batcher.flush(&CallOptions::new()).unwrap();
    let outcomes = batcher.poll(Duration::ZERO);
    assert_eq!(outcomes.len(), 5);
    assert!(outcomes.into_iter().all(|it| it.into_result().is_ok()));
    FAILING_STARTS.set(0);
    batcher.close(&CallOptions::new()).unwrap();
}

/// In a child, the lock may be held by a thread that is not there: nothing takes it.
pub(crate) fn a_forked_child_takes_no_lock() {
    let (batcher, service) = batcher(sending(Duration::MAX, 100, 2, false), WhenFull::Wait);
    let polls = beside(&batcher, |batcher| batcher.poll(Duration::MAX));
    let future = batcher.call_async(add(1));
    let dropped = batcher.call_async(add(1));
    let pipeline = batcher.session.pipeline();
    pipeline.with(|_, _| {
        PROCESS.set(2);
        let error = block_on(future).unwrap_err();
        assert!(matches!(error.cause(), Cause::Forked));
        drop(dropped);
        let error = batcher.call(add(0), &CallOptions::new()).unwrap_err();
        assert!(matches!(error.cause(), Cause::Forked));
        let error = batcher.get_tag("u", &CallOptions::new()).unwrap_err();
        assert!(matches!(error.cause(), Cause::Forked));
        assert!(batcher.submit(0, add(0)).is_err());
        let error = block_on(batcher.call_async(add(0))).unwrap_err();
        assert!(matches!(error.cause(), Cause::Forked));
        let outcomes = block_on(batcher.call_all_async_within([add(0), add(1)], Duration::MAX));
        let is_forked = |it: &Result<(), ChangeError>| {
            let error = it.as_ref().unwrap_err();
            matches!(error.cause(), Cause::Forked) && error.effect() == Effect::NotApplied
        };
        assert!(outcomes.len() == 2 && outcomes.iter().all(is_forked));
        assert!(batcher.poll(Duration::MAX).is_empty());
        batcher.withdraw(0, WaitEnd::Cancelled);
        batcher.flush(&CallOptions::new()).unwrap();
        batcher.close(&CallOptions::new()).unwrap();
        assert_eq!(batcher.unsettled(), 0);
        assert_eq!(batcher.session.abandon(), 0);
        PROCESS.set(1);
    });
    batcher.close(&CallOptions::new()).unwrap(); // the parent goes on with what it was given
    assert!(polls.join().unwrap().is_empty());
    assert_eq!(service.arrivals(), 1);
}

/// A look for what is abandoned by now finds nothing, and touches no session: nothing follows from it.
pub(crate) fn a_look_that_finds_nothing() {
    let (batcher, _) = batcher(sending(Duration::MAX, 100, 2, false), WhenFull::Wait);
    let producer = batcher.session.producer;
    let submits = beside(&batcher, |batcher| batcher.submit(0, add(0)).unwrap());
    let touched = batcher.session.with(|state, now| {
        assert_eq!(state.abandon_late(producer, now), None);
        state.plan.next_ready_producer()
    });
    assert_eq!(touched, Some(None));
    submits.join().unwrap();
}
