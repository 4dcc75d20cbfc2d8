//! `cargo xtask chaos`: a long import, while everything goes wrong that can. One request in ten meets a fault, the
//! import is killed by `kill -9` again and again and started anew by the same command, the emulator is killed beside
//! it; and at the end every tag of every user is what the file says, less exactly what the list of failed users says.
//!
//! All is drawn from a seed, except when threads and processes run: a run that fails is likely to fail again with its
//! seed, no more.

mod check;
mod failed;
mod faults;
mod file;
mod import;
mod kill_plan;
pub mod serve;
mod service;

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant, SystemTime};

use imtag_emulator::Emulator;
use lexopt::ValueExt;
use serde_json::Value;

use crate::build;
use crate::data;
use crate::error::Error;
use crate::log::Log;
use crate::scene;
use file::User;
use import::{End, Import};
use kill_plan::{Kill, Victim};
use service::{Counts, Service};

const HELP: &str = "\
Usage: cargo xtask chaos [--users N] [--kills K] [--seed S] [--short]
       cargo xtask chaos serve …

The daemon's chaos has its own --help. The import's:

  --users N   users of the file that is imported [default: 1,000,000]
  --kills K   how often the import is killed; the emulator is for each five times [default: 20]
  --seed S    which file, which faults, which moments [default: drawn, and printed]
  --short     as `cargo xtask test` does it: not optimised, and without the faults that take long
";

/// The size and kind of a run.
struct Chaos {
    users: u64,
    kills: u32,
    seed: u64,
    /// Optimised, with faults that take long; or as the tests are built, with none that do.
    long: bool,
}

/// Between two looks at how far it is.
const LOOK: Duration = Duration::from_millis(10);
/// Nothing takes so long, but what hangs.
const STANDSTILL: Duration = Duration::from_secs(120);
/// How often it may end early without being killed; only by rare chance at all.
const EARLY_AT_MOST: u32 = 20;
/// As many differences as one can look at.
const SHOWN: usize = 10;

pub fn run(mut arguments: lexopt::Parser) -> Result<(), Error> {
    let drawn = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let mut chaos = Chaos {
        users: 1_000_000,
        kills: 20,
        seed: u64::from(drawn.subsec_nanos()),
        long: true,
    };
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("users") => chaos.users = arguments.value()?.parse()?,
            lexopt::Arg::Long("kills") => chaos.kills = arguments.value()?.parse()?,
            lexopt::Arg::Long("seed") => chaos.seed = arguments.value()?.parse()?,
            lexopt::Arg::Long("short") => chaos.long = false,
            lexopt::Arg::Value(what) if what == "serve" => return serve::run(arguments),
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    if !(1_000..10_000_000).contains(&chaos.users) {
        return Err("--users: from 1,000 to 9,999,999".into());
    }
    chaos.cause(&|line| println!("{line}"))
}

/// As a check: a quarter of a minute, always the same.
pub fn short(log: &Log) -> Result<(), Error> {
    let chaos = Chaos {
        users: 20_000,
        kills: 3,
        seed: 1,
        long: false,
    };
    chaos.cause(&|line| log.say(&line))
}

impl Chaos {
    /// Does all of it. What it worked in stays where something was wrong.
    fn cause(&self, say: &dyn Fn(&str)) -> Result<(), Error> {
        let imtag = build::imtag_for(self.long)?;
        let folder = std::env::temp_dir().join(format!("imtag-chaos-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        say(&format!(
            "chaos: {} users, {} kills, seed {}",
            self.users, self.kills, self.seed
        ));
        match self.within(&imtag, &folder, say) {
            Ok(()) => Ok(fs::remove_dir_all(&folder)?),
            Err(error) => {
                let short = if self.long { "" } else { " --short" };
                let again = format!(
                    "cargo xtask chaos --users {} --kills {} --seed {}{short}",
                    self.users, self.kills, self.seed
                );
                let left = folder.display();
                Err(format!("{error}\nby {again}; what is left is in {left}").into())
            }
        }
    }

    fn within(&self, imtag: &Path, folder: &Path, say: &dyn Fn(&str)) -> Result<(), Error> {
        let users: Vec<User> = (0..self.users)
            .map(|user| User::from_seed(self.seed, user))
            .collect();
        write_file(&users, folder)?;
        let had_tags = put_before(&users, folder)?;
        let to_come = users.iter().filter(|user| gets_tags(user)).count();

        let calls_per_second = if self.long { 500 } else { 200 };
        let faults = faults::orders(self.seed, self.users, self.long);
        let service = Service::start(imtag, folder, calls_per_second, faults)?;
        let import = Import::new(imtag, folder, &service.endpoint(), calls_per_second);
        let mut run = Run {
            service,
            import,
            had_tags,
            to_come,
            kills: kill_plan::kills(self.seed, self.kills),
            starts: 0,
            killed: 0,
            early: 0,
        };
        let began = Instant::now();
        run.until_done()?;
        let took = began.elapsed();
        let counts = run.service.end()?;
        let report = run.import.report()?;

        let listed = failed::read(&import::failed_file(folder))?;
        let users_now = emulator(folder)?.users();
        let wrong = check::differences(&users, &listed, &users_now);
        say(&run.shown(&users, took, counts, &report));
        say(&format!("failed users       {}, as listed", listed.len()));
        if !wrong.is_empty() {
            let (count, first) = (wrong.len(), wrong.into_iter().take(SHOWN));
            let first = first.collect::<Vec<_>>().join("\n");
            return Err(format!("{count} differences, the first of them:\n{first}").into());
        }
        let left = run.kills.len();
        if left > 0 {
            return Err(format!("all was done before {left} kills: use more users").into());
        }
        Ok(())
    }
}

