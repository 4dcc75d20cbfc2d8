//! Sending: as many requests under way as the quota can use, each call with its retries, until all are sent, the
//! course ends, or Ctrl-C comes. Results go to the caller's thread one by one, in the order in which they arrive.
//!
//! The first request goes alone: with wrong credentials one request is refused, and not one of each worker.
//!
//! A request that meets no service is tried again for half the time of a call (half a minute), beyond the retries of
//! the call itself, so that a short outage costs time and no users.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use imtag_transport::{CallOptions, Cause, Client, Effect, Error, Outcome, Phase};

use super::course::{Course, End};
use super::plan::Plan;
use crate::blame::Blame;
use crate::interrupt::Interrupt;

/// Requests under way at most: what 100 calls a second need at a round trip of 0.6 s, and more calls at 0.5 s, up to
/// what a process can well have of threads.
const WORKERS_AT_MOST: std::ops::RangeInclusive<usize> = 64..=512;

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

/// How long it rests between two calls meanwhile.
const REST: Duration = Duration::from_millis(500);

/// What came of a request.
pub(crate) struct Sent {
    /// Its position in the plan.
    pub(crate) request: usize,
    pub(crate) result: Result<Outcome, Error>,
    /// What its calls before the last came to.
    pub(crate) earlier: Earlier,
}

/// Calls of a request that met no service, and were made again.
pub(crate) struct Earlier {
    pub(crate) attempts: u32,
    /// Attempts of which a byte left this machine.
    pub(crate) sent: u32,
    /// The most that any of them may have done.
    pub(crate) effect: Effect,
}

impl Earlier {
    fn none() -> Earlier {
        Earlier {
            attempts: 0,
            sent: 0,
            effect: Effect::NotApplied,
        }
    }

    fn add(&mut self, error: &Error) {
        self.attempts += error.attempts();
        self.sent += error.sent();
        self.effect = self.effect.max(error.effect());
    }
}

/// What the workers of one import share.
struct Work<'a> {
    sender: &'a Sender<'a>,
    plan: &'a Plan,
    options: CallOptions,
    /// For how long a request that meets no service is tried again, once the service has been there.
    outage: Duration,
    course: Course,
    next: AtomicUsize,
}

impl Sender<'_> {
    /// Sends the requests of a plan; says why it ended before all were sent, or that nobody answered.
    pub(crate) fn send(&self, plan: &Plan, mut take: impl FnMut(Sent)) -> Option<End> {
        let timeout = self.timeout.unwrap_or(CALL_TIMEOUT);
        let work = Work {
            sender: self,
            plan,
            options: CallOptions::new()
                .timeout(timeout)
                .attempt_timeout(timeout.min(ATTEMPT_TIMEOUT))
                .cancel(self.interrupt.token())
                .drain(self.interrupt.drain()),
            outage: timeout / 2,
            course: Course::default(),
            next: AtomicUsize::new(0),
        };
        if let Some(sent) = work.next().and_then(|request| work.call(request)) {
            take(sent);
        }
        thread::scope(|scope| {
            let workers = workers(plan.requests().saturating_sub(1), self.calls_per_second);
            let (results, arriving) = sync_channel(workers.max(1));
            for _ in 0..workers {
                let results = results.clone();
                let spawned = thread::Builder::new().spawn_scoped(scope, || work.run(results));
                if spawned.is_err() {
                    break; // with fewer threads than wished for it is slower, no more
                }
            }
            drop(results);
            arriving.into_iter().for_each(&mut take);
            // where the system gave no thread at all, this one does the work
            while let Some(sent) = work.next().and_then(|request| work.call(request)) {
                take(sent);
            }
        });
        work.course.end()
    }
}

/// More than the quota lets through in a second would only wait for their turn, in vain once it is time to stop.
fn workers(requests: usize, calls_per_second: u32) -> usize {
    let useful = usize::try_from(calls_per_second)
        .unwrap_or(usize::MAX)
        .max(2);
    let at_most = (useful / 2).clamp(*WORKERS_AT_MOST.start(), *WORKERS_AT_MOST.end());
    requests.min(useful).min(at_most)
}

impl Work<'_> {
    // by value, so that the channel closes when the last worker ends
    #[allow(clippy::needless_pass_by_value)]
    fn run(&self, results: SyncSender<Sent>) {
        while let Some(request) = self.next() {
            let Some(sent) = self.call(request) else {
                return;
            };
            if results.send(sent).is_err() {
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

    /// What came of a request; `None` where it was never sent, as it is time to end.
    fn call(&self, position: usize) -> Option<Sent> {
        let request = self.plan.request(position);
        let mut earlier = Earlier::none();
        let mut outage = None;
        loop {
            let result = self.sender.client.add_tag_with(&request, &self.options);
            if let Err(error) = &result {
                if never_had_its_turn(error) && earlier.attempts == 0 {
                    match self.goes_on() {
                        true => continue,
                        false => return None,
                    }
                }
                let began = *outage.get_or_insert_with(Instant::now);
                if self.is_worth_another(error) && began.elapsed() < self.outage {
                    earlier.add(error);
                    self.sender.interrupt.rest(REST);
                    continue;
                }
            }
            self.course.note(&result);
            return Some(Sent {
                request: position,
                result,
                earlier,
            });
        }
    }

    fn is_worth_another(&self, error: &Error) -> bool {
        let no_service = Blame::of(error) == Blame::Service;
        no_service && self.course.any_answered() && self.goes_on()
    }
}

/// Nothing was sent, and nothing is wrong: other processes of the app use the quota up, or it is time to end.
fn never_had_its_turn(error: &Error) -> bool {
    let waited = matches!(
        error.cause(),
        Cause::Timeout {
            phase: Phase::Quota
        } | Cause::Cancelled { .. }
    );
    waited && error.attempts() == 0
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
        assert_eq!(workers(1_000, 400), 200);
        assert_eq!(workers(100_000, 100_000), 512);
    }
}
