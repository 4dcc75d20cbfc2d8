//! `cargo xtask bench serve`: what the daemon costs its callers, which have a connection for each call, as a PHP worker has
//! that lives for one request. Beside it, in turn, the same callers on a batcher of their own, before an emulator of its
//! own.
//!
//! ```text
//! beside            callers at the service's distance and quota: users a second, and what the daemon adds to a call
//! loopback          the emulator is near and its quota out of reach: what a call costs the daemon
//! unknown           on the older paths one unknown account fails a whole request: what becomes of the other users while it
//!                   is learned which accounts are unknown, and then
//! at rest           wake-ups and memory, before all callers and after 1,000 of them
//! accepting         changes that last: posts, each answered when it is on the disk, beside files that are appended to and
//!                   synced; also on a disk whose sync takes 20 ms
//! queued            millions of them: memory, the start after kill -9, and the file once they are deleted
//! sending           what it costs to send them at the full quota, beside a bulk run
//! beside a queue    how long callers wait while it is sent
//! ```

mod daemon;
mod disk;
mod durable;
mod queued;

use std::cell::Cell;
use std::path::Path;
use std::thread;
use std::time::Duration;

use imtag_transport::Batcher;

use super::against::{OTHER, OtherCommit, command_lines};
use super::callers::{Called, Told, call_for, millis};
use super::options::Options;
use super::report::{Contender, Report, Table, micros_each};
use crate::Error;
use crate::scene::{self, CALLS_PER_SECOND, LATENCY, Scene};
use daemon::{Daemon, Program, Setup, account, far, near};

/// Beside the batcher.
const CALLERS: [u64; 4] = [1, 20, 500, 1_000];
/// On loopback: a full request for each of a few that are under way.
const CALLERS_NEAR: u64 = 500;
/// More calls a second than any machine makes.
const NO_QUOTA: u32 = 100_000;

const CALLERS_OF_UNKNOWN: u64 = 900;
const UNKNOWN: u64 = 200;
/// One in so many users is unknown.
const ONE_IN: u64 = 100;

/// How long it is watched at rest.
const REST: Duration = Duration::from_secs(10);
/// After the last outcome the threads still look around once.
const UNTIL_REST: Duration = Duration::from_secs(1);

/// A call: true if it is done.
type Tag = fn(&Daemon, &str) -> bool;

pub(super) fn run(options: &Options) -> Result<Report, Error> {
    let other = OtherCommit::asked_for(options)?;
    let programs = command_lines(options, other.as_ref())?;
    let mut report = options.report();
    report.tables.push(at_rest(&programs, options)?);
    report.tables.push(beside(&programs, options)?);
    let (table, missing) = loopback(&programs, options)?;
    report.tables.push(table);
    report.missing.extend(missing);
    report.tables.push(unknown(&programs, options)?);
    let (table, missing) = durable::accepting(&programs, options)?;
    report.tables.push(table);
    report.missing.extend(missing);
    report.tables.push(queued::queued(&programs, options)?);
    report.tables.push(durable::sending(&programs, options)?);
    report
        .tables
        .push(durable::beside_calls(&programs, options)?);
    Ok(report)
}

fn tagged(batcher: &Batcher, account: &str) -> bool {
    batcher.add_tag(account, ["vip"]).is_ok()
}

