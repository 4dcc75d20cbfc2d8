//! What is counted of the calls of others, and how all figures are written for Prometheus. The client and the batcher count
//! for themselves.

use std::collections::BTreeMap;
use std::fmt::Write;

use imtag_core::Operation;
use imtag_queue::Status;
use imtag_transport::Stats;
use parking_lot::Mutex;

use crate::access::CallerName;
use crate::call::Sender;
use crate::figures::head;
use crate::queue_figures;

/// Callers that have a name of their own in the figures; the others are counted together.
const CALLERS_AT_MOST: usize = 100;
const OTHERS: &str = "other";

#[derive(Default)]
pub(crate) struct Counts(Mutex<State>);

#[derive(Default)]
struct State {
    /// By caller, then by operation and code.
    answered: BTreeMap<String, BTreeMap<(&'static str, i32), u64>>,
    /// By caller, then by request and status: those for changes that last.
    visited: BTreeMap<String, BTreeMap<(&'static str, u16), u64>>,
    refused: u64,
    hung_up: u64,
    in_flight: u64,
}

/// A call under way: it is counted as answered, or else as one whose caller has hung up.
pub(crate) struct InFlight<'c> {
    counts: &'c Counts,
    is_answered: bool,
}

impl Counts {
    pub(crate) fn begin(&self) -> InFlight<'_> {
        self.0.lock().in_flight += 1;
        InFlight {
            counts: self,
            is_answered: false,
        }
    }

    /// A request that was refused before it was known who calls, or for what.
    pub(crate) fn refused(&self) {
        self.0.lock().refused += 1;
    }

    /// All figures, as text.
    pub(crate) fn text(&self, sender: &Sender, queue: Option<&Status>) -> String {
        let mut figures = sender.client.stats().figures();
        figures.extend(sender.batcher.stats().figures());
        let mut text = Stats::text(&figures);
        let written = self.write(&mut text, sender);
        let of_queue = queue.map_or(Ok(()), |queue| {
            self.write_requests(&mut text)?;
            queue_figures::write(&mut text, queue)
        });
        written.and(of_queue).expect("a String takes all");
        text
    }

    fn write(&self, text: &mut String, sender: &Sender) -> std::fmt::Result {
        let state = self.0.lock();
        head(
            text,
            "imtag_serve_calls_total",
            "counter",
            "Calls of others that were answered, by the code of the answer.",
        )?;
        for (caller, answered) in &state.answered {
            let caller = escaped(caller);
            for ((operation, code), calls) in answered {
                writeln!(
                    text,
                    "imtag_serve_calls_total{{caller=\"{caller}\",operation=\"{operation}\",code=\"{code}\"}} {calls}"
                )?;
            }
        }
        let quota = sender.client.calls_per_second();
        for (name, kind, help, value) in [
            (
                "imtag_serve_refused_total",
                "counter",
                "Requests that were no call, or whose caller may not call, also without a head that could be one.",
                state.refused.to_string(),
            ),
            (
                "imtag_serve_hung_up_total",
                "counter",
                "Calls, and requests for changes that last, whose callers hung up before the answer.",
                state.hung_up.to_string(),
            ),
            (
                "imtag_serve_in_flight",
                "gauge",
                "Calls, and requests for changes that last, that have begun and not ended.",
                state.in_flight.to_string(),
            ),
            (
                "imtag_quota_calls_per_second",
                "gauge",
                "What of the app's quota may be used, for each operation.",
                quota.to_string(),
            ),
        ] {
            head(text, name, kind, help)?;
            writeln!(text, "{name} {value}")?;
        }
        Ok(())
    }
}

impl Counts {
    fn write_requests(&self, text: &mut String) -> std::fmt::Result {
        head(
            text,
            "imtag_serve_requests_total",
            "counter",
            "Requests for changes that last, by the status of the answer.",
        )?;
        for (caller, answered) in &self.0.lock().visited {
            let caller = escaped(caller);
            for ((request, status), requests) in answered {
                writeln!(
                    text,
                    "imtag_serve_requests_total{{caller=\"{caller}\",request=\"{request}\",status=\"{status}\"}} {requests}"
                )?;
            }
        }
        Ok(())
    }
}

/// A label's value as Prometheus reads it.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

impl InFlight<'_> {
    pub(crate) fn answered(mut self, caller: &CallerName, operation: Operation, code: i32) {
        self.is_answered = true;
        let answered = &mut self.counts.0.lock().answered;
        count(answered, caller, (operation.name(), code));
    }

    /// The same for a request for changes that last.
    pub(crate) fn visited(mut self, caller: &CallerName, request: &'static str, status: u16) {
        self.is_answered = true;
        let visited = &mut self.counts.0.lock().visited;
        count(visited, caller, (request, status));
    }
}

fn count<K: Ord>(callers: &mut BTreeMap<String, BTreeMap<K, u64>>, caller: &CallerName, what: K) {
    let mut caller = caller.to_string();
    if !callers.contains_key(&caller) && callers.len() >= CALLERS_AT_MOST {
        caller = OTHERS.to_owned();
    }
    *callers.entry(caller).or_default().entry(what).or_default() += 1;
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let mut state = self.counts.0.lock();
        state.in_flight -= 1;
        state.hung_up += u64::from(!self.is_answered);
    }
}
