//! A caller: it posts changes, a post after the other, each until it knows what became of it. It reads half of answers, hangs
//! up, sends half a body, and repeats by its key; or it is told that nothing is stored, and gives up.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::change::{Change, Drawer};
use super::exchange::{Answer, Heard, Manner, Request};
use super::ledger::Ledger;

/// What all callers share.
pub(super) struct Callers {
    pub(super) socket: PathBuf,
    pub(super) ledger: Mutex<Ledger>,
    /// How long a caller waits for an answer.
    pub(super) patience: Duration,
    /// Between two posts, about; and before one is repeated.
    pub(super) pause: Duration,
    pub(super) again: Duration,
    /// Of the long run, whose posts are larger.
    pub(super) long: bool,
    /// All are to end at once, as something is wrong.
    pub(super) stop: AtomicBool,
    /// Changes of which a caller has been told, or that it has given up.
    pub(super) posted: AtomicU64,
}

impl Callers {
    pub(super) fn with<T>(&self, does: impl FnOnce(&mut Ledger) -> T) -> T {
        does(&mut self.ledger.lock().expect("no caller panics with it"))
    }
}

pub(super) struct Caller<'c> {
    pub(super) number: u64,
    pub(super) callers: &'c Callers,
    pub(super) drawer: Drawer,
    posts: u64,
    /// Some that are stored: key, body, id.
    known: Vec<(String, String, u64)>,
}

/// What became of an attempt.
enum Told {
    /// Under this id.
    Stored(u64),
    NotStored(String),
    NotKnown,
}

