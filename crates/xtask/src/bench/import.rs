//! `cargo xtask bench import`: reading, checking, grouping and counting a file of shuffled rows: `imtag import --dry-run`,
//! as it is shipped, in turns with GNU sort of the same file in the same memory, which also puts the rows of a user
//! together. Both run as processes of their own, so that what they take is theirs alone. Then a whole import of the first
//! rows, into an emulator of a high quota: how many requests it made, against the fewest that there can be.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::against::{OTHER, OtherCommit, command_lines};
use super::options::Options;
use super::process::memory;
use super::report::{Contender, Report, Table, micros_each};
use crate::Error;
use crate::cost::Start;
use crate::program::{Running, run as run_command};
use crate::scene::{self, LATENCY};

/// As many of the rows are sent.
const ROWS_SENT: u64 = 1_000_000;

/// The quota that they are sent by, so that it takes seconds.
const CALLS_PER_SECOND: u32 = 2_000;

/// How often it is looked how much memory a process takes. The system keeps the peak; only the last look could miss
/// some of it.
const LOOK: Duration = Duration::from_millis(5);

/// A command line, with what its rows are called.
type Program = (&'static str, PathBuf);

pub(super) fn run(options: &Options) -> Result<Report, Error> {
    let other = OtherCommit::asked_for(options)?;
    let programs = command_lines(options, other.as_ref())?;
    let folder = tempfile::tempdir()?; // for gigabytes
    let folder = folder.path();
    let mut report = options.report();
    report.tables.push(dry_runs(&programs, folder, options)?);
    report.tables.push(imports(&programs, folder, options)?);
    Ok(report)
}

fn dry_runs(programs: &[Program], folder: &Path, options: &Options) -> Result<Table, Error> {
    let rows = options.amount;
    let file = sample(rows, folder)?;
    let contender = |name: &str, over, mut command: Command| {
        command.arg(&file).env("LC_ALL", "C").env("TMPDIR", folder);
        command.stdout(Stdio::null());
        Contender {
            name: name.to_owned(),
            over,
            measure: Box::new(move || taken(&mut command, rows)),
        }
    };
    let mut contenders = Vec::new();
    for (name, imtag) in programs {
        let mut import = Command::new(imtag);
        import.args(["import", "--dry-run", "--json"]);
        let over = if *name == OTHER {
            vec![]
        } else {
            vec!["sort", OTHER]
        };
        contenders.push(contender(name, over, import));
    }
    let mut sort = Command::new("sort");
    sort.args(["--buffer-size=256M", "--parallel=1"]);
    contenders.push(contender("sort", Vec::new(), sort));
    let title = format!("{rows} shuffled rows read, checked, grouped and counted, × is of CPU");
    let columns = [("CPU", "us a row"), ("time", "us a row"), ("peak", "MiB")];
    let mut table = Table::new(&title, &columns);
    table.in_turn(options.rounds, 0, &mut contenders)?;
    Ok(table)
}

/// Imports a file whole.
fn imports(programs: &[Program], folder: &Path, options: &Options) -> Result<Table, Error> {
    let rows = options.amount.min(ROWS_SENT);
    let file = sample(rows, folder)?;
    let (quota, latency) = (CALLS_PER_SECOND, LATENCY.as_millis());
    let title = format!("{rows} rows imported, {quota} calls a second, {latency} ms away");
    let columns = [
        ("users", ""),
        ("tagged", ""),
        ("requests", ""),
        ("fewest", ""),
        ("time", "s"),
    ];
    let fields = [
        "users",
        "users_tagged",
        "requests",
        "lower_bound",
        "seconds",
    ];
    let mut table = Table::new(&title, &columns);
    for (name, imtag) in programs {
        let emulator = scene::emulator()?.calls_per_second(quota);
        let emulator = emulator.latency(LATENCY).start()?;
        let mut import = Command::new(imtag);
        scene::set(&mut import, &emulator.endpoint());
        import.args(["import", "--json"]).arg(&file);
        import.args(["--journal".as_ref(), folder.join(name).as_os_str()]);
        import.env("IMTAG_CALLS_PER_SECOND", quota.to_string());
        let ran = import
            .env("TMPDIR", folder)
            .stderr(Stdio::inherit())
            .output()?;
        if !ran.status.success() {
            return Err(format!("the import: {}", ran.status).into());
        }
        let said: Value = serde_json::from_slice(&ran.stdout)?;
        let figure = |field: &str| said[field].as_f64().ok_or(format!("no {field}"));
        let figures: Vec<f64> = fields.into_iter().map(figure).collect::<Result<_, _>>()?;
        table.row(name, &figures);
    }
    Ok(table)
}

fn sample(rows: u64, folder: &Path) -> Result<PathBuf, Error> {
    let file = folder.join("rows.csv");
    let mut sample = Command::new(std::env::current_exe()?);
    sample.args(["sample", "--order", "shuffled", "--rows"]);
    run_command(sample.arg(rows.to_string()).arg("--out").arg(&file))?;
    Ok(file)
}

/// Runs a command to its end: what it took.
fn taken(command: &mut Command, rows: u64) -> Result<Vec<f64>, Error> {
    let start = Start::now();
    let mut running = Running::start(command)?;
    let mut most = 0;
    // what is left of a process that has ended is kept until it is waited for, except its memory
    while let Some(peak) = memory(running.0.id(), "VmHWM")? {
        most = peak;
        thread::sleep(LOOK);
    }
    let ended = running.0.wait()?;
    if !ended.success() {
        return Err(format!("a command that is measured: {ended}").into());
    }
    let cost = start.until_now();
    let [cpu, time] = [cost.cpu, cost.time].map(|it| micros_each(it, rows));
    Ok(vec![cpu, time, most as f64 / f64::from(1 << 20)])
}
