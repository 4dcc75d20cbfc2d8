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

use std::fmt;

use serde::de::value::MapDeserializer;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::fault::Fault;
use crate::fault_queue::{ProbabilisticFault, StandingFault};
use crate::target::{Target, UnknownTarget};

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
    faults: Vec<Members>,
}

/// The members of a fault, each as often as it stands there: a [`Value`] would keep the last alone, in silence.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Members, D::Error> {
        struct AsTheyStand;
        impl<'de> Visitor<'de> for AsTheyStand {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a fault")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(AsTheyStand)
    }
}

/// A fault of an order. What is no field of these is one of its kind's, or refused.
#[derive(Deserialize)]
struct FaultFields {
    probability: Option<f64>,
    account: Option<String>,
    #[serde(flatten)]
    fault: Fault,
}

/// Reads and checks an order.
pub(crate) fn read(body: &[u8]) -> Result<Order, BadOrder> {
    let order: OrderFields = serde_json::from_slice(body)?;
    let target = target(order.route.as_deref(), order.path)?;
    let (mut queued, mut standing) = (Vec::new(), Vec::new());
    for (place, members) in order.faults.into_iter().enumerate() {
        match fault(members, target.as_ref()) {
            Ok((fault, None)) => queued.push(fault),
            Ok((_, Some(fault))) => standing.push(fault),
            Err(problem) => return Err(BadOrder::Fault { place, problem }),
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

/// A fault, and how it stands if it does.
fn fault(
    members: Members,
    target: Option<&Target>,
) -> Result<(Fault, Option<ProbabilisticFault>), String> {
    let members = MapDeserializer::<_, serde_json::Error>::new(members.0.into_iter());
    let FaultFields {
        probability,
        account,
        fault,
    } = FaultFields::deserialize(members).map_err(|error| error.to_string())?;
    let fault = fault.with_text();
    let has_tags = target.is_none_or(Target::tags_users);
    let problem = if account.is_some() && probability.is_none() {
        Some("account goes with probability: a queue is taken from in order".to_owned())
    } else if account.is_some() && !has_tags {
        Some("account goes with the routes alone".to_owned())
    } else if fault.needs_tags() && !has_tags {
        Some("this is for the routes alone: no other path has an effect".to_owned())
    } else {
        fault.problem()
    };
    if let Some(problem) = problem {
        return Err(problem);
    }
    let standing = probability.map(|probability| {
        let standing = ProbabilisticFault::new(fault.clone(), probability);
        standing.map(|standing| ProbabilisticFault {
            target: target.cloned(),
            account,
            ..standing
        })
    });
    let standing = standing.transpose().map_err(|bad| bad.to_string())?;
    Ok((fault, standing))
}

/// A standing fault with the fields that ordered it, and its counts.
pub(crate) fn listed(standing: &StandingFault) -> Value {
    let of = &standing.fault;
    let mut listed = serde_json::to_value(&of.fault).expect("numbers and strings are JSON");
    listed["number"] = json!(standing.number);
    listed["route"] = json!(of.target.as_ref().and_then(Target::name));
    if let Some(Target::Path(path)) = &of.target {
        listed["path"] = json!(path);
    }
    listed["account"] = json!(of.account);
    listed["probability"] = json!(of.probability);
    listed["considered"] = json!(standing.considered);
    listed["met"] = json!(standing.met);
    listed
}

#[cfg(test)]
#[path = "fault_json_tests.rs"]
mod tests;
