//! The options of bulk runs and batchers. Eight settings are common to both; they have the same range and meaning, and
//! defaults that fit a long run or a server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use imtag_core::plan::BatchPolicy;
use imtag_core::{CallRate, ChangeRequest, Operation};

use super::batcher::Batcher;
use super::bulk::{Bulk, BulkRun};
use super::offer::WhenFull;
use super::request::{self, SendsBy};
use super::session::{Sending, Session, WhenUnavailable};
use crate::state::Shared;
use crate::wait::{Blocked, CancelToken, HostPoll, Interrupt};

/// Options of a bulk run; made by [`Client::bulk`](crate::Client::bulk).
pub type BulkOptions = SessionOptions<ForBulk>;

/// Options of a batcher; made by [`Client::batcher`](crate::Client::batcher).
pub type BatcherOptions = SessionOptions<ForBatcher>;

/// Options of a [bulk run](BulkOptions) or a [batcher](BatcherOptions). What is not set has a default.
#[derive(Debug, Clone)]
#[must_use]
pub struct SessionOptions<K> {
    client: Arc<Shared>,
    sending: Sending,
    after_crash: bool,
    pauses: bool,
    kind: K,
}

/// The options that only a bulk run has.
#[derive(Debug, Clone, Default)]
pub struct ForBulk {
    cancel: Option<CancelToken>,
    drain: Option<CancelToken>,
    interrupt: Option<Interrupt>,
}

/// The options that only a batcher has.
#[derive(Debug, Clone, Default)]
pub struct ForBatcher {
    when_full: WhenFull,
}

impl<K: Default> SessionOptions<K> {
    fn new(client: Arc<Shared>, sending: Sending) -> SessionOptions<K> {
        SessionOptions {
            client,
            sending,
            after_crash: false,
            pauses: false,
            kind: K::default(),
        }
    }
}

impl<K> SessionOptions<K> {
    /// The time for a request of a bulk run, or a change or get of a batcher, with its waits and retries; default: 60 s and
    /// 30 s. Half of it may pass in an outage, so a short outage costs time and no changes. A bulk run's waits for the quota,
    /// and for a connection where this machine gives no more, are not counted.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.sending.timeout = timeout;
        self
    }

    /// The time for one attempt of a request; default: 10 s.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.sending.attempt_timeout = timeout;
        self
    }

    /// How long after it was abandoned an attempt may still arrive; default: 10 s. The account's next change of another
    /// kind waits until then, as a late add would undo a remove. A replace waits after any change, and any change after
    /// a replace. The service does not document how late it can be.
    ///
    /// Example: an add of `vip` to `u1` gets no answer, and is abandoned at 12:00:10. A remove of `vip` from `u1` is
    /// sent at 12:00:20 at the earliest; changes of other accounts do not wait.
    pub fn late_window(mut self, time: Duration) -> Self {
        self.sending.policy.late_window = time;
        self
    }

    /// How long a change or get waits for others to share its request; default: 1 s in a bulk run, 10 ms in a batcher. It
    /// does not wait once 100 users are together or the capacity is used up; in a bulk run, after the end of the input,
    /// unless for a change that waits for an earlier one of its user; in a batcher, for longer than half of its time, or
    /// once its user has as many tags as a request takes (10), as it adds or removes.
    pub fn linger(mut self, time: Duration) -> Self {
        self.sending.policy.linger = time;
        self
    }

    /// How many changes may wait to be sent, and as many gets beside them, at least 1; default: 4,096 in a bulk run, where
    /// more of them pack users of many tags into fewer requests, and 10,000 in a batcher, a second's worth of the full
    /// quota. Of one user only the first 8 that wait count, so a user with thousands of changes does not keep out the
    /// others; with those there are at most 8 times as many.
    pub fn capacity(mut self, changes: usize) -> Self {
        self.sending.policy.capacity = changes.max(1);
        self
    }

    /// Set it where the changes repeat what a killed process was doing, whose attempts may still arrive; default: no. Until
    /// the late window after its start is over, each account's next change of another kind waits, as after an abandoned
    /// attempt.
    pub fn after_crash(mut self, after_crash: bool) -> Self {
        self.after_crash = after_crash;
        self
    }

    /// Pauses where a bulk run would end early, as every further request would fail, and where the system gives no thread to
    /// send with; default: no. While it is paused
    /// nothing is sent and nothing is lost: what was not sent waits, and what failed for that reason is sent again. (A
    /// request that fails alone, while others are answered, is sent again twenty times, then split to find the user at
    /// fault, who is tried as often; one that is alone pauses the session.) A change whose time is up fails as
    /// expired. `paused` says why it pauses, and `resume`
    /// goes on, with one request first. Until then a caller that waits for capacity still waits. So do the changes of the same accounts
    /// that other runs and batchers of this client were given later, as an account's changes keep their order.
    pub fn pause_when_unavailable(mut self, pause: bool) -> Self {
        self.pauses = pause;
        self
    }

    /// Sends in the background; default: no. Where calls of others wait for the same quota, nine of them go before a request of
    /// this: it uses what they leave, and a tenth at least.
    pub fn in_background(mut self, in_background: bool) -> Self {
        self.sending.in_background = in_background;
        self
    }

    fn open(&self, sends_by: &SendsBy) -> Arc<Session> {
        let (settings, state) = self.client.parts();
        let mut sending = self.sending.clone();
        if self.pauses {
            sending.when_unavailable = WhenUnavailable::Pause;
            sending.policy.probe_first = true;
        }
        let work = request::work(sends_by.clone());
        let session = Session::open(&state.pipeline(), settings.rules, sending, work);
        if self.after_crash {
            session.with(|state, now| state.plan.after_crash(session.producer, now));
        }
        session
    }
}

