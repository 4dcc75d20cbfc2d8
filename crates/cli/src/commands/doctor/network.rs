//! The way to the service, as the read goes it: look-up, proxy, connection, TLS; and the clocks at both ends.
//!
//! ```text
//! first host:  look-up ─► connection ─► TLS ─► request        each step that is done is a finding, and stays one
//!                             └─ failed ─► spare host: …      that check warns, and the later ones are the spare's
//! ```

use std::net::IpAddr;
use std::time::Duration;

use imtag_transport::{Cause, Error, Phase, Step};

use super::check::{Check, Fault, Finding, in_words};
use super::remedy::Remedies;

/// A UserSig is good for days, but is made by this clock; so is one that expires.
const CLOCKS_APART: Duration = Duration::from_secs(60);

/// Where a call failed that the service did not refuse by a code.
pub(super) fn check_of(error: &Error) -> Check {
    match error.cause() {
        Cause::Proxy { .. } => Check::Proxy,
        Cause::Tls(_) => Check::Tls,
        Cause::Network { phase, .. } | Cause::Timeout { phase } => check_of_phase(*phase),
        _ => Check::Service,
    }
}

fn check_of_phase(phase: Phase) -> Check {
    match phase {
        Phase::Resolve => Check::Dns,
        Phase::Proxy | Phase::Tunnel => Check::Proxy,
        Phase::Start | Phase::FreeConnection | Phase::Connect => Check::Tcp,
        Phase::Handshake => Check::Tls,
        Phase::Credentials => Check::Credentials,
        Phase::Quota => Check::Quota,
        Phase::Write | Phase::Read | Phase::Backoff => Check::Service,
    }
}

/// True if there was no connection to the service.
pub(super) fn is_on_the_way(error: &Error) -> bool {
    let check = check_of(error);
    error.code().is_none() && matches!(check, Check::Dns | Check::Proxy | Check::Tcp | Check::Tls)
}

/// What a step is, to one who waits for it.
pub(super) fn waiting_for(step: &Step) -> String {
    let host = &step.host;
    match step.phase {
        Phase::Resolve => format!("looking up {host}"),
        Phase::Proxy => format!("connecting to the proxy {host}"),
        Phase::Tunnel => format!("waiting for the proxy to connect to {host}"),
        Phase::Connect => format!("connecting to {host}"),
        Phase::Handshake => format!("in the TLS handshake with {host}"),
        _ => format!("waiting for the answer of {host}"),
    }
}

/// The way that was taken, or is being taken.
pub(super) struct Way<'p> {
    /// To the first host, up to where it failed.
    first: &'p [Step],
    /// To the spare host, if that was called in its place.
    spare: &'p [Step],
    remedies: &'p Remedies,
    is_over: bool,
}

