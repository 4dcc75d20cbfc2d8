//! Models of bulk runs, and of sessions that pause.

use std::sync::Arc;
use std::time::Duration;

use imtag_core::ChangeRequest;
use shuttle::thread;

use crate::call::CallOptions;
use crate::error::{Cause, RunError};
use crate::pipeline::bulk::Bulk;
use crate::pipeline::offer::WhenFull;
use crate::pipeline::outcome::BatcherCompletion;
use crate::pipeline::session::WhenUnavailable;
use crate::service::{Held, LINGER, Service, add, batcher_of, beside, run, sending, session};
use crate::wait::Lock;
use crate::wait::sync::let_time_pass;

/// A run of little capacity, fed and polled by several threads, whose first request goes alone.
pub(crate) fn a_run_of_two_pushers() {
    let (run, _) = run(sending(Duration::MAX, 1, 2, true), Service::default());
    let pushes = beside(&run, |run| run.push(0, add(0)).unwrap());
    run.push(1, add(1)).unwrap();
    pushes.join().unwrap();
    let summary = run.finish();
    assert_eq!((summary.progress.done, summary.ended.is_none()), (2, true));
    assert_eq!(run.poll(Duration::MAX).len(), 2);
    assert!(run.poll(Duration::MAX).is_empty());
}

/// A thread pushes, one polls, one drains and then cancels: the pushes and polls end, and each change taken has one outcome.
pub(crate) fn a_run_is_cancelled_at_any_moment() {
    let (run, service) = run(sending(Duration::ZERO, 1, 2, true), Service::default());
    service.hold(Held::Answers);
    let pushes = beside(&run, |run| {
        (0..3)
            .take_while(|user| run.push(*user, add(*user)).is_ok())
            .count()
    });
    let cancels = beside(&run, |run| {
        run.cancel();
        run.cancel();
    });
    let mut polled = run.poll(Duration::MAX).len();
    let taken = pushes.join().unwrap();
    cancels.join().unwrap();
    let summary = run.finish();
    polled += run.poll(Duration::MAX).len();
    assert_eq!((polled, summary.progress.taken), (taken, taken as u64));
    assert!(matches!(summary.ended, Some(RunError::Cancelled)));
}

/// The caller's token drains a run in which nothing is under way: what lingers fails, and the poll that sleeps returns it.
pub(crate) fn a_run_that_is_drained_by_its_token() {
    let (run, service) = run(sending(Duration::MAX, 100, 2, true), Service::default());
    run.push(0, add(0)).unwrap();
    let drains = beside(&run, |run| run.session.drain.cancel());
    assert_eq!(run.poll(Duration::MAX).len(), 1);
    drains.join().unwrap();
    assert!(matches!(run.finish().ended, Some(RunError::Cancelled)));
    assert_eq!(service.arrivals(), 0);
}

/// A run ends while a slot of its only change is in a request that is not answered: the push that waits for capacity is
/// refused then, and not with the answer.
pub(crate) fn a_run_that_ends_by_its_health() {
    let mut sending = sending(Duration::ZERO, 1, 2, true);
    sending.policy.probe_first = false;
    let refusing = Service::refusing(1);
    let (run, service) = run(sending, refusing);
    service.hold(Held::Answers);
    let tags = (0..25).map(|tag| format!("t{tag}"));
    run.push(0, ChangeRequest::add("u0", tags)).unwrap();
    let error = run.push(1, add(1)).unwrap_err();
    assert!(matches!(error.cause(), Cause::Ended(RunError::Refused(_))));
    service.hold(Held::Nothing);
    assert_eq!(run.finish().progress.failed, 1);
}

/// A poll for capacity returns when the run pauses, and the next one after the resume. Then all is done.
pub(crate) fn a_run_that_pauses() {
    let mut sending = sending(Duration::ZERO, 1, 2, true);
    sending.when_unavailable = WhenUnavailable::Pause;
    let refusing = Service::refusing(0);
    let (run, service) = run(sending, refusing);
    service.hold(Held::Turns);
    run.push(0, add(0)).unwrap();
    run.push(1, add(1)).unwrap();
    let releases = thread::spawn(move || service.hold(Held::Nothing));
    while run.paused().is_none() {
        assert!(run.poll_or_capacity(Duration::MAX).is_empty());
    }
    let resumed = Arc::new(Lock::new(false));
    let is_resumed = Arc::clone(&resumed);
    let polls = beside(&run, move |run| {
        // the first may be the one that returns for the pause
        let polled = [
            run.poll_or_capacity(Duration::MAX),
            run.poll_or_capacity(Duration::MAX),
        ];
        assert!(*is_resumed.lock());
        polled.iter().map(Vec::len).sum::<usize>()
    });
    let finishes = beside(&run, Bulk::finish);
    *resumed.lock() = true;
    run.resume();
    releases.join().unwrap();
    let polled = polls.join().unwrap();
    assert_eq!(finishes.join().unwrap().progress.done, 2);
    assert_eq!(polled + run.poll(Duration::ZERO).len(), 2);
}

/// The time of a change is up while its batcher pauses: it has its outcome, with no other thread's work.
pub(crate) fn a_pause_past_a_deadline() {
    let stop = let_time_pass();
    let mut sending = sending(Duration::ZERO, 100, 2, true);
    sending.when_unavailable = WhenUnavailable::Pause;
    let refusing = Service::refusing(0);
    let (batcher, _) = batcher_of(session(sending, refusing), WhenFull::Wait);
    batcher.submit(0, add(0)).unwrap();
    batcher.submit_within(1, add(1), LINGER).unwrap();
    let polled = batcher.poll(Duration::MAX);
    let ids: Vec<u64> = polled.iter().map(BatcherCompletion::id).collect();
    assert_eq!(ids, [1]);
    batcher.resume();
    batcher.close(&CallOptions::new()).unwrap();
    stop();
}
