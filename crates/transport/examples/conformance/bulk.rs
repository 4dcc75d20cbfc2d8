//! A bulk run of a case: fed by hand on this thread, which then asks for all outcomes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use imtag_transport::{
    Bulk, BulkOptions, ChangeError, Client, Completion, Error, Figure, Progress, RunError, Summary,
};
use serde_json::{Value, json};

use crate::case::{change, session_options};
use crate::outcome::change_failed;
use crate::{NotACase, lines};

/// Outcomes that were handed out.
#[derive(Default)]
struct HandedOut {
    settled: u64,
    not_taken: u64,
    failures: Vec<(u64, ChangeError)>,
}

pub(crate) fn run(client: &Client, case: &Value) -> Result<(Value, Vec<Figure>), NotACase> {
    let bulk = options(client, case)?.start();
    let mut handed_out = HandedOut::default();
    thread::scope(|scope| {
        if let Some(count) = case["cancel_after_arrivals"].as_u64() {
            let bulk = &bulk;
            scope.spawn(move || {
                lines::await_arrivals(count).expect("the harness answers");
                bulk.cancel();
            });
        }
        handed_out.feed(&bulk, &case["input"])?;
        let summary = bulk.finish();
        handed_out.take(bulk.poll(Duration::ZERO));
        Ok((handed_out.ended(&summary), bulk.stats().figures()))
    })
}

fn options(client: &Client, case: &Value) -> Result<BulkOptions, NotACase> {
    let mut options = session_options(client.bulk(), case)?;
    if let Some(nth) = case["cancel_at_progress"].as_u64() {
        let asked = Arc::new(AtomicU64::new(0));
        options = options.interrupt(move || asked.fetch_add(1, Ordering::Relaxed) + 1 == nth);
    }
    Ok(options)
}

impl HandedOut {
    /// Goes through the input, up to a change that is not taken.
    fn feed(&mut self, bulk: &Bulk, input: &Value) -> Result<(), NotACase> {
        let mut index = 0;
        for item in input.as_array().into_iter().flatten() {
            if let Some(count) = item["await_arrivals"].as_u64() {
                lines::await_arrivals(count)?;
                continue;
            }
            if item["cancel"] == true {
                bulk.cancel();
                continue;
            }
            if let Err(error) = bulk.push(index, change(item)?) {
                self.not_taken += 1;
                self.settled += 1;
                self.failures.push((index, error));
                return Ok(());
            }
            index += 1;
        }
        Ok(())
    }

    fn take(&mut self, completions: Vec<Completion>) {
        self.settled += completions.len() as u64;
        let failed = completions.into_iter().filter_map(|completion| {
            let error = completion.result.err()?;
            Some((completion.id, error))
        });
        self.failures.extend(failed);
        self.failures.sort_by_key(|(index, _)| *index);
    }

    fn ended(&self, summary: &Summary) -> Value {
        let Progress {
            taken,
            done,
            failed,
            requests,
            attempts,
            sent,
            splits,
            ..
        } = summary.progress;
        let failures = self.failures.iter();
        let mut outcome = json!({
            "status": ended_status(summary),
            "settled": self.settled,
            "failures": failures.map(|(index, error)| change_failed("index", *index, error)).collect::<Vec<_>>(),
            "summary": {
                "taken": taken,
                "done": done,
                "failed": failed,
                "not_taken": self.not_taken,
                "requests": requests,
                "attempts": attempts,
                "attempts_sent": sent,
                "splits": splits,
                "timpush_would_save": summary.timpush_would_save(),
            },
        });
        if summary.ended.is_some() {
            let error = summary.error();
            outcome["error"] = json!({
                "message": summary.to_string(),
                "remedy": summary.remedy(),
                "code": error.and_then(Error::code).map(|code| code.0),
                "text": error.and_then(Error::refusal).map(|refusal| &refusal.text),
                "effect": summary.effect.name(),
                "retryable": summary.retryable(),
                "request_id": error.and_then(Error::request_id),
            });
        }
        outcome
    }
}

fn ended_status(summary: &Summary) -> &'static str {
    match &summary.ended {
        None if summary.all_done() => "ok",
        None => "partial",
        Some(RunError::Refused(error) | RunError::Unavailable(error)) => error.cause().name(),
        Some(RunError::Cancelled) => "cancelled",
        Some(_) => "defect",
    }
}
