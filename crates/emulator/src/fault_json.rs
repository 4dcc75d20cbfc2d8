//! Faults as JSON, for the admin API: an order of faults, and the list of those that stand.
//!
//! ```text
//! {"route": "add", "faults": [
//!     {"kind": "cut_after", "delay_ms": 50},                  queued: the next request on the route takes it
//!     {"kind": "code", "code": 91000, "probability": 0.1}     stands until it is removed
//! ]}
//! ```
//!
//! In place of `route`, `path` names any path, also that of a call that the emulator does not have.
//!
//! Everything is checked before anything is queued, and a field that does not belong to its kind is refused: a fault
//! that silently does something else would make a test that cannot fail.

use std::time::Duration;

use hyper::header::HeaderValue;
use serde::de::Error as _;
use serde::{Deserialize, Serialize};

use crate::answer::Refusal;
use crate::apply::LeftOut;
use crate::fault::{Fault, Kind, has_body};
use crate::fault_queue::{ProbabilisticFault, StandingFault};
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
struct OrderFields {
    route: Option<String>,
    path: Option<String>,
    faults: Vec<FaultFields>,
}

/// All fields that a fault may have; which belong to its kind is in [`KINDS`].
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultFields {
    kind: String,
    // These two are in the list of standing faults by themselves, as none is left out there.
    #[serde(skip_serializing)]
    probability: Option<f64>,
    #[serde(skip_serializing)]
    account: Option<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    delay_ms: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    answer_delay_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    after_effect: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accounts: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval_ms: Option<u64>,
}

/// Fields that go with every kind.
const COMMON: [&str; 3] = ["kind", "delay_ms", "answer_delay_ms"];

/// Each kind with the fields that it takes beside those.
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
    let order: OrderFields = serde_json::from_slice(body)?;
    let target = target(order.route.as_deref(), order.path)?;
    let (mut queued, mut standing) = (Vec::new(), Vec::new());
    for (place, fields) in order.faults.into_iter().enumerate() {
        let refused = |problem| BadOrder::Fault { place, problem };
        if let Some(probability) = fields.probability {
            let fault = fields.into_probabilistic(probability, target.as_ref());
            standing.push(fault.map_err(refused)?);
        } else {
            queued.push(fields.into_queued(target.as_ref()).map_err(refused)?);
        }
    }
    // Only a standing fault can be for all routes: a queue belongs to one target.
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

impl FaultFields {
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
        let fault = Fault {
            after_effect: self.after_effect.unwrap_or(false) || self.kind == "cut_after",
            delay: Duration::from_millis(self.delay_ms),
            answer_delay: Duration::from_millis(self.answer_delay_ms),
            kind: self.into_kind()?,
        };
        if fault.needs_tags() && !target.is_none_or(Target::tags_users) {
            return Err("this is for the routes alone: no other path has an effect".to_owned());
        }
        Ok(fault)
    }

    fn check_fields(&self) -> Result<(), String> {
        let Some((kind, allowed)) = KINDS.iter().find(|(kind, _)| *kind == self.kind) else {
            let known = KINDS.map(|(kind, _)| kind).join(", ");
            return Err(format!("unknown kind {:?}: use one of {known}", self.kind));
        };
        let given = serde_json::to_value(self).expect("numbers and strings are JSON");
        let mut given = given.as_object().into_iter().flat_map(|it| it.keys());
        let belongs = |name: &str| COMMON.contains(&name) || allowed.contains(&name);
        match given.find(|name| !belongs(name)) {
            None => Ok(()),
            Some(name) => Err(format!("{name} does not belong to {kind}")),
        }
    }

    fn into_kind(self) -> Result<Kind, String> {
        let needs = |name| format!("{} needs {name}", self.kind);
        let refusal = |code: Option<i32>, text: Option<String>| {
            let plain = Refusal::plain(code.ok_or_else(|| needs("code"))?);
            let text = text.unwrap_or(plain.text);
            Ok::<_, String>(Refusal { text, ..plain })
        };
        Ok(match self.kind.as_str() {
            "delay" => Kind::Delay,
            "code" => Kind::Code(refusal(self.code, self.text)?),
            "leave_out" => {
                let accounts = self.accounts.ok_or_else(|| needs("accounts"))?;
                Kind::LeaveOut(LeftOut {
                    accounts: accounts.into_iter().collect(),
                    refusal: refusal(self.code, self.text)?,
                })
            }
            "status" => status(self.status.unwrap_or(502), self.body, self.location)?,
            "cut_before" | "cut_after" => Kind::Cut,
            "garbage" => Kind::Garbage { body: self.body },
            "answer" => Kind::Answer {
                body: self.body.ok_or_else(|| needs("body"))?.into(),
            },
            "truncated" => Kind::Truncated,
            _ => Kind::Drip {
                interval: Duration::from_millis(
                    self.interval_ms.ok_or_else(|| needs("interval_ms"))?,
                ),
            },
        })
    }
}

