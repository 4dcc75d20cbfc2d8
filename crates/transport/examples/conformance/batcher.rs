//! The life of a batcher in a case: its steps on this thread, its calls on threads of their own.

use std::collections::BTreeMap;
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Duration;

use imtag_transport::{
    Batcher, BatcherOptions, CallOptions, ChangeError, Client, Figure, Unfinished, WhenFull,
};
use serde_json::{Value, json};

use crate::case::{self, session_options, with_options};
use crate::outcome::change_failed;
use crate::{NotACase, lines};

/// So often it is looked whether as many changes are unsettled as a step waits for.
const LOOK: Duration = Duration::from_millis(1);

pub(crate) fn live(client: &Client, case: &Value) -> Result<(Value, Vec<Figure>), NotACase> {
    let batcher = options(client, case)?.start();
    thread::scope(|scope| {
        let mut life = Life {
            batcher: &batcher,
            submitted: 0,
            calls: Vec::new(),
            done: 0,
            failures: BTreeMap::new(),
            is_closed: false,
        };
        let steps = case["steps"].as_array().into_iter().flatten();
        for (index, step) in (0..).zip(steps) {
            life.step(scope, index, step)?;
        }
        let outcome = life.end()?;
        Ok((outcome, batcher.stats().figures()))
    })
}

fn options(client: &Client, case: &Value) -> Result<BatcherOptions, NotACase> {
    let options = session_options(client.batcher(), case)?;
    Ok(match case["options"]["when_full"].as_str() {
        Some("fail") => options.when_full(WhenFull::Fail),
        Some("wait") => options.when_full(WhenFull::Wait),
        _ => options,
    })
}

struct Life<'scope, 'env> {
    batcher: &'env Batcher,
    /// Submitted changes whose outcomes have not been polled.
    submitted: usize,
    calls: Vec<(u64, ScopedJoinHandle<'scope, Result<(), ChangeError>>)>,
    done: u64,
    /// By step.
    failures: BTreeMap<u64, Value>,
    is_closed: bool,
}

impl<'scope, 'env> Life<'scope, 'env> {
    fn step(
        &mut self,
        scope: &'scope Scope<'scope, 'env>,
        index: u64,
        step: &'env Value,
    ) -> Result<(), NotACase> {
        if let Some(change) = step.get("submit") {
            match self.batcher.submit(index, case::change(change)?) {
                Ok(()) => self.submitted += 1,
                Err(error) => self.ended(index, Err(error)),
            }
        } else if let Some(change) = step.get("call") {
            let change = case::change(change)?;
            let batcher = self.batcher;
            let call = move || with_options(step, |options| batcher.call(change, options));
            let call = scope.spawn(call);
            self.calls.push((index, call));
        } else if step["flush"] == true {
            self.waited(
                index,
                with_options(step, |options| self.batcher.flush(options)),
            );
        } else if step["close"] == true {
            let closed = with_options(step, |options| self.batcher.close(options));
            self.is_closed = closed.is_ok();
            self.waited(index, closed);
        } else if step["join"] == true {
            self.join();
        } else if let Some(count) = step["await_arrivals"].as_u64() {
            lines::await_arrivals(count)?;
        } else if let Some(count) = step["await_unsettled"].as_u64() {
            while self.batcher.unsettled() as u64 != count {
                thread::sleep(LOOK);
            }
        } else {
            return Err(format!("there is no such step: {step}").into());
        }
        Ok(())
    }

    /// Waits until all changes have their outcomes.
    fn join(&mut self) {
        for (index, call) in std::mem::take(&mut self.calls) {
            let ended = call.join().expect("a call does not panic");
            self.ended(index, ended);
        }
        while self.submitted > 0 {
            for completion in self.batcher.poll(Duration::MAX) {
                self.submitted -= 1;
                self.ended(completion.id(), completion.into_result());
            }
        }
    }

    fn end(mut self) -> Result<Value, NotACase> {
        if !self.is_closed {
            self.batcher.close(&CallOptions::new())?;
        }
        self.join();
        let failures: Vec<Value> = self.failures.into_values().collect();
        Ok(json!({"status": "ok", "done": self.done, "failures": failures}))
    }

    fn ended(&mut self, index: u64, result: Result<(), ChangeError>) {
        match result {
            Ok(()) => self.done += 1,
            Err(error) => {
                let failure = change_failed("step", index, &error);
                self.failures.insert(index, failure);
            }
        }
    }

    fn waited(&mut self, index: u64, result: Result<(), Unfinished>) {
        match result {
            Ok(()) => self.done += 1,
            Err(error) => {
                let status = if error.cancelled {
                    "cancelled"
                } else {
                    "timeout"
                };
                let failure =
                    json!({"step": index, "status": status, "message": error.to_string()});
                self.failures.insert(index, failure);
            }
        }
    }
}
