//! The emulated service: its whole state behind one lock. An arrival is counted, and a request applied, in one step
//! each.
//!
//! ```text
//! InFlight::start ── half of the latency ──▶ arrive: counted, held against the quota, takes its fault
//!                                               │
//!              unless the fault prevents it     ▼
//!              URL, UserSig, quota, body  ◀── handle: checked in this order, and applied
//!                                               │
//! settled ◀── half of the latency ◀── write: the answer, whose code is counted
//! ```
//!
//! A reset puts another state in place of this one. A request that was under way notices by the number of the resets:
//! it is not counted, and has no effect.

use std::sync::Arc;
use std::time::Duration;

use imtag_wire::{Answer, Job, Refusal, Route, read};
use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::apply::{self, Rules};
use crate::disk::Disk;
use crate::error::DataError;
use crate::fault::Fault;
use crate::fault_json::Order;
use crate::fault_queue::FaultQueue;
use crate::identity::App;
use crate::log::{Arrived, Entry, Log};
use crate::quota::{Clock, Quota, Stats, Traffic};
use crate::request::Request;
use crate::rng::Latency;
use crate::store::Store;
use crate::target::Target;

/// What an answer has as its `RequestId`.
pub(crate) fn request_id(number: u64) -> String {
    format!("emulator-{number}")
}

/// The app, the rules, and the state.
pub(crate) struct Service {
    pub(crate) app: App,
    pub(crate) settings: Settings,
    clock: Clock,
    state: Mutex<State>,
    /// Notified whenever a request has been handled.
    settled: Condvar,
}

/// The settings of the service.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    pub(crate) rules: Rules,
    pub(crate) quota: Quota,
    pub(crate) latency: Latency,
    /// The seed of all random numbers.
    pub(crate) seed: u64,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) store: Store,
    /// Where the users are kept, if they outlive the emulator.
    pub(crate) disk: Option<Disk>,
    pub(crate) faults: FaultQueue,
    pub(crate) log: Log,
    traffic: [Traffic; Route::COUNT],
    /// All that is counted as it happens; the rest of it is filled in when it is read.
    pub(crate) counts: Stats,
    /// Requests that have set out so far.
    set_out: u64,
    resets: u64,
}

/// A request that is under way, until this is dropped.
pub(crate) struct InFlight {
    pub(crate) service: Arc<Service>,
    /// Its latency before it arrives, and again after it was handled.
    pub(crate) half: Duration,
    resets: u64,
}

/// A request that has arrived and is not handled yet.
pub(crate) struct Ticket {
    pub(crate) fault: Option<Fault>,
    within_quota: bool,
    /// Of the entry in the log.
    number: u64,
    resets: u64,
}

impl InFlight {
    pub(crate) fn start(service: Arc<Service>) -> InFlight {
        let mut state = service.state();
        state.counts.in_flight += 1;
        let number = state.set_out;
        state.set_out += 1;
        let resets = state.resets;
        drop(state);
        let settings = &service.settings;
        InFlight {
            half: settings.latency.half(settings.seed, number),
            service,
            resets,
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.service.state().counts.in_flight -= 1;
        self.service.settled.notify_all();
    }
}

impl Service {
    pub(crate) fn new(app: App, settings: Settings, data: Option<(Disk, Store)>) -> Service {
        let (disk, store) = data.unzip();
        let state = State {
            store: store.unwrap_or_default(),
            disk,
            ..State::default()
        };
        Service {
            app,
            settings,
            clock: Clock::start(),
            state: Mutex::new(state),
            settled: Condvar::new(),
        }
    }

    /// Nothing under the lock panics; if something did, the counts would still be worth reading.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// What arrived, oldest first. The bodies become texts after the lock is released: that takes longer than it may be held.
    pub(crate) fn requests(&self) -> Vec<Arrived> {
        let entries = self.state().log.entries();
        entries.into_iter().map(Entry::read).collect()
    }