fn beside(programs: &[Program], options: &Options) -> Result<Table, Error> {
    let scene = far()?;
    let batcher = scene.client.batcher().start();
    let mut daemons = Vec::new();
    for (name, imtag) in programs {
        daemons.push((
            *name,
            Daemon::start(imtag, far()?, &Setup::with_quota(CALLS_PER_SECOND))?,
        ));
    }
    let time = options.time();
    let batcher_first = Cell::new(false);
    let mut contenders = Vec::new();
    for callers in CALLERS {
        for (name, daemon) in &daemons {
            let (batcher, batcher_first) = (&batcher, &batcher_first);
            let measure = move || {
                let alone =
                    || call_for(time, callers, |it, _| tagged(batcher, &account(it)).into());
                let before = daemon.cpu()?;
                let served = || call_for(time, callers, |it, _| daemon.tag(&account(it)).into());
                batcher_first.set(!batcher_first.get());
                let (alone, served) = if batcher_first.get() {
                    (alone()?, served()?)
                } else {
                    let served = served()?;
                    (alone()?, served)
                };
                let cpu = daemon.cpu()?.saturating_sub(before);
                Ok(vec![
                    served.per_second(),
                    alone.per_second(),
                    100.0 * served.per_second() / alone.per_second(),
                    millis(served.p50),
                    millis(alone.p50),
                    millis(served.p50) - millis(alone.p50),
                    millis(served.p99),
                    (served.failed + alone.failed) as f64,
                    micros_each(cpu, served.done),
                ])
            };
            contenders.push(Contender {
                name: format!("{name}, {callers}"),
                over: vec![],
                measure: Box::new(measure),
            });
        }
    }
    let title = format!(
        "callers with a connection a call, {CALLS_PER_SECOND} calls a second, {} ms away, beside the batcher alone",
        LATENCY.as_millis()
    );
    let columns = [
        ("users", "a second"),
        ("batcher", "a second"),
        ("of it", "%"),
        ("p50", "ms"),
        ("batcher", "p50 ms"),
        ("added", "ms"),
        ("p99", "ms"),
        ("failed", "both"),
        ("CPU", "us/user"), // of the daemon
    ];
    let mut table = Table::new(&title, &columns);
    table.in_turn(options.rounds, 0, &mut contenders)?;
    Ok(table)
}

fn loopback(programs: &[Program], options: &Options) -> Result<(Table, Option<String>), Error> {
    let time = options.time();
    let here = || near(scene::emulator()?, NO_QUOTA);
    let scene = here()?;
    let batcher = scene.client.batcher().start();
    let mut daemons = Vec::new();
    for (name, imtag) in programs {
        let setup = Setup {
            tcp: true,
            ..Setup::with_quota(NO_QUOTA)
        };
        daemons.push((*name, Daemon::start(imtag, here()?, &setup)?));
    }
    let figures = |called: &Called, cpu: Duration| {
        vec![
            called.per_second(),
            millis(called.p50),
            millis(called.p99),
            called.failed as f64,
            micros_each(cpu, called.done),
        ]
    };
    let mut missing = None;
    let mut contenders = Vec::new();
    for (name, daemon) in &daemons {
        let ways: [(_, Tag); 2] = [("socket", Daemon::tag), ("TCP", Daemon::tag_over_tcp)];
        for (by, tag) in ways {
            if by == "TCP" && !daemon.takes_tcp() {
                missing = Some(format!("TCP: {name} takes no calls over it"));
                continue;
            }
            let measure = move || {
                let before = daemon.cpu()?;
                let called =
                    call_for(time, CALLERS_NEAR, |it, _| tag(daemon, &account(it)).into())?;
                Ok(figures(&called, daemon.cpu()?.saturating_sub(before)))
            };
            contenders.push(Contender {
                name: format!("{name}, {by}"),
                over: vec![ALONE],
                measure: Box::new(measure),
            });
        }
    }
    let alone = || {
        let called = call_for(time, CALLERS_NEAR, |it, _| {
            tagged(&batcher, &account(it)).into()
        })?;
        Ok(figures(&called, Duration::ZERO))
    };
    contenders.push(Contender {
        name: ALONE.to_owned(),
        over: vec![],
        measure: Box::new(alone),
    });
    let title =
        format!("{CALLERS_NEAR} callers with a connection a call, the service near, no quota");
    let columns = [
        ("calls", "a second"),
        ("p50", "ms"),
        ("p99", "ms"),
        ("failed", ""),
        ("CPU", "us/call"),
    ];
    let mut table = Table::new(&title, &columns);
    table.in_turn(options.rounds, 0, &mut contenders)?;
    Ok((table, missing))
}

const ALONE: &str = "batcher alone";
const ALL_KNOWN: [&str; 2] = ["imtag, all known", "other commit, all known"];