impl<'c> Caller<'c> {
    pub(super) fn new(number: u64, callers: &'c Callers, drawer: Drawer) -> Caller<'c> {
        Caller {
            number,
            callers,
            drawer,
            posts: 0,
            known: Vec::new(),
        }
    }

    /// Posts until so many changes are stored, or given up.
    pub(super) fn run(&mut self, changes: u64) {
        let mut left = changes;
        while left > 0 && !self.callers.stop.load(Ordering::Relaxed) {
            let size = self.size().min(left);
            left -= size;
            match self.drawer.rng.below(20) {
                0 => self.wild_post(size),
                1 => self.bad_post(size),
                2 => self.known_post(),
                _ => {}
            }
            self.keyed_post(size);
            self.callers.posted.fetch_add(size, Ordering::Relaxed);
            let most = u64::try_from(2 * self.callers.pause.as_millis()).unwrap_or(1);
            let pause = self.drawer.rng.below(most.max(1));
            self.sleep(Duration::from_millis(pause));
        }
    }

    fn size(&mut self) -> u64 {
        let rng = &mut self.drawer.rng;
        match (self.callers.long, rng.below(100)) {
            (false, 0..70) => 1 + rng.below(4),
            (false, 70..97) => 5 + rng.below(15),
            (true, 0..50) => 1 + rng.below(5),
            (true, 50..90) => 5 + rng.below(35),
            _ => 90 + rng.below(60), // more than a block of the store has
        }
    }

    fn sleep(&self, time: Duration) {
        if !self.callers.stop.load(Ordering::Relaxed) {
            thread::sleep(time);
        }
    }

    /// As an array, or as lines; true where it is an array.
    fn body(&mut self, changes: &[Change]) -> (String, bool) {
        let rng = &mut self.drawer.rng;
        if rng.below(3) == 0 {
            let rows = changes.iter().map(|change| change.row(rng));
            return (rows.collect::<Value>().to_string(), true);
        }
        (self.lines(changes), false)
    }

    fn lines(&mut self, changes: &[Change]) -> String {
        let rng = &mut self.drawer.rng;
        let rows = changes.iter().map(|change| change.row(rng));
        rows.map(|row| format!("{row}\n")).collect()
    }

    fn key(&mut self) -> String {
        self.posts += 1;
        format!("caller-{}/{}", self.number, self.posts)
    }

    /// Until it is stored, or surely not.
    fn keyed_post(&mut self, size: u64) {
        let changes = self.drawer.changes(size, false);
        let (body, is_json) = self.body(&changes);
        let key = self.key();
        let mut may_be_stored = false;
        let mut attempts = 0;
        let id = loop {
            if attempts > 0 {
                self.callers.with(|it| it.count("repeats"));
            }
            attempts += 1;
            match self.attempt(Some(&key), &body, is_json) {
                Told::Stored(id) => break id,
                Told::NotStored(why) => {
                    if !may_be_stored && self.drawer.rng.below(8) == 0 {
                        self.callers.with(|it| it.refuse(&changes, &why));
                        return self.callers.with(|it| it.count("given up"));
                    }
                }
                Told::NotKnown => may_be_stored = true,
            }
            if self.callers.stop.load(Ordering::Relaxed) {
                return;
            }
            self.sleep(self.callers.again);
        };
        self.callers.with(|it| it.accept(id, self.number, changes));
        if self.known.len() > 20 {
            self.known.remove(0);
        }
        self.known.push((key, body, id));
        if self.drawer.rng.below(10) == 0 {
            self.known_post();
        }
    }

    /// The same again is the same post, and another body of the key is refused.
    fn known_post(&mut self) {
        let some = self.drawer.rng.below(self.known.len().max(1) as u64);
        let some = usize::try_from(some).ok().and_then(|at| self.known.get(at));
        let Some((key, body, id)) = some.cloned() else {
            return;
        };
        let is_json = body.starts_with('[');
        if self.drawer.rng.below(4) == 0 {
            let others = self.drawer.changes(2, false);
            let (other, is_json) = self.body(&others);
            let told = self.attempt_whole(&key, &other, is_json);
            return self.callers.with(|it| {
                it.refuse(&others, "the key is of another body");
                it.count("other bodies");
                if let Told::Stored(as_id) = told {
                    let what =
                        format!("{key} stands for post {id}, and for {as_id} with another body");
                    it.wrong.push(what);
                }
            });
        }
        let told = self.attempt_whole(&key, &body, is_json);
        self.callers.with(|it| {
            it.count("repeats");
            match told {
                Told::Stored(again) if again == id => it.count("answered as the first time"),
                Told::Stored(again) => {
                    let what = format!("{key} was answered with post {id}, and then with {again}");
                    it.wrong.push(what);
                }
                Told::NotStored(_) | Told::NotKnown => {}
            }
        });
    }

    /// One that cannot be repeated.
    fn wild_post(&mut self, size: u64) {
        let changes = self.drawer.changes(size, true);
        let (body, is_json) = self.body(&changes);
        match self.attempt(None, &body, is_json) {
            Told::Stored(id) => self.callers.with(|it| it.accept(id, self.number, changes)),
            Told::NotStored(why) => self.callers.with(|it| it.refuse(&changes, &why)),
            Told::NotKnown => self.callers.with(|it| {
                it.count("lost");
                it.unknown.extend(changes.iter().filter_map(|it| it.mark));
            }),
        }
    }

    /// One of whose rows one cannot be taken.
    fn bad_post(&mut self, size: u64) {
        let changes = self.drawer.changes(size, false);
        let body = self.lines(&changes);
        let bad = [
            "{\"account\":\"\",\"op\":\"clear\"}",
            "{}",
            "no JSON",
            "[1]",
        ];
        let bad = bad[usize::try_from(self.drawer.rng.below(4)).unwrap_or(0)];
        let key = self.key();
        let told = self.attempt_whole(&key, &(body + bad), false);
        self.callers.with(|it| {
            it.refuse(&changes, "a row was bad");
            if let Told::Stored(id) = told {
                it.wrong
                    .push(format!("post {id} was stored with a bad row: {bad}"));
            }
        });
    }

    fn attempt(&mut self, key: Option<&str>, body: &str, is_json: bool) -> Told {
        let manner = match self.drawer.rng.below(20) {
            0 | 1 => Manner::HalfRead,
            2 => Manner::HangsUp,
            3 => Manner::HalfSent,
            _ => Manner::Whole,
        };
        self.attempt_by(key, body, is_json, manner)
    }

    fn attempt_whole(&mut self, key: &str, body: &str, is_json: bool) -> Told {
        self.attempt_by(Some(key), body, is_json, Manner::Whole)
    }

    fn attempt_by(&mut self, key: Option<&str>, body: &str, is_json: bool, manner: Manner) -> Told {
        let rng = &mut self.drawer.rng;
        let waits = rng.below(6) == 0;
        let key = key.map(|key| format!("Idempotency-Key: {key}\r\n"));
        let kind = match (is_json, rng.below(2)) {
            (true, _) => "Content-Type: application/json\r\n",
            (false, 0) => "Content-Type: application/x-ndjson\r\n",
            _ => "",
        };
        let time = if waits {
            format!("Imtag-Timeout: 0.{}\r\n", 1 + rng.below(9))
        } else {
            String::new()
        };
        let head = format!("{}{kind}{time}", key.unwrap_or_default());
        let target = ["/v1/changes", "/v1/changes?wait=outcome"][usize::from(waits)];
        let request = Request {
            method: "POST",
            target,
            head: &head,
            body,
        };
        let callers = self.callers;
        match request.exchange(&callers.socket, manner, callers.patience) {
            Heard::Answer(answer) => callers.with(|it| told(&answer, it)),
            Heard::NotSent => Told::NotStored("it was not sent".to_owned()),
            Heard::Nothing => {
                callers.with(|it| it.count("answers not read"));
                Told::NotKnown
            }
        }
    }
}

fn told(answer: &Answer, ledger: &mut Ledger) -> Told {
    let said = |what: &str| format!("{what}: {} {}", answer.status, answer.body);
    match answer.status {
        202 => match answer.json()["post"].as_str().map(str::parse) {
            Some(Ok(id)) => return Told::Stored(id),
            _ => ledger.wrong.push(said("no id")),
        },
        200 => {
            let mut post = None;
            for line in answer.lines() {
                ledger.outcome(&line);
                post = line["id"]
                    .as_str()
                    .and_then(|id| id.split_once('-')?.0.parse().ok());
            }
            match post {
                Some(id) => return Told::Stored(id),
                None => ledger.wrong.push(said("no id")),
            }
        }
        422 | 429 | 503 => {
            let name = match answer.status {
                422 => "answered 422",
                429 => "answered 429",
                _ => "answered 503",
            };
            ledger.count(name);
            return Told::NotStored(said("refused"));
        }
        504 => ledger.count("answered 504"),
        _ => ledger.wrong.push(said("a good post was answered with")),
    }
    Told::NotKnown
}
