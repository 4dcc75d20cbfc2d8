//! Everything that the emulator knows, behind one lock: an arrival is counted, and a request applied, in one step
//! each, whatever arrives beside it.
//!
//! The order of things for a request on a route: it is counted, and held against the quota; it takes the next fault
//! off its queue; then, unless the fault comes first, its URL, its UserSig, the quota and its body are checked, in
//! this order, and it is applied.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use imtag_core::Operation;

use crate::answer::Answer;
use crate::apply::{self, LeftOut, Rules};
use crate::body;
use crate::clock::Clock;
use crate::fault::{Fault, Queues};
use crate::gate::App;
use crate::log::{Arrived, Log};
use crate::query::Query;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::route::{Route, Target};
use crate::stats::Stats;
use crate::store::Store;
use crate::traffic::{Quota, Traffic};

/// The app, the rules, and the state.
pub(crate) struct World {
    pub(crate) app: App,
    rules: Rules,
    quota: Quota,
    clock: Clock,
    state: Mutex<State>,
    /// Told whenever a request has been dealt with.
    settled: Condvar,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) queues: Queues,
    pub(crate) log: Log,
    traffic: [Traffic; Route::COUNT],
    elsewhere: u64,
    codes: BTreeMap<i32, u64>,
    faults: BTreeMap<&'static str, u64>,
    connections: u64,
    in_flight: usize,
    /// How often the emulator was reset: what arrived before a reset has no effect after it.
    resets: u64,
}

/// A request that has arrived and is not dealt with yet.
pub(crate) struct Ticket {
    pub(crate) fault: Option<Fault>,
    within_quota: bool,
    /// Of the entry in the log.
    number: u64,
    resets: u64,
}

impl World {
    pub(crate) fn new(app: App, rules: Rules, quota: Quota) -> World {
        World {
            app,
            rules,
            quota,
            clock: Clock::start(),
            state: Mutex::default(),
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

    /// Counts an arrival, and takes its fault.
    pub(crate) fn arrive(&self, request: &Request) -> Ticket {
        let mut entry = Arrived::new(
            request.route,
            &request.method,
            &request.path,
            request.body(),
        );
        let query = Query::decode(&request.query);
        entry.query = query.map(|query| query.redacted()).unwrap_or_default();

        let mut state = self.state();
        // Within the lock, so that arrivals are counted in the order of their times.
        let now = self.clock.now();
        entry.at = self.clock.since_start(now);
        state.in_flight += 1;
        let (mut within_quota, mut fault) = (true, None);
        if let Some(route) = request.route {
            within_quota = state.traffic[route.index()].arrive(now, self.quota);
            fault = state.queues.take(route);
        } else {
            state.elsewhere += 1;
        }
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
    pub(crate) fn handle(&self, request: &Request, ticket: &Ticket) -> Answer {
        self.try_to_handle(request, ticket)
            .unwrap_or_else(Answer::fail)
    }

    fn try_to_handle(&self, request: &Request, ticket: &Ticket) -> Result<Answer, Refusal> {
        let route = request.route.ok_or_else(|| {
            Refusal::new(60009, "there is no such resource, or not for this method")
        })?;
        let query = Query::decode(&request.query)
            .ok_or_else(|| Refusal::new(60002, "the URL's query cannot be decoded"))?;
        self.app.admit(&query.credentials()?)?;
        if !ticket.within_quota {
            return Err(Refusal::plain(60007));
        }
        let bytes = request
            .whole_body()
            .ok_or_else(|| Refusal::new(90001, "the body is too large"))?;
        let job = body::read(route, bytes, &self.rules.limits)?;
        let left_out = ticket
            .fault
            .as_ref()
            .map_or_else(LeftOut::default, Fault::left_out);

        let mut state = self.state();
        if state.resets != ticket.resets {
            return Err(Refusal::new(91000, "the emulator was reset meanwhile"));
        }
        let applied = apply::apply(&mut state.store, &self.rules, route, job, &left_out)?;
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

    /// A request has been dealt with.
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

    pub(crate) fn put_faults(&self, target: Target, faults: impl IntoIterator<Item = Fault>) {
        self.state().queues.put(target, faults);
    }

    /// As after a start, but for the connections and the requests that are under way.
    pub(crate) fn reset(&self) {
        let mut state = self.state();
        *state = State {
            in_flight: state.in_flight,
            resets: state.resets + 1,
            ..State::default()
        };
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
            connections: state.connections,
            in_flight: state.in_flight,
        }
    }
}
