//! The programs from PyPI that this task needs, in exact versions, in an environment of their own below the target
//! folder. It is made anew when the list of them changes.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Error;
use crate::install::program::output;

/// A virtual environment of Python.
pub(super) struct Venv {
    folder: PathBuf,
}

impl Venv {
    /// An environment with what is required, each in its exact version.
    pub(super) fn with(requirements: &str, folder: PathBuf) -> Result<Venv, Error> {
        let made_of = folder.join("made-of.txt");
        let venv = Venv { folder };
        if fs::read(&made_of).is_ok_and(|there| there == requirements.as_bytes()) {
            return Ok(venv);
        }
        let list = venv.folder.with_extension("txt");
        venv.make()?;
        fs::write(&list, requirements)?;
        let mut pip = venv.pip_install();
        output(pip.arg("--requirement").arg(&list))?;
        fs::rename(list, made_of)?;
        Ok(venv)
    }

    /// An environment with one wheel and nothing else, made anew.
    pub(super) fn with_wheel(wheel: &Path, folder: PathBuf) -> Result<Venv, Error> {
        let venv = Venv { folder };
        venv.make()?;
        output(venv.pip_install().arg("--no-index").arg(wheel))?;
        Ok(venv)
    }

    fn make(&self) -> Result<(), Error> {
        println!("making {}", self.folder.display());
        let mut python = Command::new("python3");
        python.args(["-m", "venv", "--clear"]).arg(&self.folder);
        output(&mut python).map_err(|why| {
            format!("a virtual environment is needed (Debian: python3-venv): {why}")
        })?;
        Ok(())
    }

    fn pip_install(&self) -> Command {
        let mut pip = self.program("python");
        pip.args(["-m", "pip", "install", "--quiet"]);
        pip.arg("--disable-pip-version-check");
        pip
    }

    /// A program of the environment, which finds the others there.
    pub(super) fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin().join(name));
        command.env("PATH", self.path());
        command
    }

    pub(super) fn bin(&self) -> PathBuf {
        self.folder.join("bin")
    }

    /// PATH, with the environment's programs first.
    pub(super) fn path(&self) -> OsString {
        let mut path = self.bin().into_os_string();
        if let Some(others) = std::env::var_os("PATH") {
            path.push(":");
            path.push(others);
        }
        path
    }
}