    /// Reads what a request asks for, or why it is refused.
    pub(crate) fn read<'a>(&self, request: &'a Request) -> Result<Job<'a>, Refusal> {
        let route = request.route()?;
        read(route, request.plain_body()?, &self.settings.rules.limits)
    }

    /// Counts an arrival, and takes its fault.
    pub(crate) fn arrive(
        &self,
        request: &Request,
        job: &Result<Job<'_>, Refusal>,
        in_flight: &InFlight,
    ) -> Ticket {
        let names = |account: &str| {
            let users = job.as_ref().map_or(&[][..], |job| &job.users);
            users.iter().any(|user| user.account == account)
        };
        let targets = Target::for_request(&request.path, request.route);
        let mut entry = Entry::new(request);
        let mut ticket = Ticket {
            fault: None,
            within_quota: true,
            number: 0,
            resets: in_flight.resets,
        };
        let mut state = self.state();
        if state.resets != in_flight.resets {
            return ticket;
        }
        // Within the lock, so that arrivals are counted in the order of their times.
        let now = self.clock.now();
        match request.route {
            Some(route) => {
                let traffic = &mut state.traffic[route.index()];
                ticket.within_quota = traffic.arrive(now, self.settings.quota);
            }
            None => state.counts.elsewhere += 1,
        }
        ticket.fault = state.faults.take(self.settings.seed, &targets, names);
        if let Some(fault) = &ticket.fault {
            entry.arrived.fault = Some(fault.kind.name());
            *state.counts.faults.entry(fault.kind.name()).or_default() += 1;
        }
        entry.arrived.at = self.clock.since_start(now);
        ticket.number = state.log.push(entry);
        ticket
    }

    /// Checks and applies a request.
    pub(crate) fn handle(
        &self,
        request: &Request,
        job: Result<Job<'_>, Refusal>,
        ticket: &Ticket,
    ) -> Answer {
        let handled = self.check(request, ticket).and_then(|route| {
            let job = job?;
            let mut state = self.state();
            if state.resets != ticket.resets {
                return Err(Refusal::new(91000, "the emulator was reset meanwhile"));
            }
            // What a full disk has kept back so far: nothing is answered before that is kept.
            state.save()?;
            let left_out = ticket.fault.as_ref().and_then(Fault::left_out);
            let rules = &self.settings.rules;
            let before = state.store.changed;
            let applied = apply::apply(&mut state.store, rules, route, job, left_out);
            state.store.sweep();
            state.counts.users_changed += state.store.changed - before;
            // Also after a failure, which may leave some users changed.
            state.save()?;
            applied
        });
        handled.unwrap_or_else(Answer::fail)
    }

    /// Checks all but the body.
    fn check(&self, request: &Request, ticket: &Ticket) -> Result<Route, Refusal> {
        let route = request.route()?;
        let undecoded = || Refusal::new(60002, "the URL's query cannot be decoded");
        let query = request.query.as_ref().ok_or_else(undecoded)?;
        let caller = query.credentials(self.settings.rules.strict_random)?;
        self.app.admit(&caller)?;
        if !ticket.within_quota {
            return Err(Refusal::plain(60007));
        }
        Ok(route)
    }

    /// Writes an answer, and notes its code.
    pub(crate) fn write(&self, ticket: &Ticket, answer: Answer) -> Vec<u8> {
        let code = answer.error_code;
        let mut state = self.state();
        if state.resets == ticket.resets {
            *state.counts.codes.entry(code).or_default() += 1;
            if let Some(entry) = state.log.entry(ticket.number) {
                entry.arrived.code = Some(code);
            }
        }
        drop(state);
        answer.json(request_id(ticket.number))
    }

    /// Waits until no request is being handled or held in a delay; false where that took longer than `timeout`.
    pub(crate) fn settle(&self, timeout: Duration) -> bool {
        let busy = |state: &mut State| state.counts.in_flight > 0;
        let waited = self
            .settled
            .wait_while_for(&mut self.state(), busy, timeout);
        !waited.timed_out()
    }

    /// Puts all faults of an order in one step; returns how many were queued, and the numbers of the standing ones.
    pub(crate) fn put(&self, order: Order) -> (usize, Vec<u64>) {
        let mut state = self.state();
        let faults = &mut state.faults;
        let mut queued = 0;
        if let Some((target, of_target)) = order.queued {
            queued = of_target.len();
            faults.push(target, of_target);
        }
        let standing = order.standing.into_iter();
        (queued, standing.map(|it| faults.add_standing(it)).collect())
    }

    /// Returns to the state after a start. Connections stay, and requests under way go on. Where the disk does not take
    /// it, nothing is reset.
    pub(crate) fn reset(&self) -> Result<(), DataError> {
        let mut state = self.state();
        if let Some(disk) = &mut state.disk {
            disk.reset()?;
        }
        let disk = state.disk.take();
        let mut new = State {
            resets: state.resets + 1,
            ..State::default()
        };
        new.store.unsaved = disk.is_some().then(Vec::new);
        new.disk = disk;
        new.counts.in_flight = state.counts.in_flight;
        let old = std::mem::replace(&mut *state, new);
        drop(state);
        // Without the lock, as there may be many users.
        drop(old);
        Ok(())
    }

    /// Gives a user tags.
    pub(crate) fn tag(&self, account: &str, tags: &[String]) {
        let mut state = self.state();
        state.store.add_texts(account, tags);
        // As above.
        let _ = state.save();
    }

    pub(crate) fn stats(&self) -> Stats {
        let state = self.state();
        let routes = Route::all().zip(state.traffic.iter().map(|it| it.stats));
        Stats {
            routes: routes.collect(),
            faults_waiting: state.faults.waiting(),
            faults_standing: state.faults.standing().len(),
            users_with_tags: state.store.users(),
            ..state.counts.clone()
        }
    }
}

impl State {
    /// Saves the changed users to the disk, if there is one.
    fn save(&mut self) -> Result<(), Refusal> {
        let Some(disk) = &mut self.disk else {
            return Ok(());
        };
        disk.save(&mut self.store).map_err(|error| {
            let text =
                format!("the emulator cannot keep its data, and goes on when it can: {error}");
            Refusal::new(91000, text)
        })
    }
}

#[cfg(test)]
impl Service {
    /// One for tests: app 1, `admin`, and the key `key`.
    pub(crate) fn for_tests(settings: Settings) -> Arc<Service> {
        Arc::new(Service::new(App::for_tests(), settings, None))
    }
}
