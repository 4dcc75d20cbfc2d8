//! The wheel for this platform, with the library that was built for the old glibc. auditwheel looks for itself at what
//! the library needs, and refuses the tag if it is more.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::venv::Venv;
use super::zig::GLIBC;
use crate::Error;
use crate::cargo::root;
use crate::install::program::output;

/// Builds the wheel into a folder.
pub(super) fn built(tools: &Venv, library: &Path, to: &Path) -> Result<PathBuf, Error> {
    let plain = to.join("untagged");
    let mut build = tools.program("python");
    build.args(["-m", "build", "--wheel", "--no-isolation", "--outdir"]);
    build.arg(&plain).arg(root().join("bindings/python"));
    output(build.env("IMTAG_PREBUILT_LIBRARY", library))?;
    let mut auditwheel = tools.program("auditwheel");
    auditwheel.args(["repair", "--plat", &platform(), "--wheel-dir"]);
    output(auditwheel.arg(to).arg(only(&plain)?))?;
    fs::remove_dir_all(plain)?;
    let wheel = only(to)?;
    let mut auditwheel = tools.program("auditwheel");
    println!("{}", output(auditwheel.arg("show").arg(&wheel))?.trim());
    Ok(wheel)
}

/// `manylinux_2_17_x86_64`
fn platform() -> String {
    let (major, minor) = GLIBC;
    format!("manylinux_{major}_{minor}_{}", std::env::consts::ARCH)
}

/// The one wheel in a folder.
fn only(folder: &Path) -> Result<PathBuf, Error> {
    let files = fs::read_dir(folder)?.map(|file| Ok(file?.path()));
    let mut files = files.collect::<Result<Vec<_>, std::io::Error>>()?;
    files.retain(|file| file.extension() == Some(OsStr::new("whl")));
    match files.as_slice() {
        [wheel] => Ok(wheel.clone()),
        _ => Err(format!("there should be one wheel in {}", folder.display()).into()),
    }
}

/// Takes apart what a wheel has, to look at it.
pub(super) fn unpacked(tools: &Venv, wheel: &Path, to: &Path) -> Result<(), Error> {
    let mut python: Command = tools.program("python");
    python.args(["-m", "zipfile", "--extract"]);
    output(python.arg(wheel).arg(to))?;
    Ok(())
}
