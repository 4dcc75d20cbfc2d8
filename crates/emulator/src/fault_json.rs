//! Faults as JSON, for the admin API: `{"route": "add", "faults": [{"kind": "cut_after", "delay_ms": 50}, …]}`.
//!
//! Everything is checked before anything is queued, and a field that does not belong to its kind is refused: a fault
//! that silently does something else would make a test that cannot fail.

use std::time::Duration;

use hyper::header::HeaderValue;
use serde::Deserialize;

use crate::fault::{Fault, Kind};
use crate::route::{Target, UnknownTarget};

/// Faults to be queued.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) target: Target,
    pub(crate) faults: Vec<Fault>,
}

/// Why an order is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadOrder {
    #[error("the body is not JSON of faults: {0}")]
    Shape(#[from] serde_json::Error),
    #[error(transparent)]
    Target(#[from] UnknownTarget),
    #[error("faults[{place}]: {problem}")]
    Fault { place: usize, problem: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOrder {
    route: String,
    faults: Vec<RawFault>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFault {
    kind: String,
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
const KINDS: [(&str, &[&str]); 9] = [
    ("delay", &[]),
    ("code", &["code", "text", "after_effect"]),
    ("leave_out", &["accounts", "code", "text"]),
    ("status", &["status", "body", "location", "after_effect"]),
    ("cut_before", &[]),
    ("cut_after", &[]),
    ("garbage", &["body", "after_effect"]),
    ("truncated", &["after_effect"]),
    ("drip", &["interval_ms"]),
];

/// Reads and checks an order.
pub(crate) fn read(body: &[u8]) -> Result<Order, BadOrder> {
    let raw: RawOrder = serde_json::from_slice(body)?;
    let target = raw.route.parse()?;
    let faults = raw.faults.into_iter().enumerate().map(|(place, raw)| {
        let problem = |problem| BadOrder::Fault { place, problem };
        raw.into_fault().map_err(problem)
    });
    Ok(Order {
        target,
        faults: faults.collect::<Result<_, _>>()?,
    })
}

impl RawFault {
    fn into_fault(self) -> Result<Fault, String> {
        self.check_fields()?;
        let after_effect = self.after_effect.unwrap_or(false);
        let delay = Duration::from_millis(self.delay_ms);
        let answer_delay = Duration::from_millis(self.answer_delay_ms);
        let mut fault = self.kind()?.delayed(delay).answer_delayed(answer_delay);
        if after_effect {
            fault = fault.after_effect();
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
            "status" => status(self.status.unwrap_or(502), self.location)?,
            "cut_before" => Fault::cut_before(),
            "cut_after" => Fault::cut_after(),
            "garbage" => Fault::garbage(),
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
mod tests {
    use imtag_core::Operation;
    use serde_json::{Value, json};

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn faults(faults: Value) -> Result<Vec<Fault>, String> {
        let order = json!({"route": "add", "faults": faults}).to_string();
        let order = read(order.as_bytes()).map_err(|error| error.to_string())?;
        assert_eq!(order.target, Target::Operation(Operation::Add));
        Ok(order.faults)
    }

    #[test]
    fn every_kind_reads_as_its_builder() {
        let cases = [
            (
                json!({"kind": "delay", "delay_ms": 5}),
                Fault::delay(MS * 5),
            ),
            (json!({"kind": "code", "code": 91000}), Fault::code(91000)),
            (
                json!({"kind": "code", "code": 1, "text": "so", "after_effect": true}),
                Fault::code(1).text("so").after_effect(),
            ),
            (
                json!({"kind": "leave_out", "accounts": ["a"], "code": 70107, "text": "so"}),
                Fault::leave_out(["a"], 70107).text("so"),
            ),
            (json!({"kind": "status"}), Fault::status(502)),
            (
                json!({"kind": "status", "status": 503, "body": "x", "after_effect": true}),
                Fault::status(503).body("x").after_effect(),
            ),
            (
                json!({"kind": "status", "status": 302, "location": "/x"}),
                Fault::redirect("/x"),
            ),
            (json!({"kind": "cut_before"}), Fault::cut_before()),
            (
                json!({"kind": "cut_after", "delay_ms": 1, "answer_delay_ms": 2}),
                Fault::cut_after().delayed(MS).answer_delayed(MS * 2),
            ),
            (
                json!({"kind": "garbage", "body": "{", "after_effect": true}),
                Fault::garbage().body("{").after_effect(),
            ),
            (json!({"kind": "truncated"}), Fault::truncated()),
            (
                json!({"kind": "drip", "interval_ms": 7}),
                Fault::drip(MS * 7),
            ),
        ];
        let (orders, expected): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
        assert_eq!(faults(Value::from(orders)), Ok(expected));
    }

    #[test]
    fn a_mistake_is_named_with_its_place() {
        for (fault, expected) in [
            (
                json!({"kind": "cut"}),
                "faults[1]: unknown kind \"cut\": use one of delay, code, leave_out, status, cut_before, \
                 cut_after, garbage, truncated, drip",
            ),
            (json!({"kind": "code"}), "faults[1]: code needs code"),
            (
                json!({"kind": "leave_out", "code": 1}),
                "faults[1]: leave_out needs accounts",
            ),
            (json!({"kind": "drip"}), "faults[1]: drip needs interval_ms"),
            (
                json!({"kind": "cut_before", "after_effect": true}),
                "faults[1]: after_effect does not belong to cut_before",
            ),
            (
                json!({"kind": "delay", "text": "x"}),
                "faults[1]: text does not belong to delay",
            ),
            (
                json!({"kind": "status", "status": 100}),
                "faults[1]: status 100 is not from 200 to 599",
            ),
            (
                json!({"kind": "status", "location": "a\nb"}),
                "faults[1]: location holds what no header can",
            ),
        ] {
            let error = faults(json!([{"kind": "garbage"}, fault])).unwrap_err();
            assert_eq!(error, expected);
        }
    }

    #[test]
    fn an_unknown_route_or_field_is_refused() {
        for (order, expected) in [
            ("", "the body is not JSON of faults: "),
            (
                r#"{"route":"add"}"#,
                "the body is not JSON of faults: missing field `faults`",
            ),
            (
                r#"{"route":"push","faults":[]}"#,
                "unknown route \"push\": use one of add, get",
            ),
            (
                r#"{"route":"add","faults":[{"kind":"delay","ms":1}]}"#,
                "the body is not JSON of faults: unknown field `ms`",
            ),
        ] {
            let error = read(order.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