impl SessionOptions<ForBulk> {
    pub(crate) fn for_bulk(client: Arc<Shared>) -> BulkOptions {
        let requests_at_once = requests_at_once(client.settings.calls_per_second);
        let policy = BatchPolicy {
            linger: Duration::from_secs(1),
            late_window: BatchPolicy::LATE_WINDOW,
            capacity: 4096,
            requests_at_once,
            full_slot_is_enough: false,
            remember_rejected: true,
            probe_first: true,
        };
        let sending = Sending {
            policy,
            timeout: Duration::from_secs(60),
            attempt_timeout: Duration::from_secs(10),
            when_unavailable: WhenUnavailable::End,
            in_run: true,
            longest_backoff: client.settings.retry.longest_backoff,
            in_background: false,
            max_threads: most_workers(requests_at_once),
            name: "bulk",
        };
        SessionOptions::new(client, sending)
    }

    /// Ends the run when the token is cancelled, from any thread. Requests under way end too.
    pub fn cancel(mut self, token: &CancelToken) -> Self {
        self.kind.cancel = Some(token.clone());
        self
    }

    /// Sends nothing more once the token is cancelled, from any thread. Requests under way finish.
    pub fn drain(mut self, token: &CancelToken) -> Self {
        self.kind.drain = Some(token.clone());
        self
    }

    /// Asks about every 100 ms whether to stop, on the thread that pushes, polls or finishes, while it does so. After
    /// the first yes nothing more is sent; the second yes ends the requests under way.
    pub fn interrupt(mut self, ask: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.kind.interrupt = Some(Interrupt::new(ask));
        self
    }

    /// Sends all changes of an iterator. The thread that asks for outcomes pulls them, as there is capacity. It never
    /// pauses, as nothing could resume it.
    ///
    /// ```
    /// # let key = || imtag_transport::SecretKey::new("of-no-app").unwrap();
    /// # let emulator = imtag_emulator::Emulator::builder().secret_key(key()).start()?;
    /// # let client = imtag_transport::Client::builder(1400000000, "administrator", key());
    /// # let client = client.endpoint(emulator.endpoint()).build()?;
    /// use imtag_transport::ChangeRequest;
    ///
    /// let mut run = client.bulk().run([
    ///     ChangeRequest::add("xiaojun012", ["vip", "beijing"]),
    ///     ChangeRequest::clear("xiaojun013"),
    ///     ChangeRequest::remove("", ["vip"]), // breaks the limits
    /// ]);
    /// for completion in run.by_ref() {
    ///     if let Err(error) = completion.result {
    ///         eprintln!("change {}: {error}", completion.id);
    ///     }
    /// }
    /// let summary = run.finish();
    /// assert_eq!((summary.progress.done, summary.progress.failed), (2, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run<I: IntoIterator<Item = ChangeRequest>>(
        mut self,
        changes: I,
    ) -> BulkRun<I::IntoIter> {
        self.pauses = false;
        BulkRun::new(self.start(), changes.into_iter())
    }

    /// Starts a run that is fed by hand.
    ///
    /// ```
    /// # let key = || imtag_transport::SecretKey::new("of-no-app").unwrap();
    /// # let emulator = imtag_emulator::Emulator::builder().secret_key(key()).start()?;
    /// # let client = imtag_transport::Client::builder(1400000000, "administrator", key());
    /// # let client = client.endpoint(emulator.endpoint()).build()?;
    /// use std::time::Duration;
    /// use imtag_transport::ChangeRequest;
    ///
    /// let run = client.bulk().start();
    /// for number in 0..250 {
    ///     run.push(number, ChangeRequest::add(format!("user-{number}"), ["vip"]))?; // waits for capacity
    /// }
    /// run.end_of_input();
    /// while run.progress().unsettled() > 0 {
    ///     for completion in run.poll(Duration::from_secs(1)) {
    ///         completion.result?;
    ///     }
    /// }
    /// assert_eq!(run.finish().progress.requests, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn start(self) -> Bulk {
        let session = self.open(&SendsBy::new(Arc::clone(&self.client)));
        let mut watches = Vec::new();
        for (token, cancels) in [
            (&self.kind.cancel, &session.cancel),
            (&self.kind.drain, &session.drain),
        ] {
            let watch = |token: &CancelToken| token.watch(Blocked::Token(cancels.clone()));
            watches.extend(token.as_ref().map(watch));
        }
        Bulk {
            started: Instant::now(),
            host_poll: self.kind.interrupt.as_ref().map(HostPoll::new),
            _watches: watches,
            session,
        }
    }
}

