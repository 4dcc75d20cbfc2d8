//! Programs from PyPI: this is the only place that starts pip. Everything comes from a lock in `requirements`, with all
//! that it pulls in, in exact versions and with hashes. Wheels only, as an sdist would be built with whatever its
//! authors ask for, and that is in no lock.

pub mod lock;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
use crate::program::output;

/// A virtual environment of Python.
#[derive(Debug, Clone)]
pub struct VirtualEnv {
    folder: PathBuf,
}

impl VirtualEnv {
    /// An environment with exactly what a lock names, as pip refuses all else. It is made anew when the lock or the
    /// Python has changed.
    pub fn locked(lock: &str, folder: PathBuf) -> Result<VirtualEnv, Error> {
        let venv = VirtualEnv { folder };
        let (file, text) = lock::read(lock)?;
        let made_of = output(Command::new("python3").arg("-VV"))? + &text;
        let stamp = venv.folder.join("made-of.txt");
        if fs::read_to_string(&stamp).is_ok_and(|text| text == made_of) {
            return Ok(venv);
        }
        venv.make()?;
        let mut pip = venv.pip("install");
        output(pip.args(FROM_A_LOCK).arg("--requirement").arg(file))?;
        fs::write(stamp, made_of)?;
        Ok(venv)
    }

    /// An environment with one wheel and nothing else, made anew.
    pub fn with_wheel(wheel: &Path, folder: PathBuf) -> Result<VirtualEnv, Error> {
        let venv = VirtualEnv { folder };
        venv.make()?;
        venv.install_wheel(wheel)?;
        Ok(venv)
    }

    fn make(&self) -> Result<(), Error> {
        eprintln!("making {}", self.folder.display());
        let mut python = Command::new("python3");
        python.args(["-m", "venv", "--clear"]).arg(&self.folder);
        output(&mut python).map_err(|why| {
            format!("a virtual environment is needed (Debian: python3-venv): {why}")
        })?;
        Ok(())
    }

    /// Installs a wheel of ours, which needs no other.
    pub fn install_wheel(&self, wheel: &Path) -> Result<(), Error> {
        let mut pip = self.pip("install");
        pip.args(["--no-index", "--no-deps", "--force-reinstall"]);
        output(pip.arg(wheel))?;
        Ok(())
    }

    /// Builds a wheel of ours with the tools that this environment has.
    pub fn build_wheel(&self, project: &Path, library: &Path, to: &Path) -> Result<(), Error> {
        let mut pip = self.pip("wheel");
        pip.args(["--no-index", "--no-deps", "--no-build-isolation"]);
        pip.arg("--wheel-dir").arg(to).arg(project);
        output(pip.env("IMTAG_PREBUILT_LIBRARY", library))?;
        Ok(())
    }

    /// The wheels that a lock names, as files in a folder, for a pip that is to find nothing else.
    pub fn download(&self, lock: &str, to: &Path) -> Result<(), Error> {
        let (file, _) = lock::read(lock)?;
        let mut pip = self.pip("download");
        pip.args(FROM_A_LOCK).arg("--requirement").arg(file);
        output(pip.arg("--dest").arg(to))?;
        Ok(())
    }

    fn pip(&self, task: &str) -> Command {
        let mut pip = self.program("python");
        pip.args(["-I", "-m", "pip", task, "--quiet"]);
        pip.arg("--disable-pip-version-check");
        pip.env("PIP_USER", "0"); // a user's setting, which an environment refuses
        pip
    }

    /// A program of the environment, which finds the others there.
    pub fn program(&self, name: &str) -> Command {
        let bin = self.folder.join("bin");
        let mut command = Command::new(bin.join(name));
        let mut path = bin.into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        command.env("PATH", path);
        command
    }
}

/// The one wheel in a folder.
pub fn only_wheel(folder: &Path) -> Result<PathBuf, Error> {
    let files = fs::read_dir(folder)?.map(|file| Ok(file?.path()));
    let mut files = files.collect::<Result<Vec<_>, std::io::Error>>()?;
    files.retain(|file| file.extension() == Some("whl".as_ref()));
    match files.as_slice() {
        [wheel] => Ok(wheel.clone()),
        _ => Err(format!("there should be one wheel in {}", folder.display()).into()),
    }
}

/// How pip takes a lock: it refuses what is not in it, or has another hash, and builds nothing.
const FROM_A_LOCK: [&str; 4] = ["--require-hashes", "--only-binary", ":all:", "--no-input"];
