//! Futures of a batcher, against the emulator: their outcomes, by any executor; what is dropped or withdrawn; a full batcher.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use imtag_emulator::{Emulator, Fault};
use imtag_transport::{
    Batcher, CallOptions, Cause, ChangeError, ChangeRequest, Effect, Operation, OutcomeFuture,
    OutcomesFuture, RunError, WaitEnd, WhenFull,
};
use support::*;
use tokio::runtime;

/// An executor of one future, which is woken as a thread is.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unparks(Thread);
    impl Wake for Unparks {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unparks(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// A task that counts how often it is woken.
#[derive(Default)]
struct Counts(AtomicUsize);

impl Wake for Counts {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Polls once, with a waker that wakes nothing.
fn poll<T>(future: &mut OutcomeFuture<T>) -> Poll<Result<T, ChangeError>> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// A batcher that holds one change. The first that it is given is sent at once, and not answered; the second waits to be
/// sent, and uses the capacity up.
fn full(emulator: &Emulator, when_full: WhenFull) -> (Batcher, [OutcomeFuture<()>; 2]) {
    emulator.fault(Operation::Add, Fault::delay(LONG));
    let options = client(emulator).batcher().linger(LONG).timeout(LONG);
    let options = options.attempt_timeout(LONG).capacity(1);
    let batcher = options.when_full(when_full).start();
    let sent = batcher.call_async(user("sent"));
    until(|| emulator.stats().arrivals() == 1);
    let waits = batcher.call_async(user("waits"));
    (batcher, [sent, waits])
}

#[test]
fn futures_share_requests_and_each_has_its_own_outcome() {
    let emulator = emulator_without(["u7"]);
    let batcher = lingering(&client(&emulator));
    let futures: Vec<_> = users(0..100).map(|it| batcher.call_async(it)).collect();
    for (number, future) in futures.into_iter().enumerate() {
        assert_eq!(block_on(future).is_ok(), number != 7, "u{number}");
    }
    assert_eq!(emulator.users().len(), 99);
    let reads = batcher.get_tag_async("u1");
    batcher.flush(&CallOptions::new()).unwrap();
    assert_eq!(block_on(reads).unwrap().unwrap(), ["a"]);
}

/// Polls changes that were given together, by a task that counts.
fn poll_all(
    future: &mut OutcomesFuture<()>,
    task: &Arc<Counts>,
) -> Poll<Vec<Result<(), ChangeError>>> {
    let waker = Waker::from(Arc::clone(task));
    Pin::new(future).poll(&mut Context::from_waker(&waker))
}

#[test]
fn changes_that_are_given_together_are_one_request_and_wake_their_task_once() {
    let emulator = emulator_without(["u7"]);
    // whatever comes is sent at once: a change that is given alone has a request of its own
    let batcher = client(&emulator).batcher().linger(Duration::ZERO).start();
    let changes = users(0..99).chain([ChangeRequest::add("u99", [""])]);
    let mut future = batcher.call_all_async_within(changes, LONG);
    let task = Arc::new(Counts::default());
    let mut polled = poll_all(&mut future, &task);
    until(|| {
        if polled.is_pending() && task.0.load(Ordering::SeqCst) > 0 {
            polled = poll_all(&mut future, &task);
        }
        polled.is_ready()
    });
    let Poll::Ready(outcomes) = polled else {
        unreachable!()
    };
    assert!(task.0.load(Ordering::SeqCst) <= 1);
    assert_eq!(outcomes.len(), 100);
    for (number, outcome) in outcomes.iter().enumerate() {
        assert_eq!(outcome.is_ok(), number != 7 && number != 99, "u{number}");
    }
    let first = &emulator.requests()[0];
    assert_eq!(first.body.matches("To_Account").count(), 99);

    let reads = batcher.get_all_async_within(["u1", "", "u99"], LONG);
    let reads: Vec<_> = block_on(reads).into_iter().map(Result::ok).collect();
    assert_eq!(reads.len(), 3);
    assert_eq!(reads[0], Some(Some(vec!["a".to_owned()])));
    assert_eq!(reads[1], None);
    let nothing: [ChangeRequest; 0] = [];
    assert!(block_on(batcher.call_all_async_within(nothing, LONG)).is_empty());
}

#[test]
fn changes_that_were_given_together_are_withdrawn_each_with_what_is_known_of_it() {
    let emulator = emulator();
    let (batcher, [sent, waits]) = full(&emulator, WhenFull::Wait);
    drop(batcher.call_all_async_within(users(0..2), LONG)); // was not taken
    let expires = batcher.call_all_async_within(users(2..4), Duration::ZERO);
    let mut future = batcher.call_all_async_within(users(4..7), LONG);
    waits.withdraw(WaitEnd::Cancelled).unwrap_err(); // one of them has its capacity
    assert_eq!(batcher.unsettled(), 2);
    assert!(poll_all(&mut future, &Arc::default()).is_pending());
    let _ = batcher.flush(&within(Duration::ZERO)); // it is sent
    until(|| batcher.stats().queued == 1);
    let effects = |outcomes: Vec<Result<(), ChangeError>>| -> Vec<_> {
        let effects = outcomes.into_iter().map(|it| it.unwrap_err().effect());
        effects.collect()
    };
    assert_eq!(effects(block_on(expires)), [Effect::NotApplied; 2]);
    sent.withdraw(WaitEnd::Cancelled).unwrap_err();
    assert_eq!(
        effects(future.withdraw(WaitEnd::Cancelled))[2],
        Effect::NotApplied
    );
    assert_eq!(batcher.unsettled(), 0);
}

#[test]
fn a_change_or_a_get_that_is_not_taken_has_its_outcome_at_once() {
    let emulator = emulator();
    let batcher = lingering(&client(&emulator));
    let mut invalid = batcher.call_async(ChangeRequest::add("u", [""]));
    let mut invalid_get = batcher.get_tag_async("");
    for error in [
        block_on(&mut invalid).unwrap_err(),
        block_on(&mut invalid_get).unwrap_err(),
    ] {
        assert!(matches!(error.cause(), Cause::Invalid(_)), "{error}");
    }
    batcher.close(&CallOptions::new()).unwrap();
    let closed = block_on(batcher.call_async(user(0))).unwrap_err();
    assert_eq!(
        closed.to_string(),
        "add \"u0\": not sent: it is closed (not applied; use it before it is closed, or make another)"
    );
    assert_eq!(emulator.stats().arrivals(), 0);

    let (batcher, _) = full(&emulator, WhenFull::Fail);
    let refused = block_on(batcher.call_async(user(2))).unwrap_err();
    assert!(matches!(refused.cause(), Cause::Full), "{refused}");
}

#[test]
fn a_dropped_future_leaves_its_change_on_its_way_and_a_close_waits_for_it() {
    let emulator = emulator();
    let batcher = lingering(&client(&emulator));
    drop(batcher.call_async(user(0)));
    let mut polled = batcher.call_async(user(1));
    let task = Arc::new(Counts::default());
    let waker = Waker::from(Arc::clone(&task));
    let poll = Pin::new(&mut polled).poll(&mut Context::from_waker(&waker));
    assert!(poll.is_pending());
    drop((polled, waker));
    assert_eq!(Arc::strong_count(&task), 1); // the task is not kept until the outcome comes
    assert_eq!(batcher.unsettled(), 2);
    batcher.close(&CallOptions::new()).unwrap();
    assert_eq!(emulator.users().len(), 2);
    assert!(batcher.poll(Duration::ZERO).is_empty()); // nothing is kept for nobody
}

#[test]
fn a_withdrawn_change_is_not_sent_unless_it_is_in_a_request() {
    let emulator = emulator();
    let options = client(&emulator).batcher().linger(LONG).timeout(LONG);
    let batcher = options.attempt_timeout(LONG).start();
    let lingers = batcher.call_async(user(0));
    assert_eq!(
        lingers.withdraw(WaitEnd::TimedOut).unwrap_err().to_string(),
        "add \"u0\": not sent: its time was up (not applied; allow more time, or try again)"
    );
    assert_eq!(batcher.unsettled(), 0);
    let get = batcher.get_tag_async("u0").withdraw(WaitEnd::Cancelled);
    assert_eq!(get.unwrap_err().effect(), Effect::NotRead);
    drop(batcher.get_tag_async("u0")); // has no effect, so it is not sent either
    assert_eq!(batcher.unsettled(), 0);

    emulator.fault(Operation::Add, Fault::delay(LONG));
    let mut sent = batcher.call_async(user(1));
    batcher.flush(&within(Duration::ZERO)).unwrap_err();
    until(|| emulator.stats().arrivals() == 1);
    assert!(poll(&mut sent).is_pending());
    assert_eq!(
        sent.withdraw(WaitEnd::Cancelled).unwrap_err().to_string(),
        "add \"u1\": cancelled by its caller (possibly applied; send it again if it is still wanted)"
    );
    batcher.flush(&CallOptions::new()).unwrap(); // waits for it no more

    let done = batcher.call_async(user(2));
    batcher.flush(&CallOptions::new()).unwrap();
    done.withdraw(WaitEnd::Cancelled).unwrap(); // it has its outcome
    assert_eq!(batcher.abandon(), 0);
    assert_eq!(
        [0, 2].map(|it| tags(&emulator, &format!("u{it}")).len()),
        [0, 1]
    );
}

#[test]
fn a_future_that_waits_for_capacity_and_is_dropped_leaves_it_to_the_next() {
    let emulator = emulator();
    let (batcher, [sent, waits]) = full(&emulator, WhenFull::Wait);
    let mut futures = [0, 1, 2].map(|number| Some(batcher.call_async(user(number))));
    assert!(poll(futures[1].as_mut().unwrap()).is_pending());
    futures[0] = None; // takes nothing: the next one does
    waits.withdraw(WaitEnd::Cancelled).unwrap_err();
    assert_eq!(batcher.unsettled(), 2);
    // 1 has the capacity, and leaves it
    let [_, first, second] = futures;
    let error = first.unwrap().withdraw(WaitEnd::Cancelled).unwrap_err();
    assert_eq!(error.effect(), Effect::NotApplied);
    assert_eq!(batcher.unsettled(), 2);
    sent.withdraw(WaitEnd::Cancelled).unwrap_err();
    batcher.flush(&CallOptions::new()).unwrap();
    block_on(second.unwrap()).unwrap();
    assert_eq!(emulator.users().into_keys().collect::<Vec<_>>(), ["u2"]);
}

#[test]
fn changes_that_wait_for_capacity_keep_the_order_of_their_calls_however_they_are_polled() {
    let emulator = emulator();
    let (batcher, [sent, waits]) = full(&emulator, WhenFull::Wait);
    let add = |tag| batcher.call_async(ChangeRequest::add("u", [tag]));
    let [first, mut second] = [add("first"), add("second")];
    let removes = batcher.call_async(ChangeRequest::remove("u", ["second"]));
    // the later one is polled and the earlier one is not; a thread comes last
    assert!(poll(&mut second).is_pending());
    thread::scope(|scope| {
        let last = scope.spawn(|| {
            let change = ChangeRequest::add("u", ["last"]);
            batcher.call(change, &CallOptions::new())
        });
        waits.withdraw(WaitEnd::Cancelled).unwrap_err();
        sent.withdraw(WaitEnd::Cancelled).unwrap_err();
        until(|| {
            // sends what it has, and so makes capacity
            let _ = batcher.flush(&within(Duration::ZERO));
            last.is_finished()
        });
        last.join().unwrap().unwrap();
    });
    block_on(second).unwrap();
    block_on(removes).unwrap();
    block_on(first).unwrap();
    let mut tags = tags(&emulator, "u");
    tags.sort();
    assert_eq!(tags, ["first", "last"]);
    let arrived: Vec<String> = emulator.requests().into_iter().map(|it| it.body).collect();
    let at = |tag: &str| arrived.iter().position(|body| body.contains(tag)).unwrap();
    assert!(at("first") < at("second"), "{arrived:?}");
}

#[test]
fn futures_wait_for_the_capacity_of_a_full_batcher_and_a_dropped_one_is_not_sent() {
    let emulator = emulator();
    let (batcher, [sent, waits]) = full(&emulator, WhenFull::Wait);
    thread::scope(|scope| {
        let threads = [0, 1, 2].map(|number| {
            let mut future = batcher.call_async(user(number));
            assert!(poll(&mut future).is_pending());
            scope.spawn(move || block_on(future).unwrap())
        });
        let mut dropped = batcher.call_async(user("dropped"));
        assert!(poll(&mut dropped).is_pending());
        drop(dropped);
        assert_eq!(batcher.unsettled(), 2);
        waits.withdraw(WaitEnd::Cancelled).unwrap_err();
        until(|| {
            // sends what it has, and so makes capacity
            let _ = batcher.flush(&within(Duration::ZERO));
            threads.iter().all(thread::ScopedJoinHandle::is_finished)
        });
    });
    sent.withdraw(WaitEnd::Cancelled).unwrap_err();
    assert_eq!(emulator.users().len(), 3);
    assert_eq!(batcher.abandon(), 0);
}

#[test]
fn a_batcher_that_is_closed_or_dropped_leaves_no_future_without_an_outcome() {
    let emulator = emulator();
    let (batcher, [sent, lingers]) = full(&emulator, WhenFull::Wait);
    let mut waits = batcher.call_async(user(2));
    assert!(poll(&mut waits).is_pending());
    batcher.close(&within(Duration::ZERO)).unwrap_err();
    let closed = block_on(&mut waits).unwrap_err();
    assert!(matches!(closed.cause(), Cause::Closed), "{closed}");

    block_on(lingers).unwrap(); // the close sends it
    drop(batcher);
    let error = block_on(sent).unwrap_err();
    assert_eq!(error.effect(), Effect::PossiblyApplied, "{error}");

    let batcher = lingering(&client(&emulator));
    let unsent = batcher.call_async(user(3));
    assert_eq!(batcher.abandon(), 1);
    let error = block_on(unsent).unwrap_err();
    let is_cancelled = matches!(error.cause(), Cause::Ended(RunError::Cancelled));
    assert!(is_cancelled, "{error}");
}

/// An executor's waker may be the last that keeps a task, and so drop a future of the same batcher.
#[test]
fn a_waker_may_use_the_batcher_when_it_is_woken_and_when_it_is_dropped() {
    struct Uses {
        batcher: Arc<Batcher>,
        uses: Arc<AtomicUsize>,
        _owned: Mutex<OutcomeFuture<()>>,
    }
    impl Uses {
        fn uses(&self) {
            let _ = self.batcher.unsettled(); // it takes the lock
            self.uses.fetch_add(1, Ordering::SeqCst);
        }
    }
    impl Wake for Uses {
        fn wake(self: Arc<Self>) {
            self.uses();
        }
    }
    impl Drop for Uses {
        fn drop(&mut self) {
            self.uses();
        }
    }
    let [emulator, another] = [(); 2].map(|()| emulator());
    let used = |batcher: Batcher, first: Option<OutcomeFuture<()>>| {
        let batcher = Arc::new(batcher);
        let uses = Arc::new(AtomicUsize::new(0));
        let mut future = batcher.call_async(user(1));
        for _ in 0..3 {
            let mut owned = batcher.call_async(user("owned"));
            assert!(poll(&mut owned).is_pending());
            let waker = Waker::from(Arc::new(Uses {
                batcher: Arc::clone(&batcher),
                uses: Arc::clone(&uses),
                _owned: Mutex::new(owned),
            }));
            let polled = Pin::new(&mut future).poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
        }
        assert_eq!(uses.load(Ordering::SeqCst), 2); // two were replaced
        match first {
            Some(waits) => {
                drop(waits.withdraw(WaitEnd::Cancelled)); // leaves capacity
                let _ = batcher.flush(&within(Duration::ZERO));
            }
            None => batcher.flush(&CallOptions::new()).unwrap(), // its outcome is there
        }
        until(|| uses.load(Ordering::SeqCst) == 4); // the third was woken, and is dropped
        drop(future);
        until(|| Arc::strong_count(&batcher) == 1);
    };
    used(lingering(&client(&emulator)), None);
    let (batcher, [_sent, waits]) = full(&another, WhenFull::Wait);
    used(batcher, Some(waits));
}

#[test]
fn a_waker_that_panics_keeps_no_other_task_asleep() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("the executor's");
        }
    }
    let emulator = emulator();
    let batcher = lingering(&client(&emulator));
    let mut first = batcher.call_async(user(0));
    let panics = Waker::from(Arc::new(Panics));
    assert!(
        Pin::new(&mut first)
            .poll(&mut Context::from_waker(&panics))
            .is_pending()
    );
    thread::scope(|scope| {
        let second = scope.spawn(|| block_on(batcher.call_async(user(1))));
        until(|| batcher.unsettled() == 2);
        batcher.flush(&CallOptions::new()).unwrap();
        second.join().unwrap().unwrap();
    });
    block_on(first).unwrap();
}

#[test]
fn a_thousand_tasks_of_tokio_share_requests() {
    let emulator = emulator();
    let batcher = client(&emulator).batcher().capacity(300).start();
    let batcher = Arc::new(batcher);
    let runtime = runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let tasks: Vec<_> = users(0..1_000)
            .map(|change| tokio::spawn(batcher.call_async(change)))
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
    });
    assert_eq!(emulator.users().len(), 1_000);
    let arrivals = emulator.stats().arrivals();
    assert!(arrivals <= 100, "{arrivals}");
}
