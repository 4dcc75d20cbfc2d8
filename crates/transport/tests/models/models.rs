//! The models, and the orders in which each is run.

use std::cell::Cell;
use std::panic;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use imtag_core::plan::{BatchPolicy, BatchResult};
use imtag_core::{ChangeOperation, ChangeRequest, Effect, Rules};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::sync::{Condvar, Mutex};
use shuttle::{Config, Runner, thread};

use crate::call::CallOptions;
use crate::error::{Cause, Error, RunError};
use crate::pipeline::batcher::{Batcher, WhenFull};
use crate::pipeline::bulk::Bulk;
use crate::pipeline::engine::Pipeline;
use crate::pipeline::session::{Sending, Session, WhenUnavailable};
use crate::process::{FAILING_STARTS, STARTS};
use crate::wait::sync::{PROCESS, let_time_pass, reset};
use crate::wait::{CancelToken, WaitEnd, now};

/// So many orders are drawn at random, and as many that put few threads off at the worst moments.
const ORDERS: usize = 300;

const MODELS: [(&str, fn()); 13] = [
    ("enqueue_flush_close", enqueue_flush_close),
    ("calls_share_a_linger", calls_share_a_linger),
    (
        "a_linger_beside_a_busy_worker",
        a_linger_beside_a_busy_worker,
    ),
    ("waits_that_are_cancelled", waits_that_are_cancelled),
    ("a_cancel_at_any_moment", a_cancel_at_any_moment),
    ("a_withdrawal_at_any_moment", a_withdrawal_at_any_moment),
    (
        "a_deadline_against_the_outcome",
        a_deadline_against_the_outcome,
    ),
    ("a_close_against_submissions", a_close_against_submissions),
    ("the_last_worker_ends", the_last_worker_ends),
    ("a_full_batcher", a_full_batcher),
    ("a_run_of_two_pushers", a_run_of_two_pushers),
    (
        "threads_that_cannot_be_started",
        threads_that_cannot_be_started,
    ),
    ("a_forked_child_takes_no_lock", a_forked_child_takes_no_lock),
];

/// Runs all models, or those whose names hold a word of the arguments.
pub(crate) fn run() {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|it| !it.starts_with('-'))
        .collect();
    let chosen = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word));
    for (name, model) in MODELS.iter().filter(|(name, _)| chosen(name)) {
        let began = Instant::now();
        let model = *model;
        let each = move || {
            reset();
            FAILING_STARTS.set(0);
            STARTS.set(0);
            model();
        };
        // the same orders each time
        Runner::new(RandomScheduler::new_from_seed(7, ORDERS), Config::new()).run(each);
        Runner::new(PctScheduler::new_from_seed(7, 3, ORDERS), Config::new()).run(each);
        println!("{name}: {} orders in {:?}", 2 * ORDERS, began.elapsed());
    }
}

/// The service that a session's workers call.
#[derive(Default)]
struct Service {
    arrivals: Mutex<usize>,
    /// Requests that add wait before their turn in the quota, or for the answer.
    held: Mutex<Held>,
    released: Condvar,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Held {
    #[default]
    Nothing,
    Turns,
    Answers,
}

impl Service {
    fn arrivals(&self) -> usize {
        *self.arrivals.lock().unwrap()
    }

    fn hold(&self, held: Held) {
        *self.held.lock().unwrap() = held;
        self.released.notify_all();
    }