impl<'p> Way<'p> {
    /// `is_over`: no step follows.
    pub(super) fn new(steps: &'p [Step], remedies: &'p Remedies, is_over: bool) -> Way<'p> {
        let failed = steps.iter().position(|step| step.failure.is_some());
        let (first, spare) = steps.split_at(failed.map_or(steps.len(), |at| at + 1));
        Way {
            first,
            spare,
            remedies,
            is_over,
        }
    }

    /// What is known of a check that did not fail.
    pub(super) fn finding(&self, check: Check) -> Option<Finding> {
        let begin = self.first.first()?;
        let skipped = |why: &str| Some(Finding::skipped(check, why));
        if let Some(failed) = self.failed_first().filter(|it| it.0 == check) {
            return self.in_place_of_first(failed);
        }
        let is_proxied = begin.proxy.is_some();
        match check {
            Check::Dns if is_proxied => skipped("the proxy looks up the service's host"),
            Check::Dns => {
                let step = self.step(Phase::Resolve)?;
                let host = without_port(&step.host);
                if host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
                    return skipped("the endpoint is an address: there is nothing to look up");
                }
                let found = step.addresses.iter().map(|it| it.ip().to_string());
                let mut found: Vec<_> = found.collect();
                found.dedup();
                Some(ok(check, step, format!("{host} is {}", found.join(", "))))
            }
            Check::Proxy if !is_proxied && !self.may_be_proxied_yet() => {
                skipped(&self.remedies.why_no_proxy())
            }
            Check::Proxy => {
                let (proxy, tunnel) = (self.step(Phase::Proxy)?, self.step(Phase::Tunnel)?);
                let shown = tunnel.proxy.as_deref().unwrap_or_default();
                let place = self.remedies.proxy_place();
                let detail = format!("{shown} [{place}] connects to {}", tunnel.host);
                Some(ok(check, tunnel, detail).taking(proxy.time + tunnel.time))
            }
            Check::Tcp if is_proxied || self.is_spare_proxied() => {
                skipped("the proxy connects to the service")
            }
            Check::Tcp => {
                let step = self.step(Phase::Connect)?;
                let peer = step.addresses.first()?;
                Some(ok(check, step, format!("{peer} answers")))
            }
            Check::Tls if !self.remedies.is_tls() => {
                skipped("the endpoint is plain HTTP, on this machine")
            }
            Check::Tls => {
                let step = self.step(Phase::Handshake)?;
                let (name, roots) = (without_port(&step.host), self.remedies.roots());
                let detail = format!("a certificate of {name}, by {roots}");
                Some(ok(check, step, detail))
            }
            _ => None,
        }
    }

    /// The first host has no proxy, and the spare has one: which of them is reached is not known, or it is the spare.
    fn may_be_proxied_yet(&self) -> bool {
        let is_reached = |it: &[Step]| it.last().is_some_and(|it| it.phase == Phase::Write);
        self.remedies.is_spare_alone_proxied()
            && match self.failed_first() {
                None => !is_reached(self.first),
                Some(_) => !self.is_over || self.reached_spare().is_some(),
            }
    }

    /// The first host has no connection, and the spare has one through a proxy.
    fn is_spare_proxied(&self) -> bool {
        let is_connected = self.first.iter().any(|it| it.phase == Phase::Handshake);
        let reached = self.reached_spare();
        !is_connected && reached.is_some_and(|step| step.proxy.is_some())
    }

    /// What a service that answers took for it.
    pub(super) fn time_of_answer(&self) -> Option<Duration> {
        let steps = self.spare.iter().chain(self.first);
        let mut written = steps.filter(|step| step.phase == Phase::Write);
        written.next().map(|step| step.time)
    }

    /// Why there was no connection, for a check that failed by this error.
    pub(super) fn fault(&self, error: &Error) -> Fault {
        let check = check_of(error);
        let mut detail = error.reason();
        if let Some((_, step, _)) = self.failed_first() {
            if check != Check::Proxy && !detail.contains(without_port(&step.host)) {
                detail = format!("{}: {detail}", step.host);
            }
        }
        let failed_too = self.spare.last();
        if let Some((step, why)) = failed_too.and_then(|it| Some((it, it.failure.as_ref()?))) {
            detail += &format!("; the spare host fails too, {}: {why}", step.host);
        }
        let remedy = self.remedies.on_the_way(error);
        Fault {
            after: self.first.last().map(|step| step.time),
            ..Fault::new(check, detail, remedy).of_call(error)
        }
    }

    /// Where the first host failed, and why.
    fn failed_first(&self) -> Option<(Check, &Step, &str)> {
        let last = self.first.last()?;
        Some((check_of_phase(last.phase), last, last.failure.as_deref()?))
    }

    fn in_place_of_first(&self, (check, step, why): (Check, &Step, &str)) -> Option<Finding> {
        let reached = self.reached_spare()?;
        let detail = format!(
            "{} fails here ({why}), so calls go to the spare host {}",
            step.host, reached.host
        );
        let remedy = self.remedies.of_first_host(check, &step.host);
        Some(Finding::warning(Fault {
            after: Some(step.time),
            ..Fault::new(check, detail, remedy)
        }))
    }

    /// The request to the spare host.
    fn reached_spare(&self) -> Option<&Step> {
        let last = self.spare.last();
        last.filter(|step| step.failure.is_none() && step.phase == Phase::Write)
    }

    /// One that is done: to the first host, or else to the spare.
    fn step(&self, phase: Phase) -> Option<&Step> {
        let has_failed = self.failed_first().is_some();
        let is_done = |steps: &[Step], at: usize| {
            steps[at].failure.is_none() && (at + 1 < steps.len() || self.is_over)
        };
        let of = |steps: &'p [Step]| {
            let mut steps_of = (0..steps.len()).filter(|at| steps[*at].phase == phase);
            steps_of.find(|at| is_done(steps, *at)).map(|at| &steps[at])
        };
        let of_spare = || self.reached_spare().and_then(|_| of(self.spare));
        of(self.first).or_else(|| has_failed.then(of_spare).flatten())
    }
}

fn without_port(host: &str) -> &str {
    host.rsplit_once(':').map_or(host, |(host, _)| host)
}

fn ok(check: Check, step: &Step, detail: String) -> Finding {
    Finding::ok(check, detail).taking(step.time)
}

/// Compares this machine's clock with the `Date` of an answer that has just come, both since the Unix epoch.
pub(super) fn clock(now: Duration, date: Duration) -> Result<Finding, Fault> {
    let apart = now.abs_diff(date);
    if apart <= CLOCKS_APART {
        let detail = format!("{} from the service's clock", in_words(apart));
        return Ok(Finding::ok(Check::Clock, detail));
    }
    let side = if now < date { "behind" } else { "ahead of" };
    Err(Fault::new(
        Check::Clock,
        format!(
            "this machine's clock is {} {side} the service's clock",
            in_words(apart)
        ),
        "set this machine's clock, and keep it by NTP: UserSigs are made and judged by it",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_may_be_a_minute_apart() {
        let at = Duration::from_secs;
        let clock = |now, date| match clock(at(now), at(date)) {
            Ok(finding) => finding.detail,
            Err(fault) => fault.detail,
        };
        for (now, date, detail) in [
            (1_000, 1_000, "0 s from the service's clock"),
            (1_000, 1_060, "60 s from the service's clock"),
            (
                1_000,
                1_061,
                "this machine's clock is 61 s behind the service's clock",
            ),
            (
                9_000_000,
                0,
                "this machine's clock is 104 days ahead of the service's clock",
            ),
        ] {
            assert_eq!(clock(now, date), detail);
        }
    }
}
