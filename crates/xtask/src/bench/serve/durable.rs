//! Changes that last, beside calls and beside what else one could do: how many are accepted, what sending them costs, and
//! how long calls wait meanwhile.

use std::thread;
use std::time::{Duration, Instant};

use imtag_transport::ChangeRequest;

use super::daemon::{Program, account, far};
use super::disk::{Posts, WithQueue, append_and_sync, slow_disk};
use crate::Error;
use crate::bench::against::OTHER;
use crate::bench::callers::{Called, call_for, millis};
use crate::bench::options::Options;
use crate::bench::process::cpu_of_the_client;
use crate::bench::report::{Contender, Table, micros_each, per_second};
use crate::scene::{CALLS_PER_SECOND, LATENCY, Scene};

/// Changes of a post that is accepted.
const CHANGES: u64 = 100;
/// Posts that differ. Callers go through them in turns.
const POSTS: u64 = 1_000;

/// Who posts, whether to a slow disk, and what the row of the peer is called.
const POSTING: [(u64, bool, &str); 3] = [
    (50, false, "a file each, 50"),
    (1, false, "a file, 1"),
    (4, true, "a file each, 4, slow disk"),
];

/// Callers beside a queue, and what their row without one is called.
const CALLING: [(u64, &str); 3] = [(1, "imtag, 1"), (20, "imtag, 20"), (500, "imtag, 500")];

/// What a second of the full quota sends.
const USERS_A_SECOND: u64 = 100 * CALLS_PER_SECOND as u64;
/// After the first change, until the full quota is used in an even way.
const UNTIL_STEADY: Duration = Duration::from_secs(3);

pub(super) fn accepting(
    programs: &[Program],
    options: &Options,
) -> Result<(Table, Option<String>), Error> {
    let time = options.time();
    let folder = tempfile::tempdir()?;
    let slow_disk = slow_disk(folder.path());
    let posts = &Posts::new(POSTS, CHANGES);
    let figures = |called: &Called| {
        vec![
            CHANGES as f64 * called.per_second(),
            millis(called.p50),
            millis(called.p99),
            called.failed as f64,
        ]
    };
    let mut contenders = Vec::new();
    for (callers, is_slow, file) in POSTING {
        let preload = match &slow_disk {
            Ok(library) => is_slow.then_some(&**library),
            Err(_) if is_slow => continue,
            Err(_) => None,
        };
        for program in programs {
            let name = program.0;
            let measure = move || {
                let WithQueue { daemon, .. } = &WithQueue::start(program, preload)?;
                let called = call_for(time, callers, |caller, turn| {
                    daemon.post(posts.at_turn(caller, turn)).into()
                })?;
                let commits = daemon.figure("imtag_queue_commits_total")?;
                let mut figures = figures(&called);
                figures.extend([
                    called.done as f64 / commits,
                    micros_each(daemon.cpu()?, CHANGES * called.done),
                    daemon.peak_memory()?,
                ]);
                Ok(figures)
            };
            contenders.push(Contender {
                name: format!(
                    "{name}, {callers}{}",
                    if is_slow { ", slow disk" } else { "" }
                ),
                over: vec![file],
                measure: Box::new(measure),
            });
        }
        contenders.push(Contender {
            name: file.to_owned(),
            over: vec![],
            measure: Box::new(move || {
                Ok(figures(&append_and_sync(time, callers, is_slow, posts)?))
            }),
        });
    }
    let title = format!(
        "posts of {CHANGES} changes, answered when they are on the disk, beside files that callers append to and sync; a sync \
         of the slow disk takes 20 ms"
    );
    let columns = [
        ("changes", "a second"),
        ("p50", "ms"),
        ("p99", "ms"),
        ("failed", ""),
        ("posts", "a commit"),
        ("CPU", "us/change"), // of the daemon, with what it sends
        ("peak", "MiB"),
    ];
    let mut table = Table::new(&title, &columns);
    table.in_turn(options.rounds, 0, &mut contenders)?;
    drop(contenders);
    Ok((table, slow_disk.err()))
}

const ALONE: &str = "bulk run alone";

