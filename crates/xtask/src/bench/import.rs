//! Reading, checking, grouping and counting a file of shuffled rows: `imtag import --dry-run`, as it is shipped, in
//! turns with GNU sort of the same file in the same memory, which also puts the rows of a user together. Both run as
//! processes of their own, so that what they take is theirs alone. Then a whole import of the first rows, into an
//! emulator of a high quota: how many requests it made, against the fewest that there can be.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use imtag_core::SecretKey;
use imtag_emulator::Emulator;
use lexopt::ValueExt;
use serde_json::Value;

use super::scene::{KEY, LATENCY};
use crate::Error;
use crate::cargo::cargo;

const ROWS: u64 = 10_000_000;

/// As many of them are sent.
const ROWS_SENT: u64 = 1_000_000;

/// The quota that they are sent by, so that it takes seconds.
const CALLS_PER_SECOND: u32 = 2_000;

/// The least of so many is taken, as other programs of the machine only ever add to it.
const ROUNDS: usize = 3;

/// How often it is looked how much memory a process takes. The system keeps the peak; only the last look could miss
/// some of it.
const LOOK: Duration = Duration::from_millis(5);

/// The time in which Linux counts that of processes, to programs.
const TICKS_A_SECOND: f64 = 100.0;

/// What a process took.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Taken {
    wall: f64,
    cpu: f64,
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
    let imtag = imtag()?;
    let folder = Folder::new()?;
    println!("reading, checking, grouping and counting shuffled rows; the least of {ROUNDS} times");
    println!(
        "{:>12}  {:<22} {:>14} {:>14} {:>10}",
        "rows", "", "rows/s of CPU", "rows/s", "peak"
    );
    measure(rows, &imtag, &folder)?;
    if big {
        measure(10 * rows, &imtag, &folder)?;
    }
    send(rows.min(ROWS_SENT), &imtag, &folder)
}

/// Imports a file whole.
fn send(rows: u64, imtag: &Path, folder: &Folder) -> Result<(), Error> {
    let file = sample(rows, folder)?;
    let emulator = Emulator::builder()
        .secret_key(SecretKey::new(KEY)?)
        .calls_per_second(CALLS_PER_SECOND)
        .latency(LATENCY)
        .start()?;
    let mut import = Command::new(imtag);
    import.args(["import", "--json"]).arg(&file);
    import
        .env("IMTAG_SDKAPPID", emulator.sdkappid().to_string())
        .env("IMTAG_IDENTIFIER", emulator.identifier())
        .env("IMTAG_SECRET_KEY", KEY)
        .env("IMTAG_ENDPOINT", emulator.endpoint())
        .env("IMTAG_CALLS_PER_SECOND", CALLS_PER_SECOND.to_string())
        .env("TMPDIR", &folder.0);
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

fn sample(rows: u64, folder: &Folder) -> Result<PathBuf, Error> {
    let file = folder.0.join("rows.csv");
    let mut sample = Command::new(std::env::current_exe()?);
    sample.args(["sample", "--order", "shuffled", "--rows"]);
    sample.arg(rows.to_string()).arg("--out").arg(&file);
    finished(&mut sample.spawn()?)?;
    Ok(file)
}

fn measure(rows: u64, imtag: &Path, folder: &Folder) -> Result<(), Error> {
    let file = sample(rows, folder)?;
    let mut ours = Command::new(imtag);
    ours.args(["import", "--dry-run", "--json"]).arg(&file);
    let mut peer = Command::new("sort");
    peer.args(["--buffer-size=256M", "--parallel=1"]).arg(&file);
    for command in [&mut ours, &mut peer] {
        command.env("LC_ALL", "C").env("TMPDIR", &folder.0);
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
            rows as f64 / taken.cpu,
            rows as f64 / taken.wall,
            taken.peak_mib
        );
    }
    if let Some((ours, peer)) = of_ours.zip(of_peer) {
        println!("{:>12}  ratio, of CPU {:>23.2}", "", peer.cpu / ours.cpu);
    }
    Ok(())
}

/// The program as it is shipped.
fn imtag() -> Result<PathBuf, Error> {
    let mut build = cargo(["build", "--package", "imtag-cli"]);
    build.args([
        "--profile",
        "dist",
        "--message-format=json-render-diagnostics",
    ]);
    let built = build.stderr(Stdio::inherit()).output()?;
    let messages = String::from_utf8(built.stdout)?;
    let mut executables = messages.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message["executable"].as_str()?))
    });
    Ok(executables.next_back().ok_or("imtag was not built")?)
}

/// Runs a command to its end.
fn taken(command: &mut Command) -> Result<Taken, Error> {
    let began = Instant::now();
    let mut child = command.spawn()?;
    let about = PathBuf::from(format!("/proc/{}", child.id()));
    let mut peak_mib = 0;
    // what is left of a process that has ended is kept until somebody waits for it: its time, and not its memory
    let ended = loop {
        let status = fs::read_to_string(about.join("status"))?;
        match peak(&status) {
            Some(peak) => peak_mib = peak,
            None => break fs::read_to_string(about.join("stat"))?,
        }
        thread::sleep(LOOK);
    };
    let wall = began.elapsed().as_secs_f64();
    finished(&mut child)?;
    Ok(Taken {
        wall,
        cpu: cpu(&ended).ok_or("this Linux does not count the time of processes")?,
        peak_mib,
    })
}

fn finished(child: &mut Child) -> Result<(), Error> {
    match child.wait()? {
        status if status.success() => Ok(()),
        status => Err(format!("a command that is measured: {status}").into()),
    }
}

/// The peak of the memory, in MiB; `None` of a process that has ended.
fn peak(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib.div_ceil(1024))
}

/// Seconds of user and system. The name of the program, in parentheses, may hold anything.
fn cpu(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let mut seconds = || Some(fields.next()?.parse::<f64>().ok()? / TICKS_A_SECOND);
    Some(seconds()? + seconds()?)
}

fn least(before: Option<Taken>, now: Taken) -> Option<Taken> {
    let Some(before) = before else {
        return Some(now);
    };
    Some(Taken {
        wall: before.wall.min(now.wall),
        cpu: before.cpu.min(now.cpu),
        peak_mib: before.peak_mib.max(now.peak_mib),
    })
}

/// A folder for gigabytes, which goes when this is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Folder, Error> {
        let path = std::env::temp_dir().join(format!("imtag-bench-{}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // what cannot be removed is the machine's, and the figures stand all the same
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_says_what_a_process_took() {
        assert_eq!(
            peak("Name:\tx\nVmHWM:\t  136193 kB\nVmRSS:\t 1 kB\n"),
            Some(134)
        );
        assert_eq!(peak("Name:\tx\nState:\tZ (zombie)\n"), None);
        let stat = "71 (a) b) Z 1 71 71 0 -1 4194316 1 2 3 4 156 25 0 0 20 0 1 0 9";
        assert_eq!(cpu(stat), Some(1.81));
    }

    #[test]
    fn the_least_of_the_times_and_the_most_of_the_memory_count() {
        let taken = |wall, cpu, peak_mib| Taken {
            wall,
            cpu,
            peak_mib,
        };
        let first = least(None, taken(2.0, 1.0, 7));
        assert_eq!(least(first, taken(1.0, 3.0, 5)), Some(taken(1.0, 1.0, 7)));
    }
}
