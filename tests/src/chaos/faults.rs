//! What goes wrong: one request in ten, in every way the emulator knows; requests that name certain accounts; and
//! clears, which come late.

use serde_json::{Value, json};

use crate::data::account;
use crate::random::Rng;

/// Faults that hit a request by chance: 10 % together, or a little less.
pub(super) fn by_chance() -> Vec<Value> {
    let mut faults = vec![
        json!({"kind": "delay", "delay_ms": 300, "probability": 0.01}),
        json!({"kind": "delay", "answer_delay_ms": 300, "probability": 0.005}),
        json!({"kind": "cut_before", "probability": 0.01}),
        json!({"kind": "cut_after", "probability": 0.01}),
        json!({"kind": "cut_after", "delay_ms": 200, "probability": 0.005}),
        json!({"kind": "drip", "interval_ms": 1, "probability": 0.005}),
    ];
    for after_effect in [true, false] {
        for mut fault in [
            json!({"kind": "status", "status": 502, "probability": 0.006}),
            json!({"kind": "garbage", "probability": 0.005}),
            json!({"kind": "answer", "body": "{}", "probability": 0.002}),
            json!({"kind": "truncated", "probability": 0.005}),
            // one code of each class of the retry rule; those that are never repeated send the search for who is at fault
            json!({"kind": "code", "code": 91000, "probability": 0.005}),
            json!({"kind": "code", "code": 90001, "probability": 0.001}),
            json!({"kind": "code", "code": 12345, "probability": 0.0005}),
        ] {
            fault["after_effect"] = after_effect.into();
            faults.push(fault);
        }
    }
    // decided before any account is looked at, so never after the effect
    for (code, probability) in [(60007, 0.001), (60004, 0.001), (70001, 0.001)] {
        faults.push(json!({"kind": "code", "code": code, "probability": probability}));
    }
    faults
}

/// Faults of one account each, whatever else a request names.
fn of_accounts(seed: u64, users: u64) -> Vec<Value> {
    let mut rng = Rng::new(seed);
    let accounts = (users / 4_000).clamp(5, 200);
    let fault = |nth| {
        let account = account(rng.below(users));
        let mut fault = match nth % 5 {
            0 => json!({"kind": "code", "code": 70107, "probability": 1.0}),
            1 => json!({"kind": "code", "code": 90001, "probability": 1.0, "after_effect": true}),
            2 => {
                json!({"kind": "leave_out", "code": 70107, "accounts": [&account], "probability": 1.0})
            }
            3 => {
                json!({"kind": "leave_out", "code": 91000, "accounts": [&account], "probability": 0.7})
            }
            _ => json!({"kind": "code", "code": 70402, "probability": 0.7}),
        };
        fault["account"] = account.into();
        fault
    };
    (0..accounts).map(fault).collect()
}

/// All of them, as orders that the emulator takes. Those of accounts come first, as a request takes one fault.
///
/// Clears are long under way: one that is still when the import is killed has its effect during the next run, when the
/// tags that were to come after it may be there already.
pub(super) fn orders(seed: u64, users: u64, long: bool) -> Vec<Value> {
    let faults = [of_accounts(seed, users), by_chance()].concat();
    let delay_ms = if long { 4_000 } else { 1_000 };
    let clears = json!({"kind": "delay", "delay_ms": delay_ms, "probability": 0.3});
    let mut orders = vec![
        json!({"faults": faults}),
        json!({"route": "clear", "faults": [clears]}),
    ];
    if long {
        // longer than an attempt may take: it is given up, tried again, and has its effect after all
        let late = json!({"kind": "delay", "delay_ms": 11_000, "probability": 0.0003});
        orders.push(json!({"route": "add", "faults": [late]}));
    }
    orders
}

#[cfg(test)]
mod tests {
    use imtag_emulator::Emulator;

    use super::*;

    #[test]
    fn the_emulator_takes_all_of_them() {
        let emulator = Emulator::builder().start().unwrap();
        for order in orders(1, 20_000, true) {
            let numbers = emulator.faults_by_json(order.to_string().as_bytes());
            let faults = order["faults"].as_array().unwrap();
            assert_eq!(numbers.unwrap().len(), faults.len());
        }
    }

    #[test]
    fn one_request_in_ten_is_hit_by_chance_and_no_more() {
        let sum: f64 = by_chance()
            .iter()
            .filter_map(|fault| fault["probability"].as_f64())
            .sum();
        assert!((0.09..=0.1).contains(&sum), "{sum}");
    }
}
