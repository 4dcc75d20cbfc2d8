//! A session: a batcher, a thread that feeds it, and one that takes its outcomes.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant, SystemTime};

use imtag_core::ChangeRequest;
use imtag_rows::FailureLine;
use imtag_transport::{Batcher, BatcherCompletion, CallOptions, Cause, Client, Completion, Effect};
use parking_lot::Mutex;

use super::health::Health;
use super::hurry::Hurry;
use crate::byte_limit::ByteLimit;
use crate::change::{Failure, Outcome, Report};
use crate::codec::{read_block, request};
use crate::command::{Command, Shared};
use crate::error::Refused;
use crate::id::{ChangeId, PostId};
use crate::store::Fed;

/// How many changes are asked for at once.
const FETCHED_AT_ONCE: u32 = 500;
/// How long a poll waits while changes are under way: outcomes come at once, but a pause is seen only then.
const POLL: Duration = Duration::from_millis(100);
/// How long what is under way has to finish where an operator pauses the queue, and waits for it.
pub(super) const PAUSING: Duration = Duration::from_secs(3);
/// After a disk that did not take the beginning, until it is tried again.
const DISK_AGAIN: Duration = Duration::from_secs(1);
/// The time for a request, with its waits and retries. A change has no limit: what is not sent waits.
const REQUEST_TIME: Duration = Duration::from_secs(60);
/// Changes that wait in the batcher, as seconds of the full quota. In the seconds after an unclean end some wait longer, and
/// others need room beside them.
const SECONDS_AHEAD: u64 = 1;
const SECONDS_AHEAD_AFTER_CRASH: u64 = 5;
const LEAST_AHEAD: u64 = 1_000;
const MOST_AHEAD: u64 = 50_000;

/// A session at work.
pub(super) struct Session {
    client: Client,
    state: Arc<State>,
    feeding: Option<JoinHandle<()>>,
}

/// What its threads share.
struct State {
    shared: Arc<Shared>,
    /// Has another session begin.
    begin_again: Box<dyn Fn() + Send + Sync>,
    /// Nothing more is fed.
    is_ending: AtomicBool,
    /// Nothing more is polled.
    is_over: AtomicBool,
    /// A change came back that is not settled.
    is_stuck: AtomicBool,
    /// Of changes that the batcher has. Of an account only few count towards its capacity, and however long they are, they
    /// count alike.
    memory: ByteLimit,
    /// Numbers accounts.
    accounts: RandomState,
    running: Mutex<Option<Running>>,
    /// Until when what a session before has sent may arrive, which is not known to have ended well.
    unclean_until: OnceLock<Instant>,
    /// Changes of posts before this one may have been applied by a session before, which is not known to have ended well.
    may_be_applied: OnceLock<PostId>,
}

/// Once the store knows that changes may be on their way.
struct Running {
    batcher: Arc<Batcher>,
    polling: JoinHandle<()>,
}

impl Session {
    pub(super) fn begin(
        shared: &Arc<Shared>,
        client: Client,
        unknown_until: Instant,
        begin_again: impl Fn() + Send + Sync + 'static,
    ) -> Session {
        let state = Arc::new(State {
            shared: Arc::clone(shared),
            memory: ByteLimit::new(shared.settings.memory),
            begin_again: Box::new(begin_again),
            is_ending: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            is_stuck: AtomicBool::new(false),
            accounts: RandomState::new(),
            running: Mutex::default(),
            unclean_until: OnceLock::new(),
            may_be_applied: OnceLock::new(),
        });
        let (its, sender) = (Arc::clone(&state), client.clone());
        let thread = thread::Builder::new().name("imtag-feed".to_owned());
        let feeding = thread.spawn(move || {
            its.shared.guard(|| feed(&its, &sender, unknown_until));
        });
        if feeding.is_err() {
            state.gets_stuck(); // this machine gives no thread
        }
        Session {
            client,
            state,
            feeding: feeding.ok(),
        }
    }

    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }

    /// True if a change came back that is not settled: it is not sent any more by this session.
    pub(super) fn is_stuck(&self) -> bool {
        self.state.is_stuck.load(Ordering::SeqCst)
    }

    /// Feeds no more, sends nothing any more, and waits for the requests under way, until then at most, or until it is hurried.
    /// What has no outcome waits again. Returns how many changes may be on their way.
    pub(super) fn end(self, by: Instant, hurry: &Hurry) -> u64 {
        let state = &self.state;
        state.is_ending.store(true, Ordering::SeqCst);
        state.memory.close();
        state.shared.tell(Command::StopFetching);
        let Some(feeding) = self.feeding else {
            return 0;
        };
        // by now it has begun, or never does
        let batcher = state
            .running
            .lock()
            .as_ref()
            .map(|it| Arc::clone(&it.batcher));
        if let Some(batcher) = batcher {
            let cancel = hurry.wait();
            let mut left = by.saturating_duration_since(Instant::now());
            if state.shared.is_paused() {
                // the operator waits; a pause that comes later hurries it
                left = left.min(PAUSING);
            }
            batcher.hold(&CallOptions::new().timeout(left).cancel(&cancel));
        }
        // it waits for a disk, or for the late window of others
        feeding.thread().unpark();
        drop(feeding.join());
        let Some(running) = state.running.lock().take() else {
            return 0;
        };
        state.is_over.store(true, Ordering::SeqCst);
        running.polling.thread().unpark();
        drop(running.polling.join());
        state.settle(running.batcher.poll(Duration::ZERO));
        let may_arrive = !running.batcher.may_arrive_for().is_zero();
        let in_doubt = if may_arrive {
            let queued = running.batcher.stats().queued;
            (running.batcher.unsettled() as u64).saturating_sub(queued)
        } else {
            0
        };
        let now = Instant::now();
        let of_before = state.unclean_until.get().is_some_and(|it| now < *it);
        // cancels what is left
        drop(running.batcher);
        let is_clean = !may_arrive && !of_before;
        *state.shared.session_pause.lock() = None;
        state.shared.tell(Command::SessionEnded(is_clean));
        in_doubt
    }
}

