//! The library as others get it: installed and used by tests/install/check.sh, as a person would, outside of the
//! repository.

use std::process::Command;

use crate::cargo::clean;
use crate::error::Error;
use crate::log::Log;
use crate::tools;

/// Each program with the Debian package that it comes in.
const PROGRAMS: [(&str, &str); 6] = [
    ("readelf", "binutils"),
    ("gcc", "gcc"),
    ("g++", "g++"),
    ("pkg-config", "pkg-config"),
    ("make", "make"),
    ("cmake", "cmake"),
];

pub fn needs() -> Result<(), Error> {
    tools::programs(&PROGRAMS)
}

pub fn installed(log: &Log) -> Result<(), Error> {
    let folder = tempfile::tempdir()?;
    let mut script = Command::new("sh");
    clean(&mut script);
    log.run(script.arg("tests/install/check.sh").arg(folder.path()))
}