/// Each is new in each round: in the first time it learns which accounts are unknown.
fn unknown(programs: &[Program], options: &Options) -> Result<Table, Error> {
    let time = options.time();
    let some_unknown = || {
        let accounts = (0..UNKNOWN).map(unknown_account);
        let emulator = scene::emulator()?.unknown_accounts(accounts);
        Scene::with(emulator, CALLS_PER_SECOND)
    };
    let start =
        |imtag: &Path, scene| Daemon::start(imtag, scene, &Setup::with_quota(CALLS_PER_SECOND));
    let mut contenders = Vec::new();
    for (name, imtag) in programs {
        let all_known = ALL_KNOWN[usize::from(*name == OTHER)];
        contenders.push(Contender {
            name: all_known.to_owned(),
            over: vec![],
            measure: Box::new(move || {
                let daemon = start(imtag, far()?)?;
                learning_and_then(time, |caller, _| daemon.tag(&account(caller)).into())
            }),
        });
        contenders.push(Contender {
            name: format!("{name}, some unknown"),
            over: vec![all_known, ALONE],
            measure: Box::new(move || {
                let daemon = start(imtag, some_unknown()?)?;
                learning_and_then(time, |caller, turn| {
                    one_in_so_many_unknown(caller, turn, &|account| daemon.tag(account))
                })
            }),
        });
    }
    contenders.push(Contender {
        name: ALONE.to_owned(),
        over: vec![],
        measure: Box::new(|| {
            let scene = some_unknown()?;
            let batcher = scene.client.batcher().start();
            learning_and_then(time, |caller, turn| {
                one_in_so_many_unknown(caller, turn, &|account| tagged(&batcher, account))
            })
        }),
    });
    let seconds = time.as_secs_f64();
    let title = format!(
        "{CALLERS_OF_UNKNOWN} callers, one user in {ONE_IN} out of {UNKNOWN} unknown accounts, older path: the first {seconds} s, and the {seconds} s then"
    );
    let columns = [
        ("others then", "a second"),
        ("at first", "a second"),
        ("p50 then", "ms"),
        ("p99 then", "ms"),
        ("p99 at first", "ms"),
        ("failed", "others"),
        ("rejected then", "unknown"),
        ("at first", "unknown"),
    ];
    let mut table = Table::new(&title, &columns);
    table.in_turn(options.rounds, 0, &mut contenders)?;
    Ok(table)
}

/// The figures of callers who call for twice this time.
fn learning_and_then(
    time: Duration,
    call: impl Fn(u64, u64) -> Told + Sync,
) -> Result<Vec<f64>, Error> {
    let at_first = call_for(time, CALLERS_OF_UNKNOWN, &call)?;
    // other turns draw other accounts
    let then = call_for(time, CALLERS_OF_UNKNOWN, |caller, turn| {
        call(caller, turn | 1 << 31)
    })?;
    Ok(vec![
        then.per_second(),
        at_first.per_second(),
        millis(then.p50),
        millis(then.p99),
        millis(at_first.p99),
        (at_first.failed + then.failed) as f64,
        then.rejected as f64,
        at_first.rejected as f64,
    ])
}

fn unknown_account(number: u64) -> String {
    format!("unknown{number:03}")
}

/// A call of the caller's account, or of somebody unknown: whose turn that is is drawn, the same in each run.
fn one_in_so_many_unknown(caller: u64, turn: u64, tag: &dyn Fn(&str) -> bool) -> Told {
    let drawn = drawn(caller << 32 | turn);
    if drawn % ONE_IN != 0 {
        return tag(&account(caller)).into();
    }
    if tag(&unknown_account(drawn / ONE_IN % UNKNOWN)) {
        Told::Failed
    } else {
        Told::Rejected
    }
}

fn at_rest(programs: &[Program], options: &Options) -> Result<Table, Error> {
    let columns = [
        ("wake-ups", "in 10 s"),
        ("memory", "MiB"),
        ("wake-ups", "after callers"),
        ("memory", "after callers"),
    ];
    let callers = CALLERS[CALLERS.len() - 1];
    let mut table = Table::new(&format!("at rest, and after {callers} callers"), &columns);
    for (name, imtag) in programs {
        let daemon = Daemon::start(imtag, far()?, &Setup::with_quota(CALLS_PER_SECOND))?;
        let mut figures = Vec::new();
        for callers in [0, callers] {
            call_for(options.time(), callers, |it, _| {
                daemon.tag(&account(it)).into()
            })?;
            thread::sleep(UNTIL_REST);
            let before = daemon.wakeups()?;
            thread::sleep(REST);
            figures.push(daemon.wakeups()?.saturating_sub(before) as f64);
            figures.push(daemon.memory()?);
        }
        table.row(name, &figures);
    }
    Ok(table)
}

/// A number for a number (SplitMix64).
fn drawn(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}
