//! `cargo xtask chaos serve`: changes that last, posted to the daemon by 50 callers, while everything goes wrong that can.
//! The daemon is killed, stopped and started anew on the same folder; its disk is full, its clock steps, its key is wrong;
//! one request in ten meets a fault, and the service is away for a while; callers hang up, and repeat by their keys. At the
//! end each account has the tags that the stored changes leave, one after the other.
//!
//! All is drawn from a seed, except when threads and processes run: a run that fails is likely to fail again with its
//! seed, no more.

mod caller;
mod change;
mod clock;
mod daemon;
mod exchange;
mod judge;
mod ledger;
mod mishap;
mod operator;
mod record;
mod small_disk;

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use imtag_core::Limits;
use imtag_emulator::{Emulator, Fault, Operation, ProbabilisticFault};
use lexopt::ValueExt;
use nix::sys::signal::Signal;
use serde_json::json;

use super::faults;
use crate::build;
use crate::error::Error;
use crate::log::Log;
use crate::scene;
use crate::tools;
use caller::{Caller, Callers};
use change::{Accounts, Drawer, GHOST};
use daemon::{Daemon, Settings};
use judge::{history, judge};
use ledger::Ledger;
use mishap::Mishap;
use operator::Operator;
use record::Record;

const HELP: &str = "\
Usage: cargo xtask chaos serve [--changes N] [--kills K] [--seed S] [--short]

  --changes N  changes that are posted [default: 200,000]
  --kills K    how often the daemon is killed by kill -9 [default: 20]
  --seed S     which changes, which faults, which mishaps [default: drawn, and printed]
  --short      as `cargo xtask test` does it: not optimised, and without what takes long
";

/// The size and kind of a run.
struct Chaos {
    changes: u64,
    kills: u32,
    seed: u64,
    /// Optimised, with mishaps that take long; or as the tests are built, with none that do.
    long: bool,
}

const CALLERS: u64 = 50;
const WRONG_KEY: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";
/// As many differences as one can look at.
const SHOWN: usize = 10;
const LATENCY: Duration = Duration::from_millis(10);
/// Between two looks at how far it is.
const LOOK: Duration = Duration::from_millis(10);

pub(super) fn run(mut arguments: lexopt::Parser) -> Result<(), Error> {
    let drawn = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let mut chaos = Chaos {
        changes: 200_000,
        kills: 20,
        seed: u64::from(drawn.subsec_nanos()),
        long: true,
    };
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("changes") => chaos.changes = arguments.value()?.parse()?,
            lexopt::Arg::Long("kills") => chaos.kills = arguments.value()?.parse()?,
            lexopt::Arg::Long("seed") => chaos.seed = arguments.value()?.parse()?,
            lexopt::Arg::Long("short") => chaos.long = false,
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    if !(1_000..10_000_000).contains(&chaos.changes) {
        return Err("--changes: from 1,000 to 9,999,999".into());
    }
    needs()?;
    chaos.cause(&|line| println!("{line}"))
}

/// A compiler for the clock that steps, and a disk that can be full.
pub fn needs() -> Result<(), Error> {
    tools::c()?;
    tools::programs(&[("unshare", "util-linux"), ("nsenter", "util-linux")])?;
    small_disk::needs()
}

/// As a check: less than half a minute, always the same.
pub fn short(log: &Log) -> Result<(), Error> {
    let chaos = Chaos {
        changes: 4_000,
        kills: 3,
        seed: 1,
        long: false,
    };
    chaos.cause(&|line| log.say(&line))
}

