//! The two libraries as Cargo builds them, and what they need of the system. Cargo says where it put them and what
//! rustc had to say, one JSON object a line; both come back also when nothing had to be built.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::archive;
use super::program::output;
use crate::Error;
use crate::cargo::{cargo, clean};

/// What a build made.
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
    let messages = messages(command)?;
    let artefact = |name| {
        let found = messages.iter().find_map(|message| file(message, name));
        found.ok_or_else(|| format!("cargo built no {name}"))
    };
    let (shared, built) = (artefact("libimtag.so")?, artefact("libimtag.a")?);
    let system = messages.iter().find_map(native_static_libs);
    let system = system.ok_or("rustc did not say which libraries libimtag.a needs")?;
    Libraries::new(shared, &built, system)
}

impl Libraries {
    fn new(shared: PathBuf, built: &Path, system: Vec<String>) -> Result<Libraries, Error> {
        let folder = shared.parent().ok_or("cargo built in no folder")?;
        let archive = archive::hidden(built, &shared, &folder.join("installable"))?;
        Ok(Libraries {
            target: folder.parent().unwrap_or(folder).to_owned(),
            shared,
            archive,
            system,
        })
    }
}

/// What the checks use of the workspace, in the profile of every day: the libraries, the command line and the examples,
/// as the tests of all crates have them, so that Cargo builds their dependencies once. Built once, however many checks
/// ask.
pub(crate) fn for_tests() -> Result<&'static ForTests, Error> {
    static BUILT: OnceLock<Result<ForTests, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| ForTests::build().map_err(|why| why.to_string()));
    built.as_ref().map_err(|why| why.clone().into())
}

/// What [`for_tests`] built.
pub(crate) struct ForTests {
    messages: Vec<Value>,
}

impl ForTests {
    fn build() -> Result<ForTests, Error> {
        let mut command = cargo(["build", "--workspace", "--lib", "--bins", "--examples"]);
        command.args(["--quiet", "--message-format", "json"]);
        let messages = messages(command)?;
        Ok(ForTests { messages })
    }

    /// The file of a name.
    pub(crate) fn file(&self, name: &str) -> Result<PathBuf, Error> {
        let found = self.messages.iter().find_map(|message| file(message, name));
        found.ok_or_else(|| format!("cargo built no {name}").into())
    }

    /// The libraries, as [`libraries`] has them.
    pub(crate) fn libraries(&self) -> Result<Libraries, Error> {
        let (shared, built) = (self.file("libimtag.so")?, self.file("libimtag.a")?);
        Libraries::new(shared, &built, system_libraries_of_std()?)
    }
}

/// What the standard library needs of the system. Our dependencies add nothing to it, which the check of what is
/// installed would find out.
fn system_libraries_of_std() -> Result<Vec<String>, Error> {
    let folder = std::env::temp_dir().join(format!("xtask-std-{}", std::process::id()));
    let mut rustc = Command::new("rustc");
    clean(&mut rustc);
    rustc.args(["--crate-type", "staticlib", "--crate-name", "empty"]);
    rustc.args(["--print", "native-static-libs", "--error-format", "json"]);
    rustc.arg("--out-dir").arg(&folder).arg("-");
    let said = rustc.stdin(Stdio::null()).output()?;
    drop(std::fs::remove_dir_all(folder)); // it is the system's folder for such things
    let said = String::from_utf8_lossy(&said.stderr);
    let notes = said
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let found = notes
        .map(|note: Value| json!({"message": note}))
        .find_map(|it| native_static_libs(&it));
    found.ok_or_else(|| format!("rustc did not say what its library needs: {said}").into())
}

/// Cargo's target folder.
pub(crate) fn target() -> Result<PathBuf, Error> {
    let text = output(&mut cargo([
        "metadata",
        "--no-deps",
        "--format-version",
        "1",
    ]))?;
    let metadata: Value = serde_json::from_str(&text)?;
    let target = metadata["target_directory"].as_str();
    Ok(target
        .ok_or("cargo metadata names no target folder")?
        .into())
}

/// What Cargo says of a build. What rustc says of the code goes to the terminal.
pub(crate) fn messages(mut command: Command) -> Result<Vec<Value>, Error> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start cargo: {error}"))?;
    let output = child.stdout.take().ok_or("cargo has no output")?;
    let mut messages = Vec::new();
    for line in BufReader::new(output).lines() {
        let message: Value = serde_json::from_str(&line?)?;
        if native_static_libs(&message).is_none() && !is_about_native_libraries(&message) {
            if let Some(text) = message["message"]["rendered"].as_str() {
                eprint!("{text}");
            }
        }
        messages.push(message);
    }
    let status = child.wait()?;
    if status.success() {
        Ok(messages)
    } else {
        Err(format!("the build of the library failed ({status})").into())
    }
}

/// The file of a name among those that a message says were made.
pub(crate) fn file(message: &Value, name: &str) -> Option<PathBuf> {
    if message["reason"] != "compiler-artifact" {
        return None;
    }
    let files = message["filenames"].as_array()?.iter();
    let mut files = files.filter_map(Value::as_str).map(Path::new);
    let found = files.find(|file| file.file_name().is_some_and(|of| of == name));
    found.map(Path::to_owned)
}

/// `note: native-static-libs: -lgcc_s … -lc`, without what each C compiler adds by itself: with `-static` it is another
/// library that unwinds stacks, and there is no libgcc_s.a.
fn native_static_libs(message: &Value) -> Option<Vec<String>> {
    let text = message["message"]["message"].as_str()?;
    let flags = text.strip_prefix("native-static-libs: ")?;
    let names = flags
        .split_whitespace()
        .filter_map(|flag| flag.strip_prefix("-l"));
    let mut unique: Vec<String> = Vec::new();
    for name in names.filter(|name| !["c", "gcc_s"].contains(name)) {
        if !unique.iter().any(|known| known == name) {
            unique.push(name.to_owned());
        }
    }
    Some(unique)
}

/// The note that rustc puts before the names.
fn is_about_native_libraries(message: &Value) -> bool {
    let text = message["message"]["message"].as_str();
    text.is_some_and(|text| text.starts_with("link against the following native artifacts"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_s_libraries_are_those_that_rustc_names_each_once() {
        let note = "native-static-libs: -lgcc_s -lutil -lrt -lpthread -lgcc_s -lc";
        let message = json!({"reason": "compiler-message", "message": {"message": note}});
        let names = native_static_libs(&message).unwrap();
        assert_eq!(names, ["util", "rt", "pthread"]);
    }

    #[test]
    fn a_library_is_found_where_cargo_says_it_is() {
        let files = ["/t/debug/libimtag.so", "/t/debug/libimtag.a"];
        let message = json!({"reason": "compiler-artifact", "filenames": files});
        let found = file(&message, "libimtag.a");
        assert_eq!(found.unwrap(), Path::new("/t/debug/libimtag.a"));
        assert!(file(&message, "libother.a").is_none());
    }
}