    fn wait(&self, operation: ChangeOperation, at: Held) {
        let mut held = self.held.lock().unwrap();
        while operation == ChangeOperation::Add && *held == at {
            held = self.released.wait(held).unwrap();
        }
    }
}

const LINGER: Duration = Duration::from_millis(10);

fn sending(linger: Duration, capacity: usize, max_threads: usize, is_run: bool) -> Sending {
    Sending {
        policy: BatchPolicy {
            linger,
            late_window: Duration::from_secs(10),
            capacity,
            full_slot_is_enough: !is_run,
            remember_rejected: is_run,
            probe_first: is_run,
        },
        timeout: Duration::from_secs(60),
        attempt_timeout: Duration::from_secs(10),
        when_unavailable: if is_run {
            WhenUnavailable::End
        } else {
            WhenUnavailable::GoOn
        },
        in_run: is_run,
        max_threads,
        thread_name: "model",
    }
}

/// A session whose requests are all done.
fn session(sending: Sending) -> (Arc<Session>, Arc<Service>) {
    let pipeline = Arc::new(Pipeline::new(Rules::default()));
    let service = Arc::new(Service::default());
    let arrivals = Arc::clone(&service);
    let work = move |session: &Session| work(session, &arrivals);
    let session = Session::open(&pipeline, Rules::default(), sending, work);
    (session, service)
}

/// As a worker's, with a call that takes a few steps.
fn work(session: &Session, service: &Service) {
    let (pipeline, producer) = (session.pipeline(), session.producer);
    while let Some((batch, _)) = pipeline.next_request(producer) {
        let operation = batch.operation();
        service.wait(operation, Held::Turns);
        pipeline.with(|state, _| {
            state.plan.admitted(producer, operation);
            state.touch(producer);
        });
        *service.arrivals.lock().unwrap() += 1;
        service.wait(operation, Held::Answers);
        let result = if session.is_drained() {
            BatchResult::Failed(Error {
                effect: Effect::PossiblyApplied,
                ..Error::not_sent(Cause::Ended(RunError::Cancelled))
            })
        } else {
            BatchResult::Done { left_out: vec![] }
        };
        pipeline.with(|state, now| {
            state.plan.end_probing(producer);
            state.plan.settle(batch, result, false, now);
            state.session(producer).workers.is_coming();
        });
    }
}

fn batcher(sending: Sending, when_full: WhenFull) -> (Arc<Batcher>, Arc<Service>) {
    let (session, service) = session(sending);
    let timeout = Duration::MAX; // else the clock may pass it by
    let batcher = Batcher {
        session,
        when_full,
        timeout,
    };
    (Arc::new(batcher), service)
}

fn add(user: u64) -> ChangeRequest {
    ChangeRequest::add(format!("u{user}"), ["a"])
}

fn within(time: Duration) -> CallOptions {
    CallOptions::new().timeout(time)
}

/// Two threads submit, one flushes, and the batcher is closed: each change has one outcome.
fn enqueue_flush_close() {
    let (batcher, service) = batcher(sending(Duration::MAX, 100, 2, false), WhenFull::Wait);
    let submits = |user| {
        let batcher = Arc::clone(&batcher);
        thread::spawn(move || batcher.submit(user, add(user)).unwrap())
    };
    let others = [submits(0), submits(1)];
    batcher.flush(&CallOptions::new()).unwrap();
    others.into_iter().for_each(|it| it.join().unwrap());
    batcher.close(&CallOptions::new()).unwrap();
    let mut outcomes = batcher.poll(Duration::ZERO);
    outcomes.sort_by_key(|it| it.id);
    assert!(outcomes.iter().all(|it| it.result.is_ok()));
    assert_eq!(outcomes.iter().map(|it| it.id).collect::<Vec<_>>(), [0, 1]);
    assert!((1..=2).contains(&service.arrivals()));
    assert!(STARTS.get() <= 2);
}

/// Calls that wait are done when the linger is over, which no other thread's work brings about.
fn calls_share_a_linger() {
    let stop = let_time_pass();
    let (batcher, _) = batcher(sending(LINGER, 100, 2, false), WhenFull::Wait);
    let other = Arc::clone(&batcher);
    let other = thread::spawn(move || other.call(add(0), &CallOptions::new()));
    batcher.call(add(1), &CallOptions::new()).unwrap();
    other.join().unwrap().unwrap();
    batcher.close(&CallOptions::new()).unwrap();
    assert!(STARTS.get() <= 2);
    stop();
}

/// A linger ends while a worker waits for its turn in the quota: another one is there to send what lingered.
fn a_linger_beside_a_busy_worker() {
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
fn waits_that_are_cancelled() {
    let (batcher, service) = batcher(sending(Duration::MAX, 1, 1, false), WhenFull::Wait);
    service.hold(Held::Answers);
    for user in 0..2 {
        batcher.submit(user, add(user)).unwrap();
    }
    let token = CancelToken::new();
    let options = CallOptions::new().cancel(&token);
    let flushes = {
        let (batcher, options) = (Arc::clone(&batcher), options.clone());
        thread::spawn(move || batcher.flush(&options).unwrap_err())
    };
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
fn a_cancel_at_any_moment() {
    let (batcher, service) = batcher(sending(Duration::ZERO, 100, 2, false), WhenFull::Wait);
    let token = CancelToken::new();
    let cancels = {
        let token = token.clone();
        thread::spawn(move || token.cancel())
    };
    let outcome = batcher.call(add(0), &CallOptions::new().cancel(&token));
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

/// A submitted change that is withdrawn has one outcome, which a poll that sleeps already returns.
fn a_withdrawal_at_any_moment() {
    let stop = let_time_pass();
    let (batcher, service) = batcher(sending(Duration::ZERO, 100, 2, false), WhenFull::Wait);
    service.hold(Held::Answers);
    batcher.submit(7, add(0)).unwrap();
    let polls = {
        let batcher = Arc::clone(&batcher);
        thread::spawn(move || batcher.poll(Duration::MAX))
    };
    batcher.withdraw(7, WaitEnd::TimedOut);
    assert_eq!(polls.join().unwrap().len(), 1);
    batcher.flush(&CallOptions::new()).unwrap();
    service.hold(Held::Nothing);
    batcher.close(&CallOptions::new()).unwrap();
    assert!(batcher.poll(Duration::ZERO).is_empty());
    stop();
}

/// The time of a call is up at any moment: it has its outcome, or what is true of a change without one.
fn a_deadline_against_the_outcome() {
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

/// A change that is submitted while the batcher closes is refused, or has its outcome.
fn a_close_against_submissions() {
    let (batcher, service) = batcher(sending(Duration::MAX, 100, 2, false), WhenFull::Wait);
    let submits = {
        let batcher = Arc::clone(&batcher);
        thread::spawn(move || {
            let submitted = batcher.submit(0, add(0));
            u64::from(submitted.is_ok())
        })
    };
    batcher.close(&CallOptions::new()).unwrap();
    let taken = submits.join().unwrap();
    batcher.close(&CallOptions::new()).unwrap();
    assert_eq!(batcher.poll(Duration::MAX).len() as u64, taken);
    assert_eq!(service.arrivals() as u64, taken);
    assert_eq!(batcher.unsettled(), 0);
}

/// Two threads close, and one abandons by the drop: all workers end, and none is left or waited for in vain.
fn the_last_worker_ends() {
    let (batcher, _) = batcher(sending(Duration::ZERO, 100, 2, false), WhenFull::Wait);
    for user in 0..2 {
        batcher.submit(user, add(user)).unwrap();
    }
    let closes = {
        let batcher = Arc::clone(&batcher);
        thread::spawn(move || batcher.close(&CallOptions::new()).unwrap())
    };
    let polls = {
        let batcher = Arc::clone(&batcher);
        thread::spawn(move || {
            let mut polled = 0;
            while polled < 2 {
                polled += batcher.poll(Duration::MAX).len();
            }
        })
    };
    batcher.close(&CallOptions::new()).unwrap();
    closes.join().unwrap();
    polls.join().unwrap();
    assert!(batcher.poll(Duration::MAX).is_empty());
}

/// Callers that wait for capacity are woken by each request that is made.
fn a_full_batcher() {
    let (batcher, service) = batcher(sending(Duration::ZERO, 1, 3, false), WhenFull::Wait);
    service.hold(Held::Answers);
    let submits = |user| {
        let batcher = Arc::clone(&batcher);
        thread::spawn(move || batcher.submit(user, add(user)).unwrap())
    };
    let others = [submits(0), submits(1)];
    batcher.submit(2, add(2)).unwrap();
    others.into_iter().for_each(|it| it.join().unwrap());
    service.hold(Held::Nothing);
    batcher.close(&CallOptions::new()).unwrap();
    assert_eq!(batcher.poll(Duration::ZERO).len(), 3);
}

/// A run of little capacity, fed and polled by several threads, whose first request goes alone.
fn a_run_of_two_pushers() {
    let (session, _) = session(sending(Duration::MAX, 1, 2, true));
    let run = Arc::new(Bulk {
        session,
        started: now(),
        host_poll: None,
        _watches: vec![],
    });
    let pushes = {
        let run = Arc::clone(&run);
        thread::spawn(move || run.push(0, add(0)).unwrap())
    };
    run.push(1, add(1)).unwrap();
    pushes.join().unwrap();
    let summary = run.finish();
    assert_eq!((summary.progress.done, summary.ended.is_none()), (2, true));
    assert_eq!(run.poll(Duration::MAX).len(), 2);
    assert!(run.poll(Duration::MAX).is_empty());
}

/// Where no thread can be started, a change fails, and another is done once one can be.
fn threads_that_cannot_be_started() {
    let (batcher, _) = batcher(sending(Duration::ZERO, 100, 2, false), WhenFull::Wait);
    FAILING_STARTS.set(1);
    let other = {
        let batcher = Arc::clone(&batcher);
        thread::spawn(move || batcher.call(add(0), &CallOptions::new()))
    };
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

/// In a child, the lock may be held by a thread that is not there: nothing takes it.
fn a_forked_child_takes_no_lock() {
    let (batcher, _) = batcher(sending(Duration::MAX, 100, 2, false), WhenFull::Wait);
    let polls = {
        let batcher = Arc::clone(&batcher);
        thread::spawn(move || batcher.poll(Duration::MAX))
    };
    let pipeline = batcher.session.pipeline();
    pipeline.with(|_, _| {
        PROCESS.set(2);
        let error = batcher.call(add(0), &CallOptions::new()).unwrap_err();
        assert!(matches!(error.cause(), Cause::Forked));
        assert!(batcher.submit(0, add(0)).is_err());
        assert!(batcher.poll(Duration::MAX).is_empty());
        batcher.withdraw(0, WaitEnd::Cancelled);
        batcher.flush(&CallOptions::new()).unwrap();
        batcher.close(&CallOptions::new()).unwrap();
        assert_eq!(batcher.unsettled(), 0);
        assert_eq!(batcher.session.abandon(), 0);
        PROCESS.set(1);
    });
    batcher.close(&CallOptions::new()).unwrap();
    assert!(polls.join().unwrap().is_empty());
}
