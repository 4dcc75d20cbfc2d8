//! `cargo xtask bench serve`: what the daemon costs its callers, which have a connection for each call, as a PHP worker has
//! that lives for one request. Beside it, in turn, the same callers on a batcher of their own, before an emulator of its
//! own.
//!
//! ```text
//! beside            callers at the service's distance and quota: users a second, and what the daemon adds to a call
//! loopback          the emulator is near and its quota out of reach: what a call costs the daemon
//! unknown           on the older paths one unknown account fails a whole request: what becomes of the other users
//! at rest           wake-ups and memory, before all callers and after 1,000 of them
//! ```

mod daemon;

use std::cell::Cell;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use imtag_emulator::Window;
use imtag_transport::Batcher;

use super::against::{OTHER, OtherCommit, command_lines};
use super::callers::{Called, Told, call_for, millis};
use super::options::Options;
use super::report::{Contender, Report, Table, micros_each};
use crate::Error;
use crate::scene::{self, CALLS_PER_SECOND, LATENCY, Scene};
use daemon::{Daemon, near};

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

/// A command line, with what its rows are called.
type Program = (&'static str, PathBuf);

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
    Ok(report)
}

fn far() -> Result<Scene, Error> {
    Scene::new(Window::Sliding, Duration::ZERO)
}

fn account(caller: u64) -> String {
    format!("user{caller:08}")
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
            Daemon::start(imtag, far()?, CALLS_PER_SECOND, false)?,
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
        daemons.push((*name, Daemon::start(imtag, here()?, NO_QUOTA, true)?));
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

fn unknown(programs: &[Program], options: &Options) -> Result<Table, Error> {
    let time = options.time();
    let unknown = |number: u64| format!("unknown{number:03}");
    let some_unknown = || {
        let accounts = (0..UNKNOWN).map(unknown);
        let emulator = scene::emulator()?.unknown_accounts(accounts);
        Scene::with(emulator, CALLS_PER_SECOND)
    };
    let scene = some_unknown()?;
    let batcher = scene.client.batcher().start();
    let mut daemons = Vec::new();
    for (name, imtag) in programs {
        let started = [far()?, some_unknown()?]
            .map(|scene| Daemon::start(imtag, scene, CALLS_PER_SECOND, false));
        let [known, unknown] = started;
        daemons.push((*name, [known?, unknown?]));
    }
    // whose turn it is to be for somebody unknown is drawn, the same in each run
    let call = |caller: u64, turn: u64, tag: &dyn Fn(&str) -> bool| {
        let drawn = drawn(caller << 32 | turn);
        if drawn % ONE_IN == 0 {
            let is_done = tag(&unknown(drawn / ONE_IN % UNKNOWN));
            return if is_done {
                Told::Failed
            } else {
                Told::Rejected
            };
        }
        tag(&account(caller)).into()
    };
    let figures = |called: &Called| {
        vec![
            called.per_second(),
            millis(called.p50),
            millis(called.p99),
            called.failed as f64,
            called.rejected as f64,
        ]
    };
    let mut contenders = Vec::new();
    for (name, [known, unknown]) in &daemons {
        let all_known = ALL_KNOWN[usize::from(*name == OTHER)];
        contenders.push(Contender {
            name: all_known.to_owned(),
            over: vec![],
            measure: Box::new(move || {
                let tag = |caller, _| known.tag(&account(caller)).into();
                Ok(figures(&call_for(time, CALLERS_OF_UNKNOWN, tag)?))
            }),
        });
        contenders.push(Contender {
            name: format!("{name}, some unknown"),
            over: vec![all_known, ALONE],
            measure: Box::new(move || {
                let tag = |caller, turn| call(caller, turn, &|account| unknown.tag(account));
                Ok(figures(&call_for(time, CALLERS_OF_UNKNOWN, tag)?))
            }),
        });
    }
    contenders.push(Contender {
        name: ALONE.to_owned(),
        over: vec![],
        measure: Box::new(|| {
            let tag = |caller, turn| call(caller, turn, &|account| tagged(&batcher, account));
            Ok(figures(&call_for(time, CALLERS_OF_UNKNOWN, tag)?))
        }),
    });
    let title = format!(
        "{CALLERS_OF_UNKNOWN} callers, one user in {ONE_IN} out of {UNKNOWN} unknown accounts, older path"
    );
    let columns = [
        ("others", "a second"),
        ("p50", "ms"),
        ("p99", "ms"),
        ("failed", "others"),
        ("rejected", "unknown"),
    ];
    let mut table = Table::new(&title, &columns);
    table.in_turn(options.rounds, 0, &mut contenders)?;
    Ok(table)
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
        let daemon = Daemon::start(imtag, far()?, CALLS_PER_SECOND, false)?;
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