impl SessionOptions<ForBatcher> {
    pub(crate) fn for_batcher(client: Arc<Shared>) -> BatcherOptions {
        let requests_at_once = requests_at_once(client.settings.calls_per_second);
        let policy = BatchPolicy {
            linger: Duration::from_millis(10),
            late_window: BatchPolicy::LATE_WINDOW,
            capacity: 10_000,
            requests_at_once,
            full_slot_is_enough: true,
            // a batcher lives for long, and an account may be imported meanwhile
            remember_rejected: false,
            probe_first: false,
        };
        let sending = Sending {
            policy,
            timeout: Duration::from_secs(30),
            attempt_timeout: Duration::from_secs(10),
            when_unavailable: WhenUnavailable::GoOn,
            in_run: false,
            longest_backoff: client.settings.retry.longest_backoff,
            in_background: false,
            max_threads: most_workers(requests_at_once),
            name: "batcher",
        };
        SessionOptions::new(client, sending)
    }

    /// What happens to a change or a get when the capacity is used up; default: it waits.
    pub fn when_full(mut self, when_full: WhenFull) -> Self {
        self.kind.when_full = when_full;
        self
    }

    /// Starts the batcher. It starts no thread before there is something to send.
    ///
    /// ```
    /// # let key = || imtag_transport::SecretKey::new("of-no-app").unwrap();
    /// # let emulator = imtag_emulator::Emulator::builder().secret_key(key()).start()?;
    /// # let client = imtag_transport::Client::builder(1400000000, "administrator", key());
    /// # let client = client.endpoint(emulator.endpoint()).build()?;
    /// use std::time::Duration;
    /// use imtag_transport::{CallOptions, WhenFull};
    ///
    /// let batcher = client
    ///     .batcher()
    ///     .linger(Duration::from_millis(20)) // how long a change waits for others
    ///     .when_full(WhenFull::Fail)
    ///     .start();
    /// batcher.add_tag("xiaojun012", ["vip"])?;
    /// assert_eq!(batcher.get_tag("xiaojun012", &CallOptions::new())?, Some(vec!["vip".to_owned()]));
    /// batcher.close(&CallOptions::new())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn start(mut self) -> Batcher {
        let timeout = self.sending.timeout;
        let linger = &mut self.sending.policy.linger;
        *linger = (*linger).min(timeout / 2);
        let sends_by = SendsBy::new(Arc::clone(&self.client));
        Batcher {
            session: self.open(&sends_by),
            sends_by,
            when_full: self.kind.when_full,
            timeout,
        }
    }
}

/// The most requests of one operation that are under way at once. A round trip of 0.5 s needs half of the calls per second:
/// 50 of 100; at least 64, and at most 512.
pub(super) fn requests_at_once(calls_per_second: CallRate) -> usize {
    usize::try_from(calls_per_second.calls().get() / 2)
        .unwrap_or(usize::MAX)
        .clamp(64, 512)
}

/// The most workers of a session: as many as all four operations together have requests under way, so none whose answers
/// are slow takes those of another. More than 1,024 threads are too many for a process; from 514 calls a second on slow
/// operations may take some of the others'.
pub(super) fn most_workers(requests_at_once: usize) -> usize {
    (Operation::ALL.len() * requests_at_once).min(1_024)
}