/// Hands the changes of the store on, in their order. What may be on its way since before may arrive for accounts that are not
/// known until then.
fn feed(state: &Arc<State>, client: &Client, unknown_until: Instant) {
    let Some(unknown) = begin(state) else {
        return;
    };
    let is_unclean = unknown.is_some();
    if let Some(before) = unknown {
        let _ = state.may_be_applied.set(before); // it begins once
    }
    let is_unknown = is_unclean && Instant::now() < unknown_until;
    if is_unknown && !wait_until(state, unknown_until) {
        return;
    }
    let after_crash = is_unclean && !is_unknown;
    if after_crash {
        let window = state.shared.settings.late_window;
        let _ = state.unclean_until.set(Instant::now() + window); // it begins once
    }
    let ahead = if after_crash {
        SECONDS_AHEAD_AFTER_CRASH
    } else {
        SECONDS_AHEAD
    };
    let users = client.rules().limits.users_per_request as u64;
    let users = u64::from(client.calls_per_second().calls().get()) * users;
    let capacity = (users * ahead).clamp(LEAST_AHEAD, MOST_AHEAD);
    let options = client
        .batcher()
        .capacity(usize::try_from(capacity).unwrap_or(usize::MAX))
        .timeout(REQUEST_TIME)
        .late_window(state.shared.settings.late_window)
        .after_crash(after_crash)
        // who calls waits for the answer, and the queue does not
        .in_background(true)
        .pause_when_unavailable(true);
    let batcher = Arc::new(options.start());
    let polling = {
        let (state, batcher) = (Arc::clone(state), Arc::clone(&batcher));
        let client = client.clone();
        let thread = thread::Builder::new().name("imtag-poll".to_owned());
        thread.spawn(move || state.shared.guard(|| poll(&state, &client, &batcher)))
    };
    let Ok(polling) = polling else {
        return state.gets_stuck();
    };
    let polls = polling.thread().clone();
    *state.running.lock() = Some(Running {
        batcher: Arc::clone(&batcher),
        polling,
    });
    while !state.is_ending.load(Ordering::SeqCst) && !state.is_stuck.load(Ordering::SeqCst) {
        let fetched = state
            .shared
            .ask(|reply| Command::Fetch(FETCHED_AT_ONCE, reply));
        let Ok(blocks) = fetched.wait() else {
            if !state.is_ending.load(Ordering::SeqCst) {
                state.gets_stuck();
            }
            return;
        };
        for block in blocks {
            let goes_on = submit(state, &batcher, &polls, &block);
            polls.unpark();
            if !goes_on {
                return;
            }
        }
    }
}

/// Notes in the store that changes may be on their way from now on. Returns before which post they may have been already, if
/// they may; `None` if the session ends first.
fn begin(state: &State) -> Option<Option<PostId>> {
    loop {
        if state.is_ending.load(Ordering::SeqCst) {
            return None;
        }
        match state.shared.ask(Command::Begin).wait() {
            Ok(before) => return Some(before),
            Err(Refused::Closed) => return None,
            Err(_) => thread::park_timeout(DISK_AGAIN),
        }
    }
}

/// Returns false if the session ends before.
fn wait_until(state: &State, time: Instant) -> bool {
    loop {
        if state.is_ending.load(Ordering::SeqCst) {
            return false;
        }
        let left = time.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        thread::park_timeout(left);
    }
}

/// Gives what waits of a block to the batcher. Returns false at the session's end.
fn submit(state: &State, batcher: &Batcher, polls: &Thread, block: &Fed) -> bool {
    let first = ChangeId::from_key(block.id);
    let mut goes_on = true;
    let read = read_block(&block.changes, |place, operation, account, tags| {
        if !goes_on || block.settled.contains(place) {
            return;
        }
        let id = first.post.change(first.index + place).key() as u64;
        let change = request(operation, account, tags);
        let memory = memory_of(&change);
        let takes = || {
            state.memory.take(memory) || {
                // its outcomes make room
                polls.unpark();
                state.memory.wait(memory)
            }
        };
        // both wait, and end only with the session
        goes_on = takes() && batcher.submit_within(id, change, Duration::MAX).is_ok();
    });
    if read.is_err() {
        state.shared.tell(Command::Unreadable(block.id));
    }
    goes_on
}

