//! Sending: as many requests under way as the quota can use, each call with its retries, until all are sent, the
//! course ends, or Ctrl-C comes. Results go to the caller's thread one by one, in the order in which they arrive.
//!
//! The first request goes alone: with wrong credentials one request is refused, and not one of each worker.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use imtag_transport::{CallOptions, Cause, Client, Error, Outcome, Phase};

use super::course::{Course, End};
use super::plan::Plan;
use crate::interrupt::Interrupt;

/// Requests under way at most: what 100 calls a second need at a round trip of 0.6 s.
const WORKERS_AT_MOST: usize = 64;

/// For a call with all its waits and retries, where the command line does not say otherwise.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// For one attempt of it, so that a lost answer leaves time for another.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// What is needed to send a plan.
pub(crate) struct Sender<'a> {
    pub(crate) client: &'a Client,
    pub(crate) calls_per_second: u32,
    /// For each request, with its retries.
    pub(crate) timeout: Option<Duration>,
    pub(crate) interrupt: &'a Interrupt,
}

/// The position of a request in the plan, and what came of it.
pub(crate) type Sent = (usize, Result<Outcome, Error>);

/// What the workers of one import share.
struct Work<'a> {
    sender: &'a Sender<'a>,
    plan: &'a Plan,
    options: CallOptions,
    course: Course,
    next: AtomicUsize,
}

impl Sender<'_> {
    /// Sends the requests of a plan; says why it ended before all were sent, or that nobody answered.
    ///
    /// # Errors
    /// Where the system gives no thread. Nothing was sent then but the first request.
    pub(crate) fn send(&self, plan: &Plan, mut take: impl FnMut(Sent)) -> io::Result<Option<End>> {
        let timeout = self.timeout.unwrap_or(CALL_TIMEOUT);
        let work = Work {
            sender: self,
            plan,
            options: CallOptions::new()
                .timeout(timeout)
                .attempt_timeout(timeout.min(ATTEMPT_TIMEOUT))
                .cancel(self.interrupt.token())
                .drain(self.interrupt.drain()),
            course: Course::default(),
            next: AtomicUsize::new(0),
        };
        if let Some(request) = work.next() {
            take(work.call(request));
        }
        thread::scope(|scope| {
            let workers = workers(plan.requests().saturating_sub(1), self.calls_per_second);
            let (results, arriving) = sync_channel(workers.max(1));
            for started in 0..workers {
                let results = results.clone();
                let spawned = thread::Builder::new().spawn_scoped(scope, || work.run(results));
                // with fewer threads than wished for it is slower, with none it is nothing
                match spawned {
                    Err(error) if started == 0 => return Err(error),
                    Err(_) => break,
                    Ok(_) => {}
                }
            }
            drop(results);
            arriving.into_iter().for_each(&mut take);
            Ok(())
        })?;
        Ok(work.course.end())
    }
}

/// More than the quota lets through in a second would only wait for their turn, in vain once it is time to stop.
fn workers(requests: usize, calls_per_second: u32) -> usize {
    let useful = usize::try_from(calls_per_second)
        .unwrap_or(usize::MAX)
        .max(2);
    requests.min(useful).min(WORKERS_AT_MOST)
}

impl Work<'_> {
    // by value, so that the channel closes when the last worker ends
    #[allow(clippy::needless_pass_by_value)]
    fn run(&self, results: SyncSender<Sent>) {
        while let Some(request) = self.next() {
            if results.send(self.call(request)).is_err() {
                return;
            }
        }
    }

    /// The next request to send; none once the import is to end.
    fn next(&self) -> Option<usize> {
        if !self.goes_on() {
            return None;
        }
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        (next < self.plan.requests()).then_some(next)
    }

    fn goes_on(&self) -> bool {
        self.course.goes_on() && !self.sender.interrupt.came()
    }

    fn call(&self, position: usize) -> Sent {
        let request = self.plan.request(position);
        loop {
            let result = self.sender.client.add_tag_with(&request, &self.options);
            let waits_for_its_turn = result.as_ref().is_err_and(never_had_its_turn);
            if waits_for_its_turn && self.goes_on() {
                continue;
            }
            self.course.note(&result);
            return (position, result);
        }
    }
}

/// Nothing was sent, and nothing is wrong: other processes of the app use the quota up.
fn never_had_its_turn(error: &Error) -> bool {
    let in_the_quota = matches!(
        error.cause(),
        Cause::Timeout {
            phase: Phase::Quota
        }
    );
    in_the_quota && error.attempts() == 0
}

#[cfg(test)]
mod tests {
    use super::workers;

    #[test]
    fn there_are_as_many_workers_as_requests_and_quota_can_use() {
        assert_eq!(workers(0, 100), 0);
        assert_eq!(workers(5, 100), 5);
        assert_eq!(workers(1_000, 100), 64);
        assert_eq!(workers(1_000, 10), 10);
        assert_eq!(workers(1_000, 1), 2);
    }
}
