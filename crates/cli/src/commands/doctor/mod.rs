//! `imtag doctor`: says why tagging does not work, and what to do. It changes nothing: it reads the identifier's own tags,
//! over a new connection of the kind that every call has.
//!
//! ```text
//! settings ─► a client ─► one read ─┬─ its way: dns, proxy, tcp, tls ─┬─► a finding a check ─► report
//!                │                  ├─ its answer's Date: clock       │
//!                │                  └─ its answer: service … quota ───┤
//!                └─ credentials, judged here ─────────────────────────┘
//! ```
//!
//! One fault fails one check. What cannot be looked at because of it is skipped, and says so.

mod check;
mod network;
mod report;
mod service;
mod settings;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use imtag_transport::{Config, SettingsError};

use super::context::Context;
use crate::exit::{CommandError, Exit};
use crate::interrupt::{Busy, Interrupt};
use check::{Check, Fault, Finding};
use network::Way;
use report::Report;
use service::Reader;

/// The time for all that goes over the network, unless `--timeout` says otherwise.
const TIME: Duration = Duration::from_secs(10);

pub(super) fn run(context: &Context<'_>) -> Result<Exit, CommandError> {
    let interrupt = Interrupt::install(context.output)?;
    let report = match context.cli.settings.with_file() {
        Ok(config) => examine(context, config, &interrupt),
        Err(error) => without_client(&context.cli.settings, &error),
    };
    interrupt.busy_with(Busy::Reporting);
    if interrupt.came() {
        let why = "interrupted; nothing was changed";
        return Err(CommandError::new(Exit::Interrupted, why));
    }
    context.output.show(&report)?;
    Ok(report.exit)
}

fn examine(context: &Context<'_>, config: Config, interrupt: &Interrupt) -> Report {
    let time = context.timeout().unwrap_or(TIME);
    let builder = crate::settings::builder(&config, None);
    let reader = match Reader::new(builder, time, interrupt) {
        Ok(reader) => reader,
        Err(error) => return without_client(&config, &error),
    };
    interrupt.busy_with(Busy::Calling);
    let probe = reader.probe();
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default();
    let roots = roots(&config);
    let is_cut = probe.result.as_ref().is_err_and(network::is_on_the_way);
    let way = Way::new(&probe, is_cut, &reader.client, &roots);

    let clock = network::clock(now, probe.date);
    // a wrong clock is a fault of its own: a UserSig is judged by the service's
    let right_now = if clock.is_err() {
        probe.date.unwrap_or(now)
    } else {
        now
    };
    let credentials = settings::credentials(&config, &reader.client, right_now);
    let answered = reader.judge(probe.result.clone());

    let mut found = Found {
        findings: vec![Finding::ok(
            Check::Settings,
            "complete".to_owned() + &warnings(&config),
        )],
        faults: Vec::new(),
    };
    found.take(clock);
    found.take(credentials);
    // the service refuses a UserSig because of what is known already
    let known = found.faults.first().map(|fault| fault.check);
    let known = known.filter(|_| answered.is_of_usersig);
    let mut hidden_by = known;
    if let Some(fault) = answered.fault.filter(|_| known.is_none()) {
        hidden_by = Some(fault.check);
        found.faults.push(Fault {
            after: way.failed_after(),
            ..fault
        });
    }
    if let Some(quota) = answered.quota {
        if quota.is_err() {
            hidden_by.get_or_insert(Check::Quota);
        }
        found.take(quota);
    }
    let hidden_by = hidden_by.unwrap_or(Check::Service);
    found.report(settings::rows(&config), |check| {
        let by_answer = || {
            let says = check.when_answered().filter(|_| answered.is_well)?;
            Some(Finding::ok(check, says))
        };
        let finding = way.finding(check).or_else(by_answer);
        finding.unwrap_or_else(|| Finding::hidden(check, hidden_by))
    })
}

/// The report where no client can be made.
fn without_client(config: &Config, error: &SettingsError) -> Report {
    let found = Found {
        findings: Vec::new(),
        faults: vec![Fault {
            check: Check::Settings,
            detail: error.to_string() + &warnings(config),
            remedy: "set or correct what is named here; the settings that there are stand below"
                .to_owned(),
            exit: Exit::Settings,
            after: None,
        }],
    };
    let rows = settings::rows(config);
    found.report(rows, |check| Finding::hidden(check, Check::Settings))
}

/// What is no fault and probably a mistake, a line each.
fn warnings(config: &Config) -> String {
    let warnings = config.warnings().iter();
    warnings.map(|it| format!("\nwarning: {it}")).collect()
}

/// The roots that a certificate is checked by.
fn roots(config: &Config) -> String {
    let text = |key: &str| {
        let given = config.get(key)?.text().ok()?;
        config.in_place_of(key).is_none().then(|| given.to_owned())
    };
    match (text("ca_file"), text("roots")) {
        (Some(file), _) => format!("the CA file {file}"),
        (None, Some(roots)) => format!("the {roots} roots"),
        (None, None) => "the built-in roots".to_owned(),
    }
}

/// What was found so far.
struct Found {
    findings: Vec<Finding>,
    faults: Vec<Fault>,
}

impl Found {
    fn take(&mut self, result: Result<Finding, Fault>) {
        match result {
            Ok(finding) => self.findings.push(finding),
            Err(fault) => self.faults.push(fault),
        }
    }

    /// The report, with `otherwise` for the checks of which nothing is found here.
    fn report(
        mut self,
        settings: Vec<settings::Row>,
        otherwise: impl Fn(Check) -> Finding,
    ) -> Report {
        let findings = Check::ALL.map(|check| {
            if let Some(fault) = self.faults.iter().find(|it| it.check == check) {
                return Finding::failed(fault);
            }
            let at = self.findings.iter().position(|it| it.check == check);
            match at {
                Some(at) => self.findings.swap_remove(at),
                None => otherwise(check),
            }
        });
        let first = Check::ALL
            .into_iter()
            .find_map(|check| self.faults.iter().find(|it| it.check == check));
        Report {
            ok: self.faults.is_empty(),
            exit: first.map_or(Exit::Done, |fault| fault.exit),
            checks: findings.into(),
            settings,
        }
    }
}