impl Chaos {
    /// Does all of it. What it worked in stays where something was wrong, except the daemon's folder.
    fn cause(&self, say: &dyn Fn(&str)) -> Result<(), Error> {
        let imtag = build::imtag_for(self.long)?;
        let folder = std::env::temp_dir().join(format!("imtag-chaos-serve-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let Chaos {
            changes,
            kills,
            seed,
            long,
        } = self;
        say(&format!(
            "chaos serve: {changes} changes, {kills} kills, seed {seed}"
        ));
        match self.within(&imtag, &folder, say) {
            Ok(()) => Ok(fs::remove_dir_all(&folder)?),
            Err(error) => {
                let short = if *long { "" } else { " --short" };
                let again = format!(
                    "cargo xtask chaos serve --changes {changes} --kills {kills} --seed {seed}{short}"
                );
                Err(format!("{error}\nby {again}; its log is in {}", folder.display()).into())
            }
        }
    }

    fn is_timpush(&self) -> bool {
        self.seed % 2 == 1
    }

    fn calls_per_second(&self) -> u32 {
        if self.long { 60 } else { 100 }
    }

    fn accounts(&self) -> Accounts {
        Accounts {
            own: if self.long { 20 } else { 3 },
            shared: if self.long { 1_500 } else { 300 },
            ghosts: 5,
        }
    }

    fn emulator(&self) -> Result<Emulator, Error> {
        // every change has a tag of its own
        let mut limits = Limits::default();
        (limits.tags_per_app, limits.tags_per_user) = (usize::MAX, usize::MAX);
        let emulator = scene::emulator()?.latency(LATENCY).jitter(LATENCY / 2);
        let emulator = emulator.limits(limits).seed(self.seed);
        Ok(emulator.calls_per_second(self.calls_per_second()).start()?)
    }

    fn within(&self, imtag: &Path, folder: &Path, say: &dyn Fn(&str)) -> Result<(), Error> {
        let emulator = self.emulator()?;
        put_faults(&emulator, true, self.long)?;
        let settings = Settings {
            endpoint: emulator.endpoint(),
            calls_per_second: self.calls_per_second(),
            is_timpush: self.is_timpush(),
            queue_changes: if self.long { 20_000 } else { 5_000 },
        };
        let mut daemon = Daemon::new(imtag, folder, if self.long { 96 } else { 48 }, settings)?;
        daemon.start()?;
        let ms = Duration::from_millis;
        let callers = Callers {
            socket: daemon.socket(),
            ledger: Mutex::default(),
            patience: if self.long { ms(12_000) } else { ms(1_500) },
            pause: if self.long { ms(1_500) } else { ms(200) },
            again: if self.long { ms(1_000) } else { ms(150) },
            long: self.long,
            stop: AtomicBool::new(false),
            posted: AtomicU64::new(0),
        };
        let operator = Operator {
            callers: &callers,
            emulator: &emulator,
            record: Mutex::default(),
            stays_paused: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            seed: self.seed,
        };
        let began = Instant::now();
        thread::scope(|threads| {
            let each = self.changes / CALLERS;
            for number in 0..CALLERS {
                let drawer = Drawer::new(self.seed, number, self.accounts(), self.is_timpush());
                let mut caller = Caller::new(number, &callers, drawer);
                threads.spawn(move || caller.run(each));
            }
            threads.spawn(|| operator.work());
            let mut run = Run {
                daemon: &mut daemon,
                emulator: &emulator,
                operator: &operator,
            };
            let ended = self.until_empty(&mut run, say);
            if ended.is_err() {
                callers.stop.store(true, Ordering::Relaxed);
                // none of them waits for the daemon any more
                drop(run.daemon.signal(Signal::SIGKILL));
            }
            operator.is_over.store(true, Ordering::Relaxed);
            ended
        })?;
        let took = began.elapsed();
        daemon.end()?;
        let mut record = operator.record.into_inner()?;
        record.take_all(&emulator)?;
        let mut ledger = callers.ledger.into_inner()?;
        let status = daemon.queue_status()?;
        if status["changes"] != 0 {
            ledger.wrong.push(format!("the folder has {status}"));
        }
        ledger.wrong.extend(daemon.slip()?);
        say(&self.shown(&ledger, &record, &emulator, &daemon, took));
        let quota = usize::try_from(self.calls_per_second())?;
        let wrong = judge(&ledger, &record, &emulator.users(), quota);
        if wrong.is_empty() {
            return Ok(());
        }
        let all = wrong.iter().map(|what| {
            let account = what.split_once(": ").map_or("", |it| it.0);
            format!("{what}\n{}\n", history(account, &ledger, &record))
        });
        fs::write(folder.join("wrong.log"), all.collect::<String>())?;
        let (count, first) = (wrong.len(), wrong.into_iter().take(SHOWN));
        let first = first.collect::<Vec<_>>().join("\n");
        Err(format!("{count} promises broken, the first of them:\n{first}").into())
    }

    /// All mishaps, each in its time, and then until all is settled.
    fn until_empty(&self, run: &mut Run<'_>, say: &dyn Fn(&str)) -> Result<(), Error> {
        let began = Instant::now();
        let all = self.changes / CALLERS * CALLERS;
        for due in mishap::mishaps(self.seed, self.kills, self.long) {
            let at = (due.at * all as f64) as u64;
            while run.operator.callers.posted.load(Ordering::Relaxed) < at {
                thread::sleep(LOOK);
            }
            let at = began.elapsed().as_secs_f64();
            say(&format!("{at:6.1} s  {:?}", due.mishap));
            run.meet(due.mishap)?;
        }
        say(&format!(
            "{:6.1} s  all is posted",
            began.elapsed().as_secs_f64()
        ));
        put_faults(run.emulator, false, self.long)?;
        run.operator.wait_until_empty()?;
        run.operator.read_failures(false);
        run.operator.ask_for_posts()?;
        if run.emulator.settle(Duration::from_secs(30)) {
            return Ok(());
        }
        Err("requests are still under way".into())
    }

    fn shown(
        &self,
        ledger: &Ledger,
        record: &Record,
        emulator: &Emulator,
        daemon: &Daemon,
        took: Duration,
    ) -> String {
        let stats = emulator.stats();
        let faults: u64 = stats.faults.values().sum();
        let busiest: Vec<String> = Operation::ALL
            .into_iter()
            .map(|operation| format!("{operation:?} {}", record.busiest_second(operation)))
            .collect();
        let mut shown = format!(
            "seconds            {:.1}\n\
             stored             {} changes in {} posts\n\
             failures           {}\n\
             starts             {}, {} of them after kill -9\n\
             requests arrived   {}, {faults} of them with a fault\n\
             in a busy second   {}, where {} are allowed",
            took.as_secs_f64(),
            ledger.changes(),
            ledger.posts.len(),
            ledger.failures.len(),
            daemon.starts,
            ledger.counted("killed"),
            stats.arrivals(),
            busiest.join(", "),
            self.calls_per_second(),
        );
        for (what, count) in &ledger.counts {
            let _ = write!(shown, "\n{what:18} {count}");
        }
        shown
    }
}

/// Faults by chance, or only those of single accounts, which stay to the end.
fn put_faults(emulator: &Emulator, by_chance: bool, long: bool) -> Result<(), Error> {
    emulator.remove_faults();
    let ghosts = [
        json!({"kind": "code", "code": 70107}),
        json!({"kind": "code", "code": 90001, "after_effect": true}),
        json!({"kind": "leave_out", "code": 70107, "accounts": [format!("{GHOST}2")]}),
        json!({"kind": "leave_out", "code": 91000, "accounts": [format!("{GHOST}3")], "probability": 0.4}),
        json!({"kind": "code", "code": 70402, "probability": 0.4}),
    ];
    let ghosts = ghosts.into_iter().enumerate().map(|(nth, mut fault)| {
        fault["account"] = format!("{GHOST}{nth}").into();
        if fault["probability"].is_null() {
            fault["probability"] = 1.into();
        }
        fault
    });
    let mut orders = vec![json!({"faults": ghosts.collect::<Vec<_>>()})];
    if by_chance {
        orders.push(json!({"faults": faults::by_chance()}));
        let late = if long { 4_000 } else { 700 };
        let late = json!({"kind": "delay", "delay_ms": late, "probability": 0.1});
        orders.push(json!({"route": "clear", "faults": [late]}));
    }
    for order in orders {
        emulator.faults_by_json(order.to_string().as_bytes())?;
    }
    Ok(())
}

/// What mishaps meet.
struct Run<'r> {
    daemon: &'r mut Daemon,
    emulator: &'r Emulator,
    operator: &'r Operator<'r>,
}

