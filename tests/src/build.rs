//! What Cargo builds, and where it put it, which it says as JSON, also where nothing had to be built; and the installed
//! tree of what the checks use.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::cargo::cargo;
use crate::error::Error;
use crate::metadata::Metadata;
use crate::parallel::once;
use crate::program::output;

/// What the checks use of the workspace, in the profile of every day: the libraries, the command line and the examples,
/// as the tests of all crates have them, so that Cargo builds their dependencies once. Built once, however many checks
/// ask.
pub fn for_tests() -> Result<&'static Built, Error> {
    static BUILT: OnceLock<Result<Built, String>> = OnceLock::new();
    let mut build = cargo(["build", "--workspace", "--quiet"]);
    build.args(["--lib", "--bins", "--examples"]);
    once(&BUILT, || Built::new(build))
}

/// The libraries and headers of the working copy, quickly built and installed as others have them: the prefix. Installed
/// once, however many checks ask.
pub fn tree() -> Result<PathBuf, Error> {
    static TREE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let install = || {
        let library = for_tests()?.file("libimtag.so")?;
        let prefix = target()?.join("prefix");
        let mut install = cargo(["xtask", "install"]);
        install.arg("--built").arg(library.with_file_name(""));
        let installed = output(install.arg("--prefix").arg(&prefix))?;
        remove_others(&prefix, &installed)?;
        Ok(prefix)
    };
    once(&TREE, install).cloned()
}

/// Removes what an earlier version has installed, and this one does not name. The others stay as they are, with their
/// times, by which CMake knows what to build anew.
fn remove_others(folder: &Path, installed: &str) -> Result<(), Error> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_named = |line: &str| line.ends_with(&format!(" {}", path.display()));
        if path.is_dir() {
            remove_others(&path, installed)?;
        } else if !installed.lines().any(is_named) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// The command line, whose emulator tests start.
pub fn imtag() -> Result<PathBuf, Error> {
    for_tests()?.file("imtag")
}

/// The command line for a run: optimised where it is a long one, else as the tests are built.
pub fn imtag_for(long_run: bool) -> Result<PathBuf, Error> {
    if long_run {
        command_line("release")
    } else {
        imtag()
    }
}

/// The command line in a profile.
pub fn command_line(profile: &str) -> Result<PathBuf, Error> {
    let mut build = cargo(["build", "--quiet", "--package", "imtag-cli", "--profile"]);
    build.arg(profile);
    Built::new(build)?.file("imtag")
}

/// What a build made: its files.
pub struct Built(Vec<PathBuf>);

impl Built {
    /// Runs a build of Cargo. What it and rustc say goes to the terminal.
    pub fn new(mut command: Command) -> Result<Built, Error> {
        command.args(["--message-format", "json-render-diagnostics"]);
        let built = command.stderr(Stdio::inherit()).output()?;
        if !built.status.success() {
            return Err(format!("the build failed ({})", built.status).into());
        }
        let mut files = Vec::new();
        for line in String::from_utf8(built.stdout)?.lines() {
            let message: Value = serde_json::from_str(line)?;
            let made = message["filenames"].as_array().into_iter().flatten();
            files.extend(made.filter_map(Value::as_str).map(PathBuf::from));
        }
        Ok(Built(files))
    }

    /// The file of a name.
    pub fn file(&self, name: &str) -> Result<PathBuf, Error> {
        let mut files = self.0.iter();
        let file = files.find(|file| file.file_name() == Some(name.as_ref()));
        Ok(file
            .ok_or_else(|| format!("cargo built no {name}"))?
            .clone())
    }
}

/// Cargo's target folder.
pub fn target() -> Result<PathBuf, Error> {
    static TARGET: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let read = || Ok(Metadata::read(&["--no-deps"])?.target_directory);
    once(&TARGET, read).cloned()
}

#[test]
fn what_is_no_longer_installed_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let lib = folder.path().join("lib");
    fs::create_dir(&lib).unwrap();
    let [new, old] = ["new", "old"].map(|name| lib.join(name));
    fs::write(&new, "").unwrap();
    fs::write(&old, "").unwrap();
    remove_others(folder.path(), &format!("fresh {}\n", new.display())).unwrap();
    assert!(new.exists() && !old.exists());
}
