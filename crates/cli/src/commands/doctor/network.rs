//! The way to the service, as the read went it: look-up, proxy, connection, TLS; and the clocks at both ends.

use std::net::IpAddr;
use std::time::Duration;

use imtag_transport::{Cause, Client, Error, Phase, Probe, Step};

use super::check::{Check, Fault, Finding, in_words};
use crate::exit::Exit;

/// A UserSig is good for days, but is made by this clock; so is one that expires.
const CLOCKS_APART: Duration = Duration::from_secs(60);

/// Where a call failed that the service did not refuse by a code.
pub(super) fn check_of(error: &Error) -> Check {
    match error.cause() {
        Cause::Proxy { .. } => Check::Proxy,
        Cause::Tls(_) => Check::Tls,
        Cause::Network { phase, .. } | Cause::Timeout { phase } => match phase {
            Phase::Resolve => Check::Dns,
            Phase::Proxy | Phase::Tunnel => Check::Proxy,
            Phase::Start | Phase::FreeConnection | Phase::Connect => Check::Tcp,
            Phase::Handshake => Check::Tls,
            Phase::Credentials => Check::Credentials,
            Phase::Quota => Check::Quota,
            Phase::Write | Phase::Read | Phase::Backoff => Check::Service,
        },
        _ => Check::Service,
    }
}

/// True if there was no connection to the service.
pub(super) fn is_on_the_way(error: &Error) -> bool {
    let check = check_of(error);
    error.code().is_none() && matches!(check, Check::Dns | Check::Proxy | Check::Tcp | Check::Tls)
}

/// The way that was taken: to the first host up to where it failed, or else to the host that was reached.
pub(super) struct Way<'p> {
    steps: &'p [Step],
    /// Steps to the first host, where the spare one was reached in its place.
    given_up: &'p [Step],
    proxy: Option<&'p str>,
    is_tls: bool,
    roots: &'p str,
}

impl<'p> Way<'p> {
    /// `failed`: there was no connection.
    pub(super) fn new(probe: &'p Probe, failed: bool, client: &Client, roots: &'p str) -> Way<'p> {
        let failed_at = |step: &Step| step.failed;
        let (given_up, steps) = if failed {
            let first = probe.steps.iter().position(failed_at);
            let end = first.map_or(probe.steps.len(), |at| at + 1);
            (&[][..], &probe.steps[..end])
        } else {
            let last = probe.steps.iter().rposition(failed_at);
            probe.steps.split_at(last.map_or(0, |at| at + 1))
        };
        Way {
            steps,
            given_up,
            proxy: probe.proxy.as_deref(),
            is_tls: client.endpoint().is_tls(),
            roots,
        }
    }

    /// What is known of a check that did not fail.
    pub(super) fn finding(&self, check: Check) -> Option<Finding> {
        let skipped = |why: &str| Some(Finding::skipped(check, why));
        match check {
            Check::Dns if self.step(Phase::Proxy).is_some() => {
                skipped("the proxy looks up the service's host")
            }
            Check::Dns => {
                let step = self.step(Phase::Resolve)?;
                let host = step.host.rsplit_once(':').map_or("", |(host, _)| host);
                let is_address = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
                if is_address {
                    return skipped("the endpoint is an address: there is nothing to look up");
                }
                let mut found: Vec<_> = step
                    .addresses
                    .iter()
                    .map(|it| it.ip().to_string())
                    .collect();
                found.dedup();
                self.ok(check, step, &format!("{host} is {}", found.join(", ")))
            }
            Check::Proxy if self.proxy.is_none() => skipped("none is used"),
            Check::Proxy => {
                let (proxy, tunnel) = (self.step(Phase::Proxy)?, self.step(Phase::Tunnel)?);
                let shown = self.proxy.unwrap_or_default();
                let detail = format!("{shown} connects to {}", tunnel.host);
                let finding = self.ok(check, tunnel, &detail)?;
                Some(finding.taking(proxy.time + tunnel.time))
            }
            Check::Tcp if self.step(Phase::Proxy).is_some() => {
                skipped("the proxy connects to the service")
            }
            Check::Tcp => {
                let step = self.step(Phase::Connect)?;
                let peer = step.addresses.first()?;
                self.ok(check, step, &format!("{peer} answers"))
            }
            Check::Tls if !self.is_tls => skipped("the endpoint is plain HTTP, on this machine"),
            Check::Tls => {
                let step = self.step(Phase::Handshake)?;
                let name = step.host.rsplit_once(':').map_or("", |(host, _)| host);
                let roots = self.roots;
                self.ok(check, step, &format!("a certificate of {name}, by {roots}"))
            }
            Check::Service => {
                let step = self.step(Phase::Write)?;
                self.ok(check, step, "answers as the service does")
            }
            _ => None,
        }
    }

    /// When it ended, if there was no connection.
    pub(super) fn failed_after(&self) -> Option<Duration> {
        let last = self.steps.last().filter(|step| step.failed)?;
        Some(last.time)
    }

    fn ok(&self, check: Check, step: &Step, detail: &str) -> Option<Finding> {
        let of_first = self
            .given_up
            .iter()
            .find(|it| it.failed && it.phase == step.phase);
        let detail = match of_first {
            Some(first) => format!(
                "{detail}: the spare host, in place of {}, which fails here",
                first.host
            ),
            None => detail.to_owned(),
        };
        Some(Finding::ok(check, detail).taking(step.time))
    }

    fn step(&self, phase: Phase) -> Option<&Step> {
        let mut steps = self.steps.iter().filter(|it| !it.failed);
        steps.find(|it| it.phase == phase)
    }
}

/// Compares this machine's clock with the `Date` of an answer that has just come, both since the Unix epoch.
pub(super) fn clock(now: Duration, date: Option<Duration>) -> Result<Finding, Fault> {
    let Some(date) = date else {
        let why = "there is no answer with a Date to compare with";
        return Ok(Finding::skipped(Check::Clock, why));
    };
    let apart = now.abs_diff(date);
    if apart <= CLOCKS_APART {
        let detail = format!("{} from the service's clock", in_words(apart));
        return Ok(Finding::ok(Check::Clock, detail));
    }
    let side = if now < date { "behind" } else { "ahead of" };
    Err(Fault {
        check: Check::Clock,
        detail: format!(
            "this machine's clock is {} {side} the service's clock",
            in_words(apart)
        ),
        remedy: "set this machine's clock, and keep it by NTP: UserSigs are made and judged by it"
            .to_owned(),
        exit: Exit::Settings,
        after: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_may_be_a_minute_apart() {
        let at = Duration::from_secs;
        let clock = |now, date| match clock(at(now), Some(at(date))) {
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
