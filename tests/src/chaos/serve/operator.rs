//! The operator beside the daemon: looks at its figures, reads the failures and deletes some of them, and has a queue go on
//! that waits for somebody.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use imtag_emulator::Emulator;
use serde_json::{Value, json};

use super::caller::Callers;
use super::exchange::{Answer, Request};
use super::record::Record;
use crate::error::Error;
use crate::random::Rng;

const LOOK: Duration = Duration::from_millis(200);
const NOTES_EVERY: Duration = Duration::from_secs(5);
/// Nothing takes so long, but what hangs: a queue that waits for the service is tried again each minute.
const STANDSTILL: Duration = Duration::from_secs(150);
/// Failures of an answer.
const FAILURES: usize = 100;

pub(super) struct Operator<'o> {
    pub(super) callers: &'o Callers,
    pub(super) emulator: &'o Emulator,
    pub(super) record: Mutex<Record>,
    /// What is paused now is to stay so.
    pub(super) stays_paused: AtomicBool,
    pub(super) is_over: AtomicBool,
    pub(super) seed: u64,
}

impl Operator<'_> {
    /// Asks, as somebody who has all the time.
    pub(super) fn ask(&self, method: &str, target: &str, body: &str) -> Option<Answer> {
        let request = Request {
            method,
            target,
            head: "",
            body,
        };
        request.answer(&self.callers.socket)
    }

    /// Looks after it until the end.
    pub(super) fn work(&self) {
        let mut rng = Rng::new(self.seed ^ 0x5eed);
        let mut noted = Instant::now();
        while !self.is_over.load(Ordering::Relaxed) {
            thread::sleep(LOOK);
            let figures = self.figures();
            for reason in ["operator", "app", "service", "disk", "damaged"] {
                if figures.is_paused(reason) {
                    self.callers.with(|it| it.count(paused(reason)));
                }
            }
            if figures.is_paused("app") && !self.stays_paused.load(Ordering::Relaxed) {
                drop(self.ask("POST", "/v1/resume", ""));
            }
            if rng.below(5) == 0 {
                self.read_failures(rng.below(3) == 0);
            }
            if noted.elapsed() > NOTES_EVERY {
                noted = Instant::now();
                self.noted().take(self.emulator);
            }
        }
    }

    pub(super) fn noted(&self) -> std::sync::MutexGuard<'_, Record> {
        self.record.lock().expect("nothing panics with it")
    }

    pub(super) fn figures(&self) -> Figures {
        let answer = self.ask("GET", "/metrics", "");
        Figures(answer.filter(|it| it.status == 200).map(|it| it.body))
    }

    /// Reads all failures, and deletes them by their ids as they are taken care of.
    pub(super) fn read_failures(&self, deletes: bool) {
        let mut after = String::new();
        loop {
            let target = format!("/v1/failures?limit={FAILURES}{after}");
            let Some(answer) = self.ask("GET", &target, "").filter(|it| it.status == 200) else {
                return;
            };
            let ids = self.callers.with(|it| it.fail(answer.lines()));
            let Some(last) = ids.last() else {
                return;
            };
            after = format!("&after={last}");
            if deletes {
                drop(self.ask("DELETE", "/v1/failures", &Value::from(ids).to_string()));
            }
        }
    }

    /// Waits until the queue is empty.
    pub(super) fn wait_until_empty(&self) -> Result<(), Error> {
        let mut moved = (Instant::now(), u64::MAX);
        loop {
            let figures = self.figures();
            match figures.number("imtag_queue_changes") {
                Some(0) => return Ok(()),
                Some(left) if left != moved.1 => moved = (Instant::now(), left),
                _ => {}
            }
            if moved.0.elapsed() > STANDSTILL {
                let left = moved.1;
                return Err(
                    format!("the queue stands still with {left} changes: {figures:?}").into(),
                );
            }
            thread::sleep(LOOK);
        }
    }

    /// What is said of each post when all is settled.
    pub(super) fn ask_for_posts(&self) -> Result<(), Error> {
        let posts: Vec<(u64, usize)> = self.callers.with(|it| {
            let posts = it.posts.iter();
            posts.map(|(id, post)| (*id, post.changes.len())).collect()
        });
        for (id, changes) in posts {
            let answer = self.ask("GET", &format!("/v1/changes/{id}"), "");
            let answer = answer.ok_or("the daemon does not answer")?;
            let failed = self.callers.with(|it| {
                let its = it.failures.keys().filter(|failure| failure.0 == id);
                its.count()
            });
            let expected = json!({
                "post": id.to_string(), "changes": changes, "queued": 0, "sending": 0, "done": changes - failed,
                "failed": failed, "deleted": 0,
            });
            if answer.json() != expected {
                let what = format!("post {id}: {} in place of {expected}", answer.body);
                self.callers.with(|it| it.wrong.push(what));
            }
        }
        Ok(())
    }
}

fn paused(reason: &str) -> &'static str {
    match reason {
        "operator" => "looks at a pause of the operator",
        "app" => "looks at a pause for the app",
        "service" => "looks at a pause for the service",
        "disk" => "looks at a pause for the disk",
        _ => "looks at a damaged queue",
    }
}

/// The text of `/metrics`, where there is one.
#[derive(Debug)]
pub(super) struct Figures(Option<String>);

impl Figures {
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        let mut lines = self.0.as_deref()?.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value?.parse().ok()
    }

    pub(super) fn is_paused(&self, reason: &str) -> bool {
        let name = format!("imtag_queue_paused{{reason=\"{reason}\"}}");
        self.number(&name) == Some(1)
    }
}
