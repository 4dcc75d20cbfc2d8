//! What Cargo builds, and where it put it, which it says as JSON, also where nothing had to be built; and the installed
//! tree of what the checks use.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::cargo::cargo;
use crate::error::Error;
use crate::metadata::Metadata;
use crate::program::output;

/// What the checks use of the workspace, in the profile of every day: the libraries, the command line and the examples,
/// as the tests of all crates have them, so that Cargo builds their dependencies once. Built once, however many checks
/// ask.
pub fn for_tests() -> Result<&'static Built, Error> {
    static BUILT: OnceLock<Result<Built, String>> = OnceLock::new();
    let build = || {
        let build = [
            "build",
            "--workspace",
            "--lib",
            "--bins",
            "--examples",
            "--quiet",
        ];
        Built::new(cargo(build)).map_err(|why| why.to_string())
    };
    let built = BUILT.get_or_init(build);
    built.as_ref().map_err(|why| why.clone().into())
}

/// The libraries and headers of the working copy, quickly built and installed as others have them: the prefix. Installed
/// once, however many checks ask.
pub fn tree() -> Result<PathBuf, Error> {
    static TREE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let install = || -> Result<PathBuf, Error> {
        let library = for_tests()?.file("libimtag.so")?;
        let prefix = target()?.join("prefix");
        let mut install = cargo(["xtask", "install"]);
        install.arg("--built").arg(library.with_file_name(""));
        output(install.arg("--prefix").arg(&prefix))?;
        Ok(prefix)
    };
    let tree = TREE.get_or_init(|| install().map_err(|why| why.to_string()));
    tree.clone().map_err(Error::from)
}

/// The command line, whose emulator tests start.
pub fn imtag() -> Result<PathBuf, Error> {
    for_tests()?.file("imtag")
}

/// The command line in a profile.
pub fn command_line(profile: &str) -> Result<PathBuf, Error> {
    let build = [
        "build",
        "--quiet",
        "--package",
        "imtag-cli",
        "--profile",
        profile,
    ];
    Built::new(cargo(build))?.file("imtag")
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
    static TARGET: OnceLock<PathBuf> = OnceLock::new();
    if let Some(target) = TARGET.get() {
        return Ok(target.clone());
    }
    let target = Metadata::read(&["--no-deps"])?.target_directory;
    Ok(TARGET.get_or_init(|| target).clone())
}