/// An import with all its kills.
struct Run {
    service: Service,
    import: Import,
    had_tags: usize,
    /// Users who have tags at the end, and had none before.
    to_come: usize,
    kills: VecDeque<Kill>,
    starts: u32,
    killed: u32,
    early: u32,
}

impl Run {
    fn until_done(&mut self) -> Result<(), Error> {
        while !self.once()? {
            if self.early > EARLY_AT_MOST {
                return Err(format!("the import ended early {} times", self.early).into());
            }
        }
        Ok(())
    }

    /// Starts the import, and is by it until it has ended, or is killed; true where all is done.
    fn once(&mut self) -> Result<bool, Error> {
        self.starts += 1;
        let mut running = self.import.start()?;
        let mut moved = (Instant::now(), 0);
        loop {
            if let Some(status) = running.0.try_wait()? {
                return self.ended(status);
            }
            let counts = self.service.counts()?;
            if counts.arrivals != moved.1 {
                moved = (Instant::now(), counts.arrivals);
            }
            if moved.0.elapsed() > STANDSTILL {
                return Err(format!("the import stands still: {counts:?}").into());
            }
            let progress = self.progress(counts);
            let Some(&kill) = self.kills.front().filter(|kill| kill.at <= progress) else {
                std::thread::sleep(LOOK);
                continue;
            };
            self.kills.pop_front();
            std::thread::sleep(kill.after);
            match kill.victim {
                Victim::Emulator(away) => self.service.kill_and_restart(away)?,
                Victim::Import => {
                    running.0.kill()?;
                    let status = running.0.wait()?;
                    if status.code().is_some() {
                        return self.ended(status); // before it could be killed
                    }
                    self.killed += 1;
                    return Ok(false);
                }
            }
        }
    }

    /// It ended by itself; true where all is done.
    fn ended(&mut self, status: ExitStatus) -> Result<bool, Error> {
        let end = self.import.end(status)?;
        self.early += u32::from(end == End::Early);
        Ok(end == End::Done)
    }

    fn progress(&self, counts: Counts) -> f64 {
        let come = counts.users_with_tags as f64 - self.had_tags as f64;
        come / self.to_come.max(1) as f64
    }

    fn shown(&self, users: &[User], took: Duration, counts: Counts, report: &Value) -> String {
        let wishes = users.iter().map(User::wish);
        let wishes = wishes.filter(|wish| !wish.is_too_much());
        let needed: u64 = wishes.map(|wish| wish.slots() as u64).sum();
        let more = 100.0 * (counts.users_changed as f64 / needed as f64 - 1.0);
        let Run {
            starts,
            killed,
            early,
            service,
            ..
        } = self;
        let Counts {
            arrivals,
            faults,
            users_changed,
            over_quota,
            ..
        } = counts;
        let reported = ["requests", "lower_bound", "retries", "splits", "resumed"];
        let reported = reported
            .map(|name| format!("{name} {}", report[name]))
            .join(", ");
        format!(
            "seconds            {:.1}\n\
             starts             {starts}: {killed} killed, {early} ended early\n\
             emulator killed    {}\n\
             requests arrived   {arrivals}, {faults} of them with a fault\n\
             lower bound        {} requests\n\
             carried out        {users_changed} times a user, {more:.1} % more than needed\n\
             over the quota     {over_quota} (60007)\n\
             reported           {reported}",
            took.as_secs_f64(),
            service.kills,
            needed.div_ceil(100),
        )
    }
}

/// The emulator's data, while no process serves them.
fn emulator(folder: &Path) -> Result<Emulator, Error> {
    Ok(scene::emulator()?.data(service::data(folder)).start()?)
}

fn write_file(users: &[User], folder: &Path) -> Result<(), Error> {
    let mut out = BufWriter::new(File::create(import::file(folder))?);
    file::write(users, &mut out)?;
    Ok(out.flush()?)
}

/// Gives the emulator's users what they had before; answers how many that are.
fn put_before(users: &[User], folder: &Path) -> Result<usize, Error> {
    let emulator = emulator(folder)?;
    for (number, user) in (0..).zip(users) {
        if !user.before.is_empty() {
            let tags = user.before.iter().map(|tag| data::tag(*tag));
            emulator.tag(&data::account(number), tags);
        }
    }
    Ok(emulator.stats().users_with_tags)
}

/// True if a user without tags gets some.
fn gets_tags(user: &User) -> bool {
    let wish = user.wish();
    user.before.is_empty() && !wish.is_too_much() && wish.tags.values().any(|there| *there)
}
