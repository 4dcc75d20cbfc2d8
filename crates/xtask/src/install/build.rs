//! The two libraries as Cargo builds them, and what they need of the system. Cargo says where it put them and what
//! rustc had to say, one JSON object a line; both come back also when nothing had to be built.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::archive;
use crate::Error;
use crate::cargo::{cargo, clean};
use crate::metadata::Metadata;
use crate::program::Running;

/// The two libraries, built.
pub(crate) struct Libraries {
    /// libimtag.so
    pub(crate) shared: PathBuf,
    /// libimtag.a with nothing global but what libimtag.so exports.
    pub(crate) archive: PathBuf,
    /// The system's libraries that a program needs beside libimtag.a: `gcc_s`, `pthread`, …
    pub(crate) system: Vec<String>,
    /// Cargo's target folder.
    pub(crate) target: PathBuf,
}

/// The libraries in a profile.
pub(crate) fn libraries(profile: &str) -> Result<Libraries, Error> {
    let mut command = cargo(["rustc", "-p", "imtag-ffi"]);
    command.args(["--profile", profile]);
    libraries_by(command)
}

/// The libraries as a `cargo rustc` of the crate ffi makes them; the rest of its arguments is added here.
pub(crate) fn libraries_by(mut command: Command) -> Result<Libraries, Error> {
    if cfg!(not(target_os = "linux")) {
        return Err("the libraries are installed and shipped on Linux only".into());
    }
    command.args(["--message-format", "json"]);
    command.args(["--", "--print", "native-static-libs"]);
    let built = Built::new(command)?;
    let system = built.messages.iter().find_map(native_static_libs);
    built.libraries(system.ok_or("rustc did not say which libraries libimtag.a needs")?)
}

/// What the checks use of the workspace, in the profile of every day: the libraries, the command line and the examples,
/// as the tests of all crates have them, so that Cargo builds their dependencies once. Built once, however many checks
/// ask.
pub(crate) fn for_tests() -> Result<&'static Built, Error> {
    static BUILT: OnceLock<Result<Built, String>> = OnceLock::new();
    let build = || {
        let mut command = cargo(["build", "--workspace", "--lib", "--bins", "--examples"]);
        command.args(["--quiet", "--message-format", "json"]);
        Built::new(command).map_err(|why| why.to_string())
    };
    let built = BUILT.get_or_init(build);
    built.as_ref().map_err(|why| why.clone().into())
}

/// The command line in a profile.
pub(crate) fn command_line(profile: &str) -> Result<PathBuf, Error> {
    let mut command = cargo(["build", "--quiet", "-p", "imtag-cli"]);
    command.args(["--profile", profile, "--message-format", "json"]);
    Built::new(command)?.file("imtag")
}

/// What a build made.
pub(crate) struct Built {
    /// What Cargo said, an object a line.
    messages: Vec<Value>,
}

impl Built {
    /// Runs a task of Cargo with `--message-format json`. What rustc says of the code goes to the terminal.
    pub(crate) fn new(mut command: Command) -> Result<Built, Error> {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = Running::start(command)?;
        let output = child.0.stdout.take().ok_or("cargo has no output")?;
        let mut messages = Vec::new();
        for line in BufReader::new(output).lines() {
            let message: Value = serde_json::from_str(&line?)?;
            if !is_about_native_libraries(&message) {
                if let Some(text) = message["message"]["rendered"].as_str() {
                    eprint!("{text}");
                }
            }
            messages.push(message);
        }
        let status = child.0.wait()?;
        if status.success() {
            Ok(Built { messages })
        } else {
            Err(format!("the build failed ({status})").into())
        }
    }

