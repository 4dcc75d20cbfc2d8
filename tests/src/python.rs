//! Python: lints and types of the binding, and its tests against an installed wheel, from a folder elsewhere, so that
//! nothing of the source tree is imported by chance. All of it in a virtual environment below the target folder, which
//! is made anew when what it is made of has changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::cargo::root;
use crate::error::Error;
use crate::log::Log;
use crate::parallel::once;
use crate::program::Missing;
use crate::pypi::{VirtualEnv, lock, only_wheel};
use crate::{build, tools};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What the checks of Python need.
pub struct Venv {
    tools: VirtualEnv,
    /// Of everything in Python: the environment, the wheel, caches.
    folder: PathBuf,
}

/// Style, format, types.
pub fn linted(log: &Log) -> Result<(), Error> {
    let venv = Venv::with_package()?;
    let cache = venv.folder.join("ruff");
    for arguments in [&["check"][..], &["format", "--check"]] {
        let mut ruff = venv.module("ruff");
        ruff.args(arguments).arg("--config").arg(configuration());
        ruff.arg("--cache-dir").arg(&cache);
        log.run(ruff.current_dir(project()).arg(".").arg(runner()))?;
    }
    let cache = venv.folder.join("mypy");
    for files in [None, Some(runner())] {
        let mut mypy = venv.module("mypy");
        mypy.arg("--config-file").arg(configuration());
        mypy.arg("--cache-dir").arg(&cache);
        log.run(mypy.current_dir(project()).args(files))?;
    }
    Ok(())
}

/// The tests.
pub fn tested(log: &Log) -> Result<(), Error> {
    let mut pytest = Venv::with_package()?.module("pytest");
    pytest.arg("-c").arg(configuration());
    pytest.args(["-p", "no:cacheprovider", "--quiet"]);
    pytest.arg("--rootdir").arg(project());
    pytest.env("IMTAG_BIN", build::imtag()?);
    log.run(pytest.arg(project().join("tests")))
}

/// A program of bench/, with the library in a folder.
pub fn benchmark(name: &str, lib: &Path) -> Result<Command, Error> {
    let venv = Venv::ready()?;
    let library = lib.join("libimtag.so");
    venv.install_wheel(&library)?;
    let mut command = venv.python();
    command.env("IMTAG_LIBRARY", library);
    command.arg(project().join("bench").join(name));
    Ok(command)
}

/// The conformance runner, started with the package as it is installed.
pub fn conformance_runner() -> Result<Command, Error> {
    let mut command = Venv::with_package()?.python();
    command.arg(runner().join("run.py"));
    Ok(command)
}

fn project() -> PathBuf {
    root().join("bindings/python")
}

fn configuration() -> PathBuf {
    project().join("pyproject.toml")
}

/// The folder of the conformance runner.
fn runner() -> PathBuf {
    root().join("tests/conformance/runners/python")
}

impl Venv {
    /// The environment with the tools that the checks need. Where they cannot be had, the checks are skipped.
    pub fn ready() -> Result<Venv, Error> {
        tools::python()?;
        let folder = build::target()?.join("python");
        let tools = VirtualEnv::locked(lock::TEST, folder.join("venv"));
        let tools = tools.map_err(|why| Missing(why.to_string()))?;
        Ok(Venv { tools, folder })
    }

    /// The same, with our package: the wheel is built with the libraries of the tests, and installed once, however many
    /// checks need it.
    fn with_package() -> Result<Venv, Error> {
        static DONE: OnceLock<Result<(), String>> = OnceLock::new();
        let venv = Venv::ready()?;
        once(&DONE, || {
            let library = build::tree()?.join("lib");
            venv.install_wheel(&library.join("libimtag.so"))
        })?;
        Ok(venv)
    }

    /// What an isolated build of the wheel needs, as wheels in a folder.
    pub fn download_build_tools(&self, to: &Path) -> Result<(), Error> {
        self.tools.download(lock::BUILD, to)
    }

    fn install_wheel(&self, library: &Path) -> Result<(), Error> {
        let folder = self.folder.join("wheel");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        self.tools.build_wheel(&project(), library, &folder)?;
        let wheel = only_wheel(&folder)?;
        let name = wheel.file_name().unwrap_or_default().to_string_lossy();
        if name != wheel_name() {
            return Err(format!("the wheel is called {name}, not {}", wheel_name()).into());
        }
        self.tools.install_wheel(&wheel)
    }

    /// Python, in a folder where nothing lies that it could import, with no setting of the user's for the package.
    fn python(&self) -> Command {
        let mut command = self.tools.program("python");
        command
            .current_dir(&self.folder)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env_remove("PYTHONPATH")
            .env_remove("IMTAG_LIBRARY");
        command
    }

    fn module(&self, name: &str) -> Command {
        let mut command = self.python();
        command.args(["-m", name]);
        command
    }
}

/// A library of C for any Python 3 on this machine.
fn wheel_name() -> String {
    let (system, processor) = (std::env::consts::OS, std::env::consts::ARCH);
    format!("imtag-{VERSION}-py3-none-{system}_{processor}.whl")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wheel_is_for_this_machine_and_any_python_3() {
        let name = wheel_name();
        assert!(name.starts_with("imtag-") && name.contains("-py3-none-"));
        assert!(!name.contains("any"));
    }
}