impl Run<'_> {
    fn meet(&mut self, mishap: Mishap) -> Result<(), Error> {
        match mishap {
            Mishap::Kill(after) => self.kill_and_start(after),
            Mishap::End => {
                self.daemon.end()?;
                self.daemon.start()
            }
            Mishap::Reload => self.daemon.signal(Signal::SIGHUP),
            Mishap::Stop(time) => {
                self.daemon.signal(Signal::SIGSTOP)?;
                thread::sleep(time);
                self.daemon.signal(Signal::SIGCONT)
            }
            Mishap::Clock(seconds) => self.daemon.clock.step(seconds),
            Mishap::FullDisk(time, is_killed) => {
                self.daemon.disk.fill()?;
                thread::sleep(time / 2);
                if is_killed {
                    self.kill_and_start(Duration::ZERO)?;
                }
                thread::sleep(time / 2);
                self.daemon.disk.free()
            }
            Mishap::Away(time) => {
                let away = ProbabilisticFault::new(Fault::status(502), 1.0)?;
                let away = self.emulator.add_standing(away);
                thread::sleep(time);
                self.emulator.remove_standing(away);
                Ok(())
            }
            Mishap::WrongKey(time) => {
                self.daemon.set_key(WRONG_KEY)?;
                self.daemon.signal(Signal::SIGHUP)?;
                thread::sleep(time);
                self.daemon.set_key(scene::KEY)?;
                self.daemon.signal(Signal::SIGHUP)
            }
            Mishap::Pause(time) => self.pause(time),
            Mishap::Disconnect => {
                self.emulator.disconnect();
                Ok(())
            }
        }
    }

    fn kill_and_start(&mut self, after: Duration) -> Result<(), Error> {
        self.daemon.kill()?;
        self.operator.callers.with(|it| it.count("killed"));
        thread::sleep(after);
        self.daemon.start()
    }

    /// It lasts over a kill.
    fn pause(&mut self, time: Duration) -> Result<(), Error> {
        let operator = self.operator;
        operator.stays_paused.store(true, Ordering::Relaxed);
        let until = Instant::now() + Duration::from_secs(30);
        let asks = |target: &str| {
            while Instant::now() < until {
                let answer = operator.ask("POST", target, "");
                if answer.is_some_and(|it| it.status == 200) {
                    return Ok(());
                }
                thread::sleep(LOOK);
            }
            Err(format!("the daemon does not take {target}"))
        };
        asks("/v1/pause")?;
        self.kill_and_start(Duration::ZERO)?;
        thread::sleep(time);
        if !operator.figures().is_paused("operator") {
            let what = "the operator's pause did not last over a kill".to_owned();
            operator.callers.with(|it| it.wrong.push(what));
        }
        asks("/v1/resume")?;
        operator.stays_paused.store(false, Ordering::Relaxed);
        Ok(())
    }
}
