//! `imtag doctor`: says why tagging does not work, and what to do. It changes nothing: it reads the identifier's own tags,
//! over a new connection of the kind that every call has.
//!
//! ```text
//! settings ─► a client ─► one read ─┬─ its way: dns, proxy, tcp, tls ─┬─► judge ─► a finding a check ─► report
//!                │                  ├─ its answer's Date: clock       │
//!                │                  └─ its answer: service … quota ───┤
//!                └─ credentials, judged here ─────────────────────────┘
//! ```
//!
//! One fault fails one check. What cannot be looked at because of it is skipped, and says so.

mod check;
mod judge;
mod network;
mod places;
mod remedy;
mod report;
mod service;
mod settings;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use imtag_transport::{Config, SettingsError, Step, StepWatcher, parsed};
use parking_lot::Mutex;

use super::context::Context;
use crate::exit::{CommandError, Exit};
use crate::interrupt::{Busy, Interrupt};
use check::{Check, Finding};
use judge::{Evidence, Verdict};
use network::Way;
use remedy::Remedies;
use report::Progress;
use service::Reader;

/// The time for all that goes over the network, unless `--timeout` says otherwise.
const TIME: Duration = Duration::from_secs(10);

pub(super) fn run(context: &Context<'_>) -> Result<Exit, CommandError> {
    let interrupt = Interrupt::install(context.output)?;
    let settings = &context.cli.settings;
    let config = match settings.with_file() {
        Ok(config) => config,
        Err(error) => return without_client(context, &interrupt, settings, &error),
    };
    let mut builder = crate::settings::builder(&config, None);
    let fresh_start = config.get("fresh_start");
    if fresh_start.is_none_or(|it| parsed::<bool>(it).is_ok()) {
        // so few reads need not wait for what another process may have sent
        builder = builder.fresh_start(true);
    }
    match builder.clone().build() {
        Ok(client) => {
            let remedies = Arc::new(Remedies::new(&config, &client));
            let time = context.timeout().unwrap_or(TIME);
            let reader = Reader {
                builder,
                client,
                time,
                deadline: Instant::now().checked_add(time),
                interrupt: interrupt.clone(),
                remedies,
            };
            examine(context, &config, &reader)
        }
        Err(error) => without_client(context, &interrupt, &config, &error),
    }
}

fn examine(context: &Context<'_>, config: &Config, reader: &Reader) -> Result<Exit, CommandError> {
    let (client, remedies, interrupt) = (&reader.client, &reader.remedies, &reader.interrupt);
    let rows = settings::rows(config, Some(client));
    let mut progress = Progress::new(context.output, interrupt, rows);
    progress.found(settings::complete(config));
    let has_key = client.key_has_usual_form().is_some();
    let credentials = |now| settings::credentials(config, client, now);
    if has_key {
        // the time says nothing of a key
        credentials(since_epoch())
            .into_iter()
            .for_each(|it| progress.found(it));
    }
    let progress = Arc::new(Mutex::new(progress));
    interrupt.busy_with(Busy::Calling);
    let probe = reader.probe(watcher(&progress, remedies));
    let now = since_epoch();
    let way = Way::new(&probe.steps, remedies, true);
    tell_way(&progress, &way);
    let clock = probe.date.map(|date| network::clock(now, date));
    let is_wrong = clock.as_ref().is_some_and(Result::is_err);
    let right_now = judge::right_now(now, probe.date, is_wrong);
    let waits_for = |what: &str| progress.lock().waits_for(what);
    let answered = reader.judge(probe.result, &way, &waits_for);
    if interrupt.came() {
        let why = "interrupted; nothing was changed";
        return Err(CommandError::new(Exit::Interrupted, why));
    }
    let (is_well, answers) = (answered.is_well, answered.is_of_service());
    let Verdict { findings, hides } = judge::verdict(Evidence {
        credentials: credentials(right_now),
        clock,
        has_key,
        answered,
    });
    let mut shown = progress.lock();
    findings.into_iter().for_each(|it| shown.found(it));
    let by = hides.unwrap_or(Check::Service);
    shown.end(|check| match (check, check.when_answered()) {
        (Check::Clock, _) if answers => {
            Finding::skipped(check, "the answer has no Date to compare with")
        }
        (Check::Service, _) if answers => {
            let finding = Finding::ok(check, "answers as the service does");
            way.time_of_answer()
                .into_iter()
                .fold(finding, Finding::taking)
        }
        (_, Some(says)) if is_well => Finding::ok(check, says),
        _ => Finding::hidden(check, by),
    })
}

/// Shows each check of the way as soon as it is known, and what is waited for.
fn watcher(progress: &Arc<Mutex<Progress>>, remedies: &Arc<Remedies>) -> StepWatcher {
    let (progress, remedies) = (Arc::clone(progress), Arc::clone(remedies));
    Arc::new(move |steps: &[Step]| {
        tell_way(&progress, &Way::new(steps, &remedies, false));
        if let Some(step) = steps.last() {
            progress.lock().waits_for(&network::waiting_for(step));
        }
    })
}

fn tell_way(progress: &Mutex<Progress>, way: &Way<'_>) {
    let checks = [Check::Dns, Check::Proxy, Check::Tcp, Check::Tls];
    let known = checks.into_iter().filter_map(|check| way.finding(check));
    let mut progress = progress.lock();
    known.for_each(|finding| progress.found(finding));
}

fn since_epoch() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default()
}

/// The report where no client can be made.
fn without_client(
    context: &Context<'_>,
    interrupt: &Interrupt,
    config: &Config,
    error: &SettingsError,
) -> Result<Exit, CommandError> {
    let mut progress = Progress::new(context.output, interrupt, settings::rows(config, None));
    progress.found(settings::incomplete(config, error));
    progress.end(|check| Finding::hidden(check, Check::Settings))
}
