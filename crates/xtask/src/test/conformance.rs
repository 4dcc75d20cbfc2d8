//! The conformance cases in every language, as a step.

use super::summary::Outcome;
use crate::conformance;

pub(super) fn cases() -> Outcome {
    let report = match conformance::all() {
        Ok(report) => report,
        Err(why) => return Outcome::Failed(why.to_string()),
    };
    println!("{report}");
    match (report.fault(), report.missing()) {
        (Some(fault), _) => Outcome::Failed(fault),
        (None, Some(missing)) => Outcome::Skipped(missing),
        (None, None) => Outcome::Ok,
    }
}
