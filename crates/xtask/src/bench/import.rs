//! Reading, checking, grouping and counting a file of shuffled rows: `imtag import --dry-run`, as it is shipped, in
//! turns with GNU sort of the same file in the same memory, which also puts the rows of a user together. Both run as
//! processes of their own, so that what they take is theirs alone. Then a whole import of the first rows, into an
//! emulator of a high quota: how many requests it made, against the fewest that there can be.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use lexopt::ValueExt;
use serde_json::Value;

use crate::Error;
use crate::cost::{Cost, Start};
use crate::install::build;
use crate::program::{Running, run as run_command};
use crate::scene::{self, LATENCY};

const ROWS: u64 = 10_000_000;

/// As many of them are sent.
const ROWS_SENT: u64 = 1_000_000;

/// The quota that they are sent by, so that it takes seconds.
const CALLS_PER_SECOND: u32 = 2_000;

/// How often each is measured. The least is taken, as other programs of the machine only ever add to it.
const ROUNDS: usize = 3;

/// How often it is looked how much memory a process takes. The system keeps the peak; only the last look could miss
/// some of it.
const LOOK: Duration = Duration::from_millis(5);

/// What a process took.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Taken {
    cost: Cost,
    peak_mib: u64,
}

pub(super) fn run(mut arguments: lexopt::Parser) -> Result<(), Error> {
    let (mut rows, mut big) = (ROWS, false);
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("rows") => rows = arguments.value()?.parse()?,
            lexopt::Arg::Long("big") => big = true,
            other => return Err(other.unexpected().into()),
        }
    }
    let imtag = build::command_line("dist")?;
    let folder = tempfile::tempdir()?; // for gigabytes
    let folder = folder.path();
    println!("reading, checking, grouping and counting shuffled rows; the least of {ROUNDS} times");
    println!(
        "{:>12}  {:<22} {:>14} {:>14} {:>10}",
        "rows", "", "rows/s of CPU", "rows/s", "peak"
    );
    measure(rows, &imtag, folder)?;
    if big {
        measure(10 * rows, &imtag, folder)?;
    }
    send(rows.min(ROWS_SENT), &imtag, folder)
}

/// Imports a file whole.
fn send(rows: u64, imtag: &Path, folder: &Path) -> Result<(), Error> {
    let file = sample(rows, folder)?;
    let emulator = scene::emulator()?.calls_per_second(CALLS_PER_SECOND);
    let emulator = emulator.latency(LATENCY).start()?;
    let mut import = Command::new(imtag);
    scene::set(&mut import, &emulator.endpoint());
    import
        .args(["import", "--json"])
        .arg(&file)
        .env("IMTAG_CALLS_PER_SECOND", CALLS_PER_SECOND.to_string())
        .env("TMPDIR", folder);
    let ran = import.stderr(Stdio::inherit()).output()?;
    if !ran.status.success() {
        return Err(format!("the import: {}", ran.status).into());
    }
    let report: Value = serde_json::from_slice(&ran.stdout)?;
    let figure = |field: &str| report[field].as_f64().ok_or(format!("no {field}"));
    let (requests, bound) = (figure("requests")?, figure("lower_bound")?);
    println!(
        "\n{rows} rows imported, at {CALLS_PER_SECOND} calls a second and {} ms: {} of {} users in {} s",
        LATENCY.as_millis(),
        figure("users_tagged")?,
        figure("users")?,
        figure("seconds")?,
    );
    println!(
        "{requests} requests, no plan needs fewer than {bound}: {:.2} % more",
        100.0 * (requests / bound - 1.0)
    );
    Ok(())
}

fn sample(rows: u64, folder: &Path) -> Result<PathBuf, Error> {
    let file = folder.join("rows.csv");
    let mut sample = Command::new(std::env::current_exe()?);
    sample.args(["sample", "--order", "shuffled", "--rows"]);
    run_command(sample.arg(rows.to_string()).arg("--out").arg(&file))?;
    Ok(file)
}

fn measure(rows: u64, imtag: &Path, folder: &Path) -> Result<(), Error> {
    let file = sample(rows, folder)?;
    let mut ours = Command::new(imtag);
    ours.args(["import", "--dry-run", "--json"]).arg(&file);
    let mut peer = Command::new("sort");
    peer.args(["--buffer-size=256M", "--parallel=1"]).arg(&file);
    for command in [&mut ours, &mut peer] {
        command.env("LC_ALL", "C").env("TMPDIR", folder);
        command.stdout(Stdio::null());
    }
    let (mut of_ours, mut of_peer) = (None, None);
    for _ in 0..ROUNDS {
        of_ours = least(of_ours, taken(&mut ours)?);
        of_peer = least(of_peer, taken(&mut peer)?);
    }
    for (name, taken) in [("imtag import --dry-run", of_ours), ("sort", of_peer)] {
        let taken = taken.ok_or("nothing was measured")?;
        println!(
            "{rows:>12}  {name:<22} {:>14.0} {:>14.0} {:>6} MiB",
            rows as f64 / taken.cost.cpu.as_secs_f64(),
            rows as f64 / taken.cost.time.as_secs_f64(),
            taken.peak_mib
        );
    }
    if let Some((ours, peer)) = of_ours.zip(of_peer) {
        let ratio = peer.cost.cpu.div_duration_f64(ours.cost.cpu);
        println!("{:>12}  ratio, of CPU {ratio:>23.2}", "");
    }
    Ok(())
}

/// Runs a command to its end.
fn taken(command: &mut Command) -> Result<Taken, Error> {
    let start = Start::now();
    let mut running = Running::start(command)?;
    let status = format!("/proc/{}/status", running.0.id());
    let mut peak_mib = 0;
    // what is left of a process that has ended is kept until it is waited for, except its memory
    while let Some(peak) = peak(&fs::read_to_string(&status)?) {
        peak_mib = peak;
        thread::sleep(LOOK);
    }
    let ended = running.0.wait()?;
    if !ended.success() {
        return Err(format!("a command that is measured: {ended}").into());
    }
    Ok(Taken {
        cost: start.until_now(),
        peak_mib,
    })
}

/// The peak of the memory, in MiB; `None` of a process that has ended.
fn peak(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib.div_ceil(1024))
}

fn least(before: Option<Taken>, now: Taken) -> Option<Taken> {
    let Some(before) = before else {
        return Some(now);
    };
    Some(Taken {
        cost: Cost {
            time: before.cost.time.min(now.cost.time),
            cpu: before.cost.cpu.min(now.cost.cpu),
        },
        peak_mib: before.peak_mib.max(now.peak_mib),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_says_the_peak_of_a_process_that_lives() {
        let lives = "Name:\tx\nVmHWM:\t  136193 kB\nVmRSS:\t 1 kB\n";
        assert_eq!(peak(lives), Some(134));
        assert_eq!(peak("Name:\tx\nState:\tZ (zombie)\n"), None);
    }

    #[test]
    fn the_least_of_the_times_and_the_most_of_the_memory_count() {
        let taken = |time, cpu, peak_mib| Taken {
            cost: Cost {
                time: Duration::from_secs(time),
                cpu: Duration::from_secs(cpu),
            },
            peak_mib,
        };
        let first = least(None, taken(2, 1, 7));
        assert_eq!(least(first, taken(1, 3, 5)), Some(taken(1, 1, 7)));
    }
}
