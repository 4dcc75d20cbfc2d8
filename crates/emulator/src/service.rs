//! The emulated service: its whole state behind one lock. An arrival is counted, and a request applied, in one step each.
//!
//! The steps of a request on a route:
//!
//! 1. half of its latency passes;
//! 2. it arrives, is counted, and is checked against the quota;
//! 3. it takes the next fault of its queue, or else a standing fault that hits;
//! 4. unless the fault prevents it, its URL, its UserSig, the quota and its body are checked, in this order, and it is
//!    applied;
//! 5. the other half of its latency passes, and it is answered.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use imtag_core::Operation;

use crate::answer::Answer;
use crate::apply::{self, LeftOut, Rules};
use crate::auth::App;
use crate::body::{self, Job};
use crate::clock::Clock;
use crate::disk::Disk;
use crate::elsewhere;
use crate::fault::{Fault, Queues};
use crate::fault_json::Order;
use crate::latency::Latency;
use crate::log::{Arrived, Log};
use crate::probabilistic_fault::{ProbabilisticFault, StandingFaults};
use crate::query::Query;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::route::{Place, Route, Target};
use crate::stats::Stats;
use crate::store::Store;
use crate::traffic::{Quota, Traffic};

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
#[derive(Debug)]
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
    disk: Option<Disk>,
    pub(crate) queues: Queues,
    pub(crate) standing: StandingFaults,
    pub(crate) log: Log,
    traffic: [Traffic; Route::COUNT],
    elsewhere: u64,
    codes: BTreeMap<i32, u64>,
    faults: BTreeMap<&'static str, u64>,
    connections: u64,
    users_changed: u64,
    in_flight: usize,
    /// Requests begun so far.
    begun: u64,
    /// How often the emulator was reset. A request that arrived before a reset has no effect after it.
    resets: u64,
}

