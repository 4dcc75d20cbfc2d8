//! Which of what was found is the cause: a fault that explains another one hides it, and one with which tags can be read
//! all the same is a warning.

use std::time::Duration;

use imtag_core::usersig::Unverified;
use imtag_core::{Code, UserSigFault};

use super::check::{Check, Fault, Finding};
use super::service::Answered;
use super::settings::Suspicion;

/// What is known when the reads are over.
pub(super) struct Evidence {
    pub(super) credentials: Result<Finding, Suspicion>,
    /// None if there is no answer with a `Date`.
    pub(super) clock: Option<Result<Finding, Fault>>,
    /// UserSigs are made by this clock.
    pub(super) has_key: bool,
    pub(super) answered: Answered,
}

/// What follows from it.
pub(super) struct Verdict {
    pub(super) findings: Vec<Finding>,
    /// The first failed check that keeps others from being known.
    pub(super) hides: Option<Check>,
}

pub(super) fn verdict(evidence: Evidence) -> Verdict {
    let Evidence {
        credentials,
        clock,
        has_key,
        answered,
    } = evidence;
    let (is_well, code) = (answered.is_well, answered.code);
    let (mut findings, mut hides) = (answered.findings, None);
    findings.extend(answered.warnings.into_iter().map(Finding::warning));
    match credentials {
        Ok(finding) => findings.push(finding),
        Err(Suspicion { fault, .. }) if is_well => {
            let detail = fault.detail.clone() + "; the service accepts it all the same";
            findings.push(Finding::warning(Fault { detail, ..fault }));
        }
        Err(suspicion) => {
            let is_explained = code.is_some_and(|code| suspicion.explains(code));
            if suspicion.why == Unverified::WithUserbuf && !is_explained {
                let detail = "a UserSig with a userbuf, which only the service can verify";
                findings.push(Finding::ok(Check::Credentials, detail));
            } else {
                findings.push(Finding::failed(suspicion.fault));
                hides = Some(Check::Credentials).filter(|_| is_explained);
            }
        }
    }
    match clock {
        None => {}
        Some(Ok(finding)) => findings.push(finding),
        Some(Err(fault)) => {
            let is_cause = has_key && code.is_some_and(is_of_clock);
            if is_cause {
                hides = Some(Check::Clock);
                findings.push(Finding::failed(fault));
            } else {
                findings.push(Finding::warning(fault));
            }
        }
    }
    if let Some(fault) = answered.fault.filter(|_| hides.is_none()) {
        hides = Some(fault.check);
        findings.push(Finding::failed(fault));
    }
    Verdict { findings, hides }
}

/// A UserSig that is made with a right key at a wrong time gets such a code.
fn is_of_clock(code: Code) -> bool {
    use UserSigFault::{Expired, Unclear};
    matches!(code.usersig_fault(), Some(Expired | Unclear))
}

/// This machine's clock, or the service's if they are apart, since the Unix epoch: a UserSig is judged by the service's.
pub(super) fn right_now(now: Duration, date: Option<Duration>, is_wrong: bool) -> Duration {
    date.filter(|_| is_wrong).unwrap_or(now)
}
