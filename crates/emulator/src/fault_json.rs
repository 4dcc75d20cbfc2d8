//! Faults as JSON, for the admin API: `{"route": "add", "faults": [{"kind": "cut_after", "delay_ms": 50}, …]}`. One
//! with a probability stands until it is removed; any other is queued. In place of `route`, `path` names any path, also
//! that of a call that the emulator does not have.
//!
//! Everything is checked before anything is queued, and a field that does not belong to its kind is refused: a fault
//! that silently does something else would make a test that cannot fail.

use std::time::Duration;

use hyper::header::HeaderValue;
use serde::Deserialize;
use serde::de::Error as _;

use crate::fault::{Fault, Kind, has_body};
use crate::probabilistic_fault::ProbabilisticFault;
use crate::route::{Target, UnknownTarget};

/// Faults to be put.
#[derive(Debug)]
pub(crate) struct Order {
    /// Into the queue of this target.
    pub(crate) queued: Option<(Target, Vec<Fault>)>,
    pub(crate) standing: Vec<ProbabilisticFault>,
}

/// Why an order of faults is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadOrder {
    /// It is not JSON, or has fields that no order has.
    #[error("the body is not JSON of faults: {0}")]
    Shape(#[from] serde_json::Error),
    /// There is no such queue.
    #[error(transparent)]
    Target(#[from] UnknownTarget),
    /// No request can have this path, or no fault can be for it.
    #[error(
        "path {0:?} cannot have faults: give one such as /v4/openim/sendmsg, to the letter and without a query, not \
             below /emulator, and without route"
    )]
    Path(String),
    /// One of the faults cannot be.
    #[error("faults[{place}]: {problem}")]
    Fault {
        /// Which one, counted from 0.
        place: usize,
        /// Why.
        problem: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOrder {
    route: Option<String>,
    path: Option<String>,
    faults: Vec<RawFault>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFault {
    kind: String,
    probability: Option<f64>,
    account: Option<String>,
    #[serde(default)]
    delay_ms: u64,
    #[serde(default)]
    answer_delay_ms: u64,
    after_effect: Option<bool>,
    code: Option<i32>,
    text: Option<String>,
    accounts: Option<Vec<String>>,
    status: Option<u16>,
    body: Option<String>,
    location: Option<String>,
    interval_ms: Option<u64>,
}

/// Each kind with the fields that it takes beside the delays.
const KINDS: [(&str, &[&str]); 10] = [
    ("delay", &[]),
    ("code", &["code", "text", "after_effect"]),
    ("leave_out", &["accounts", "code", "text"]),
    ("status", &["status", "body", "location", "after_effect"]),
    ("cut_before", &[]),
    ("cut_after", &[]),
    ("garbage", &["body", "after_effect"]),
    ("answer", &["body", "after_effect"]),
    ("truncated", &["after_effect"]),
    ("drip", &["interval_ms"]),
];

/// Reads and checks an order.
pub(crate) fn read(body: &[u8]) -> Result<Order, BadOrder> {
    let raw: RawOrder = serde_json::from_slice(body)?;
    let target = target(raw.route.as_deref(), raw.path)?;
    let (mut queued, mut standing) = (Vec::new(), Vec::new());
    for (place, raw) in raw.faults.into_iter().enumerate() {
        let problem = |problem| BadOrder::Fault { place, problem };
        match raw.probability {
            Some(it) => standing.push(
                raw.into_probabilistic(it, target.as_ref())
                    .map_err(problem)?,
            ),
            None => queued.push(raw.into_queued(target.as_ref()).map_err(problem)?),
        }
    }
    // Only faults that stand can be for all routes: a queue is somebody's.
    if target.is_none() && (standing.is_empty() || !queued.is_empty()) {
        return Err(serde_json::Error::missing_field("route").into());
    }
    Ok(Order {
        queued: target.map(|target| (target, queued)),
        standing,
    })
}

fn target(route: Option<&str>, path: Option<String>) -> Result<Option<Target>, BadOrder> {
    let Some(path) = path else {
        return Ok(route.map(str::parse).transpose()?);
    };
    let can_be = path.bytes().all(|byte| byte.is_ascii_graphic()) && !path.contains(['?', '#']);
    let admins = path == "/emulator" || path.starts_with("/emulator/");
    if route.is_some() || !path.starts_with('/') || !can_be || admins {
        return Err(BadOrder::Path(path));
    }
    Ok(Some(Target::Path(path)))
}

impl RawFault {
    fn into_probabilistic(
        mut self,
        probability: f64,
        target: Option<&Target>,
    ) -> Result<ProbabilisticFault, String> {
        let account = self.account.take();
        if account.is_some() && !target.is_none_or(Target::tags_users) {
            return Err("account goes with the routes alone".to_owned());
        }
        let standing = ProbabilisticFault::new(self.into_fault(target)?, probability);
        let standing = standing.map_err(|bad| bad.to_string())?;
        Ok(ProbabilisticFault {
            target: target.cloned(),
            account,
            ..standing
        })
    }

    fn into_queued(self, target: Option<&Target>) -> Result<Fault, String> {
        if self.account.is_some() {
            return Err("account goes with probability: a queue is taken from in order".to_owned());
        }
        self.into_fault(target)
    }

    fn into_fault(self, target: Option<&Target>) -> Result<Fault, String> {
        self.check_fields()?;
        let after_effect = self.after_effect.unwrap_or(false);
        let delay = Duration::from_millis(self.delay_ms);
        let answer_delay = Duration::from_millis(self.answer_delay_ms);
        let mut fault = self.kind()?.delayed(delay).answer_delayed(answer_delay);
        if after_effect {
            fault = fault.after_effect();
        }
        if fault.needs_tags() && !target.is_none_or(Target::tags_users) {
            return Err("this is for the routes alone: no other path has an effect".to_owned());
        }
        Ok(fault)
    }

    fn check_fields(&self) -> Result<(), String> {
        let Some((_, allowed)) = KINDS.iter().find(|(kind, _)| *kind == self.kind) else {
            let known = KINDS.map(|(kind, _)| kind).join(", ");
            return Err(format!("unknown kind {:?}: use one of {known}", self.kind));
        };
        let given = [
            ("after_effect", self.after_effect.is_some()),
            ("code", self.code.is_some()),
            ("text", self.text.is_some()),
            ("accounts", self.accounts.is_some()),
            ("status", self.status.is_some()),
            ("body", self.body.is_some()),
            ("location", self.location.is_some()),
            ("interval_ms", self.interval_ms.is_some()),
        ];
        let mut foreign = given
            .iter()
            .filter(|(name, given)| *given && !allowed.contains(name));
        match foreign.next() {
            None => Ok(()),
            Some((name, _)) => Err(format!("{name} does not belong to {}", self.kind)),
        }
    }

    fn kind(self) -> Result<Fault, String> {
        let needs = |name| format!("{} needs {name}", self.kind);
        let fault = match self.kind.as_str() {
            "delay" => Fault::delay(Duration::ZERO),
            "code" => Fault::code(self.code.ok_or_else(|| needs("code"))?),
            "leave_out" => Fault::leave_out(
                self.accounts.ok_or_else(|| needs("accounts"))?,
                self.code.ok_or_else(|| needs("code"))?,
            ),
            "status" => {
                let code = self.status.unwrap_or(502);
                let fault = status(code, self.location)?;
                if self.body.is_some() && !has_body(code) {
                    return Err(format!("body does not belong to status {code}"));
                }
                fault
            }
            "cut_before" => Fault::cut_before(),
            "cut_after" => Fault::cut_after(),
            "garbage" => Fault::garbage(),
            "answer" => return Ok(Fault::answer(self.body.ok_or_else(|| needs("body"))?)),
            "truncated" => Fault::truncated(),
            _ => {
                let interval = self.interval_ms.ok_or_else(|| needs("interval_ms"))?;
                Fault::drip(Duration::from_millis(interval))
            }
        };
        let fault = self.text.into_iter().fold(fault, Fault::text);
        Ok(self.body.into_iter().fold(fault, Fault::body))
    }
}

fn status(status: u16, location: Option<String>) -> Result<Fault, String> {
    if !(200..=599).contains(&status) {
        return Err(format!("status {status} is not from 200 to 599"));
    }
    let unfit = location
        .as_deref()
        .is_some_and(|location| HeaderValue::from_str(location).is_err());
    if unfit {
        return Err("location holds what no header can".to_owned());
    }
    let mut fault = Fault::status(status);
    if let Kind::Status {
        location: place, ..
    } = &mut fault.kind
    {
        *place = location;
    }
    Ok(fault)
}

#[cfg(test)]
#[path = "fault_json_tests.rs"]
mod tests;
