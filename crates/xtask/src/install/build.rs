//! What Cargo builds, and where it put it, which it says as JSON, also where nothing had to be built; and what the two
//! libraries need of the system.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use super::archive;
use crate::Error;
use crate::cargo::{cargo, clean};
use crate::metadata::Metadata;

/// The two libraries, built.
pub(crate) struct Libraries {
    /// libimtag.so
    pub(crate) shared: PathBuf,
    /// libimtag.a with nothing global but what libimtag.so exports.
    pub(crate) archive: PathBuf,
    /// The system's libraries that a program needs beside libimtag.a: `util`, `pthread`, …
    pub(crate) system: Vec<String>,
    /// Cargo's target folder.
    pub(crate) target: PathBuf,
}

/// The libraries in a profile.
pub(crate) fn libraries(profile: &str) -> Result<Libraries, Error> {
    let build = [
        "build",
        "--package",
        "imtag-ffi",
        "--lib",
        "--profile",
        profile,
    ];
    Built::new(cargo(build))?.libraries()
}

/// What the checks use of the workspace, in the profile of every day: the libraries, the command line and the examples,
/// as the tests of all crates have them, so that Cargo builds their dependencies once. Built once, however many checks
/// ask.
pub(crate) fn for_tests() -> Result<&'static Built, Error> {
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

/// The command line in a profile.
pub(crate) fn command_line(profile: &str) -> Result<PathBuf, Error> {
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
pub(crate) struct Built(Vec<PathBuf>);

impl Built {
    /// Runs a build of Cargo. What it and rustc say goes to the terminal.
    pub(crate) fn new(mut command: Command) -> Result<Built, Error> {
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
    pub(crate) fn file(&self, name: &str) -> Result<PathBuf, Error> {
        let mut files = self.0.iter();
        let file = files.find(|file| file.file_name() == Some(name.as_ref()));
        Ok(file
            .ok_or_else(|| format!("cargo built no {name}"))?
            .clone())
    }

    /// The libraries, which are part of the build.
    pub(crate) fn libraries(&self) -> Result<Libraries, Error> {
        if cfg!(not(target_os = "linux")) {
            return Err("the libraries are installed and shipped on Linux only".into());
        }
        let (shared, built) = (self.file("libimtag.so")?, self.file("libimtag.a")?);
        let folder = shared.parent().ok_or("cargo built in no folder")?;
        Ok(Libraries {
            archive: archive::hidden(&built, &shared, &folder.join("installable"))?,
            system: system_libraries()?,
            target: folder.parent().unwrap_or(folder).to_owned(),
            shared,
        })
    }
}

/// Cargo's target folder.
pub(crate) fn target() -> Result<PathBuf, Error> {
    Ok(Metadata::read(&["--no-deps"])?.target_directory)
}

/// What Rust's standard library needs of the system. Our dependencies add nothing to it, which the check of what is
/// installed would find out.
fn system_libraries() -> Result<Vec<String>, Error> {
    let folder = tempfile::tempdir()?;
    let mut rustc = Command::new("rustc");
    clean(&mut rustc);
    rustc.args(["--crate-type", "staticlib", "--crate-name", "empty", "-"]);
    rustc.args(["--print", "native-static-libs", "--out-dir"]);
    let said = rustc.arg(folder.path()).stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&said.stderr);
    let names = native_static_libs(&said);
    names.ok_or_else(|| format!("rustc did not say what its library needs: {said}").into())
}

/// `note: native-static-libs: -lgcc_s … -lc`, without what each C compiler adds by itself: with `-static` it is another
/// library that unwinds stacks, and there is no libgcc_s.a.
fn native_static_libs(said: &str) -> Option<Vec<String>> {
    let flags = said
        .lines()
        .find_map(|line| line.strip_prefix("note: native-static-libs: "))?;
    let mut unique: Vec<String> = Vec::new();
    for name in flags
        .split_whitespace()
        .filter_map(|flag| flag.strip_prefix("-l"))
    {
        if !["c", "gcc_s"].contains(&name) && !unique.iter().any(|known| known == name) {
            unique.push(name.to_owned());
        }
    }
    Some(unique)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_s_libraries_are_those_that_rustc_names_each_once() {
        let said = "note: link against the following native artifacts\n\n\
                    note: native-static-libs: -lgcc_s -lutil -lrt -lpthread -lgcc_s -lc -lrt\n";
        assert_eq!(native_static_libs(said).unwrap(), ["util", "rt", "pthread"]);
    }
}