    /// The file of a name.
    pub(crate) fn file(&self, name: &str) -> Result<PathBuf, Error> {
        let made = |message: &&Value| message["reason"] == "compiler-artifact";
        let files = self
            .messages
            .iter()
            .filter(made)
            .filter_map(|it| it["filenames"].as_array());
        let mut files = files.flatten().filter_map(Value::as_str).map(Path::new);
        let found = files.find(|file| file.file_name() == Some(name.as_ref()));
        Ok(found
            .ok_or_else(|| format!("cargo built no {name}"))?
            .to_owned())
    }

    /// The libraries of a build of everything. What the standard library needs of the system is what they need: our
    /// dependencies add nothing to it, which the check of what is installed would find out.
    pub(crate) fn libraries_for_tests(&self) -> Result<Libraries, Error> {
        let folder = tempfile::tempdir()?;
        let mut rustc = Command::new("rustc");
        clean(&mut rustc);
        rustc.args(["--crate-type", "staticlib", "--crate-name", "empty"]);
        rustc.args(["--print", "native-static-libs", "--error-format", "json"]);
        rustc.arg("--out-dir").arg(folder.path()).arg("-");
        let said = rustc.stdin(Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&said.stderr);
        let notes = said
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let system = notes
            .map(|note| json!({"message": note}))
            .find_map(|it| native_static_libs(&it));
        let system =
            system.ok_or_else(|| format!("rustc did not say what its library needs: {said}"));
        self.libraries(system?)
    }

    fn libraries(&self, system: Vec<String>) -> Result<Libraries, Error> {
        let (shared, built) = (self.file("libimtag.so")?, self.file("libimtag.a")?);
        let folder = shared.parent().ok_or("cargo built in no folder")?;
        Ok(Libraries {
            archive: archive::hidden(&built, &shared, &folder.join("installable"))?,
            target: folder.parent().unwrap_or(folder).to_owned(),
            shared,
            system,
        })
    }
}

/// Cargo's target folder.
pub(crate) fn target() -> Result<PathBuf, Error> {
    Ok(Metadata::read(&["--no-deps"])?.target_directory)
}

/// `note: native-static-libs: -lgcc_s … -lc`, without what each C compiler adds by itself: with `-static` it is another
/// library that unwinds stacks, and there is no libgcc_s.a.
fn native_static_libs(message: &Value) -> Option<Vec<String>> {
    let text = message["message"]["message"].as_str()?;
    let flags = text
        .strip_prefix("native-static-libs: ")?
        .split_whitespace();
    let mut unique: Vec<String> = Vec::new();
    for name in flags.filter_map(|flag| flag.strip_prefix("-l")) {
        if !["c", "gcc_s"].contains(&name) && !unique.iter().any(|known| known == name) {
            unique.push(name.to_owned());
        }
    }
    Some(unique)
}

/// The note with the names, and the one that rustc puts before it.
fn is_about_native_libraries(message: &Value) -> bool {
    let starts = [
        "native-static-libs: ",
        "link against the following native artifacts",
    ];
    let text = message["message"]["message"].as_str();
    text.is_some_and(|text| starts.iter().any(|start| text.starts_with(start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_s_libraries_are_those_that_rustc_names_each_once() {
        let note = "native-static-libs: -lgcc_s -lutil -lrt -lpthread -lgcc_s -lc -lrt";
        let message = json!({"reason": "compiler-message", "message": {"message": note}});
        let names = native_static_libs(&message).unwrap();
        assert_eq!(names, ["util", "rt", "pthread"]);
    }

    #[test]
    fn a_library_is_found_where_cargo_says_it_is() {
        let files = ["/t/debug/libimtag.so", "/t/debug/libimtag.a"];
        let message = |reason: &str| json!({"reason": reason, "filenames": files});
        let built = |reason| Built {
            messages: vec![message(reason)],
        };
        let found = built("compiler-artifact").file("libimtag.a");
        assert_eq!(found.unwrap(), Path::new("/t/debug/libimtag.a"));
        assert!(built("compiler-artifact").file("libother.a").is_err());
        assert!(built("other").file("libimtag.a").is_err());
    }
}
