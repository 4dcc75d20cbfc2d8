//! `cargo xtask tsan`: transport's tests under ThreadSanitizer, which finds two threads that use the same memory without a
//! lock or an order between them. It is slow, takes 2 GiB of disk, and needs Linux, cc and binutils; so it is no part of the
//! checks.
//!
//! A stable Rust can do it if it is told to be any (`RUSTC_BOOTSTRAP`). Its std is compiled without the sanitizer; what
//! the sanitizer is to know of it stands in `std.c`, and what is no race in `suppressions.txt`.
//!
//! It fails if there is a race. A test may fail beside, as all is many times slower: the checks say whether it holds.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Error;
use crate::cargo::{cargo, root};
use crate::cost::Start;
use crate::install::build::target;
use crate::install::elf;
use crate::program::{as_typed, output, run as run_command};

/// The slow paths of std's locks, by the names that `std.c` has for them, and how their symbols end.
const SLOW_PATHS: [(&str, &str); 6] = [
    ("CONDVAR_WAIT", "7Condvar4wait"),
    ("CONDVAR_WAIT_TIMEOUT", "7Condvar12wait_timeout"),
    ("MUTEX_LOCK", "5Mutex14lock_contended"),
    ("ONCE_CALL", "4Once4call"),
    ("RWLOCK_READ", "6RwLock14read_contended"),
    ("RWLOCK_WRITE", "6RwLock15write_contended"),
];

/// The tests that leave no open file to the sanitizer, which looks up names by another program.
const WITHOUT: &str = "poor_machine";

const SANITIZER: &str = "-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer";

pub(crate) fn run(mut arguments: lexopt::Parser) -> Result<(), Error> {
    let filters: Vec<_> = arguments.raw_args()?.collect();
    let is_option = |it: &&std::ffi::OsString| it.as_encoded_bytes().starts_with(b"-");
    if let Some(option) = filters.iter().find(is_option) {
        let option = option.to_string_lossy();
        let how = "cargo xtask tsan [FILTER …] runs the tests whose names hold one of the words";
        return Err(format!("{option}: no option; {how}").into());
    }
    let folder = target()?.join("tsan");
    let reports = folder.join("reports");
    let _ = fs::remove_dir_all(&reports);
    fs::create_dir_all(&reports)?;
    let flags = format!("{SANITIZER} {}", flags_of_std(&folder)?);
    let suppressions = root().join("crates/xtask/src/tsan/suppressions.txt");
    let options = format!(
        "exitcode=0 suppressions={} log_path={}",
        suppressions.display(),
        reports.join("report").display()
    );
    let mut tests = cargo(["test", "--package", "imtag-transport", "--lib"]);
    for file in fs::read_dir(root().join("crates/transport/tests"))? {
        let path = file?.path();
        let name = path.file_stem().unwrap_or_default();
        if path.extension().is_some() && name != WITHOUT {
            tests.arg("--test").arg(name);
        }
    }
    // with --target, the flags are not for build scripts
    tests.args(["--no-fail-fast", "--target", &host()?, "--target-dir"]);
    // the harness keeps what tests print behind a lock of std's own
    tests.arg(&folder).args(["--", "--nocapture"]).args(filters);
    tests.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", flags);
    tests.env("TSAN_OPTIONS", options);
    let start = Start::now();
    let (passed, failed) = count(&mut tests)?;
    let races = races(&reports)?;
    for race in &races {
        println!("{race}");
    }
    let found = races.len();
    println!(
        "\n{passed} tests passed, {failed} failed; {found} races; {}",
        start.until_now()
    );
    if found == 0 && passed > 0 {
        Ok(())
    } else {
        Err(format!("see {}", reports.display()).into())
    }
}

fn rustc(print: [&str; 2]) -> Result<String, Error> {
    let text = output(Command::new("rustc").args(print).current_dir(root()))?;
    Ok(text.trim().to_owned())
}

fn host() -> Result<String, Error> {
    rustc(["--print", "host-tuple"])
}

/// Compiles `std.c`; what makes the linker put it between the crates and std.
fn flags_of_std(folder: &Path) -> Result<String, Error> {
    let libraries = fs::read_dir(rustc(["--print", "target-libdir"])?)?;
    let mut libraries = libraries.filter_map(|it| it.ok().map(|it| it.path()));
    let is_std = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("libstd-") && name.ends_with(".so")
    };
    let symbols = elf::exported(&libraries.find(is_std).ok_or("no libstd-….so")?)?;
    let object = folder.join("std.o");
    let mut cc = Command::new("cc");
    cc.args(["-O1", "-c", "-o"]).arg(&object);
    cc.arg(root().join("crates/xtask/src/tsan/std.c"));
    let mut flags = format!("-Clink-arg={}", object.display());
    for (name, end) in SLOW_PATHS {
        let is_it = |it: &&String| it.contains("3std3sys4sync") && it.ends_with(end);
        let symbol = symbols.iter().find(is_it);
        let symbol =
            symbol.ok_or_else(|| format!("this Rust's std has no …{end}: fit std.c to it"))?;
        cc.arg(format!("-D{name}={symbol}"));
        flags += &format!(" -Clink-arg=-Wl,--wrap={symbol}");
    }
    run_command(&mut cc)?;
    Ok(flags)
}

/// Runs tests; how many passed and failed.
fn count(tests: &mut Command) -> Result<(u64, u64), Error> {
    println!("{}", as_typed(tests));
    let mut running = tests.stdout(Stdio::piped()).spawn()?;
    let printed = running.stdout.take().ok_or("no output")?;
    let (mut passed, mut failed) = (0, 0);
    for line in BufReader::new(printed).lines() {
        let line = line?;
        println!("{line}");
        passed += before(&line, " passed");
        failed += before(&line, " failed");
    }
    let ended = running.wait()?;
    if !ended.success() && failed == 0 {
        return Err(format!("the tests: {ended}").into());
    }
    Ok((passed, failed))
}

/// The number before a word in the last line of a test program.
fn before(line: &str, word: &str) -> u64 {
    let number = line.strip_prefix("test result:").and_then(|line| {
        let (before, _) = line.split_once(word)?;
        before.rsplit(' ').next()?.parse().ok()
    });
    number.unwrap_or(0)
}

/// The last line of each report.
fn races(reports: &Path) -> Result<Vec<String>, Error> {
    let mut races = Vec::new();
    for report in fs::read_dir(reports)? {
        let text = fs::read_to_string(report?.path())?;
        let lines = text.lines().filter(|line| line.starts_with("SUMMARY: "));
        races.extend(lines.map(str::to_owned));
    }
    Ok(races)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_a_test_program_is_counted() {
        let line = "test result: FAILED. 9 passed; 1 failed; 0 ignored; finished in 47.77s";
        assert_eq!((before(line, " passed"), before(line, " failed")), (9, 1));
        assert_eq!(before("test one_passed ... ok, 3 passed", " passed"), 0);
    }
}