pub(super) fn sending(programs: &[Program], options: &Options) -> Result<Table, Error> {
    let time = options.time();
    let changes = USERS_A_SECOND * options.amount;
    let mut contenders = Vec::new();
    for program in programs {
        contenders.push(Contender {
            name: program.0.to_owned(),
            over: vec![ALONE],
            measure: Box::new(move || {
                let WithQueue { daemon, .. } = &sends_for(program, time)?;
                let look = || -> Result<_, Error> {
                    let done = daemon.figure("imtag_queue_done_total")?;
                    let commits = daemon.figure("imtag_queue_commits_total")?;
                    Ok((Instant::now(), daemon.cpu()?, done, commits))
                };
                let before = look()?;
                thread::sleep(time);
                let after = look()?;
                let (took, cpu) = (after.0 - before.0, after.1.saturating_sub(before.1));
                let done = (after.2 - before.2) as u64;
                Ok(vec![
                    micros_each(cpu, done),
                    100.0 * cpu.as_secs_f64() / took.as_secs_f64(),
                    per_second(done, took),
                    (after.3 - before.3) / took.as_secs_f64(),
                    daemon.memory()?,
                ])
            }),
        });
    }
    contenders.push(Contender {
        name: ALONE.to_owned(),
        over: vec![],
        measure: Box::new(|| {
            let Scene { client, emulator } = far()?;
            let (began, before) = (Instant::now(), cpu_of_the_client()?);
            let changes =
                (0..changes).map(|user| ChangeRequest::add(account(user), ["vip", "beijing"]));
            let summary = client.bulk().run(changes).finish();
            let (took, cpu) = (began.elapsed(), cpu_of_the_client()?.saturating_sub(before));
            drop(emulator);
            let done = summary.progress.done;
            Ok(vec![
                micros_each(cpu, done),
                100.0 * cpu.as_secs_f64() / took.as_secs_f64(),
                per_second(done, took),
            ])
        }),
    });
    let title = format!(
        "a queue that is sent, {CALLS_PER_SECOND} calls a second, {} ms away, × is of CPU",
        LATENCY.as_millis()
    );
    let columns = [
        ("CPU", "us/user"),
        ("CPU", "% of a core"),
        ("users", "a second"),
        ("commits", "a second"),
        ("memory", "MiB"),
    ];
    let mut table = Table::new(&title, &columns);
    table.in_turn(options.rounds, 0, &mut contenders)?;
    Ok(table)
}

/// Sends for so long, from now on by the full quota.
fn sends_for(program: &Program, time: Duration) -> Result<WithQueue, Error> {
    let seconds = 2 * (time + UNTIL_STEADY).as_secs();
    let sending = WithQueue::with_changes(program, USERS_A_SECOND * seconds)?;
    thread::sleep(UNTIL_STEADY);
    Ok(sending)
}

pub(super) fn beside_calls(programs: &[Program], options: &Options) -> Result<Table, Error> {
    let time = options.time();
    let mut contenders = Vec::new();
    for (callers, alone) in CALLING {
        for program in programs {
            let name = format!("{}, {callers}", program.0);
            let figures = move |with_queue: bool| {
                let queue = if with_queue {
                    sends_for(program, time)?
                } else {
                    WithQueue::start(program, None)?
                };
                let daemon = &queue.daemon;
                let before = daemon.figure("imtag_queue_done_total")?;
                let called = call_for(time, callers, |it, _| daemon.tag(&account(it)).into())?;
                let sent = daemon.figure("imtag_queue_done_total")? - before;
                Ok(vec![
                    millis(called.p50),
                    millis(called.p99),
                    called.per_second(),
                    called.failed as f64,
                    sent / called.time.as_secs_f64(),
                ])
            };
            let is_other = program.0 == OTHER;
            contenders.push(Contender {
                name: format!("{name}, beside a queue"),
                over: if is_other { vec![] } else { vec![alone] },
                measure: Box::new(move || figures(true)),
            });
            contenders.push(Contender {
                name,
                over: vec![],
                measure: Box::new(move || figures(false)),
            });
        }
    }
    let title = format!(
        "callers beside a queue that is sent, {CALLS_PER_SECOND} calls a second, {} ms away",
        LATENCY.as_millis()
    );
    let columns = [
        ("p50", "ms"),
        ("p99", "ms"),
        ("users", "a second"),
        ("failed", ""),
        ("of the queue", "a second"),
    ];
    let mut table = Table::new(&title, &columns);
    table.in_turn(options.rounds, 0, &mut contenders)?;
    Ok(table)
}
