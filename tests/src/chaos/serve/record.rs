//! What arrived at the service, in its order, with the changes that each request was of.

use std::time::Duration;

use imtag_emulator::{Arrived, Emulator, Operation};
use serde_json::Value;

use super::super::failed::Op;
use super::change::mark;
use crate::error::Error;

/// Until a request has its answer, it may be noted without it.
const ANSWERED: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) at: Duration,
    pub(super) operation: Operation,
    /// Each with the marks of its changes.
    pub(super) users: Vec<(String, Vec<u64>)>,
    pub(super) code: Option<i32>,
    pub(super) fault: Option<&'static str>,
}

#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) arrivals: Vec<Arrival>,
    until: Option<Duration>,
}

impl Record {
    /// Takes what arrived, except in the last seconds. The emulator keeps the last 10,000 requests.
    pub(super) fn take(&mut self, emulator: &Emulator) {
        let requests = emulator.requests();
        let newest = requests.last().map_or(Duration::ZERO, |it| it.at);
        self.add(&requests, newest.saturating_sub(ANSWERED));
    }

    /// Takes the rest, once nothing is under way.
    pub(super) fn take_all(&mut self, emulator: &Emulator) -> Result<(), Error> {
        self.add(&emulator.requests(), Duration::MAX);
        let (all, here) = (emulator.stats().arrivals(), self.arrivals.len());
        if all != here as u64 {
            return Err(format!("{all} requests arrived, and {here} were noted").into());
        }
        Ok(())
    }

    fn add(&mut self, requests: &[Arrived], until: Duration) {
        let is_new =
            |it: &&Arrived| it.at <= until && self.until.is_none_or(|before| it.at > before);
        let new: Vec<Arrival> = requests.iter().filter(is_new).filter_map(arrival).collect();
        self.until = new.last().map(|it| it.at).or(self.until);
        self.arrivals.extend(new);
    }

    /// The most arrivals of an operation within any second.
    pub(super) fn busiest_second(&self, operation: Operation) -> usize {
        let its = self.arrivals.iter().filter(|it| it.operation == operation);
        let mut times: Vec<Duration> = its.map(|it| it.at).collect();
        times.sort_unstable();
        let mut first = 0;
        let mut most = 0;
        for (nth, at) in times.iter().enumerate() {
            while *at - times[first] >= Duration::from_secs(1) {
                first += 1;
            }
            most = most.max(nth + 1 - first);
        }
        most
    }
}

fn arrival(request: &Arrived) -> Option<Arrival> {
    let operation = request.route?.operation;
    let op = match operation {
        Operation::Add => Op::Add,
        Operation::Remove => Op::Remove,
        _ => Op::Clear,
    };
    let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    let list = |it: &Value| it.as_array().cloned().unwrap_or_default();
    let mut users: Vec<(String, Vec<u64>)> = list(&body["UserTags"])
        .iter()
        .map(|user| {
            let tags = list(&user["Tags"]);
            let marks = tags.iter().filter_map(|tag| mark(op, tag.as_str()?));
            (text(&user["To_Account"]), marks.collect())
        })
        .collect();
    let cleared = list(&body["To_Account"]);
    users.extend(cleared.iter().map(|account| (text(account), Vec::new())));
    Some(Arrival {
        at: request.at,
        operation,
        users,
        code: request.code,
        fault: request.fault,
    })
}