fn status(status: u16, body: Option<String>, location: Option<String>) -> Result<Kind, String> {
    if !(200..=599).contains(&status) {
        return Err(format!("status {status} is not from 200 to 599"));
    }
    let fits = |location: &String| HeaderValue::from_str(location).is_ok();
    if !location.as_ref().is_none_or(fits) {
        return Err("location holds what no header can".to_owned());
    }
    if body.is_some() && !has_body(status) {
        return Err(format!("body does not belong to status {status}"));
    }
    Ok(Kind::Status {
        status,
        body,
        location,
    })
}

/// A standing fault with the fields that ordered it, and its counts.
#[derive(Serialize)]
pub(crate) struct ListedFault<'a> {
    number: u64,
    route: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    account: Option<&'a str>,
    probability: f64,
    considered: u64,
    met: u64,
    #[serde(flatten)]
    fault: FaultFields,
}

impl<'a> From<&'a StandingFault> for ListedFault<'a> {
    fn from(standing: &'a StandingFault) -> ListedFault<'a> {
        let target = standing.fault.target.as_ref();
        ListedFault {
            number: standing.number,
            route: target.and_then(Target::name),
            path: match target {
                Some(Target::Path(path)) => Some(path),
                _ => None,
            },
            account: standing.fault.account.as_deref(),
            probability: standing.fault.probability,
            considered: standing.considered,
            met: standing.met,
            fault: FaultFields::from(&standing.fault.fault),
        }
    }
}

impl From<&Fault> for FaultFields {
    fn from(fault: &Fault) -> FaultFields {
        let mut fields = FaultFields {
            kind: fault.name().to_owned(),
            delay_ms: ms(fault.delay),
            answer_delay_ms: ms(fault.answer_delay),
            // The name of a cut says it already.
            after_effect: (fault.after_effect && fault.kind != Kind::Cut).then_some(true),
            ..FaultFields::default()
        };
        match fault.kind.clone() {
            Kind::Delay | Kind::Cut | Kind::Truncated => {}
            Kind::Code(Refusal { code, text }) => {
                (fields.code, fields.text) = (Some(code), Some(text));
            }
            Kind::LeaveOut(LeftOut { accounts, refusal }) => {
                fields.accounts = Some(accounts.into_iter().collect());
                (fields.code, fields.text) = (Some(refusal.code), Some(refusal.text));
            }
            Kind::Status {
                status,
                body,
                location,
            } => (fields.status, fields.body, fields.location) = (Some(status), body, location),
            Kind::Garbage { body } => fields.body = body,
            Kind::Answer { body } => {
                fields.body = Some(String::from_utf8_lossy(&body).into_owned());
            }
            Kind::Drip { interval } => fields.interval_ms = Some(ms(interval)),
        }
        fields
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_zero(ms: &u64) -> bool {
    *ms == 0
}

#[cfg(test)]
#[path = "fault_json_tests.rs"]
mod tests;