/// A request that is under way.
pub(crate) struct InFlight {
    /// Its latency, before it arrives and again after it was handled.
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

impl Service {
    pub(crate) fn new(app: App, settings: Settings, state: State) -> Service {
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
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn connected(&self) {
        self.state().connections += 1;
    }

    /// A request begins.
    pub(crate) fn begin(&self) -> InFlight {
        let mut state = self.state();
        state.in_flight += 1;
        let number = state.begun;
        state.begun += 1;
        InFlight {
            half: self.settings.latency.half(self.settings.seed, number),
            resets: state.resets,
        }
    }

    /// Reads what a request asks for, or why it is refused.
    pub(crate) fn read(&self, request: &Request) -> Result<Job, Refusal> {
        let route = route(request)?;
        body::read(route, request.plain_body()?, &self.settings.rules.limits)
    }

    /// Counts an arrival, and takes its fault.
    pub(crate) fn arrive(
        &self,
        request: &Request,
        job: &Result<Job, Refusal>,
        in_flight: &InFlight,
    ) -> Ticket {
        let mut entry = Arrived::new(
            request.route,
            &request.method,
            &request.path,
            request.body(),
        );
        let query = Query::decode(&request.query);
        entry.query = query.map(|query| query.redacted()).unwrap_or_default();

        let names = |account: &str| {
            let users = job.as_ref().map_or(&[][..], |job| &job.users);
            users.iter().any(|user| user.account == account)
        };
        let mut state = self.state();
        if state.resets != in_flight.resets {
            // It belongs to the state before the reset, and is not counted.
            return Ticket {
                fault: None,
                within_quota: true,
                number: 0,
                resets: in_flight.resets,
            };
        }
        // Within the lock, so that arrivals are counted in the order of their times.
        let now = self.clock.now();
        entry.at = self.clock.since_start(now);
        let mut within_quota = true;
        if let Some(route) = request.route {
            within_quota = state.traffic[route.index()].arrive(now, self.settings.quota);
        } else {
            state.elsewhere += 1;
        }
        let place = Place {
            route: request.route,
            path: &request.path,
        };
        let queued = state.queues.take(place);
        let fault = state
            .standing
            .take(self.settings.seed, place, names, queued);
        if let Some(fault) = &fault {
            entry.fault = Some(fault.name());
            *state.faults.entry(fault.name()).or_default() += 1;
        }
        Ticket {
            fault,
            within_quota,
            number: state.log.push(entry),
            resets: state.resets,
        }
    }

    /// Checks and applies a request.
    pub(crate) fn handle(
        &self,
        request: &Request,
        job: Result<Job, Refusal>,
        ticket: &Ticket,
    ) -> Answer {
        self.try_to_handle(request, job, ticket)
            .unwrap_or_else(Answer::fail)
    }

    fn try_to_handle(
        &self,
        request: &Request,
        job: Result<Job, Refusal>,
        ticket: &Ticket,
    ) -> Result<Answer, Refusal> {
        let route = route(request)?;
        let query = Query::decode(&request.query)
            .ok_or_else(|| Refusal::new(60002, "the URL's query cannot be decoded"))?;
        self.app
            .admit(&query.credentials(self.settings.rules.strict_random)?)?;
        if !ticket.within_quota {
            return Err(Refusal::plain(60007));
        }
        let job = job?;
        let left_out = ticket
            .fault
            .as_ref()
            .map_or_else(LeftOut::default, Fault::left_out);

        let mut state = self.state();
        if state.resets != ticket.resets {
            return Err(Refusal::new(91000, "the emulator was reset meanwhile"));
        }
        state.check_disk()?;
        let applied = apply::apply(
            &mut state.store,
            &self.settings.rules,
            route,
            job,
            &left_out,
        );
        // Also after a failure, which may leave some users changed.
        state.users_changed += state.save()? as u64;
        let applied = applied?;
        Ok(Answer::ok(applied, route.operation == Operation::Get))
    }

    /// Writes an answer, and notes its code.
    pub(crate) fn write(&self, ticket: &Ticket, answer: &Answer) -> Vec<u8> {
        let code = answer.code();
        let mut state = self.state();
        if state.resets == ticket.resets {
            *state.codes.entry(code).or_default() += 1;
            if let Some(entry) = state.log.entry(ticket.number) {
                entry.code = Some(code);
            }
        }
        drop(state);
        answer.json(ticket.number)
    }

    /// A request has been handled.
    pub(crate) fn leave(&self) {
        self.state().in_flight -= 1;
        self.settled.notify_all();
    }

    /// Waits until no request is being handled or held in a delay; false where that took longer than `timeout`.
    pub(crate) fn settle(&self, timeout: Duration) -> bool {
        let busy = |state: &mut State| state.in_flight > 0;
        let waited = self
            .settled
            .wait_timeout_while(self.state(), timeout, busy)
            .unwrap_or_else(PoisonError::into_inner);
        !waited.1.timed_out()
    }

    /// Puts all faults of an order at once; returns how many were queued, and the numbers of the standing ones.
    pub(crate) fn put(&self, order: Order) -> (usize, Vec<u64>) {
        let mut state = self.state();
        let mut queued = 0;
        if let Some((target, faults)) = order.queued {
            queued = faults.len();
            state.queues.put(target, faults);
        }
        let standing = order.standing.into_iter();
        (queued, standing.map(|it| state.standing.put(it)).collect())
    }

    pub(crate) fn add_standing(&self, fault: ProbabilisticFault) -> u64 {
        self.state().standing.put(fault)
    }

    /// Removes all faults, those that wait too.
    pub(crate) fn remove_faults(&self) {
        let mut state = self.state();
        state.queues = Queues::default();
        state.standing.clear();
    }

    pub(crate) fn put_faults(&self, target: Target, faults: impl IntoIterator<Item = Fault>) {
        self.state().queues.put(target, faults);
    }

    /// Returns to the state after a start. Connections stay, and requests under way go on.
    pub(crate) fn reset(&self) {
        let mut state = self.state();
        let mut disk = state.disk.take();
        if let Some(disk) = &mut disk {
            // Where that fails, the disk says so to every request from now on.
            let _ = disk.reset();
        }
        *state = State {
            disk,
            in_flight: state.in_flight,
            resets: state.resets + 1,
            ..State::default()
        };
    }

    /// Gives a user tags.
    pub(crate) fn tag(&self, account: &str, tags: Vec<String>) {
        let mut state = self.state();
        state.store.add(account, tags);
        // As above.
        let _ = state.save();
    }

    /// Closes the data on the disk.
    pub(crate) fn close(&self) {
        let disk = self.state().disk.take();
        drop(disk);
    }

    pub(crate) fn stats(&self) -> Stats {
        let state = self.state();
        let routes = Route::all().zip(state.traffic.iter().map(Traffic::stats));
        Stats {
            routes: routes.collect(),
            elsewhere: state.elsewhere,
            codes: state.codes.clone(),
            faults: state.faults.clone(),
            faults_waiting: state.queues.len(),
            faults_standing: state.standing.list().len(),
            users_changed: state.users_changed,
            users_with_tags: state.store.users().len(),
            connections: state.connections,
            in_flight: state.in_flight,
        }
    }
}

impl State {
    pub(crate) fn new(store: Store, disk: Option<Disk>) -> State {
        State {
            store,
            disk,
            ..State::default()
        }
    }

    fn check_disk(&self) -> Result<(), Refusal> {
        self.disk
            .as_ref()
            .map_or(Ok(()), |disk| disk.check().map_err(not_kept))
    }

    /// Saves the changed users to the disk, if there is one; returns how many there were.
    fn save(&mut self) -> Result<usize, Refusal> {
        let changed = self.store.take_changed();
        if let Some(disk) = &mut self.disk {
            disk.save(&self.store, &changed).map_err(not_kept)?;
        }
        Ok(changed.len())
    }
}

fn not_kept(why: String) -> Refusal {
    Refusal::new(
        91000,
        format!("the emulator cannot keep its data any more, start it anew: {why}"),
    )
}

fn route(request: &Request) -> Result<Route, Refusal> {
    request
        .route
        .ok_or_else(|| elsewhere::refusal(&request.method, &request.path))
}
