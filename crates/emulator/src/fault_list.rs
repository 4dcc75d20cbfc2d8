//! The list of standing faults as JSON: each with the fields that ordered it, and its counts.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::fault::{Fault, Kind};
use crate::probabilistic_fault::StandingFault;
use crate::route::Target;

/// The faults, in the order in which they are tried.
pub(crate) fn list(faults: &[StandingFault]) -> Value {
    faults.iter().map(entry).collect()
}

fn entry(fault: &StandingFault) -> Value {
    let rule = &fault.fault;
    let mut fields = fields(&rule.fault);
    let own = [
        ("number", json!(fault.number)),
        ("route", json!(rule.target.as_ref().and_then(Target::name))),
        ("account", json!(rule.account)),
        ("probability", json!(rule.probability)),
        ("considered", json!(fault.considered)),
        ("met", json!(fault.met)),
    ];
    fields.extend(own.map(|(name, value)| (name.to_owned(), value)));
    if let Some(Target::Path(path)) = &rule.target {
        fields.insert("path".to_owned(), json!(path));
    }
    Value::Object(fields)
}

/// What orders this fault; a field that says nothing is left out.
fn fields(fault: &Fault) -> Map<String, Value> {
    let of_kind = match &fault.kind {
        Kind::Delay | Kind::Cut | Kind::Truncated => json!({}),
        Kind::Code(refusal) => json!({"code": refusal.code, "text": refusal.text}),
        Kind::LeaveOut(left_out) => json!({
            "accounts": left_out.accounts,
            "code": left_out.refusal.as_ref().map(|refusal| refusal.code),
            "text": left_out.refusal.as_ref().map(|refusal| &refusal.text),
        }),
        Kind::Status {
            status,
            body,
            location,
        } => json!({"status": status, "body": body, "location": location}),
        Kind::Garbage { body } => json!({"body": body}),
        Kind::Answer { body } => json!({"body": String::from_utf8_lossy(body)}),
        Kind::Drip { interval } => json!({"interval_ms": ms(*interval)}),
    };
    let Value::Object(mut fields) = of_kind else {
        return Map::new();
    };
    fields.insert("kind".to_owned(), json!(fault.name()));
    // The name of a cut says it already.
    let after_effect = fault.after_effect && !matches!(fault.kind, Kind::Cut);
    fields.insert("after_effect".to_owned(), json!(after_effect));
    for (name, delay) in [
        ("delay_ms", fault.delay),
        ("answer_delay_ms", fault.answer_delay),
    ] {
        fields.insert(name.to_owned(), json!(ms(delay)));
    }
    fields.retain(|_, value| ![json!(null), json!(false), json!(0)].contains(value));
    fields
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use crate::fault_json;
    use crate::probabilistic_fault::ProbabilisticFault;

    use super::*;

    #[test]
    fn what_is_listed_orders_the_same_fault_again() {
        let ms = Duration::from_millis;
        let faults = [
            Fault::delay(ms(5)),
            Fault::code(91000).text("so").after_effect(),
            Fault::leave_out(["a", "b"], 70107),
            Fault::status(503).body("x").after_effect(),
            Fault::redirect("/x"),
            Fault::cut_before(),
            Fault::cut_after().delayed(ms(1)).answer_delayed(ms(2)),
            Fault::garbage().body("{"),
            Fault::answer("{}").after_effect(),
            Fault::truncated(),
            Fault::drip(ms(7)),
        ];
        for fault in faults {
            let order = json!({"route": "add", "faults": [fields(&fault)]}).to_string();
            let read = fault_json::read(order.as_bytes()).unwrap();
            assert_eq!(read.queued.unwrap().1, [fault]);
        }
    }

    #[test]
    fn a_standing_fault_is_listed_with_what_it_did() {
        let standing = ProbabilisticFault::new(Fault::cut_after(), 0.25).unwrap();
        let fault = StandingFault {
            number: 3,
            fault: standing.on(imtag_core::Operation::Add).account("alice"),
            considered: 8,
            met: 2,
        };
        let expected = json!([{
            "number": 3, "kind": "cut_after", "route": "add", "account": "alice", "probability": 0.25,
            "considered": 8, "met": 2,
        }]);
        assert_eq!(list(&[fault]), expected);
    }
}
