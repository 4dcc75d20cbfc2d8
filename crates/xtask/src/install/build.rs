//! The two libraries, and what they need of the system.

use std::path::PathBuf;
use std::process::{Command, Stdio};

pub(crate) use imtag_checks::build::{Built, target};

use super::archive;
use crate::Error;
use crate::cargo::{cargo, clean};

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
    Libraries::new(Built::new(cargo(build))?.file("libimtag.so")?)
}

impl Libraries {
    /// Those that Cargo has put into one folder, by the path of libimtag.so.
    pub(crate) fn new(shared: PathBuf) -> Result<Libraries, Error> {
        if cfg!(not(target_os = "linux")) {
            return Err("the libraries are installed and shipped on Linux only".into());
        }
        let folder = shared.parent().ok_or("the library is in no folder")?;
        let built = folder.join("libimtag.a");
        Ok(Libraries {
            archive: archive::hidden(&built, &shared, &folder.join("installable"))?,
            system: system_libraries()?,
            target: folder.parent().unwrap_or(folder).to_owned(),
            shared,
        })
    }
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
