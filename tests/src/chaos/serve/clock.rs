//! A clock of the machine that steps, for one program: a shared library that is preloaded, and reads from a file how far it
//! is off. So the program itself is the one that is shipped.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use crate::error::Error;
use crate::program::output;

const SOURCE: &str = include_str!("clock.c");

pub(super) struct Clock {
    library: std::path::PathBuf,
    file: std::path::PathBuf,
    off_by: fs::File,
    seconds: i64,
}

impl Clock {
    /// Right at first.
    pub(super) fn new(folder: &Path) -> Result<Clock, Error> {
        let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
        fs::write(&source, SOURCE)?;
        let mut compiler = Command::new("cc");
        compiler
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&library);
        output(compiler.arg(&source))?;
        let file = folder.join("clock");
        let mut clock = Clock {
            seconds: 0,
            off_by: fs::File::create(&file)?,
            library,
            file,
        };
        clock.step(0)?;
        Ok(clock)
    }

    /// It goes so many seconds forth, or back.
    pub(super) fn step(&mut self, seconds: i64) -> Result<(), Error> {
        self.seconds += seconds;
        Ok(self.off_by.write_all_at(&self.seconds.to_ne_bytes(), 0)?)
    }

    /// Has a program go by it.
    pub(super) fn give(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", &self.library)
            .env("CHAOS_CLOCK", &self.file);
    }
}

#[test]
fn a_program_sees_the_clock_step() {
    if output(Command::new("cc").arg("--version")).is_err() {
        eprintln!("skipped: there is no compiler for C");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut clock = Clock::new(folder.path()).unwrap();
    let year = |clock: &Clock| {
        let mut date = Command::new("date");
        clock.give(date.args(["-u", "+%Y"]));
        output(&mut date).unwrap().trim().parse::<u32>().unwrap()
    };
    let now = year(&clock);
    clock.step(-40 * 365 * 86_400).unwrap();
    assert!((39..=40).contains(&(now - year(&clock))));
}