/// Takes outcomes, and ends the pauses of the batcher. Sleeps while nothing is under way, and in a pause until it is tried again,
/// or is woken.
fn poll(state: &State, client: &Client, batcher: &Batcher) {
    let mut health = Health::default();
    *state.shared.polls.lock() = Some(thread::current());
    while !state.is_over.load(Ordering::SeqCst) {
        let is_idle = batcher.unsettled() == 0;
        // in a pause, once what it was that failed is noted
        let sleeps_until = health.resume_at().filter(|_| {
            !is_idle && batcher.paused().is_some() && batcher.requests_under_way() == 0
        });
        let mut wait = if is_idle { Duration::ZERO } else { POLL };
        if let Some(until) = sleeps_until {
            wait = Duration::ZERO;
            thread::park_timeout(until.saturating_duration_since(Instant::now()));
        }
        let outcomes = batcher.poll(wait);
        let has_none = outcomes.is_empty();
        let is_idle = is_idle && has_none;
        let has_answered = state.settle(outcomes);
        if (has_answered || is_idle) && health.answered() {
            *state.shared.session_pause.lock() = None;
        }
        if is_idle {
            thread::park(); // until something is fed, or the session is over
            continue;
        }
        if state.is_ending.load(Ordering::SeqCst) {
            continue; // it is held for good
        }
        let now = Instant::now();
        if let Some(why) = batcher.paused() {
            if let Some(pause) = health.pauses(&why, now) {
                // what was asked for before is not meant for it
                state.shared.resumes.store(false, Ordering::SeqCst);
                *state.shared.session_pause.lock() = Some(pause);
            }
            let is_due = health.resume_at().is_some_and(|at| at <= now);
            let resumes = || state.shared.resumes.swap(false, Ordering::SeqCst) || is_due;
            if resumes() {
                health.resumed();
                batcher.resume();
            }
        } else if has_none {
            // requests wait for the service, minutes before so many have failed that the batcher pauses
            if !client.stats().in_outage {
                if health.outage_is_over() {
                    *state.shared.session_pause.lock() = None;
                }
            } else if let Some(pause) = health.outage_begins() {
                *state.shared.session_pause.lock() = Some(pause);
            }
        }
    }
}

impl State {
    /// Has the supervisor begin another session.
    fn gets_stuck(&self) {
        if !self.is_stuck.swap(true, Ordering::SeqCst) {
            (self.begin_again)();
        }
    }

    /// Hands outcomes to the store. Returns true if the service has answered one.
    fn settle(&self, completions: Vec<BatcherCompletion>) -> bool {
        let mut has_answered = false;
        let mut outcomes = Vec::with_capacity(completions.len());
        let mut memory = 0;
        for completion in completions {
            let BatcherCompletion::Change(completion) = completion else {
                continue;
            };
            let id = ChangeId::from_key(completion.id as i64);
            memory += memory_of(&completion.change);
            let account = self.accounts.hash_one(completion.change.account());
            match outcome(id, completion) {
                Some(mut outcome) => {
                    if let Outcome::Failed(failure) = &mut outcome {
                        if self.may_be_applied.get().is_some_and(|it| id.post < *it) {
                            // by an attempt whose answer is not known any more
                            failure.line.effect = Effect::PossiblyApplied;
                        }
                    }
                    has_answered = true;
                    outcomes.push(Report {
                        id,
                        account,
                        outcome,
                    });
                }
                None => self.gets_stuck(),
            }
        }
        if !outcomes.is_empty() {
            self.shared.tell(Command::Settle(outcomes));
        }
        self.memory.give_back(memory);
        has_answered
    }
}

/// The bytes that a change takes while it is sent, about: as measured, with what the plan and the pipeline note of it. Its
/// texts are there once more in the requests.
fn memory_of(change: &ChangeRequest) -> u64 {
    const OF_A_CHANGE: usize = 450;
    const OF_A_TAG: usize = 16;
    let tags = change.tags();
    let texts: usize = change.account().len() + change.tags().map(str::len).sum::<usize>();
    (OF_A_CHANGE + OF_A_TAG * tags.len() + 2 * texts) as u64
}

/// What an outcome settles; `None` if the change waits again, as nothing was said of it.
fn outcome(id: ChangeId, completion: Completion) -> Option<Outcome> {
    let Err(error) = completion.result else {
        return Some(Outcome::Done);
    };
    let says_nothing = matches!(
        error.cause(),
        Cause::Ended(_)
            | Cause::NoThread(_)
            | Cause::Closed
            | Cause::Full
            | Cause::Forked
            | Cause::Expired
            | Cause::Cancelled { .. }
    );
    if says_nothing {
        return None;
    }
    let line = FailureLine::from_error(error, completion.change.operation());
    let at = SystemTime::now();
    Some(Outcome::Failed(Box::new(Failure { id, at, line })))
}
